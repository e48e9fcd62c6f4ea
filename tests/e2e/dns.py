# SPDX-License-Identifier: Apache-2.0
"""A name server that knows a few names, for tests of how names are found. It answers over UDP and TCP."""
import ipaddress
import socket
import struct
import threading
import time

A, AAAA, NXDOMAIN, TRUNCATED = 1, 28, 3, 0x0200


class NameServer:
    """Listens at an address's port 53, in the network namespace of who makes it.

    names: name to addresses; what is not among them does not exist. delay: seconds before each answer."""

    def __init__(self, address, names, delay=0):
        self.names, self.delay = names, delay
        self.asked = []  # (name, "udp" or "tcp")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.bind((address, 53))
        self.tcp = socket.create_server((address, 53), family=family)
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def serve_udp(self):
        while True:
            try:
                question, who = self.udp.recvfrom(4096)
            except OSError:
                return
            time.sleep(self.delay)
            self.udp.sendto(self.answer(question, "udp"), who)

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        """Several questions may come over one."""
        with connection, connection.makefile("rb") as stream:
            while len(head := stream.read(2)) == 2:
                answer = self.answer(stream.read(int.from_bytes(head, "big")), "tcp")
                connection.sendall(len(answer).to_bytes(2, "big") + answer)

    def answer(self, question, way):
        end = question.index(b"\0", 12) + 5
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name, kind = ".".join(labels).lower(), int.from_bytes(question[end - 4:end - 2], "big")
        self.asked.append((name, way))
        addresses = [ipaddress.ip_address(text).packed for text in self.names.get(name, [])]
        found = [packed for packed in addresses if len(packed) == {A: 4, AAAA: 16}.get(kind)]
        flags = 0x8180 | (0 if name in self.names else NXDOMAIN)
        records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(packed)) + packed for packed in found)
        if way == "udp" and end + len(records) > 512:
            flags, found, records = flags | TRUNCATED, [], b""
        return question[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question[12:end] + records

    def close(self):
        for one in (self.udp, self.tcp):
            one.shutdown(socket.SHUT_RDWR) if one is self.tcp else None
            one.close()
