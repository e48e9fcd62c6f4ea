# SPDX-License-Identifier: Apache-2.0
"""--follow: targets that come and go while they are captured."""
import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import termios
import threading
import time

import pytest

from conftest import GUARD, Ksniff, tshark, wait_until
from test_connection import Terminal
from test_many_complete import by_interface
from test_rbac import role_of
from test_sandbox_workloads import APPS, pods_of, workload
from test_targets import FAR, owner, put, put_pod

SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}


@contextlib.contextmanager
def pods(sandbox, *names):
    """Makes pods with a label, and removes those that are still there."""
    for name in names:
        sandbox.create_pod(name, metadata={"labels": {"follow": "yes"}}, containers=[SLEEP])
    try:
        yield
    finally:
        for name in names:
            sandbox.delete_pod(name)


def read_until(process, text):
    """Reads what a client says up to this. Returns it all."""
    said = getattr(process, "said", "")
    while text not in said:
        line = process.stderr.readline().decode()
        assert line, said
        said += line
    process.said = said
    return said


@contextlib.contextmanager
def following(ksniff, *words):
    process = ksniff.start("--follow", *words)
    guard = threading.Timer(GUARD, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        if process.poll() is None:
            process.kill()
            process.wait(timeout=GUARD)
        process.stderr.close()
        process.stdout.close()


def end(process):
    process.send_signal(2)
    said = process.said + process.stderr.read().decode()
    code = process.wait(timeout=GUARD)
    assert "Sanitizer" not in said and "runtime error" not in said, said
    return code, said


def payloads(path, interface):
    return [bytes.fromhex(row[0]) for row in tshark(path, "udp.payload", display=f'udp and frame.interface_name == "{interface}"')]


def check_gone(report, said, *gone):
    """A pod that went as pods go is no error: neither for programs nor in the table."""
    document = json.loads(report.read_text())
    assert document["error"] is None and all(row["error"] is None for row in document["targets"]), document
    assert {row["pod"] for row in document["targets"] if row["gone"]} == set(gone)
    table = said[said.index("\nTARGET "):].splitlines()[2:2 + len(document["targets"])]
    assert all(re.search(r" (-|[-+]\d+\.\d\d ms \+-\d+\.\d\d)$", line) for line in table), table


@pytest.mark.parametrize("method", ["upload", "node"])
def test_pods_come_and_go(sandbox, ksniff, tmp_path, method):
    """From nothing to one pod, to another, and to the last of them: all in one file, each with its own interface. None has
    failed."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with following(ksniff, "-l", "follow=yes", "-f", "udp port 4801", "-i", "lo", "--method", method, "--fail-fast", "--summary",
                   str(report), "-o", path) as process:
        read_until(process, 'waiting: no pod in namespace "default" has the labels "follow=yes"')
        with pods(sandbox, "first"):
            read_until(process, 'pod "first" is captured from now on')
            read_until(process, "capturing; Ctrl-C ends it")
            sandbox.datagrams("first", 4801)
            with pods(sandbox, "second"):
                read_until(process, 'pod "second" is captured from now on')
                wait_until(lambda: sandbox.ours_in("second") if method == "upload" else len(list(sandbox.helpers())) > 0, "its agent")
                wait_until(lambda: arrives(sandbox, "second", path), "its packets")
                sandbox.delete_pod("first")
                read_until(process, 'pod "first" is gone: its capture has ended')
                sandbox.datagrams("second", 4801)
                code, said = end(process)
    assert code == 0, said
    assert payloads(path, "default/first:lo") == [b"number 0", b"number 1", b"number 2"]
    assert payloads(path, "default/second:lo")[-3:] == [b"number 0", b"number 1", b"number 2"]
    assert "taking it up again" not in said and "WARN[" not in said
    check_gone(report, said, "first")
    wait_until(lambda: not sandbox.leftovers(), "a clean cluster")


def gets(sandbox, name):
    return sandbox.get("/sandbox/requests").count(f"GET /api/v1/namespaces/default/pods/{name}")


POLL = 5  # seconds between two looks at a pod that is captured from its node


def test_the_watch_tells_that_a_pod_is_gone(sandbox, ksniff, tmp_path):
    """At once, and nobody asks for it: with many targets their turn would come late."""
    words = ["-l", "follow=yes", "-f", "udp port 4807", "-i", "lo", "--method", "node", "-o", str(tmp_path / "x.pcapng")]
    with pods(sandbox, "first", "second"), following(ksniff, *words) as process:
        read_until(process, "2 of 2 targets are being captured")
        before = gets(sandbox, "first")
        time.sleep(POLL + 1.5)
        sandbox.delete_pod("first")
        read_until(process, 'pod "first" is gone: its capture has ended')
        assert gets(sandbox, "first") == before
        code, said = end(process)
    assert code == 0 and "WARN[" not in said


def test_a_watch_that_is_given_up(sandbox, ksniff, tmp_path):
    """The right is taken away: that a pod is gone is found by asking again, and is no failure either."""
    report = tmp_path / "summary.json"
    words = ["-l", "follow=yes", "-f", "udp port 4808", "-i", "lo", "--method", "node", "--fail-fast", "--summary", str(report),
             "-o", str(tmp_path / "x.pcapng")]
    with pods(sandbox, "first", "second"), following(ksniff, *words) as process:
        read_until(process, "2 of 2 targets are being captured")
        denied = {"path": "^/api/v1/namespaces/default/pods$", "code": 403, "reason": "Forbidden", "message": "no more"}
        with sandbox.faults(request_error=denied, cut_watches=True):
            read_until(process, "what comes later is not captured: ")
            sandbox.call("DELETE", sandbox.path("pods", "first"))
            read_until(process, 'pod "first" is gone: its capture has ended')
        code, said = end(process)
    assert code == 0, said
    check_gone(report, said, "first")


def test_what_has_gone_is_not_counted(sandbox, tmp_path):
    """In the live lines of a terminal, which has a row for targets alone: the last one says how many more there are."""
    words = ["--follow", "-l", "follow=yes", "-v", "-i", "lo", "-f", "udp port 4809", "--method", "upload", "-o", str(tmp_path / "x")]
    with pods(sandbox, "first", "second"):
        terminal = Terminal(sandbox, *words)
        try:
            terminal.until(b"2 of 2 targets, ")
            fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 3, 100, 0, 0))
            terminal.until(b"  ... and 2 more", terminal.until(b"2 of 2 targets, ", len(terminal.text)))
            sandbox.delete_pod("first")
            at = terminal.until(b"1 of 1 targets, ")
            terminal.until(b"  default/second", at)
        finally:
            terminal.process.send_signal(signal.SIGINT)
            wait_until(lambda: terminal.read(0.1) or terminal.process.poll() is not None, "the client's end")
            os.close(terminal.master)
    assert terminal.process.returncode == 0, terminal.text
    assert b"default/first " in terminal.text[terminal.text.rindex(b"TARGET "):]  # the table has all


def test_the_statistics_of_a_pod_that_goes(sandbox, ksniff, tmp_path):
    """While packets come: the last statistics of its interface are of all that stands in the file, and of what was dropped."""
    path, over = str(tmp_path / "x.pcapng"), threading.Event()

    def talk():
        while not over.is_set():
            sandbox.datagrams("first", 4810, 20)
            time.sleep(0.01)

    with one_that_is_captured(sandbox, ksniff, tmp_path, port=4810) as process:
        talker = threading.Thread(target=talk)
        talker.start()
        try:
            wait_until(lambda: os.path.getsize(path) > 20000, "packets")
        finally:
            sandbox.call("DELETE", sandbox.path("pods", "first") + "?gracePeriodSeconds=0")
            read_until(process, 'pod "first" is gone: its capture has ended')
            over.set()
            talker.join()
    packets, received, dropped = by_interface(path, "lo")["first"]
    assert packets > 20 and received == packets + dropped


def open_files(process, folder):
    paths = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{process.pid}/fd")]
    return sorted(os.path.basename(path) for path in paths if path.startswith(str(folder)))


def test_the_file_of_a_pod_that_goes(sandbox, ksniff, tmp_path):
    """It is whole, and not kept open: in time there would be too many."""
    words = ["-l", "follow=yes", "-f", "udp port 4806", "-i", "lo", "--method", "upload", "-o", f"{tmp_path}/%p.pcapng"]
    with pods(sandbox, "first", "second"), following(ksniff, *words) as process:
        read_until(process, "2 of 2 targets are being captured")
        sandbox.datagrams("first", 4806)
        wait_until(lambda: open_files(process, tmp_path) == ["first.pcapng", "second.pcapng"], "both files")
        sandbox.delete_pod("first")
        read_until(process, 'pod "first" is gone: its capture has ended')
        wait_until(lambda: open_files(process, tmp_path) == ["second.pcapng"], "that the other alone is open")
        assert payloads(tmp_path / "first.pcapng", "default/first:lo") == [b"number 0", b"number 1", b"number 2"]
        sandbox.datagrams("second", 4806)
        code, said = end(process)
    assert code == 0, said
    assert payloads(tmp_path / "second.pcapng", "default/second:lo") == [b"number 0", b"number 1", b"number 2"]


def test_pod_that_comes_after_the_end(sandbox, ksniff):
    """While the end waits for a slow reader: it is not waited for."""
    words = ["-l", "follow=yes", "-f", "udp port 4802", "-i", "lo", "--method", "upload", "--duration", "2s", "-o", "-"]
    with pods(sandbox, "first"), following(ksniff, *words) as process:
        read_until(process, "capturing; Ctrl-C ends it")
        for _ in range(100):
            sandbox.datagrams("first", 4802, 100)  # more than the pipe and what is kept for it hold
        read_until(process, "the capture has ended; ")
        with pods(sandbox, "second"):
            read_until(process, 'pod "second" is captured from now on')
            assert len(process.stdout.read()) > 0
            said = process.said + process.stderr.read().decode()
            assert process.wait(timeout=GUARD) == 0, said


def arrives(sandbox, name, path, port=4801):
    """Whether packets of a pod come into the file."""
    sandbox.datagrams(name, port)
    time.sleep(0.2)
    with open(path, "rb") as file:
        return f"default/{name}:lo".encode() in file.read()


@contextlib.contextmanager
def one_that_is_captured(sandbox, ksniff, tmp_path, port=4804):
    words = ["-l", "follow=yes", "-f", f"udp port {port}", "-i", "lo", "--method", "upload", "-o", str(tmp_path / "x.pcapng")]
    with pods(sandbox, "first"), following(ksniff, *words) as process:
        read_until(process, "capturing; Ctrl-C ends it")
        yield process
        code, said = end(process)
    assert code == 0, said


def test_its_agent_ends_before_the_watch_tells_why(sandbox, ksniff, tmp_path):
    """As in any rollout where the server is busy: nothing has failed, and nothing is said to be taken up again."""
    with one_that_is_captured(sandbox, ksniff, tmp_path) as process:
        with sandbox.faults(hold_watches=True):
            sandbox.delete_pod("first")
            read_until(process, 'pod "first" is gone: its capture has ended')
    assert "WARN[" not in process.said


def test_its_container_dies(sandbox, ksniff, tmp_path):
    """The pod is still there: that is told, and its next container is captured."""
    with one_that_is_captured(sandbox, ksniff, tmp_path) as process:
        os.kill(sandbox.pod("first")["containers"]["app"]["pid"], signal.SIGKILL)
        read_until(process, "capturing again")
    assert re.search(r'WARN.*container "app" of pod "first" was ended by signal 9: .*: taking it up again', process.said)


@pytest.mark.parametrize("method", ["upload", "node"])
def test_cut_while_its_pod_ends(sandbox, ksniff, tmp_path, method):
    """A pod that is being deleted runs on for its grace period: a cut in this time is taken up like any other."""
    path = str(tmp_path / "x.pcapng")
    words = ["-l", "follow=yes", "-f", "udp port 4805", "-i", "lo", "--method", method, "-o", path]
    with following(ksniff, *words) as process, removed(sandbox, "slow"):
        sandbox.create_pod("slow", metadata={"labels": {"follow": "yes"}}, containers=[SLEEP], terminationGracePeriodSeconds=1000)
        read_until(process, "capturing; Ctrl-C ends it")
        sandbox.call("DELETE", sandbox.path("pods", "slow"))
        time.sleep(0.5)  # the watch tells of it
        sandbox.drop_streams()
        read_until(process, "capturing again")
        assert "taking it up again" in process.said
        sandbox.datagrams("slow", 4805)
        wait_until(lambda: payloads(path, "default/slow:lo") == [b"number 0", b"number 1", b"number 2"], "the packets")
        sandbox.call("DELETE", sandbox.path("pods", "slow") + "?gracePeriodSeconds=0")
        read_until(process, 'pod "slow" is gone: its capture has ended')
        code, said = end(process)
    assert code == 0 and said.count("WARN[") == 2 and "the capture was cut 1 time" in said, said


def test_a_container_that_ends_before_its_pod(sandbox, ksniff, tmp_path):
    """In a pod that is being deleted it does not start again: its capture ends, though the pod is there for long."""
    words = words_for(4811, str(tmp_path / "x.pcapng"))
    with following(ksniff, *words) as process, removed(sandbox, "slow"):
        sandbox.create_pod("slow", metadata={"labels": {"follow": "yes"}}, containers=[SLEEP, {**SLEEP, "name": "other"}],
                           terminationGracePeriodSeconds=1000)
        read_until(process, "capturing; Ctrl-C ends it")
        sandbox.call("DELETE", sandbox.path("pods", "slow"))
        time.sleep(0.5)  # the watch tells of it
        sandbox.drop_streams()
        os.kill(sandbox.pod("slow")["containers"]["app"]["pid"], signal.SIGKILL)
        read_until(process, 'pod "slow" is gone: its capture has ended')
        assert sandbox.call("GET", sandbox.path("pods", "slow"))[0] == 200
        code, said = end(process)
    assert code == 0 and "WARN[" not in said, said


def test_a_pod_that_is_no_target_any_more(sandbox, ksniff, tmp_path):
    """It runs on, and is captured until its stream is cut; then it is not taken up."""
    with one_that_is_captured(sandbox, ksniff, tmp_path) as process:
        sandbox.call("PATCH", sandbox.path("pods", "first"), {"metadata": {"labels": {"follow": "no"}}})
        time.sleep(0.5)  # the watch tells of it
        sandbox.drop_streams()
        read_until(process, 'pod "first" is gone: its capture has ended')
    assert "capturing again" not in process.said


def test_pods_that_a_role_names(sandbox, ksniff, tmp_path):
    """Each may be listed by its name, but not all of the namespace: they are watched one by one."""
    names, path = {"resourceNames": ["first", "second"]}, str(tmp_path / "x.pcapng")
    config = sandbox.kubeconfig_for("two-names", [{"verbs": ["get", "list", "watch"], "resources": ["pods"], **names},
                                                  {"verbs": ["create", "get"], "resources": ["pods/exec"], **names}])
    words = ["-f", "udp port 4806", "-i", "lo", "-o", path, "--kubeconfig", config, "--no-names"]
    with pods(sandbox, "first"), following(ksniff, "first", "second", *words) as process:
        read_until(process, "capturing; Ctrl-C ends it")
        with pods(sandbox, "second"):
            read_until(process, 'pod "second" is captured from now on')
            for name in ("first", "second"):
                sandbox.datagrams(name, 4806)
                wait_until(lambda: payloads(path, f"default/{name}:lo") == [b"number 0", b"number 1", b"number 2"], "the packets")
        read_until(process, 'pod "second" is gone: its capture has ended')
        code, said = end(process)
    assert code == 0 and "WARN[" not in said, said
    done = ksniff.run("--follow", "first", "web", *words)
    assert done.code == 1, done.err
    assert 'cannot list resource "pods"' in done.err and "(needs: list pods)" in done.err


def test_what_a_program_wrote_has_a_nul(sandbox, ksniff, tmp_path):
    """In an annotation, say, or in the last words of a container: as JSON allows, and as the API server hands it on."""
    path = str(tmp_path / "x.pcapng")
    with following(ksniff, *words_for(4809, path)) as process, removed(sandbox, "nul"):
        read_until(process, "waiting: ")
        sandbox.create_pod("nul", metadata={"labels": {"follow": "yes"}, "annotations": {"a": "before\0after"}}, containers=[SLEEP])
        read_until(process, "capturing; Ctrl-C ends it")
        assert end(process)[0] == 0
        assert not ksniff.run("-l", "follow=yes", "--duration", "100ms", "-o", path).code


# ---- those that cannot be captured at once ----

@contextlib.contextmanager
def removed(sandbox, *names):
    """Removes pods that are made meanwhile."""
    try:
        yield
    finally:
        for name in names:
            sandbox.delete_pod(name)


def words_for(port, path, *more):
    return ["-l", "follow=yes", "-f", f"udp port {port}", "-i", "lo", "--method", "upload", "-o", path, *more]


def starts_of_agents(sandbox):
    return sum("/exec?" in line for line in sandbox.get("/sandbox/requests"))


def test_a_pod_with_an_init_container(sandbox, ksniff, tmp_path):
    """It has a network by then, but the container that is captured does not run: that is waited for."""
    path = str(tmp_path / "x.pcapng")
    init = {"name": "init", "image": "busybox", "command": ["sleep", "2"]}
    with following(ksniff, *words_for(4807, path, "-v")) as process, removed(sandbox, "slow"):
        read_until(process, "waiting: ")
        sandbox.create_pod("slow", metadata={"labels": {"follow": "yes"}}, wait=False, initContainers=[init], containers=[SLEEP])
        read_until(process, "pod 'slow' is left out: it is not there yet")
        read_until(process, "capturing; Ctrl-C ends it")
        sandbox.datagrams("slow", 4807)
        code, said = end(process)
    assert code == 0, said
    assert payloads(path, "default/slow:lo") == [b"number 0", b"number 1", b"number 2"]
    assert "WARN[" not in said and "tried again" not in said


def test_a_start_that_fails_is_tried_again(sandbox, ksniff, tmp_path):
    """A bad moment of the server's, as the pod comes: that is told once, and the pod is captured after all."""
    path, summary = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    with following(ksniff, *words_for(4808, path, "-v", "--summary", str(summary))) as process, removed(sandbox, "first"):
        read_until(process, "waiting: ")
        with sandbox.faults(request_error={"path": "/exec$", "code": 503, "message": "not now"}):
            sandbox.create_pod("first", metadata={"labels": {"follow": "yes"}}, containers=[SLEEP])
            read_until(process, "; it is tried again as long as it is there")
            wait_until(lambda: process.said.count('pod "first" is tried again') > 1 or read_line(process), "the second time")
        read_until(process, 'pod "first": it is captured now')
        read_until(process, "capturing; Ctrl-C ends it")
        sandbox.datagrams("first", 4808)
        code, said = end(process)
    assert code == 0, said
    assert payloads(path, "default/first:lo") == [b"number 0", b"number 1", b"number 2"]
    assert said.count("WARN[") == 1 and said.count('pod "first" is captured from now on') == 1
    row, = json.loads(summary.read_text())["targets"]
    assert row["pod"] == "first" and row["error"] is None and row["packets"] == 3


def test_a_right_that_is_given_later(sandbox, ksniff, tmp_path):
    """What a pod is tried with again is not what was known when it failed."""
    pods_only = [{"verbs": ["get", "list", "watch"], "resources": ["pods"]}]
    config = sandbox.kubeconfig_for("later", pods_only)
    with following(ksniff, *words_for(4810, str(tmp_path / "x.pcapng"), "--kubeconfig", config)) as process, pods(sandbox, "first"):
        read_until(process, "it is tried again as long as it is there")
        sandbox.kubeconfig_for("later", [*pods_only, {"verbs": ["create", "get"], "resources": ["pods/exec"]}])
        read_until(process, "capturing; Ctrl-C ends it")
        assert end(process)[0] == 0


def test_what_is_refused_is_not_tried_with_each_change(sandbox, ksniff):
    """No change of the pod gives a right."""
    fault = {"path": "/exec$", "code": 403, "reason": "Forbidden", "message": "no"}
    with sandbox.faults(request_error=fault), following(ksniff, *words_for(4809, "/dev/null", "-v")) as process, removed(sandbox, "first"):
        read_until(process, "waiting: ")
        sandbox.create_pod("first", metadata={"labels": {"follow": "yes"}}, containers=[SLEEP])
        read_until(process, "; it is tried again as long as it is there")
        before = starts_of_agents(sandbox)
        for number in range(6):
            sandbox.call("PATCH", "/api/v1/namespaces/default/pods/first", {"metadata": {"annotations": {"number": str(number)}}})
            time.sleep(0.5)
        assert starts_of_agents(sandbox) == before
        code, said = end(process)
    assert code == 130 and "pod \"first\" is tried again" not in said, said


def test_its_container_runs_later(sandbox, ksniff, tmp_path):
    """The pod is not Pending, but its container crashes for a while: the change that tells of its end is what is waited for."""
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    crashing = {**SLEEP, **mounts, "command": ["sh", "-c", "test -e /data/go || exit 1; sleep 1000"]}
    with following(ksniff, *words_for(4810, str(tmp_path / "x.pcapng"), "-c", "app")) as process, removed(sandbox, "first"):
        read_until(process, "waiting: ")
        sandbox.create_pod("first", metadata={"labels": {"follow": "yes"}}, wait=False, volumes=[{"name": "data", "emptyDir": {}}],
                           containers=[{**SLEEP, **mounts, "name": "proxy"}, crashing])
        read_until(process, "; it is tried again as long as it is there")
        wait_until(lambda: sandbox.pod("first")["containers"].get("proxy", {}).get("pid"), "the container that stays")
        with open(f"/proc/{sandbox.pod('first')['containers']['proxy']['pid']}/root/data/go", "w", encoding="ascii"):
            pass
        read_until(process, 'pod "first": it is captured now')
        read_until(process, "capturing; Ctrl-C ends it")
        code, said = end(process)
    assert code == 0, said


# ---- the watch ----

def test_watches_that_are_cut(sandbox, ksniff, tmp_path):
    """And what they would go on from is not kept any more: what has come and gone meanwhile is seen by a list."""
    path = str(tmp_path / "x.pcapng")
    config = sandbox.kubeconfig_for("follower", [*role_of("targets")["rules"], *role_of("upload")["rules"]])
    busy = {"path": "/pods$", "code": 503, "message": "not now", "token": "follower-token"}
    with pods(sandbox, "first", "stays"), following(ksniff, *words_for(4811, path, "--kubeconfig", config)) as process:
        read_until(process, "2 of 2 targets are being captured")
        sandbox.set_faults(cut_watches=True, request_error=busy)
        sandbox.delete_pod("first")
        with pods(sandbox, "second"):
            before = len(sandbox.get("/sandbox/requests"))
            sandbox.set_faults(expire_versions=True)
            read_until(process, 'pod "second" is captured from now on')
            read_until(process, 'pod "first" is gone: its capture has ended')
            asked = [line for line in sandbox.get("/sandbox/requests")[before:] if "/pods?" in line and "labelSelector" in line]
            assert "watch=" in asked[0] and any("watch=" not in line for line in asked), asked
            # From here on by a watch again.
            sandbox.set_faults(cut_watches=True)
            with pods(sandbox, "third"):
                read_until(process, 'pod "third" is captured from now on')
                wait_until(lambda: all(arrives(sandbox, name, path, 4811) for name in ("second", "third", "stays")), "all packets")
                code, said = end(process)
    assert code == 0, said
    assert said.count('pod "stays"') == 1, said  # nothing has happened to it


# ---- objects that are only stored ----

def put_deployment(sandbox, labels):
    return put(sandbox, "deployments", "grow", spec={"replicas": 0, "paused": True, "selector": {"matchLabels": labels}})


def put_replica_set(sandbox, number, labels):
    return put(sandbox, "replicasets", f"grow-{number}", metadata={"labels": labels, "ownerReferences": owner(
        "Deployment", f"uid-{FAR}-deployments-grow")}, spec={"replicas": 0, "selector": {"matchLabels": labels}})


def remove(sandbox, name):
    sandbox.call("DELETE", f"/api/v1/namespaces/{FAR}/pods/{name}?gracePeriodSeconds=0")


def test_what_is_taken_in(sandbox, ksniff, tmp_path):
    """Workloads, Services, names and patterns, by objects that are only stored: no agent comes to their pods. A pod may be heard
    of before its ReplicaSet; the watch outlives the API server, and its Deployment."""
    words = ["deploy/grow", "svc/grow", "alone", "like-*"]
    with following(ksniff, "-n", FAR, "-v", "--max-targets", "6", "--method", "upload", "-o", str(tmp_path / "x"), *words) as process:
        for missing in ('deployments "grow" not found', 'services "grow" not found', 'pods "alone" not found', 'no pod in namespace'):
            read_until(process, "waiting: " + missing)
        put_deployment(sandbox, {"app": "grow"})
        first = put_replica_set(sandbox, 1, {"app": "grow"})
        put_pod(sandbox, "stranger", labels={"app": "grow"})
        put_pod(sandbox, "grow-1-a", owners=owner("ReplicaSet", first), labels={"app": "grow"}, phase="Pending", node=None)
        put_pod(sandbox, "grow-1-a", owners=owner("ReplicaSet", first), labels={"app": "grow"})
        read_until(process, 'pod "grow-1-a" is captured from now on')
        # A rollout: the pod comes first.
        put_pod(sandbox, "grow-2-a", owners=owner("ReplicaSet", f"uid-{FAR}-replicasets-grow-2"), labels={"app": "grow"})
        put_replica_set(sandbox, 2, {"app": "grow"})
        read_until(process, 'pod "grow-2-a" is captured from now on')
        put_pod(sandbox, "alone")
        read_until(process, 'pod "alone" is captured from now on')
        put_pod(sandbox, "like-1", phase="Succeeded")
        put_pod(sandbox, "like-2")
        read_until(process, 'pod "like-2" is captured from now on')
        # An endpoint, with a selector that is none of the Deployment's.
        put_pod(sandbox, "behind", labels={"app": "other"})
        put(sandbox, "services", "grow", spec={"selector": {"app": "other"}})
        put(sandbox, "endpointslices", "grow-1", metadata={"labels": {"kubernetes.io/service-name": "grow"}}, endpoints=[
            {"addresses": ["10.9.9.9"], "targetRef": {"kind": "Pod", "name": "behind", "namespace": FAR}}])
        read_until(process, 'pod "behind" is captured from now on')
        # Under the same name, and while nobody watched.
        remove(sandbox, "alone")
        read_until(process, f"the pod of the uid uid-{FAR}-pods-alone: it is gone")
        sandbox.call("POST", "/sandbox/restart", {"seconds": 0.5})
        put(sandbox, "pods", "alone", metadata={"uid": "another"}, spec={"nodeName": "node1", "containers": [{"name": "app"}]},
            status={"phase": "Running"})
        wait_until(lambda: process.said.count('pod "alone" is captured from now on') == 2 or read_line(process), "the other one")
        # Made again, with another selector.
        sandbox.call("DELETE", f"/apis/apps/v1/namespaces/{FAR}/deployments/grow?propagationPolicy=Orphan")
        read_until(process, "deployment 'grow' was deleted")
        put_deployment(sandbox, {"app": "grow", "new": "yes"})
        third = put_replica_set(sandbox, 3, {"app": "grow", "new": "yes"})
        read_until(process, f"the pod of the uid uid-{FAR}-pods-grow-1-a: it is gone")
        put_pod(sandbox, "grow-3-a", owners=owner("ReplicaSet", third), labels={"app": "grow", "new": "yes"})
        read_until(process, 'pod "grow-3-a" is captured from now on')
        # There are grow-3-a, another, like-2 and behind.
        for number in (3, 4, 5):
            put_pod(sandbox, f"like-{number}")
        read_until(process, "pod 'like-5' is not captured: there are 6 targets, and --max-targets allows no more")
        code, said = end(process)
    assert code == 130, said  # nothing was captured
    assert not re.search("INFO.*(stranger|like-1)", said)
    assert said.count("waiting: ") == len(set(re.findall("waiting: .*", said)))  # each is said once
    for name in ("grow-1-a", "grow-2-a", "grow-3-a", "stranger", "alone", "behind", *[f"like-{n}" for n in range(1, 6)]):
        remove(sandbox, name)
    for path in ("deployments/grow", "replicasets/grow-1", "replicasets/grow-2", "replicasets/grow-3"):
        sandbox.call("DELETE", f"/apis/apps/v1/namespaces/{FAR}/{path}?propagationPolicy=Orphan")
    sandbox.call("DELETE", f"/api/v1/namespaces/{FAR}/services/grow")
    sandbox.call("DELETE", f"/apis/discovery.k8s.io/v1/namespaces/{FAR}/endpointslices/grow-1")


def test_namespaces_and_shared_interfaces(sandbox, ksniff):
    """Who comes later is called by the namespace, too, where it is followed in all of them; and of a node that is captured already
    it is told so, also where there are as many targets as are allowed."""
    words = ["-A", "-l", "spread=yes", "-v", "--max-targets", "2", "--method", "upload", "-o", "/dev/null"]
    try:
        with following(ksniff, *words) as process:
            read_until(process, 'waiting: no pod in any namespace has the labels "spread=yes"')
            put_pod(sandbox, "same", labels={"spread": "yes"})
            read_until(process, f'pod "{FAR}/same" is captured from now on')
            put_pod(sandbox, "same", namespace="crowd", labels={"spread": "yes"}, hostNetwork=True)
            read_until(process, 'pod "crowd/same" is captured from now on')
            put_pod(sandbox, "shares", labels={"spread": "yes"}, hostNetwork=True)
            read_until(process, f'pod "{FAR}/shares" has the interfaces of node \'node1\': it is captured already, as pod "crowd/same"')
            put_pod(sandbox, "more", labels={"spread": "yes"})
            read_until(process, f"pod '{FAR}/more' is not captured: there are 2 targets")
            _, said = end(process)
    finally:
        for namespace, name in ((FAR, "same"), ("crowd", "same"), (FAR, "shares"), (FAR, "more")):
            sandbox.call("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0")
    assert re.search(rf"WARN\S* pod '{FAR}/more' is not captured: ", said)
    assert said.count("has the interfaces of") == 1 and "shares' is not captured" not in said


def test_what_may_have_been_meant(sandbox, ksniff):
    """Of a name that is not there (yet) it is told once, with a near one."""
    put_deployment(sandbox, {"app": "grow"})
    put_pod(sandbox, "shop-0", labels={"app": "shop"})
    words = ["-n", FAR, "--method", "upload", "-o", "/dev/null", "deploy/gorw", "shop-1", "shpo-*", "zzzzz"]
    try:
        before = len(sandbox.get("/sandbox/requests"))
        with following(ksniff, *words) as process:
            read_until(process, f'waiting: deployments "gorw" not found in namespace "{FAR}" (did you mean "grow"? ')
            read_until(process, f'waiting: pods "shop-1" not found in namespace "{FAR}" (did you mean "shop-0"? ')
            read_until(process, f'waiting: no pod in namespace "{FAR}" has a name like "shpo-*" (did you mean "shop-*"?)')
            read_until(process, f'waiting: pods "zzzzz" not found in namespace "{FAR}"\n')
            put_pod(sandbox, "shop-1")
            read_until(process, 'pod "shop-1" is captured from now on')
            asked = [line for line in sandbox.get("/sandbox/requests")[before:] if line.endswith("/deployments?limit=500")]
            end(process)
        assert len(asked) == 1 and process.said.count("waiting: ") == 4
    finally:
        remove(sandbox, "shop-0")
        remove(sandbox, "shop-1")
        sandbox.call("DELETE", f"/apis/apps/v1/namespaces/{FAR}/deployments/grow?propagationPolicy=Orphan")


def test_a_rollout(two_nodes, tmp_path):
    """By the controllers: the new pods are taken in, the old one's packets keep their interface, and one more replica comes."""
    path, report = str(tmp_path / "x.pcapng"), tmp_path / "summary.json"
    words = ["deploy/shop", "-f", "udp port 4803", "-i", "lo", "--fail-fast", "--summary", str(report), "-o", path]
    with workload(two_nodes, "deployments", "shop", replicas=1) as get:
        wait_until(lambda: get()["status"].get("readyReplicas") == 1, "the first pod")
        first, = (pod["metadata"]["name"] for pod in pods_of(two_nodes, "shop"))
        with following(Ksniff(two_nodes), *words) as process:
            read_until(process, "capturing; Ctrl-C ends it")
            two_nodes.datagrams(first, 4803)
            change = {"template": {"metadata": {"annotations": {"restarted": "yes"}}}}
            two_nodes.call("PATCH", f"{APPS}deployments/shop", {"spec": change})
            read_until(process, f'pod "{first}" is gone: its capture has ended')
            second, = set(re.findall(r'pod "(shop-[^"]+)" is captured from now on', process.said)) - {first}
            two_nodes.call("PATCH", f"{APPS}deployments/shop", {"spec": {"replicas": 2}})
            third = another(process, {first, second})
            for pod in (second, third):
                wait_until(lambda: arrives(two_nodes, pod, path, 4803), "its interface")
                two_nodes.datagrams(pod, 4803)
            code, said = end(process)
    assert code == 0, said
    assert payloads(path, f"default/{first}:lo") == [b"number 0", b"number 1", b"number 2"]
    assert all(payloads(path, f"default/{pod}:lo") for pod in (second, third))
    assert "WARN[" not in said
    check_gone(report, said, first)
    wait_until(lambda: not two_nodes.leftovers(), "a clean cluster")


def another(process, known):
    """Returns the pod that is taken in next."""
    while not (new := set(re.findall(r'pod "(shop-[^"]+)" is captured from now on', process.said)) - known):
        assert not read_line(process), process.said
    return new.pop()


def read_line(process):
    """Reads one more line of what a client says. Returns whether there was none."""
    line = process.stderr.readline().decode()
    process.said += line
    return not line
