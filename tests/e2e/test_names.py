# SPDX-License-Identifier: Apache-2.0
"""Names of addresses in the file: as tshark shows them, and whom it asks for them."""
import socket
import subprocess
import sys

import pytest

from conftest import LARGE_PAGES, Ksniff, in_netns, wait_until
from test_filter_names import service

ELSEWHERE = "203.0.113.7"  # nobody's


@pytest.fixture(scope="module", autouse=True)
def services(sandbox):
    with service(sandbox, "db", "shop", [], clusterIP="10.90.7.7", clusterIPs=["10.90.7.7"], externalIPs=["192.0.2.80"]):
        yield


@pytest.fixture(scope="module")
def finished(sandbox):
    """A pod that has finished, and that had the address of the pod web before."""
    ended = {"metadata": {"name": "before", "namespace": "shop"}, "spec": {"containers": [{"name": "a", "image": "b"}]},
             "status": {"phase": "Succeeded", "podIP": sandbox.pod("web")["ip"], "podIPs": [{"ip": sandbox.pod("web")["ip"]}]}}
    dual = {"metadata": {"name": "dual", "namespace": "shop"}, "spec": {"containers": [{"name": "a", "image": "b"}], "nodeName": "node1"},
            "status": {"phase": "Running", "podIP": "10.90.8.8", "podIPs": [{"ip": "10.90.8.8"}, {"ip": "fd00:90::8"}]}}
    for pod in ended, dual:
        sandbox.call("POST", "/sandbox/objects", {"resource": "pods", "namespace": "shop", "object": pod})
    with service(sandbox, "six", "shop", [], clusterIP="fd00:91::7", clusterIPs=["fd00:91::7", "10.90.7.8"]):
        yield
    for pod in ended, dual:
        sandbox.call("DELETE", f"/api/v1/namespaces/shop/pods/{pod['metadata']['name']}?gracePeriodSeconds=0")


def talk(sandbox, *addresses):
    """A datagram of the pod client's to each."""
    with in_netns(sandbox.netns("client")):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for address in addresses:
                one.sendto(b"hello", (address, 4321))


def node_address(sandbox):
    addresses = sandbox.get("/api/v1/nodes/node1")["status"]["addresses"]
    return next(each["address"] for each in addresses if each["type"] == "InternalIP")


def capture(sandbox, ksniff, path, *flags):
    """Captures what client says to everybody, once all names are there. Returns the messages."""
    before = len(sandbox.get("/sandbox/requests"))
    with ksniff.capturing("client", "-f", "udp dst port 4321", "-i", "eth0", "-o", path, *flags) as process:
        if "--no-names" not in flags and not path.endswith(".pcap"):
            while "names: all that can be had are there" not in process.head:
                process.head += process.stderr.readline().decode() or pytest.fail(process.head)
        talk(sandbox, sandbox.pod("web")["ip"], "10.90.7.7", "192.0.2.80", node_address(sandbox), ELSEWHERE)
        wait_until(lambda: len(shown(path)) == 5, "5 packets")
        err = ksniff.stop(process)
    return err, sandbox.get("/sandbox/requests")[before:]


def shown(path, *flags):
    """Source and destination of each packet, as tshark shows them."""
    done = subprocess.run(["tshark", "-r", path, *(flags or ["-n"]), "-T", "fields", "-e", "_ws.col.Source", "-e",
                           "_ws.col.Destination"], env=LARGE_PAGES, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def named(sandbox, finished, tmp_path_factory):
    """A capture with all names. Returns its path, messages and requests."""
    path = str(tmp_path_factory.mktemp("named") / "x.pcapng")
    return path, *capture(sandbox, Ksniff(sandbox), path, "-v")


def test_both_families(named):
    """What tshark takes from the file itself, of a pod and of a Service with two addresses."""
    listed = subprocess.run(["tshark", "-q", "-z", "hosts", "-r", named[0]], env=LARGE_PAGES, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=True).stdout
    assert {("10.90.8.8", "dual.shop"), ("fd00:90::8", "dual.shop"), ("fd00:91::7", "six.shop.svc"), ("10.90.7.8", "six.shop.svc")} <= {
        tuple(line.split()) for line in listed.splitlines()}


def test_names(sandbox, named):
    """Pods, Services with all their addresses, nodes; and what nobody has stays an address."""
    path, err, requests = named
    assert shown(path, "-N", "n") == [("client.default", name) for name in (
        "web.default", "db.shop.svc", "db.shop.svc", "node1", ELSEWHERE)]
    assert "are missing" not in err
    lists = [line for line in requests if "?limit=" in line]
    assert sorted(line.split("?")[0] for line in lists) == [
        "GET /api/v1/nodes", "GET /api/v1/pods", "GET /api/v1/services"]


def test_no_names(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    err, requests = capture(sandbox, ksniff, path, "--no-names", "-v")
    assert {source for source, _ in shown(path, "-N", "n")} == {sandbox.pod("client")["ip"]}
    assert "names of" not in err and not any("?limit=" in line for line in requests)


def test_pcap_has_none(sandbox, ksniff, tmp_path):
    """One line says so, if it was not asked for."""
    path = str(tmp_path / "x.pcap")
    err, requests = capture(sandbox, ksniff, path)
    assert err.count("a pcap file holds no names of pods and Services: --format pcapng does") == 1 and not any("?limit=" in line for line in requests)
    err, _ = capture(sandbox, ksniff, path, "--no-names")
    assert "names of" not in err


POD = {"verbs": ["get"], "resources": ["pods"]}
EXEC = {"verbs": ["create", "get"], "resources": ["pods/exec"]}
MISSING = "you may not list them in the whole cluster"


def with_rights(sandbox, name, *rules):
    return ("--kubeconfig", sandbox.kubeconfig_for(name, [POD, EXEC, *rules]))


def test_without_rights(sandbox, ksniff, tmp_path):
    """The target's own is known anyhow, and one line says what is missing."""
    path = str(tmp_path / "x.pcapng")
    err, _ = capture(sandbox, ksniff, path, "-v", *with_rights(sandbox, "nameless"))
    assert shown(path, "-N", "n") == [("client.default", name) for name in (
        sandbox.pod("web")["ip"], "10.90.7.7", "192.0.2.80", node_address(sandbox), ELSEWHERE)]
    assert [line.partition("] ")[2] for line in err.splitlines() if "missing" in line] == [
        f"names of pods, services, nodes are missing: {MISSING}"]


def test_rights_in_a_namespace(sandbox, ksniff, tmp_path):
    """The targets' namespaces are listed then."""
    path = str(tmp_path / "x.pcapng")
    rule = {"verbs": ["list"], "resources": ["pods", "services"], "namespace": "default"}
    err, _ = capture(sandbox, ksniff, path, "-v", *with_rights(sandbox, "local", rule))
    assert shown(path, "-N", "n") == [("client.default", name) for name in (
        "web.default", "10.90.7.7", "192.0.2.80", node_address(sandbox), ELSEWHERE)]
    assert f"names of pods of other namespaces, services of other namespaces, nodes are missing: {MISSING}" in err


def test_later_pods_have_names_with_follow(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "--follow", "-f", "udp dst port 4321", "-i", "eth0", "-o", path, "-v") as process:
        while "names: all that can be had are there" not in process.head:
            process.head += process.stderr.readline().decode() or pytest.fail(process.head)
        with sandbox.running_pod("newcomer", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]):
            wait_until(lambda: b"newcomer.default" in open(path, "rb").read(), "its name")
            talk(sandbox, sandbox.pod("newcomer")["ip"])
            wait_until(lambda: shown(path), "a packet")
        ksniff.stop(process)
    assert shown(path, "-N", "n") == [("client.default", "newcomer.default")]


# ---- the viewers ----

# A DNS server that counts, in namespaces of its own; then what is to be run there.
JUDGE = """
import socket, subprocess, sys, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
asked = threading.Event()

def serve():
    while True:
        question, who = server.recvfrom(512)
        asked.set()
        server.sendto(question[:2] + bytes.fromhex("8183") + question[4:6] + bytes(6) + question[12:], who)

threading.Thread(target=serve, daemon=True).start()
subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL, check=True)
print("asked" if asked.wait(1) else "silent")
"""


def look(tmp_path, *command):
    """Runs it where the only DNS server counts. Returns what it says, and whether it asked."""
    resolver, judge = tmp_path / "resolv.conf", tmp_path / "judge.py"
    resolver.write_text("nameserver 127.0.0.1\n")
    judge.write_text(JUDGE)
    script = f'ip link set lo up; mount --bind {resolver} /etc/resolv.conf; exec "$@"'
    done = subprocess.run(["unshare", "-m", "-n", "sh", "-c", script, "-", sys.executable, str(judge), *command],
                          stdout=subprocess.PIPE, text=True, check=True)
    *lines, verdict = done.stdout.splitlines()
    return lines, verdict


def test_no_dns_is_asked(named, tmp_path):
    """With the words of the README, and with those that Wireshark is started with. (Others would ask.)"""
    path, _, _ = named
    names = ("-o", "nameres.network_name:TRUE")
    for flags, verdict in ((("-N", "dn"), "silent"), ((*names, "-o", "nameres.use_external_name_resolver:FALSE"), "silent"),
                           (names, "asked")):
        lines, asked = look(tmp_path, "tshark", "-r", path, *flags)
        assert any("client.default" in line and "db.shop.svc" in line for line in lines), lines
        assert any(ELSEWHERE in line for line in lines)
        assert asked == verdict, flags
