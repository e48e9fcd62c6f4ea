# SPDX-License-Identifier: Apache-2.0
"""What the kernel knows of checksums and segmentation, in the packets' flags, beside what tshark finds by itself."""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct

from conftest import GUARD, tshark
from test_agent import compile_filter, inside, ip, namespaces, start  # noqa: F401
from test_agent_blocks import TUNSETIFF

UNSET, VALID, SEGMENTS = 1 << 9, 1 << 10, 1 << 11  # of the flags
PUZZLES = "tcp.checksum.status == Bad && !(frame.packet_flags & 0x200)"  # as the man page has it
CHECKED = ["-o", "tcp.check_checksum:TRUE", "-o", "tcp.desegment_tcp_streams:FALSE"]
SIZE = 200_000


SIOCETHTOOL, STXCSUM, STSO, SGSO = 0x8946, 0x17, 0x1f, 0x24  # linux/ethtool.h


def offload(namespace, on):
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in (STXCSUM, STSO, SGSO) if on else (SGSO, STSO, STXCSUM):
            value = ctypes.create_string_buffer(struct.pack("II", command, on), 8)
            fcntl.ioctl(any_socket, SIOCETHTOOL, struct.pack("16sP16x", b"eth0", ctypes.addressof(value)))


@contextlib.contextmanager
def without_offload(namespaces):
    for name in namespaces:
        offload(name, False)
    yield
    for name in namespaces:
        offload(name, True)


def talk(namespaces):
    """A connection from the second namespace to the first, where the agent is, with SIZE bytes each way."""
    with inside(namespaces[0]), socket.create_server(("10.55.0.1", 6020)) as server:
        with inside(namespaces[1]), socket.create_connection(("10.55.0.1", 6020), GUARD) as client:
            with server.accept()[0] as accepted:
                for one, peer in ((client, accepted), (accepted, client)):
                    one.sendall(b"x" * SIZE)
                    left = SIZE
                    while left:
                        left -= len(peer.recv(left))


def capture(start, namespaces, path):
    agent = start("-i", "eth0", "-F", compile_filter("tcp port 6020"))
    talk(namespaces)
    agent.finish(path)
    rows = tshark(path, "frame.packet_flags", "frame.packet_flags_direction", "frame.packet_flags_reserved",
                  "tcp.checksum.status", "frame.len", options=CHECKED)
    assert rows
    # The place that Wireshark 4.0 has for these bits, and the whole word, are the same.
    assert all(int(reserved) == (int(word, 0) >> 9) & 0x7f for word, _, reserved, _, _ in rows)
    return [(int(word, 0), int(direction, 0), status, int(length)) for word, direction, _, status, length in rows]


def test_offload(start, namespaces, tmp_path):
    """Between pods nobody ever computes a checksum: tshark cannot find it right, and the flags say why."""
    path = str(tmp_path / "x.pcapng")
    rows = capture(start, namespaces, path)
    assert {direction for _, direction, _, _ in rows} == {1, 2}
    for word, _, status, _ in rows:
        assert word & (UNSET | VALID) == UNSET
        assert status == "0"  # Bad
    assert not tshark(path, "frame.number", display=PUZZLES, options=CHECKED)
    large = [word for word, _, _, length in rows if length > 1514]
    assert large and all(word & SEGMENTS for word in large)
    assert not any(word & SEGMENTS for word, _, _, length in rows if length < 100)


def test_without_offload(start, namespaces, tmp_path):
    """Each checksum is computed: tshark finds it right, and no flag tells otherwise."""
    with without_offload(namespaces):
        rows = capture(start, namespaces, str(tmp_path / "x.pcapng"))
    for word, _, status, _ in rows:
        assert not word & UNSET and status == "1"


def segment(wrong):
    """A frame with a segment of TCP, whose checksum is right or wrong."""
    addresses, data = bytes([10, 9, 0, 1, 10, 9, 0, 2]), b"four"
    tcp = struct.pack("!HHIIBBHHH", 6021, 6021, 1, 1, 0x50, 0x10, 1000, 0, 0) + data
    total = sum(struct.unpack(f"!{(12 + len(tcp)) // 2}H", addresses + struct.pack("!HH", 6, len(tcp)) + tcp))
    checksum = ~((total & 0xffff) + (total >> 16)) & 0xffff
    tcp = tcp[:16] + struct.pack("!H", checksum ^ wrong) + tcp[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + addresses
    total = sum(struct.unpack("!10H", head))
    head = head[:10] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + head[12:]
    return b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + head + tcp


def test_what_the_kernel_has_checked(start, namespaces, tmp_path):
    """Where it joins segments it looks at their checksums first: here those of a tap, by NAPI."""
    path, name = str(tmp_path / "x.pcapng"), namespaces[0]
    with inside(name):
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"tap9", 0x1012))  # TAP, NO_PI, NAPI
    ip("-n", name, "link", "set", "tap9", "up")
    agent = start("-i", "tap9", "-F", compile_filter("tcp port 6021"))
    os.write(tap, segment(0))
    os.write(tap, segment(0x1111))
    agent.finish(path)
    os.close(tap)
    rows = tshark(path, "frame.packet_flags", "tcp.checksum.status", options=CHECKED)
    assert [(int(word, 0) & (UNSET | VALID), status) for word, status in rows] == [(VALID, "1"), (0, "0")]
    assert len(tshark(path, "frame.number", display=PUZZLES, options=CHECKED)) == 1
