# SPDX-License-Identifier: Apache-2.0
"""The agent with -H: packets are cut behind their headers, as tshark sees those."""
import fcntl
import os
import socket
import struct

import pytest

from conftest import GUARD, tshark
from test_agent import compile_filter, inside, ip, namespaces, start, tagged_frame, udp  # noqa: F401
from test_agent_blocks import TUNSETIFF, TUNSETLINK

SECRET = b"what nobody may keep "


def holds_no_secret(path):
    with open(path, "rb") as file:
        assert SECRET not in file.read()


def talk_tcp(name, other, address):
    """A connection with the secret in both directions, from one namespace to the other."""
    with inside(other), socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, 6010))
        server.listen()
        with inside(name), socket.create_connection((address, 6010), GUARD) as client:
            with server.accept()[0] as accepted:
                for one, peer in ((client, accepted), (accepted, client)):
                    one.sendall(SECRET * 500)
                    assert peer.recv(len(SECRET) * 500, socket.MSG_WAITALL) == SECRET * 500


def test_tcp(start, namespaces, tmp_path):
    """With its options, over IPv4 and IPv6, on the device and on the loopback; large segments that the kernel has not
    cut yet as well."""
    path = str(tmp_path / "x.pcapng")
    a, b = namespaces
    for name, number in ((a, 1), (b, 2)):
        ip("-n", name, "addr", "replace", f"fd55::{number}/64", "dev", "eth0", "nodad")
    agent = start("-H", "-F", compile_filter("tcp port 6010"))
    for other, address in ((b, "10.55.0.2"), (b, "fd55::2"), (a, "127.0.0.1"), (a, "::1")):
        talk_tcp(a, other, address)
    agent.finish(path)
    rows = [tuple(int(field or 0) for field in row) for row in
            tshark(path, "frame.cap_len", "ip.version", "tcp.hdr_len", "frame.len", "tcp.len")]
    assert {cut - header for cut, version, header, _, _ in rows} == {14 + 20, 14 + 40}
    assert {version for _, version, _, _, _ in rows} == {4, 6}
    assert all(whole - cut == length for cut, _, _, whole, length in rows)
    assert sum(length for *_, length in rows) == 4 * 2 * 500 * len(SECRET)
    holds_no_secret(path)


def test_a_tag_that_is_put_back(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = start("-H", "-V", "-F", compile_filter("vlan 100 and udp port 6003"))
    with inside(namespaces[1]), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as one:
        one.bind(("eth0", 0))
        one.send(tagged_frame(SECRET * 20))
    agent.finish(path)
    assert tshark(path, "frame.cap_len", "frame.len", "vlan.id", "udp.dstport") == \
        [["46", str(46 + 20 * len(SECRET)), "100", "6003"]]
    holds_no_secret(path)


def test_pieces(start, namespaces, tmp_path):
    """The first piece of a datagram has its ports, the others IP's header."""
    path = str(tmp_path / "x.pcapng")
    agent = start("-H", "-F", compile_filter("ip host 10.55.0.2 and (udp port 6000 or ip[6:2] & 0x1fff != 0)"))
    udp(namespaces, [SECRET * 200])
    agent.finish(path)
    assert [row[0] for row in tshark(path, "frame.cap_len")] == ["42", "34", "34"]
    holds_no_secret(path)


@pytest.mark.parametrize("hatype, encap_type, link", [(65534, "7", 0), (512, "210", 20)], ids=["raw", "cooked"])
def test_other_devices(start, namespaces, tmp_path, hatype, encap_type, link):
    """IP without a link header, and behind one of our making (of a device that says it speaks PPP)."""
    path = str(tmp_path / "x.pcapng")
    name = namespaces[0]
    ip("-n", name, "tuntap", "add", "dev", "tun8", "mode", "tun")
    try:
        with inside(name):
            tun = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun8", 0x1001))  # TUN, without a header
        fcntl.ioctl(tun, TUNSETLINK, hatype)
        ip("-n", name, "addr", "add", "10.58.0.1/24", "dev", "tun8")
        ip("-n", name, "link", "set", "tun8", "up")
        agent = start("-H", "-i", "tun8")
        with inside(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(SECRET, ("10.58.0.2", 6002))
        agent.finish(path)
        os.close(tun)
    finally:
        ip("-n", name, "link", "del", "tun8")
    rows = tshark(path, "frame.cap_len", "frame.len", "frame.encap_type", "udp.dstport", display="udp.dstport == 6002")
    assert rows == [[str(link + 28), str(link + 28 + len(SECRET)), encap_type, "6002"]]
    holds_no_secret(path)
