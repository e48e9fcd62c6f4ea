# SPDX-License-Identifier: Apache-2.0
"""The sandbox's Services: their addresses lead to ready endpoints, from pods of every node and from the nodes."""
import contextlib
import os
import socket

from conftest import GUARD, in_netns, wait_until

ADDRESS, PORT = "10.90.0.81", 80


def put(box, resource, name, **content):
    code, answer = box.call("POST", "/sandbox/objects", {"resource": resource, "namespace": "default", "object": {
        "metadata": {"name": name, "namespace": "default", **content.pop("metadata", {})}, **content}})
    assert code < 300, answer


def put_slice(box, *endpoints):
    """endpoints: (address, whether it is ready)"""
    put(box, "endpointslices", "shop-1", metadata={"labels": {"kubernetes.io/service-name": "shop"}}, addressType="IPv4",
        endpoints=[{"addresses": [address], "conditions": {"ready": ready}} for address, ready in endpoints],
        ports=[{"port": 8080, "protocol": "TCP"}])


def ask(netns):
    """Whether there is a page at the Service's address."""
    with in_netns(netns):
        one = socket.socket()
    with contextlib.closing(one):
        one.settimeout(GUARD)
        try:
            one.connect((ADDRESS, PORT))
        except OSError:  # refused; or the rules are not there yet
            return False
        one.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return one.recv(100).startswith(b"HTTP/1.1 200")


def test_a_services_address_leads_to_what_is_ready(two_nodes):
    pods = [two_nodes.netns(name) for name in ("client", "nonroot", "distroless")]
    node = pods[0].rsplit("/ks", 1)[1].split("-")[0]
    places = [*pods, f"/run/netns/ks{node}-node", f"/run/netns/ks{node}-node2"]
    put(two_nodes, "services", "shop", spec={"clusterIP": ADDRESS, "ports": [{"port": PORT, "targetPort": 8080}],
                                             "selector": {"app": "web"}})
    try:
        # Without an EndpointSlice: what the selector finds. From the same node, from another, and from nodes themselves.
        for place in places:
            wait_until(lambda place=place: ask(place), f"an answer in {os.path.basename(place)}")
        # Then what the slice says, and as it changes.
        web = two_nodes.pod("web")["ip"]
        put_slice(two_nodes, (web, False))
        wait_until(lambda: not ask(places[0]), "no answer where none is ready")
        put_slice(two_nodes, ("10.244.9.9", False), (web, True))
        wait_until(lambda: ask(places[0]), "an answer")
        assert all(ask(places[0]) for _ in range(4))
    finally:
        two_nodes.call("DELETE", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/shop-1")
        two_nodes.call("DELETE", "/api/v1/namespaces/default/services/shop")
