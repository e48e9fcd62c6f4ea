# SPDX-License-Identifier: Apache-2.0
"""The roles of docs/rbac: each suffices for its method, and has nothing that could be left out."""
import contextlib
import copy
import json
import os

import pytest
import yaml

from conftest import ROOT, leftovers, tshark, wait_until
from test_sandbox import kubectl

ROLES = os.path.join(ROOT, "docs", "rbac")
METHODS = ("upload", "node", "ephemeral")
ACCOUNT = "sniffer"
SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}


def role_of(name):
    with open(os.path.join(ROLES, name + ".yaml"), encoding="utf-8") as file:
        return yaml.safe_load(file)


def rights_of(name):
    """(verb, resource) of every rule, each once."""
    return list(dict.fromkeys((verb, resource) for rule in role_of(name)["rules"]
                              for resource in rule["resources"] for verb in rule["verbs"]))


def without(role, verb, resource):
    """The role, less one verb of one resource."""
    role = copy.deepcopy(role)
    rules = []
    for rule in role["rules"]:
        for each in rule["resources"]:
            verbs = [v for v in rule["verbs"] if (v, each) != (verb, resource)]
            if verbs:
                rules.append({"apiGroups": rule["apiGroups"], "resources": [each], "verbs": verbs})
    role["rules"] = rules
    return role


@contextlib.contextmanager
def account(sandbox, tmp_path, *grants):
    """A service account with these grants: (what `kubectl apply -f` takes, namespace). Gives its kubeconfig."""
    bindings = []
    # By the API, not by kubectl: old ones send protobuf for these.
    code, answer = sandbox.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": ACCOUNT}})
    assert code == 201, answer
    try:
        for file, namespace in grants:
            with open(file, encoding="utf-8") as opened:
                role = yaml.safe_load(opened)
            kind, name = role["kind"].lower(), role["metadata"]["name"]
            where = ["-n", namespace] if kind == "role" else []
            kubectl(sandbox, "apply", *where, "-f", str(file))
            bindings += [[kind, name, *where], [kind + "binding", name, *where]]
            binding = {"metadata": {"name": name},
                       "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": name},
                       "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "default"}]}
            path = f"namespaces/{namespace}/rolebindings" if where else "clusterrolebindings"
            code, answer = sandbox.call("POST", "/apis/rbac.authorization.k8s.io/v1/" + path, binding)
            assert code == 201, answer
        code, answer = sandbox.call("POST", f"/api/v1/namespaces/default/serviceaccounts/{ACCOUNT}/token",
                                    {"spec": {"expirationSeconds": 600}})
        assert code == 201, answer
        with open(sandbox.kubeconfig, encoding="utf-8") as file:
            config = json.load(file)
        config["users"] = [{"name": ACCOUNT, "user": {"token": answer["status"]["token"]}}]
        config["contexts"] = [{"name": ACCOUNT, "context": {"cluster": "sandbox", "user": ACCOUNT}}]
        config["current-context"] = ACCOUNT
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        yield str(path)
    finally:
        for words in bindings:
            kubectl(sandbox, "delete", *words, "--ignore-not-found", check=False)
        kubectl(sandbox, "delete", "serviceaccount", ACCOUNT)


def file_of(name):
    return os.path.join(ROLES, name + ".yaml")


@contextlib.contextmanager
def target_of(sandbox, method):
    """A pod for the method: one of its own where a container is added to it. In the end nothing is left."""
    if method != "ephemeral":
        yield "client"
    else:
        talk = ["sh", "-c", "while :; do nc -w 1 127.0.0.1 9; sleep 0.2; done"]
        with sandbox.running_pod("talker", containers=[{**SLEEP, "command": talk}]):
            yield "talker"
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def captures(sandbox, ksniff, tmp_path, config, pod, *flags):
    path = str(tmp_path / "x.pcapng")
    result = ksniff.run(pod, "--kubeconfig", config, "--count", "2", "-o", path, *flags)
    assert result.code == 0, result.err
    assert len(tshark(path, "frame.number")) == 2
    return result.err


def complaints(err):
    """Of rights that are missing. Who may not read nodes knows no image without a shell, and is told of that."""
    return [line for line in err.splitlines() if "orbidden" in line or
            (line.startswith("WARN[") and "which has a shell" not in line)]


@pytest.mark.parametrize("method", METHODS)
def test_suffices(sandbox, ksniff, tmp_path, method):
    """Whatever verb the server asks for at an exec: both as Kubernetes 1.36 does, or one of them."""
    with account(sandbox, tmp_path, (file_of(method), "default")) as config:
        with target_of(sandbox, method) as pod:
            for verb in ("both", "create", "get"):
                with sandbox.faults(exec_verb=verb, images_named={"registry.k8s.io/pause:3.10": "registry.local/pause:3.10"}):
                    err = captures(sandbox, ksniff, tmp_path, config, pod, "--method", method)
                    assert not complaints(err)
        # The role is of this one namespace.
        error = ksniff.fail("web", "-n", "shop", "--kubeconfig", config, "-o", str(tmp_path / "y"))
        assert "(needs: get pods)" in error and 'namespace "shop"' in error


def added_to(sandbox, pod):
    return sandbox.get(f"/api/v1/namespaces/default/pods/{pod}")["spec"].get("ephemeralContainers", [])


@pytest.mark.parametrize("method, verb, resource",
                         [(method, *right) for method in METHODS for right in rights_of(method)])
def test_nothing_can_be_left_out(sandbox, ksniff, tmp_path, method, verb, resource):
    """Without one of its verbs the method fails, and the message names what is missing."""
    lesser = tmp_path / "role.yaml"
    lesser.write_text(yaml.safe_dump(without(role_of(method), verb, resource)))
    with sandbox.faults(exec_verb="both"), account(sandbox, tmp_path, (lesser, "default")) as config, \
            target_of(sandbox, method) as pod:
        before = added_to(sandbox, pod)
        error = ksniff.fail(pod, "--kubeconfig", config, "--method", method, "--count", "2", "-o", str(tmp_path / "x"))
        assert f"needs: {verb} {resource}" in error
        assert not (tmp_path / "x").exists()
        # A container that cannot be used is not added, as far as that is known in advance.
        assert added_to(sandbox, pod) == before or resource == "pods/exec"


def test_get_alone_is_enough_for_old_servers(sandbox, ksniff, tmp_path):
    """Before 1.35 an exec by WebSocket wants no more: "create" is not demanded in advance. Where it is wanted, the
    message says so, whatever else was refused."""
    lesser = tmp_path / "role.yaml"
    role = without(role_of("upload"), "create", "pods/exec")
    role["rules"].append({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]})
    lesser.write_text(yaml.safe_dump(role))
    with account(sandbox, tmp_path, (lesser, "default")) as config:
        with sandbox.faults(exec_verb="get"):
            captures(sandbox, ksniff, tmp_path, config, "client", "--method", "upload")
        with sandbox.faults(exec_verb="both"):
            error = ksniff.fail("client", "--kubeconfig", config, "--method", "upload", "-o", str(tmp_path / "y"))
            assert "needs: create pods/exec" in error


def test_get_besides_lets_exec_go_by_websocket(sandbox, ksniff, tmp_path):
    """As the roles say: for what lets no SPDY through."""
    more = tmp_path / "role.yaml"
    role = role_of("upload")
    role["rules"].append({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]})
    more.write_text(yaml.safe_dump(role))
    with sandbox.faults(no_spdy=True), account(sandbox, tmp_path, (more, "default")) as config:
        captures(sandbox, ksniff, tmp_path, config, "client", "--method", "upload")


def test_exec_in_vain_with_the_node_method(sandbox, ksniff, tmp_path):
    """The helper is there already when the exec is refused: it goes again, and the text says what is missing."""
    lesser = tmp_path / "role.yaml"
    role = without(role_of("node"), "create", "pods/exec")
    role["rules"].append({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]})
    lesser.write_text(yaml.safe_dump(role))
    with sandbox.faults(exec_verb="create"), account(sandbox, tmp_path, (lesser, "default")) as config:
        error = ksniff.fail("client", "--kubeconfig", config, "-p", "-o", str(tmp_path / "x"))
        assert "needs: create pods/exec" in error
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_node_role_in_another_namespace(sandbox, ksniff, tmp_path):
    """As node.yaml says: the role elsewhere, and only "get pods" in the pod's namespace."""
    reader = tmp_path / "reader.yaml"
    reader.write_text(yaml.safe_dump({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}))
    grants = [(file_of("node"), "kube-system"), (reader, "default")]
    with account(sandbox, tmp_path, *grants) as config, target_of(sandbox, "node") as pod:
        captures(sandbox, ksniff, tmp_path, config, pod, "-p", "--node-namespace", "kube-system")
        # Without it the upload is not allowed and so passed over: the node method serves.
        err = captures(sandbox, ksniff, tmp_path, config, pod, "--node-namespace", "kube-system")
        assert "using the node method (upload: needs: " in err
        error = ksniff.fail(pod, "--kubeconfig", config, "-p", "-o", str(tmp_path / "y"))
        assert "needs: " in error and 'namespace "default"' in error


# ---- what may be had besides ----

OPTIONAL = [(file_of("node"), "default"), (file_of("optional"), None)]


def test_optional_role(sandbox, ksniff, tmp_path):
    """With it: the node's images, node/NAME as a target without its own stream, and the clean-up."""
    with account(sandbox, tmp_path, *OPTIONAL) as config:
        with target_of(sandbox, "node") as pod:
            err = captures(sandbox, ksniff, tmp_path, config, pod, "-p", "-v")
            assert "image 'registry.local/pause:3.10'" in err and "orbidden" not in err
            before = len(sandbox.get("/sandbox/requests"))
            err = captures(sandbox, ksniff, tmp_path, config, "node/node1", "-v")
            assert "left out by the filter" in err and "10.244.0.1" in err and "orbidden" not in err
            asked = sandbox.get("/sandbox/requests")[before:]
            assert any(line.startswith("GET /apis/discovery.k8s.io/") for line in asked)
        # What a client that was killed has left, in the namespace of the others too.
        labels = {"app.kubernetes.io/name": "ksniff", "app.kubernetes.io/managed-by": "kubectl-sniff"}
        for namespace in ("default", "shop"):
            sandbox.call("POST", "/sandbox/objects", {"resource": "configmaps", "namespace": namespace, "object": {
                "metadata": {"name": "ksniff-old", "labels": labels, "creationTimestamp": "2020-01-01T00:00:00Z"}}})
            sandbox.call("POST", f"/api/v1/namespaces/{namespace}/pods", {
                "metadata": {"name": "ksniff-ended", "labels": labels},
                "spec": {"restartPolicy": "Never", "containers": [{**SLEEP, "command": ["true"]}]}})
            path = f"/api/v1/namespaces/{namespace}/pods/ksniff-ended"
            wait_until(lambda: sandbox.get(path)["status"]["phase"] == "Succeeded", "its end")
        result = ksniff.run("--cleanup", "-A", "--kubeconfig", config)
        assert result.code == 0, result.err
        assert result.err.count("removed ConfigMap 'ksniff-old'") == 2
        assert result.err.count("removed helper pod 'ksniff-ended'") == 2
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")


@pytest.mark.parametrize("verb, resource", rights_of("optional"))
def test_optional_means_optional(sandbox, ksniff, tmp_path, verb, resource):
    """Without one of them the capture of a pod goes on, without a word of it."""
    lesser = tmp_path / "role.yaml"
    lesser.write_text(yaml.safe_dump(without(role_of("optional"), verb, resource)))
    with account(sandbox, tmp_path, (file_of("node"), "default"), (lesser, None)) as config, \
            target_of(sandbox, "node") as pod:
        err = captures(sandbox, ksniff, tmp_path, config, pod, "-p")
        assert not complaints(err)
        if (verb, resource) == ("get", "nodes"):
            error = ksniff.fail("node/node1", "--kubeconfig", config, "-o", str(tmp_path / "y"))
            assert "needs: get nodes" in error


# ---- recordings ----

def recorded(sandbox, ksniff, config, *flags):
    """What a recording is from its start to its end. Returns the first result that is a failure, or the list of them."""
    for words in (["client", "--record=r", *flags], ["--recordings=json"], ["--end", "r"]):
        result = ksniff.run(*words, "--kubeconfig", config)
        if result.code:
            return result.err
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")
    return ""


def test_role_to_record_suffices(sandbox, ksniff, tmp_path):
    """Whatever verb the server asks for at an exec; and where only its pods are in that namespace."""
    with account(sandbox, tmp_path, (file_of("record"), "default")) as config:
        for verb in ("both", "create", "get"):
            with sandbox.faults(exec_verb=verb, images_named={"registry.k8s.io/pause:3.10": "registry.local/pause:3.10"}):
                assert not recorded(sandbox, ksniff, config)
        error = ksniff.fail("web", "-n", "shop", "--record=r", "--kubeconfig", config)
        assert "(needs: get pods)" in error and 'namespace "shop"' in error


@pytest.mark.parametrize("verb, resource", rights_of("record"))
def test_of_the_role_to_record_nothing_can_be_left_out(sandbox, ksniff, tmp_path, verb, resource):
    lesser = tmp_path / "role.yaml"
    lesser.write_text(yaml.safe_dump(without(role_of("record"), verb, resource)))
    with sandbox.faults(exec_verb="both"), account(sandbox, tmp_path, (lesser, "default")) as config:
        assert f"needs: {verb} {resource}" in recorded(sandbox, ksniff, config)
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_role_to_list_and_fetch_suffices(sandbox, ksniff, tmp_path):
    """Without the right to exec the list has what the objects tell; to end a recording it is not enough."""
    lesser = tmp_path / "role.yaml"
    lesser.write_text(yaml.safe_dump(without(role_of("recordings"), "create", "pods/exec")))
    assert ksniff.run("client", "--record=r").code == 0
    try:
        for role, state in ((file_of("recordings"), "recording"), (lesser, "unknown")):
            with account(sandbox, tmp_path, (role, "default")) as config:
                process = ksniff.start("--recordings=json", "--kubeconfig", config)
                entry, = json.loads(process.communicate()[0])
                assert (entry["name"], entry["state"]) == ("r", state)
                assert "needs: delete pods" in ksniff.fail("--end", "r", "--kubeconfig", config)
        with account(sandbox, tmp_path) as config:
            assert "needs: list pods" in ksniff.fail("--recordings", "--kubeconfig", config)
    finally:
        assert ksniff.run("--end", "r").code == 0
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")
