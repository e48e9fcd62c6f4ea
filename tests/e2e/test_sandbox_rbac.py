# SPDX-License-Identifier: Apache-2.0
"""The sandbox's rights: roles and bindings, as a real API server decides by them."""
import contextlib
import json

import pytest

from test_sandbox import kubectl, minor_version, recorded_status

RBAC = "/apis/rbac.authorization.k8s.io/v1"
SPACE = RBAC + "/namespaces/default"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def rule(resources, verbs, groups=("",), **more):
    return {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs), **more}


def create(sandbox, path, name, **fields):
    code, obj = sandbox.call("POST", path, {"metadata": {"name": name}, **fields})
    assert code == 201, obj
    return obj


@contextlib.contextmanager
def objects(sandbox, *wishes):
    """wishes: (path, name, fields) each; they are deleted in the end."""
    try:
        for path, name, fields in wishes:
            create(sandbox, path, name, **fields)
        yield
    finally:
        for path, name, _ in wishes:
            sandbox.call("DELETE", f"{path}/{name}")


def to_role(name, kind="Role"):
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


ADA = {"kind": "ServiceAccount", "name": "ada", "namespace": "default"}


@contextlib.contextmanager
def account(sandbox, *rules, name="ada"):
    """A token of a service account that has these rights in the namespace default."""
    with objects(sandbox, (ACCOUNTS, name, {}), (SPACE + "/roles", "ada-role", {"rules": list(rules)}),
                 (SPACE + "/rolebindings", "ada-binding", {"subjects": [{**ADA, "name": name}], "roleRef": to_role("ada-role")})):
        code, answer = sandbox.call("POST", f"{ACCOUNTS}/{name}/token", {"spec": {"expirationSeconds": 600}})
        assert code == 201 and answer["kind"] == "TokenRequest" and answer["status"]["expirationTimestamp"]
        yield answer["status"]["token"]


def review(sandbox, token, **attributes):
    code, answer = sandbox.call("POST", REVIEWS, {"spec": {"resourceAttributes": attributes}}, token)
    assert code == 201
    return answer["status"]


def test_a_role_and_a_binding(sandbox):
    with account(sandbox, rule(["pods"], ["get"])) as token:
        assert sandbox.call("GET", "/api/v1/namespaces/default/pods/web", token=token)[0] == 200
        code, status = sandbox.call("GET", "/api/v1/namespaces/shop/pods/web", token=token)
        assert code == 403 and status["details"] == {"name": "web", "kind": "pods"}
        code, status = sandbox.call("GET", "/api/v1/namespaces/default/pods", token=token)
        assert code == 403 and status["message"] == (
            'pods is forbidden: User "system:serviceaccount:default:ada" cannot list resource "pods" in API group "" in the '
            'namespace "default"')
        # The rights are taken away with the binding, at once.
        sandbox.call("DELETE", SPACE + "/rolebindings/ada-binding")
        assert sandbox.call("GET", "/api/v1/namespaces/default/pods/web", token=token)[0] == 403
        sandbox.call("DELETE", ACCOUNTS + "/ada")
        assert sandbox.call("GET", "/api/v1/namespaces/default/pods/web", token=token)[0] == 401


def test_access_reviews(sandbox):
    with account(sandbox, rule(["pods", "pods/exec"], ["create"], resourceNames=[])) as token:
        status = review(sandbox, token, verb="create", resource="pods", subresource="exec", namespace="default")
        assert status == {"allowed": True, "reason": 'RBAC: allowed by RoleBinding "ada-binding/default" of Role "ada-role" to '
                                                     'ServiceAccount "ada/default"'}
        assert review(sandbox, token, verb="create", resource="pods", subresource="exec") == {"allowed": False}
        assert review(sandbox, token, verb="create", resource="pods", namespace="default", group="apps") == {"allowed": False}
    for name, who in (("can-i.http", "sandbox-token"), ("can-i-not.http", "viewer")):
        assert review(sandbox, sandbox.tokens[who], verb="create", resource="pods", subresource="exec", namespace="default") == \
            recorded_status(name)["status"]


@pytest.mark.parametrize("resources, allowed", [
    (["pods/exec"], True), (["*"], True), (["*/exec"], True), (["pods/*"], False), (["pods"], False)])
def test_patterns_of_subresources(sandbox, resources, allowed):
    with account(sandbox, rule(resources, ["create"])) as token:
        status = review(sandbox, token, verb="create", resource="pods", subresource="exec", namespace="default")
        assert status["allowed"] is allowed


def test_names_of_resources(sandbox):
    with account(sandbox, rule(["pods"], ["get", "list", "create"], resourceNames=["web"])) as token:
        assert sandbox.call("GET", "/api/v1/namespaces/default/pods/web", token=token)[0] == 200
        assert sandbox.call("GET", "/api/v1/namespaces/default/pods/client", token=token)[0] == 403
        assert sandbox.call("GET", "/api/v1/namespaces/default/pods", token=token)[0] == 403
        assert sandbox.call("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "web"}}, token)[0] == 403


@pytest.mark.parametrize("subject", [
    {"kind": "User", "name": "system:serviceaccount:default:ada"}, {"kind": "Group", "name": "system:authenticated"},
    {"kind": "Group", "name": "system:serviceaccounts"}, {"kind": "Group", "name": "system:serviceaccounts:default"}])
def test_subjects(sandbox, subject):
    with account(sandbox) as token:
        assert sandbox.call("GET", "/api/v1/nodes", token=token)[0] == 403
        with objects(sandbox, (RBAC + "/clusterroles", "nodes", {"rules": [rule(["nodes"], ["list"])]}),
                     (RBAC + "/clusterrolebindings", "nodes", {"subjects": [subject], "roleRef": to_role("nodes", "ClusterRole")})):
            assert sandbox.call("GET", "/api/v1/nodes", token=token)[0] == 200
            status = review(sandbox, token, verb="list", resource="nodes")
            assert status["reason"] == (f'RBAC: allowed by ClusterRoleBinding "nodes" of ClusterRole "nodes" to '
                                        f'{subject["kind"]} "{subject["name"]}"')


def test_a_namespace_is_in_itself_and_a_node_is_nowhere(sandbox):
    with account(sandbox, rule(["namespaces", "nodes"], ["get"])) as token:
        assert sandbox.call("GET", "/api/v1/namespaces/default", token=token)[0] == 200
        code, status = sandbox.call("GET", "/api/v1/namespaces/shop", token=token)
        assert code == 403 and status["message"].endswith('in the namespace "shop"')
        code, status = sandbox.call("GET", "/api/v1/nodes/node1", token=token)
        assert code == 403 and status["message"].endswith("at the cluster scope")


def test_a_binding_of_a_role_that_is_not_there(sandbox):
    with account(sandbox) as token:
        sandbox.call("DELETE", SPACE + "/roles/ada-role")
        text = 'RBAC: role.rbac.authorization.k8s.io "ada-role" not found'
        assert review(sandbox, token, verb="get", resource="pods", namespace="default") == {"allowed": False, "reason": text}
        assert sandbox.call("GET", "/api/v1/namespaces/default/pods/web", token=token)[1]["message"].endswith(": " + text)


def test_nobody_gives_what_he_has_not(sandbox):
    with account(sandbox, rule(["roles", "rolebindings"], ["create"], ["rbac.authorization.k8s.io"])) as token:
        code, status = sandbox.call("POST", SPACE + "/roles", {"metadata": {"name": "more"}, "rules": [rule(["pods"], ["get"])]}, token)
        assert code == 403 and "is attempting to grant RBAC permissions not currently held:\n" in status["message"]
        assert status["details"] == {"name": "more", "group": "rbac.authorization.k8s.io", "kind": "roles"}


def test_invalid_roles(sandbox):
    code, status = sandbox.call("POST", SPACE + "/roles", {"metadata": {"name": "bad"}, "rules": [{"verbs": ["get"]}]})
    assert code == 422 and status["message"].startswith('Role.rbac.authorization.k8s.io "bad" is invalid: [rules[0].apiGroups: '
                                                        "Required value: ")
    with account(sandbox):
        code, status = sandbox.call("PATCH", SPACE + "/rolebindings/ada-binding", {"roleRef": to_role("other")})
        assert code == 422 and "cannot change roleRef" in status["message"]
    assert sandbox.call("GET", SPACE + "/roles/none")[1]["message"] == 'roles.rbac.authorization.k8s.io "none" not found'
    assert sandbox.call("GET", "/apis/apps/v1/namespaces/default/pods")[0] == 404


@pytest.mark.parametrize("fault, verbs, allowed", [
    ("create", ["create"], True), ("get", ["get"], True), ("get", ["create"], False), ("create", ["get"], False),
    ("both", ["create"], False), ("both", ["get"], False), ("both", ["get", "create"], True)])
def test_the_verb_of_an_exec(sandbox, fault, verbs, allowed):
    """Without the upgrade a permitted request is a bad one, a forbidden one is forbidden first."""
    with account(sandbox, rule(["pods/exec"], verbs)) as token, sandbox.faults(exec_verb=fault):
        code, status = sandbox.call("GET", "/api/v1/namespaces/default/pods/web/exec?command=true&stdout=true", token=token)
        assert code == (400 if allowed else 403), status
        code, status = sandbox.call("POST", "/api/v1/namespaces/default/pods/web/exec?command=true&stdout=true", {}, token)
        assert code == (400 if "create" in verbs else 403), status


MANIFEST = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: by-kubectl, namespace: default}
rules: [{apiGroups: [""], resources: [pods], verbs: [%s]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: by-kubectl, namespace: default}
subjects: [{kind: ServiceAccount, name: ada, namespace: default}]
roleRef: {kind: Role, name: by-kubectl, apiGroup: rbac.authorization.k8s.io}
"""


def test_kubectl_applies_roles(sandbox):
    with account(sandbox):
        try:
            for verbs, words in (("get", [b"created", b"created"]), ("get", [b"unchanged", b"unchanged"]),
                                 ("get, list", [b"configured", b"unchanged"])):
                done = kubectl(sandbox, "apply", "-f", "-", stdin=(MANIFEST % verbs).encode())
                assert [line.split()[-1] for line in done.stdout.splitlines()] == words
            ada = "--as=system:serviceaccount:default:ada"
            assert kubectl(sandbox, "auth", "can-i", "list", "pods", ada).stdout == b"yes\n"
            assert kubectl(sandbox, "auth", "can-i", "delete", "pods", ada, check=False).stdout.startswith(b"no")
            assert b"web" in kubectl(sandbox, ada, "get", "pods").stdout
            done = kubectl(sandbox, ada, "delete", "pod", "web", check=False)
            assert done.returncode and b'cannot delete resource "pods"' in done.stderr
            if minor_version(sandbox) >= 24:
                token = kubectl(sandbox, "create", "token", "ada").stdout.decode().strip()
                assert sandbox.call("GET", "/api/v1/namespaces/default/pods", token=token)[0] == 200
        finally:
            kubectl(sandbox, "delete", "-f", "-", stdin=(MANIFEST % "get").encode())


def test_pods_want_their_service_account(sandbox):
    code, status = sandbox.call("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "x"}, "spec": {
        "serviceAccountName": "nobody", "containers": [{"name": "a", "image": "busybox"}]}})
    assert (code, status["message"]) == (403, 'pods "x" is forbidden: error looking up service account default/nobody: '
                                              'serviceaccount "nobody" not found')
    assert json.dumps(status["details"]) == '{"name": "x", "kind": "pods"}'
