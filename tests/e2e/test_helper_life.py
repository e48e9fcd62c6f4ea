# SPDX-License-Identifier: Apache-2.0
"""Helpers among what real clusters do to pods: webhooks, full nodes, deadlines, servers that restart, other captures."""
import contextlib
import os

import pytest

from conftest import GUARD, agents_running, leftovers, tshark, wait_until
from test_ephemeral import ephemeral
from test_node import captures, payloads

NODE = "/api/v1/nodes/node1"
SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}


# ---- what others put into pods ----

def injector(command, **opt_out):
    return {"name": "mesh-init", "image": "registry.local/busybox:1", "command": ["sh", "-c", command], "opt_out": opt_out}


@pytest.mark.parametrize("part, key, value", [
    ("labels", "sidecar.istio.io/inject", "false"), ("annotations", "sidecar.istio.io/inject", "false"),
    ("annotations", "linkerd.io/inject", "disabled"), ("labels", "kuma.io/sidecar-injection", "disabled"),
    ("annotations", "consul.hashicorp.com/connect-inject", "false"), ("annotations", "dynatrace.com/inject", "false"),
    ("annotations", "oneagent.dynatrace.com/inject", "false"), ("labels", "admission.datadoghq.com/enabled", "false")])
def test_injectors_are_asked_to_leave_it_alone(sandbox, ksniff, tmp_path, part, key, value):
    """Each in its own words. Were it injected, it would never start."""
    with sandbox.faults(injector=injector("sleep 1000", **{part: {key: value}})):
        err = captures(sandbox, ksniff, tmp_path, "web", "-p")
    assert "mesh-init" not in err


def test_an_init_container_is_waited_for(sandbox, ksniff, tmp_path):
    """One that no opt-out keeps away; meanwhile nothing is taken for a pull."""
    with sandbox.faults(injector=injector("sleep 5"), always_pull=True):
        err = captures(sandbox, ksniff, tmp_path, "web", "-p")
    line = "the helper pod waits for its init container 'mesh-init', which something in the cluster has added"
    assert err.count(line) == 1 and "pulled" not in err


def test_an_init_container_that_does_not_end(sandbox, ksniff, tmp_path):
    with sandbox.faults(injector=injector("sleep 1000")):
        error = ksniff.fail("web", "-p", "--pod-creation-timeout", "4s", "-o", str(tmp_path / "x"))
    assert "the start of the helper pod took too long" in error
    assert 'it says: its init container "mesh-init": running' in error
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_an_init_container_that_fails(sandbox, ksniff, tmp_path):
    with sandbox.faults(injector=injector("exit 3")):
        error = ksniff.fail("web", "-p", "-o", str(tmp_path / "x"))
    assert 'was not started on node "node1": its init container "mesh-init": Error (' in error
    assert "--node-namespace" in error
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


# ---- full nodes ----

@contextlib.contextmanager
def allocatable(sandbox, **resources):
    before = sandbox.get(NODE)["status"]["allocatable"]
    sandbox.call("PATCH", NODE + "/status", {"status": {"allocatable": resources}})
    try:
        yield
    finally:
        sandbox.call("PATCH", NODE + "/status", {"status": {"allocatable": {key: before[key] for key in resources}}})


@pytest.mark.parametrize("resource, reason, remedy", [
    ("cpu", "OutOfcpu: Pod was rejected: Node didn't have enough resource: cpu, requested: 10, used: ",
     "with --requests cpu=0,memory=0)"),
    ("memory", "OutOfmemory: Pod was rejected: ", "with --requests cpu=0,memory=0)"),
    ("pods", "OutOfpods: Pod was rejected: ", "(the node has as many pods as it may have)")])
def test_a_full_node(sandbox, ksniff, tmp_path, resource, reason, remedy):
    """The reason stands in the message, and what is proposed helps."""
    with allocatable(sandbox, **{resource: "1" if resource == "pods" else "1m"}):
        error = ksniff.fail("web", "-p", "-o", str(tmp_path / "x"))
        assert f'was not started on node "node1": {reason}' in error and error.endswith(remedy), error
        if resource != "pods":
            captures(sandbox, ksniff, tmp_path, "web", "-p", "--requests", "cpu=0,memory=0")
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_a_full_node_and_another_method(sandbox, ksniff, tmp_path):
    with sandbox.running_pod("crowded", containers=[{"name": "app", "image": "registry.local/distroless-http:1"}]):
        with allocatable(sandbox, cpu="1m"):
            err = captures(sandbox, ksniff, tmp_path, "crowded")
        line, = [line for line in err.splitlines() if "using the ephemeral method (upload: " in line]
        assert "; node: the helper pod " in line and "OutOfcpu" in line


def test_a_node_that_pods_of_this_namespace_may_not_run_on(sandbox, ksniff, tmp_path):
    with sandbox.faults(node_selector={"disk": "ssd"}):
        error = ksniff.fail("web", "-p", "-o", str(tmp_path / "x"))
    assert "NodeAffinity: Pod was rejected: " in error and "--node-namespace" in error
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


# ---- privileges ----

def test_a_node_without_spc_t(sandbox, ksniff, tmp_path):
    """Bottlerocket: the second step cannot even start, so the third is taken."""
    with sandbox.faults(setns_denied="privileged", no_spc_t=True):
        err = captures(sandbox, ksniff, tmp_path, "distroless", "-p")
    assert err.count("trying again") == 2 and "attr/keycreate: invalid argument): trying again privileged" in err


# ---- its age ----

def until(process, words):
    """What the client says up to these words."""
    lines = b""
    while words not in lines:
        line = process.stderr.readline()
        assert line, lines.decode()
        lines += line
    return lines.decode()


def test_another_takes_its_place_before_its_deadline(sandbox, ksniff, tmp_path):
    """A deadline cannot be raised: before it, the agent ends in order, and a new helper goes on."""
    path = str(tmp_path / "x.pcapng")
    with sandbox.faults(deadline=8):
        with ksniff.capturing("web", "-p", "-f", "udp port 4310", "-o", path) as process:
            first, = sandbox.helpers()
            assert first["spec"]["activeDeadlineSeconds"] == 8
            sandbox.datagrams("web", 4310)
            said = until(process, b"capturing again")
            assert f"the helper pod \"{first['metadata']['name']}\" is as old as it may be" in said
            assert "taking it up again" in said
            second, = [pod for pod in sandbox.helpers() if "deletionTimestamp" not in pod["metadata"]]
            assert second["metadata"]["uid"] != first["metadata"]["uid"]
            sandbox.datagrams("web", 4310)
            ksniff.stop(process)
    assert payloads(path, 4310) == 2 * [b"number 0", b"number 1", b"number 2"]
    comments = [row[0] for row in tshark(path, "frame.comment", display="udp.dstport == 4310 and frame.comment")]
    assert len(comments) == 1 and "as old as it may be" in comments[0]
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_a_deadline_that_comes_unawares(sandbox, ksniff, tmp_path):
    """Somebody lowers it: the pod is gone, and the capture goes on with another."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-p", "-f", "udp port 4311", "-o", path) as process:
        first, = sandbox.helpers()
        code, answer = sandbox.call("PATCH", f"/api/v1/namespaces/default/pods/{first['metadata']['name']}",
                                    {"spec": {"activeDeadlineSeconds": 90000}})
        assert code == 422 and "must be less than or equal to previous value" in answer["message"]
        sandbox.call("PATCH", f"/api/v1/namespaces/default/pods/{first['metadata']['name']}",
                     {"spec": {"activeDeadlineSeconds": 1}})
        assert "taking it up again" in until(process, b"capturing again")
        sandbox.datagrams("web", 4311)
        ksniff.stop(process)
    assert payloads(path, 4311) == [b"number 0", b"number 1", b"number 2"]
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


# ---- a server that restarts ----

def test_a_server_that_restarts_meanwhile(sandbox, ksniff, tmp_path):
    """The helper is held back while the API server is away for a while: it says so, without -v, and goes on."""
    with sandbox.faults(hold_pods=True):
        process = ksniff.start("web", "-p", "-o", str(tmp_path / "x"))
        try:
            wait_until(lambda: sandbox.helpers(), "the helper")
            sandbox.call("POST", "/sandbox/restart", {"seconds": 7})
            said = until(process, b"waiting for the API server: ")
            sandbox.set_faults()
            said += until(process, b"capturing;")
            assert said.count("waiting for the API server: ") == 1 and said.count("the API server answers again") == 1
        finally:
            process.terminate()
            process.communicate(timeout=GUARD)
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


@pytest.mark.parametrize("method", ["node", "ephemeral"])
def test_a_server_that_does_not_know_the_rights_yet(sandbox, ksniff, tmp_path, method):
    """As one that has just started: a refusal behind a bad moment is not believed at once."""
    container = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
    with sandbox.running_pod("plain", containers=[container]):
        path = "/pods/(plain|ksniff-[0-9a-f]*)$"
        held = {"hold_pods": True, "images_hang": ["registry.local/absent:1"]}
        sandbox.set_faults(**held)
        process = ksniff.start("plain", "--method", method, "-vv", "-o", str(tmp_path / "x"), *(
            ["--image", "registry.local/absent:1", "--pod-creation-timeout", "30s"] if method == "ephemeral" else []))
        try:
            until(process, b"ephemeralcontainers: HTTP" if method == "ephemeral" else b"/pods: HTTP 201")
            sandbox.set_faults(**held, request_error={"path": path, "code": 503})
            until(process, b"HTTP 503")
            sandbox.set_faults(**held, request_error={"path": path, "code": 403, "reason": "Forbidden"})
            until(process, b"HTTP 403")
            until(process, b"HTTP 403")
            sandbox.set_faults()
            until(process, b"capturing;" if method == "node" else b"cannot be started from")
        finally:
            process.terminate()
            process.communicate(timeout=GUARD)
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_a_server_that_does_not_answer_meanwhile(sandbox, ksniff, tmp_path):
    """Not even with a refusal: the word comes all the same."""
    with sandbox.faults(hold_pods=True):
        process = ksniff.start("web", "-p", "-o", str(tmp_path / "x"))
        try:
            pod, = wait_until(lambda: sandbox.helpers(), "the helper")
            path = f"pods/{pod['metadata']['name']}"
            sandbox.set_faults(hold_pods=True, request_delay={"path": path, "seconds": 8, "methods": ["GET"]})
            until(process, b"waiting for the API server: it does not answer")
            sandbox.set_faults()
            until(process, b"capturing;")
        finally:
            process.terminate()
            process.communicate(timeout=GUARD)
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_a_server_that_is_busy(sandbox, ksniff, tmp_path):
    """It asks to come again later: so does the client, as kubectl does, and needs no other method for it."""
    busy = {"path": "/(configmaps|pods|selfsubjectaccessreviews)$", "code": 429, "reason": "TooManyRequests", "retry_after": "1",
            "message": "too many requests, please try again later"}
    with sandbox.faults(request_error=busy):
        process = ksniff.start("web", "-p", "-vv", "--duration", "300ms", "-o", str(tmp_path / "x"))
        until(process, b"HTTP 429")
        said = until(process, b"HTTP 429")
    err = said + process.communicate(timeout=GUARD)[1].decode()
    assert process.returncode == 0 and "again in 1 s" in err and "using the" not in err, err
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_a_server_that_stays_busy(sandbox, ksniff, tmp_path):
    """A word of how long is needed, and what it asks for must be bearable."""
    for more in ({}, {"retry_after": "3600"}, {"retry_after": "Sat, 28 Nov 2026 16:00:00 GMT"}):
        busy = {"path": "/pods/web$", "code": 429, "reason": "TooManyRequests", "message": "too many requests", **more}
        with sandbox.faults(request_error=busy):
            assert ksniff.fail("web", "-o", str(tmp_path / "x")) == "too many requests"


@pytest.mark.parametrize("method, trials", [("node", 0), ("ephemeral", 1)])
def test_an_exec_that_takes_its_time(sandbox, ksniff, tmp_path, method, trials):
    """The pod is not looked at any more while the agent is started in it, or it would be started twice."""
    container = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
    with sandbox.running_pod("plain", containers=[container]):
        before = len(sandbox.get("/sandbox/requests"))
        with sandbox.faults(exec_delay_ms=7000):
            with ksniff.capturing("plain", "--method", method, "-o", str(tmp_path / "x")) as process:
                ksniff.stop(process)
        assert sum("/exec?" in line for line in sandbox.get("/sandbox/requests")[before:]) == 1 + trials
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


# ---- captures that begin at the same time ----

def test_two_share_one_ephemeral_container(sandbox, ksniff, tmp_path):
    """Both find none, and add one: the second is refused, as the pod has changed, and uses the first's. They run the
    same file: "hold" sees that there are captures by the lock on it."""
    paths = [str(tmp_path / f"{number}.pcapng") for number in range(2)]
    with sandbox.running_pod("shared", containers=[SLEEP]):
        with sandbox.faults(request_delay={"path": "ephemeralcontainers", "seconds": 1.5}):
            processes = [ksniff.start("shared", "--method", "ephemeral", "-f", "udp port 4312", "-v", "-o", path)
                         for path in paths]
            said = [until(process, b"capturing;") for process in processes]
        assert len(ephemeral(sandbox, "shared")) == 1
        assert sum("the pod has changed meanwhile" in text for text in said) == 1
        sandbox.datagrams("shared", 4312)
        running = wait_until(lambda: [p for p in agents_running(sandbox) if len(list(agents_running(sandbox))) == 3],
                             "hold and two captures")
        assert len({os.stat(f"/proc/{pid}/exe").st_ino for pid, _ in running}) == 1
        for process in processes:
            process.terminate()
            process.communicate(timeout=GUARD)
        for path in paths:
            assert payloads(path, 4312) == [b"number 0", b"number 1", b"number 2"]


def test_one_that_still_starts_is_waited_for(sandbox, ksniff, tmp_path):
    """The second comes when the first's container is there, and does not run yet."""
    with sandbox.running_pod("slow", containers=[SLEEP]):
        with sandbox.faults(images_hang=["registry.local/busybox:1", "busybox"], always_pull=True):
            first = ksniff.start("slow", "--method", "ephemeral", "-v", "-o", str(tmp_path / "1"))
            wait_until(lambda: ephemeral(sandbox, "slow"), "the container")
            second = ksniff.start("slow", "--method", "ephemeral", "-v", "-o", str(tmp_path / "2"))
            assert "still starts: used again" in until(second, b"used again")
        for process in (first, second):
            until(process, b"capturing;")
        assert len(ephemeral(sandbox, "slow")) == 1
        for process in (first, second):
            process.terminate()
            process.communicate(timeout=GUARD)
