# SPDX-License-Identifier: Apache-2.0
"""The sandbox's kubelet: what becomes of a pod, and of what is run in it."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import GUARD, wait_until
from test_sandbox import is_running, kubectl, missing, parse_http, protocol  # noqa: F401  pylint: disable=unused-import


def container(*command, **more):
    return {"name": "app", "image": "busybox", "command": list(command), **more}


@contextlib.contextmanager
def pod_until(sandbox, condition, **spec):
    """A pod, and its status as soon as it meets a condition."""
    with sandbox.running_pod("subject", wait=False, **spec):
        def look():
            status = sandbox.get("/api/v1/namespaces/default/pods/subject")["status"]
            return status if condition(status) else None
        yield wait_until(look, "the state of the pod")


def state_of(status, index=0):
    statuses = status.get("containerStatuses") or [{}]
    return statuses[index].get("state") or {}


def waits_with(reason):
    return lambda status: state_of(status).get("waiting", {}).get("reason") == reason


@pytest.mark.parametrize("policy, code, phase", [("Never", 0, "Succeeded"), ("Never", 7, "Failed"),
                                                 ("OnFailure", 0, "Succeeded")])
def test_a_pod_ends_with_its_containers(sandbox, policy, code, phase):
    with pod_until(sandbox, lambda status: status["phase"] == phase, restartPolicy=policy,
                   containers=[container("sh", "-c", f"exit {code}")]) as status:
        end = state_of(status)["terminated"]
        assert end["exitCode"] == code and end["reason"] == ("Error" if code else "Completed")
        assert status["containerStatuses"][0]["restartCount"] == 0


def test_a_signal_is_an_exit_code(sandbox):
    with pod_until(sandbox, lambda status: status["phase"] == "Failed", restartPolicy="Never",
                   containers=[container("sh", "-c", "sleep 1000 & kill -9 $!; wait $!")]) as status:
        assert state_of(status)["terminated"]["exitCode"] == 137
    with sandbox.running_pod("subject", restartPolicy="Never", containers=[container("sleep", "1000")]):
        os.kill(sandbox.pod("subject")["containers"]["app"]["pid"], signal.SIGKILL)

        def end():
            return state_of(sandbox.get("/api/v1/namespaces/default/pods/subject")["status"]).get("terminated")
        assert wait_until(end, "the end of the container")["exitCode"] == 137


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_a_crashing_container_is_started_again(sandbox, policy):
    def backs_off(status):
        return waits_with("CrashLoopBackOff")(status) and status["containerStatuses"][0]["restartCount"] >= 2
    with pod_until(sandbox, backs_off, restartPolicy=policy, containers=[container("sh", "-c", "exit 3")]) as status:
        found = status["containerStatuses"][0]
        assert found["lastState"]["terminated"]["exitCode"] == 3 and status["phase"] == "Running"
        assert not found["ready"]
        pod = sandbox.pod("subject")
        # Between two containers the namespaces are held by the pod's own process, in the pod's cgroup.
        with open(f"/proc/{pod['sandbox']['pid']}/cgroup", encoding="ascii") as file:
            assert re.search(rf"/kubepods/.*pod{pod['uid']}/{pod['sandbox']['id']}$", file.read(), re.M)
        assert os.stat(f"/proc/{pod['sandbox']['pid']}/ns/net").st_ino == os.stat(sandbox.netns("subject")).st_ino


def test_init_containers_come_first(sandbox):
    scratch = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
    init = {**container("sh", "-c", "echo made >/scratch/x", **scratch), "name": "init"}
    with pod_until(sandbox, lambda status: status["phase"] == "Succeeded", restartPolicy="Never",
                   volumes=[{"name": "scratch", "emptyDir": {}}], initContainers=[init],
                   containers=[container("grep", "made", "/scratch/x", **scratch)]) as status:
        assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    init["command"] = ["false"]
    with pod_until(sandbox, lambda status: status["phase"] == "Failed", restartPolicy="Never", initContainers=[init],
                   volumes=[{"name": "scratch", "emptyDir": {}}], containers=[container("true")]) as status:
        assert "waiting" in state_of(status)  # never started


def test_a_command_that_is_not_there(sandbox):
    with pod_until(sandbox, lambda status: status["phase"] == "Failed", restartPolicy="Never",
                   containers=[container("nope")]) as status:
        end = state_of(status)["terminated"]
        assert (end["exitCode"], end["reason"]) == (128, "StartError")
        assert 'exec: "nope": executable file not found in $PATH' in end["message"]


@pytest.mark.parametrize("policy, reason", [("IfNotPresent", "ImagePullBackOff"), ("Never", "ErrImageNeverPull")])
def test_a_missing_image(sandbox, policy, reason):
    with pod_until(sandbox, waits_with(reason), containers=[{
            "name": "app", "image": "registry.local/absent:1", "imagePullPolicy": policy}]) as status:
        assert status["phase"] == "Pending" and not status["containerStatuses"][0]["ready"]
        assert "registry.local/absent:1" in state_of(status)["waiting"]["message"]
        recorded = json.loads(parse_http("pod-get-image-missing.http")[6])["status"]
        recorded.pop("phase")
        assert not list(missing(recorded, status))


def test_run_as_nobody_but_root(sandbox):
    with pod_until(sandbox, waits_with("CreateContainerConfigError"), securityContext={"runAsNonRoot": True},
                   containers=[container("true")]) as status:
        assert "image will run as root" in state_of(status)["waiting"]["message"]


def test_a_service_account(sandbox):
    """Its directory is there, and its token is who it should be to the server."""
    place = "/var/run/secrets/kubernetes.io/serviceaccount/"
    with sandbox.running_pod("subject", containers=[container("sleep", "1000")]):
        def read(name):
            return kubectl(sandbox, "exec", "subject", "--", "cat", place + name).stdout.decode()
        assert read("namespace") == "default"
        with open(sandbox.ca, encoding="ascii") as file:
            assert read("ca.crt") == file.read()
        code, status = sandbox.call("GET", "/api/v1/namespaces/default/pods", token=read("token"))
        assert code == 403 and 'User "system:serviceaccount:default:default" cannot list' in status["message"]
    with sandbox.running_pod("subject", automountServiceAccountToken=False, containers=[container("sleep", "1000")]):
        assert kubectl(sandbox, "exec", "subject", "--", "ls", place, check=False).returncode


def past_its_deadline(sandbox):
    """Gives the pod a deadline that it is past, and returns its status when it has ended."""
    sandbox.call("PATCH", "/api/v1/namespaces/default/pods/subject", {"spec": {"activeDeadlineSeconds": 1}})

    def look():
        status = sandbox.get("/api/v1/namespaces/default/pods/subject")["status"]
        return status if "terminated" in state_of(status) else None
    return wait_until(look, "the end of the container")


def test_a_deadline(sandbox):
    with sandbox.running_pod("subject", terminationGracePeriodSeconds=1, containers=[container("sleep", "1000")]):
        status = past_its_deadline(sandbox)
        assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
        assert state_of(status)["terminated"]["exitCode"] == 137


@pytest.mark.parametrize("held", ["hold_pods", "hold_starts"])
def test_a_deadline_before_the_start(sandbox, held):
    """The container is told of as if it had run, and never does."""
    with sandbox.faults(**{held: True}):
        with pod_until(sandbox, lambda status: "waiting" in state_of(status), containers=[container("sleep", "1000")]):
            status = past_its_deadline(sandbox)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    end = state_of(status)["terminated"]
    assert (end["exitCode"], end["reason"], end["startedAt"]) == (137, "ContainerStatusUnknown", None)
    assert "containerID" not in status["containerStatuses"][0]


def test_a_shared_process_namespace(sandbox):
    with sandbox.running_pod("subject", shareProcessNamespace=True, containers=[
            container("sleep", "1000"), {**container("sleep", "2000"), "name": "other"}]):
        listed = kubectl(sandbox, "exec", "subject", "-c", "app", "--", "ps").stdout
        assert re.search(rb"^ +1 \S+ +/pause$", listed, re.M) and b"sleep 1000" in listed and b"sleep 2000" in listed


def test_streams_keep_every_byte(sandbox, protocol):  # noqa: F811
    data = os.urandom(5_000_000)
    assert kubectl(sandbox, "exec", "-i", "web", "--", "cat", stdin=data).stdout == data


def pid_from(process, sandbox):
    """The pid, on this machine, of what an exec runs that has said its own."""
    inner = int(process.stdout.readline())

    def find():
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit():
                    with open(f"/proc/{name}/status", encoding="ascii", errors="replace") as file:
                        numbers = re.search(r"^NSpid:\s+(.*)", file.read(), re.M)[1].split()
                    if numbers[-1] == str(inner) and \
                            os.readlink(f"/proc/{name}/ns/pid") == os.readlink(
                                f"/proc/{sandbox.pod('web')['containers']['httpd']['pid']}/ns/pid"):
                        return int(name)
        return None
    return wait_until(find, "the process")


@pytest.mark.parametrize("stdin", [True, False])
def test_what_becomes_of_an_exec_whose_client_is_killed(sandbox, protocol, stdin):  # noqa: F811
    """With stdin it sees the end of it; without, it is left stuck in its pipe, as it was measured."""
    command = "echo $$; exec cat >/dev/null" if stdin else "echo $$; exec yes"
    words = ["kubectl", "exec", *(["-i"] if stdin else []), "web", "-c", "httpd", "--", "sh", "-c", command]
    with subprocess.Popen(words, env=sandbox.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as client:
        pid = pid_from(client, sandbox)
        client.kill()
    if stdin:
        wait_until(lambda: not is_running(pid), "the end of the process")
        return

    def in_pipe_write():
        with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
            return "pipe_write" in file.read()
    wait_until(in_pipe_write, "the stuck process")
    written = [None, 0]

    def stands_still():
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            now = re.search(r"wchar: (\d+)", file.read())[1]
        written[1] = written[1] + 1 if now == written[0] else 0
        written[0] = now
        return written[1] >= 25  # looks in a row
    wait_until(stands_still, "the pipe to fill")
    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_terminal(sandbox, protocol):  # noqa: F811
    """kubectl exec -it: a terminal in the container, of the size of this one, also when that changes."""
    master, slave = pty.openpty()

    def resize(rows, columns):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    resize(31, 97)
    client = subprocess.Popen(
        ["setsid", "--ctty", "kubectl", "exec", "-it", "web", "-c", "httpd", "--", "sh", "-c",
         "tty; while read x; do stty size; [ $x = end ] && exit 5; done"],
        env=sandbox.env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""

    def see(text, ask=None):
        """Until the terminal has shown this; asks for it now and then, where the answer may come late."""
        nonlocal seen
        end = time.monotonic() + GUARD
        while text not in seen:
            assert time.monotonic() < end, seen
            if ask:
                os.write(master, ask)
            if select.select([master], [], [], 0.2)[0]:
                try:
                    seen += os.read(master, 65536)
                except OSError:  # nobody has it open any more
                    assert text in seen, seen
    try:
        see(b"/dev/pts/0")
        see(b"31 97", ask=b"size\n")
        resize(20, 50)
        see(b"20 50", ask=b"size\n")
        os.write(master, b"end\n")
        see(b"exit code 5")
        assert client.wait(timeout=GUARD) == 5
    finally:
        client.kill()
        client.wait()
        os.close(master)
