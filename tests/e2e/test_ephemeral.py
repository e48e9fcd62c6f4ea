# SPDX-License-Identifier: Apache-2.0
"""The ephemeral method: a container that is added to the pod, and whose process ends by itself."""
import os
import signal

import pytest

from conftest import GUARD, agents_running, leftovers, processes_of, tshark, wait_until

pytestmark = pytest.mark.needs("patch pods/ephemeralcontainers")
SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}


def ephemeral(cluster, name, namespace=None):
    """The ephemeral containers of a pod: name to its spec and state."""
    pod = cluster.pod_object(name, namespace)
    states = {s["name"]: s["state"] for s in pod["status"].get("ephemeralContainerStatuses", [])}
    return {c["name"]: (c, states.get(c["name"], {})) for c in pod["spec"].get("ephemeralContainers", [])}


def captures(cluster, ksniff, tmp_path, name, *flags, namespace=None):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing(name, "-n", namespace or cluster.namespace, "-f", "udp port 4200", "-o", path, *flags) as process:
        cluster.datagrams(name, 4200, namespace=namespace)
        err = ksniff.stop(process)
    assert len(tshark(path, "frame.number", display="udp.dstport == 4200 and not icmp")) == 3
    return err


def test_is_used_again(cluster, ksniff, tmp_path):
    """A second capture takes the container that is there, and brings no second agent."""
    with cluster.running_pod("plain", containers=[{**SLEEP, "image": cluster.image}]):
        captures(cluster, ksniff, tmp_path, "plain", "--method", "ephemeral", "--image", cluster.image)
        (name, (spec, state)), = ephemeral(cluster, "plain").items()
        assert name.startswith("ksniff-") and "running" in state and spec["image"] == cluster.image
        err = captures(cluster, ksniff, tmp_path, "plain", "--method", "ephemeral", "--image", cluster.image, "-v")
        assert list(ephemeral(cluster, "plain")) == [name] and "still runs: used again" in err and "sent " not in err
        wait_until(lambda: "terminated" in ephemeral(cluster, "plain")[name][1], "its own end", 75)
        assert ephemeral(cluster, "plain")[name][1]["terminated"]["exitCode"] == 0


def test_captures_and_ends_by_itself(sandbox, ksniff, tmp_path):
    """After a capture, after a client that was killed, and where the agent never came."""
    distroless = {"name": "app", "image": "registry.local/distroless-http:1"}
    with sandbox.running_pod("plain", containers=[distroless]), sandbox.running_pod("orphan", containers=[SLEEP]), \
            sandbox.running_pod("early", containers=[SLEEP]):
        with sandbox.faults(exec_delay_ms=3000):
            process = ksniff.start("early", "--method", "ephemeral", "-o", str(tmp_path / "x"))
            wait_until(lambda: any("running" in state for _, state in ephemeral(sandbox, "early").values()), "its start")
            process.kill()
            process.communicate()
        with ksniff.capturing("orphan", "--method", "ephemeral", "-o", str(tmp_path / "x")) as process:
            process.kill()
            process.wait()
        captures(sandbox, ksniff, tmp_path, "plain", "--method", "ephemeral")
        (name, (spec, state)), = ephemeral(sandbox, "plain").items()
        assert name.startswith("ksniff-") and "running" in state
        assert spec["securityContext"]["capabilities"] == {"add": ["NET_RAW"]}
        assert "targetContainerName" not in spec
        assert "busybox" in spec["image"]
        # A second capture uses it again, and brings no second agent.
        err = captures(sandbox, ksniff, tmp_path, "plain", "--method", "ephemeral", "-v")
        assert list(ephemeral(sandbox, "plain")) == [name] and "still runs: used again" in err and "sent " not in err
        for pod in ("plain", "orphan", "early"):
            (one, _), = ephemeral(sandbox, pod).items()
            wait_until(lambda: "terminated" in ephemeral(sandbox, pod)[one][1], "its own end", 75)
            assert ephemeral(sandbox, pod)[one][1]["terminated"]["exitCode"] == 0
        assert not leftovers(sandbox)
        # It has ended: the next capture needs another, with another name.
        captures(sandbox, ksniff, tmp_path, "plain", "--method", "ephemeral")
        assert len(ephemeral(sandbox, "plain")) == 2


def test_never_signals_another_process(sandbox, ksniff, tmp_path):
    """In a shared process namespace it sees everything, and leaves it alone."""
    with sandbox.running_pod("shared", shareProcessNamespace=True, containers=[SLEEP, {**SLEEP, "name": "other"}]):
        pids = {c["pid"] for c in sandbox.pod("shared")["containers"].values()}
        captures(sandbox, ksniff, tmp_path, "shared", "--method", "ephemeral")
        (name, _), = ephemeral(sandbox, "shared").items()
        wait_until(lambda: list(agents_running(sandbox)), "the shell's turning into the agent")
        for pid in [pid for pid, _ in agents_running(sandbox)]:  # also when it is ended from outside
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: "terminated" in ephemeral(sandbox, "shared")[name][1], "its end")
        assert pids == {c["pid"] for n, c in sandbox.pod("shared")["containers"].items() if not n.startswith("ksniff")}
        assert pids <= set(processes_of(next(iter(pids))))


def test_baseline_leaves_capabilities_unset(sandbox, ksniff, tmp_path):
    with sandbox.running_pod("guarded", "baseline", containers=[{**SLEEP, "securityContext": {"runAsUser": 1000}}]):
        err = captures(sandbox, ksniff, tmp_path, "guarded", namespace="baseline")
        assert "using the ephemeral method (upload: " in err and "; node: " in err
        (_, (spec, _)), = ephemeral(sandbox, "guarded", "baseline").items()
        assert "capabilities" not in spec["securityContext"]


def test_baseline_that_cannot_be_looked_up(sandbox, ksniff, tmp_path):
    """The namespace may not be read: NET_RAW is asked for, refused, and left out."""
    config = sandbox.kubeconfig_for("no-namespaces", [
        {"verbs": ["*"], "resources": ["pods", "pods/exec", "pods/ephemeralcontainers"]}])
    with sandbox.running_pod("guarded", "baseline", containers=[SLEEP]):
        captures(sandbox, ksniff, tmp_path, "guarded", "--method", "ephemeral", "--kubeconfig", config,
                 namespace="baseline")
        (_, (spec, _)), = ephemeral(sandbox, "guarded", "baseline").items()
        assert "capabilities" not in spec["securityContext"]


def test_restricted_is_refused(sandbox, ksniff, tmp_path):
    context = {"runAsNonRoot": True, "runAsUser": 1000, "allowPrivilegeEscalation": False,
               "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
    with sandbox.running_pod("strict", "restricted", containers=[{**SLEEP, "securityContext": context}]):
        error = ksniff.fail("strict", "-n", "restricted", "--method", "ephemeral", "-o", str(tmp_path / "x"))
        assert 'namespace "restricted" enforces Pod Security "restricted"' in error
        assert ephemeral(sandbox, "strict", "restricted") == {}


def test_the_targets_own_image(sandbox, ksniff, tmp_path):
    """busybox is not to be had; the target's own image, which is there, has a shell."""
    missing = ["busybox", "registry.local/busybox:1"]
    container = {"name": "app", "image": "registry.local/dash:1", "command": ["sleep", "1000"]}
    with sandbox.running_pod("own", containers=[container]):
        with sandbox.faults(images_missing=missing):
            err = captures(sandbox, ksniff, tmp_path, "own", "--method", "ephemeral")
        assert "cannot be started (" in err and "trying 'registry.local/dash:1'" in err


def test_image_without_a_shell(sandbox, ksniff, tmp_path):
    with sandbox.running_pod("shellless", containers=[SLEEP]):
        error = ksniff.fail("shellless", "--method", "ephemeral", "--image", "registry.local/distroless-http:1",
                            "-o", str(tmp_path / "x"))
        assert "cannot be started from \"registry.local/distroless-http:1\"" in error
        assert len(ephemeral(sandbox, "shellless")) == 1


def test_pod_deleted_while_it_waits(sandbox, ksniff, tmp_path):
    """The added container does not hold the pod's end up: it heeds SIGTERM, as a shell and as the agent."""
    sandbox.create_pod("leaving", containers=[SLEEP], terminationGracePeriodSeconds=30)
    captures(sandbox, ksniff, tmp_path, "leaving", "--method", "ephemeral")
    wait_until(lambda: list(agents_running(sandbox)), "the shell's turning into the agent")
    pid, = [pid for pid, _ in agents_running(sandbox)]
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not list(agents_running(sandbox)), "its end at SIGTERM", 20)
    sandbox.call("DELETE", "/api/v1/namespaces/default/pods/leaving?gracePeriodSeconds=0")
    wait_until(lambda: ("default", "leaving") not in sandbox.pods(), "the pod's end", GUARD)
