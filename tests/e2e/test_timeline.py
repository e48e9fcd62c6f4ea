# SPDX-License-Identifier: Apache-2.0
"""Several targets in one section: in the order of time, whatever the others do, and each packet once if it is wanted so."""
import os
import re
import signal

import pytest

from conftest import Ksniff, capinfos, exchange_in, processes_of, tshark, wait_until

ROUNDS = 50
IDLE = [{"name": "app", "image": "busybox", "command": ["sleep", "3600"]}]


def packets_of(path):
    """(where it was seen, its time in ns, its length), in the order of the file."""
    return [(name, int(seconds) * 10**9 + int(parts), int(length)) for name, time, length in
            tshark(path, "frame.interface_name", "frame.time_epoch", "udp.length")
            for seconds, parts in [time.split(".")]]


def count_in(path, text):
    with open(path, "rb") as file:
        return file.read().count(text)


def wait_for_all(path, *pods):
    """Until what each has is captured: its interfaces stand in the file."""
    for pod in pods:
        wait_until(lambda: count_in(path, f"/{pod}:eth0".encode()), f"the agent of {pod}")


def check_order(packets):
    times = [time for _, time, _ in packets]
    assert times == sorted(times)


def test_the_packets_of_all_are_in_the_order_of_time(sandbox, ksniff, tmp_path):
    """Each is there once for each end, a question before its answer at both."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "web", "-f", "udp port 4501", "--reorder-window", "10s", "-o", path) as process:
        wait_for_all(path, "client", "web")
        exchange_in(sandbox, 4501, ROUNDS)
        err = ksniff.stop(process)
    packets = packets_of(path)
    check_order(packets)
    assert len(packets) == 4 * ROUNDS and "too late" not in err
    # To web: seen at the client, then at web; and back.
    assert [name for name, _, _ in packets] == ["default/client:eth0", "default/web:eth0", "default/web:eth0",
                                                "default/client:eth0"] * ROUNDS


def test_each_packet_once(sandbox, ksniff, tmp_path):
    """Where it was seen first; and it is said how many were left out."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "web", "-f", "udp port 4502", "--reorder-window", "10s", "--dedup",
                          "-o", path) as process:
        wait_for_all(path, "client", "web")
        exchange_in(sandbox, 4502, ROUNDS)
        err = ksniff.stop(process)
    assert [name for name, _, _ in packets_of(path)] == ["default/client:eth0", "default/web:eth0"] * ROUNDS
    assert f"{2 * ROUNDS} packets were seen at another interface before and left out (--dedup)" in err
    assert f"{2 * ROUNDS} packets captured" in err


def test_each_packet_once_in_each_file(sandbox, ksniff, tmp_path):
    """Who opens a target's own file finds all of its packets there, whoever else has seen them."""
    with ksniff.capturing("client", "web", "-f", "udp port 4503", "--dedup", "-o", str(tmp_path / "%p.pcapng")) as process:
        for pod in ("client", "web"):
            wait_until(lambda pod=pod: (tmp_path / f"{pod}.pcapng").exists(), f"the agent of {pod}")
        exchange_in(sandbox, 4503, ROUNDS)
        err = ksniff.stop(process)
    for pod in ("client", "web"):
        assert len(packets_of(str(tmp_path / f"{pod}.pcapng"))) == 2 * ROUNDS
    assert f"{4 * ROUNDS} packets captured" in err and "left out (--dedup)" not in err


def agents_in(sandbox, pod):
    main = sandbox.pod(pod)["containers"]["app"]["pid"]
    return [pid for pid in processes_of(main)
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith((".ksniff-", "ksniff-agent"))]


def test_who_is_silent_or_cut_off_holds_nobody_up(sandbox, ksniff, tmp_path):
    """What the others bring is written while the capture goes on."""
    path = str(tmp_path / "x.pcapng")
    with sandbox.running_pod("silent", containers=IDLE), sandbox.running_pod("broken", containers=IDLE), \
            ksniff.capturing("client", "web", "silent", "broken", "-f", "udp port 4503", "-o", path) as process:
        wait_for_all(path, "client", "web", "silent", "broken")
        exchange_in(sandbox, 4503, 1)
        wait_until(lambda: count_in(path, b"answer") == 2, "the packets")
        for pid in agents_in(sandbox, "broken"):
            os.kill(pid, signal.SIGKILL)
        exchange_in(sandbox, 4503, 1)
        wait_until(lambda: count_in(path, b"answer") == 4, "the packets")
        err = ksniff.stop(process)
    assert len(packets_of(path)) == 8
    assert re.search(r"broken.*taking it up again", err)


def test_nothing_waits_without_a_window(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "web", "-f", "udp port 4504", "--reorder-window", "0", "-o", path) as process:
        wait_for_all(path, "client", "web")
        exchange_in(sandbox, 4504, ROUNDS)
        err = ksniff.stop(process)
    assert len(packets_of(path)) == 4 * ROUNDS and "too late" not in err


def capture_on_two_nodes(two_nodes, path, port, *words):
    """Of an exchange between the pods client, on one node, and web, on the other."""
    ksniff = Ksniff(two_nodes)
    with ksniff.capturing("client", "web", "-f", f"udp port {port}", "--reorder-window", "10s", *words,
                          "-o", path) as process:
        wait_for_all(path, "client", "web")
        exchange_in(two_nodes, port, ROUNDS)
        err = ksniff.stop(process)
    packets = packets_of(path)
    check_order(packets)
    assert len(packets) == 4 * ROUNDS
    return packets, err


def steps_of(packets):
    """Of each round the times at which the question leaves client and arrives at web, and the answer leaves web and
    arrives at client."""
    times = {name: [time for where, time, _ in packets if where == name]
             for name in ("default/client:eth0", "default/web:eth0")}
    client, web = times["default/client:eth0"], times["default/web:eth0"]
    return list(zip(client[0::2], web[0::2], web[1::2], client[1::2]))


ERRORS = {"node1": 50, "node2": -50}


def test_clocks_that_differ_are_corrected(two_nodes, tmp_path):
    """An answer stands behind its question at both ends, to within 100 us, from the first packet on; which is said in the
    log and at the interfaces."""
    path = str(tmp_path / "x.pcapng")
    with two_nodes.faults(clock_error=ERRORS):
        packets, err = capture_on_two_nodes(two_nodes, path, 4511)
    for steps in steps_of(packets):
        assert all(after >= before - 100_000 for before, after in zip(steps, steps[1:])), steps
    corrected = {node: float(off) * (1 if side == "ahead" else -1) for node, off, side in re.findall(
        r"clock of node '(\w+)' is ([0-9.]+) ms (ahead|behind) \(± [0-9.]+ ms\), corrected", err)}
    # Both to this machine's clock, or the one that began later to the other's.
    left = [error - corrected.get(node, 0) for node, error in ERRORS.items()]
    assert corrected and abs(left[0] - left[1]) < 10, err
    text = capinfos(path)
    for node, off in corrected.items():
        side = "ahead" if off > 0 else "behind"
        assert re.search(rf"node: {node}, .*clock: [0-9.]+ ms {side} \(± [0-9.]+ ms\), corrected", text), text


def test_clocks_are_left_as_they_are(two_nodes, tmp_path):
    """If that is wanted; and where they agree."""
    path = str(tmp_path / "x.pcapng")
    with two_nodes.faults(clock_error=ERRORS):
        packets, err = capture_on_two_nodes(two_nodes, path, 4512, "--clock-sync", "off")
    # web's clock, by which the question arrives, is ahead by a tenth of a second.
    assert all(arrived - left > 90_000_000 for left, arrived, _, _ in steps_of(packets))
    assert "corrected" not in err + capinfos(path)
    packets, err = capture_on_two_nodes(two_nodes, path, 4513)
    assert "corrected" not in err + capinfos(path)
