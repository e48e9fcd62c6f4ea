# SPDX-License-Identifier: Apache-2.0
"""Recordings: started by a client that goes, listed by whoever may, ended by name; nothing else takes them away."""
import contextlib
import glob
import json
import os
import signal
import subprocess
import time

import pytest

from conftest import BUILD, GUARD, ROOT, Ksniff, leftovers, wait_until

LABEL = "kubectl-sniff/recording"
SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
PODS = "/api/v1/pods?labelSelector=" + LABEL


@pytest.fixture(name="box")
def two_nodes_that_are_clean(two_nodes):
    """In the end nothing is recorded any more."""
    yield two_nodes
    for item in two_nodes.get(PODS)["items"]:
        two_nodes.call("DELETE", f"/api/v1/namespaces/{item['metadata']['namespace']}/pods/{item['metadata']['name']}")
    wait_until(lambda: not leftovers(two_nodes), "a clean cluster")


@pytest.fixture(name="sniff")
def client(box):
    return Ksniff(box)


@pytest.fixture(name="shop")
def shop_on_both_nodes(box):
    """Two pods on node1, and one on node2."""
    names = {"shop-1": "node1", "shop-2": "node1", "shop-3": "node2"}
    with contextlib.ExitStack() as stack:
        for name, node in names.items():
            stack.enter_context(box.running_pod(name, nodeName=node, containers=[SLEEP], metadata={"labels": {"app": "shop"}}))
        yield names


def recorders(box):
    """The pods that record, by node."""
    return sorted(box.get(PODS)["items"], key=lambda pod: pod["spec"]["nodeName"])


def record(sniff, *words):
    """Starts a recording and returns what was said on standard output."""
    process = sniff.start(*words)
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0, err.decode()
    assert b"Sanitizer" not in err
    return out.decode()


def listed(sniff, *words):
    process = sniff.start("--recordings=json", *words)
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0, err.decode()
    assert b"Sanitizer" not in err
    return json.loads(out)


def table(sniff, *words):
    process = sniff.start("--recordings", *words)
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0, err.decode()
    return out.decode()


def container_of(pod):
    return pod["spec"]["containers"][0]


def process_of(box, pod):
    return box.pod(pod["metadata"]["name"], pod["metadata"]["namespace"])["containers"]["ksniff"]["pid"]


def ring_of(box, pod):
    """Where the machine has the volume."""
    root = box.rootfs(pod["metadata"]["name"], "ksniff", pod["metadata"]["namespace"])
    return os.path.join(os.path.dirname(os.path.dirname(root)), "volumes", "work")


# ---- starting, listing, ending ----

def test_from_its_start_to_its_end(box, sniff, shop):
    said = record(sniff, "-l", "app=shop", "--record=shop", "--keep", "64M,1h", "--for", "2h", "-f", "udp", "--snaplen", "200",
                  "--stop-when", "tcp[tcpflags] & tcp-rst != 0", "--after", "3s")
    assert said.startswith('recording "shop": 3 targets, until ')
    for line in ("kubectl sniff --recordings -n default", "kubectl sniff --fetch shop -n default", "kubectl sniff --end shop -n default"):
        assert line in said
    # One pod a node, and nothing of the client.
    first, second = recorders(box)
    assert [pod["spec"]["nodeName"] for pod in (first, second)] == ["node1", "node2"]
    assert first["metadata"]["labels"][LABEL] == "shop"
    about = json.loads(first["metadata"]["annotations"]["kubectl-sniff/recorded"])
    assert about["by"] == "sandbox-admin" and about["filter"] == "udp" and about["snaplen"] == 200 and about["after"] == 3000
    assert about["keep"] == {"bytes": 64 << 20, "seconds": 3600, "in": "disk"}
    assert [(target["name"], target["namespace"], target["container"], target["labels"]) for target in about["targets"]] == [
        (name, "default", "app", {"app": "shop"}) for name in ("shop-1", "shop-2")]
    assert about["targets"][0]["ips"] == [box.pod("shop-1")["ip"]]
    # It ends by itself, and takes no more of the disk than that.
    spec = first["spec"]
    assert spec["activeDeadlineSeconds"] == 7200 and spec["restartPolicy"] == "Always"
    words = container_of(first)["command"]
    assert words[:6] == ["/ksniff/ksniff-recorder", "record", "-d", "/ring", "-k", str(64 << 20)]
    for option, value in (("-K", "3600"), ("-s", "200"), ("-A", "3000")):
        assert words[words.index(option) + 1] == value
    assert words.count("-t") == 2 and "-T" in words and "-F" in words
    limits = container_of(first)["resources"]
    assert (limits["requests"]["ephemeral-storage"], limits["limits"]["ephemeral-storage"]) == ("84Mi", "148Mi")
    assert spec["volumes"][1]["emptyDir"] == {"sizeLimit": "84Mi"}
    # The list, for people and for programs.
    heading, line = table(sniff).splitlines()
    assert heading.split()[:4] == ["NAME", "TARGETS", "NODES", "SINCE"]
    assert line.startswith("shop ") and "shop-1, shop-2, shop-3" in line and "node1, node2" in line and "recording" in line
    entry, = listed(sniff)
    assert (entry["name"], entry["namespace"], entry["by"], entry["state"]) == ("shop", "default", "sandbox-admin", "recording")
    assert entry["stopWhen"] == "tcp[tcpflags] & tcp-rst != 0" and entry["dropped"] == 0
    assert [pod["node"] for pod in entry["pods"]] == ["node1", "node2"]
    assert [target["state"] for pod in entry["pods"] for target in pod["targets"]] == ["recording"] * 3
    # What passes is in the ring.
    box.datagrams("shop-3", 4711)

    def counted():
        return listed(sniff)[0]["packets"] >= 3
    wait_until(counted, "the packets")
    assert listed(sniff)[0]["pods"][1]["targets"][0]["oldest"]
    # The end.
    result = sniff.run("--end", "shop")
    assert result.code == 0 and "recording 'shop' has ended: 2 pods are removed" in result.err
    assert not recorders(box)
    assert not [item for item in box.get("/api/v1/configmaps?labelSelector=" + LABEL)["items"]]
    assert table(sniff) == 'there is no recording in namespace "default": -A looks in all\n' and listed(sniff) == []


def test_the_same_name_takes_in_what_is_new(box, sniff, shop):
    record(sniff, "-l", "app=shop", "--record=shop", "--field-selector", "spec.nodeName=node1")
    before, = recorders(box)
    said = record(sniff, "-l", "app=shop", "--record=shop")
    assert said.startswith('recording "shop": 1 new target, until ') and "beside 2 that are recorded already" in said
    with box.running_pod("shop-4", nodeName="node1", containers=[SLEEP], metadata={"labels": {"app": "shop"}}):
        said = record(sniff, "-l", "app=shop", "--record=shop")
        assert "1 new target" in said and "beside 3" in said
        assert record(sniff, "shop-4", "--record=shop").startswith('recording "shop": nothing is new, 1 target is recorded already\n')
    now = recorders(box)
    assert [pod["spec"]["nodeName"] for pod in now] == ["node1", "node1", "node2"]
    # What ran is as it was.
    same, = [pod for pod in now if pod["metadata"]["uid"] == before["metadata"]["uid"]]
    assert same["spec"] == before["spec"] and same["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert same["status"]["containerStatuses"][0]["restartCount"] == 0
    entry, = listed(sniff)
    assert len(entry["pods"]) == 3
    # Another name is another recording, beside it.
    assert record(sniff, "shop-1", "--record=two").startswith('recording "two": 1 target, ')
    assert [entry["name"] for entry in listed(sniff)] == ["shop", "two"]
    assert sniff.run("--end", "shop").code == 0
    assert [entry["name"] for entry in listed(sniff)] == ["two"]
    assert 'there is no recording "shop" in namespace "default" (there is: "two")' in sniff.fail("--end", "shop")


KIND = {"-f": "host web.default.pod and udp", "-i": "eth0", "--snaplen": "200", "--keep": "64M,1h", "--keep-in": "memory",
        "--stop-when": "udp port 9", "--after": "3s"}
OTHER = {"-f": "tcp", "-i": "lo", "--snaplen": "100", "--keep": "64M", "--keep-in": "disk", "--stop-when": "udp port 10", "--after": "4s"}


OF_A_RUN = "targets", "started", "run"


def described(pod):
    return json.loads(pod["metadata"]["annotations"]["kubectl-sniff/recorded"])


def test_a_recording_is_of_one_kind(box, sniff, shop):
    """What is added later is recorded as the others are: what is said otherwise is refused, what is left out is as it was."""
    record(sniff, "shop-1", "--record=one", "--headers-only", *(word for pair in KIND.items() for word in pair))
    first, = recorders(box)
    assert described(first)["asked"] == KIND["-f"] and "web" not in described(first)["filter"]
    for flag, value in OTHER.items():
        said = {"-f": f"-f '{KIND['-f']}'", "--keep": "--keep 64M,3600s", "--after": "--after 3000ms",
                "--stop-when": "--stop-when 'udp port 9'"}.get(flag, f"{flag} {KIND[flag]}")
        more = ("--stop-when", KIND["--stop-when"]) if flag == "--after" else ()
        assert sniff.fail("shop-3", "--record=one", flag, value, *more, code=2) == (
            f'the recording "one" is there already, with {said} (leave out {flag}, or record under another name)')
    assert sniff.fail("shop-3", "--record=one", "--headers-only=false", code=2) == (
        'the recording "one" is there already, with --headers-only (leave out --headers-only, or record under another name)')
    # The same words, or none.
    assert "1 target" in record(sniff, "shop-3", "--record=one", "--headers-only", "-f", KIND["-f"])
    process = sniff.start("shop-2", "--record=one")
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0 and b'"one": 1 target' in out, err.decode()
    assert "as the recording 'one' records already: -f 'host web.default.pod and udp', -i eth0, --snaplen 200, --headers-only" in err.decode()
    pods = recorders(box)
    assert len(pods) == 3
    for pod in pods:
        assert {key: value for key, value in described(pod).items() if key not in OF_A_RUN} == {
            key: value for key, value in described(first).items() if key not in OF_A_RUN}
        assert container_of(pod)["resources"] == container_of(first)["resources"]
        words = container_of(pod)["command"]
        assert words[:words.index("-t")] == container_of(first)["command"][:words.index("-t")]


def test_a_recording_without_a_filter(box, sniff, shop):
    record(sniff, "shop-1", "--record=all")
    for words in (("-f", "udp"), ("--stop-when", "udp"), ("--snaplen", "99"), ("--headers-only",)):
        assert sniff.fail("shop-3", "--record=all", *words, code=2) == (
            f'the recording "all" is there already, without {words[0]} (leave out {words[0]}, or record under another name)')
    assert "nothing is new" in record(sniff, "shop-1", "--record=all", "--keep", "1G", "--snaplen", "0")
    assert len(recorders(box)) == 1


def all_owned(box):
    """Do ConfigMaps of ours go with their pods? What a client leaves that is killed before that, is swept by others."""
    found = box.get("/api/v1/configmaps?labelSelector=app.kubernetes.io/name=ksniff")["items"]
    return all(item["metadata"].get("ownerReferences") for item in found)


def test_what_does_not_record_is_not_said_to_be_recorded(box, sniff, shop):
    """A recorder that is frozen, or that has not got as far, and whose client was killed."""
    record(sniff, "shop-1", "--record=s")
    pod, = recorders(box)
    subprocess.run(["kubectl", "exec", "-i", pod["metadata"]["name"], "--", "/ksniff/ksniff-recorder", "freeze", "-d", "/ring"],
                   env=box.env, check=True, stdin=subprocess.DEVNULL, timeout=GUARD)
    error = sniff.fail("shop-1", "--record=s")
    assert error == (f'the recorder "{pod["metadata"]["name"]}" of the recording "s" does not record: it is frozen '
                     '(kubectl sniff --end s, or record under another name)')
    with box.faults(hold_pods=True):
        process = sniff.start("shop-2", "--record=t")
        wait_until(lambda: len(recorders(box)) == 2, "its pod")
        wait_until(lambda: all_owned(box), "its ConfigMap to go with it")
        process.kill()
        process.communicate()
        error = sniff.fail("shop-2", "--record=t")
        assert error.endswith('of the recording "t" does not record: it does not run: ContainerCreating '
                              "(it was made a moment ago, by another client: try again when it runs)")


def test_a_recorder_that_cannot_be_asked(box, sniff, shop):
    """Its node is away: it may record, and the others are not kept waiting for it."""
    record(sniff, "shop-1", "--record=away")
    pod, = recorders(box)
    with box.faults(kubelet_down="early"):
        process = sniff.start("shop-1", "--record=away")
        out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0 and b"nothing is new, 1 target is recorded already" in out, err.decode()
    assert f"the recorder '{pod['metadata']['name']}' on node 'node1' cannot be asked whether it records: ".encode() in err


def test_a_name_is_made_and_told(box, sniff, shop):
    said = record(sniff, "pod/shop-1", "--record")
    name = said.split('"')[1]
    assert name.startswith("shop-1-20") and [entry["name"] for entry in listed(sniff)] == [name]
    assert f"--end {name} -n default" in said
    assert sniff.run("--end", name, "-A").code == 0


def by_whom(box):
    return json.loads(recorders(box)[0]["metadata"]["annotations"]["kubectl-sniff/recorded"])["by"]


def test_who_has_started_it(box, sniff, shop, tmp_path):
    """As the server knows him; where it does not tell, as his kubeconfig does."""
    with open(box.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    context, = [entry for entry in config["contexts"] if entry["name"] == config["current-context"]]
    user, = [entry for entry in config["users"] if entry["name"] == context["context"]["user"]]
    user["name"] = context["context"]["user"] = "jane"
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    record(sniff, "shop-1", "--record=server", "--kubeconfig", str(path))
    assert by_whom(box) == "sandbox-admin"
    assert sniff.run("--end", "server").code == 0
    with box.faults(request_error={"path": "/selfsubjectreviews", "code": 404}):
        record(sniff, "shop-1", "--record=file", "--kubeconfig", str(path))
    assert by_whom(box) == "jane"


def test_in_several_namespaces(box, sniff, shop):
    with box.running_pod("shop-9", "shop", containers=[SLEEP], metadata={"labels": {"app": "shop"}}):
        said = record(sniff, "-A", "-l", "app=shop", "--record=all")
        assert "--recordings -A" in said and "--end all -A" in said
        assert {pod["metadata"]["namespace"] for pod in recorders(box)} == {"default", "shop"}
        assert [entry["namespace"] for entry in listed(sniff, "-A")] == ["default", "shop"]
        assert table(sniff, "-A").startswith("NAMESPACE ")
        # Each namespace's is a recording of its own.
        assert len(listed(sniff, "-n", "shop")) == 1
        assert sniff.run("--end", "all", "-n", "shop").code == 0
        assert [entry["namespace"] for entry in listed(sniff, "-A")] == ["default"]
        assert sniff.run("--end", "all", "-A").code == 0


def test_a_node_and_its_own_interfaces(box, sniff):
    said = record(sniff, "node/node2", "--record=machine")
    assert '1 target' in said
    pod, = recorders(box)
    assert pod["spec"]["hostNetwork"] and not pod["spec"].get("hostPID")
    words = container_of(pod)["command"]
    assert words[-1] == "-t" and "-C" not in words and "-F" in words  # without what passes to the API server
    assert "node/node2" in table(sniff)
    assert "nothing is new" in record(sniff, "node/node2", "--record=machine")


def test_in_memory(box, sniff, shop):
    record(sniff, "shop-1", "--record=m", "--keep", "16M", "--keep-in", "memory")
    pod, = recorders(box)
    assert pod["spec"]["volumes"][1]["emptyDir"] == {"medium": "Memory", "sizeLimit": "33Mi"}
    assert container_of(pod)["resources"]["limits"]["memory"] == "129Mi"  # 62, 2 and the ring of 32, and these 33
    with open(f"/proc/{process_of(box, pod)}/mounts", encoding="ascii") as mounts:
        line, = [line for line in mounts if line.split()[1] == "/ring"]
    assert line.startswith("tmpfs ") and f"size={33 << 10}k" in line


# ---- the life of its pods ----

def test_a_killed_recorder_goes_on_in_its_ring(box, sniff, shop):
    record(sniff, "shop-1", "--record=k")
    box.datagrams("shop-1", 4711)
    wait_until(lambda: listed(sniff)[0]["packets"] >= 3, "the packets")
    pod, = recorders(box)
    os.kill(process_of(box, pod), signal.SIGKILL)

    def restarted():
        status = recorders(box)[0]["status"]["containerStatuses"][0]
        return status["restartCount"] == 1 and status["ready"]
    wait_until(restarted, "the restart")

    def goes_on():
        entry, = listed(sniff)
        return entry["state"] == "recording" and entry["packets"]
    wait_until(goes_on, "the recording", 30)
    assert glob.glob(ring_of(box, pod) + "/0/*")


def test_no_more_than_a_recording_is_removed(box, sniff):
    """Whoever may make pods could make one that looks like a recorder, with the name of another's ConfigMap."""
    about = {"metadata": {"labels": {LABEL: "forged", "app.kubernetes.io/name": "ksniff",
                                     "app.kubernetes.io/managed-by": "kubectl-sniff"},
                          "annotations": {"kubectl-sniff/recorded": json.dumps({"targets": [], "by": "\u009b31mred"})}}}
    box.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "settings"}, "data": {"a": "b"}})
    with box.running_pod("settings", containers=[SLEEP], **about):
        listed_json = sniff.run("--recordings=json")
        assert listed_json.code == 0 and b'"forged"' in listed_json.out and listed_json.out.isascii()
        result = sniff.run("--end", "forged")
        assert result.code == 0 and "1 pod is removed" in result.err, result.err
    code, _ = box.call("GET", "/api/v1/namespaces/default/configmaps/settings")
    assert code == 200
    box.call("DELETE", "/api/v1/namespaces/default/configmaps/settings")


def test_no_sweep_takes_it(box, sniff, shop, tmp_path):
    record(sniff, "shop-1", "--record=s")
    pod, = recorders(box)
    result = sniff.run("--cleanup", "-A")
    assert result.code == 0
    name = pod["metadata"]["name"]
    assert (f"helper pod '{name}' in namespace 'default' is left alone: it records 's', which 'kubectl sniff --end' ends"
            in result.err)
    # Nor while its recorder is between two runs.
    os.kill(process_of(box, pod), signal.SIGKILL)
    assert sniff.run("--cleanup", "-A").code == 0
    path = str(tmp_path / "x.pcapng")
    assert sniff.run("client", "-p", "--count", "2", "-o", path).code == 0
    same, = recorders(box)
    assert same["metadata"]["uid"] == pod["metadata"]["uid"] and not same["metadata"].get("deletionTimestamp")


def ended(sniff):
    entry, = listed(sniff)
    return entry if entry["state"] == "ended" else None


def test_what_has_ended_is_shown_and_swept(box, sniff, shop):
    """By its time; and by the kubelet, whose words stand there."""
    record(sniff, "shop-1", "--record=d", "--for", "15s")
    entry = wait_until(lambda: ended(sniff), "its end", 60)
    assert entry["pods"][0]["reason"] == "DeadlineExceeded: Pod was active on the node longer than the specified deadline"
    assert "d on node1: ended: DeadlineExceeded: " in table(sniff)
    # The same name is free again: the one that has ended holds nothing.
    assert "1 target, until" in record(sniff, "shop-1", "--record=d", "--keep", "8M")
    result = sniff.run("--cleanup")
    assert "removed helper pod" in result.err
    pod, = recorders(box)
    assert [entry["state"] for entry in listed(sniff)] == ["recording"]
    # Somebody fills its volume.
    with open(ring_of(box, pod) + "/other", "wb") as file:
        file.write(bytes(40 << 20))
    entry = wait_until(lambda: ended(sniff), "its eviction", 60)
    assert entry["pods"][0]["reason"].startswith('Evicted: Usage of EmptyDir volume "work" exceeds the limit ')
    assert sniff.run("--end", "d").code == 0 and not recorders(box)


# ---- what stands in its way ----

STAGES = {
    "before the pods exist": {"request_delay": {"path": "/configmaps", "seconds": 1}},
    "while they start": {"hold_pods": True},
    "before the first question": {"exec_delay_ms": 3000},
}


@pytest.mark.parametrize("stage", STAGES)
def test_interrupted_before_all_is_recorded(box, sniff, shop, stage):
    before = len(box.get("/sandbox/requests"))
    with box.faults(**STAGES[stage]):
        process = sniff.start("-l", "app=shop", "--record=i")
        wait_until(lambda: [r for r in box.get("/sandbox/requests")[before:] if r.startswith("POST") and "configmaps" in r], "a request")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 130 and not out, err.decode()
    assert b"Sanitizer" not in err
    wait_until(lambda: not recorders(box), "a clean cluster")


def test_it_takes_too_long(box, sniff, shop):
    with box.faults(hold_pods=True):
        error = sniff.fail("shop-3", "--record=t", "--pod-creation-timeout", "2s")
    assert error == ('nothing is recorded on node "node2" yet: ContainerCreating (give it more time with --pod-creation-timeout)')
    wait_until(lambda: not recorders(box), "a clean cluster")


def test_a_node_that_is_not_ready(box, sniff, shop):
    """Its kubelet starts nothing: that is said, and not that more time would help."""
    node = box.get("/api/v1/nodes/node2")
    conditions = [{**each, "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
                  if each["type"] == "Ready" else each for each in node["status"]["conditions"]]
    where = "/api/v1/nodes/node2/status"
    code, answer = box.call("PATCH", where, {"status": {"conditions": conditions}})
    assert code == 200, answer
    try:
        with box.faults(hold_pods=True):
            error = sniff.fail("shop-3", "--record=t", "--pod-creation-timeout", "2s")
    finally:
        box.call("PATCH", where, {"status": {"conditions": node["status"]["conditions"]}})
    assert error == ('nothing is recorded on node "node2" yet: ContainerCreating (that node is not ready: Kubelet stopped posting node '
                     "status.)")
    wait_until(lambda: not recorders(box), "a clean cluster")


@pytest.mark.parametrize("way", ["apparmor", "selinux", "privileged"])
def test_it_gets_the_privilege_that_it_needs(box, sniff, shop, way):
    with box.faults(setns_denied=way):
        record(sniff, "shop-1", "--record=p")
        pod, = recorders(box)
    context = container_of(pod)["securityContext"]
    assert context.get("privileged", False) == (way == "privileged")
    if way != "privileged":
        assert context["appArmorProfile"] == {"type": "Unconfined"} and context["seLinuxOptions"] == {"type": "spc_t"}
    assert listed(sniff)[0]["state"] == "recording"


def test_another_image(box, sniff, shop):
    with box.faults(image_start_error=["registry.local/pause:3.10"]):
        record(sniff, "shop-1", "--record=o")
        pod, = recorders(box)
    assert container_of(pod)["image"] != "registry.local/pause:3.10"


def test_an_image_with_a_shell_is_the_last(box, sniff, shop):
    process = sniff.start("shop-1", "--record=sh", "--image", "busybox")
    err = process.communicate(timeout=GUARD)[1].decode()
    assert process.returncode == 0, err
    assert "the helper pod runs from image 'busybox', which has a shell" in err
    assert "-N" not in container_of(recorders(box)[0])["command"]


@contextlib.contextmanager
def held_up(sniff, box):
    """A client that has seen that nothing is recorded, has made its ConfigMap, and stands still before it makes its pod."""
    before = len(box.get("/sandbox/requests"))
    with box.faults(request_delay={"path": "/configmaps", "seconds": 2}):
        process = sniff.start("shop-1", "shop-3", "--record=twice")
        wait_until(lambda: [r for r in box.get("/sandbox/requests")[before:] if r.startswith("POST") and "configmaps" in r], "a request")
        process.send_signal(signal.SIGSTOP)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def loses(process, box, first):
    """It goes on, sees that another was first, and takes away its own."""
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 1 and not out, err.decode()
    assert (b'the recording "twice" was begun at the same moment by another client, for "sandbox-admin", with pod "' in err
            and b"what was begun here is removed (see: kubectl sniff --recordings -n default; " in err), err.decode()
    wait_until(lambda: [pod["metadata"]["uid"] for pod in recorders(box)] == first, "the others alone")
    names = {pod["metadata"]["name"] for pod in recorders(box)}
    wait_until(lambda: {item["metadata"]["name"] for item in box.get("/api/v1/configmaps?labelSelector=" + LABEL)["items"]} == names,
               "nothing else")


def test_the_same_twice_at_the_same_moment(box, sniff, shop):
    """Neither sees the other's pods when it looks what is recorded: the one that makes them later goes."""
    with held_up(sniff, box) as late:
        record(sniff, "shop-1", "shop-3", "--record=twice")
        first = [pod["metadata"]["uid"] for pod in recorders(box)]
        assert len(first) == 2
        loses(late, box, first)
    assert [entry["state"] for entry in listed(sniff)] == ["recording"]


def test_the_same_twice_and_the_first_is_slower(box, sniff, shop):
    """Who looks first does not go for that, if he was first."""
    with held_up(sniff, box) as late, box.faults(hold_pods=True):
        early = sniff.start("shop-1", "--record=twice")
        first = wait_until(lambda: [pod["metadata"]["uid"] for pod in recorders(box)], "its pod")
        time.sleep(1.1)  # times of creation are whole seconds
        late.send_signal(signal.SIGCONT)
        wait_until(lambda: len(recorders(box)) == 3, "the pods of both")
        late.send_signal(signal.SIGSTOP)
        box.set_faults()
        out, err = early.communicate(timeout=GUARD)
        assert early.returncode == 0 and b'recording "twice": 1 target' in out, err.decode()
        loses(late, box, first)


def test_what_cannot_be_recorded(box, sniff, shop):
    assert sniff.fail("shop-1", "--record=x", "-i", "eth7") == (
        'the helper pod on node "node1" cannot do its work: ksniff-recorder: no interface "eth7", only lo, eth0 '
        "(leave out -i to take every interface)")
    wait_until(lambda: not recorders(box), "a clean cluster")
    with contextlib.ExitStack() as stack:
        for number in range(9):
            stack.enter_context(box.running_pod(f"many-{number}", wait=False, nodeName="node1", containers=[SLEEP]))
        for number in range(9):
            wait_until(lambda: box.runs(f"many-{number}"), "the pods")  # pylint: disable=cell-var-from-loop
        assert sniff.fail("many-*", "--record=x", "--keep", "8M", code=2) == (
            '--keep has too little room for the 9 targets on node "node1" (at least 9M)')
    assert not recorders(box)
    box.call("POST", "/api/v1/namespaces", {"metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}})
    try:
        with box.running_pod("locked", "strict", containers=[SLEEP]):
            error = sniff.fail("locked", "-n", "strict", "--record=x")
            assert error.startswith('the node method cannot record pod "locked": ')
            assert 'Pod Security "baseline"' in error and error.endswith("; no other method records: --check tells more)")
            # In another namespace it can.
            assert "1 target" in record(sniff, "locked", "-n", "strict", "--record=x", "--node-namespace", "kube-system")
            assert sniff.run("--end", "x", "-n", "kube-system").code == 0
    finally:
        box.call("DELETE", "/api/v1/namespaces/strict")
    assert not recorders(box)


def test_a_quota_that_has_room_for_one_of_two(box, sniff, shop):
    """Nothing is left of the one that was let in."""
    there = len(box.get("/api/v1/namespaces/default/pods")["items"])
    quotas = "/api/v1/namespaces/default/resourcequotas"
    box.call("POST", quotas, {"metadata": {"name": "few"}, "spec": {"hard": {"pods": str(there + 1)}}})
    try:
        assert "exceeded quota: few, requested: pods=1" in sniff.fail("-l", "app=shop", "--record=q")
        wait_until(lambda: not recorders(box), "a clean cluster")
    finally:
        box.call("DELETE", quotas + "/few")
    assert "3 targets" in record(sniff, "-l", "app=shop", "--record=q")


def test_an_exec_that_is_refused_on_the_way(box, sniff, shop):
    """What a gateway says is repeated, and its answer not waited for again and again."""
    with box.faults(request_error={"path": "/exec", "code": 403, "body": "blocked by the gateway"}):
        error = sniff.fail("shop-1", "--record=g")
    assert "blocked by the gateway" in error
    wait_until(lambda: not recorders(box), "a clean cluster")


def test_who_may_not_exec_sees_what_the_objects_tell(box, sniff, shop):
    record(sniff, "shop-1", "--record=w")
    config = box.kubeconfig_for("reader", [{"verbs": ["list"], "resources": ["pods"]}])
    entry, = listed(sniff, "--kubeconfig", config)
    assert entry["state"] == "unknown" and entry["packets"] is None and entry["by"] == "sandbox-admin"
    assert "needs: " not in entry["pods"][0]["reason"] and "pods/exec" in entry["pods"][0]["reason"]
    text = table(sniff, "--kubeconfig", config)
    assert "shop-1" in text and "w on node1: unknown: " in text


def test_who_may_not_list_everywhere(box, sniff, shop):
    """-A is more than a role in a namespace gives."""
    record(sniff, "shop-1", "--record=w")
    config = box.kubeconfig_for("here", [{"verbs": ["list"], "resources": ["pods"], "namespace": "default"},
                                         {"verbs": ["create"], "resources": ["pods/exec"], "namespace": "default"}])
    for words in (["--recordings"], ["--fetch", "w", "-o", "/dev/null"], ["--end", "w"]):
        assert sniff.fail(*words, "-A", "--kubeconfig", config).endswith(
            " at the cluster scope (needs: list pods in all namespaces; or name one, with -n)")
    assert listed(sniff, "--kubeconfig", config)[0]["state"] == "recording"


def test_its_name_is_completed(box, sniff, shop):
    record(sniff, "shop-1", "--record=some-name")
    out = subprocess.run([os.path.join(ROOT, BUILD, "src", "kubectl-sniff"), "--completion=words", "--", "--end", "so"], env=box.env,
                         stdout=subprocess.PIPE, check=True, timeout=GUARD).stdout.decode()
    assert out == "some-name\n:4\n"
