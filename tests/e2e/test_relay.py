# SPDX-License-Identifier: Apache-2.0
"""Many targets on one node by the node method: their agents share one exec (src/method/relay.h), and are each its own."""
import contextlib
import os
import signal
import struct

import pytest

from conftest import BOTH_TRANSPORTS, GUARD, Ksniff, agents_running, leftovers, tshark, wait_until
from test_agent_blocks import EPB, IDB, blocks
from test_loss import SLOW, send
from test_many_complete import by_interface, check_summary, rows

pytestmark = BOTH_TRANSPORTS
NAMES = [f"relayed-{number}" for number in range(5)]
LATER = "relayed-later"
SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
ASKED = {"websocket": 1, "spdy": 2}  # requests for one exec: a server that takes SPDY alone is asked for the other first
LABEL = {"labels": {"relayed": "yes"}}


@pytest.fixture(scope="module")
def box(sandbox):
    for name in NAMES:
        sandbox.create_pod(name, wait=False, containers=[SLEEP], metadata=LABEL)
    wait_until(lambda: all(sandbox.runs(name) for name in NAMES), "the pods")
    yield sandbox
    for name in NAMES:
        sandbox.call("DELETE", sandbox.path("pods", name))


@pytest.fixture
def sniff(box):
    return Ksniff(box)


def relays(box):
    return [pid for pid, words in agents_running(box) if "relay" in words]


def captures(box, name):
    uid = box.pod_object(name)["metadata"]["uid"]
    return [pid for pid, words in agents_running(box) if "capture" in words and uid in words]


def all_captures(box):
    return {name: captures(box, name) for name in NAMES}


@contextlib.contextmanager
def capturing(sniff, path, *words, names=NAMES):
    with sniff.capturing(*names, "-p", "-i", "lo", "-i", "eth0", "-o", path, *words) as process:
        wait_until(lambda: all(len(captures(sniff.box, name)) == 1 for name in names), "an agent for each")
        yield process
    wait_until(lambda: not leftovers(sniff.box), "a clean cluster")


def ports(path):
    """Of each pod, what was seen there."""
    seen = {}
    for interface, port in tshark(path, "frame.interface_name", "udp.dstport", display="udp"):
        seen.setdefault(interface.split("/")[-1].split(":")[0], []).append(int(port))
    return seen


def by_pod(path, port):
    """Which pods a file has datagrams to this port of by now."""
    names, seen = [], set()
    for kind, body, options in blocks(path):
        if kind == IDB:
            names.append(options[2].decode().split("/")[-1].split(":")[0])
        elif kind == EPB and struct.pack(">H", port) in body[20:80]:
            seen.add(names[struct.unpack_from("<I", body, 8)[0]])
    return seen


def test_one_exec(box, sniff, tmp_path, transport):
    """A target more makes no exec more; each has its own packets, and its row at the end."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    before = len(box.get("/sandbox/requests"))
    with capturing(sniff, path, "--summary", str(report)) as process:
        assert len(relays(box)) == 1
        for number, name in enumerate(NAMES):
            box.datagrams(name, 7100 + number)
        Ksniff.stop(process)
    asked = box.get("/sandbox/requests")[before:]
    assert sum("/exec" in line for line in asked) == ASKED[transport], asked
    seen = ports(path)
    assert {name: set(seen[name]) for name in NAMES} == {name: {7100 + i} for i, name in enumerate(NAMES)}
    table = rows(report)
    assert all(table[name]["packets"] >= len(seen[name]) and table[name]["method"] == "node" for name in NAMES)


def test_few_have_an_exec_each(box, sniff, tmp_path):
    with capturing(sniff, str(tmp_path / "x"), names=NAMES[:3]) as process:
        assert not relays(box)
        Ksniff.stop(process)


def test_one_is_killed(box, sniff, tmp_path):
    """It alone is taken up again, over the same exec."""
    path = str(tmp_path / "x.pcapng")
    with capturing(sniff, path) as process:
        relay, before = relays(box), all_captures(box)
        os.kill(before[NAMES[1]][0], signal.SIGKILL)
        wait_until(lambda: captures(box, NAMES[1]) not in ([], before[NAMES[1]]), "another agent")
        Ksniff.read_until(process, "capturing again")
        assert relays(box) == relay
        after = all_captures(box)
        assert {**after, NAMES[1]: 0} == {**before, NAMES[1]: 0}
        for name in NAMES:
            box.datagrams(name, 7200)
        err = Ksniff.stop(process)
    assert err.count("capturing again") == 1 and set(ports(path)) == set(NAMES)


@pytest.mark.parametrize("how", ["relay killed", "stream cut"])
def test_all_are_cut(box, sniff, tmp_path, how):
    """Each is taken up again, over one new exec; a device stays one interface."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with capturing(sniff, path, "--summary", str(report)) as process:
        before, old = all_captures(box), relays(box)
        for name in NAMES:
            box.datagrams(name, 7300)
        wait_until(lambda: len(by_pod(path, 7300)) == len(NAMES), "packets of each")
        if how == "relay killed":
            os.kill(old[0], signal.SIGKILL)
        else:
            box.drop_streams()
        wait_until(lambda: all(len(new) == 1 and new != before[name] for name, new in all_captures(box).items()),
                   "new agents")
        wait_until(lambda: len(relays(box)) == 1 and relays(box) != old, "one new exec")
        for _ in NAMES:
            Ksniff.read_until(process, "capturing again")
            process.head += " \n "
        for name in NAMES:
            box.datagrams(name, 7301)
        Ksniff.stop(process)
    assert all(row["cuts"] == 1 for row in rows(report).values())
    seen = ports(path)
    assert {name: set(seen[name]) for name in NAMES} == {name: {7300, 7301} for name in NAMES}
    names = [row[0] for row in tshark(path, "frame.interface_id", "frame.interface_name", display="udp")]
    assert len(set(names)) == len(NAMES)


@pytest.mark.parametrize("ring, slow", [("32M", False), ("32M", True), ("1M", True)])
def test_for_each_and_in_sum(box, sniff, tmp_path, ring, slow):
    """What is in the file and what is counted is what each agent has counted, however slow the way is."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with sniff.capturing(*NAMES, "-p", "-i", "eth0", "-f", "udp dst port 7401", "--buffer-size", ring, "--summary",
                         str(report), "-o", path) as process:
        wait_until(lambda: all(len(captures(box, name)) == 1 for name in NAMES), "an agent for each")
        with box.faults(**({"exec_bytes_per_second": SLOW} if slow else {})):
            for number, name in enumerate(NAMES):
                send(box, 7401, 1000 * (number + 1), pod=name)
            process.send_signal(signal.SIGINT)
            err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
    whole, seen, table = check_summary(report), by_interface(path), rows(report)
    assert whole["lost"] == 0
    for number, name in enumerate(NAMES):
        packets, received, dropped = seen[name]
        assert (table[name]["packets"], table[name]["dropped"]) == (packets, dropped)
        assert packets + dropped == received == 1000 * (number + 1)
    wait_until(lambda: not leftovers(box), "a clean cluster")


def test_second_interrupt(box, sniff, tmp_path):
    """What does not come any more is counted for each."""
    report = tmp_path / "summary.json"
    with sniff.capturing(*NAMES, "-p", "-i", "eth0", "-f", "udp dst port 7402", "--summary", str(report), "-o",
                         str(tmp_path / "x")) as process:
        wait_until(lambda: all(len(captures(box, name)) == 1 for name in NAMES), "an agent for each")
        with box.faults(exec_bytes_per_second=SLOW):
            for name in NAMES:
                send(box, 7402, 2000, pod=name)
            process.send_signal(signal.SIGINT)
            Ksniff.read_until(process, "still to come")
            process.send_signal(signal.SIGINT)
            err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 3, err
    table = rows(report)
    assert all(row["packets"] + row["dropped"] + row["lost"] == 2000 for row in table.values()), table
    wait_until(lambda: not leftovers(box), "a clean cluster")


def test_one_that_comes_later(box, sniff, tmp_path, transport):
    """--follow: it is taken in over the exec that there is; one that goes leaves the others alone."""
    path = str(tmp_path / "x.pcapng")
    before = len(box.get("/sandbox/requests"))
    with sniff.capturing("-l", "relayed=yes", "--follow", "-p", "-i", "lo", "-o", path) as process:
        wait_until(lambda: all(len(captures(box, name)) == 1 for name in NAMES), "an agent for each")
        untouched = all_captures(box)
        box.create_pod(LATER, containers=[SLEEP], metadata=LABEL)
        wait_until(lambda: len(captures(box, LATER)) == 1, "its agent")
        Ksniff.read_until(process, LATER)
        box.datagrams(LATER, 7501)
        wait_until(lambda: LATER in by_pod(path, 7501), "its packets")
        box.delete_pod(LATER)
        wait_until(lambda: all_captures(box) == untouched and len(list(agents_running(box))) == len(NAMES) + 2,
                   "its agent's end")
        box.datagrams(NAMES[0], 7502)
        err = Ksniff.stop(process)
    asked = box.get("/sandbox/requests")[before:]
    assert sum("/exec" in line for line in asked) == ASKED[transport], (asked, err)
    seen = ports(path)
    assert 7501 in seen[LATER] and 7502 in seen[NAMES[0]]
    wait_until(lambda: not leftovers(box), "a clean cluster")
