# SPDX-License-Identifier: Apache-2.0
"""Several targets in one capture."""
import json
import os
import re

from conftest import BUILD, Ksniff, capinfos, tshark
from test_helper_life import until


def test_two_pods(sandbox, ksniff, tmp_path):
    """Each packet stands at both ends, with the pod that it was seen at."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "web", "-f", "udp port 4701", "-o", path) as process:
        until(process, b"2 of 2 targets are being captured")
        sent = sandbox.exchange(4701, rounds=5)
        head = ksniff.stop(process)
    rows = tshark(path, "udp.payload", "frame.interface_name")
    assert len(rows) == 2 * len(sent)
    for end in ("default/client:eth0", "default/web:eth0"):
        assert [row[0] for row in rows if row[1] == end] == [data.hex() for _, data in sent]
    assert capinfos(path).count("Name = default/web:eth0") == 1
    assert f"{len(rows)} packets captured" in head


def test_each_has_its_own_method(sandbox, ksniff, tmp_path):
    """What is chosen for one is not chosen for all: upload needs a shell in the container, which one of them lacks."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with ksniff.capturing("web", "distroless", "-i", "lo", "-f", "udp port 4703", "--summary", str(report), "-o", path) as process:
        until(process, b"2 of 2 targets are being captured")
        for pod in ("web", "distroless"):
            sandbox.datagrams(pod, 4703)
        ksniff.stop(process)
    methods = {row["pod"]: (row["method"], row["packets"]) for row in json.loads(report.read_text())["targets"]}
    assert methods == {"web": ("upload", 3), "distroless": ("node", 3)}
    seen = [name for name, in tshark(path, "frame.interface_name")]
    assert (seen.count("default/web:lo"), seen.count("default/distroless:lo")) == (3, 3)


def fails_beside(sandbox, namespace="default"):
    """A pod that nobody can capture, beside those that are."""
    return sandbox.running_pod("stubborn", namespace, containers=[{"name": "app", "image": "registry.local/distroless-http:1"}])


def test_one_that_fails(sandbox, ksniff, tmp_path):
    """It is told in one line, and in the table and the summary; the others are captured, and that is success."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with fails_beside(sandbox):
        with ksniff.capturing("web", "stubborn", "--method", "upload", "-f", "udp port 4702", "--summary", str(report),
                              "-o", path) as process:
            said = process.head + until(process, b"1 of 2 targets are being captured")
            sent = sandbox.exchange(4702, rounds=5)
            head = ksniff.stop(process)
    assert len(tshark(path, "udp.payload")) == len(sent)
    told, = re.findall(r'^WARN\[\d+\] pod "stubborn": .*$', said, re.M)
    table = head[head.index("\nTARGET "):].splitlines()[1:4]
    assert table[0].split() == ["TARGET", "NODE", "METHOD", "PACKETS", "BYTES", "DROPPED", "GAPS", "CLOCK"]
    assert re.match(rf"default/web +node1 +upload +{len(sent)} +\S+ k?B +0 +- +[-+]\d+\.\d\d ms \+-\d+\.\d\d$", table[1])
    assert table[2].startswith("default/stubborn") and told.split('"stubborn": ')[1] in table[2]
    summary = json.loads(report.read_text())
    assert (summary["exitCode"], summary["error"], summary["output"]) == (0, None, path)
    assert summary["packets"] == len(sent) and summary["dropped"] == summary["lost"] == 0
    web, stubborn = summary["targets"]
    assert (web["pod"], web["method"], web["captured"], web["packets"]) == ("web", "upload", True, len(sent))
    assert abs(web["clock"]["offsetNanoseconds"]) <= web["clock"]["boundNanoseconds"]
    assert (stubborn["captured"], stubborn["packets"], stubborn["clock"]) == (False, 0, None)
    assert stubborn["error"] in told


def test_fail_fast(sandbox, ksniff, tmp_path):
    """Turned round: the first that fails ends all."""
    with fails_beside(sandbox):
        done = ksniff.run("web", "stubborn", "--method", "upload", "--fail-fast", "-o", str(tmp_path / "x"))
    assert done.code == 1 and re.search(r'^error: .*"stubborn"', done.err, re.M)


def test_none_can_be_captured(sandbox, ksniff, tmp_path):
    with fails_beside(sandbox), sandbox.running_pod("mule", containers=[{"name": "app", "image": "registry.local/distroless-http:1"}]):
        done = ksniff.run("mule", "stubborn", "--method", "upload", "-o", str(tmp_path / "x"))
    error = done.err
    assert done.code == 1 and "error: none of 2 targets could be captured" in error
    assert 'pod "mule": ' in error and 'pod "stubborn": ' in error


def test_summary_that_cannot_be_written(sandbox, ksniff, tmp_path):
    """It is found before anything is asked of the cluster, not after a night; and what is there stays."""
    old = tmp_path / "old"
    old.write_text("old")
    before = len(sandbox.get("/sandbox/requests"))
    error = ksniff.fail("web", "--summary", str(tmp_path / "none" / "x"), "-o", str(tmp_path / "x"))
    assert error == f'the summary cannot be written to "{tmp_path}/none/x": No such file or directory (name another file with --summary)'
    assert ksniff.fail("web", "--summary", str(old), "-o", f"{tmp_path}/./old", code=2) == (
        f'"{old}" cannot take the summary and the packets (name another file with --summary)')
    assert ksniff.fail("web", "--summary", "-", "-o", "-", code=2).startswith("standard output cannot take the packets and the summary")
    assert ksniff.fail("web", "--summary", str(old), "-o", str(tmp_path / "none" / "x")).startswith("cannot make a file in ")
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself
    assert old.read_text() == "old" and not (tmp_path / "x").exists()


def test_summary_is_written_at_the_end(sandbox, ksniff, tmp_path):
    """What an earlier capture wrote stays until there is something in its place."""
    report = tmp_path / "summary.json"
    report.write_text("old")
    with ksniff.capturing("web", "-f", "udp port 4710", "--summary", str(report), "-o", str(tmp_path / "x")) as process:
        assert report.read_text() == "old"
        ksniff.stop(process)
    assert json.loads(report.read_text())["exitCode"] == 0


def keys(document):
    """Of an object and of those in it."""
    inner = [part for value in document.values() for part in (value if isinstance(value, list) else [value])]
    return set(document).union(*(keys(part) for part in inner if isinstance(part, dict)))


def test_summary_is_what_the_manual_says(sandbox, ksniff, tmp_path):
    """Each field is described, and none is that is not there."""
    report = tmp_path / "summary.json"
    with ksniff.capturing("client", "web", "-f", "udp port 4709", "--summary", str(report), "-o", str(tmp_path / "x")) as process:
        until(process, b"2 of 2 targets are being captured")
        ksniff.stop(process)
    with open(os.path.join(BUILD, "docs", "kubectl-sniff.1"), encoding="utf-8") as file:
        section = file.read().split("\n.SH SUMMARY\n")[1].split("\n.SH ")[0]
    document = json.loads(report.read_text())
    assert all(target["clock"] for target in document["targets"])  # else its fields are not there
    assert keys(document) == set(re.findall(r'"(\w+)"', section)) | {"targets"}


def test_bytes_of_the_summary(sandbox, ksniff, tmp_path):
    """On the wire, and in the output, which has less with --snaplen."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with ksniff.capturing("client", "web", "-f", "udp port 4711", "--snaplen", "20", "--summary", str(report), "-o", path) as process:
        until(process, b"2 of 2 targets are being captured")
        sent = sandbox.exchange(4711, rounds=5)
        ksniff.stop(process)
    rows = tshark(path, "frame.len", "frame.cap_len", "frame.interface_name")
    assert len(rows) == 2 * len(sent) and {row[1] for row in rows} == {"20"}
    summary = json.loads(report.read_text())
    for part, ours in ((summary, rows), *((each, [row for row in rows if f"/{each['pod']}:" in row[2]]) for each in summary["targets"])):
        assert part["bytes"] == sum(int(row[0]) for row in ours)
        assert part["capturedBytes"] == sum(int(row[1]) for row in ours) == 20 * part["packets"]


def test_description(sandbox, ksniff, tmp_path):
    """Who finds an interface in the file knows where it was: node, container, method, addresses; and what has passed."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "client", "-f", "tcp port 8080", "-o", path) as process:
        Ksniff.read_until(process, "2 of 2 targets are being captured")
        Ksniff.stop(process)
    address = sandbox.pod_object("web")["status"]["podIP"]
    text = capinfos(path)
    assert re.search(rf"Name = default/web:eth0\n +Description = node: node1, container: httpd, method: upload, addresses: "
                     rf"{re.escape(address)}", text)
    assert "Filter string = tcp port 8080" in text and "Hardware = veth" in text


def test_check(sandbox, ksniff):
    """Each is judged; all must be within reach."""
    done = ksniff.run("web", "nonroot", "--check")
    assert done.code == 0 and re.match(rb'pod "web":\nupload .*\npod "nonroot":\nupload ', done.out, re.S)
    several = json.loads(ksniff.run("web", "nonroot", "--check=json").out)
    assert [(each["pod"], each["works"]) for each in several] == [("web", True), ("nonroot", True)]
    assert json.loads(ksniff.run("web", "--check=json").out)["pod"] == "web"
    done = ksniff.run("web", "nonroot", "--method", "upload", "--check=json")
    assert done.code == 1 and [each["works"] for each in json.loads(done.out)] == [True, False]
