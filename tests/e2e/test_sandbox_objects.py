# SPDX-License-Identifier: Apache-2.0
"""The sandbox's objects: how they are changed, refused, deleted, and collected."""
import base64
import contextlib
import datetime
import time

import pytest

from conftest import wait_until

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"


def gone(sandbox, path):
    return sandbox.call("GET", path)[0] == 404


def wait_gone(sandbox, path, seconds=10):
    wait_until(lambda: gone(sandbox, path), "the end of " + path, seconds)


@contextlib.contextmanager
def config_map(sandbox, name="map", **fields):
    metadata = {"name": name, **fields.pop("metadata", {})}
    code, obj = sandbox.call("POST", MAPS, {"metadata": metadata, **fields})
    assert code == 201, obj
    try:
        yield obj
    finally:
        sandbox.call("DELETE", f"{MAPS}/{name}")


def owner(obj, **more):
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"],
            "uid": obj["metadata"]["uid"], **more}


def sleeper(**more):
    return {"containers": [{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}], **more}


# ---- deleting ----

def seconds_until(text):
    return (datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ") - datetime.datetime.utcnow()).total_seconds()


def test_grace(sandbox):
    """Whoever ignores SIGTERM has the grace period, which a second DELETE shortens and does not lengthen."""
    sandbox.create_pod("slow", terminationGracePeriodSeconds=25, containers=[
        {"name": "app", "image": "busybox", "command": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]}])
    path = PODS + "/slow"
    code, obj = sandbox.call("DELETE", path)
    assert code == 200 and obj["metadata"]["deletionGracePeriodSeconds"] == 25
    assert 20 < seconds_until(obj["metadata"]["deletionTimestamp"]) <= 25
    _, obj = sandbox.call("DELETE", path + "?gracePeriodSeconds=28")
    assert obj["metadata"]["deletionGracePeriodSeconds"] == 25
    time.sleep(0.5)
    assert not gone(sandbox, path) and sandbox.get(path)["status"]["phase"] == "Running"
    _, obj = sandbox.call("DELETE", path, {"gracePeriodSeconds": 1})
    assert obj["metadata"]["deletionGracePeriodSeconds"] == 1
    wait_gone(sandbox, path, 5)


def test_force(sandbox):
    """Without grace the object is gone at once, and the kubelet follows."""
    sandbox.create_pod("forced", terminationGracePeriodSeconds=25, **sleeper())
    code, obj = sandbox.call("DELETE", PODS + "/forced?gracePeriodSeconds=0")
    assert code == 200 and obj["metadata"]["deletionGracePeriodSeconds"] == 0 and gone(sandbox, PODS + "/forced")
    wait_until(lambda: ("default", "forced") not in sandbox.pods(), "the end of the pod", 5)


def test_finished_pods_go_at_once(sandbox):
    sandbox.create_pod("finished", wait=False, terminationGracePeriodSeconds=25, restartPolicy="Never", containers=[
        {"name": "app", "image": "busybox", "command": ["true"]}])
    wait_until(lambda: sandbox.get(PODS + "/finished")["status"]["phase"] == "Succeeded", "the end of the process")
    sandbox.call("DELETE", PODS + "/finished")
    assert gone(sandbox, PODS + "/finished")


def test_preconditions(sandbox):
    with config_map(sandbox) as obj:
        code, status = sandbox.call("DELETE", MAPS + "/map", {"preconditions": {"uid": "other"}})
        assert (code, status["reason"]) == (409, "Conflict")
        assert status["message"] == (
            'Operation cannot be fulfilled on ConfigMap "map": the UID in the precondition (other) does not match the UID in '
            f'record ({obj["metadata"]["uid"]}). The object might have been deleted and then recreated')
        code, status = sandbox.call("DELETE", MAPS + "/map", {"preconditions": {"uid": obj["metadata"]["uid"]}})
        assert code == 200 and status == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                                          "details": {"name": "map", "kind": "configmaps", "uid": obj["metadata"]["uid"]}}
        assert gone(sandbox, MAPS + "/map")


def test_a_collection(sandbox):
    with config_map(sandbox, "a", metadata={"labels": {"of": "test"}}), config_map(sandbox, "b"):
        code, found = sandbox.call("DELETE", MAPS + "?labelSelector=of%3Dtest")
        assert code == 200 and [item["metadata"]["name"] for item in found["items"]] == ["a"]
        assert gone(sandbox, MAPS + "/a") and not gone(sandbox, MAPS + "/b")


# ---- owners ----

@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_dependents_follow_their_owner(sandbox, policy):
    with config_map(sandbox, "owner") as above, config_map(sandbox, "below", metadata={"ownerReferences": [
            owner(above, blockOwnerDeletion=True)]}):
        sandbox.create_pod("below", metadata={"ownerReferences": [owner(above)]}, **sleeper())
        sandbox.call("DELETE", MAPS + "/owner", {"propagationPolicy": policy})
        if policy == "Foreground":
            assert sandbox.get(MAPS + "/owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
        for path in (MAPS + "/owner", MAPS + "/below", PODS + "/below"):
            wait_gone(sandbox, path)


def test_orphans_stay(sandbox):
    with config_map(sandbox, "owner") as above, config_map(sandbox, "below", metadata={"ownerReferences": [owner(above)]}):
        sandbox.call("DELETE", MAPS + "/owner", {"propagationPolicy": "Orphan"})
        time.sleep(1)
        assert "ownerReferences" not in sandbox.get(MAPS + "/below")["metadata"]


@pytest.mark.parametrize("change", [{"uid": "00000000-0000-0000-0000-000000000000"}, {"name": "other"}])
def test_an_owner_that_is_not_there(sandbox, change):
    """Also where it is named later, by a patch; another owner that is there keeps the object."""
    with config_map(sandbox, "owner") as above:
        bad = {**owner(above), **change}
        with config_map(sandbox, "below", metadata={"ownerReferences": [bad]}):
            wait_gone(sandbox, MAPS + "/below", 2)
        with config_map(sandbox, "below"):
            assert sandbox.call("PATCH", MAPS + "/below", {"metadata": {"ownerReferences": [bad]}})[0] == 200
            wait_gone(sandbox, MAPS + "/below", 2)
        if "uid" in change:
            with config_map(sandbox, "below", metadata={"ownerReferences": [bad, owner(above)]}):
                wait_until(lambda: sandbox.get(MAPS + "/below")["metadata"]["ownerReferences"] == [owner(above)], "the cut")


# ---- patches ----

def test_patches(sandbox):
    with config_map(sandbox, data={"a": "1", "b": "2"}, metadata={"labels": {"x": "y"}}) as obj:
        path = MAPS + "/map"
        code, new = sandbox.call("PATCH", path, {"data": {"b": None, "c": "3"}}, kind=MERGE)
        assert code == 200 and new["data"] == {"a": "1", "c": "3"}
        assert int(new["metadata"]["resourceVersion"]) > int(obj["metadata"]["resourceVersion"])
        _, same = sandbox.call("PATCH", path, {"data": {"c": "3"}}, kind=MERGE)
        assert same == new  # what changes nothing writes nothing
        code, new = sandbox.call("PATCH", path, [{"op": "test", "path": "/data/a", "value": "1"},
                                                 {"op": "remove", "path": "/data/a"},
                                                 {"op": "add", "path": "/metadata/annotations", "value": {"k": "v"}}], kind=JSON)
        assert code == 200 and new["data"] == {"c": "3"} and new["metadata"]["annotations"] == {"k": "v"}
        assert sandbox.call("PATCH", path, [{"op": "test", "path": "/data/c", "value": "4"}], kind=JSON)[0] == 422
        code, status = sandbox.call("PATCH", path, {}, kind="application/json")
        assert (code, status["reason"]) == (415, "UnsupportedMediaType")
        code, status = sandbox.call("PATCH", path, {"metadata": {"resourceVersion": "1"}, "data": {"z": "1"}}, kind=MERGE)
        assert code == 409 and status["message"] == (
            'Operation cannot be fulfilled on configmaps "map": the object has been modified; please apply your changes to '
            "the latest version and try again")
        assert sandbox.call("PATCH", MAPS + "/none", {}, kind=MERGE)[0] == 404


def test_a_strategic_merge_knows_lists_by_their_keys(sandbox):
    with config_map(sandbox, "one") as one, config_map(sandbox, "two") as two, config_map(sandbox):
        for other in (one, two):
            code, obj = sandbox.call("PATCH", MAPS + "/map", {"metadata": {"ownerReferences": [owner(other)]}})
            assert code == 200
        assert obj["metadata"]["ownerReferences"] == [owner(one), owner(two)]
        code, obj = sandbox.call("PATCH", MAPS + "/map", {"metadata": {"ownerReferences": [
            {"$patch": "delete", "uid": one["metadata"]["uid"]}]}})
        assert obj["metadata"]["ownerReferences"] == [owner(two)]
        code, obj = sandbox.call("PATCH", MAPS + "/map", {"metadata": {"ownerReferences": [owner(one)]}}, kind=MERGE)
        assert obj["metadata"]["ownerReferences"] == [owner(one)]


def test_what_of_a_pod_never_changes(sandbox):
    with sandbox.running_pod("subject", **sleeper()):
        code, status = sandbox.call("PATCH", PODS + "/subject", {"spec": {"hostPID": True}})
        assert code == 422 and status["message"].startswith(
            'Pod "subject" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`')
        code, obj = sandbox.call("PATCH", PODS + "/subject", {"metadata": {"annotations": {"a": "b"}}, "status": {"phase": "Failed"}})
        assert code == 200 and obj["status"]["phase"] == "Running" and obj["metadata"]["annotations"] == {"a": "b"}
        code, obj = sandbox.call("PATCH", PODS + "/subject", {"spec": {"activeDeadlineSeconds": 1}})
        assert code == 200 and obj["metadata"]["generation"] == 2
        wait_until(lambda: sandbox.get(PODS + "/subject")["status"].get("reason") == "DeadlineExceeded", "the deadline")


# ---- what is refused ----

def test_config_maps_that_are_refused(sandbox):
    def refused(**fields):
        code, status = sandbox.call("POST", MAPS, {"metadata": {"name": "map"}, **fields})
        return code, status["message"]
    big = base64.b64encode(bytes((1 << 20) + 1)).decode()
    assert refused(binaryData={"a": big}) == (422, 'ConfigMap "map" is invalid: []: Too long: may not be more than 1048576 bytes')
    code, message = refused(binaryData={"a": "f0VMRg=!"})
    assert code == 400 and message == ('ConfigMap in version "v1" cannot be handled as a ConfigMap: illegal base64 data at '
                                       "input byte 6")
    assert refused(data={"a b": ""})[0] == 422
    assert refused(metadata={})[1] == 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    code, message = refused(metadata={"name": "Map_1"})
    assert code == 422 and "a lowercase RFC 1123 subdomain must consist of" in message
    assert refused(metadata={"name": "map", "labels": {"a": "not a value"}})[0] == 422
    assert refused(data={"a": "x" * (4 << 20)}) == (413, "Request entity too large: limit is 3145728")
    exactly = base64.b64encode(bytes(1 << 20)).decode()
    with config_map(sandbox, binaryData={"a": exactly}):
        pass


def test_immutable(sandbox):
    with config_map(sandbox, data={"a": "1"}, immutable=True):
        code, status = sandbox.call("PATCH", MAPS + "/map", {"data": {"a": "2"}})
        assert (code, status["message"]) == (422, 'ConfigMap "map" is invalid: data: Forbidden: field is immutable when `immutable` '
                                                  "is set")
        assert sandbox.call("PATCH", MAPS + "/map", {"metadata": {"labels": {"still": "possible"}}})[0] == 200


def test_a_dry_run(sandbox):
    code, obj = sandbox.call("POST", PODS + "?dryRun=All", {"metadata": {"generateName": "dry-"}, "spec": sleeper()})
    assert code == 201 and obj["metadata"]["uid"] and gone(sandbox, f"{PODS}/{obj['metadata']['name']}")
    code, _ = sandbox.call("POST", "/api/v1/namespaces/baseline/pods?dryRun=All", {
        "metadata": {"name": "dry"}, "spec": sleeper(hostPID=True)})
    assert code == 403


def test_metadata_only(sandbox):
    """A PartialObjectMetadata, where the first media type asks for one; never of a list, nor a list of one."""
    one, many = (f"application/json;as=PartialObjectMetadata{of};g=meta.k8s.io;v=v1,application/json" for of in ("", "List"))
    with config_map(sandbox, "whole", data={"a": "b"}) as obj:
        path = f"{MAPS}/whole"
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
        assert sandbox.call("GET", path, accept=one) == (200, partial)
        assert sandbox.call("GET", path, accept="application/json,x/y;as=PartialObjectMetadata")[1]["data"] == {"a": "b"}
        code, found = sandbox.call("GET", MAPS, accept=many)
        assert code == 200 and found["kind"] == "PartialObjectMetadataList" and partial in found["items"]
        for where, accept, text in ((MAPS, one, "is a list"), (path, many, "is not a list")):
            code, status = sandbox.call("GET", where, accept=accept)
            assert (code, status["reason"]) == (406, "NotAcceptable") and text in status["message"]
        code, changed = sandbox.call("PATCH", path, {"data": {"a": "c"}}, kind=MERGE, accept=one)
        assert code == 200 and changed["kind"] == "PartialObjectMetadata" and "data" not in changed
        code, status = sandbox.call("DELETE", path, accept=one)
        assert code == 200 and status["kind"] == "Status"


def test_unknown_fields(sandbox):
    body = '{"metadata": {"name": "odd", "lables": {}}, "spec": {"containers": [{"name": "a", "image": "busybox", "comand": []}]}}'
    answer = sandbox.request("POST", PODS + "?dryRun=All", body)
    assert answer.status == 201 and b"comand" not in answer.body
    assert answer.headers.get_all("Warning") == [
        '299 - "unknown field \\"metadata.lables\\""', '299 - "unknown field \\"spec.containers[0].comand\\""']
    answer = sandbox.request("POST", PODS + "?dryRun=All&fieldValidation=Strict", body)
    assert answer.status == 400 and b'strict decoding error: unknown field \\"metadata.lables\\", unknown field' in answer.body
    answer = sandbox.request("POST", PODS, '{"metadata": {"name": "odd"}, "spec": {"activeDeadlineSeconds": "5"}}')
    assert answer.status == 400 and b"cannot unmarshal string into Go struct field" in answer.body


def test_pods_that_are_not_valid(sandbox):
    def refused(**spec):
        code, status = sandbox.call("POST", PODS, {"metadata": {"name": "bad"}, "spec": spec})
        assert code == 422
        return status["message"].removeprefix('Pod "bad" is invalid: ')
    assert refused() == "spec.containers: Required value"
    assert refused(containers=[{"name": "a"}]) == "spec.containers[0].image: Required value"
    app = {"name": "a", "image": "busybox"}
    assert refused(containers=[{**app, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]) == \
        'spec.containers[0].volumeMounts[0].name: Not found: "v"'
    assert "cannot set `allowPrivilegeEscalation` to false and `privileged` to true" in refused(
        containers=[{**app, "securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}])
    assert "CAP_SYS_ADMIN" in refused(containers=[{**app, "securityContext": {
        "capabilities": {"add": ["CAP_SYS_ADMIN"]}, "allowPrivilegeEscalation": False}}])


def test_a_namespace_goes_with_what_is_in_it(sandbox):
    assert sandbox.call("POST", "/api/v1/namespaces", {"metadata": {"name": "passing"}})[0] == 201
    assert sandbox.get("/api/v1/namespaces/passing/serviceaccounts/default")
    sandbox.create_pod("inside", "passing", **sleeper())
    sandbox.call("DELETE", "/api/v1/namespaces/passing")
    wait_gone(sandbox, "/api/v1/namespaces/passing")
    assert ("passing", "inside") not in sandbox.pods()
