# SPDX-License-Identifier: Apache-2.0
"""Many targets, and nothing of them lost without a word: in sum and for each; in the order of time; within the limits; on a
terminal of any size."""
import fcntl
import json
import os
import re
import signal
import socket
import struct
import termios
import threading
import time

import pytest

from conftest import GUARD, Ksniff, in_netns, tshark, wait_until
from test_agent_blocks import EPB, IDB, ISB, blocks
from test_connection import Terminal
from test_helper_life import until
from test_loss import LOSS, SLOW, hear, read_all, send

ALL_UP = b" targets are being captured"
HUNDRED = [f"swarm-{number:02}" for number in range(100)]
SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}


def by_interface(path, device="eth0"):
    """Of each interface of a file that is named for this device: its pod, its packets, what its last statistics say was received
    and dropped."""
    names, packets, last = [], {}, {}
    for kind, body, options in blocks(path):
        if kind == IDB:
            names.append(options[2].decode())
        elif kind == EPB:
            number, = struct.unpack_from("<I", body, 8)
            packets[number] = packets.get(number, 0) + 1
        elif kind == ISB:
            number, = struct.unpack_from("<I", body, 8)
            last[number] = [struct.unpack("<Q", options[code])[0] for code in (4, 5)]
    return {name.split("/")[1].split(":")[0]: (packets.get(number, 0), *last.get(number, (0, 0)))
            for number, name in enumerate(names) if name.endswith(":" + device)}


def rows(report):
    return {row["pod"]: row for row in json.loads(report.read_text())["targets"]}


def check_summary(report):
    """The whole is the sum of the targets."""
    whole = json.loads(report.read_text())
    for number in ("packets", "bytes", "dropped", "lost", "late", "duplicates", "cuts", "gapMilliseconds"):
        assert whole[number] == sum(row[number] for row in whole["targets"]), number
    return whole


@pytest.mark.parametrize("ring, slow", [("32M", False), ("2M", True)])
def test_for_each_and_in_sum(sandbox, ksniff, tmp_path, ring, slow):
    """What is in the file and what is counted is what each agent has counted."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with ksniff.capturing("client", "web", "-i", "eth0", "-f", "udp dst port 4711", "--buffer-size", ring, "--summary",
                          str(report), "-o", path) as process:
        until(process, ALL_UP)
        with sandbox.faults(**({"exec_bytes_per_second": SLOW} if slow else {})):
            send(sandbox, 4711, 12000)
            process.send_signal(signal.SIGINT)
            err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
    whole, seen = check_summary(report), by_interface(path)
    assert set(seen) == {"client", "web"} and whole["exitCode"] == 0
    for pod, row in rows(report).items():
        packets, received, dropped = seen[pod]
        assert (row["packets"], row["dropped"], row["lost"]) == (packets, dropped, 0)
        assert packets + dropped == received
    client = rows(report)["client"]
    assert client["packets"] + client["dropped"] == 12000 and (client["dropped"] > 0) == slow
    assert ("raise --buffer-size" in err.splitlines()[-1]) == slow  # the last line is what would help


def test_what_is_given_up(sandbox, ksniff, tmp_path):
    """A second Ctrl-C: what did not come of each is counted for it."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with ksniff.capturing("client", "web", "-i", "eth0", "-f", "udp dst port 4712", "--summary", str(report),
                          "-o", path) as process:
        until(process, ALL_UP)
        with sandbox.faults(exec_bytes_per_second=SLOW):
            send(sandbox, 4712, 6000)
            process.send_signal(signal.SIGINT)
            until(process, b"still to come")
            process.send_signal(signal.SIGINT)
            err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == LOSS, err
    whole, seen = check_summary(report), by_interface(path)
    assert whole["exitCode"] == LOSS and whole["lost"] > 0
    for pod, row in rows(report).items():
        assert row["packets"] == seen[pod][0]
        assert seen[pod][1] == row["packets"] + row["dropped"] + row["lost"]
    client = rows(report)["client"]
    assert client["packets"] + client["dropped"] + client["lost"] == 6000
    assert f"error: {whole['lost']} packets were lost on the way" in err


def test_reader_that_goes_while_it_is_late(sandbox, ksniff, tmp_path):
    """What it has not got of each is lost, wherever on the way it was."""
    report = tmp_path / "summary.json"
    with ksniff.capturing("client", "web", "-i", "eth0", "-f", "udp dst port 4713", "--summary", str(report),
                          "-o", "-") as process:
        until(process, ALL_UP)
        get = hear(process)
        send(sandbox, 4713, 12000)
        process.send_signal(signal.SIGINT)
        read_all(process, pause=0.03, most=3_000_000)
        get(LOSS)
    whole, client = check_summary(report), rows(report)["client"]
    assert whole["lost"] > 1000
    assert client["packets"] + client["dropped"] + client["lost"] == 12000


@pytest.fixture(scope="module")
def swarm(two_nodes):
    for name in HUNDRED:
        two_nodes.create_pod(name, wait=False, containers=[SLEEP], metadata={"labels": {"swarm": "yes"}})
    wait_until(lambda: all(two_nodes.runs(name) for name in HUNDRED), "a hundred pods", 300)
    yield two_nodes
    for name in HUNDRED:
        two_nodes.call("DELETE", two_nodes.path("pods", name))


def execs(box):
    return [request for request in box.get("/sandbox/requests") if "/exec" in request]


def test_sixteen_are_started_at_once(swarm, tmp_path):
    """Each of the first sixteen waits for an answer that does not come: nothing is asked for the others."""
    before = len(execs(swarm))
    with swarm.faults(freeze_exec=True):
        process = Ksniff(swarm).start("-l", "swarm=yes", "--max-targets", "100", "-i", "eth0", "-o", str(tmp_path / "x"))
        wait_until(lambda: len(execs(swarm)) >= before + 16, "sixteen of them")
        time.sleep(1)
        assert len(execs(swarm)) == before + 16
        process.send_signal(signal.SIGINT)
    err = process.stderr.read().decode()
    assert process.wait(timeout=GUARD) == 130, err
    wait_until(lambda: not swarm.leftovers(), "a clean cluster")


def talk_at_once(box, names, port, rounds):
    """Each of the pods sends so many datagrams to the next, all at the same time."""
    pods, begin = box.pods(), threading.Barrier(len(names))

    def talk(number):
        own, other = (pods["default", names[(number + more) % len(names)]] for more in (0, 1))
        with in_netns("/run/netns/" + own["netns"]), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            begin.wait(GUARD)
            for _ in range(rounds):
                one.sendto(b"swarm", (other["ip"], port))
                time.sleep(0.01)

    talkers = [threading.Thread(target=talk, args=(number,)) for number in range(len(names))]
    for each in talkers:
        each.start()
    for each in talkers:
        each.join()


ROUNDS = 20


def test_a_hundred_in_order(swarm, tmp_path):
    """All are captured while all of them talk; none of the packets stands behind a later one, as there is time to wait for each;
    and few requests were made for each."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    before = len(swarm.get("/sandbox/requests"))
    with Ksniff(swarm).capturing("-l", "swarm=yes", "--max-targets", "100", "-i", "eth0", "-f", "udp port 4714", "--reorder-window",
                                 "10s", "--summary", str(report), "-o", path) as process:
        assert "100 of 100 targets are being captured" in process.head + until(process, ALL_UP)
        requests = len(swarm.get("/sandbox/requests")) - before
        talk_at_once(swarm, HUNDRED, 4714, ROUNDS)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
    whole = check_summary(report)
    assert len(whole["targets"]) == 100 and all(row["captured"] for row in whole["targets"])
    assert whole["packets"] == 2 * ROUNDS * 100 and whole["dropped"] == 0  # at the sender and at the receiver
    for pod, (packets, received, dropped) in by_interface(path).items():
        assert (packets, received, dropped) == (2 * ROUNDS, 2 * ROUNDS, 0), pod
    times = [int(row[0].replace(".", "")) for row in tshark(path, "frame.time_epoch")]
    assert whole["late"] == 0 and times == sorted(times)
    assert requests <= 3 * 100


@pytest.mark.parametrize("words, limit", [(["--max-size", "20k"], "--max-size"), (["--duration", "1s"], "--duration")])
def test_limits_are_over_all(sandbox, ksniff, tmp_path, words, limit):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "web", "-i", "eth0", "-f", "udp dst port 4715", *words, "-o", path) as process:
        until(process, ALL_UP)
        for _ in range(20 if limit == "--max-size" else 0):
            send(sandbox, 4715, 20, size=200)
        said = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0 and f"{limit} is reached" in said
    assert os.path.getsize(path) <= 20 * 1024
    if limit == "--max-size":
        assert {name for name, in tshark(path, "frame.interface_name")} == {"default/client:eth0", "default/web:eth0"}


def resize(terminal, columns):
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def live_lines(text):
    """What was drawn, but for what stood half drawn before it and may be half drawn now."""
    drawn = text.split(b"\r", 2)[-1].rpartition(b"\r")[0]
    lines = re.split(rb"\r\n|\r|\x1b\[\d*[AJK]", re.sub(rb"\x1b\[\d+m", b"", drawn))
    return [line for line in lines if line and b"DEBU[" not in line]


def test_live_lines_of_a_terminal_that_is_resized(sandbox, tmp_path):
    """A line for the whole and with -v one for each; none is wider than the terminal is then."""
    words = ["client", "web", "-v", "-i", "eth0", "-f", "udp port 4716", "-o", str(tmp_path / "x")]
    terminal = Terminal(sandbox, *words)
    try:
        terminal.until(ALL_UP)
        terminal.until(b"2 of 2 targets, 0 packets, ")
        terminal.until(b"  default/web")
        for columns in (40, 16, 100):
            resize(terminal, columns)
            start = -1
            while start < len(terminal.text):  # what was drawn before
                start = len(terminal.text)
                terminal.read(0)
            wait_until(lambda: terminal.read(0.1) or len(live_lines(terminal.text[start:])) > 3, "live lines")
            assert all(len(line) < columns for line in live_lines(terminal.text[start:])), terminal.text[start:]
    finally:
        terminal.process.send_signal(signal.SIGINT)
        wait_until(lambda: terminal.read(0.1) or terminal.process.poll() is not None, "the client's end")
        os.close(terminal.master)
    assert terminal.process.returncode == 0
    assert terminal.text.rstrip().endswith(b"'")  # no live line is left behind the last message
