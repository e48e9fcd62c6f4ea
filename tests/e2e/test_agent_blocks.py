# SPDX-License-Identifier: Apache-2.0
"""What stands in the capture agent's blocks, and how it treats its descriptors."""
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import subprocess
import time

import pytest

from conftest import GUARD, tshark
from test_agent import (OUTPUT_CLOSED, RELEASE, Agent, compile_filter, inside, ip, namespaces, start, udp)

_ = namespaces, start  # fixtures
SHB, IDB, NRB, ISB, EPB = 0x0a0d0d0a, 1, 4, 5, 6
TUNSETIFF, TUNSETLINK = 0x400454ca, 0x400454cd


def blocks(path):
    """Every block: (type, body, {option: value}). Fails if one is torn."""
    with open(path, "rb") as file:
        data = file.read()
    heads, at, result = {SHB: 24, IDB: 16, ISB: 20, EPB: 28}, 0, []
    # Names of addresses are the client's, and no concern of who looks at what an agent has said.
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length and length % 4 == 0
        if kind == NRB:
            at += length
            continue
        body, options = data[at:at + length - 4], {}
        head = heads[kind] + ((struct.unpack_from("<I", body, 20)[0] + 3) // 4 * 4 if kind == EPB else 0)
        while head < len(body):
            code, size = struct.unpack_from("<HH", body, head)
            options[code] = body[head + 4:head + 4 + size]
            assert not any(body[head + 4 + size:head + 4 + (size + 3) // 4 * 4])  # padded with zeros
            head += 4 + (size + 3) // 4 * 4
            if code == 0:
                break
        assert head == len(body)
        result.append((kind, body, options))
        at += length
    assert at == len(data)
    return result


def u64(value):
    return struct.unpack("<Q", value)[0]


def test_section_and_interfaces(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    start("-s", "1000").finish(path)
    kind, _, options = blocks(path)[0]
    assert kind == SHB and options[2].decode() == platform.machine()
    assert options[3].decode() == f"Linux {platform.release()}" and options[4].startswith(b"ksniff-agent ")
    described = {o[2].decode(): (struct.unpack_from("<HHI", body, 8), o) for k, body, o in blocks(path) if k == IDB}
    assert set(described) == {"lo", "eth0"}  # those that are up; there may be others that are down
    for (linktype, _, snaplen), options in described.values():
        assert (linktype, snaplen, options[9]) == (1, 1000, b"\x09")
    assert described["eth0"][1][6] == bytes.fromhex("020000000001")
    assert u64(described["eth0"][1][8]) == 10_000_000_000  # veth says 10 Gbit/s
    assert 6 not in described["lo"][1] and 8 not in described["lo"][1]


def test_chosen_interfaces_only_are_described(start, tmp_path):
    path = str(tmp_path / "x.pcapng")
    start("-i", "eth0").finish(path)
    assert [o[2] for k, _, o in blocks(path) if k == IDB] == [b"eth0"]


def send_raw(name, destination, number):
    with inside(name), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as one:
        one.bind(("eth0", 0))
        one.send(bytes.fromhex(destination + "020000000002" "88b5") + bytes([number]) * 50)


def test_reception_types(start, namespaces, tmp_path):
    """EPB flags: direction in bits 0-1, reception type in bits 2-4."""
    path = str(tmp_path / "x.pcapng")
    agent = start("-i", "eth0", "-F", compile_filter("ether proto 0x88b5"))
    for number, destination in enumerate(("020000000001", "01005e000101", "ffffffffffff", "020000000077")):
        send_raw(namespaces[1], destination, number)
        time.sleep(0.05)
    send_raw(namespaces[0], "020000000002", 9)
    udp(namespaces, [b"x"])
    agent.finish(path)
    flags = [struct.unpack("<I", o[2])[0] for k, _, o in blocks(path) if k == EPB]
    assert flags == [1 | 1 << 2, 1 | 2 << 2, 1 | 3 << 2, 1 | 4 << 2, 2]


def test_statistics_each_second_while_they_change(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    begin = time.time_ns()
    agent = start("-F", compile_filter("udp port 6000"))
    for _ in range(5):  # 2.5 s with packets
        udp(namespaces, [b"x"] * 10)
        time.sleep(0.5)
    time.sleep(3)       # 3 s without
    agent.finish(path)
    found = [(b, o) for k, b, o in blocks(path) if k == ISB]
    received = [u64(o[4]) for _, o in found]
    assert received[0] == 0 and received[-1] == 50
    assert received[:-1] == sorted(set(received[:-1]))
    assert 4 <= len(found) <= 6
    for body, options in found:
        high, low = struct.unpack("<II", options[2])
        started = high << 32 | low
        high, low = struct.unpack_from("<II", body, 12)
        assert begin <= started < high << 32 | low <= time.time_ns()
        assert u64(options[5]) == 0 and 1 not in options
        assert (3 in options) == (body is found[-1][0])  # the end has a time at the end alone
    assert struct.unpack("<II", found[-1][1][3]) == (high, low)


def test_no_processor_for_a_while(start, namespaces, tmp_path):
    """As where a limit of CPU is reached: what comes slowly is all there, for the ring holds it."""
    path = str(tmp_path / "x.pcapng")
    agent = start("-F", compile_filter("udp port 6000"))
    agent.process.send_signal(signal.SIGSTOP)
    for number in range(100):
        udp(namespaces, [b"%d" % number])
        time.sleep(0.012)  # the kernel has handed the block over by then
    agent.process.send_signal(signal.SIGCONT)
    agent.finish(path)
    received = [(u64(options[4]), u64(options[5])) for kind, _, options in blocks(path) if kind == ISB]
    assert received[-1] == (100, 0) and len(tshark(path, "frame.number")) == 100


def test_packets_come_at_once(start, namespaces):
    """A single packet is with the reader within a fraction of a second, not when a buffer is full."""
    agent = start("-F", compile_filter("udp port 6000"))
    waits = []
    for _ in range(10):
        udp(namespaces, [b"x"])
        begin = time.monotonic()
        assert select.select([agent.process.stdout], [], [], GUARD)[0]
        waits.append(time.monotonic() - begin)
        os.read(agent.process.stdout.fileno(), 65536)
    assert sorted(waits)[5] < 0.5  # libpcap's ring would take a second


def make_tap(namespace, name):
    """A device that lives as long as the descriptor that this returns."""
    with inside(namespace):
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name, 0x1002))  # IFF_TAP, IFF_NO_PI
    return tap


def test_interface_names_are_printable(start, namespaces, tmp_path):
    path, name = str(tmp_path / "x.pcapng"), namespaces[0]
    tap = make_tap(name, b"a\x1b[31mb")
    ip("-n", name, "link", "set", "a\x1b[31mb", "up")
    start().finish(path)
    os.close(tap)
    assert b"a?[31mb" in [o[2] for k, _, o in blocks(path) if k == IDB]


def test_messages_are_printable():
    done = subprocess.run([RELEASE, "capture", "-i", "\x1b]0;x\x07"], stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert done.stderr.startswith(b'ksniff-agent: no interface "?]0;x?", only lo')
    assert done.stderr.endswith(b"\n") and b"\x1b" not in done.stderr


def test_closed_socket_as_stdout(namespaces):
    """A socket's end is POLLHUP, not POLLERR; with nothing to write it is all that is seen of it."""
    ours, theirs = socket.socketpair()
    agent = Agent(RELEASE, namespaces[0], "-F", compile_filter("udp port 6099"), stdout=theirs)
    theirs.close()
    assert ours.recv(65536)  # all of it: what is left unread would be POLLERR too
    ours.close()
    assert agent.process.wait(timeout=GUARD) == OUTPUT_CLOSED
    agent.process.communicate()


def test_stdout_is_blocking_again_afterwards(namespaces):
    """O_NONBLOCK belongs to the open file, which others may share."""
    read_end, write_end = os.pipe()
    agent = Agent(RELEASE, namespaces[0], stdout=write_end)
    assert os.read(read_end, 8)
    assert fcntl.fcntl(write_end, fcntl.F_GETFL) & os.O_NONBLOCK
    agent.process.communicate(b"q", timeout=GUARD)
    assert not fcntl.fcntl(write_end, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(read_end)
    os.close(write_end)


def test_drops_are_said_of_a_real_interface(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = start("-b", str(1 << 20), "-F", compile_filter("udp port 6000"))
    udp(namespaces, [b"z" * 1400] * 3000, address="127.0.0.1")
    udp(namespaces, [b"z" * 1400] * 3000)
    agent.finish(path)
    names, dropping = [], set()
    for kind, body, options in blocks(path):
        if kind == IDB:
            names.append(options[2].decode())
        elif kind == ISB and u64(options[5]):
            dropping.add(names[struct.unpack_from("<I", body, 8)[0]])
            assert options[1] == b"dropped counts all interfaces: they share one ring"
            last = u64(options[5])
    written = len([None for k, _, _ in blocks(path) if k == EPB])
    assert len(dropping) == 1 and written + last == 6000


def test_core_files_and_tracers_of_the_same_user_are_kept_out(namespaces, tmp_path):
    agent = Agent(RELEASE, namespaces[0], prefix=["setpriv", "--reuid", "65534", "--clear-groups", "--ambient-caps",
                                                  "+net_raw", "--inh-caps", "+net_raw"])
    agent.wait_ready()
    # What may not be dumped belongs to root, whoever runs it.
    assert os.stat(f"/proc/{agent.process.pid}/environ").st_uid == 0
    agent.finish(str(tmp_path / "x"))


def test_everything_is_captured_before_the_end(start, namespaces, tmp_path):
    """What was sent just before 'q' still stands in a block that the kernel has not handed over."""
    for _ in range(5):
        path = str(tmp_path / "x.pcapng")
        agent = start("-i", "eth0", "-F", compile_filter("udp port 6000"))
        udp(namespaces, [b"last"])
        agent.finish(path)
        assert tshark(path, "udp.payload") == [[b"last".hex()]]
