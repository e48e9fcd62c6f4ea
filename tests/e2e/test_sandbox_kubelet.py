# SPDX-License-Identifier: Apache-2.0
"""The sandbox's nodes: scheduling, quotas, images, and what a container is allowed."""
import contextlib
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from conftest import in_netns, wait_until
from test_sandbox import kubectl
from test_sandbox_objects import PODS, gone, sleeper, wait_gone
from test_sandbox_pods import container, pod_until, state_of, waits_with
from test_sandbox_rbac import objects

NODE = "/api/v1/nodes/node1"
SPACE = "/api/v1/namespaces/default"


def condition(status, kind):
    return next((c for c in status.get("conditions") or [] if c["type"] == kind), {})


def unscheduled(status):
    return condition(status, "PodScheduled").get("status") == "False"


def say(sandbox, *words, pod="subject"):
    return kubectl(sandbox, "exec", pod, "--", *words, check=False).stdout.decode().strip()


# ---- scheduling ----

def test_a_pod_that_fits_nowhere_and_then_does(sandbox):
    with pod_until(sandbox, unscheduled, nodeSelector={"disk": "ssd"}, **sleeper()) as status:
        found = condition(status, "PodScheduled")
        assert (status["phase"], found["reason"]) == ("Pending", "Unschedulable") and found["message"] == (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are "
            "available: 1 Preemption is not helpful for scheduling.")
        assert "nodeName" not in sandbox.get(PODS + "/subject")["spec"] and "containerStatuses" not in status
        code, status = sandbox.call("GET", PODS + "/subject/exec?command=true&stdout=true")
        assert (code, status["message"]) == (400, "pod subject does not have a host assigned")
        sandbox.call("PATCH", NODE, {"metadata": {"labels": {"disk": "ssd"}}})
        try:
            wait_until(lambda: sandbox.get(PODS + "/subject")["status"]["phase"] == "Running", "the pod", 10)
        finally:
            sandbox.call("PATCH", NODE, {"metadata": {"labels": {"disk": None}}})


def test_held_scheduling(sandbox):
    with sandbox.faults(hold_scheduling=True):
        sandbox.create_pod("subject", wait=False, **sleeper())
        time.sleep(0.5)
        assert sandbox.get(PODS + "/subject")["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        with sandbox.running_pod("placed", nodeName="node1", **sleeper()):
            pass
    wait_until(lambda: sandbox.get(PODS + "/subject")["status"]["phase"] == "Running", "the pod", 10)
    sandbox.delete_pod("subject")


def test_held_pods(sandbox):
    """As on a node whose network is broken; a held pod can be deleted."""
    with sandbox.faults(hold_pods=True):
        with pod_until(sandbox, waits_with("ContainerCreating"), **sleeper()) as status:
            assert status["phase"] == "Pending"
        with pod_until(sandbox, waits_with("ContainerCreating"), **sleeper()):
            sandbox.call("PUT", "/sandbox/faults", {})
            wait_until(lambda: sandbox.get(PODS + "/subject")["status"]["phase"] == "Running", "the pod", 10)


def test_an_unknown_node(sandbox):
    sandbox.create_pod("subject", wait=False, nodeName="nowhere", **sleeper())
    time.sleep(0.5)
    assert sandbox.get(PODS + "/subject")["status"]["phase"] == "Pending"
    sandbox.call("DELETE", PODS + "/subject")
    wait_gone(sandbox, PODS + "/subject")


@contextlib.contextmanager
def tainted(sandbox, effect):
    assert sandbox.call("PATCH", NODE, {"spec": {"taints": [{"key": "lab", "value": "x", "effect": effect}]}})[0] == 200
    try:
        yield
    finally:
        assert sandbox.call("PATCH", NODE, {"spec": {"taints": None}}, kind="application/merge-patch+json")[0] == 200


EVERYTHING = [{"operator": "Exists"}]


def test_a_taint_for_the_scheduler(sandbox):
    with tainted(sandbox, "NoSchedule"):
        with pod_until(sandbox, unscheduled, **sleeper()) as status:
            assert "1 node(s) had untolerated taint(s)" in condition(status, "PodScheduled")["message"]
        with sandbox.running_pod("subject", tolerations=EVERYTHING, **sleeper()):
            assert sandbox.get(PODS + "/subject")["spec"]["tolerations"] == EVERYTHING
        with sandbox.running_pod("subject", nodeName="node1", **sleeper()):
            pass  # it passes by the scheduler


def test_a_taint_that_evicts(sandbox):
    with sandbox.running_pod("stays", tolerations=EVERYTHING, **sleeper()):
        # Only what tolerates it may be here when the taint comes.
        everyone = [pod["metadata"]["name"] for pod in sandbox.get(PODS)["items"]]
        assert "web" in everyone
        for name in everyone:
            sandbox.call("PATCH", f"{PODS}/{name}", [{"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}}],
                         kind="application/json-patch+json")
        sandbox.create_pod("goes", **sleeper())
        with tainted(sandbox, "NoExecute"):
            wait_gone(sandbox, PODS + "/goes", 3)
            sandbox.create_pod("placed", wait=False, nodeName="node1", **sleeper())
            wait_gone(sandbox, PODS + "/placed", 3)
            assert not gone(sandbox, PODS + "/stays") and not gone(sandbox, PODS + "/web")


def test_a_kubelet_refuses_what_does_not_belong_to_it(sandbox):
    with pod_until(sandbox, lambda s: s["phase"] == "Failed", nodeName="node1", nodeSelector={"disk": "ssd"}, **sleeper()) as status:
        assert status["reason"] == "NodeAffinity" and status["message"].startswith("Pod was rejected: ")


# ---- quotas and limits ----

def quota(**hard):
    return (SPACE + "/resourcequotas", "q", {"spec": {"hard": {key.replace("_", "."): value for key, value in hard.items()}}})


def limited(**limits):
    return {"containers": [{"name": "app", "image": "busybox", "command": ["sleep", "1000"], "resources": {"limits": limits}}]}


def post(sandbox, **spec):
    code, status = sandbox.call("POST", PODS + "?dryRun=All", {"metadata": {"name": "x"}, "spec": spec})
    return code, status.get("message")


def test_a_quota(sandbox):
    with objects(sandbox, quota(limits_cpu="1", limits_memory="64Mi")):
        assert post(sandbox, **sleeper()) == (403, 'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: app; '
                                                   "limits.memory for: app")
        assert post(sandbox, **limited(cpu="2", memory="64Mi")) == (
            403, 'pods "x" is forbidden: exceeded quota: q, requested: limits.cpu=2, used: limits.cpu=0, limited: limits.cpu=1')
        assert post(sandbox, **limited(cpu="100m", memory="64Mi"))[0] == 201
        with sandbox.running_pod("subject", **limited(cpu="100m", memory="32Mi")):
            assert post(sandbox, **limited(cpu="1", memory="48Mi")) == (
                403, 'pods "x" is forbidden: exceeded quota: q, requested: limits.cpu=1,limits.memory=48Mi, used: '
                     "limits.cpu=100m,limits.memory=32Mi, limited: limits.cpu=1,limits.memory=64Mi")
            wait_until(lambda: sandbox.get(SPACE + "/resourcequotas/q")["status"].get("used") ==
                       {"limits.cpu": "100m", "limits.memory": "32Mi"}, "the quota's status")
    running = len(sandbox.get(PODS)["items"])
    with objects(sandbox, quota(pods=str(running))):
        assert post(sandbox, **sleeper()) == (403, f'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: '
                                                   f"pods={running}, limited: pods={running}")


def test_a_quota_of_the_disk(sandbox):
    """No container must name that."""
    with objects(sandbox, (SPACE + "/resourcequotas", "q", {"spec": {"hard": {"requests.ephemeral-storage": "64Mi",
                                                                              "limits.ephemeral-storage": "1Gi"}}})):
        assert post(sandbox, **sleeper())[0] == 201
        assert post(sandbox, **limited(**{"ephemeral-storage": "65Mi"})) == (
            403, 'pods "x" is forbidden: exceeded quota: q, requested: requests.ephemeral-storage=65Mi, used: '
                 "requests.ephemeral-storage=0, limited: requests.ephemeral-storage=64Mi")


def limit_range(kind="Container", **item):
    return (SPACE + "/limitranges", "l", {"spec": {"limits": [{"type": kind, **item}]}})


def test_a_limit_range_refuses(sandbox):
    """In the words of the plugin LimitRanger: one, or several in brackets."""
    with objects(sandbox, limit_range(min={"memory": "8Mi"}, max={"ephemeral-storage": "1Gi", "memory": "64Mi"})):
        assert post(sandbox, **limited(memory="32Mi", **{"ephemeral-storage": "2Gi"})) == (
            403, 'pods "x" is forbidden: maximum ephemeral-storage usage per Container is 1Gi, but limit is 2Gi')
        assert post(sandbox, **limited(memory="4Mi", **{"ephemeral-storage": "2Gi"})) == (
            403, 'pods "x" is forbidden: [minimum memory usage per Container is 8Mi, but request is 4Mi, '
                 "maximum ephemeral-storage usage per Container is 1Gi, but limit is 2Gi]")
    with objects(sandbox, limit_range("Pod", max={"memory": "64Mi"}, maxLimitRequestRatio={"cpu": "4"})):
        assert post(sandbox, **limited(cpu="1")) == (
            403, 'pods "x" is forbidden: maximum memory usage per Pod is 64Mi.  No limit is specified')
        spec = limited(memory="32Mi", cpu="500m")
        spec["containers"][0]["resources"]["requests"] = {"cpu": "100m"}
        assert post(sandbox, **spec) == (
            403, 'pods "x" is forbidden: cpu max limit to request ratio per Pod is 4, but provided ratio is 5.000000')


def test_a_limit_range_fills_in(sandbox):
    with objects(sandbox, limit_range(max={"memory": "64Mi"}, default={"cpu": "500m"}, defaultRequest={"cpu": "100m"})):
        code, pod = sandbox.call("POST", PODS + "?dryRun=All", {"metadata": {"name": "x"}, "spec": sleeper()})
        assert code == 201 and pod["spec"]["containers"][0]["resources"] == {
            "limits": {"memory": "64Mi", "cpu": "500m"}, "requests": {"memory": "64Mi", "cpu": "100m"}}


def test_a_kubelet_refuses_who_wants_more_of_the_disk(sandbox):
    """As kubernetes/kubernetes issue 70618 has it; also where the node does not say how much there is."""
    large = {"containers": [container("sleep", "1000", resources={"requests": {"ephemeral-storage": "10Mi"}})]}
    before = sandbox.get(NODE)["status"]["allocatable"]["ephemeral-storage"]
    path = "/status/allocatable/ephemeral-storage"
    for patch, capacity in (({"op": "replace", "path": path, "value": "5Mi"}, 5 << 20), ({"op": "remove", "path": path}, 0)):
        assert sandbox.call("PATCH", NODE + "/status", [patch], kind="application/json-patch+json")[0] == 200
        try:
            with pod_until(sandbox, lambda s: s["phase"] == "Failed", nodeName="node1", **large) as status:
                assert (status["reason"], status["message"]) == (
                    "OutOfephemeral-storage", "Pod was rejected: Node didn't have enough resource: ephemeral-storage, requested: 10485760, "
                                              f"used: 0, capacity: {capacity}")
        finally:
            sandbox.call("PATCH", NODE + "/status", [{"op": "add", "path": path, "value": before}], kind="application/json-patch+json")


@pytest.mark.parametrize("memory, size", [("64Mi", 64 << 20), ("1Gi", 1 << 30), ("65536Ki", 64 << 20), ("67108864", 64 << 20),
                                          ("64M", 64000000)])
def test_limits(sandbox, memory, size):
    with sandbox.running_pod("subject", **limited(memory=memory, cpu="500m")):
        pid = sandbox.pod("subject")["containers"]["app"]["pid"]
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            groups = file.read()
        path = re.search(r"^\d+:(memory)?:(/\S+/kubepods/pod.*)$", groups, re.M)[2]  # limits alone: it is Guaranteed
        for name in ("memory/{}/memory.limit_in_bytes", "{}/memory.max", "unified/{}/memory.max"):
            with contextlib.suppress(OSError), open("/sys/fs/cgroup/" + name.format(path), encoding="ascii") as file:
                assert int(file.read()) in (size, size // 4096 * 4096)
                break
        else:
            pytest.fail("no limit")
    assert sandbox.call("POST", PODS, {"metadata": {"name": "x"}, "spec": limited(memory="lots")})[0] == 400


# ---- images ----

def test_the_images_of_a_node(sandbox):
    images = sandbox.get(NODE)["status"]["images"]
    sizes = [image["sizeBytes"] for image in images]
    assert sizes == sorted(sizes, reverse=True) and images[-1]["names"][1] == "registry.local/pause:3.10"
    assert all(re.fullmatch(r"(\S+)@sha256:[0-9a-f]{64}", image["names"][0]) for image in images)
    with sandbox.running_pod("subject", containers=[container("sleep", "1000", image=images[0]["names"][0])]):
        pass


def test_an_image_that_is_listed_and_gone(sandbox):
    for policy, reasons in (("IfNotPresent", ("ErrImagePull", "ImagePullBackOff")), ("Never", ("ErrImageNeverPull",) * 2)):
        with sandbox.faults(images_missing=["registry.local/pause:3.10"]):
            app = {"name": "app", "image": "registry.local/pause:3.10", "imagePullPolicy": policy}
            with pod_until(sandbox, waits_with(reasons[0]), containers=[app]):
                wait_until(lambda: waits_with(reasons[1])(sandbox.get(PODS + "/subject")["status"]), reasons[1])
                sandbox.call("PUT", "/sandbox/faults", {})
                wait_until(lambda: sandbox.get(PODS + "/subject")["status"]["phase"] == "Running", "another try", 10)


def test_an_image_that_cannot_be_started(sandbox):
    with sandbox.faults(image_start_error=["registry.local/busybox:1"]):
        with pod_until(sandbox, waits_with("CreateContainerError"), **sleeper()) as status:
            assert status["phase"] == "Pending" and status["containerStatuses"][0]["restartCount"] == 0


@pytest.mark.parametrize("policy", ["Never", "Always"])
def test_a_path_that_is_not_there(sandbox, policy):
    def failed(status):
        return "StartError" in str(state_of(status)) or waits_with("RunContainerError")(status)
    with pod_until(sandbox, failed, restartPolicy=policy, containers=[container("/x/agent")]) as status:
        state = state_of(status)
        message = (state.get("terminated") or state.get("waiting"))["message"]
        assert message.startswith("failed to create containerd task: failed to create shim task: OCI runtime create failed: "
                                  "runc create failed: ")
        assert 'exec: "/x/agent": stat /x/agent: no such file or directory' in message
        if policy == "Always":
            wait_until(lambda: waits_with("CrashLoopBackOff")(sandbox.get(PODS + "/subject")["status"]), "the back-off", 20)


def test_a_private_image(sandbox):
    spec = {"containers": [container("sleep", "1000", image="registry.local/private:1")], "imagePullSecrets": [{"name": "pull"}]}
    with pod_until(sandbox, waits_with("ErrImagePull"), **spec) as status:
        assert "401 Unauthorized" in state_of(status)["waiting"]["message"]
        with objects(sandbox, (SPACE + "/secrets", "pull", {"type": "kubernetes.io/dockerconfigjson", "data": {}})):
            wait_until(lambda: sandbox.get(PODS + "/subject")["status"]["phase"] == "Running", "the pull", 10)
    assert any("registry.local/private:1" in image["names"] for image in sandbox.get(NODE)["status"]["images"])


def test_a_volume_whose_config_map_comes_late(sandbox):
    spec = {"volumes": [{"name": "v", "configMap": {"name": "late", "defaultMode": 0o555}}],
            "containers": [container("sh", "-c", "/v/run; sleep 1000", volumeMounts=[{"name": "v", "mountPath": "/v"}])]}
    with pod_until(sandbox, waits_with("ContainerCreating"), **spec):
        with objects(sandbox, (SPACE + "/configmaps", "late", {"data": {"run": "#!/bin/sh\necho ran\n"}})):
            wait_until(lambda: kubectl(sandbox, "logs", "subject", check=False).stdout == b"ran\n", "the volume", 10)


# ---- rights of a container ----

DEFAULT = 0x00000000a80425fb  # containerd's fourteen


def capabilities_of(sandbox, which="CapEff"):
    return int(re.search(which + r":\s+(\w+)", say(sandbox, "cat", "/proc/self/status"))[1], 16)


def of(**context):
    return {"containers": [container("sleep", "1000", securityContext=context)]}


def test_capabilities(sandbox):
    with open("/proc/self/status", encoding="ascii") as file:  # nobody gives what he has not
        everything = int(re.search(r"CapEff:\s+(\w+)", file.read())[1], 16)
    with sandbox.running_pod("subject", **of()):
        assert capabilities_of(sandbox) == DEFAULT and DEFAULT >> 13 & 1
        assert say(sandbox, "cat", "/proc/keys") == ""  # masked
        assert "Read-only" in kubectl(sandbox, "exec", "subject", "--", "sh", "-c", "echo 1 >/proc/sys/vm/drop_caches",
                                      check=False).stderr.decode()
    with sandbox.running_pod("subject", **of(privileged=True)):
        assert capabilities_of(sandbox) == everything
        assert say(sandbox, "sh", "-c", "test -w /sys && wc -c </proc/keys") != "0"
    with sandbox.running_pod("subject", **of(capabilities={"drop": ["ALL"], "add": ["NET_RAW", "SYS_PTRACE"]})):
        assert capabilities_of(sandbox) == 1 << 13 | 1 << 19
    with sandbox.running_pod("subject", **of(runAsUser=1000)):
        assert capabilities_of(sandbox) == 0 and capabilities_of(sandbox, "CapBnd") == DEFAULT


HELPER = {"drop": ["ALL"], "add": ["SYS_ADMIN", "SYS_PTRACE", "NET_RAW"]}


def test_the_hosts_processes(sandbox):
    """Their namespaces are for SYS_PTRACE alone."""
    web = sandbox.pod("web")["containers"]["httpd"]
    outside, pid = (str(web[key]) for key in ("pid", "node_pid"))
    for added, may in ((["SYS_PTRACE"], True), ([], False)):
        with sandbox.running_pod("subject", hostPID=True, **of(capabilities={"drop": ["ALL"], "add": added})):
            assert say(sandbox, "cat", f"/proc/{pid}/comm") == "httpd"
            assert say(sandbox, "readlink", f"/proc/{pid}/ns/net") == (os.readlink(f"/proc/{outside}/ns/net") if may else "")


@pytest.mark.parametrize("fault, freed", [("apparmor", {"appArmorProfile": {"type": "Unconfined"}}),
                                          ("selinux", {"seLinuxOptions": {"type": "spc_t"}}), ("privileged", None)])
def test_setns_denied(sandbox, fault, freed):
    pid = str(sandbox.pod("web")["containers"]["httpd"]["node_pid"])
    enter = ["nsenter", "-t", pid, "-n", "true"]

    def may(**context):
        with sandbox.running_pod("subject", hostPID=True, **of(**context)):
            done = kubectl(sandbox, "exec", "subject", "--", *enter, check=False)
            assert not done.returncode or b"Permission denied" in done.stderr, done.stderr
            return not done.returncode
    assert may(capabilities=HELPER)
    with sandbox.faults(setns_denied=fault):
        assert not may(capabilities=HELPER)
        assert may(privileged=True)
        if freed:
            assert may(capabilities=HELPER, **freed)


def test_the_nodes_network(sandbox):
    with sandbox.running_pod("subject", hostNetwork=True, **sleeper()):
        pod = sandbox.pod("subject")
        assert pod["netns"].endswith("-node") and sandbox.get(PODS + "/subject")["status"]["podIP"] == "10.244.0.1"
        assert "cni0" in say(sandbox, "ls", "/sys/class/net") or "cni0" in say(sandbox, "ip", "link")


def test_what_an_ended_pod_leaves(sandbox):
    """Nothing that runs: not what was run in it, without a process namespace of its own, nor its namespaces."""
    with sandbox.running_pod("subject", hostPID=True, restartPolicy="Never", **sleeper()):
        with subprocess.Popen(["kubectl", "exec", "subject", "--", "sleep", "4321"], env=sandbox.env) as client:
            def processes():
                return next(p["processes"] for p in sandbox.get("/sandbox/processes") if p["name"] == "subject" and p["exists"])
            wait_until(lambda: any("4321" in p["command"] for p in processes()), "the process")
            os.kill(sandbox.pod("subject")["containers"]["app"]["pid"], 9)
            assert client.wait(timeout=60)
        wait_until(lambda: not processes() and not sandbox.pod("subject")["netns"], "the end")
        assert sandbox.get(PODS + "/subject")["status"]["phase"] == "Failed"


# ---- the kubelet's port ----

@pytest.mark.parametrize("ipv6", [False, True])
def test_an_exec_is_seen_on_the_node(sandbox, ipv6):
    """Twice: to the kubelet's port, and to the runtime's at the loopback address, where it can be read."""
    assert sandbox.get(NODE)["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250
    slices = sandbox.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")
    assert slices["endpoints"][0]["addresses"] == ["10.244.0.1"]
    with in_netns(sandbox.netns("hostnet")):
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    sniffer.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE: whoever has no processor for a while loses nothing
    sniffer.bind(("lo", 0x0003))
    sniffer.settimeout(0.2)
    seen, local, stop = [0, 0], {}, threading.Event()

    def count():
        while not stop.is_set():
            with contextlib.suppress(socket.timeout):
                frame, address = sniffer.recvfrom(65535)
                if address[2] == 4:  # PACKET_OUTGOING: each packet comes again
                    continue
                at = 54 if frame[12:14] == b"\x86\xdd" else 34
                ports = int.from_bytes(frame[at:at + 2], "big"), int.from_bytes(frame[at + 2:at + 4], "big")
                if 10250 in ports:
                    seen[ports.index(10250)] += len(frame)
                elif frame[at - 16:at] == bytes(15) + b"\x01" or frame[at - 4:at] == bytes([127, 0, 0, 1]):
                    local[ports] = local.get(ports, b"") + frame[at + 20:]
    counter = threading.Thread(target=count, daemon=True)
    counter.start()
    data = b"ksniff in clear " * 125_000
    with sandbox.faults(runtime_ipv6=ipv6):
        assert kubectl(sandbox, "exec", "-i", "web", "--", "cat", stdin=data).stdout == data
    wait_until(lambda: min(seen) > len(data), "all that has passed")
    time.sleep(0.3)
    stop.set()
    counter.join()
    sniffer.close()
    assert min(seen) > 2_000_000, seen
    (one, there), (other, back) = sorted(local.items(), key=lambda item: len(item[1]))[-2:]
    assert one == other[::-1] and 10250 not in one and min(len(there), len(back)) > 2_000_000
    assert there.count(b"ksniff in clear ") > 120_000 and back.count(b"ksniff in clear ") > 120_000


def test_back_pressure_reaches_the_process(sandbox):
    """A client that does not read stops the process, by what fits in between."""
    with subprocess.Popen(["kubectl", "exec", "web", "-c", "httpd", "--", "sh", "-c", "exec yes ksniff-pressure"],
                          env=sandbox.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        def writer():
            return next((p["pid"] for pod in sandbox.get("/sandbox/processes") for p in pod["processes"]
                         if "ksniff-pressure" in " ".join(p["command"])), None)
        pid = wait_until(writer, "the process")

        def written():
            with open(f"/proc/{pid}/io", encoding="ascii") as file:
                return int(re.search(r"wchar: (\d+)", file.read())[1])
        before = -1
        while before != written():
            before = written()
            time.sleep(0.7)
        assert before < 64 << 20
        client.kill()
    os.kill(pid, 9)
