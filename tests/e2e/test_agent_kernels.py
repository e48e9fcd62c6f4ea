# SPDX-License-Identifier: Apache-2.0
"""The capture agent where the kernel has less, or refuses something: strace answers in the kernel's place."""
import os
import re
import socket
import subprocess

import pytest

from conftest import tshark
from test_agent import (BINARIES, RELEASE, Agent, compile_filter, inside, namespaces, tagged_frame, udp)

_ = namespaces  # a fixture
(NO_PERMISSION, NO_PACKET_SOCKET, NO_MEMORY) = (65, 68, 69)
# The order of the agent's calls of setsockopt().
ATTACH_REJECT_ALL, PACKET_VERSION, FIRST_RING, ATTACH_PROGRAM = 1, 2, 3, 4


def injected(tmp_path, *faults):
    """The words before a command: these faults, and a trace of what it did."""
    words = ["strace", "-f", "-o", str(tmp_path / "trace"), "-e", "trace=socket,setsockopt,mmap,recvmmsg,prctl"]
    for fault in faults:
        words += ["-e", "inject=" + fault]
    return words


def trace_of(tmp_path):
    return (tmp_path / "trace").read_text(encoding="utf-8", errors="replace")


def capture_some(namespaces, tmp_path, prefix, *words):
    """What an agent with the filter "udp port 6000" sees of eth0, among other traffic. Returns data and messages."""
    path = str(tmp_path / "x.pcapng")
    agent = Agent(RELEASE, namespaces[0], *words, "-F", compile_filter("udp port 6000"), prefix=prefix)
    agent.wait_ready()
    for number in range(20):
        udp(namespaces, [b"wanted %d" % number])
        udp(namespaces, [b"not wanted"], port=6001)
        udp(namespaces, [b"wanted on another interface"], address="127.0.0.1")
    err = agent.finish(path)
    rows = tshark(path, "udp.payload", "frame.interface_name", "frame.packet_flags_direction", "frame.cap_len", "frame.len")
    return [(bytes.fromhex(row[0]).decode(), row[1], int(row[2], 0), *row[3:]) for row in rows], err


WANTED = [("wanted %d" % n, "eth0", 2, str(50 + (n > 9)), str(50 + (n > 9))) for n in range(20)]


@pytest.mark.parametrize("fault", ["retval=0", "error=ENOPROTOOPT"])
@pytest.mark.parametrize("ring", [[], ["-R"]])
def test_no_socket_filters(namespaces, tmp_path, fault, ring):
    """gVisor says yes to a filter and does nothing with it: the agent must filter itself."""
    rows, _ = capture_some(namespaces, tmp_path, injected(tmp_path, f"setsockopt:{fault}:when={ATTACH_REJECT_ALL}"),
                           "-i", "eth0", *ring)
    assert rows == WANTED


def test_no_socket_filters_and_loopback_once(namespaces, tmp_path):
    rows, _ = capture_some(namespaces, tmp_path, injected(tmp_path, f"setsockopt:retval=0:when={ATTACH_REJECT_ALL}"),
                           "-i", "lo")
    assert [row[:2] for row in rows] == [("wanted on another interface", "lo")] * 20


def test_program_too_long_for_the_kernel(namespaces, tmp_path):
    rows, err = capture_some(namespaces, tmp_path,
                             injected(tmp_path, f"setsockopt:error=ENOMEM:when={ATTACH_PROGRAM}"), "-i", "eth0")
    assert rows == WANTED
    assert err == "ksniff-agent: the agent runs the filter itself, the kernel does not take it: Out of memory\n"


@pytest.mark.parametrize("fault", [f"setsockopt:error=EINVAL:when={PACKET_VERSION}",
                                   f"setsockopt:error=ENOPROTOOPT:when={FIRST_RING}", "mmap:error=ENODEV:when=1"])
def test_no_ring(namespaces, tmp_path, fault):
    rows, err = capture_some(namespaces, tmp_path, injected(tmp_path, fault), "-i", "eth0")
    assert rows == WANTED and err == ""
    assert "recvmmsg(" in trace_of(tmp_path)


@pytest.mark.parametrize("fault", [f"setsockopt:error=ENOMEM:when={FIRST_RING}..{FIRST_RING + 1}",
                                   "mmap:error=ENOMEM:when=1..2"])
def test_ring_is_halved(namespaces, tmp_path, fault):
    rows, _ = capture_some(namespaces, tmp_path, injected(tmp_path, fault), "-i", "eth0", "-b", str(16 << 20))
    assert rows == WANTED
    ring = re.search(r"mmap\(NULL, (\d+), PROT_READ\|PROT_WRITE, MAP_SHARED, \d+, 0\) = 0x", trace_of(tmp_path))
    assert int(ring[1]) == 4 << 20


def end_of(namespaces, prefix):
    agent = Agent(RELEASE, namespaces[0], prefix=prefix)
    _, err = agent.process.communicate(b"", timeout=60)
    return agent.process.returncode, err


def test_no_memory(namespaces, tmp_path):
    code, err = end_of(namespaces, injected(tmp_path, f"setsockopt:error=ENOMEM:when={FIRST_RING}+"))
    assert code == NO_MEMORY and err == b"ksniff-agent: no memory for the smallest ring\n"


@pytest.mark.parametrize("error, code", [("EAFNOSUPPORT", NO_PACKET_SOCKET), ("EPROTONOSUPPORT", NO_PACKET_SOCKET),
                                         ("EACCES", NO_PERMISSION), ("EMFILE", 79)])
def test_no_packet_socket(namespaces, tmp_path, error, code):
    got, err = end_of(namespaces, injected(tmp_path, f"socket:error={error}:when=1+"))
    assert got == code and err.startswith(b"ksniff-agent: cannot open a packet socket: ") and err.count(b"\n") == 1


def test_no_seccomp(namespaces, tmp_path):
    """Goes on, and says so: 22 is PR_SET_SECCOMP."""
    calls = injected(tmp_path)
    rows, _ = capture_some(namespaces, tmp_path, calls, "-i", "eth0")
    lines = [line for line in trace_of(tmp_path).split("\n") if "prctl(" in line]
    position = next(n for n, line in enumerate(lines, 1) if "PR_SET_SECCOMP" in line)
    rows, err = capture_some(namespaces, tmp_path, injected(tmp_path, f"prctl:error=EINVAL:when={position}"),
                             "-i", "eth0")
    assert rows == WANTED and err == "ksniff-agent: goes on without seccomp: Invalid argument\n"


@pytest.mark.parametrize("binary", BINARIES, ids=os.path.basename)
@pytest.mark.parametrize("mode", ["ring", "recvmmsg", "no filters"])
def test_filter_looks_beyond_the_snaplen(namespaces, tmp_path, binary, mode):
    """What decides stands behind the bytes that are kept, and behind a tag that the kernel has stripped."""
    path = str(tmp_path / "x.pcapng")
    prefix = injected(tmp_path, f"setsockopt:retval=0:when={ATTACH_REJECT_ALL}") if mode == "no filters" else []
    if prefix and binary != RELEASE:
        pytest.skip("the sanitizers' runtime does not like to be traced")
    program = compile_filter("vlan 100 and udp port 6003 and udp[8:4] = 0x6b656570")  # "keep"
    agent = Agent(binary, namespaces[0], "-i", "eth0", "-s", "14", "-V", "-F", program,
                  *(["-R"] if mode == "recvmmsg" else []), prefix=prefix)
    agent.wait_ready()
    with inside(namespaces[1]), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as one:
        one.bind(("eth0", 0))
        for payload in (b"keep this", b"drop this", b"keep that, too"):
            one.send(tagged_frame(payload))
    udp(namespaces, [b"not tagged"] * 2)
    agent.finish(path)
    assert tshark(path, "frame.cap_len", "frame.len") == [["14", "55"], ["14", "60"]]


def test_without_standard_streams(namespaces):
    """The packet socket does not become standard input: the agent sees the end of it and goes."""
    done = subprocess.run(["ip", "netns", "exec", namespaces[0], "sh", "-c", 'exec "$0" capture <&- 2>&-', RELEASE],
                          stdout=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith(b"\x0a\x0d\x0d\x0a")
