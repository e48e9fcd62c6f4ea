# SPDX-License-Identifier: Apache-2.0
"""The sandbox's controllers, held against what real ones made, and Services that lead to their pods."""
import contextlib
import json
import socket

import pytest

from conftest import GUARD, in_netns, wait_until
from test_sandbox import UNMADE, kubectl, missing, parse_http
from test_sandbox_objects import PODS

APPS = "/apis/apps/v1/namespaces/default/"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
SERVICES = "/api/v1/namespaces/default/services"
# What the recorded ones were asked for, and these are not.
ASKED = ("readinessProbe", "topologySpread", "ports")


def recorded(name):
    return json.loads(parse_http(name)[6])


def gaps(old, new):
    return [gap for gap in missing(old, new) if not UNMADE.search(gap) and not any(word in gap for word in ASKED)
            and not gap.endswith((".metadata.annotations", "last-applied-configuration"))]


def template(name, *command, **spec):
    return {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 0, **spec, "containers": [
        {"name": name, "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": list(command) or ["sleep", "1000"],
         "ports": [{"name": "http", "containerPort": 8080}]}]}}


@contextlib.contextmanager
def workload(box, resource, name, **spec):
    """Gives a function that returns the object as it is now."""
    path = ("/apis/batch/v1/namespaces/default/" if resource == "jobs" else APPS) + resource
    body = {"metadata": {"name": name, "labels": {"app": name}}, "spec": {
        "template": template(name), **({"selector": {"matchLabels": {"app": name}}} if resource != "jobs" else {}), **spec}}
    code, made = box.call("POST", path, body)
    assert code == 201, made
    try:
        yield lambda: box.get(f"{path}/{name}")
    finally:
        box.call("DELETE", f"{path}/{name}")
        wait_until(lambda: not pods_of(box, name), f"the end of {name}'s pods")


def pods_of(box, name):
    return box.get(f"{PODS}?labelSelector=app%3D{name}")["items"]


def controller(obj):
    owner, = obj["metadata"]["ownerReferences"]
    assert owner["controller"] and owner["blockOwnerDeletion"]
    return owner["kind"], owner["name"], owner["uid"]


def is_done(get, number):
    status = get().get("status") or {}
    return status.get("readyReplicas") == status.get("replicas") == status.get("updatedReplicas") == number


def test_a_deployment(two_nodes):
    """By way of a ReplicaSet, on both nodes; scaled, rolled out and deleted, as kubectl asks for it."""
    with workload(two_nodes, "deployments", "shop", replicas=3) as get:
        wait_until(lambda: is_done(get, 3), "three pods")
        deployment = get()
        assert not gaps(recorded("deployment-get.http"), deployment)
        first, = two_nodes.get(APPS + "replicasets?labelSelector=app%3Dshop")["items"]
        assert not gaps(recorded("replicasets-list.http")["items"][0], first)
        assert controller(first) == ("Deployment", "shop", deployment["metadata"]["uid"])
        mark = first["metadata"]["labels"]["pod-template-hash"]
        assert first["metadata"]["name"] == "shop-" + mark
        for pod in pods_of(two_nodes, "shop"):
            assert controller(pod) == ("ReplicaSet", first["metadata"]["name"], first["metadata"]["uid"])
            assert pod["metadata"]["labels"] == {"app": "shop", "pod-template-hash": mark}
            assert pod["metadata"]["generateName"] == f"shop-{mark}-" and pod["metadata"]["name"].startswith(f"shop-{mark}-")
        assert {pod["spec"]["nodeName"] for pod in pods_of(two_nodes, "shop")} == {"node1", "node2"}
        kubectl(two_nodes, "scale", "deploy/shop", "--replicas", "5")
        wait_until(lambda: is_done(get, 5), "five pods")
        before = {pod["metadata"]["uid"] for pod in pods_of(two_nodes, "shop")}
        kubectl(two_nodes, "rollout", "restart", "deploy/shop")
        kubectl(two_nodes, "rollout", "status", "deploy/shop", "--timeout", f"{GUARD}s")
        wait_until(lambda: len(pods_of(two_nodes, "shop")) == 5, "the end of the old pods")
        assert not before & {pod["metadata"]["uid"] for pod in pods_of(two_nodes, "shop")}
        sizes = {s["metadata"]["name"]: s["spec"]["replicas"] for s in two_nodes.get(APPS + "replicasets")["items"]}
        assert sorted(sizes.values()) == [0, 5] and sizes[first["metadata"]["name"]] == 0
        assert get()["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
        # One that goes is replaced.
        two_nodes.delete_pod(pods_of(two_nodes, "shop")[0]["metadata"]["name"])
        wait_until(lambda: is_done(get, 5), "another pod")
    assert not two_nodes.get(APPS + "replicasets")["items"]


def test_the_life_of_a_pod_that_is_scaled_away(two_nodes):
    """As a watch tells it: the address comes with Running, the end with a deletionTimestamp before DELETED."""
    with workload(two_nodes, "deployments", "shop", replicas=1) as get:
        wait_until(lambda: is_done(get, 1), "a pod")
        version = two_nodes.get(PODS)["metadata"]["resourceVersion"]
        for number in (2, 1):
            kubectl(two_nodes, "scale", "deploy/shop", "--replicas", str(number))
            wait_until(lambda: is_done(get, number) and len(pods_of(two_nodes, "shop")) == number, "the pods")
        body = two_nodes.request("GET", f"{PODS}?watch=1&labelSelector=app%3Dshop&timeoutSeconds=1&resourceVersion={version}", None).body
    events = [json.loads(line) for line in body.splitlines()]
    mine = [event for event in events if event["object"]["metadata"]["name"] == events[-1]["object"]["metadata"]["name"]]
    assert mine[0]["type"] == "ADDED" and mine[-1]["type"] == "DELETED" and {e["type"] for e in mine[1:-1]} == {"MODIFIED"}
    assert "podIP" not in mine[0]["object"]["status"] and mine[-1]["object"]["metadata"]["deletionTimestamp"]
    assert any(e["object"]["status"].get("podIP") and e["object"]["status"]["phase"] == "Running" for e in mine)


def test_a_stateful_set(two_nodes):
    with workload(two_nodes, "statefulsets", "db", replicas=2, serviceName="db") as get:
        wait_until(lambda: is_done(get, 2), "two pods")
        assert not gaps(recorded("statefulset-get.http"), get())
        pods = pods_of(two_nodes, "db")
        assert [pod["metadata"]["name"] for pod in pods] == ["db-0", "db-1"]
        assert all(controller(pod)[:2] == ("StatefulSet", "db") and pod["spec"]["hostname"] == pod["metadata"]["name"] for pod in pods)
        assert pods[0]["metadata"]["creationTimestamp"] <= pods[1]["metadata"]["creationTimestamp"]
        kubectl(two_nodes, "scale", "sts/db", "--replicas", "1")
        wait_until(lambda: [pod["metadata"]["name"] for pod in pods_of(two_nodes, "db")] == ["db-0"], "the end of the last")


def test_a_daemon_set(two_nodes):
    with workload(two_nodes, "daemonsets", "logger") as get:
        wait_until(lambda: (get().get("status") or {}).get("numberReady") == 2, "two pods")
        assert not gaps(recorded("daemonset-get.http"), get())
        pods = pods_of(two_nodes, "logger")
        assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["node1", "node2"]
        assert all(controller(pod)[:2] == ("DaemonSet", "logger") for pod in pods)


def test_a_job(two_nodes):
    with workload(two_nodes, "jobs", "once", completions=2, template=template("once", "true", restartPolicy="Never")) as get:
        wait_until(lambda: any(c["type"] == "Complete" for c in (get().get("status") or {}).get("conditions") or []), "its end")
        assert get()["status"]["succeeded"] == 2
        assert all(controller(pod)[:2] == ("Job", "once") and pod["metadata"]["labels"]["job-name"] == "once" for pod in pods_of(two_nodes, "once"))


def test_what_is_stored_as_it_is_stays_so(two_nodes):
    """For tests that need objects alone: no controller touches them."""
    with workload(two_nodes, "deployments", "after", replicas=1) as get:
        two_nodes.call("POST", "/sandbox/objects", {"resource": "replicasets", "namespace": "default", "object": {
            "metadata": {"name": "still", "uid": "still"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "after"}},
                                                                    "template": template("after")}}})
        kubectl(two_nodes, "scale", "deploy/after", "--replicas", "2")
        wait_until(lambda: is_done(get, 2), "two pods")
        assert len(pods_of(two_nodes, "after")) == 2
        two_nodes.call("DELETE", APPS + "replicasets/still")


# ---- Services ----

SERVE = ["sh", "-c", "mkdir -p /www; echo $HOSTNAME >/www/index.html; exec httpd -f -p 8080 -h /www"]


@contextlib.contextmanager
def service(box, name, **spec):
    code, made = box.call("POST", SERVICES, {"metadata": {"name": name}, "spec": {
        "selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}], **spec}})
    assert code == 201, made
    try:
        yield made
    finally:
        box.call("DELETE", f"{SERVICES}/{name}")
        wait_until(lambda: not slices_of(box, name), "the end of its slices")


def slices_of(box, name):
    return box.get(f"{SLICES}?labelSelector=kubernetes.io/service-name%3D{name}")["items"]


def addresses(box, name):
    return sorted(e["addresses"][0] for found in slices_of(box, name) for e in found["endpoints"] or [] if e["conditions"]["ready"])


@pytest.fixture(scope="module", name="shop")
def shop_(two_nodes):
    """Two pods, one on each node, and their Service. Gives the sandbox and the Service's address."""
    with workload(two_nodes, "deployments", "shop", replicas=2, template=template("shop", *SERVE)) as get, \
            service(two_nodes, "shop") as made:
        wait_until(lambda: is_done(get, 2) and len(addresses(two_nodes, "shop")) == 2, "two endpoints")
        yield two_nodes, made["spec"]["clusterIP"]


def test_endpoint_slices(shop):
    box, _ = shop
    found, = slices_of(box, "shop")
    assert not [gap for gap in missing(recorded("endpointslices-list.http")["items"][0], found)]
    assert controller(found)[:2] == ("Service", "shop") and found["metadata"]["name"].startswith("shop-")
    assert addresses(box, "shop") == sorted(pod["status"]["podIP"] for pod in pods_of(box, "shop"))
    old = next(item for item in recorded("services-list-all.http")["items"] if item["metadata"]["name"] == "shop")
    assert not gaps(old, box.get(f"{SERVICES}/shop"))


def ask(box, pod, address, port=80):
    """What is answered to one connection from a pod."""
    with in_netns(box.netns(pod)):
        one = socket.create_connection((address, port), timeout=GUARD)
    with one:
        one.sendall(b"GET / HTTP/1.0\r\n\r\n")
        data = b""
        while more := one.recv(4096):
            data += more
    return data.split()[-1].decode()


def syn_of(sniffer, port):
    """The first SYN to a port: (source, destination, sequence number, IP id)."""
    while True:
        frame = sniffer.recv(65536)
        if frame[12:14] == b"\x08\x00" and frame[23] == 6 and int.from_bytes(frame[36:38], "big") == port and frame[47] & 0x12 == 2:
            return socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]), frame[38:42], frame[18:20]


@pytest.mark.parametrize("client", ["web", "client"])
def test_a_services_address_is_rewritten(shop, client):
    """On the way, by the client's node: the client's side shows the Service's address, the pod's side its own."""
    box, address = shop
    box_pods = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods_of(box, "shop")}
    sniffers = {}
    for name in (client, *box_pods):
        with in_netns(box.netns(name)):
            sniffers[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        sniffers[name].bind(("eth0", 0x0003))
        sniffers[name].settimeout(GUARD)
    me, seen = box.pod(client)["ip"], set()
    for _ in range(60):
        answered = ask(box, client, address)
        seen.add(answered)
        source, target, sequence, ident = syn_of(sniffers[client], 80)
        assert (source, target) == (me, address)
        assert syn_of(sniffers[answered], 8080) == (me, box_pods[answered], sequence, ident)
        if len(seen) == 2:
            break
    assert seen == set(box_pods)  # one on the client's node, one on the other
    for sniffer in sniffers.values():
        sniffer.close()


def test_from_the_nodes_network(shop):
    box, address = shop
    assert ask(box, "hostnet", address) in {pod["metadata"]["name"] for pod in pods_of(box, "shop")}


def test_a_service_follows_its_pods(shop):
    """Those that go are not asked any more; where there is none, the connection is refused."""
    box, address = shop
    kubectl(box, "scale", "deploy/shop", "--replicas", "0")
    wait_until(lambda: not pods_of(box, "shop") and not addresses(box, "shop"), "the end of its pods")

    def refused():
        try:
            ask(box, "client", address)
        except ConnectionRefusedError:
            return True
        return False
    wait_until(refused, "a refusal")
    kubectl(box, "scale", "deploy/shop", "--replicas", "1")
    wait_until(lambda: addresses(box, "shop"), "an endpoint")
    wait_until(lambda: not refused(), "an answer")
    kubectl(box, "scale", "deploy/shop", "--replicas", "2")
    wait_until(lambda: len(addresses(box, "shop")) == 2, "two endpoints")


def test_a_headless_service_has_no_address(shop):
    box, _ = shop
    with service(box, "bare", selector={"app": "shop"}, clusterIP="None") as made:
        assert made["spec"]["clusterIP"] == "None" and made["spec"]["clusterIPs"] == ["None"]
        wait_until(lambda: len(addresses(box, "bare")) == 2, "its endpoints")


def test_a_hundred_pods(two_nodes):
    """More than a slice takes."""
    with workload(two_nodes, "deployments", "hundred", replicas=101) as get, service(two_nodes, "hundred"):
        wait_until(lambda: is_done(get, 101), "a hundred pods", 3 * GUARD)
        wait_until(lambda: len(addresses(two_nodes, "hundred")) == 101, "their endpoints")
        assert sorted(len(found["endpoints"]) for found in slices_of(two_nodes, "hundred")) == [1, 100]
        assert len(set(addresses(two_nodes, "hundred"))) == 101
        kubectl(two_nodes, "scale", "deploy/hundred", "--replicas", "0")
