# SPDX-License-Identifier: Apache-2.0
"""The sandbox as a cluster of two nodes: what they share, and what each has for itself."""
import ipaddress
import json
import os
import re
import socket
import tempfile

import pytest

from conftest import GUARD, Ksniff, in_netns, running_sandbox, start_sandbox, tshark, wait_until
from test_node import payloads
from test_sandbox import UNMADE, kubectl, left_behind, missing, parse_http
from test_sandbox_kubelet import of
from test_sandbox_objects import PODS, sleeper

NODES = ("node1", "node2")


@pytest.fixture(scope="module")
def pair(two_nodes):
    """A pod on each node: on1 and on2."""
    for number in (1, 2):
        two_nodes.create_pod(f"on{number}", nodeName=f"node{number}", **sleeper())
    yield two_nodes
    for number in (1, 2):
        two_nodes.delete_pod(f"on{number}")


def say(box, pod, *words, check=True):
    return kubectl(box, "exec", pod, "--", *words, check=check).stdout.decode().strip()


def node_netns(box, number):
    return f"/run/netns/ks{box.process.pid}-node" + ("" if number == 1 else str(number))


def test_nodes_as_recorded(two_nodes):
    recorded = json.loads(parse_http("nodes-list.http")[6])
    here = two_nodes.get("/api/v1/nodes")
    for old, new in zip(recorded["items"], here["items"], strict=True):
        assert not [gap for gap in missing(old, new) if not UNMADE.search(gap)]
        assert old["metadata"]["name"] == new["metadata"]["name"] == new["metadata"]["labels"]["kubernetes.io/hostname"]
    addresses = [item["status"]["addresses"][0]["address"] for item in here["items"]]
    assert len(set(addresses)) == 2 and len({item["metadata"]["uid"] for item in here["items"]}) == 2
    # What is on one's disk is not on the other's.
    assert here["items"][0]["status"]["images"] == here["items"][1]["status"]["images"] != []


def test_pods_are_spread(two_nodes):
    """What nobody says anything about goes where there is least."""
    by_name = {pod["metadata"]["name"]: pod for pod in two_nodes.get(PODS)["items"]}
    assert by_name["web"]["spec"]["nodeName"] == "node1" and by_name["client"]["spec"]["nodeName"] == "node2"
    for node in NODES:
        host = two_nodes.get("/api/v1/nodes/" + node)["status"]["addresses"][0]["address"]
        pods = two_nodes.get(f"{PODS}?fieldSelector=spec.nodeName%3D{node}")["items"]
        assert pods and {pod["spec"]["nodeName"] for pod in pods} == {node} and {pod["status"]["hostIP"] for pod in pods} == {host}
        subnet = ipaddress.ip_network(host + "/24", strict=False)
        assert all(ipaddress.ip_address(pod["status"]["podIP"]) in subnet for pod in pods)


@pytest.mark.parametrize("wish", [{"nodeName": "node2"}, {"nodeSelector": {"kubernetes.io/hostname": "node2"}}])
def test_a_wish_for_a_node(two_nodes, wish):
    with two_nodes.running_pod("subject", **wish, **sleeper()):
        assert two_nodes.node_of("subject") == two_nodes.pod("subject")["node"] == "node2"


def test_from_node_to_node(pair):
    """With the pods' own addresses, and of the node's own network as well."""
    page = "<h1>it works</h1>"
    web = pair.pod("web")["ip"]
    assert say(pair, "on2", "wget", "-qO-", f"http://{web}:8080/") == page
    assert say(pair, "on1", "wget", "-qO-", f"http://{web}:8080/") == page
    with in_netns(pair.netns("on1")):
        server = socket.create_server(("", 9000))
    addresses = [pair.pod(name)["ip"] for name in ("on1", "on2")]
    with in_netns(pair.netns("on2")):
        client = socket.create_connection((addresses[0], 9000), timeout=GUARD)
    with server, client, server.accept()[0] as accepted:
        assert accepted.getpeername()[0] == addresses[1]
    with pair.running_pod("host2", nodeName="node2", hostNetwork=True, **sleeper()):
        assert pair.pod_object("host2")["status"]["podIP"] == pair.pod_object("host2")["status"]["hostIP"]
        assert say(pair, "host2", "wget", "-qO-", f"http://{web}:8080/") == page
        assert say(pair, "host2", "hostname") == "node2"
        assert os.readlink("/proc/%d/ns/net" % pair.pod("host2")["containers"]["app"]["pid"]) == \
            "net:[%d]" % os.stat(node_netns(pair, 2)).st_ino


def test_the_bridge_keeps_its_address(pair):
    """Or what is on the way while pods come and go would be lost: to the address that the bridge had before."""
    def address():
        return say(pair, "on2", "sh", "-c", "arping -c 1 -w 5 10.244.1.1 | sed -n 's/.*\\[\\(.*\\)\\].*/\\1/p'")
    before = address()
    for number in range(5):
        with pair.running_pod(f"passing-{number}", nodeName="node2", **sleeper()):
            assert address() == before != ""


def test_a_nodes_processes_are_its_own(pair):
    """A pod with hostPID finds the containers of its node, and no others: a helper on the wrong one finds nothing."""
    ids = {number: pair.pod(f"on{number}")["containers"]["app"]["id"] for number in (1, 2)}
    for number in (1, 2):
        with pair.running_pod("looker", nodeName=f"node{number}", hostPID=True, **of(capabilities={"add": ["SYS_PTRACE"]})):
            groups = say(pair, "looker", "sh", "-c", "cat /proc/[0-9]*/cgroup 2>/dev/null")
            assert ids[number] in groups and ids[3 - number] not in groups
            assert pair.pod(f"on{number}")["sandbox"]["id"] in groups
            inside = pair.pod(f"on{number}")["containers"]["app"]["node_pid"]
            assert say(pair, "looker", "cat", f"/proc/{inside}/comm") == "sleep"
            # The node's first process has the node's network.
            assert say(pair, "looker", "readlink", "/proc/1/ns/net") == "net:[%d]" % os.stat(node_netns(pair, number)).st_ino


def test_each_kubelet_has_its_port(pair):
    """An exec on the second node comes there from the first, where the API server is, over the cable between them."""
    ports = {}
    for number in (1, 2):
        with in_netns(node_netns(pair, number)):
            ports[number] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        ports[number].bind(("eth0", 0x0003))
        ports[number].settimeout(GUARD)
    for pod, crosses in (("on1", False), ("on2", True)):
        say(pair, pod, "true")
        host = pair.pod_object("on2")["status"]["hostIP"]
        with in_netns(node_netns(pair, 1)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mark:
            mark.sendto(b"after " + pod.encode(), (host, 9))
        for sniffer in ports.values():
            seen, frame = set(), b""
            while not (frame[23:24] == b"\x11" and frame.endswith(b"after " + pod.encode())):
                frame = sniffer.recv(65536)
                if frame[12:14] == b"\x08\x00" and frame[23] == 6:
                    seen |= {(socket.inet_ntoa(frame[30:34]), int.from_bytes(frame[36:38], "big"))}
            assert (("10.244.1.1", 10250) in seen) == crosses, seen
    for sniffer in ports.values():
        sniffer.close()


def test_a_clock_that_is_off(pair):
    """The kubelet tells every container of the node, and no other."""
    ask = ["sh", "-c", "echo $KSNIFF_TEST_CLOCK_ERROR_MS"]
    assert say(pair, "on2", *ask) == ""
    with pair.faults(clock_error={"node2": -50}):
        assert (say(pair, "on1", *ask), say(pair, "on2", *ask)) == ("", "-50")
        with pair.running_pod("late", nodeName="node2", **sleeper()):
            path = "/proc/%d/environ" % pair.pod("late")["containers"]["app"]["pid"]
            with open(path, "rb") as file:
                assert b"KSNIFF_TEST_CLOCK_ERROR_MS=-50" in file.read().split(b"\0")
    assert say(pair, "on2", *ask) == ""


@pytest.mark.parametrize("flags", [[], ["-p"]])
def test_a_capture_on_the_second_node(pair, tmp_path, flags):
    path = str(tmp_path / "x.pcapng")
    ksniff = Ksniff(pair)
    with ksniff.capturing("on2", "-f", "udp port 4100", "-o", path, *flags) as process:
        pair.datagrams("on2", 4100)
        ksniff.stop(process)
    assert payloads(path, 4100) == [b"number 0", b"number 1", b"number 2"]
    assert [row[0] for row in tshark(path, "frame.interface_name", display="frame.number == 1")] == ["default/on2:lo"]
    wait_until(lambda: not pair.leftovers(), "the helper's end")


def test_nothing_stays_behind():
    with running_sandbox("--nodes", "3", "--clock-error", "node3=12.5", "--no-default-pods") as box:
        box.create_pod("there", nodeName="node3", **sleeper())
        assert say(box, "there", "sh", "-c", "echo $KSNIFF_TEST_CLOCK_ERROR_MS") == "12.5"
        pids = [box.pod("there")[part]["pid"] for part in ("sandbox",)] + [box.pod("there")["containers"]["app"]["pid"]]
    assert not left_behind(box.process.pid)
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
    assert not [path for path, _, _ in os.walk("/sys/fs/cgroup") if re.search(rf"ksniff-sandbox-{box.process.pid}\b", path)]


def test_a_killed_one_takes_its_processes_along():
    with tempfile.TemporaryDirectory() as directory:
        box = start_sandbox(directory, "--nodes", "2", "--no-default-pods")
        box.create_pod("there", nodeName="node2", **sleeper())
        pid = box.pod("there")["containers"]["app"]["pid"]
        box.process.kill()
        box.process.wait()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of its processes")
    with running_sandbox("--no-default-pods"):
        assert not left_behind(box.process.pid)
