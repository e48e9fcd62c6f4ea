# SPDX-License-Identifier: Apache-2.0
"""Nothing left behind with many targets: ten on two nodes, of which one is cut, one is deleted, and one never starts."""
import collections
import contextlib
import os
import re
import signal
import time

import pytest

from conftest import GUARD, Ksniff, agents_running, leftovers, tshark, wait_until
from test_leftovers import STAGES

SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
NAMES = [f"many-{number}" for number in range(10)]
CUT, DELETED, NEVER = NAMES[3], NAMES[6], NAMES[9]
STARTED = [name for name in NAMES if name != NEVER]
OTHERS = [name for name in STARTED if name not in (CUT, DELETED)]
ABSENT = {"name": "absent", "configMap": {"name": "absent"}}


def node_of(name):
    return "node1" if int(name[-1]) % 2 else "node2"


def create(box, name, **more):
    box.create_pod(name, containers=[SLEEP], nodeName=node_of(name), **more)


@pytest.fixture(scope="module")
def many(two_nodes):
    """The ten. The one that never starts waits for a volume, without a network so far."""
    for name in NAMES:
        create(two_nodes, name, wait=False, **({"volumes": [ABSENT]} if name == NEVER else {}))
    wait_until(lambda: all(two_nodes.runs(name) for name in STARTED), "the pods")
    yield two_nodes
    for name in NAMES:
        two_nodes.call("DELETE", two_nodes.path("pods", name))


@pytest.fixture
def sniff(many):
    return Ksniff(many)


def captures(box, name):
    """The agents that capture a pod: their process ids."""
    uid, inside = box.pod_object(name)["metadata"]["uid"], set()
    for container in box.pod(name)["containers"].values():
        with contextlib.suppress(OSError):  # an ephemeral container that has ended stays in the list
            inside.add(os.readlink(f"/proc/{container['pid']}/ns/pid"))
    found = []
    for pid, words in agents_running(box):
        with contextlib.suppress(OSError):
            if "capture" in words and (uid in words or os.readlink(f"/proc/{pid}/ns/pid") in inside):
                found.append(pid)
    return found


def helpers(box):
    return box.get("/api/v1/pods?labelSelector=app.kubernetes.io/name=ksniff")["items"]


@pytest.mark.parametrize("method", ["upload", "node", "ephemeral"])
def test_one_is_cut_one_deleted_and_one_never_starts(many, sniff, tmp_path, method):
    path = str(tmp_path / "x.pcapng")
    with sniff.capturing(*NAMES, "--method", method, "-o", path) as process:
        wait_until(lambda: all(captures(many, name) for name in STARTED), "nine agents")
        if method == "node":  # one serves all targets of its node
            assert sorted(pod["spec"]["nodeName"] for pod in helpers(many)) == ["node1", "node2"]
        before, = captures(many, CUT)
        untouched = {name: captures(many, name) for name in OTHERS}
        os.kill(before, signal.SIGKILL)
        many.delete_pod(DELETED)
        wait_until(lambda: captures(many, CUT) not in ([], [before]), "another agent in the place of the one that was cut")
        assert {name: captures(many, name) for name in OTHERS} == untouched
        Ksniff.read_until(process, f'pod "{DELETED}": pod "{DELETED}" ')
        for name in (*OTHERS, CUT):
            many.datagrams(name, 4000 + int(name[-1]))
        err = Ksniff.stop(process)
    wait_until(lambda: not leftovers(many), "a clean cluster")
    create(many, DELETED)
    ports = {int(row[0]) for row in tshark(path, "udp.dstport", display="udp")}
    assert {4000 + int(name[-1]) for name in (*OTHERS, CUT)} <= ports, err
    if method == "upload":
        assert 'container "app" is not running' in err


# ---- helpers that several share ----

@contextlib.contextmanager
def sharing(sniff, tmp_path, *words):
    """A client of the nine by the node method; what it says is in process.head."""
    with sniff.capturing(*NAMES, "-p", "-o", str(tmp_path / "x.pcapng"), *words) as process:
        wait_until(lambda: all(captures(sniff.box, name) for name in STARTED), "nine agents")
        yield process
        process.head = Ksniff.stop(process)
    wait_until(lambda: not leftovers(sniff.box), "a clean cluster")


def test_more_privilege_is_found_once(many, sniff, tmp_path):
    """The first that may not get in has another helper made for all of its node."""
    before = len(many.get("/sandbox/requests"))
    with many.faults(setns_denied="selinux"):
        with sharing(sniff, tmp_path) as process:
            wait_until(lambda: len(helpers(many)) == 2, "the end of those that could not")
    made = [line for line in many.get("/sandbox/requests")[before:] if line.startswith("POST ") and line.endswith("/pods")]
    assert len(made) == 4 and process.head.count("trying again without AppArmor") == 2


def test_a_helper_that_is_gone_is_made_anew_by_one(many, sniff, tmp_path):
    with sharing(sniff, tmp_path) as process:
        gone, kept = sorted(helpers(many), key=lambda pod: pod["spec"]["nodeName"])
        untouched = {name: captures(many, name) for name in OTHERS if node_of(name) == "node2"}
        many.delete_pod(gone["metadata"]["name"])
        wait_until(lambda: all(captures(many, name) for name in STARTED), "nine agents again")
        names = {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in helpers(many)}
        assert len(helpers(many)) == 2 and names["node2"] == kept["metadata"]["name"]
        assert {name: captures(many, name) for name in untouched} == untouched
    assert process.head.count("capturing again") == sum(node_of(name) == "node1" for name in STARTED)


# ---- however it ends ----

@pytest.mark.parametrize("stage, number", zip(STAGES, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT]))
def test_stopped_while_they_start(many, sniff, tmp_path, stage, number):
    with many.faults(**STAGES[stage]):
        process = sniff.start(*NAMES, "-p", "-o", str(tmp_path / "x"))
        time.sleep(0.6)
        process.send_signal(number)
        err = process.communicate(timeout=GUARD)[1].decode()
    assert process.returncode in (130, -number), err
    assert "Sanitizer" not in err
    wait_until(lambda: not leftovers(many), "a clean cluster")


def test_killed(many, sniff, tmp_path):
    """No process of ours runs a minute later; the next client removes what Kubernetes keeps."""
    for method in ("upload", "node"):
        with sniff.capturing(*NAMES, "--method", method, "-o", str(tmp_path / "x")) as process:
            wait_until(lambda: all(captures(many, name) for name in STARTED), "nine agents")
            process.kill()
            process.wait()
    for stage in STAGES:
        with many.faults(**STAGES[stage]):
            process = sniff.start(*NAMES, "-p", "-o", str(tmp_path / "x"))
            time.sleep(0.6)
            process.kill()
            process.communicate()
    assert helpers(many)
    wait_until(lambda: not list(agents_running(many)), "the end of all agents and helpers", 100)
    result = sniff.run("--cleanup")
    assert result.code == 0 and "removed helper pod 'ksniff-" in result.err
    wait_until(lambda: sniff.run("--cleanup").code == 0 and not leftovers(many), "a clean cluster", 75)


# ---- what is swept by the next ----

def leave(box, namespace):
    """What two clients have left that were killed: one between the ConfigMap and its pod, one while it captured."""
    labels = {"app.kubernetes.io/name": "ksniff", "app.kubernetes.io/managed-by": "kubectl-sniff"}
    def put(resource, name, **obj):
        metadata = {"name": name, "labels": labels, "creationTimestamp": "2020-01-01T00:00:00Z", **obj.pop("metadata", {})}
        code, made = box.call("POST", "/sandbox/objects", {"resource": resource, "namespace": namespace, "object": {
            "metadata": metadata, **obj}})
        assert code in (200, 201), made
        return made["metadata"]["uid"]
    put("configmaps", "ksniff-lone")
    uid = put("pods", "ksniff-ended", spec={"containers": [{"name": "ksniff", "image": "busybox"}]}, status={"phase": "Succeeded"})
    put("configmaps", "ksniff-ended", metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "ksniff-ended", "uid": uid}]})


def left_over(box, namespace):
    return sorted(item["metadata"]["name"] for resource in ("pods", "configmaps") for item in box.get(box.path(resource, "", namespace))["items"]
                  if item["metadata"]["name"] in ("ksniff-lone", "ksniff-ended"))


def lists(box, before):
    """How often clients have looked for what others left: by namespace and resource."""
    found = [re.match(r"GET /api/v1/namespaces/(\w+)/(\w+)\?labelSelector=app.kubernetes.io%2Fname%3Dksniff", line)
             for line in box.get("/sandbox/requests")[before:]]
    return collections.Counter((match[1], match[2]) for match in found if match)


@pytest.mark.parametrize("method", ["upload", "node"])
def test_what_others_left_is_swept_where_the_targets_are(many, sniff, tmp_path, method):
    """Once in each of their namespaces, and nowhere else; when all are up, so that it holds nothing up. Where no ConfigMap
    is older than this capture no other list is asked for."""
    many.call("POST", "/api/v1/namespaces", {"metadata": {"name": "data"}})
    leave(many, "data")
    leave(many, "elsewhere")
    with many.running_pod("front", "data", containers=[SLEEP]), many.running_pod("back", "data", containers=[SLEEP]), \
            many.running_pod("late", "shop", containers=[SLEEP]):
        before = len(many.get("/sandbox/requests"))
        with many.faults(request_delay={"path": "/namespaces/shop/pods", "seconds": 1.5, "methods": ["GET", "POST"]}):
            with sniff.capturing("data/front", "data/back", "shop/late", NAMES[0], "--method", method, "-o", str(tmp_path / "x")) as process:
                time.sleep(0.5)
                assert not lists(many, before)
                Ksniff.read_until(process, "4 of 4 targets are being captured")
                wait_until(lambda: not left_over(many, "data"), "a clean namespace")
                wait_until(lambda: len(lists(many, before)) == 4, "the other namespaces")
                time.sleep(0.5)  # for what may be too many
                Ksniff.stop(process)
    assert lists(many, before) == {("data", "configmaps"): 1, ("data", "pods"): 1, ("shop", "configmaps"): 1, ("default", "configmaps"): 1}
    assert left_over(many, "elsewhere") == ["ksniff-ended", "ksniff-ended", "ksniff-lone"]
    assert sniff.run("--cleanup", "-A").code == 0
    wait_until(lambda: not leftovers(many), "a clean cluster")


def test_one_that_takes_for_ever_does_not_put_the_sweep_off(many, sniff, tmp_path):
    leave(many, "shop")
    with many.running_pod("late", "shop", containers=[SLEEP]):
        before = len(many.get("/sandbox/requests"))
        with many.faults(request_delay={"path": "/pods/late/exec", "seconds": 20, "methods": ["GET", "POST"]}):
            with sniff.capturing("shop/late", NAMES[0], "--method", "upload", "-o", str(tmp_path / "x")) as process:
                began = time.monotonic()
                wait_until(lambda: lists(many, before)["shop", "pods"], "the sweep")
                assert 8 < time.monotonic() - began < 18
                wait_until(lambda: not left_over(many, "shop"), "a clean namespace")
                Ksniff.stop(process)
    wait_until(lambda: not leftovers(many), "a clean cluster")
