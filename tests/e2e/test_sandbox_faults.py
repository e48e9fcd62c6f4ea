# SPDX-License-Identifier: Apache-2.0
"""The sandbox's failures, and what it tells of what runs: what the tests of the client stand on."""
import contextlib
import os
import queue
import select
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from conftest import GUARD, wait_until
from test_sandbox import is_running, kubectl, protocol  # noqa: F401  pylint: disable=unused-import
from test_sandbox_objects import PODS, gone, sleeper

EPHEMERAL = {"spec": {"ephemeralContainers": [{"name": "look", "image": "busybox", "command": ["sleep", "1000"]}]}}


def connect(box):
    host, port = box.server.removeprefix("https://").split(":")
    raw = socket.create_connection((host, int(port)), timeout=2)
    return box.tls.wrap_socket(raw, server_hostname="127.0.0.1")


def ask(box, connection, path="/version"):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {box.tokens['sandbox-token']}\r\n\r\n".encode())


def answered(connection, seconds):
    """The whole of a short answer; None when nothing comes."""
    data, end = b"", time.monotonic() + seconds
    while not data.endswith(b"}"):
        left = max(end - time.monotonic(), 0)
        if not connection.pending() and not select.select([connection], [], [], left)[0]:
            return data or None
        data += connection.recv(65536)
    return data


@contextlib.contextmanager
def streaming(box, command, stdin=False):
    """kubectl exec with its lines in a queue."""
    words = ["kubectl", "exec", *(["-i"] if stdin else []), "web", "-c", "httpd", "--", "sh", "-c", command]
    lines = queue.Queue()
    with subprocess.Popen(words, env=box.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        def read():
            for line in client.stdout:
                lines.put(line)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield client, lines
        finally:
            client.kill()
            reader.join()


def drain(lines):
    found = []
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(lines.get_nowait())
    return found


def find_process(box, text, pod="web"):
    return next((p["pid"] for entry in box.get("/sandbox/processes") if entry["name"] == pod for p in entry["processes"]
                 if text in " ".join(p["command"])), None)


def test_a_black_hole(sandbox):
    """Nothing arrives in either direction, nothing is closed; afterwards it goes on where it was."""
    old = connect(sandbox)
    ask(sandbox, old)
    assert b"v1.36" in answered(old, 5)
    with streaming(sandbox, "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done") as (_, lines):
        lines.get(timeout=GUARD)
        with sandbox.faults(blackhole=True):
            time.sleep(0.3)
            drain(lines)
            ask(sandbox, old)
            assert answered(old, 1) is None
            assert not drain(lines)
            unsent = struct_info(old)
            assert unsent > 0, "the kernel must not acknowledge what a firewall swallows"
            with pytest.raises((TimeoutError, socket.timeout, ssl.SSLError)):
                connect(sandbox)
            # The other port sees it all.
            assert sandbox.get("/version")["minor"] == "36"
        assert b"v1.36" in answered(old, 10)
        first = int(lines.get(timeout=10))
        assert int(lines.get(timeout=10)) == first + 1
    connect(sandbox).close()
    old.close()


def struct_info(connection):
    """How many bytes the other side has not acknowledged."""
    import fcntl
    import struct
    SIOCOUTQ = 0x5411
    return struct.unpack("i", fcntl.ioctl(connection.fileno(), SIOCOUTQ, b"\0" * 4))[0]


def test_a_client_that_goes_in_the_black_hole(sandbox):
    """The server learns of it when the hole is gone, and not before."""
    with streaming(sandbox, "cat >/dev/null # ksniff-hole", stdin=True) as (client, _):
        pid = wait_until(lambda: find_process(sandbox, "ksniff-hole") or find_process(sandbox, "cat"), "the process")
        with sandbox.faults(blackhole=True):
            client.kill()
            client.wait()
            time.sleep(1)
            assert is_running(pid)
        wait_until(lambda: not is_running(pid), "the end of the process", 30)


def test_a_restart(sandbox, protocol):  # noqa: F811
    """All connections go, the pods and the processes stay; the process sees the end of its stdin."""
    with streaming(sandbox, "cat >/dev/null; echo over >/tmp/over; exec sleep 12345", stdin=True) as (client, _):
        wait_until(lambda: find_process(sandbox, "cat"), "the process")
        pods = sandbox.pods()
        began = time.monotonic()
        sandbox.call("POST", "/sandbox/restart", {"seconds": 1})
        client.wait(timeout=GUARD)  # over SPDY kubectl takes it for success
        with pytest.raises(ConnectionRefusedError):
            connect(sandbox)
        pid = wait_until(lambda: find_process(sandbox, "12345"), "what goes on without a client")

        def back():
            with contextlib.suppress(OSError):
                connect(sandbox).close()
                return True
            return False
        wait_until(back, "the server", 10)
        assert 0.9 < time.monotonic() - began < 5
        assert sandbox.pods() == pods and is_running(pid)
    assert kubectl(sandbox, "exec", "web", "--", "cat", "/tmp/over").stdout == b"over\n"
    os.kill(pid, signal.SIGKILL)


def test_a_watch_ends_with_the_server(sandbox):
    watch = subprocess.Popen(["kubectl", "get", "--raw", PODS + "?watch=true"], env=sandbox.env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    watch.stdout.readline()
    sandbox.call("POST", "/sandbox/restart", {"seconds": 0.2})
    watch.communicate(timeout=GUARD)
    wait_until(lambda: not kubectl(sandbox, "get", "nodes", check=False).returncode, "the server", 10)


def test_processes(sandbox):
    """Of every container, an ephemeral one too, and of nothing that has gone."""
    with sandbox.running_pod("subject", **sleeper()):
        assert sandbox.call("PATCH", PODS + "/subject/ephemeralcontainers", EPHEMERAL)[0] == 200
        wait_until(lambda: sandbox.pod("subject")["containers"].get("look", {}).get("pid"), "the container")
        with subprocess.Popen(["kubectl", "exec", "subject", "-c", "app", "--", "sleep", "4321"], env=sandbox.env) as client:
            wait_until(lambda: find_process(sandbox, "4321", "subject"), "the process")
            found = next(p for p in sandbox.get("/sandbox/processes") if p["name"] == "subject")
            assert found["exists"] and found["namespace"] == "default"
            rows = {(p["container"], " ".join(p["command"]), p["exe"]) for p in found["processes"]}
            assert rows == {("", "/pause", "pause"), ("app", "sleep 1000", "sleep"), ("look", "sleep 1000", "sleep"),
                            ("app", "sleep 4321", "sleep")}
            pid = find_process(sandbox, "4321", "subject")
            os.kill(pid, signal.SIGKILL)
            assert client.wait(timeout=GUARD) == 137
    uid = found["uid"]
    assert not [p for p in sandbox.get("/sandbox/processes") if p["uid"] == uid]


@pytest.fixture(name="strangers")
def with_strangers(sandbox):
    sandbox.call("POST", "/sandbox/strangers")
    yield
    sandbox.call("DELETE", "/sandbox/strangers")
    wait_until(lambda: gone(sandbox, PODS + "/static-node1") and ("default", "static-node1") not in sandbox.pods(), "their end")


@pytest.mark.usefixtures("strangers")
def test_strangers(sandbox):
    nodes = {node["metadata"]["name"]: node for node in sandbox.get("/api/v1/nodes")["items"]}
    assert nodes["win1"]["status"]["nodeInfo"]["operatingSystem"] == nodes["win1"]["metadata"]["labels"]["kubernetes.io/os"] == "windows"
    assert nodes["virtual1"]["metadata"]["labels"]["type"] == "virtual-kubelet"
    assert nodes["virtual1"]["spec"]["taints"][0]["key"] == "virtual-kubelet.io/provider"
    for name in ("winpod", "vkpod"):
        assert sandbox.get(f"{PODS}/{name}")["status"]["phase"] == "Running"
        code, status = sandbox.call("GET", f"{PODS}/{name}/exec?command=true&stdout=true")
        assert code == 500 and "connection refused" in status["message"]
    wait_until(lambda: sandbox.get(PODS + "/static-node1")["status"]["phase"] == "Running", "the static pod")
    code, status = sandbox.call("PATCH", PODS + "/static-node1/ephemeralcontainers", EPHEMERAL)
    assert (code, status["message"]) == (422, 'Pod "static-node1" is invalid: []: Forbidden: static pods do not support ephemeral '
                                              "containers")
    assert kubectl(sandbox, "exec", "static-node1", "--", "echo", "hello").stdout == b"hello\n"
    listed = kubectl(sandbox, "get", "pods", "-o", "wide").stdout
    assert b"winpod" in listed


def test_objects_as_they_are(sandbox):
    pod = {"metadata": {"name": "made-up", "namespace": "shop"}, "spec": {"containers": [{"name": "a", "image": "x"}], "nodeName": "n"},
           "status": {"phase": "Unknown"}}
    code, obj = sandbox.call("POST", "/sandbox/objects", {"resource": "pods", "namespace": "shop", "object": pod})
    assert code == 201 and obj["metadata"]["uid"]
    assert sandbox.get("/api/v1/namespaces/shop/pods/made-up")["status"] == {"phase": "Unknown"}
    sandbox.call("DELETE", "/api/v1/namespaces/shop/pods/made-up?gracePeriodSeconds=0")
    assert gone(sandbox, "/api/v1/namespaces/shop/pods/made-up")


@pytest.mark.parametrize("when", ["early", "late"])
def test_kubelet_down(sandbox, when):
    """Before the upgrade or after it, in the words of the API server; to kubectl it is the same."""
    with sandbox.faults(kubelet_down=when):
        done = kubectl(sandbox, "exec", "web", "-c", "httpd", "--", "true", check=False)
    assert done.returncode == 1 and "dial tcp 10.244.0.1:10250: connect: connection refused" in done.stderr.decode(), done.stderr
    assert kubectl(sandbox, "exec", "web", "-c", "httpd", "--", "true").returncode == 0


def test_words_of_a_kubelet(sandbox, protocol):  # noqa: F811
    """It knows no pod yet, or a container that does not run: its own words, which kubectl shows over both."""
    assert protocol
    with sandbox.faults(kubelet_down="starting"):
        done = kubectl(sandbox, "exec", "web", "-c", "httpd", "--", "true", check=False)
    assert done.returncode == 1 and "unable to upgrade connection: pod does not exist" in done.stderr.decode(), done.stderr
    broken = {"name": "app", "image": "busybox", "command": ["/nope"]}
    with sandbox.faults(hold_pods=True):
        sandbox.create_pod("held", wait=False, containers=[broken])
        wait_until(lambda: sandbox.pod_object("held")["status"].get("containerStatuses"), "the kubelet's look at it")
        done = kubectl(sandbox, "exec", "held", "--", "true", check=False)
    sandbox.delete_pod("held")
    assert done.returncode == 1 and 'unable to upgrade connection: container not found ("app")' in done.stderr.decode(), done.stderr
