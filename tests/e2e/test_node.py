# SPDX-License-Identifier: Apache-2.0
"""The node method: a helper pod beside any pod, and nothing of it left."""
import base64
import os
import re
import signal
import socket
import struct
import time

import pytest

from conftest import GUARD, Ksniff, capinfos, in_netns, leftovers, tshark, wait_until

PAUSE = "registry.local/pause:3.10"


pytestmark = pytest.mark.needs("create configmaps", "patch configmaps", "create pods", "delete pods", "get pods")


def payloads(path, port):
    return [bytes.fromhex(row[0]) for row in
            tshark(path, "udp.payload", display=f"udp.dstport == {port} and not icmp")]


def captures(cluster, ksniff, tmp_path, name, *flags, port=4100, namespace=None):
    """The method gets the packets of that very pod. Returns the client's messages."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing(name, "-n", namespace or cluster.namespace, "-f", f"udp port {port}", "-o", path, *flags) as process:
        cluster.datagrams(name, port, namespace=namespace)
        err = ksniff.stop(process)
    assert payloads(path, port) == [b"number 0", b"number 1", b"number 2"]
    wait_until(lambda: not leftovers(cluster), "the helper's end")
    return err


def test_every_packet(cluster, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-p", "-f", "udp port 4101", "-o", path) as process:
        sent = cluster.exchange(4101)
        ksniff.stop(process)
    assert [row[0] for row in tshark(path, "udp.payload")] == [data.hex() for _, data in sent]
    assert "method: node" in capinfos(path) and f"Name = {cluster.namespace}/web:eth0" in capinfos(path)
    wait_until(lambda: not leftovers(cluster), "the helper's end")


def test_what_it_sent_does_not_come_back(cluster, ksniff, tmp_path):
    """The ConfigMap holds the agent: of what is made and changed, only the metadata is asked for."""
    err = captures(cluster, ksniff, tmp_path, "web", "-p", "-vv")
    answers = [line for line in err.splitlines() if "configmaps" in line and "HTTP 20" in line]
    assert len(answers) >= 2, err
    assert all(int(line.split()[-2]) < 4096 for line in answers), answers


@pytest.mark.parametrize("name", ["distroless", "nonroot", "web"])
def test_any_pod(cluster, ksniff, tmp_path, name):
    cluster.needs_pod(name)
    captures(cluster, ksniff, tmp_path, name, "-p")


@pytest.mark.parametrize("name, why", [("distroless", "has neither a shell nor tar"), ("nonroot", "user 1000")])
def test_chosen_by_itself(cluster, ksniff, tmp_path, name, why):
    """One INFO line says why the upload does not do."""
    cluster.needs_pod(name)
    err = captures(cluster, ksniff, tmp_path, name)
    assert err.count("using the node method (upload: ") == 1 and why in err


def test_the_helper_as_it_is_promised(sandbox, ksniff, tmp_path):
    """No privileged container, no host mount, no image of ours, every taint, every label."""
    with ksniff.capturing("web", "--privileged", "-o", str(tmp_path / "x"), "--duration", "30s") as process:
        pod, = sandbox.helpers()
        config_map = sandbox.get(f"/api/v1/namespaces/default/configmaps/{pod['metadata']['name']}")
        ksniff.stop(process)
    metadata, spec = pod["metadata"], pod["spec"]
    container, = spec["containers"]
    assert metadata["labels"]["app.kubernetes.io/name"] == "ksniff"
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "kubectl-sniff"
    assert metadata["annotations"]["kubectl-sniff/target"] == "default/web"
    assert metadata["annotations"]["sidecar.istio.io/inject"] == "false"
    assert metadata["annotations"]["linkerd.io/inject"] == "disabled"
    assert container["image"] == PAUSE and container["imagePullPolicy"] == "Never"
    assert container["command"] == ["/ksniff/ksniff-agent", "hold"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"],
                                                            "add": ["SYS_ADMIN", "SYS_PTRACE", "NET_RAW"]}
    assert "privileged" not in container["securityContext"] and container["securityContext"]["readOnlyRootFilesystem"]
    assert spec["hostPID"] and not spec.get("hostNetwork") and spec["nodeName"] == "node1"
    assert [v for v in spec["volumes"] if "configMap" not in v] == []
    assert {"operator": "Exists"} in spec["tolerations"]
    assert spec["restartPolicy"] == "Never" and 30 < spec["activeDeadlineSeconds"] < 400
    assert spec["automountServiceAccountToken"] is False
    assert set(container["resources"]) == {"requests", "limits"}
    owner, = config_map["metadata"]["ownerReferences"]
    assert owner["uid"] == metadata["uid"] and owner["kind"] == "Pod"
    assert list(config_map["binaryData"]) == ["ksniff-agent"]
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_flags_of_the_helper(sandbox, ksniff, tmp_path):
    flags = ["--image", "registry.local/busybox:1", "-s", "default", "--requests", "cpu=20m", "--limits",
             "cpu=2,memory=1Gi", "--node-namespace", "kube-system", "--socket", "/run/docker.sock",
             "--tcpdump-image", "x/tcpdump"]
    with ksniff.capturing("web", "-p", "-o", str(tmp_path / "x"), *flags) as process:
        assert sandbox.helpers() == []
        pod, = sandbox.helpers("kube-system")
        err = ksniff.stop(process)
    container, = pod["spec"]["containers"]
    assert container["image"] == "registry.local/busybox:1"
    assert container["resources"] == {"requests": {"cpu": "20m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    assert pod["spec"]["serviceAccountName"] == "default" and pod["spec"]["automountServiceAccountToken"]
    assert pod["spec"]["activeDeadlineSeconds"] == 86400
    for flag in ("--socket", "--tcpdump-image"):
        assert f"{flag} is not needed any more" in err
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_image_of_the_environment(sandbox, tmp_path):
    ksniff = Ksniff(sandbox)
    env = {"KUBECTL_PLUGINS_LOCAL_FLAG_IMAGE": "registry.local/dash:1", "KUBECTL_PLUGINS_LOCAL_FLAG_PRIVILEGED": "true"}
    with ksniff.capturing("web", "-o", str(tmp_path / "x"), env=env) as process:
        pod, = sandbox.helpers()
        ksniff.stop(process)
    assert pod["spec"]["containers"][0]["image"] == "registry.local/dash:1"
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


@pytest.mark.parametrize("fault", ["images_missing", "image_start_error"])
def test_next_image(sandbox, ksniff, tmp_path, fault):
    """The node lists it, but it cannot be pulled, or not be started: the next one is."""
    with sandbox.faults(**{fault: [PAUSE]}):
        err = captures(sandbox, ksniff, tmp_path, "distroless", "-p")
    assert f"image '{PAUSE}' cannot be started on node 'node1'" in err and "trying '" in err


def test_own_image_with_its_secrets(sandbox, ksniff, tmp_path):
    """Nobody may look at the node: the target's own image serves, with the target's own pull secrets."""
    sandbox.call("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "own-pull"}, "type": "Opaque"})
    rules = [{"verbs": ["*"], "resources": ["pods", "pods/exec", "configmaps"]}]
    config = sandbox.kubeconfig_for("no-nodes", rules)
    with sandbox.running_pod("private", imagePullSecrets=[{"name": "own-pull"}],
                             containers=[{"name": "app", "image": "registry.local/private:1"}]):
        path = str(tmp_path / "x.pcapng")
        with ksniff.capturing("private", "-p", "-o", path, "--kubeconfig", config) as process:
            pod, = sandbox.helpers()
            ksniff.stop(process)
    assert pod["spec"]["containers"][0]["image"] == "registry.local/private:1"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "own-pull"}]
    sandbox.call("DELETE", "/api/v1/namespaces/default/secrets/own-pull")
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_no_image_at_all(sandbox, ksniff, tmp_path):
    error = ksniff.fail("web", "-p", "--image", "registry.local/absent:1", "-o", str(tmp_path / "x"))
    assert 'the helper pod cannot be started on node "node1" from "registry.local/absent:1": ' in error
    assert "--image" in error
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_creation_timeout(sandbox, ksniff, tmp_path):
    """A pod that never gets its sandbox: here its node has no kubelet."""
    with sandbox.faults(hold_pods=True):
        error = ksniff.fail("web", "-p", "--pod-creation-timeout", "2s", "-o", str(tmp_path / "x"))
    assert "the start of the helper pod took too long" in error
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def machines_sent(sandbox, process):
    """The e_machine of each agent that a helper is given (elf(5)), in the order in which they come, until @process ends."""
    machines = []
    while process.poll() is None:
        for item in sandbox.get("/api/v1/namespaces/default/configmaps?labelSelector=app.kubernetes.io/name=ksniff")["items"]:
            agent = base64.b64decode(item["binaryData"]["ksniff-agent"])
            machine, = struct.unpack_from("<H" if agent[5] == 1 else ">H", agent, 18)
            machines += [machine] if machine not in machines else []
        time.sleep(0.02)
    return machines


def test_the_agent_of_another_machine(sandbox, ksniff, tmp_path):
    """Who may not read nodes does not know theirs: where the agent does not start, the others are tried."""
    config = sandbox.kubeconfig_for("blind", [{"verbs": ["*"], "resources": ["pods", "pods/exec", "configmaps"]}])
    image = sandbox.get("/api/v1/namespaces/default/pods/web")["spec"]["containers"][0]["image"]
    with sandbox.faults(start_error=[image]):
        process = ksniff.start("web", "-p", "-v", "--kubeconfig", config, "-o", str(tmp_path / "x"))
        machines = machines_sent(sandbox, process)
        err = process.stderr.read().decode()
    # x86-64, AArch64, ARM, RISC-V, PowerPC, S/390
    assert machines == [62, 183, 40, 243, 21, 22], err
    assert "trying the one for 'arm64'" in err and "trying the one for 's390x'" in err and "exec format error" in err
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_the_agent_is_chosen_by_the_nodes_architecture(sandbox, ksniff, tmp_path):
    """As far as it goes here: this machine's kernel does not run what it is given."""
    with sandbox.faults(machine="s390x"):
        process = ksniff.start("web", "-p", "-o", str(tmp_path / "x"))
        assert machines_sent(sandbox, process) == [22]
        assert "the helper pod cannot be started on node" in process.stderr.read().decode() and process.returncode == 1
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_no_agent_for_the_nodes_architecture(sandbox, ksniff, tmp_path):
    with sandbox.faults(machine="mips64le"):
        error = ksniff.fail("web", "-p", "-o", str(tmp_path / "x"))
    assert error.startswith('the node method cannot capture pod "web": there is no agent for "mips64le" machines (who can change it: '
                            'nobody yet: upload a static tcpdump for it with -l PATH')
    assert not leftovers(sandbox)


def test_a_pull_that_never_ends(sandbox, ksniff, tmp_path):
    """The node has the image, but is made to ask a registry for it (AlwaysPullImages) that is out of reach."""
    with sandbox.faults(images_hang=[PAUSE], always_pull=True):
        err = captures(sandbox, ksniff, tmp_path, "web", "-p")
    assert f"image '{PAUSE}' cannot be started on node 'node1' (it seems to be pulled" in err


@pytest.mark.parametrize("denied, says", [("apparmor", ["without AppArmor"]),
                                          ("selinux", ["without AppArmor"]),
                                          ("privileged", ["without AppArmor", "privileged"])])
def test_more_privilege_only_where_it_is_needed(sandbox, ksniff, tmp_path, denied, says):
    with sandbox.faults(setns_denied=denied):
        err = captures(sandbox, ksniff, tmp_path, "distroless", "-p")
    for words in says:
        assert "the node does not let the helper pod in (" in err and words in err
    assert err.count("trying again") == len(says)


def test_not_even_quiet_hides_that_it_is_privileged(sandbox, ksniff, tmp_path):
    with sandbox.faults(setns_denied="privileged"):
        with ksniff.capturing("distroless", "-p", "-v", "-o", str(tmp_path / "x")) as process:
            Ksniff.stop(process)
        assert re.search(r"WARN\S* the node does not let the helper pod in .*: trying again privileged", process.head)


def test_container_that_crashes(cluster, ksniff, tmp_path):
    """CrashLoopBackOff: the pod's sandbox holds the network; packets of its sandbox are captured."""
    spec = {"containers": [{"name": "app", "image": cluster.image, "command": ["sh", "-c", "exit 3"]}]}
    cluster.create_pod("crasher", wait=False, **spec)
    try:
        def waits():
            status = cluster.pod_object("crasher")["status"]
            return any("waiting" in c["state"] and c["restartCount"] for c in status.get("containerStatuses", []))
        wait_until(waits, "its crashes")
        captures(cluster, ksniff, tmp_path, "crasher")
    finally:
        cluster.delete_pod("crasher")


def test_survives_a_restart_of_the_container(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with sandbox.running_pod("restarts", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]):
        with ksniff.capturing("restarts", "-p", "-f", "udp port 4102", "-o", path) as process:
            sandbox.datagrams("restarts", 4102)
            os.kill(sandbox.pod("restarts")["containers"]["app"]["pid"], signal.SIGKILL)

            def restarted():
                status, = sandbox.get("/api/v1/namespaces/default/pods/restarts")["status"]["containerStatuses"]
                return status["restartCount"] and "running" in status["state"]
            wait_until(restarted, "its restart")
            sandbox.datagrams("restarts", 4102)
            err = ksniff.stop(process)
    assert "taking it up again" not in err
    assert len(payloads(path, 4102)) == 6
    assert capinfos(path).count("Name = default/restarts:eth0") == 1


@pytest.mark.parametrize("spec", [{}, {"hostNetwork": True}])
def test_target_deleted(cluster, ksniff, tmp_path, spec):
    app = {"name": "app", "image": cluster.image, "command": ["sleep", "1000"]}
    with cluster.running_pod("doomed", containers=[app], **spec):
        with ksniff.capturing("doomed", "-p", "-o", str(tmp_path / "x.pcapng")) as process:
            cluster.delete_pod("doomed")
            err = process.stderr.read().decode()
            assert process.wait(timeout=GUARD) == 1
    assert err.endswith('error: pod "doomed" is gone: it was deleted\n')
    wait_until(lambda: not leftovers(cluster), "the helper's end")


def test_quota(sandbox, ksniff, tmp_path):
    """A namespace whose quota wants limits: the helper has some."""
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"limits.cpu": "4", "limits.memory": "4Gi",
                                                          "requests.cpu": "1", "pods": "20"}}}
    sandbox.call("POST", "/api/v1/namespaces/shop/resourcequotas", quota)
    try:
        resources = {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "10m"}}
        with sandbox.running_pod("metered", "shop", containers=[
                {"name": "app", "image": "busybox", "command": ["sleep", "1000"], "resources": resources}]):
            captures(sandbox, ksniff, tmp_path, "metered", "-p", namespace="shop")
            error = ksniff.fail("metered", "-n", "shop", "-p", "--limits", "cpu=30,memory=64Mi", "-o", str(tmp_path / "y"))
            assert "exceeded quota" in error and "with --requests and --limits" in error
            wait_until(lambda: not leftovers(sandbox), "the helper's end")
    finally:
        sandbox.call("DELETE", "/api/v1/namespaces/shop/resourcequotas/q")


def test_pod_security_elsewhere(sandbox, ksniff, tmp_path):
    """The pod's namespace forbids such a helper; another one lets it in."""
    with sandbox.running_pod("guarded", "baseline", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]):
        error = ksniff.fail("guarded", "-n", "baseline", "-p", "-o", str(tmp_path / "x"))
        assert 'namespace "baseline"' in error and "--node-namespace" in error
        captures(sandbox, ksniff, tmp_path, "guarded", "-p", "--node-namespace", "kube-system", namespace="baseline")


@pytest.mark.parametrize("spec", [
    {"containers": [{"name": "app", "image": "no.such/image:1"}]},
    {"initContainers": [{"name": "init", "image": "busybox", "command": ["sleep", "1000"]}],
     "containers": [{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]}])
def test_a_pod_that_has_not_started(sandbox, ksniff, tmp_path, spec):
    """Its sandbox holds the network namespace before any container does."""
    sandbox.call("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "early"}, "spec": spec})
    try:
        wait_until(lambda: sandbox.pods()[("default", "early")].get("netns"), "its network")
        captures(sandbox, ksniff, tmp_path, "early", "-p")
    finally:
        sandbox.delete_pod("early")


def test_runtime_class(sandbox, ksniff, tmp_path):
    with sandbox.running_pod("boxed", runtimeClassName="gvisor",
                             containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]):
        err = captures(sandbox, ksniff, tmp_path, "boxed", "-p", "--pod-creation-timeout", "0")
    assert "pod \"boxed\" has the RuntimeClass 'gvisor': if that is gVisor or Kata" in err


def test_requests_above_the_limits(cluster, ksniff, tmp_path):
    error = ksniff.fail("web", "-p", "--requests", "cpu=2", "--limits", "cpu=1", "-o", str(tmp_path / "x"))
    assert "must be less than or equal to cpu limit" in error and "with --requests and --limits" in error
    wait_until(lambda: not leftovers(cluster), "the helper's end")


def test_no_such_service_account(cluster, ksniff, tmp_path):
    error = ksniff.fail("web", "-p", "-s", "nobody", "-o", str(tmp_path / "x"))
    assert 'serviceaccount "nobody" not found' in error and error.endswith("(name another with -s)")
    wait_until(lambda: not leftovers(cluster), "the helper's end")


def test_no_such_namespace_for_the_helper(cluster, ksniff, tmp_path):
    error = ksniff.fail("web", "-p", "--node-namespace", "nowhere", "-o", str(tmp_path / "x"))
    assert error == 'namespaces "nowhere" not found (list them with: kubectl get namespaces)'
    assert not leftovers(cluster)


# ---- the node's own interfaces ----

@pytest.mark.parametrize("words", [["node/node1"], ["hostnet"], ["hostnet", "-p"]])
def test_own_stream_is_left_out(sandbox, ksniff, tmp_path, words):
    """What is captured travels over the node's interfaces: by default it is not captured again."""
    path = str(tmp_path / "x.pcapng")
    node = f"/run/netns/ks{sandbox.process.pid}-node"
    with ksniff.capturing(*words, "-o", path) as process:
        with in_netns(node), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for _ in range(3):
                one.sendto(b"on the node", ("127.0.0.1", 4103))
        wait_until(lambda: b"on the node" in open(path, "rb").read(), "packets")
        err = ksniff.stop(process)
    assert "this capture's stream is left out by the filter 'not (tcp port 10250" in err
    assert tshark(path, "frame.number", display="tcp.port == 10250") == []
    assert len(payloads(path, 4103)) == 3
    with ksniff.capturing(*words, "-o", path, "--include-own-traffic") as process:
        wait_until(lambda: os.path.getsize(path) > 20000, "the stream itself")
        err = ksniff.stop(process)
    assert "left out" not in err
    assert tshark(path, "frame.number", display="tcp.port == 10250")
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_node_target(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("node/node1", "-f", "udp port 4104 or udp port 4105", "-i", "lo", "-o", path) as process:
        pod, = sandbox.helpers()
        with in_netns(f"/run/netns/ks{sandbox.process.pid}-node"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"x", ("127.0.0.1", 4105))
        err = ksniff.stop(process)
    assert "sniffing on node: 'node1'" in err and "'(udp port 4104 or udp port 4105) and not (tcp port 10250" in err
    assert pod["spec"]["hostNetwork"] and not pod["spec"].get("hostPID")
    assert pod["spec"]["containers"][0]["securityContext"]["capabilities"]["add"] == ["NET_RAW"]
    assert pod["metadata"]["annotations"]["kubectl-sniff/target"] == "node/node1"
    assert [row[0] for row in tshark(path, "frame.interface_name", display="udp")] == ["node/node1:lo"]
    info = capinfos(path)
    assert "node: node1" in info and "pod: " not in info
    error = ksniff.fail("node/nowhere", "-o", path)
    assert error == 'nodes "nowhere" not found (list them with: kubectl get nodes)'
    wait_until(lambda: not leftovers(sandbox), "the helper's end")
