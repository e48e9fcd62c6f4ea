# SPDX-License-Identifier: Apache-2.0
"""The agent's clock: questions for it, and the error that a test may give it."""
import fcntl
import os
import re
import select
import sys
import termios
import time

import pytest

from conftest import BUILD, GUARD, tshark, wait_until
from test_agent import ARCHITECTURE, BINARIES, RELEASE, SANITIZED, Agent, compile_filter, namespaces, start, udp  # noqa: F401

CLOCK = os.path.join(BUILD, "agent", "ksniff-agent-clock-" + ARCHITECTURE)  # what the tests' client carries
VARIABLE = "KSNIFF_TEST_CLOCK_ERROR_MS"


def tell(agent, words):
    os.write(agent.process.stdin.fileno(), words)


def lines_of(agent, count):
    """The next lines of its standard error."""
    got = b""
    while got.count(b"\n") < count:
        assert select.select([agent.process.stderr], [], [], GUARD)[0], got
        got += os.read(agent.process.stderr.fileno(), 65536)
    return got.decode().splitlines()


def ask(agent, number):
    """Its answer, in nanoseconds."""
    tell(agent, b"c%d\n" % number)
    [line] = lines_of(agent, 1)
    found = re.fullmatch(rf"ksniff-agent: clock {number} (\d+)", line)
    assert found, line
    return int(found[1])


def test_answers_at_once(start, tmp_path):
    """With no privilege left, and to the last moment; an answer belongs to its question."""
    agent = start()
    for number in (1, 7, 4294967295):
        before = time.time_ns()
        assert before <= ask(agent, number) <= time.time_ns()
    tell(agent, b"c8\nc9\n\nc10\n")
    assert [line.split()[2] for line in lines_of(agent, 3)] == ["8", "9", "10"]
    err = agent.finish(str(tmp_path / "x.pcapng"), stop=b"c11\nq")
    assert re.fullmatch(r"ksniff-agent: clock 11 \d+\n", err)


def unread(pipe):
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("binary", BINARIES, ids=os.path.basename)
def test_nobody_reads_the_answers(namespaces, binary, tmp_path):
    """They are left out then, and the capture goes on; later ones come again."""
    path = str(tmp_path / "x.pcapng")
    agent = Agent(binary, namespaces[0], "-F", compile_filter("udp port 6000"))
    agent.wait_ready()
    fcntl.fcntl(agent.process.stderr, fcntl.F_SETPIPE_SZ, 8192)
    for number in range(1, 2001):
        tell(agent, b"c%d\n" % number)
    wait_until(lambda: unread(agent.process.stdin) == 0, "all questions to be read")
    udp(namespaces, [b"meanwhile"] * 5)
    while not (select.select([agent.process.stdout], [], [], GUARD)[0] and b"meanwhile" in agent.head):
        agent.head += os.read(agent.process.stdout.fileno(), 65536)
    numbers = [int(line.split()[2]) for line in lines_of(agent, 1)]
    assert numbers == list(range(1, len(numbers) + 1)) and 1 < len(numbers) < 2000
    ask(agent, 2001)
    agent.finish(path)
    assert len(tshark(path, "frame.number")) == 5


def test_a_question_is_a_heartbeat(namespaces, tmp_path):
    """And one that nobody can answer, which is not whole, as well."""
    agent = Agent(RELEASE, namespaces[0], "-S", "3")
    agent.wait_ready()
    for number in range(1, 5):
        ask(agent, number)
        time.sleep(0.5)
        tell(agent, b"c")
        time.sleep(0.5)
    agent.finish(str(tmp_path / "x.pcapng"))


@pytest.mark.skipif(not os.path.exists(SANITIZED), reason="a released build has no agent whose clock may be wrong")
@pytest.mark.parametrize("ring", [(), ("-R",)], ids=["ring", "recvmmsg"])
@pytest.mark.parametrize("binary", [CLOCK, SANITIZED], ids=os.path.basename)
@pytest.mark.parametrize("error", [0.05, -0.05, -3600])
def test_a_clock_that_is_wrong(namespaces, monkeypatch, tmp_path, binary, ring, error):
    """All that the agent says of the time is wrong by as much: packets, statistics, answers."""
    path, began = str(tmp_path / "x.pcapng"), time.time()
    monkeypatch.setenv(VARIABLE, str(int(error * 1000)))
    agent = Agent(binary, namespaces[0], "-F", compile_filter("udp port 6000"), *ring)
    agent.wait_ready()
    before = time.time()
    udp(namespaces, [b"x"])
    asked = time.time_ns()
    assert asked <= ask(agent, 1) - int(error * 1e9) <= time.time_ns()
    agent.finish(path)
    [[stamp]] = tshark(path, "frame.time_epoch")
    assert before - 1e-6 <= float(stamp) - error <= time.time()
    with open(path, "rb") as file:
        times = statistics_times(file.read())
    assert all(began - 1e-6 <= t - error <= time.time() for t in times) and len(times) >= 4


def statistics_times(data):
    """Of the blocks themselves, and of the beginning and the end in them."""
    times, at = [], 0
    word = lambda offset: int.from_bytes(data[offset:offset + 4], "little")  # noqa: E731
    while at < len(data):
        kind, length = word(at), word(at + 4)
        if kind == 5:
            times.append((word(at + 12) << 32 | word(at + 16)) / 1e9)
            option = at + 20
            while option < at + length - 4 and word(option) & 0xffff:
                if word(option) & 0xffff in (2, 3):
                    times.append((word(option + 4) << 32 | word(option + 8)) / 1e9)
                option += 4 + ((word(option) >> 16) + 3 & ~3)
        at += length
    return times


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_released_agent_has_the_clock_it_has(namespaces, monkeypatch, architecture):
    """Nothing in it knows the variable."""
    with open(os.path.join(BUILD, "agent", "ksniff-agent-" + architecture), "rb") as file:
        assert VARIABLE.encode() not in file.read()
    if os.path.exists(SANITIZED):
        with open(os.path.join(BUILD, "agent", "ksniff-agent-clock-" + architecture), "rb") as file:
            assert VARIABLE.encode() in file.read()
    monkeypatch.setenv(VARIABLE, "50000")
    agent = Agent(RELEASE, namespaces[0])
    agent.wait_ready()
    before = time.time_ns()
    assert before <= ask(agent, 1) <= time.time_ns()
    agent.process.communicate(b"q", timeout=GUARD)


def estimates(err):
    """What the client has said of the agent's clock: offset and bound, in milliseconds."""
    return [(float(offset), float(bound)) for offset, bound in
            re.findall(r"the agent's clock is ([+-][0-9.]+) ms from ours, give or take ([0-9.]+) ms", err)]


@pytest.mark.parametrize("transport", ["websocket", "spdy"])
@pytest.mark.parametrize("error", [50, -50])
def test_the_client_asks_for_it(sandbox, ksniff, tmp_path, transport, error):
    """Several times as soon as the agent runs; that is said by -v only. What the pod's clock has is within the bound."""
    path = str(tmp_path / "x.pcapng")
    container = {"name": "app", "image": "busybox", "command": ["sleep", "3600"],
                 "env": [{"name": VARIABLE, "value": str(error)}]}
    with sandbox.running_pod("wrong", containers=[container]), sandbox.over(transport), \
            ksniff.capturing("wrong", "-v", "-o", path) as process:
        while not estimates(process.head):
            line = process.stderr.readline().decode()
            assert line, process.head
            process.head += line
        err = process.head + ksniff.stop(process)
    assert all(abs(offset - error) <= bound + 0.002 for offset, bound in estimates(err)), err
    assert "agent: clock" not in err
