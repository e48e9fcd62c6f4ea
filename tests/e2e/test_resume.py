# SPDX-License-Identifier: Apache-2.0
"""A capture that is cut is taken up again: same file, same reader, the gap marked."""
import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

from conftest import (BOTH_TRANSPORTS, GUARD, Ksniff, agents_running, capinfos, exchange_in, leftovers,
                      running_sandbox, tshark, wait_until)

pytestmark = BOTH_TRANSPORTS
METHODS = ["upload", "node", "ephemeral"]


def until(process, words):
    """Reads the client's messages until one has these words."""
    while True:
        line = process.stderr.readline().decode()
        assert line, process.head
        process.head += line
        if words in line:
            return


def check_gap(path, before, after, why):
    """Both exchanges are there; the first packet of the second says what is missing, and no other does. Returns how
    many seconds that is."""
    rows = tshark(path, "udp.payload", "frame.comment", "frame.interface_id", "frame.time_epoch")
    assert [row[0] for row in rows] == [data.hex() for _, data in before + after]
    comments = [(number, row[1]) for number, row in enumerate(rows) if row[1]]
    assert len(comments) == 1 and comments[0][0] == len(before)
    found = re.match(r"kubectl-sniff: up to (\d+\.\d) s of packets before this one are missing: ", comments[0][1])
    assert found and why in comments[0][1]
    # By the clock of the packets: nothing that is there can be missing.
    assert float(found[1]) <= float(rows[len(before)][3]) - float(rows[len(before) - 1][3])
    ids = [int(row[2]) for row in rows]
    assert len(set(ids)) == 1  # the same device is the same interface
    return float(found[1])


@contextlib.contextmanager
def taken_up(cluster, tmp_path, method, port, why=""):
    """A capture with packets before and after what the caller does to it, which is marked in the file. Yields the
    client; what it has said is its head in the end."""
    path, ksniff = str(tmp_path / "x.pcapng"), Ksniff(cluster)
    with ksniff.capturing("web", "-v", "--method", method, "-f", f"udp port {port}", "-o", path) as process:
        before = cluster.exchange(port, rounds=5)
        time.sleep(0.3)
        yield process
        until(process, "capturing again, after ")
        after = cluster.exchange(port, rounds=5)
        process.head = ksniff.stop(process)
    check_gap(path, before, after, why)
    assert capinfos(path).count(f"Name = {cluster.namespace}/web:eth0") == 1
    if method != "ephemeral":
        wait_until(lambda: not leftovers(cluster), "the end of everything")


def signal_agents(sandbox, command, number):
    for pid, words in agents_running(sandbox):
        if command in words:
            os.kill(pid, number)


def delete_helper(cluster):
    pod, = cluster.helpers()
    cluster.call("DELETE", cluster.path("pods", pod["metadata"]["name"]))


@pytest.mark.parametrize("method", METHODS)
def test_cut_stream(sandbox, tmp_path, method):
    with taken_up(sandbox, tmp_path, method, 4300, " of \"https://") as process:
        sandbox.drop_streams()
    assert "taking it up again" in process.head
    assert "the capture was cut 1 time: what passed meanwhile is missing" in process.head


@pytest.mark.parametrize("method", METHODS)
def test_agent_killed(sandbox, tmp_path, method):
    """Somebody kills the capture itself; what holds it stays."""
    with taken_up(sandbox, tmp_path, method, 4301, "was ended by signal 9"):
        signal_agents(sandbox, "capture", signal.SIGKILL)


def test_told_to_end_by_somebody_else(sandbox, tmp_path):
    with taken_up(sandbox, tmp_path, "node", 4308, "was told to end, but not by us"):
        signal_agents(sandbox, "capture", signal.SIGTERM)


@pytest.mark.parametrize("method", METHODS)
def test_kubelet_restarts(sandbox, tmp_path, method):
    """The API server calls it a good end of the command; nobody has told the agent to end."""
    with taken_up(sandbox, tmp_path, method, 4312, "has ended before its end had come"):
        sandbox.set_faults(kubelet_restarts=True)


def test_what_holds_the_agent_killed(sandbox, tmp_path):
    """The helper's main process: the pod has ended then, and another is made."""
    with taken_up(sandbox, tmp_path, "node", 4309, "was ended by signal 9"):
        signal_agents(sandbox, "hold", signal.SIGKILL)


@pytest.mark.needs("create configmaps")
def test_helper_deleted_by_somebody(cluster, tmp_path):
    with taken_up(cluster, tmp_path, "node", 4303):
        delete_helper(cluster)


def test_helper_made_anew_in_a_bad_moment(sandbox, tmp_path):
    fault = {"path": "/configmaps$", "code": 503, "reason": "ServiceUnavailable", "message": "it is starting"}
    with taken_up(sandbox, tmp_path, "node", 4306) as process:
        with sandbox.faults(request_error=fault):
            delete_helper(sandbox)
            until(process, "not yet: it is starting")


@pytest.mark.parametrize("path", ["/exec$", "/pods/"])
@pytest.mark.parametrize("method", METHODS)
def test_bad_moments_while_it_is_taken_up(sandbox, tmp_path, method, path):
    """The first tries fail, at the start or in the end: it goes on trying."""
    with taken_up(sandbox, tmp_path, method, 4305, " of \"https://") as process:
        with sandbox.faults(drop_exec_connections=True, request_error={"path": path, "code": 500}):
            until(process, "not yet: ")


@pytest.mark.parametrize("code, reason, says", [(403, "Forbidden", "forbidden: "), (401, "Unauthorized", "does not accept the credentials")])
@pytest.mark.parametrize("method", METHODS)
def test_server_that_does_not_know_the_rights_yet(sandbox, tmp_path, method, code, reason, says):
    """As one that has just started: who was allowed before is refused for a while."""
    fault = {"path": "/pods/", "code": code, "reason": reason,
             "message": 'User "admin" cannot get resource "pods" in API group "" in the namespace "default"'}
    with taken_up(sandbox, tmp_path, method, 4311, " of \"https://") as process:
        with sandbox.faults(drop_exec_connections=True, request_error=fault):
            until(process, "not yet: ")
            assert says in process.head
            until(process, "not yet: ")


def test_late_bytes_of_a_try_that_was_given_up(sandbox, tmp_path):
    """Its exec is taken, and nothing comes of it until it is too late."""
    with taken_up(sandbox, tmp_path, "node", 4307, " of \"https://") as process:
        with sandbox.faults(drop_exec_connections=True, freeze_exec=True):
            until(process, "not yet: ")
        with sandbox.faults(request_delay={"path": "/pods/ksniff-", "seconds": 2, "methods": ["GET"]}):
            time.sleep(3)


def test_same_pipe(sandbox, ksniff):
    """A reader sees one section, whatever happens behind it."""
    with ksniff.capturing("web", "-f", "udp port 4302", "-o", "-") as process:
        before = exchange_in(sandbox, 4302, rounds=3)
        time.sleep(0.3)
        sandbox.drop_streams()
        until(process, "capturing again, after ")
        after = exchange_in(sandbox, 4302, rounds=3)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        judge = subprocess.run(["tshark", "-n", "-r", "-", "-T", "fields", "-e", "udp.payload"], stdin=process.stdout,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, timeout=GUARD)
        process.stdout.close()
        assert process.wait(timeout=GUARD) == 0
    assert judge.stdout.decode().split("\n")[:-1] == [data.hex() for _, data in before + after]


def test_container_restarts_under_an_uploaded_agent(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with sandbox.running_pod("phoenix", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]):
        with ksniff.capturing("phoenix", "--method", "upload", "-o", path) as process:
            os.kill(sandbox.pod("phoenix")["containers"]["app"]["pid"], signal.SIGKILL)
            until(process, "capturing again, after ")
            ksniff.stop(process)
    assert capinfos(path).count("Name = default/phoenix:lo") == 1
    wait_until(lambda: not leftovers(sandbox), "the end of everything")


def test_a_duration_that_ends_during_a_request(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-o", path, "--duration", "3s") as process:
        wait_until(lambda: os.path.getsize(path) > 2000, "packets")
        slow = {"path": "/pods/web$", "seconds": 4, "methods": ["GET"]}
        with sandbox.faults(drop_exec_connections=True, request_delay=slow):
            err = process.head + process.stderr.read().decode()
            assert process.wait(timeout=GUARD) == 0, err
    assert "was cut 1 time" in err and "capturing again" not in err
    assert not list(agents_running(sandbox))


def test_limits_and_interrupts_while_it_is_cut(sandbox, ksniff, tmp_path):
    """Ctrl-C while it waits to try again: the file is whole, and it was no failure. A duration ends it too."""
    for flags, number in ((["--duration", "3s"], None), ([], signal.SIGINT)):
        path = str(tmp_path / "x.pcapng")
        with ksniff.capturing("web", "-o", path, *flags) as process:
            wait_until(lambda: os.path.getsize(path) > 2000, "packets")
            with sandbox.faults(drop_exec_connections=True, request_error={"path": "/pods/web", "code": 503}):
                until(process, "taking it up again")
                if number:
                    process.send_signal(number)
                err = process.head + process.stderr.read().decode()
                assert process.wait(timeout=GUARD) == 0, err
        assert "packets captured" in err and "was cut 1 time" in err
        assert tshark(path, "frame.number")
    wait_until(lambda: not leftovers(sandbox), "the end of everything")


def test_waits_longer_from_try_to_try(sandbox, ksniff, tmp_path):
    """From half a second on, twice as long each time."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-v", "-o", path) as process:
        with sandbox.faults(drop_exec_connections=True, request_error={"path": "/pods/web", "code": 503}):
            seen = []
            for _ in range(4):
                until(process, "not yet: ")
                seen.append(time.monotonic())
            process.send_signal(signal.SIGINT)
            process.stderr.read()
            assert process.wait(timeout=GUARD) == 0
    gaps = [later - earlier for earlier, later in zip(seen, seen[1:])]
    # A slow machine only makes them longer.
    assert gaps[0] >= 0.9 and gaps[1] >= 1.9 and gaps[2] >= 3.9, gaps


def test_refused_afterwards(sandbox, ksniff, tmp_path):
    """The rights are gone when it tries again: that is told, and the end."""
    config = sandbox.kubeconfig_for("fading", [{"verbs": ["*"], "resources": ["*"]}])
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-o", path, "--kubeconfig", config) as process:
        wait_until(lambda: os.path.getsize(path) > 2000, "packets")
        sandbox.kubeconfig_for("fading", [{"verbs": ["get"], "resources": ["pods"]}])
        sandbox.drop_streams()
        err = process.head + process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 1
    assert "error: forbidden: " in err and "pods/exec" in err
    assert tshark(path, "frame.number")
    wait_until(lambda: not leftovers(sandbox), "the end of everything")


@pytest.fixture(scope="module")
def box(transport):
    """A cluster of its own: its API server goes away and comes back."""
    with running_sandbox() as box, box.over(transport):
        yield box


@pytest.mark.parametrize("method", METHODS)
def test_api_server_restarted(box, tmp_path, method):
    with taken_up(box, tmp_path, method, 4304):
        box.call("POST", "/sandbox/restart", {"seconds": 2})


class Outage:
    """From when until when nothing was captured, at least: seconds since 1970."""

    def __init__(self, clients):
        self.clients, self.began, self.over = clients, 0.0, 0.0


@contextlib.contextmanager
def one_of_each(box, tmp_path, port):
    """Three clients at once, a method each, and what they are to have captured before and after the cut."""
    ksniff = Ksniff(box)
    with contextlib.ExitStack() as stack:
        clients = []
        for number, method in enumerate(METHODS):
            path = str(tmp_path / f"{method}.pcapng")
            clients.append((stack.enter_context(ksniff.capturing(
                "web", "--method", method, "-f", f"udp port {port + number}", "-o", path)), path, port + number))
        before = [exchange_in(box, number, rounds=5) for _, _, number in clients]
        time.sleep(0.3)
        outage = Outage([client for client, _, _ in clients])
        yield outage
        for client, _, _ in clients:
            until(client, "capturing again, after ")
        after = [exchange_in(box, number, rounds=5) for _, _, number in clients]
        for client, _, _ in clients:
            ksniff.stop(client)
        for (_, path, _), early, late in zip(clients, before, after):
            assert check_gap(path, early, late, "") >= outage.over - outage.began


def test_firewall_drops_everything(box, tmp_path):
    """Nothing arrives any more, in either direction, and nobody closes: the agents end, what holds them ends, and
    when the way is free again the captures go on."""
    with one_of_each(box, tmp_path, 4310) as outage:
        with box.faults(blackhole=True):
            began = time.monotonic()
            # Not the time decides, but that it ends at all; the time is printed.
            wait_until(lambda: not list(agents_running(box)), "the end of all our processes", 100)
            print(f"nothing of ours ran after {time.monotonic() - began:.0f} s")
            outage.began = time.time()
            for client in outage.clients:
                until(client, "not even to a ping")
            outage.over = time.time()
    wait_until(lambda: not helpers_serving(box), "the end of the helpers")


def test_laptop_asleep(box, tmp_path):
    """The clients stand still: the agents end for want of a heartbeat; awake, the clients go on. How long the gap is
    they cannot know by their own clock: what they read first, awake, is from before."""
    with one_of_each(box, tmp_path, 4320) as outage:
        for client in outage.clients:
            client.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        wait_until(lambda: not list(agents_running(box)), "the end of all our processes", 100)
        print(f"nothing of ours ran after {time.monotonic() - began:.0f} s")
        outage.began = time.time()
        time.sleep(5)
        outage.over = time.time()
        for client in outage.clients:
            client.send_signal(signal.SIGCONT)


def helpers_serving(box):
    pods = box.get("/api/v1/pods?labelSelector=app.kubernetes.io/name=ksniff")["items"]
    return [pod for pod in pods if pod["status"]["phase"] not in ("Succeeded", "Failed")]
