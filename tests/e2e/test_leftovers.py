# SPDX-License-Identifier: Apache-2.0
"""Nothing of ours stays in the cluster, however and whenever a capture ends."""
import signal
import time

import pytest

from conftest import BOTH_TRANSPORTS, GUARD, Ksniff, agents_running, leftovers, tshark, wait_until

pytestmark = BOTH_TRANSPORTS
NODE = pytest.mark.needs("create configmaps")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# Where a client is when it is stopped, and what makes it stay there.
STAGES = {
    "before the helper exists": {"request_delay": {"path": "/configmaps", "seconds": 1}},
    "between ConfigMap and pod": {"request_delay": {"path": "/pods$", "seconds": 1}},
    "while it starts": {"hold_pods": True},
    "before the exec": {"exec_delay_ms": 1500},
}


def helpers(sandbox):
    return sandbox.get("/api/v1/pods?labelSelector=app.kubernetes.io/name=ksniff")["items"]


def stop_while_it_starts(sandbox, ksniff, tmp_path, stage, number):
    with sandbox.faults(**STAGES[stage]):
        process = ksniff.start("web", "-p", "-o", str(tmp_path / "x"))
        time.sleep(0.4)
        process.send_signal(number)
        err = process.communicate(timeout=GUARD)[1].decode()
    assert process.returncode in (130, -number), err
    assert "Sanitizer" not in err


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("stage", STAGES)
def test_stopped_while_it_starts(sandbox, ksniff, tmp_path, stage, number):
    stop_while_it_starts(sandbox, ksniff, tmp_path, stage, number)
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_stopped_while_the_answer_is_late(sandbox, ksniff, tmp_path):
    """What was asked for may be there also without an answer."""
    late = {"path": "/pods$", "seconds": 9, "methods": ["POST"], "after": True}
    with sandbox.faults(request_delay=late, hold_pods=True):
        process = ksniff.start("web", "-p", "-o", str(tmp_path / "x"))
        wait_until(lambda: helpers(sandbox), "the helper pod")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=GUARD) and process.returncode == 130
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def stop_while_capturing(ksniff, tmp_path, method, number):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "--method", method, "-o", path) as process:
        time.sleep(1.2)
        process.send_signal(number)
        process.stderr.read()
        assert process.wait(timeout=GUARD) in (0, -number)
    assert tshark(path, "frame.number")


@pytest.mark.parametrize("method", ["upload", pytest.param("node", marks=NODE)])
@pytest.mark.parametrize("number", SIGNALS)
def test_stopped_while_capturing(cluster, ksniff, tmp_path, method, number):
    stop_while_capturing(ksniff, tmp_path, method, number)
    wait_until(lambda: not leftovers(cluster), "a clean cluster")


def stop_while_stopping(sandbox, ksniff, tmp_path, method, number):
    """The second signal comes while the first is being obeyed."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "--method", method, "-o", path) as process:
        with sandbox.faults(request_delay={"path": "/pods/", "seconds": 0.5}):
            time.sleep(1.2)
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
            process.send_signal(number)
            err = process.stderr.read().decode()
            assert process.wait(timeout=GUARD) in (0, -number), err
    assert tshark(path, "frame.number")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("method", ["upload", "node"])
def test_interrupted_while_stopping(sandbox, ksniff, tmp_path, method, number):
    stop_while_stopping(sandbox, ksniff, tmp_path, method, number)
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_removed_in_a_bad_moment(sandbox, ksniff, tmp_path):
    """The server is away when the helper is to be removed: it is tried again."""
    path = str(tmp_path / "x.pcapng")
    fault = {"path": "/pods/ksniff-[0-9a-f]*$", "code": 503, "reason": "ServiceUnavailable", "message": "it is stopping"}
    with ksniff.capturing("web", "-p", "-vv", "-o", path) as process:
        with sandbox.faults(request_error=fault):
            process.send_signal(signal.SIGINT)
            while "HTTP 503" not in process.stderr.readline().decode():
                assert process.poll() is None
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0 and "could not be removed" not in err, err
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


@NODE
def test_the_reader_stays_open(cluster, ksniff, tmp_path):
    """Wireshark may be looked at for days: the helper is gone as soon as the capture has ended."""
    wireshark = tmp_path / "wireshark"
    wireshark.write_text('#!/bin/sh\nwhile [ "$1" != -i ]; do shift; done\ncat "$2" >/dev/null\nexec sleep 1000\n')
    wireshark.chmod(0o755)
    env = {"KSNIFF_WIRESHARK": str(wireshark), "DISPLAY": ":0"}
    with ksniff.capturing("web", "-p", "--duration", "1s", env=env) as process:
        wait_until(lambda: not leftovers(cluster), "a clean cluster")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(timeout=GUARD) == 0


def test_killed_at_every_stage(sandbox, ksniff, tmp_path):
    """No process of ours runs a minute later. What Kubernetes keeps of it is removed by the next client, where that
    one looks, and by --cleanup."""
    with ksniff.capturing("web", "-p", "--node-namespace", "kube-system", "-o", str(tmp_path / "x")) as process:
        process.kill()
        process.wait()
    for stage in STAGES:
        stop_while_it_starts(sandbox, ksniff, tmp_path, stage, signal.SIGKILL)
    for method in ("upload", "node"):
        stop_while_capturing(ksniff, tmp_path, method, signal.SIGKILL)
        stop_while_stopping(sandbox, ksniff, tmp_path, method, signal.SIGKILL)
    began = time.monotonic()
    assert helpers(sandbox)
    wait_until(lambda: not list(agents_running(sandbox)) and
               {pod["status"]["phase"] for pod in helpers(sandbox)} <= {"Succeeded"}, "the end of all helpers", 100)
    print(f"nothing of ours ran after {time.monotonic() - began:.0f} s")
    with ksniff.capturing("web", "-o", str(tmp_path / "y")) as process:
        wait_until(lambda: {pod["metadata"]["namespace"] for pod in helpers(sandbox)} == {"kube-system"},
                   "a clean namespace")
        ksniff.stop(process)
    result = ksniff.run("--cleanup", "-A")
    assert result.code == 0 and "removed helper pod 'ksniff-" in result.err and "in namespace 'kube-system'" in result.err
    wait_until(lambda: ksniff.run("--cleanup", "-A").code == 0 and not leftovers(sandbox), "a clean cluster", 75)


@NODE
def test_second_interrupt_with_a_stuck_reader(cluster, ksniff):
    """Nobody reads standard output any more, and does not close it: the second Ctrl-C ends it all the same."""
    with ksniff.capturing("web", "-p", "-o", "-", "--include-own-traffic") as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(timeout=GUARD) == 0
        process.stdout.close()
    wait_until(lambda: not leftovers(cluster), "a clean cluster")


def test_cleanup_spares_who_serves(sandbox, ksniff, tmp_path):
    with ksniff.capturing("web", "-p", "-o", str(tmp_path / "x")) as process:
        pod, = helpers(sandbox)
        result = ksniff.run("--cleanup", "-A")
        assert result.code == 0 and f"helper pod '{pod['metadata']['name']}' in namespace 'default' is left alone" in result.err
        assert helpers(sandbox)[0]["metadata"]["uid"] == pod["metadata"]["uid"]
        ksniff.stop(process)
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")
    result = ksniff.run("--cleanup")
    assert result.code == 0 and "there is nothing to remove in namespace 'default'" in result.err


def test_cleanup_of_a_lone_config_map(sandbox, ksniff):
    """A client died between the ConfigMap and the pod. One that is new may still get its pod."""
    labels = {"app.kubernetes.io/name": "ksniff", "app.kubernetes.io/managed-by": "kubectl-sniff"}
    for name, made in (("ksniff-old", "2020-01-01T00:00:00Z"), ("ksniff-new", None)):
        obj = {"metadata": {"name": name, "labels": labels, **({"creationTimestamp": made} if made else {})}}
        sandbox.call("POST", "/sandbox/objects", {"resource": "configmaps", "namespace": "default", "object": obj})
    result = ksniff.run("--cleanup")
    assert "removed ConfigMap 'ksniff-old'" in result.err and "ksniff-new" not in result.err
    assert [left[1] for left in leftovers(sandbox)] == ["ksniff-new"]
    sandbox.call("DELETE", "/api/v1/namespaces/default/configmaps/ksniff-new")


def test_cleanup_spares_what_a_new_helper_needs(sandbox, ksniff):
    """Its image is still being pulled, and the ConfigMap could not be given to it."""
    labels = {"app.kubernetes.io/name": "ksniff", "app.kubernetes.io/managed-by": "kubectl-sniff"}
    sandbox.call("POST", "/sandbox/objects", {"resource": "pods", "namespace": "shop", "object": {
        "metadata": {"name": "ksniff-new", "labels": labels}, "status": {"phase": "Pending"},
        "spec": {"containers": [{"name": "ksniff", "image": "busybox"}]}}})
    for name in ("ksniff-new", "ksniff-old"):
        sandbox.call("POST", "/sandbox/objects", {"resource": "configmaps", "namespace": "shop", "object": {
            "metadata": {"name": name, "labels": labels, "creationTimestamp": "2020-01-01T00:00:00Z"}}})
    result = ksniff.run("--cleanup", "-n", "shop")
    assert "removed ConfigMap 'ksniff-old'" in result.err and "ConfigMap 'ksniff-new'" not in result.err
    for resource in ("pods", "configmaps"):
        sandbox.call("DELETE", f"/api/v1/namespaces/shop/{resource}/ksniff-new")
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_cleanup_of_helpers_that_never_started_or_have_ended_inside(sandbox, ksniff):
    """Pending for longer than anybody waits; or kept running by a container that a webhook has added."""
    labels = {"app.kubernetes.io/name": "ksniff", "app.kubernetes.io/managed-by": "kubectl-sniff"}
    ended = {"phase": "Running", "containerStatuses": [{"name": "mesh", "state": {"running": {}}},
                                                       {"name": "ksniff", "state": {"terminated": {"exitCode": 0}}}]}
    for name, timeout, made, status in (("ksniff-a", "60", "2020-01-01T00:00:00Z", {"phase": "Pending"}),
                                        ("ksniff-b", "0", "2020-01-01T00:00:00Z", {"phase": "Pending"}),
                                        ("ksniff-c", "60", None, {"phase": "Pending"}),
                                        ("ksniff-d", "60", None, ended)):
        metadata = {"name": name, "labels": labels, "annotations": {"kubectl-sniff/creation-timeout": timeout},
                    **({"creationTimestamp": made} if made else {})}
        sandbox.call("POST", "/sandbox/objects", {"resource": "pods", "namespace": "shop", "object": {
            "metadata": metadata, "spec": {"containers": [{"name": "ksniff", "image": "busybox"}]}, "status": status}})
    result = ksniff.run("--cleanup", "-n", "shop")
    for name in ("ksniff-a", "ksniff-b", "ksniff-d"):
        assert f"removed helper pod '{name}' in namespace 'shop'" in result.err, result.err
    assert "helper pod 'ksniff-c' in namespace 'shop' is left alone: it is still being started" in result.err
    sandbox.call("DELETE", "/api/v1/namespaces/shop/pods/ksniff-c")
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_cleanup_that_is_forbidden(sandbox, ksniff):
    config = sandbox.kubeconfig_for("tidy-not", [{"verbs": ["get"], "resources": ["pods"]}])
    error = ksniff.fail("--cleanup", "--kubeconfig", config)
    assert error.startswith("forbidden: ") and "needs: list configmaps" in error


def test_removal_that_is_forbidden(sandbox, ksniff, tmp_path):
    """Rights that go while it captures: the helper's name is told, and it ends by itself."""
    rules = [{"verbs": ["*"], "resources": ["*"]}]
    config = sandbox.kubeconfig_for("loser", rules)
    with ksniff.capturing("web", "-p", "-o", str(tmp_path / "x"), "--kubeconfig", config) as process:
        pod, = helpers(sandbox)
        sandbox.kubeconfig_for("loser", [{"verbs": ["get"], "resources": ["*"]}])
        err = Ksniff.stop(process)
    assert f"helper pod '{pod['metadata']['name']}' in namespace 'default' could not be removed" in err
    assert "it ends by itself within 60 s" in err
    sandbox.call("DELETE", "/api/v1/namespaces/default/pods/" + pod["metadata"]["name"])
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")
