# SPDX-License-Identifier: Apache-2.0
"""Every kind of device is captured: as it is where pcapng has a name for that, else as Linux cooked packets.

Most devices of other kinds than Ethernet cannot be made on every machine. Those that this kernel has are tried; the
others are stood for by tun devices that say they are such, and give what such a device gives.
"""
import contextlib
import fcntl
import os
import socket
import struct
import subprocess

import pytest

from conftest import in_netns, tshark, wait_until
from test_agent import compile_filter, inside, ip, namespaces, start, udp
from test_agent_blocks import EPB, IDB, ISB, TUNSETIFF, TUNSETLINK, blocks, u64
from test_agent_end import stopped

_ = namespaces, start  # fixtures
TUN, TAP, NO_INFORMATION = 1, 2, 0x1000
ETHERNET, FDDI, RAW, RADIOTAP, CAN, NETLINK, SLL2 = 1, 10, 101, 127, 227, 253, 276
IPV4 = 0x0800
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


class Device:
    """A tun device that says it is of another kind; it lasts as long as this."""

    def __init__(self, path, name, hatype, tap=False):
        with in_netns(path):
            self.fd = os.open("/dev/net/tun", os.O_RDWR)
            flags = TAP | NO_INFORMATION if tap else TUN
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
            if hatype is not None:
                fcntl.ioctl(self.fd, TUNSETLINK, hatype)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), IFF_UP))
        self.tap = tap

    def receive(self, data, protocol=IPV4):
        """The device receives a packet; of a tap device with its header."""
        os.write(self.fd, data if self.tap else struct.pack(">HH", 0, protocol) + data)

    def close(self):
        os.close(self.fd)


@contextlib.contextmanager
def device(namespace, *words, **more):
    made = Device("/run/netns/" + namespace, *words, **more)
    try:
        yield made
    finally:
        made.close()


def datagram(payload=b"datagram", port=6002):
    part = struct.pack(">HHHH", 4000, port, 8 + len(payload), 0) + payload
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(part), 0, 0, 64, 17, 0, bytes([10, 9, 0, 1]),
                       bytes([10, 9, 0, 2])) + part


CAN_FRAME = struct.pack("=IB3x8s", 0x80000000 | 0x123456, 3, b"abc")
CAN_FD_FRAME = struct.pack("=IBB2x64s", 0x77, 12, 0, b"twelve bytes")
NETLINK_MESSAGE = struct.pack("=IHHII", 16, 2, 0, 1, 0)
RADIO = bytes.fromhex("00000800000000 00".replace(" ", "")) + b"\x80\x00" + bytes(30)  # a beacon behind radiotap
INFINIBAND = b"\x80" + bytes(11)  # with the type behind it as long as a tap device's header

# (name, ARPHRD_*, tap, [(EtherType, bytes received)]; LINKTYPE_*, [bytes written])
KINDS = [
    ("fddi", 774, True, [(None, bytes(range(60)))], FDDI, [bytes(range(60))]),
    ("radio", 803, False, [(4, RADIO)], RADIOTAP, [RADIO]),
    ("can", 280, False, [(0x0c, CAN_FRAME), (0x0d, CAN_FD_FRAME)], CAN,
     [b"\x80\x12\x34\x56" + CAN_FRAME[4:], b"\0\0\0\x77\x0c\x04" + CAN_FD_FRAME[6:]]),
    ("netlink", 824, False, [(0, NETLINK_MESSAGE)], NETLINK,
     [struct.pack(">HH10xH", 0, 824, 0) + NETLINK_MESSAGE]),
    ("none", 0xfffe, False, [(IPV4, datagram())], RAW, [datagram()]),
    ("ppp", 512, False, [(IPV4, datagram())], SLL2, [struct.pack(">HHIHBB8s", IPV4, 0, 0, 512, 0, 0, b"") + datagram()]),
    ("ipoib", 32, True, [(None, INFINIBAND + b"\x08\0" + datagram())], SLL2,
     [struct.pack(">HHIHBB8s", IPV4, 0, 0, 32, 3, 6, b"") + datagram()]),
    ("unknown", 999, False, [(0x1234, b"whatever")], SLL2,
     [struct.pack(">HHIHBB8s", 0x1234, 0, 0, 999, 0, 0, b"") + b"whatever"]),
]


def of_interface(path, name):
    """Link type and packets of an interface: (captured, original length, flags); what changes from run to run is
    taken out of cooked headers: the index and the sender's address."""
    found, number, packets = blocks(path), None, []
    described = [(o[2].decode(), struct.unpack_from("<H", b, 8)[0]) for k, b, o in found if k == IDB]
    number = [n for n, _ in described].index(name)
    for kind, body, options in found:
        if kind == EPB and struct.unpack_from("<I", body, 8)[0] == number:
            captured, original = struct.unpack_from("<II", body, 20)
            data = bytearray(body[28:28 + captured])
            if described[number][1] == SLL2:
                data[4:8] = bytes(4)
                data[12:20] = bytes(8)
            packets.append((bytes(data), original, struct.unpack("<I", options[2])[0]))
    return described[number][1], packets


@pytest.mark.parametrize("name, hatype, tap, received, linktype, written", KINDS, ids=[k[0] for k in KINDS])
def test_kinds(start, namespaces, tmp_path, name, hatype, tap, received, linktype, written):
    path = str(tmp_path / "x.pcapng")
    with device(namespaces[0], name, hatype, tap=tap) as made:
        agent = start()
        for protocol, data in received:
            made.receive(data, protocol)
        udp(namespaces, [b"x"])
        assert agent.finish(path) == ""
    kind, packets = of_interface(path, name)
    assert kind == linktype
    incoming = [(data, original) for data, original, flags in packets if flags & 3 == 1]
    assert incoming == [(data, len(data)) for data in written]
    statistics = [o for k, _, o in blocks(path) if k == ISB]
    assert sum(u64(o[5]) for o in statistics) == 0
    tshark(path, "frame.number")  # which finds nothing wrong


def test_tshark_reads_them(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with contextlib.ExitStack() as stack:
        made = {k[0]: stack.enter_context(device(namespaces[0], k[0], k[1], tap=k[2])) for k in KINDS}
        agent = start()
        for name, _, _, received, _, _ in KINDS:
            for protocol, data in received:
                made[name].receive(data, protocol)
        udp(namespaces, [b"x"])
        agent.finish(path)
    for display, field, expected in (("can.id", "can.id", ["1193046", "119"]), ("netlink", "netlink.family", ["0"]),
                                     ("udp.dstport == 6002", "frame.interface_name", ["none", "ppp", "ipoib"]),
                                     ("wlan", "wlan.fc.type_subtype", ["8"])):
        rows = tshark(path, field, "frame.packet_flags_direction", display=display)
        assert [str(int(row[0], 0)) if row[0][:2] == "0x" else row[0] for row in rows if int(row[1], 0) == 1] == expected


@pytest.mark.parametrize("text, more, expected", [
    ("udp port 6002", [], {"none", "ppp", "ipoib"}),
    ("not tcp port 10250", [], {k[0] for k in KINDS} | {"eth0"}),
    ("udp port 6003", [], set()),
    ("udp and not vlan 5", ["-E", "-V"], {"none", "ppp", "ipoib", "eth0"}),
    ("not ether src 02:00:00:00:00:01 and udp", ["-E"], {"none", "ppp", "ipoib"}),
    ("ether src 02:00:00:00:00:01", ["-E"], {"eth0"}),
    ("greater 60", [], {"eth0", "can", "fddi"}),
])
def test_filters(start, namespaces, tmp_path, text, more, expected):
    """As the client makes them; what is no Ethernet is judged as if it had an Ethernet header."""
    path = str(tmp_path / "x.pcapng")
    with contextlib.ExitStack() as stack:
        made = {k[0]: stack.enter_context(device(namespaces[0], k[0], k[1], tap=k[2])) for k in KINDS}
        agent = start(*more, "-s", "60", "-F", compile_filter(text) if more else joined(text))
        for name, _, _, received, _, _ in KINDS:
            for protocol, data in received:
                made[name].receive(data, protocol)
        udp(namespaces, [b"long " * 10])
        agent.finish(path)
    rows = tshark(path, "frame.interface_name", "frame.cap_len", "frame.packet_flags_direction")
    names = {row[0] for row in rows if row[0] == "eth0" or int(row[2], 0) == 1}
    assert names == expected and max([int(row[1]) for row in rows] + [0]) <= 60


def joined(text):
    """The program for Ethernet and for IP packets, behind a dispatch on SKF_AD_HATYPE."""
    import base64
    parts = []
    for link in ("EN10MB", "RAW"):
        lines = subprocess.run(["tcpdump", "-y", link, "-ddd", text], check=True, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL).stdout.split("\n")
        parts.append([tuple(map(int, line.split())) for line in lines[1:] if line])
    head = [(0x20, 0, 0, 0xfffff01c), (0x15, 2, 0, 1), (0x15, 1, 0, 772), (0x05, 0, 0, len(parts[0]))]
    program = b"".join(struct.pack("<HBBI", *insn) for insn in head + parts[0] + parts[1])
    return base64.urlsafe_b64encode(program).rstrip(b"=").decode()


def test_device_that_becomes_another(start, namespaces, tmp_path):
    """As a bond does: it is described again, by what it is now."""
    path = str(tmp_path / "x.pcapng")
    with device(namespaces[0], "change0", 0xfffe) as made:
        agent = start()
        made.receive(datagram())
        udp(namespaces, [b"x"])
        ip("-n", namespaces[0], "link", "set", "change0", "down")
        fcntl.ioctl(made.fd, TUNSETLINK, 512)
        ip("-n", namespaces[0], "link", "set", "change0", "up")
        made.receive(datagram())
        udp(namespaces, [b"x"])
        agent.finish(path)
    described = [(o[2], struct.unpack_from("<H", b, 8)[0]) for k, b, o in blocks(path) if k == IDB]
    assert [linktype for name, linktype in described if name == b"change0"] == [RAW, SLL2]
    assert len(tshark(path, "frame.number", display="udp.dstport == 6002")) == 2


@pytest.mark.parametrize("hatype, more, bound", [(0xfffe, [], False), (0xfffe, ["-E"], True), (512, [], True)])
def test_what_the_agent_judges_is_a_bound_at_its_stop(start, namespaces, tmp_path, hatype, more, bound):
    """Of what the kernel let pass unseen it may refuse some yet."""
    with device(namespaces[0], "odd0", hatype) as made:
        agent = start(*more, "-F", compile_filter("udp port 6002") if more else joined("udp port 6002"))
        made.receive(datagram())
        agent.process.stdin.write(b"q")
        agent.process.stdin.flush()
        assert stopped(agent)[1:] == (0, bound)
        agent.finish(str(tmp_path / "x.pcapng"), stop=None)


# ---- real ones, where this kernel has them ----

TUNNELS = [("ipip", "10.55.0", []), ("sit", "10.55.0", ["mode", "any"]), ("gre", "10.55.0", []),
           ("ip6tnl", "fd55::", ["mode", "any"])]


def made_or_skipped(name, *words):
    done = subprocess.run(["ip", "-n", name, *words], check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        pytest.skip("this kernel has no such device: " + done.stderr.strip())


@pytest.mark.parametrize("kind, addresses, more", TUNNELS, ids=[t[0] for t in TUNNELS])
def test_real_tunnels(start, namespaces, tmp_path, kind, addresses, more):
    path = str(tmp_path / "x.pcapng")
    ends = [f"{addresses}{n}" if ":" in addresses else f"{addresses}.{n}" for n in (1, 2)]
    try:
        for number, name in enumerate(namespaces):
            if ":" in addresses:
                ip("-n", name, "addr", "replace", ends[number] + "/64", "dev", "eth0", "nodad")
            made_or_skipped(name, "link", "add", "real0", "type", kind, *more, "local", ends[number], "remote",
                            ends[1 - number])
            ip("-n", name, "addr", "add", f"10.58.0.{number + 1}/24", "dev", "real0")
            ip("-n", name, "link", "set", "real0", "up")
        agent = start("-i", "real0", "-F", joined("udp port 6000"))
        udp(namespaces, [b"inside"], address="10.58.0.2")
        udp(namespaces, [b"back"], address="10.58.0.1", sender=1)
        agent.finish(path)
    finally:
        for name in namespaces:
            subprocess.run(["ip", "-n", name, "link", "del", "real0"], check=False, stderr=subprocess.DEVNULL)
    assert tshark(path, "udp.payload") == [[b"inside".hex()], [b"back".hex()]]


def test_real_can(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    made_or_skipped(namespaces[0], "link", "add", "vcan0", "type", "vcan")
    try:
        ip("-n", namespaces[0], "link", "set", "vcan0", "up")
        agent = start("-i", "vcan0")
        with inside(namespaces[0]), socket.socket(socket.PF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as one:
            one.bind(("vcan0",))
            one.send(CAN_FRAME)
        agent.finish(path)
    finally:
        ip("-n", namespaces[0], "link", "del", "vcan0")
    assert [int(row[0], 0) for row in tshark(path, "can.id")] == [0x123456]


def test_real_netlink(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    made_or_skipped(namespaces[0], "link", "add", "nlmon0", "type", "nlmon")
    try:
        ip("-n", namespaces[0], "link", "set", "nlmon0", "up")
        agent = start("-i", "nlmon0")
        ip("-n", namespaces[0], "link", "show")
        agent.finish(path)
    finally:
        ip("-n", namespaces[0], "link", "del", "nlmon0")
    assert tshark(path, "frame.number", display="netlink-route")


# ---- the client ----

def test_filter_of_the_client(sandbox, ksniff, tmp_path):
    """A filter that cannot be asked of IP packets is not "nothing" there; every kind of device is in the file."""
    path = str(tmp_path / "x.pcapng")
    made = [Device(sandbox.netns("web"), k[0], k[1], tap=k[2]) for k in KINDS]
    try:
        for text, expected in (("udp port 6002 and not vlan 5", {"none", "ppp", "ipoib"}),
                               ("udp port 6002", {"none", "ppp", "ipoib"}),
                               ("not tcp", {k[0] for k in KINDS})):
            with ksniff.capturing("web", "-f", text, "-o", path) as process:
                for _ in range(2):
                    for one, (_, _, _, received, _, _) in zip(made, KINDS):
                        for protocol, data in received:
                            one.receive(data, protocol)
                wait_until(lambda: open(path, "rb").read().count(datagram()) >= 6, "packets")
                err = ksniff.stop(process)
            assert "WARN" not in err and " 0 dropped" in err
            rows = tshark(path, "frame.interface_name", "frame.packet_flags_direction")
            assert {row[0].removeprefix("default/web:") for row in rows if int(row[1], 0) == 1} - {"eth0", "lo"} == expected
    finally:
        for one in made:
            one.close()


def test_pcap_and_a_tunnel_that_comes_later(sandbox, ksniff, tmp_path):
    """The file's link type stands in its header: what has another is left out with a word, the rest goes on."""
    path = str(tmp_path / "x.pcap")
    with ksniff.capturing("web", "-f", "udp", "-o", path) as process:
        made = Device(sandbox.netns("web"), "late0", 0xfffe)
        try:
            for _ in range(3):
                made.receive(datagram())
            ksniff.read_until(process, "is left out")
            with in_netns(sandbox.netns("web")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                for _ in range(4):
                    one.sendto(b"goes on", ("127.0.0.1", 4111))
            wait_until(lambda: open(path, "rb").read().count(b"goes on") >= 4, "packets")
            err = ksniff.stop(process)
        finally:
            made.close()
    assert 'WARN[' in err and ('"default/web:late0" is left out: a pcap file holds packets of one link type, and those of '
                               'the interfaces before it have another (--format pcapng holds all)\n') in err
    assert "3 packets of another link type were left out: a pcap file holds one\n" in err
    assert len(tshark(path, "frame.number", display="udp.dstport == 4111 && !icmp")) == 4
    assert not tshark(path, "frame.number", display="udp.dstport == 6002")


def test_pcap_of_a_tunnel(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcap")
    made = Device(sandbox.netns("web"), "first0", 0xfffe)
    try:
        with ksniff.capturing("web", "-i", "first0", "-f", "udp", "-o", path) as process:
            made.receive(datagram())
            wait_until(lambda: os.path.getsize(path) > 40, "the packet")
            err = ksniff.stop(process)
    finally:
        made.close()
    assert "left out" not in err and tshark(path, "udp.dstport") == [["6002"]]
