# SPDX-License-Identifier: Apache-2.0
"""The sandbox against the recordings of a real API server and against the real kubectl."""
import ast
import asyncio
import json
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from conftest import GUARD, ROOT, start_sandbox, wait_until

RECORDINGS = os.path.join(ROOT, "tests", "data", "kubernetes-api")

# What the sandbox's stand-ins are called in the recordings.
NAMES = [("/namespaces/lab/", "/namespaces/default/"), ("container=app", "container=httpd"),
         ('"lab"', '"default"'), ('\\"lab\\"', '\\"default\\"'), ("namespaces/locked", "namespaces/restricted")]
NOT_HELD = {
    "ephemeral-patch-same-name.http": "its message goes on with a difference of Go structures",
    "podsecurity": "the recorded name of the pod is random: test_pod_security holds the rest",
    "ephemeral-patch": "the pod is made first: test_ephemeral_containers holds them",
    "pod-delete.http": "the recorded pod has been changed by hand before",
    "pod-get-ephemeral.http": "the pod is made first: test_ephemeral_containers holds it",
    "exec-ephemeral.ws": "the pod is made first: test_ephemeral_containers holds it",
    "pod-create-baseline.http": "the same as pod-create.http, in another namespace",
    "pod-get-image-missing.http": "the pod is made first: test_a_missing_image holds it",
    "pod-create-missing-image.http": "the same as pod-create.http but for the image",
    "pods-watch.http": "the pod comes and goes meanwhile: test_watch holds it",
    "exec-only-": "two requests for an upgrade: test_rights_to_exec_as_recorded holds them",
    "pods-list.http": "made of pods, as pod-get.http is",
    **{name + ".http": "what makes pods of it is made first: test_sandbox_workloads holds it" for name in (
        "deployment-get", "replicasets-list", "pods-list-selector", "endpointslices-list", "statefulset-get", "daemonset-get",
        "pods-watch-scale")},
}


def parse_http(name):
    """A recording: method, path, headers, body, then the answer's code, headers and body."""
    with open(os.path.join(RECORDINGS, name), encoding="utf-8") as file:
        text = re.sub(r"^#.*\n", "", file.read(), flags=re.M)
    request, _, answer = text.partition("\n\n<")
    lines = [line[2:] for line in request.splitlines() if line.startswith(">")]
    method, path, _ = lines[0].split(" ")
    body = "\n".join(lines[lines.index("") + 1:]) if "" in lines else ""
    head, _, content = ("<" + answer).partition("<\n")
    code = int(head.split()[2])
    headers = dict(line[2:].split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
    return method, path, lines, body, code, headers, content


def localise(text):
    for recorded, here in NAMES:
        text = text.replace(recorded, here)
    return text


def shape(value):
    """The keys and types of a JSON value; lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def missing(recorded, here, path=""):
    """What the recording has and the sandbox's answer lacks, or has with another type."""
    if isinstance(recorded, dict) and isinstance(here, dict):
        for key, value in recorded.items():
            if key not in here:
                yield f"{path}.{key}"
            else:
                yield from missing(value, here[key], f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(here, list):
        if recorded and here:
            yield from missing(recorded[0], here[0], path + "[]")
    elif type(recorded) is not type(here):
        yield f"{path}: {here} instead of {recorded}"


# Who set which field when is of no use to the client, and the sandbox does not keep it. The rest is what
# the recorded pods and services have of their own.
UNMADE = re.compile(r"managedFields|hostPath|(items\[\]|object)\.(metadata\.annotations|spec\.selector|status\.resources\.limits)")


def reason_not_held(name):
    return next((reason for key, reason in NOT_HELD.items() if name.startswith(key)), None)


@pytest.mark.parametrize("name", sorted(n for n in os.listdir(RECORDINGS) if n.endswith(".http")))
def test_answers_as_recorded(sandbox, name):
    if reason_not_held(name):
        pytest.skip(reason_not_held(name))
    method, path, lines, body, code, headers, content = parse_http(name)
    if name == "watch-expired.http":
        path += "&timeoutSeconds=1"
    token = None
    if any("Bearer" in line for line in lines):
        token = "no-such-token" if name == "unauthorized.http" else sandbox.tokens["viewer"]
    if name == "forbidden-get.http":  # the recorded viewer may read another namespace alone
        token = "nobody-token"
        sandbox.call("POST", "/sandbox/users", {"name": "system:serviceaccount:lab:viewer", "rules": [], "token": token})
    body = localise(body)
    if name in ("pod-create.http", "pod-create-conflict.http"):
        body = body.replace('"web"', '"recorded"' if name == "pod-create.http" else '"web"', 1)
    request = sandbox.request(method, localise(path), body or None, token)
    assert request.status == code
    assert request.headers["Content-Type"].startswith("application/json")
    assert request.headers["Cache-Control"] == headers.get("Cache-Control", "no-cache, private")  # left out in some
    recorded, here = json.loads(localise(content)), json.loads(request.body.split(b"\n")[0])
    if recorded.get("kind") == "Status":
        users = [("lab:viewer", "default:viewer")] if name != "forbidden-get.http" else []
        text = json.dumps(recorded)
        for old, new in users:
            text = text.replace(old, new)
        assert here == json.loads(text)
    elif recorded.get("type") == "ERROR":
        assert shape(here) == shape(recorded) and here["object"]["code"] == 410
    else:
        left = [gap for gap in missing(recorded, here) if not UNMADE.search(gap)]
        assert not left, left
    if name == "pod-create.http":
        sandbox.delete_pod("recorded")
    elif method == "POST" and "name" in here.get("metadata", {}):  # others look for what is left
        code, _ = sandbox.call("DELETE", localise(path) + "/" + here["metadata"]["name"])
        assert code == 200


def parse_ws(name):
    with open(os.path.join(RECORDINGS, name), encoding="utf-8") as file:
        text = file.read()
    request = re.search(r"^> GET (\S+) HTTP", text, re.M)[1]
    protocols = re.search(r"> Sec-WebSocket-Protocol: (.*)", text)[1]
    code = int(re.search(r"^< HTTP/1.1 (\d+)", text, re.M)[1])
    frames = [(m[1], int(m[2]), int(m[3]), ast.literal_eval(m[4])) for m in
              re.finditer(r"^([<>])\s+(\d+) op=(\d+)(?: fin=1)? (b'(?:[^'\\]|\\.)*')", text, re.M)]
    return request, protocols.split(", "), code, frames, text


def channels(frames):
    """What came on each channel, and the last frame: the order between stdout and stderr is nobody's."""
    result = {}
    for _, _, opcode, payload in frames:
        if opcode == 2 and payload:
            result[payload[0]] = result.get(payload[0], b"") + payload[1:]
    return result


@pytest.mark.parametrize("name", sorted(n for n in os.listdir(RECORDINGS) if n.endswith(".ws")))
def test_frames_as_recorded(sandbox, name):
    if reason_not_held(name):
        pytest.skip(reason_not_held(name))
    path, protocols, code, frames, text = parse_ws(name)
    pod = "web"
    if "/victim/" in path:
        pod = "victim"
        sandbox.create_pod("victim", containers=[{"name": "httpd", "image": "busybox", "command": ["sleep", "1000"]}])
    if name == "attach.ws":  # the main process is silent, and stays
        frames.append((">", 300, 8, b"\x03\xe8"))
    got = asyncio.run(replay(sandbox, localise(path), protocols, frames, name))
    if pod == "victim" and ("default", "victim") in sandbox.pods():
        sandbox.delete_pod("victim")
    assert got["code"] == code
    if code != 101:
        expected = text.split("<\n", 1)[1].strip()
        assert (json.loads(got["body"]) if expected else got["body"]) == (json.loads(localise(expected)) if expected else b"")
        return
    received = [frame for frame in frames if frame[0] == "<"]
    assert got["protocol"] == re.search(r"< Sec-WebSocket-Protocol: (\S+)", text)[1]
    assert got["frames"][0][3] == b"\x01"
    if "large" in name:
        sizes = [len(frame[3]) for frame in got["frames"] if frame[3][:1] == b"\x01"]
        # How much a read finds in the pipe is a matter of time; the recorded server never sends more at once.
        assert sum(sizes) - len(sizes) == 200000 and max(sizes) <= 32769
        return
    mine, theirs = channels(got["frames"]), channels(received)
    if pod == "victim":
        assert mine[1].startswith(b"tick\ntick\n")
        mine.pop(1), theirs.pop(1)
    if 3 in theirs:
        identity = re.compile(rb"[0-9a-f]{64}")
        mine[3], theirs[3] = (identity.sub(b"ID", value) for value in (mine[3], theirs[3]))
    assert mine == theirs
    if any(opcode == 10 for _, _, opcode, _ in received):
        assert got["pong"]


async def replay(sandbox, path, protocols, frames, name):
    import aiohttp
    headers = {"Authorization": "Bearer " + sandbox.tokens["sandbox-token"]}
    result = {"frames": [], "code": 101, "pong": False}
    async with aiohttp.ClientSession() as session:
        try:
            from yarl import URL
            socket = await session.ws_connect(URL(sandbox.server + path, encoded=True), protocols=protocols,
                                              headers=headers, ssl=sandbox.tls, autoping=False, max_msg_size=0)
        except aiohttp.WSServerHandshakeError as error:
            async with session.get(URL(sandbox.server + path, encoded=True), ssl=sandbox.tls, headers={
                    **headers, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": ", ".join(protocols)}) as answer:
                return {"code": error.status, "body": await answer.read()}
        result["protocol"] = socket.protocol

        async def act():
            at = 0
            for direction, moment, opcode, payload in frames:
                if direction != ">":
                    continue
                await asyncio.sleep((moment - at) / 1000)
                at = moment
                if opcode == 9:
                    await socket.ping(payload)
                elif opcode == 8:
                    await socket.close()
                else:
                    await socket.send_bytes(payload)
            if "container-dies" in name:
                await asyncio.sleep(1.5)
                os.kill(sandbox.pod("victim")["containers"]["httpd"]["pid"], signal.SIGKILL)
            if "pod-deleted" in name:
                await asyncio.sleep(1.5)
                sandbox.call("DELETE", "/api/v1/namespaces/default/pods/victim")
        task = asyncio.ensure_future(act())
        while True:
            message = await asyncio.wait_for(socket.receive(), GUARD)
            if message.type == aiohttp.WSMsgType.BINARY:
                result["frames"].append(("<", 0, 2, message.data))
            elif message.type == aiohttp.WSMsgType.PONG:
                result["pong"] = True
            else:
                break
        await task
    return result


def recorded_status(name):
    return json.loads(parse_http(name)[6])


def test_watch(sandbox):
    """Bookmarks, then the life of a pod, as recorded; and what happened since a version is told afterwards."""
    recorded = [json.loads(line) for line in parse_http("pods-watch.http")[6].splitlines()]
    path = "/api/v1/namespaces/default/pods?watch=true&allowWatchBookmarks=true&labelSelector=app%3Dnew"
    before = sandbox.get("/api/v1/namespaces/default/pods")["metadata"]["resourceVersion"]
    events, earlier = queue.Queue(), len(sandbox.get("/sandbox/requests"))

    def read():
        body = sandbox.request("GET", path + "&timeoutSeconds=6", None).body
        events.put([json.loads(line) for line in body.splitlines()])
    reader = threading.Thread(target=read)
    reader.start()
    wait_until(lambda: any("allowWatchBookmarks" in line for line in sandbox.get("/sandbox/requests")[earlier:]), "the watch")
    with sandbox.running_pod("newcomer", metadata={"labels": {"app": "new"}},
                             containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]):
        sandbox.call("DELETE", "/api/v1/namespaces/default/pods/newcomer?gracePeriodSeconds=1")  # as recorded
        wait_until(lambda: ("default", "newcomer") not in sandbox.pods(), "the end of the pod")
    reader.join(GUARD)
    seen = events.get(timeout=GUARD)
    assert seen[0]["type"] == "BOOKMARK" and not list(missing(recorded[0], seen[0]))
    theirs, mine = ([event for event in those if event["type"] != "BOOKMARK"] for those in (recorded, seen))
    assert [mine[0]["type"], mine[-1]["type"]] == [theirs[0]["type"], theirs[-1]["type"]] == ["ADDED", "DELETED"]
    assert {event["type"] for event in mine[1:-1]} == {"MODIFIED"}
    for old, new in ((theirs[0], mine[0]), (theirs[-1], mine[-1])):
        assert not [gap for gap in missing(old, new) if not UNMADE.search(gap)]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in mine]
    assert versions == sorted(set(versions))
    # The same again, from before the pod was made.
    body = sandbox.request("GET", f"{path}&timeoutSeconds=1&resourceVersion={before}", None).body
    again = [json.loads(line) for line in body.splitlines()]
    assert [event for event in again if event["type"] != "BOOKMARK"] == mine


def test_pod_security(sandbox):
    for name, namespace in (("podsecurity-baseline-forbids.http", "baseline"), ("podsecurity-locked-forbids.http", "restricted")):
        body = parse_http(name)[3].replace('"locked"', '"restricted"')
        code, status = sandbox.call("POST", f"/api/v1/namespaces/{namespace}/pods", json.loads(body))
        assert code == 403
        random = re.compile(r"ksniff-\w{5}")
        assert random.sub("ksniff-x", json.dumps(status)) == random.sub("ksniff-x", json.dumps(recorded_status(name)))


def test_ephemeral_containers(sandbox):
    app = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
    for namespace in ("default", "baseline"):
        with sandbox.running_pod("plain", namespace, containers=[app]):
            path = f"/api/v1/namespaces/{namespace}/pods/plain/ephemeralcontainers"

            def patch(name):
                return sandbox.call("PATCH", path, json.loads(parse_http(name)[3]))
            if namespace == "baseline":
                code, status = patch("ephemeral-patch-baseline-net-raw.http")
                assert (code, status) == (403, recorded_status("ephemeral-patch-baseline-net-raw.http"))
                code, obj = patch("ephemeral-patch-baseline.http")
                assert code == 200, obj
                continue
            code, status = patch("ephemeral-patch-unknown-target.http")
            assert (code, json.dumps(status).replace("plain", "web")) == \
                (422, json.dumps(recorded_status("ephemeral-patch-unknown-target.http")))
            code, obj = patch("ephemeral-patch.http")
            assert code == 200, obj
            recorded = recorded_status("ephemeral-patch.http")
            assert shape(obj["spec"]["ephemeralContainers"]) == shape(recorded["spec"]["ephemeralContainers"])
            code, status = patch("ephemeral-patch-same-name.http")
            assert code == 422 and 'existing ephemeral containers "ksniff-1" may not be changed' in status["message"]
            wait_until(lambda: sandbox.get("/api/v1/namespaces/default/pods/plain")["status"].get(
                "ephemeralContainerStatuses", [{"state": {}}])[0]["state"].get("running"), "the ephemeral container")
            recorded = recorded_status("pod-get-ephemeral.http")["status"]["ephemeralContainerStatuses"]
            here = sandbox.get("/api/v1/namespaces/default/pods/plain")["status"]["ephemeralContainerStatuses"]
            assert not [gap for gap in missing(recorded, here) if not UNMADE.search(gap)]
            request, protocols, _, frames, _ = parse_ws("exec-ephemeral.ws")
            got = asyncio.run(replay(sandbox, request.replace("/lab/pods/web", "/default/pods/plain"), protocols, frames, ""))
            mine, theirs = channels(got["frames"]), channels(frames)
            assert mine[1].startswith(b"uid=0(root) gid=0(root)") and mine[3] == theirs[3]


def test_an_ephemeral_container_waits_for_the_network_of_its_pod(sandbox):
    app = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
    path = sandbox.path("pods", "plain")
    def state():
        return sandbox.get(path)["status"].get("ephemeralContainerStatuses", [{"state": {}}])[0]["state"]
    with sandbox.faults(hold_pods=True):
        sandbox.create_pod("plain", wait=False, containers=[app])
        code, obj = sandbox.call("PATCH", path + "/ephemeralcontainers", json.loads(parse_http("ephemeral-patch.http")[3]))
        assert code == 200, obj
        wait_until(state, "its status")
        time.sleep(1)  # for a start that must not be
        assert state() == {"waiting": {"reason": "ContainerCreating"}}
    wait_until(lambda: "running" in state(), "the ephemeral container")
    sandbox.delete_pod("plain")


def test_kubectl_attach(sandbox, protocol):
    attached = subprocess.Popen(["kubectl", "attach", "client"], env=sandbox.env, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
    try:
        assert any(b"it works" in attached.stdout.readline() for _ in range(12))
    finally:
        attached.kill()
        attached.communicate()


def test_kubectl_debug(sandbox):
    if minor_version(sandbox) < 23:
        pytest.skip("this kubectl adds ephemeral containers in a way that servers do not take any more")
    app = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
    with sandbox.running_pod("debugged", containers=[app]):
        kubectl(sandbox, "debug", "debugged", "--image=busybox", "--target=app", "-c", "look", "--", "sleep", "1000")
        wait_until(lambda: sandbox.pod("debugged")["containers"].get("look", {}).get("pid"), "the container")
        done = kubectl(sandbox, "exec", "debugged", "-c", "look", "--", "ps")
        assert done.stdout.count(b"sleep 1000") == 2  # it sees the target's process


def minor_version(sandbox):
    version = json.loads(kubectl(sandbox, "version", "--client", "-o", "json").stdout)["clientVersion"]
    return int(re.match(r"\d+", version["minor"])[0])


@pytest.fixture(params=["WebSocket", "SPDY"])
def protocol(request, sandbox, monkeypatch):
    """kubectl speaks SPDY alone until 1.30; newer ones do when they are told to."""
    if request.param == "WebSocket" and minor_version(sandbox) < 31:
        pytest.skip("this kubectl speaks SPDY alone")
    monkeypatch.setitem(sandbox.env, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "true" if request.param == "WebSocket" else "false")
    return request.param


def kubectl(sandbox, *words, stdin=None, check=True):
    return subprocess.run(["kubectl", *words], env=sandbox.env, input=stdin, check=check, timeout=GUARD,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_kubectl_reads_and_deletes(sandbox):
    assert {line.split()[0] for line in kubectl(sandbox, "get", "pods").stdout.decode().splitlines()[1:]} >= \
        {"web", "client", "nonroot", "distroless", "hostnet"}
    assert kubectl(sandbox, "get", "pod", "web", "-o", "jsonpath={.status.phase}").stdout == b"Running"
    assert b"it works" in kubectl(sandbox, "logs", "client").stdout
    watch = subprocess.Popen(["kubectl", "get", "pods", "-w", "-o", "name"], env=sandbox.env, stdout=subprocess.PIPE)
    try:
        for _ in range(5):
            watch.stdout.readline()
        sandbox.create_pod("passing", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}])
        assert watch.stdout.readline() == b"pod/passing\n"
        kubectl(sandbox, "delete", "pod", "passing")
        wait_until(lambda: ("default", "passing") not in sandbox.pods(), "the end of the pod")
    finally:
        watch.kill()
        watch.communicate()


def test_kubectl_exec(sandbox, protocol):
    done = kubectl(sandbox, "exec", "-i", "web", "-c", "httpd", "--", "sh", "-c", "cat; exit 3", stdin=b"hello", check=False)
    assert done.returncode == 3 and done.stdout == b"hello"
    done = kubectl(sandbox, "exec", "web", "-c", "httpd", "--", "nope", check=False)
    assert done.returncode != 0 and b"executable file not found" in done.stderr


def is_running(pid):
    """A zombie is not: only init, whose child it is by now, can take it away."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def left_behind(pid):
    names = subprocess.run(["ip", "netns", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = [name for name in names.split() if name.startswith(f"ks{pid}-")]
    with open("/proc/mounts", encoding="ascii") as file:
        found += [line for line in file if f"/ksniff-sandbox/{pid}/" in line]
    if os.path.exists(f"/run/ksniff-sandbox/{pid}"):
        found.append("its directory")
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_stays_behind(number):
    with tempfile.TemporaryDirectory() as directory:
        box = start_sandbox(directory)
        pids = [c["pid"] for pod in box.pods().values() for c in pod["containers"].values()]
        uids = [pod["uid"] for pod in box.pods().values()]
        box.process.send_signal(number)
        assert box.process.wait(timeout=GUARD) == 0
    assert not left_behind(box.process.pid)
    assert not [pid for pid in pids if is_running(pid)]
    for root, directories, _ in os.walk("/sys/fs/cgroup"):
        assert not [name for name in directories if any(uid in name for uid in uids)], root


def test_a_killed_sandbox_is_swept_up_by_the_next():
    with tempfile.TemporaryDirectory() as directory:
        box = start_sandbox(directory)
        box.process.kill()
        box.process.wait()
        assert left_behind(box.process.pid)
    with tempfile.TemporaryDirectory() as directory:
        other = start_sandbox(directory, "--no-default-pods")
        assert not left_behind(box.process.pid)
        other.process.terminate()
        assert other.process.wait(timeout=GUARD) == 0
