# SPDX-License-Identifier: Apache-2.0
"""Lists and watches as a real server has them: selectors, pages, what is told of what comes and goes."""
import contextlib
import json
import ssl
import urllib.request

import pytest

from conftest import GUARD, wait_until

MAPS = "/api/v1/namespaces/default/configmaps"
NAMES = ["sel-a", "sel-b", "sel-c"]
LABELS = {"sel-a": {"sel": "x", "tier": "front"}, "sel-b": {"sel": "x", "tier": "back"}, "sel-c": {"sel": "x"}}


@pytest.fixture(autouse=True)
def maps(sandbox):
    for name in NAMES:
        assert sandbox.call("POST", MAPS, {"metadata": {"name": name, "labels": LABELS[name]}})[0] == 201
    yield
    for name in NAMES:
        sandbox.call("DELETE", f"{MAPS}/{name}")


def quoted(text):
    return urllib.request.quote(text, safe="")


def names(sandbox, **query):
    found = sandbox.get(MAPS + "?" + "&".join(f"{key}={quoted(value)}" for key, value in query.items()))["items"]
    return [item["metadata"]["name"] for item in found if item["metadata"]["name"] in NAMES]


@pytest.mark.parametrize("selector, found", [
    ("sel=x", "abc"), ("sel==x,tier=back", "b"), ("sel,tier!=back", "ac"), ("tier in (front, back)", "ab"),
    ("sel,tier notin (front)", "bc"), ("tier", "ab"), ("sel,!tier", "c"), ("sel=y", "")])
def test_labels(sandbox, selector, found):
    assert names(sandbox, labelSelector=selector) == ["sel-" + letter for letter in found]


def test_fields(sandbox):
    assert names(sandbox, fieldSelector="metadata.name=sel-b") == ["sel-b"]
    assert names(sandbox, fieldSelector="metadata.name!=sel-b,metadata.namespace=default") == ["sel-a", "sel-c"]
    web = sandbox.pod_object("web")["status"]
    for selector in (f"status.podIP={web['podIP']}", "spec.nodeName=node1,metadata.name=web,status.phase=Running,spec.hostNetwork=false"):
        found = sandbox.get(f"/api/v1/pods?fieldSelector={quoted(selector)}")["items"]
        assert [item["metadata"]["name"] for item in found] == ["web"]


@pytest.mark.parametrize("path, says", [
    ("/api/v1/pods?fieldSelector=spec.color%3Dred", "field label not supported: spec.color"),
    (MAPS + "?fieldSelector=data.x%3D1", '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ("/api/v1/pods?watch=1&fieldSelector=what", "invalid selector: 'what'; can't understand 'what'")])
def test_fields_that_are_none(sandbox, path, says):
    code, status = sandbox.call("GET", path)
    assert (code, status["reason"], status["message"]) == (400, "BadRequest", says)


def test_pages(sandbox):
    """What has gone meanwhile does not hide another; a page that is asked for too late is refused."""
    whole = [item["metadata"]["name"] for item in sandbox.get(MAPS)["items"]]
    first = sandbox.get(MAPS + "?limit=2")
    assert first["metadata"]["remainingItemCount"] == len(whole) - 2
    sandbox.call("DELETE", f"{MAPS}/sel-a")
    path, seen = MAPS + "?limit=2&continue=", [item["metadata"]["name"] for item in first["items"]]
    token = first["metadata"]["continue"]
    while token:
        page = sandbox.get(path + token)
        seen += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
    assert [name for name in seen if name != "sel-a"] == [name for name in whole if name != "sel-a"]
    sandbox.set_faults(expire_versions=True)
    code, status = sandbox.call("GET", path + first["metadata"]["continue"])
    assert (code, status["reason"]) == (410, "Expired") and status["message"].startswith("The provided continue parameter is too old")
    assert sandbox.get(path + status["metadata"]["continue"])["items"]
    assert sandbox.call("GET", path + "!")[0] == 400


@contextlib.contextmanager
def watching(sandbox, query):
    """Gives a function that reads the next event; None at the end."""
    request = urllib.request.Request(f"{sandbox.admin}{MAPS}?watch=1&{query}",
                                     headers={"Authorization": "Bearer " + sandbox.tokens["sandbox-token"]})
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=sandbox.ca), timeout=GUARD) as answer:
        def read():
            line = answer.readline()
            return json.loads(line) if line else None
        yield read


def told(event):
    return event["type"], event["object"]["metadata"]["name"], event["object"]["metadata"].get("labels", {}).get("tier")


@pytest.mark.parametrize("since", [True, False])
def test_what_comes_into_a_selection_and_leaves_it(sandbox, since):
    """ADDED and DELETED, though the object was there before, and goes on to be."""
    version = sandbox.get(MAPS)["metadata"]["resourceVersion"]
    selector = "labelSelector=" + quoted("sel=x,tier=back")
    with watching(sandbox, selector + (f"&resourceVersion={version}" if since else "")) as read:
        if not since:
            assert told(read()) == ("ADDED", "sel-b", "back")
        for name, tier in (("sel-c", "back"), ("sel-b", "front"), ("sel-a", "other"), ("sel-c", "back")):
            change = {"metadata": {"labels": {"tier": tier}, "annotations": {"n": name + tier + str(name == "sel-c")}}}
            sandbox.call("PATCH", f"{MAPS}/{name}", change)
        sandbox.call("PATCH", f"{MAPS}/sel-c", {"metadata": {"annotations": {"again": "yes"}}})
        assert told(read()) == ("ADDED", "sel-c", "back")
        event = read()
        # As it was when it was selected, with the version of the change.
        assert told(event) == ("DELETED", "sel-b", "back")
        assert event["object"]["metadata"]["resourceVersion"] == sandbox.get(f"{MAPS}/sel-b")["metadata"]["resourceVersion"]
        assert told(read()) == ("MODIFIED", "sel-c", "back")
        sandbox.call("DELETE", f"{MAPS}/sel-c")
        assert told(read()) == ("DELETED", "sel-c", "back")


def test_watches_are_cut_and_versions_expire(sandbox):
    version = sandbox.get(MAPS)["metadata"]["resourceVersion"]
    with watching(sandbox, f"resourceVersion={version}") as read:
        wait_until(lambda: any(f"watch=1&resourceVersion={version}" in line for line in sandbox.get("/sandbox/requests")), "the watch")
        sandbox.set_faults(expire_versions=True)
        sandbox.call("PATCH", f"{MAPS}/sel-a", {"metadata": {"annotations": {"n": "1"}}})
        assert told(read())[:2] == ("MODIFIED", "sel-a")  # who watches already is not touched
        sandbox.set_faults(cut_watches=True)
        assert read() is None
    with watching(sandbox, f"resourceVersion={version}") as read:
        event = read()
        assert event["type"] == "ERROR" and (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert event["object"]["message"].startswith(f"too old resource version: {version} (")
        assert read() is None
    version = sandbox.get(MAPS)["metadata"]["resourceVersion"]
    with watching(sandbox, f"resourceVersion={version}&timeoutSeconds=1") as read:
        sandbox.call("PATCH", f"{MAPS}/sel-a", {"metadata": {"annotations": {"n": "2"}}})
        assert told(read())[:2] == ("MODIFIED", "sel-a") and read() is None
