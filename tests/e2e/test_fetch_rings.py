# SPDX-License-Identifier: Apache-2.0
"""Fetching of rings that the test itself writes: what is cut, overwritten and counted, with the recorder's real `fetch`."""
import base64
import contextlib
import json
import os
import re
import signal

import pytest

from conftest import GUARD, TRANSPORTS, Ksniff, tshark, wait_until
from ring import RELEASE, SECOND, START, Ring, interface, packet, datagram, section, statistics

NAME = "written"
SLOW = 300000  # bytes a second


@pytest.fixture(scope="module")
def box(two_nodes):
    with open(RELEASE, "rb") as file:
        program = base64.b64encode(file.read()).decode()
    two_nodes.call("POST", two_nodes.path("configmaps"), {"metadata": {"name": "ring-reader"}, "binaryData": {"ksniff-recorder": program}})
    yield two_nodes
    two_nodes.call("DELETE", two_nodes.path("configmaps", "ring-reader"))


@pytest.fixture(scope="module")
def ksniff(box):
    return Ksniff(box)


@contextlib.contextmanager
def reader(box, node, *targets):
    """A pod beside a ring, of which it says that these pods were recorded there. Yields where the ring is."""
    about = {"by": "", "started": "2026-11-29T03:35:00Z", "targets": [
        {"namespace": "default", "name": name, "uid": "uid-" + name, "container": "app", "node": node, "ips": ["10.9.9.9"],
         "hostNetwork": False, "labels": {}} for name in targets]}
    labels = {"app.kubernetes.io/name": "ksniff", "app.kubernetes.io/managed-by": "kubectl-sniff", "kubectl-sniff/recording": NAME}
    container = {"name": "ksniff", "image": "busybox", "command": ["sleep", "3600"], "volumeMounts": [
        {"name": "program", "mountPath": "/ksniff"}, {"name": "ring", "mountPath": "/ring"}]}
    volumes = [{"name": "program", "configMap": {"name": "ring-reader", "defaultMode": 0o555}}, {"name": "ring", "emptyDir": {}}]
    name = "reader-" + node
    with box.running_pod(name, nodeName=node, containers=[container], volumes=volumes, metadata={
            "labels": labels, "annotations": {"kubectl-sniff/recorded": json.dumps(about)}}):
        root = box.rootfs(name, "ksniff")
        yield os.path.join(os.path.dirname(os.path.dirname(root)), "volumes", "ring")


@pytest.fixture
def rings(box):
    """Two rings on a node each, of a target each."""
    with reader(box, "node1", "old-1") as first, reader(box, "node2", "old-2") as second:
        yield Ring(first), Ring(second)


def identities(path):
    """ip.id of each packet and where it was seen."""
    return [(name, int(number, 16)) for name, number in tshark(path, "frame.interface_name", "ip.id")]


def fetched(ksniff, path, *words, code=0):
    done = ksniff.run("--fetch", NAME, "-o", path, *words)
    assert done.code == code, done.err
    return done.err


def merged(segments):
    """The packets of the two rings are of the same times: one of each, by turns."""
    return sorted(number * 100 + i for number in segments for i in range(Ring.count))


def test_all_segments_of_all_rings_in_the_order_of_time(ksniff, rings, tmp_path):
    path = str(tmp_path / "x.pcapng")
    for number in range(4):
        rings[0].write(number, dropped=number)
        if number != 2:
            rings[1].write(number)
    rings[1].write(4, end=False)  # whose recorder was killed, or writes it
    err = fetched(ksniff, path)
    rows = tshark(path, "frame.time_epoch", "frame.interface_id", "frame.comment")
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert {row[1] for row in rows} == {"0", "1"} and not any(row[2] for row in rows[:450])
    seen = identities(path)
    assert [number for name, number in seen if name == "default/old-1:eth0"] == merged(range(4))
    assert [number for name, number in seen if name == "default/old-2:eth0"] == merged([0, 1, 3, 4])
    # The statistics of all segments are added up.
    assert "800 packets captured" in err and "6 dropped" in err


def test_an_interface_of_many_segments_is_one(ksniff, rings, tmp_path):
    """Whatever its number is in each, and by its own name."""
    path = str(tmp_path / "x.pcapng")
    for number in range(3):
        names = ["eth0", "lo"][::1 if number % 2 else -1]
        begin, body = START + number * SECOND, section(number) + b"".join(interface(name) for name in names)
        for at, name in enumerate(("eth0", "lo")):
            body += packet(begin + at, datagram(10 * number + at), names.index(name))
        rings[0].write(number, body + b"".join(statistics(begin, begin + 5, 1, last=True, number=k) for k in range(2)))
    fetched(ksniff, path)
    assert identities(path) == [(f"default/old-1:{('eth0', 'lo')[at]}", 10 * number + at) for number in range(3) for at in range(2)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_cut_is_taken_up_amid_a_segment(box, ksniff, rings, tmp_path, transport):
    """Whenever it comes, no packet is there twice, and none is missing."""
    path = str(tmp_path / "x.pcapng")
    for number in range(30):
        for ring in rings:
            ring.write(number, size=600)
    with box.over(transport), box.faults(exec_bytes_per_second=SLOW):
        process = ksniff.start("--fetch", NAME, "-o", path)
        process.head = "\n"
        Ksniff.read_until(process, "fetching what was recorded;")
        for cut in range(3):
            size = os.path.getsize(path)
            wait_until(lambda: os.path.getsize(path) > size + 200000, "some of it")
            box.set_faults(exec_bytes_per_second=SLOW if cut < 2 else 10**8, drop_exec_connections=True)
            for _ in rings:
                Ksniff.read_until(process, "fetching again, where it was cut")
        err = Ksniff.stop_by_itself(process)
    seen = identities(path)
    for name in ("default/old-1:eth0", "default/old-2:eth0"):
        assert [number for each, number in seen if each == name] == merged(range(30)), err
    assert "the fetch was cut 6 times, and taken up where it was" in err


def test_a_kubelet_that_restarts_is_no_end(box, ksniff, rings, tmp_path):
    """The API server says that all went well, as it does by WebSocket: the recorder has not said so."""
    path = str(tmp_path / "x.pcapng")
    for number in range(20):
        rings[0].write(number, size=600)
    with box.faults(exec_bytes_per_second=SLOW):
        process = ksniff.start("--fetch", NAME, "-o", path)
        process.head = "\n"
        Ksniff.read_until(process, "fetching what was recorded;")
        wait_until(lambda: os.path.getsize(path) > 200000, "some of it")
        box.set_faults(kubelet_restarts=True)
        Ksniff.read_until(process, "fetching again, where it was cut")
        err = Ksniff.stop_by_itself(process)
    assert [number for _, number in identities(path)] == merged(range(20)) and "has ended before its end had come" in err


def test_what_is_gone_meanwhile_is_told_as_missing(box, ksniff, rings, tmp_path):
    """While it was cut the ring has gone on: the oldest are gone, that of the cut, too."""
    path = str(tmp_path / "x.pcapng")
    for number in range(20):
        rings[0].write(number, size=1200)
    with box.faults(exec_bytes_per_second=SLOW):
        process = ksniff.start("--fetch", NAME, "-o", path, "--summary", str(tmp_path / "sum"))
        process.head = "\n"
        Ksniff.read_until(process, "fetching what was recorded;")
        wait_until(lambda: os.path.getsize(path) > 100000, "some of it")
        box.set_faults(kubelet_down="early", drop_exec_connections=True)
        Ksniff.read_until(process, "taking it up again")
        for number in range(15):
            os.unlink(rings[0].file(number))
    err = Ksniff.stop_by_itself(process)
    numbers = [number for _, number in identities(path)]
    assert numbers[-500:] == merged(range(15, 20)) and len(numbers) < 2000
    assert numbers[:-500] == list(range(len(numbers) - 500))
    gone = re.search(r"missing: (\d+ segments of the recording are not in its ring any more)", err)
    assert gone and "overwritten" not in err, err
    comments = [(number, row[0]) for number, row in enumerate(tshark(path, "frame.comment")) if row[0]]
    assert [number for number, _ in comments] == [len(numbers) - 500]
    assert comments[0][1].endswith("of packets before this one are missing: " + gone[1])
    row, = (row for row in json.loads((tmp_path / "sum").read_text())["targets"] if row["pod"] == "old-1")
    assert row["gapMilliseconds"] > 5000


@pytest.mark.parametrize("missing", [0, 3000])
def test_an_exec_whose_end_nobody_tells(box, ksniff, rings, tmp_path, missing):
    """What has come is all, or the rest is lost: neither is waited for without an end."""
    path = str(tmp_path / "x.pcapng")
    for number in range(3):
        rings[0].write(number)
    with box.faults(hang_exec_of="fetch", truncate_tail=missing):
        err = fetched(ksniff, path, code=3 if missing else 0)
    numbers = [number for _, number in identities(path)]
    assert numbers == merged(range(3))[:len(numbers)] and (len(numbers) == 300) == (missing == 0)
    if missing:
        assert f"{300 - len(numbers)} packets were lost on the way: the recorder has said that all is sent" in err


def test_since_and_until_leave_segments_out(ksniff, rings, tmp_path):
    """And are exact to the nanosecond."""
    path = str(tmp_path / "x.pcapng")
    for number in range(60):
        rings[0].write(number)
    # START is 2023-11-14T22:13:20Z; segment 30 is of 150 s later.
    fetched(ksniff, path, "--since", "2023-11-14T22:15:50.01Z", "--until", "2023-11-14T22:15:55.005Z")
    assert [number for _, number in identities(path)] == list(range(3010, 3100)) + list(range(3100, 3106))


def test_nothing_is_recorded_yet(ksniff, rings, tmp_path):
    path = str(tmp_path / "x.pcapng")
    assert rings
    err = fetched(ksniff, path)
    assert "nothing was recorded of what is to be fetched" in err and identities(path) == []


def test_live_where_one_ring_is_silent(ksniff, rings, tmp_path):
    """It holds up nobody: what is recorded of the other comes, from the segment that is open, too."""
    path = str(tmp_path / "x.pcapng")
    rings[0].write(0)
    rings[1].write(0)
    with ksniff.capturing("--fetch", NAME, "--live", "-o", path) as process:
        rings[0].write(1, b"".join(rings[0].blocks(1)[:50]))
        wait_until(lambda: len(read_so_far(path)) == 248, "what is in the open segment")
        rings[0].add(1, b"".join(rings[0].blocks(1)[50:]))
        wait_until(lambda: len(read_so_far(path)) == 300, "the rest of it")
        process.send_signal(signal.SIGINT)
        err = process.head + process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
    assert sorted(number for _, number in identities(path)) == sorted(merged([0]) * 2 + merged([1])[:100])


def read_so_far(path):
    try:
        return tshark(path, "frame.number")
    except AssertionError:  # amid a block
        return []
