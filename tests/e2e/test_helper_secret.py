# SPDX-License-Identifier: Apache-2.0
"""A helper serves only who has made it: its agent alone, and against whoever may exec into it."""
import contextlib
import hashlib
import os
import subprocess

import pytest

from conftest import GUARD, leftovers, wait_until
from test_agent import BINARIES, Agent, ip, udp
from test_node import captures, payloads

NO_SECRET, SHELL, BAD_OPTIONS = 74, 75, 64
SECRET = "0123456789abcdef" * 4
VARIABLE = "KSNIFF_SECRET_SHA256"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()
WORDS = b"ksniff-agent: this helper serves only who has made it: standard input does not begin with its secret\n"
AGENT = "/ksniff/ksniff-agent"
RIGHTS = [{"verbs": ["*"], "resources": ["pods", "pods/exec", "configmaps"]}]


@pytest.fixture(params=BINARIES, ids=os.path.basename)
def binary(request):
    return request.param


@pytest.fixture
def network():
    name = f"kst{os.getpid()}-secret"
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")
    yield name
    ip("netns", "del", name)


@pytest.fixture
def victim(tmp_path):
    """A file that is not the agent's to remove."""
    path = tmp_path / "victim"
    path.write_text("x")
    return str(path)


def run(binary, *words, given=b"", wanted=HASH):
    done = subprocess.run([binary, *words], input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          timeout=GUARD, env={**os.environ, VARIABLE: wanted})
    assert done.stdout == b""
    return done.returncode, done.stderr


# ---- the agent alone ----

@pytest.mark.parametrize("behind", [b"", b"\n\n"])
def test_with_the_secret(binary, network, tmp_path, behind):
    """What follows the line is heard as ever: heartbeats, and the end."""
    path = str(tmp_path / "x.pcapng")
    agent = Agent(binary, network, prefix=["env", f"{VARIABLE}={HASH}"])
    agent.process.stdin.write(SECRET.encode() + b"\n" + behind)
    agent.process.stdin.flush()
    agent.wait_ready()
    udp((network, network), [b"one", b"two"], address="127.0.0.1")
    agent.finish(path)
    assert payloads(path, 6000) == [b"one", b"two"]


def test_the_end_right_behind_it(binary, network):
    """In one write: not a byte of it is taken for the secret's."""
    done = subprocess.run(["ip", "netns", "exec", network, binary, "capture"], input=SECRET.encode() + b"\nq", check=True,
                          stdout=subprocess.PIPE, timeout=GUARD, env={**os.environ, VARIABLE: HASH})
    assert done.stdout[:4] == b"\x0a\x0d\x0d\x0a"


@pytest.mark.parametrize("given", [
    b"", b"\n", b"q", SECRET.encode(), SECRET[:-1].encode() + b"\n", SECRET.encode() + b"0\n", b"f" * 64 + b"\n",
    b"\n" + SECRET.encode() + b"\n", HASH.encode() + b"\n", SECRET.upper().encode() + b"\n", b"x" * 100000,
    SECRET.encode() + b"\0\n"])
def test_without_the_secret(binary, victim, given):
    """Nothing is entered, nothing is captured, and nothing is removed."""
    for words in (["capture"], ["capture", "-u", victim], ["capture", "-C", "a" * 64], ["capture", "--nonsense"]):
        assert run(binary, *words, given=given) == (NO_SECRET, WORDS)
    assert os.path.exists(victim)


@pytest.mark.parametrize("wanted", ["", HASH[:-1], HASH + "0", HASH.upper(), "g" * 64, hashlib.sha256().hexdigest()])
def test_a_hash_that_is_none(binary, wanted):
    """An empty line is no secret either, whatever its hash."""
    assert run(binary, "capture", given=SECRET.encode() + b"\n", wanted=wanted) == (NO_SECRET, WORDS)
    assert run(binary, "capture", given=b"\n", wanted=wanted) == (NO_SECRET, WORDS)


def test_a_line_that_does_not_come(binary):
    """It is not waited for for ever, and holds no helper alive meanwhile."""
    process = subprocess.Popen([binary, "capture"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, VARIABLE: HASH})
    process.stdin.write(SECRET[:10].encode())
    process.stdin.flush()
    try:
        process.wait(timeout=GUARD)
        assert process.stderr.read() == WORDS and process.returncode == NO_SECRET
    finally:
        process.kill()
        process.communicate()


def test_hold_removes_no_file_of_a_helper(binary, victim):
    code, err = run(binary, "hold", "-S", "1", "-u", victim)
    assert code == BAD_OPTIONS and b"a helper removes no file" in err and os.path.exists(victim)


def test_not_beside_a_shell(binary):
    """This machine has one."""
    code, err = run(binary, "capture", "-N", given=SECRET.encode() + b"\n")
    assert code == SHELL and err.startswith(b"ksniff-agent: the image has /")


# ---- who may exec into the helper, and nothing else ----

@contextlib.contextmanager
def helper_beside(sandbox, ksniff, path, *flags):
    """A capture of a pod in a restricted namespace, by a helper elsewhere. Gives the client, the helper's pod, the
    target's uid, and how a stranger runs a command in it."""
    context = {"runAsNonRoot": True, "runAsUser": 1000, "allowPrivilegeEscalation": False,
               "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
    app = {"name": "app", "image": "busybox", "command": ["sleep", "1000"], "securityContext": context}
    stranger = sandbox.kubeconfig_for("stranger", [{"verbs": ["*"], "resources": ["pods", "pods/exec"],
                                                    "namespace": "kube-system"}])
    with sandbox.running_pod("vault", "restricted", containers=[app]), ksniff.capturing(
            "vault", "-n", "restricted", "-p", "--node-namespace", "kube-system", "-f", "udp port 4300", "-o", path,
            *flags) as process:
        pod, = sandbox.helpers("kube-system")

        def execute(*words, given=b""):
            command = ["kubectl", "--kubeconfig", stranger, "exec", "-i", "-n", "kube-system", pod["metadata"]["name"],
                       "--", *words]
            return subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                                  timeout=GUARD)
        yield process, pod, sandbox.pod("vault", "restricted")["uid"], execute
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_a_stranger_gets_nothing(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    victim = tmp_path / "of-the-node"
    victim.write_text("x")
    with helper_beside(sandbox, ksniff, path, "-vv") as (process, pod, uid, execute):
        container, = pod["spec"]["containers"]
        variable, = container["env"]
        assert variable["name"] == VARIABLE and len(variable["value"]) == 64
        for given in (b"", b"q", b"guess\n", variable["value"].encode() + b"\n"):
            done = execute(AGENT, "capture", "-P", uid, given=given)
            assert done.returncode == NO_SECRET and done.stdout == b"" and WORDS in done.stderr, done
        # With the helper's capabilities the node's files can be reached: through no command of the agent.
        for words in (["capture", "-P", uid], ["hold", "-S", "1"]):
            assert execute(AGENT, *words, "-u", f"/proc/{sandbox.process.pid}/root{victim}").returncode != 0
            assert victim.exists()
        # There is nothing else to be run.
        for program in ("sh", "env", "/bin/sh", "/bin/busybox"):
            assert execute(program).returncode != 0
        sandbox.datagrams("vault", 4300, namespace="restricted")
        err = ksniff.stop(process)
    assert payloads(path, 4300) == [b"number 0", b"number 1", b"number 2"]
    assert "which has a shell" not in err


def test_the_secret_is_in_no_log_and_on_no_command_line(sandbox, ksniff, tmp_path):
    """What the agent hears is what its environment has the hash of; it is read from the helper's own process."""
    with helper_beside(sandbox, ksniff, str(tmp_path / "x.pcapng"), "-vv") as (process, pod, _, _):
        wanted = pod["spec"]["containers"][0]["env"][0]["value"]
        requests = sandbox.get("/sandbox/requests")
        commands = [command for p in sandbox.get("/sandbox/processes") for q in p["processes"] for command in q["command"]]
        err = ksniff.stop(process)
    words = err.replace("'", " ").replace('"', " ").split() + commands + str(requests).replace("'", " ").split()
    assert len(words) > 100
    assert not [word for word in words if hashlib.sha256(word.encode()).hexdigest() == wanted]


def test_each_helper_has_another_secret(sandbox, ksniff, tmp_path):
    hashes = set()
    for number in range(2):
        with helper_beside(sandbox, ksniff, str(tmp_path / f"{number}.pcapng")) as (process, pod, _, _):
            hashes.add(pod["spec"]["containers"][0]["env"][0]["value"])
            ksniff.stop(process)
    assert len(hashes) == 2


def test_the_same_secret_after_a_cut(sandbox, ksniff, tmp_path):
    """The helper is there still: the capture that is taken up again gets in."""
    path = str(tmp_path / "x.pcapng")
    with helper_beside(sandbox, ksniff, path) as (process, pod, _, _):
        sandbox.drop_streams()
        lines = b""
        while b"capturing again" not in lines:
            line = process.stderr.readline()
            assert line, lines.decode()
            lines += line
        assert [p["metadata"]["uid"] for p in sandbox.helpers("kube-system")] == [pod["metadata"]["uid"]]
        sandbox.datagrams("vault", 4300, namespace="restricted")
        ksniff.stop(process)
    assert payloads(path, 4300) == [b"number 0", b"number 1", b"number 2"]


# ---- images with a shell ----

def test_without_a_shell_first(sandbox, ksniff, tmp_path):
    """Of what else the node has, one without a shell is taken."""
    with sandbox.faults(image_start_error=["registry.local/pause:3.10"]):
        with ksniff.capturing("web", "-p", "-o", str(tmp_path / "x")) as process:
            pod, = sandbox.helpers()
            err = ksniff.stop(process)
    assert pod["spec"]["containers"][0]["image"] == "registry.local/distroless-http:1"
    assert "which has a shell" not in err
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


def test_with_a_shell_if_nothing_else_starts(sandbox, ksniff, tmp_path):
    """The node's images are not to be had: the target's own, a busybox, is the last; it is told of."""
    config = sandbox.kubeconfig_for("no-nodes", RIGHTS)
    err = captures(sandbox, ksniff, tmp_path, "web", "-p", "--kubeconfig", config)
    assert err.count("the helper pod runs from image ") == 1
    assert "which has a shell, as no image without one could be started" in err
    assert "who may exec in namespace 'default' can use its rights on node 'node1'" in err
    assert "WARN" in [line for line in err.splitlines() if "which has a shell" in line][0]


def test_an_image_of_the_users_choice(sandbox, ksniff, tmp_path):
    """It is taken as it is, in the same pod, and told of."""
    err = captures(sandbox, ksniff, tmp_path, "web", "-p", "-v", "--image", "registry.local/busybox:1")
    assert err.count("the helper pod runs from image 'registry.local/busybox:1', which has a shell: ") == 1
    assert err.count("helper pod 'ksniff-") == 1


def test_shells_are_not_asked_for_where_nothing_is_entered_by_us(sandbox, ksniff, tmp_path):
    """Upload and ephemeral containers are as they were: the agent of an upload wants no secret."""
    for flags in (["--method", "upload"], ["--method", "ephemeral"]):
        path = str(tmp_path / "y.pcapng")
        with sandbox.running_pod("plain", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]):
            with ksniff.capturing("plain", "-f", "udp port 4301", "-o", path, *flags) as process:
                sandbox.datagrams("plain", 4301)
                ksniff.stop(process)
        assert len(payloads(path, 4301)) == 3
