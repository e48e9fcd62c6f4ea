# SPDX-License-Identifier: Apache-2.0
"""How the agent ends: everything it has taken is written, however slow the reader, as long as somebody listens."""
import contextlib
import os
import re
import struct
import threading
import time

import pytest

from conftest import GUARD, tshark
from test_agent import BINARIES, SILENCE, Agent, compile_filter, namespaces, start, statistics_of, udp
from test_agent_blocks import EPB, IDB, ISB, blocks, u64

assert namespaces and start  # fixtures

SMALL_RING = ["-b", str(1 << 20), "-F", compile_filter("udp port 6000")]


def stopped(agent):
    """What the agent says when it is told to stop: packets, dropped, and whether the first is a bound only."""
    while True:
        line = agent.process.stderr.readline().decode()
        assert line
        found = re.fullmatch(r"ksniff-agent: stopped: (at most )?(\d+) packets, (\d+) dropped\n", line)
        if found:
            return int(found[2]), int(found[3]), bool(found[1])


def tell(agent, what):
    agent.process.stdin.write(what)
    agent.process.stdin.flush()


def packets_of(path):
    return len([None for kind, _, _ in blocks(path) if kind == EPB])


def ends(path):
    """The places of the statistics with a time of the end, counted from the file's end."""
    found = blocks(path)
    return [len(found) - number for number, (kind, _, options) in enumerate(found) if kind == ISB and 3 in options]


def test_what_is_to_come_is_told(start, namespaces, tmp_path):
    """Also of packets that stand in the ring; and it is what comes."""
    path = str(tmp_path / "x.pcapng")
    agent = start(*SMALL_RING)
    udp(namespaces, [b"z" * 1400] * 4000)  # 5.8 MB, nobody reads
    tell(agent, b"q")
    packets, dropped, bound = stopped(agent)
    assert dropped > 0 and packets + dropped == 4000 and not bound
    agent.finish(path, stop=None)
    assert packets_of(path) == packets
    assert statistics_of(path) == (4000, dropped)
    assert ends(path) == [1]


def test_nothing_is_captured_after_the_stop(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = start(*SMALL_RING)
    udp(namespaces, [b"z" * 1400] * 2000)
    tell(agent, b"q")
    packets, dropped, _ = stopped(agent)
    udp(namespaces, [b"late"] * 100)
    agent.finish(path, stop=None)
    assert packets_of(path) == packets and packets + dropped == 2000
    assert [b"late".hex()] not in tshark(path, "udp.payload")


def test_where_the_agent_filters_itself_it_is_a_bound(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = start("-V", "-F", compile_filter("udp port 6000 or (vlan and udp port 6000)"))
    udp(namespaces, [b"x"] * 10)
    tell(agent, b"q")
    assert stopped(agent) == (10, 0, True)
    agent.finish(path, stop=None)


@contextlib.contextmanager
def beating(agent):
    """Heartbeats meanwhile."""
    over = threading.Event()

    def beat():
        while not over.wait(0.3):
            with contextlib.suppress(OSError, ValueError):
                tell(agent, b"\n")
    thread = threading.Thread(target=beat)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize("binary", BINARIES)
def test_no_limit_of_its_own_while_it_is_listened_to(namespaces, tmp_path, binary):
    """A reader that takes nothing for longer than any time the agent has, and then everything."""
    path = str(tmp_path / "x.pcapng")
    agent = Agent(binary, namespaces[0], *SMALL_RING, "-S", "2")
    agent.wait_ready()
    udp(namespaces, [b"z" * 1400] * 3000)
    tell(agent, b"q")
    packets, dropped, _ = stopped(agent)
    with beating(agent):
        time.sleep(12)
        parts = [agent.head]
        while True:
            data = os.read(agent.process.stdout.fileno(), 65536)
            if not data:
                break
            parts.append(data)
    assert agent.process.wait(timeout=GUARD) == 0
    agent.process.stdin.close()
    agent.process.stdout.close()
    agent.process.stderr.close()
    with open(path, "wb") as file:
        file.write(b"".join(parts))
    assert packets_of(path) == packets and packets + dropped == 3000
    assert ends(path) == [1]


def test_silence_ends_the_end(start, namespaces):
    agent = start(*SMALL_RING, "-S", "1")
    udp(namespaces, [b"z" * 1400] * 3000)
    tell(agent, b"q")
    assert agent.process.wait(timeout=GUARD) == SILENCE


def test_end_of_stdin_ends_the_end(start, namespaces):
    agent = start(*SMALL_RING)
    udp(namespaces, [b"z" * 1400] * 3000)
    tell(agent, b"q")
    stopped(agent)
    agent.process.stdin.close()
    agent.process.stdin = None
    assert agent.process.wait(timeout=GUARD) == 0


def test_who_reads_gets_all_also_after_the_end_of_stdin(start, namespaces, tmp_path):
    """Slowly: for longer than it would be waited for without a byte."""
    path = str(tmp_path / "x.pcapng")
    agent = start(*SMALL_RING)
    udp(namespaces, [b"z" * 1400] * 1500)
    tell(agent, b"q")
    packets, dropped, _ = stopped(agent)
    agent.process.stdin.close()
    agent.process.stdin = None
    with open(path, "wb") as file:
        file.write(agent.head)
        while True:
            data = os.read(agent.process.stdout.fileno(), 65536)
            if not data:
                break
            file.write(data)
            time.sleep(0.06)
    assert packets_of(path) == packets and packets + dropped == 1500
    assert ends(path) == [1]


def test_statistics_also_when_nothing_passes(start, tmp_path):
    """At the start, every ten seconds and at the end: so that it is known until when nothing is missing."""
    path = str(tmp_path / "x.pcapng")
    begin = time.time_ns()
    agent = start("-F", compile_filter("udp port 6000"))
    time.sleep(11.5)
    agent.finish(path)
    found = [(body, options) for kind, body, options in blocks(path) if kind == ISB]
    times = [high << 32 | low for high, low in (struct.unpack_from("<II", body, 12) for body, _ in found)]
    assert len(times) == 3 and begin < times[0] and times[1] - times[0] > 9e9
    assert {u64(options[4]) for _, options in found} == {0}
    assert [kind for kind, _, _ in blocks(path)].count(IDB) >= 1 and ends(path) == [1]
