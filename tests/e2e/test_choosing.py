# SPDX-License-Identifier: Apache-2.0
"""Which method is taken, what is asked before it, and what is said when none is left."""
import contextlib
import json
import os
import re
import signal
import socket
import time

import pytest

from cluster import PATIENCE
from conftest import GUARD, in_netns, leftovers, tshark, wait_until

SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
STRICT = {"runAsNonRoot": True, "runAsUser": 1000, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
          "seccompProfile": {"type": "RuntimeDefault"}}
NOEXEC = {"containers": [{**SLEEP, "securityContext": {"readOnlyRootFilesystem": True},
                          "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}]}],
          "volumes": [{"name": "scratch", "emptyDir": {"noexec": True}}]}
METHODS = ["upload", "node", "ephemeral"]
REVIEW = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SHORT = ["--duration", "300ms"]


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "x.pcapng")


@pytest.fixture
def strangers(sandbox):
    assert sandbox.call("POST", "/sandbox/strangers")[0] in (200, 201)
    wait_until(lambda: ("default", "static-node1") in sandbox.pods() and sandbox.get(
        "/api/v1/namespaces/default/pods/static-node1")["status"]["phase"] == "Running", "the static pod")
    yield
    sandbox.call("DELETE", "/sandbox/strangers")
    wait_until(lambda: ("default", "static-node1") not in sandbox.pods(), "the static pod's end")


@contextlib.contextmanager
def any_pod(cluster, name, namespace=None, **spec):
    """A pod that need not run."""
    cluster.create_pod(name, namespace, wait=False, **spec)
    try:
        yield
    finally:
        cluster.delete_pod(name, namespace)
        wait_until(lambda: cluster.call("GET", cluster.path("pods", name, namespace))[0] == 404, "its end")


def phase_of(cluster, name):
    return cluster.pod_object(name)["status"]["phase"]


@contextlib.contextmanager
def crashing(cluster):
    def waits():
        status = cluster.pod_object("crasher")["status"]
        return any("waiting" in c["state"] and c["restartCount"] for c in status.get("containerStatuses", []))
    with any_pod(cluster, "crasher", containers=[{**SLEEP, "image": cluster.image, "command": ["sh", "-c", "exit 3"]}]):
        wait_until(waits, "its crashes", PATIENCE)
        yield waits


@contextlib.contextmanager
def requests(cluster):
    """Gives a list that has, in the end, the requests that were made meanwhile, where they can be known."""
    if not cluster.here:
        yield []
        return
    asked, before = [], len(cluster.get("/sandbox/requests"))
    yield asked
    asked += [line.partition("?")[0] for line in cluster.get("/sandbox/requests")[before:] if " /sandbox/" not in line]


def changes(asked):
    """Those that change something, or run something in a container."""
    return [line for line in asked if line != REVIEW and (not line.startswith("GET ") or line.endswith("/exec"))]


def reviews_before(asked, what):
    """How many reviews were asked for before the first such request."""
    first = next(i for i, line in enumerate(asked) if re.fullmatch(what, line))
    return asked[:first].count(REVIEW)


def state_of(cluster):
    """Every pod and ConfigMap, with everything that is said of it: of the namespace alone where others have theirs."""
    return {(item["metadata"]["namespace"], item["metadata"]["name"]): item for resource in ("pods", "configmaps")
            for item in cluster.get(f"/api/v1/{resource}" if cluster.here else cluster.path(resource))["items"]}


def rows_of(table):
    """The table that is printed: {method: (verdict, [what], [who])}."""
    rows, parts, place = {}, None, None
    for line in table.splitlines():
        head, text = line[:23].split(), line[23:]
        if head:
            parts = rows[head[0]] = (head[1], [], [])
        if text.startswith("-> "):
            place = parts[2]
            place.append(text[3:])
        elif line.startswith(" " * 26) and place is parts[2]:
            place[-1] += " " + text.strip()
        elif text:
            place = parts[1]
            place.append(text)
        assert len(line) <= 100 and text == text.rstrip(), line
    return rows


def infos(err):
    return [line.partition("] ")[2] for line in err.splitlines() if line.startswith("INFO[")]


def captures(cluster, ksniff, out, name, *flags, namespace=None):
    """Captures three packets of that pod. Returns the method that served, and the client's messages."""
    with ksniff.capturing(name, "-n", namespace or cluster.namespace, "-f", "udp port 4300", "-o", out, *flags) as process:
        cluster.datagrams(name, 4300, namespace=namespace)
        err = ksniff.stop(process)
    assert len(tshark(out, "frame.number", display="udp.dstport == 4300 and not icmp")) == 3
    return method_of(out), err


def method_of(path):
    with open(path, "rb") as file:
        return re.search(rb"method: (\w+)", file.read())[1].decode()


def moved_once(err, method, reason):
    """One INFO line tells of the other method, and why."""
    told = [line for line in infos(err) if "method" in line]
    assert len(told) == 1 and told[0].startswith(f"using the {method} method (") and reason in told[0], err
    assert not [line for line in err.splitlines() if line.startswith("WARN[") and "which has a shell" not in line]
    assert "error" not in err


# ---- the order ----

def test_upload_is_the_first(sandbox, ksniff, out):
    with requests(sandbox) as asked:
        method, err = captures(sandbox, ksniff, out, "web")
    assert method == "upload" and not [line for line in infos(err) if "method" in line]
    assert changes(asked) == ["GET /api/v1/namespaces/default/pods/web/exec"]
    assert reviews_before(asked, ".*/exec") == asked.count(REVIEW) == 2


def test_node_is_the_second(sandbox, ksniff, out):
    """Its rights are asked for before there is any object of ours."""
    with requests(sandbox) as asked:
        method, err = captures(sandbox, ksniff, out, "nonroot")
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")
    assert method == "node"
    moved_once(err, "node", "user 1000")
    assert changes(asked)[0] == "POST /api/v1/namespaces/default/configmaps"
    # Both of exec, and the node method's six.
    assert reviews_before(asked, "POST .*/configmaps") == asked.count(REVIEW) == 8


def test_ephemeral_is_the_third(sandbox, ksniff, out):
    with sandbox.running_pod("guarded", "baseline", containers=[{**SLEEP, "securityContext": {"runAsUser": 1000}}]):
        with requests(sandbox) as asked:
            method, err = captures(sandbox, ksniff, out, "guarded", namespace="baseline")
        assert method == "ephemeral"
        moved_once(err, "ephemeral", "upload: container \"app\" runs as user 1000")
        assert "; node: namespace \"baseline\" enforces" in err
        # What is added can never be removed: an exec is tried first.
        trial, change, *_ = changes(asked)
        assert trial == "GET /api/v1/namespaces/baseline/pods/guarded/exec"
        assert change == "PATCH /api/v1/namespaces/baseline/pods/guarded/ephemeralcontainers"
        assert reviews_before(asked, "PATCH .*") == asked.count(REVIEW) == 9


def test_both_verbs_of_exec_are_asked_for(sandbox, ksniff, out):
    """"create" is enough, and has the exec go by SPDY at once; "get" is for servers that want no more by WebSocket;
    without both there is no attempt."""
    pods = {"verbs": ["get"], "resources": ["pods"]}
    for verb in ("create", "get"):
        config = sandbox.kubeconfig_for("only-" + verb, [pods, {"verbs": [verb], "resources": ["pods/exec"]}])
        with sandbox.faults(exec_verb=verb), requests(sandbox) as asked:
            result = ksniff.run("web", "--kubeconfig", config, "-o", out, *SHORT)
        assert result.code == 0, result.err
        assert reviews_before(asked, ".*/exec") == 2
        execs = [line.split()[0] for line in asked if line.endswith("/exec")]
        assert set(execs) == {"POST" if verb == "create" else "GET"}
    config = sandbox.kubeconfig_for("no-exec", [pods])
    with requests(sandbox) as asked:
        result = ksniff.run("web", "--kubeconfig", config, "-o", out)
    assert result.code == 1 and not changes(asked)


def test_rights_to_one_pod_by_its_name(sandbox, ksniff, out):
    """A role may have resourceNames: it allows nothing where no name is said, so that the reviews must say it."""
    names = {"resourceNames": ["named"]}
    config = sandbox.kubeconfig_for("by-name", [
        {"verbs": ["get"], "resources": ["pods"]}, {"verbs": ["create", "get"], "resources": ["pods/exec"], **names},
        {"verbs": ["patch"], "resources": ["pods/ephemeralcontainers"], **names}])
    flags = ["--kubeconfig", config]
    with sandbox.running_pod("named", containers=[SLEEP]):
        with requests(sandbox) as asked:
            assert captures(sandbox, ksniff, out, "named", *flags)[0] == "upload"
        assert reviews_before(asked, ".*/exec") == 4
    with sandbox.running_pod("named", containers=[{**SLEEP, "securityContext": {"runAsUser": 1000}}]):
        assert captures(sandbox, ksniff, out, "named", *flags)[0] == "ephemeral"
    with requests(sandbox) as asked:
        result = ksniff.run("web", *flags, "-o", out)
    assert result.code == 1 and not changes(asked)


def test_reviews_that_are_not_answered(sandbox, ksniff, out):
    """Then the attempt decides."""
    with sandbox.faults(request_error={"path": "selfsubjectaccessreviews", "code": 500, "message": "out of order"}):
        rows = rows_of(ksniff.run("web", "--check").out.decode())
        assert [row[0] for row in rows.values()] == ["maybe"] * 3
        assert captures(sandbox, ksniff, out, "web")[0] == "upload"
        assert captures(sandbox, ksniff, out, "distroless")[0] == "node"
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


# ---- what only the attempt can tell ----

@pytest.mark.needs("create configmaps")
def test_no_shell(cluster, ksniff, out):
    cluster.needs_pod("distroless")
    method, err = captures(cluster, ksniff, out, "distroless")
    assert method == "node"
    moved_once(err, "node", 'upload: container "app" of pod "distroless" has neither a shell nor tar')
    wait_until(lambda: not leftovers(cluster), "a clean cluster")


def test_noexec(sandbox, ksniff, out):
    with sandbox.running_pod("noexec", **NOEXEC):
        method, err = captures(sandbox, ksniff, out, "noexec")
        assert method == "node"
        moved_once(err, "node", "(noexec)")
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_net_raw_that_nothing_in_the_spec_tells_of(sandbox, ksniff, out):
    """As with runtimes that do not give it: what the shell starts is root, and has it for another namespace only."""
    with sandbox.running_pod("plain", containers=[SLEEP]):
        shell = os.path.join(sandbox.rootfs("plain", "app"), "bin", "sh")
        os.unlink(shell)
        with open(shell, "w", encoding="ascii") as file:
            file.write('#!/bin/busybox sh\nexec /bin/busybox unshare -r /bin/busybox sh "$@"\n')
        os.chmod(shell, 0o755)
        assert ksniff.run("plain", "--check").out.startswith(b"upload     possible\n")
        method, err = captures(sandbox, ksniff, out, "plain")
        assert method == "node"
        moved_once(err, "node", "lacks the capability NET_RAW")
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_two_attempts_in_vain(sandbox, ksniff, out):
    """The upload and the node method are both refused by what nobody could have asked for."""
    fault = {"path": "/configmaps$", "code": 403, "reason": "Forbidden", "message": "a webhook \x1b[31mdenied it"}
    with sandbox.running_pod("shellless", containers=[{"name": "app", "image": "registry.local/distroless-http:1"}]):
        with sandbox.faults(request_error=fault):
            method, err = captures(sandbox, ksniff, out, "shellless")
        assert method == "ephemeral"
        first, second = [line for line in infos(err) if "method" in line]
        assert first.startswith("using the node method (upload: ")
        assert second.startswith("using the ephemeral method (upload: ") and r"a webhook \x1b[31mdenied it" in second


@pytest.mark.parametrize("runtime", ["cri-o", "docker"])
def test_a_program_that_is_not_there_in_other_words(sandbox, ksniff, out, runtime):
    """Not every runtime tells it in the Status of the exec: CRI-O and Docker do in the output, each its own way."""
    app = {"name": "app", "image": "registry.local/distroless-http:1", "securityContext": {"capabilities": {"add": ["NET_RAW"]}}}
    with sandbox.faults(runtime=runtime), sandbox.running_pod("shellless", containers=[app]):
        method, err = captures(sandbox, ksniff, out, "shellless")
    assert method == "node"
    moved_once(err, "node", 'upload: container "app" of pod "shellless" has neither a shell nor tar')
    with sandbox.faults(runtime=runtime), sandbox.running_pod("tarred", containers=[{**app, "image": "registry.local/tar-only:1"}]):
        method, err = captures(sandbox, ksniff, out, "tarred", "-v")
    assert method == "upload" and "has no shell: trying tar" in err


def test_exec_forbidden_in_the_pods_namespace_only(sandbox, ksniff, out):
    """The helper's namespace is one where it is allowed."""
    config = sandbox.kubeconfig_for("elsewhere", [
        {"verbs": ["get"], "resources": ["pods"]},
        {"verbs": ["*"], "resources": ["pods", "pods/exec", "configmaps"], "namespace": "kube-system"}])
    flags = ["--kubeconfig", config, "--node-namespace", "kube-system"]
    method, err = captures(sandbox, ksniff, out, "web", *flags)
    assert method == "node"
    moved_once(err, "node", 'upload: needs: create pods/exec in namespace "default"')
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")
    rows = rows_of(ksniff.run("web", "--check", *flags).out.decode())
    assert [rows[name][0] for name in METHODS] == ["impossible", "maybe", "impossible"]


def test_exec_that_turns_out_to_be_forbidden(sandbox, ksniff, out):
    """Every method needs it in this namespace: nothing is made for the others any more."""
    config = sandbox.kubeconfig_for("half-exec", [
        {"verbs": ["*"], "resources": ["pods", "configmaps", "pods/ephemeralcontainers"]},
        {"verbs": ["get"], "resources": ["pods/exec"]}])
    with sandbox.running_pod("plain", containers=[SLEEP]):
        with requests(sandbox) as asked:
            result = ksniff.run("plain", "--kubeconfig", config, "-o", out)
        assert result.code == 1 and "needs: create pods/exec" in result.err
        assert changes(asked) == [method + " /api/v1/namespaces/default/pods/plain/exec" for method in ("GET", "POST")]


def test_helper_that_does_not_start(sandbox, ksniff, out):
    """Its node does not start it in time: the ephemeral container is another way."""
    with sandbox.running_pod("shellless", containers=[{"name": "app", "image": "registry.local/distroless-http:1"}]):
        with sandbox.faults(hold_pods=True):
            method, err = captures(sandbox, ksniff, out, "shellless", "--pod-creation-timeout", "8s")
        assert method == "ephemeral" and "the start of the helper pod took too long" in err


# ---- none is left ----

def test_none_is_left(sandbox, ksniff, out):
    containers = [{**SLEEP, "securityContext": STRICT}]
    with sandbox.running_pod("strict", "restricted", containers=containers):
        with requests(sandbox) as asked:
            result = ksniff.run("strict", "-n", "restricted", "-o", out)
        assert result.code == 1 and not result.out and not os.path.exists(out) and not changes(asked)
        lines = [line for line in result.err.splitlines() if not line.startswith("INFO[")]
        assert lines[-1].startswith('error: no method can capture pod "strict" (')
        assert sum("error: " in line for line in lines) == 1
        rows = rows_of("\n".join(lines[:-1]))
        assert list(rows) == METHODS
        for verdict, what, who in rows.values():
            assert verdict == "impossible" and what and who
        assert "whoever deploys the pod" in rows["upload"][2][0] and "NET_RAW" in " ".join(rows["upload"][1])
        assert "--node-namespace" in rows["node"][2][0] and "a cluster administrator" in rows["ephemeral"][2][0]
        # The same as a check prints.
        assert "\n".join(lines[:-1]) + "\n" == ksniff.run("strict", "-n", "restricted", "--check").out.decode()
        # And there is a way, as the table says.
        flags = ["--node-namespace", "kube-system"]
        assert captures(sandbox, ksniff, out, "strict", *flags, namespace="restricted")[0] == "node"
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_none_is_left_after_attempts(sandbox, ksniff, out):
    missing = [name for image in sandbox.get("/api/v1/nodes/node1")["status"]["images"] for name in image["names"]]
    with sandbox.running_pod("shellless", containers=[{"name": "app", "image": "registry.local/distroless-http:1"}]):
        with sandbox.faults(images_missing=missing + ["busybox"]):
            result = ksniff.run("shellless", "-o", out)
        assert result.code == 1 and not os.path.exists(out)
        lines = [line for line in result.err.splitlines() if not line.startswith("INFO[")]
        assert lines[-1].startswith('error: no method can capture pod "shellless" (')
        rows = rows_of("\n".join(lines[:-1]))
        assert list(rows) == METHODS and {row[0] for row in rows.values()} == {"failed"}
        assert "neither a shell nor tar" in rows["upload"][1][0]
        assert "ErrImageNeverPull" in " ".join(rows["node"][1]) and "--image" in rows["node"][2][0]
        assert "ErrImagePull" in " ".join(rows["ephemeral"][1]) and "--image" in rows["ephemeral"][2][0]
        # No image is tried twice.
        tried = re.findall(r"image '([^']+)' cannot be started on node", result.err)
        tried += re.findall(r'at last from "([^"]+)"', " ".join(rows["node"][1]))
        assert len(tried) == len(set(tried)) > 1, tried
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


# ---- one method and nothing else ----

def test_privileged_alone_means_node(sandbox, ksniff, out):
    with sandbox.running_pod("guarded", "baseline", containers=[SLEEP]):
        with requests(sandbox) as asked:
            error = ksniff.fail("guarded", "-n", "baseline", "-p", "-o", out)
        assert error.startswith('the node method cannot capture pod "guarded": namespace "baseline" enforces Pod Security')
        assert not changes(asked)
    with requests(sandbox) as asked:
        error = ksniff.fail("web", "-p", "--image", "registry.local/absent:1", "-o", out)
    assert "the helper pod cannot be started" in error
    assert not [line for line in changes(asked) if line.endswith(("/exec", "/ephemeralcontainers"))]
    assert ksniff.run("web", "-p", "--check").out == b"node       possible\n"
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


@pytest.mark.parametrize("method, reason", [
    ("upload", 'container "app" runs as user 1000'),
    ("ephemeral", 'namespace "restricted" enforces Pod Security "restricted", which forbids NET_RAW'),
    ("node", 'namespace "restricted" enforces Pod Security "restricted", which forbids the helper pod')])
def test_forced_method_that_is_impossible(sandbox, ksniff, out, method, reason):
    with sandbox.running_pod("strict", "restricted", containers=[{**SLEEP, "securityContext": STRICT}]):
        with requests(sandbox) as asked:
            error = ksniff.fail("strict", "-n", "restricted", "--method", method, "-o", out)
        assert error.startswith(f'the {method} method cannot capture pod "strict": {reason}')
        assert not changes(asked) and not os.path.exists(out)
        result = ksniff.run("strict", "-n", "restricted", "--method", method, "--check")
        assert result.code == 1 and list(rows_of(result.out.decode())) == [method]


def test_forced_method_that_fails(sandbox, ksniff, out):
    """What only the attempt can tell does not move on either."""
    with requests(sandbox) as asked:
        error = ksniff.fail("distroless", "--method", "upload", "-o", out)
    assert "has neither a shell nor tar" in error
    assert set(changes(asked)) == {"GET /api/v1/namespaces/default/pods/distroless/exec"}
    fault = {"path": "/ephemeralcontainers$", "code": 403, "reason": "Forbidden", "message": "a webhook denied it"}
    with sandbox.faults(request_error=fault), requests(sandbox) as asked:
        assert "a webhook denied it" in ksniff.fail("web", "--method", "ephemeral", "-o", out)
    # Again without NET_RAW, which may have been the reason.
    assert changes(asked) == ["GET /api/v1/namespaces/default/pods/web/exec"] + [
        "PATCH /api/v1/namespaces/default/pods/web/ephemeralcontainers"] * 2


@pytest.mark.parametrize("words, says", [(["web", "-p", "--method", "upload"], "-p contradicts --method upload"),
                                         (["web", "--method", "best"], "--method takes auto, "),
                                         (["web", "--check=yaml"], "--check takes json"),
                                         (["--check"], "no pod is named"),
                                         (["node/node1", "--method", "upload"], "the node method only")])
def test_usage(ksniff, out, words, says):
    assert says in ksniff.fail(*words, "-o", out, code=2)


# ---- --check ----

def check(cluster, ksniff, *words):
    """The exit code and the rows of a check, which changes nothing."""
    before = state_of(cluster)
    with requests(cluster) as asked:
        result = ksniff.run(*words, "--check")
        as_json = ksniff.run(*words, "--check=json")
    after = state_of(cluster)
    before.pop((cluster.namespace, "crasher"), None)
    after.pop((cluster.namespace, "crasher"), None)
    assert before == after and not changes(asked), changes(asked)
    assert result.code == as_json.code and not result.err and not as_json.err, result.err + as_json.err
    rows, whole = rows_of(result.out.decode()), json.loads(as_json.out)
    assert list(whole) == ["namespace", "pod", "container", "node", "works", "methods"]
    assert whole["works"] is (result.code == 0)
    assert [method["name"] for method in whole["methods"]] == list(rows)
    for method in whole["methods"]:
        assert list(method) == ["name", "verdict", "obstacles"]
        verdict, what, _ = rows[method["name"]]
        assert method["verdict"] == verdict
        assert all(list(obstacle) == ["what", "who"] and all(obstacle.values()) for obstacle in method["obstacles"])
        if method["obstacles"]:
            assert " ".join(obstacle["what"] for obstacle in method["obstacles"]) == " ".join(what)
    return result.code, rows, whole


def verdicts(rows):
    return [rows[name][0] for name in METHODS]


@pytest.mark.parametrize("name", ["web", "distroless", "hostnet", "pod/web"])
def test_check_of_what_works(cluster, ksniff, name):
    """Whether there is a shell is nothing that could be asked."""
    pod = name.rpartition("/")[2]
    cluster.needs_pod(pod)
    code, rows, whole = check(cluster, ksniff, name)
    assert code == 0 and (rows == {method: ("possible", [], []) for method in METHODS} or
                          not cluster.here and set(verdicts(rows)) <= {"possible", "maybe"})  # as CRI-O is
    assert (whole["namespace"], whole["pod"], whole["node"]) == (cluster.namespace, pod, cluster.node_of(pod))


def test_check_of_a_user_that_is_not_root(cluster, ksniff):
    code, rows, _ = check(cluster, ksniff, "nonroot")
    assert code == 0 and verdicts(rows) == ["impossible", "possible", "possible"]
    text = "\n".join(rows["upload"][1])
    assert "runs as user 1000" in text and "lacks the capability NET_RAW" in text and "read-only root file system" in text
    assert rows["upload"][2] == ["whoever deploys the pod: its securityContext",
                                 "whoever deploys the pod: an emptyDir; or you, if you know a path: -r"]


def test_check_under_pod_security(sandbox, ksniff):
    with sandbox.running_pod("guarded", "baseline", containers=[SLEEP]), \
            sandbox.running_pod("strict", "restricted", containers=[{**SLEEP, "securityContext": STRICT}]):
        code, rows, _ = check(sandbox, ksniff, "guarded", "-n", "baseline")
        assert code == 0 and verdicts(rows) == ["possible", "impossible", "possible"]
        code, rows, _ = check(sandbox, ksniff, "strict", "-n", "restricted")
        assert code == 1 and verdicts(rows) == ["impossible"] * 3
        code, rows, _ = check(sandbox, ksniff, "strict", "-n", "restricted", "--node-namespace", "kube-system")
        assert code == 0 and verdicts(rows) == ["impossible", "possible", "impossible"]


def test_check_of_a_pod_that_crashes(cluster, ksniff):
    with crashing(cluster) as waits, cluster.faults(hold_starts=True) if cluster.here else contextlib.nullcontext():
        wait_until(waits, "the end of the try that was going on", PATIENCE)
        code, rows, _ = check(cluster, ksniff, "crasher")
        assert code == 0 and verdicts(rows) == ["impossible", "possible", "possible"]
        assert 'container "app" is not running (' in rows["upload"][1][0]


def test_check_with_few_rights(sandbox, ksniff):
    code, rows, _ = check(sandbox, ksniff, "web", "--context", "viewer")
    assert code == 1 and verdicts(rows) == ["impossible"] * 3
    exec_right = 'needs: create pods/exec in namespace "default"'
    assert rows["upload"][1] == [exec_right]
    assert rows["node"][1] == [exec_right] + [f'needs: {right} in namespace "default"' for right in
                                        ("create configmaps", "patch configmaps", "create pods", "delete pods",
                                         "delete configmaps")]
    assert rows["ephemeral"][1] == [exec_right, 'needs: patch pods/ephemeralcontainers in namespace "default"']
    for name in METHODS:
        assert f"/share/doc/kubectl-sniff/docs/rbac/{name}.yaml" in rows[name][2][0]
    error = ksniff.fail("node/node1", "--check", "--context", "viewer")
    assert "needs: get nodes" in error


def test_check_on_crio(sandbox, ksniff, out):
    """Nothing in the pod tells that it lacks NET_RAW there: no promise is made, and the attempt finds out."""
    reason = 'container "app" may lack the capability NET_RAW: CRI-O does not give it by default'
    config = sandbox.kubeconfig_for("no-nodes", [
        {"verbs": ["*"], "resources": ["pods", "pods/exec", "pods/ephemeralcontainers", "configmaps"]}])
    with sandbox.faults(runtime="cri-o"), sandbox.running_pod("ocp", containers=[SLEEP]), \
            sandbox.running_pod("guarded", "baseline", containers=[SLEEP]):
        code, rows, whole = check(sandbox, ksniff, "ocp")
        assert code == 0 and verdicts(rows) == ["maybe", "possible", "possible"]
        assert whole["methods"][0]["obstacles"][0]["what"] == reason
        assert rows["upload"][2] == ["whoever deploys the pod: capabilities.add in its securityContext"]
        # The node may not be read: the container's id tells.
        rows = rows_of(ksniff.run("ocp", "--check", "--kubeconfig", config).out.decode())
        assert (rows["upload"][0], " ".join(rows["upload"][1])) == ("maybe", reason)
        _, rows, _ = check(sandbox, ksniff, "guarded", "-n", "baseline")
        assert verdicts(rows) == ["maybe", "impossible", "maybe"]
        assert 'Pod Security "baseline", and CRI-O does not give it' in " ".join(rows["ephemeral"][1])
        method, err = captures(sandbox, ksniff, out, "ocp")
        assert method == "node"
        moved_once(err, "node", 'upload: container "app" of pod "ocp" may not capture: it lacks the capability NET_RAW')
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")
    with sandbox.running_pod("plain", containers=[SLEEP]):
        assert check(sandbox, ksniff, "plain")[1]["upload"] == ("possible", [], [])


def test_check_on_autopilot(sandbox, ksniff):
    """GKE's admission leaves its marks on the pods that it admits."""
    metadata = {"annotations": {"autopilot.gke.io/warden-version": "2.7.41"}}
    with sandbox.running_pod("pilot", metadata=metadata, containers=[SLEEP]):
        code, rows, _ = check(sandbox, ksniff, "pilot")
    assert code == 0 and verdicts(rows) == ["maybe"] * 3
    assert all("GKE Autopilot" in " ".join(rows[name][1]) and rows[name][2] for name in METHODS)


@pytest.mark.needs("get nodes")
def test_check_of_a_node(cluster, ksniff):
    node = cluster.node_of("web")
    code, rows, whole = check(cluster, ksniff, "node/" + node)
    assert code == 0 and rows == {"node": ("possible", [], [])}
    assert (whole["namespace"], whole["pod"], whole["container"], whole["node"]) == (None, None, None, node)


def test_check_of_strangers(sandbox, ksniff, strangers):
    code, rows, _ = check(sandbox, ksniff, "vkpod")
    assert code == 1 and verdicts(rows) == ["impossible"] * 3
    assert all("virtual kubelet" in rows[name][1][0] and "nobody" in rows[name][2][0] for name in METHODS)
    code, rows, _ = check(sandbox, ksniff, "static-node1")
    assert code == 0 and verdicts(rows) == ["possible", "possible", "impossible"]
    assert "static pod" in rows["ephemeral"][1][0]
    for name in ("winpod", "node/win1"):
        assert "Windows" in ksniff.fail(name, "--check")
    assert "virtual kubelet" in ksniff.fail("node/virtual1", "--check")


@pytest.mark.parametrize("words, named, says", [
    (["nosuch"], {"namespace": "default", "pod": "nosuch", "node": None}, 'pods "nosuch" not found in namespace "default"'),
    (["winpod"], {"namespace": "default", "pod": "winpod", "node": None}, "Windows"),
    (["node/win1"], {"namespace": None, "pod": None, "node": "win1"}, "Windows"),
    (["web", "-c", "nosuch"], {"namespace": "default", "pod": "web", "container": "nosuch"}, 'no container "nosuch"')])
def test_check_of_what_is_refused(ksniff, strangers, words, named, says):
    """A script gets its JSON also where no method was asked about."""
    result = ksniff.run(*words, "--check=json")
    whole = json.loads(result.out)
    assert result.code == 1 and "error: " in result.err
    assert list(whole) == ["namespace", "pod", "container", "node", "works", "methods", "error", "remedy"]
    assert {key: whole[key] for key in named} == named
    assert (whole["works"], whole["methods"]) == (False, []) and says in whole["error"]


def test_a_pod_of_the_name_check(cluster, ksniff, out):
    for name in ("check", "cleanup"):
        with cluster.running_pod(name, containers=[{**SLEEP, "image": cluster.image}]):
            assert captures(cluster, ksniff, out, name)[0] == "upload"
            assert check(cluster, ksniff, name)[0] == 0
            assert check(cluster, ksniff, "pod/" + name)[0] == 0


# ---- other targets ----

def refused(cluster, ksniff, out, name, *flags):
    """Nothing is tried. Returns the error."""
    with requests(cluster) as asked:
        error = ksniff.fail(name, "-o", out, *flags)
    assert not changes(asked) and not os.path.exists(out)
    return error


def test_windows(sandbox, ksniff, out, strangers):
    for flags in ([], ["-p"], ["--method", "ephemeral"]):
        assert refused(sandbox, ksniff, out, "winpod", *flags) == 'pod "winpod" runs on Windows, which has no AF_PACKET'
    assert refused(sandbox, ksniff, out, "node/win1") == 'node "win1" runs Windows, which has no AF_PACKET'


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_virtual_kubelet(sandbox, ksniff, out, strangers, method):
    result = ksniff.run("vkpod", "-o", out, "--method", method)
    assert result.code == 1 and "virtual kubelet" in result.err, result.err
    assert "virtual kubelet" in refused(sandbox, ksniff, out, "node/virtual1")


def test_pod_that_has_ended(cluster, ksniff, out):
    for command, phase in (("true", "Succeeded"), ("false", "Failed")):
        with any_pod(cluster, "done", restartPolicy="Never", containers=[{**SLEEP, "image": cluster.image, "command": [command]}]):
            wait_until(lambda: phase_of(cluster, "done") == phase, "its end")
            for flags in ([], ["--wait=1s"], ["-p"]):
                error = refused(cluster, ksniff, out, "done", *flags)
                assert error.startswith(f'pod "done" has ended ({phase})') and "nothing left to capture" in error


@contextlib.contextmanager
def leaving(sandbox, name):
    """A pod that is being deleted, and takes its time: its process heeds no SIGTERM."""
    sandbox.create_pod(name, containers=[SLEEP], terminationGracePeriodSeconds=60)
    try:
        assert sandbox.call("DELETE", f"/api/v1/namespaces/default/pods/{name}")[0] == 200
        yield
    finally:
        sandbox.call("DELETE", f"/api/v1/namespaces/default/pods/{name}?gracePeriodSeconds=0")
        wait_until(lambda: ("default", name) not in sandbox.pods(), "its end")


def test_pod_that_is_being_deleted(sandbox, ksniff, out):
    """It takes no ephemeral container; what runs in it can be watched to its end."""
    with leaving(sandbox, "leaving"):
        error = refused(sandbox, ksniff, out, "leaving", "--method", "ephemeral")
        assert error.startswith('the ephemeral method cannot capture pod "leaving": pod "leaving" is being deleted (')
        code, rows, _ = check(sandbox, ksniff, "leaving")
        assert code == 0 and verdicts(rows) == ["possible", "possible", "impossible"]
        assert captures(sandbox, ksniff, out, "leaving")[0] == "upload"


def test_pod_that_is_deleted_meanwhile(sandbox, ksniff, out):
    """While an exec was tried. The kubelet starts nothing in it any more, without a word."""
    sandbox.create_pod("parting", containers=[SLEEP], terminationGracePeriodSeconds=60)
    try:
        with sandbox.faults(exec_delay_ms=3000):
            process = ksniff.start("parting", "--method", "ephemeral", "-o", out)
            wait_until(lambda: any("/parting/exec?" in line for line in sandbox.get("/sandbox/requests")), "the trial")
            assert sandbox.call("DELETE", "/api/v1/namespaces/default/pods/parting")[0] == 200
            err = process.communicate(timeout=GUARD)[1].decode()
        assert process.returncode == 1
        assert 'error: pod "parting" is being deleted, and takes no container any more' in err, err
    finally:
        sandbox.call("DELETE", "/api/v1/namespaces/default/pods/parting?gracePeriodSeconds=0")
        wait_until(lambda: ("default", "parting") not in sandbox.pods(), "its end")


@pytest.mark.parametrize("resource", ["pods", "configmaps"])
def test_quota_that_counts(sandbox, ksniff, out, resource):
    """Other --requests are no remedy."""
    path = "/api/v1/namespaces/default/resourcequotas"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {resource: "0"}}}
    assert sandbox.call("POST", path, quota)[0] == 201
    try:
        error = ksniff.fail("web", "-p", "-o", out)
    finally:
        sandbox.call("DELETE", path + "/none")
    assert f"exceeded quota: none, requested: {resource}=1, used: {resource}=" in error and "--requests" not in error
    assert f"(the quota counts {resource}, however little they ask for: have it raised, " in error
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_openshift(sandbox, ksniff, out):
    """Its constraints refuse the helper and the ephemeral container."""
    says = ('pods "x" is forbidden: unable to validate against any security context constraint: [provider "anyuid": '
            "Forbidden: not usable by user or serviceaccount, provider restricted-v2: .containers[0].runAsUser: Invalid "
            "value: 0: must be in the ranges: [1000680000, 1000689999]]")
    for flags, path, remedy in (
            (["-p", "-s", "default"], "/pods$", "oc adm policy add-scc-to-user privileged -z default -n default)"),
            (["--method", "ephemeral"], "/ephemeralcontainers$", "(OpenShift: the pod's service account, or you, ")):
        with sandbox.faults(request_error={"path": path, "code": 403, "reason": "Forbidden", "message": says}):
            error = ksniff.fail("web", *flags, "-o", out)
        assert "unable to validate against any security context constraint" in error and remedy in error
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_pod_without_a_node(sandbox, ksniff, out):
    with sandbox.faults(hold_scheduling=True), any_pod(sandbox, "homeless", containers=[SLEEP]):
        for flags in ([], ["-p"], ["--check"]):
            error = ksniff.fail("homeless", *flags) if flags == ["--check"] else \
                refused(sandbox, ksniff, out, "homeless", *flags)
            assert error == ('pod "homeless" has not been scheduled to a node yet (--wait waits for it; see: kubectl '
                             'describe pod homeless -n default)')


@pytest.mark.parametrize("fault", ["hold_scheduling", "hold_pods"])
def test_wait(sandbox, ksniff, out, fault):
    with contextlib.ExitStack() as stack:
        with sandbox.faults(**{fault: True}):
            stack.enter_context(any_pod(sandbox, "late", containers=[SLEEP]))
            process = ksniff.start("late", "--wait", "-o", out, *SHORT)
            head = b""
            while b"waiting for pod 'late'" not in head:
                head += process.stderr.readline()
            time.sleep(1)
            assert process.poll() is None and phase_of(sandbox, "late") == "Pending"
        err = (head + process.communicate(timeout=GUARD)[1]).decode()
        assert process.returncode == 0, err
        assert err.count("waiting for pod") == 1 and method_of(out) == "upload"
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_wait_through_a_bad_moment(sandbox, ksniff, out):
    """After hours, one 503 is no reason to give up; nor is that the server, just started, does not know the rights yet."""
    with sandbox.faults(hold_scheduling=True), any_pod(sandbox, "late", containers=[SLEEP]):
        process = ksniff.start("late", "--wait", "-vv", "--method", "upload", "-o", out, *SHORT)
        head = b""
        while b"waiting for pod" not in head:
            assert process.poll() is None
            head += process.stderr.readline()
        with sandbox.faults(hold_scheduling=True, request_error={"path": "/pods/late$", "code": 503}):
            while b"HTTP 503" not in head:
                assert process.poll() is None
                head += process.stderr.readline()
        with sandbox.faults(hold_scheduling=True, request_error={"path": "/pods/late$", "code": 403, "reason": "Forbidden"}):
            while head.count(b"HTTP 403") < 2:
                assert process.poll() is None
                head += process.stderr.readline()
        sandbox.call("PUT", "/sandbox/faults", {})
        err = (head + process.communicate(timeout=GUARD)[1]).decode()
        assert process.returncode == 0, err


def test_wait_in_vain(cluster, ksniff, out):
    """The scheduler's words tell why."""
    with any_pod(cluster, "picky", nodeSelector={"disk": "golden"}, containers=[{**SLEEP, "image": cluster.image}]):
        began = time.monotonic()
        error = refused(cluster, ksniff, out, "picky", "--wait=1s")
        assert time.monotonic() - began >= 1
        assert error.startswith('pod "picky" is still Pending: 0/') and "didn't match Pod's node affinity/selector" in error
        assert f"kubectl describe pod picky -n {cluster.namespace}" in error


def test_wait_for_an_image_in_vain(sandbox, ksniff, out):
    """The kubelet's reason is worth more than that the container is not ready."""
    with any_pod(sandbox, "imageless", containers=[{"name": "app", "image": "registry.local/absent:1"}]):
        error = refused(sandbox, ksniff, out, "imageless", "--wait=1s")
        assert error.startswith('pod "imageless" is still Pending: ')
        assert "ErrImagePull" in error or "ImagePullBackOff" in error


def test_wait_for_nothing_known(sandbox, ksniff, out):
    """No scheduler has looked at it: then there is no reason but that."""
    with sandbox.faults(hold_scheduling=True), any_pod(sandbox, "unseen", containers=[SLEEP]):
        error = refused(sandbox, ksniff, out, "unseen", "--wait=1s")
        assert error.startswith('pod "unseen" is still Pending') and "Pending: Pending" not in error


def test_interrupted_while_it_waits(sandbox, ksniff, out):
    with sandbox.faults(hold_scheduling=True), any_pod(sandbox, "late", containers=[SLEEP]):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = ksniff.start("late", "--wait", "-o", out)
            while b"waiting for pod" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(number)
            err = process.communicate(timeout=GUARD)[1].decode()
            assert process.returncode in (130, -number) and "Sanitizer" not in err, err
            assert number != signal.SIGINT or process.returncode == 130
            assert not os.path.exists(out)


def await_line(process, words):
    while True:
        line = process.stderr.readline().decode()
        assert line, f"no line with {words!r}"
        if words in line:
            return


def test_wait_for_a_pod_that_does_not_exist_yet(sandbox, ksniff, out):
    """Nor one of that name after it was deleted, as of a StatefulSet."""
    process = ksniff.start("late", "--wait=10m", "--count", "1", "-o", out)
    await_line(process, "waiting for pod 'late', which does not exist in namespace 'default' yet")
    with sandbox.faults(hold_scheduling=True):
        sandbox.create_pod("late", wait=False, containers=[SLEEP])
        await_line(process, "waiting for pod 'late': ")
        sandbox.delete_pod("late")
        await_line(process, "waiting for pod 'late', which does not exist in namespace 'default' yet")
    with sandbox.running_pod("late", containers=[SLEEP]):
        await_line(process, "selected container: ")
        await_line(process, "capturing;")
        with in_netns(sandbox.netns("late")):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.sendto(b"x", ("127.0.0.1", 9))
        err = process.communicate(timeout=GUARD)[1].decode()
        assert process.returncode == 0, err
    assert len(tshark(out, "frame.number")) == 1


def test_wait_for_a_pod_that_never_comes(sandbox, ksniff, out):
    error = refused(sandbox, ksniff, out, "absent", "--wait=1s", "-n", "shop")
    assert error == ('pod "absent" does not exist in namespace "shop" yet (list them with: kubectl get pods -n shop)')
    process = ksniff.start("absent", "--wait", "-o", out)
    await_line(process, "waiting for pod 'absent', which does not exist")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=GUARD)
    assert process.returncode == 130 and not os.path.exists(out)


@pytest.mark.parametrize("method", ["auto", "upload", "node"])
def test_mirror_pod(sandbox, ksniff, out, strangers, method):
    served, _ = captures(sandbox, ksniff, out, "static-node1", "--method", method)
    assert served == ("upload" if method == "auto" else method)
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_mirror_pod_takes_no_ephemeral_container(sandbox, ksniff, out, strangers):
    error = refused(sandbox, ksniff, out, "static-node1", "--method", "ephemeral")
    assert error.startswith('the ephemeral method cannot capture pod "static-node1": ')
    assert "static pods take no ephemeral containers" in error


def test_wait_for_what_runs(cluster, ksniff, out):
    assert ksniff.run("web", "--wait=5s", "--check").code == 0
    assert ksniff.run("web", "--wait", "-o", out, *SHORT).code == 0
