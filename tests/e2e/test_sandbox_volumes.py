# SPDX-License-Identifier: Apache-2.0
"""The sandbox's kubelet: what a pod writes into its volumes, how much, and when that goes."""
import os
import re
import signal

from conftest import wait_until
from test_sandbox import kubectl
from test_sandbox_pods import container, past_its_deadline, pod_until, state_of

WRITER = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}


def volume(**source):
    return [{"name": "scratch", "emptyDir": source}]


def run(sandbox, *command):
    """A command in the pod, and its output, also when it fails."""
    return kubectl(sandbox, "exec", "subject", "--", "sh", "-c", " ".join(command) + " 2>&1; echo code $?").stdout.decode()


def directory(sandbox):
    """Where the machine has the volume."""
    found = next(pod for pod in sandbox.call("GET", "/sandbox/pods")[1] if pod["name"] == "subject")
    return os.path.join(os.path.dirname(os.path.dirname(found["containers"]["app"]["rootfs"])), "volumes", "scratch")


def test_it_stays_over_a_restart_and_goes_with_the_pod(sandbox):
    with sandbox.running_pod("subject", volumes=volume(), containers=[container("sleep", "1000", **WRITER)]):
        run(sandbox, "echo kept >/scratch/file")
        path = directory(sandbox)
        os.kill(sandbox.pod("subject")["containers"]["app"]["pid"], signal.SIGKILL)

        def restarted():
            status = sandbox.get("/api/v1/namespaces/default/pods/subject")["status"]["containerStatuses"][0]
            return status["restartCount"] == 1 and status["ready"]
        wait_until(restarted, "the restart")
        assert run(sandbox, "cat /scratch/file") == "kept\ncode 0\n"
        assert os.path.exists(os.path.join(path, "file"))
    wait_until(lambda: not os.path.exists(path), "the end of the volume")


def test_memory_is_a_file_system_of_its_size(sandbox):
    with sandbox.running_pod("subject", volumes=volume(medium="Memory", sizeLimit="2Mi"),
                             containers=[container("sleep", "1000", **WRITER)]):
        assert "tmpfs /scratch tmpfs" in run(sandbox, "grep scratch /proc/mounts")
        said = run(sandbox, "dd if=/dev/zero of=/scratch/file bs=64k count=100")
        assert "No space left on device" in said and said.endswith("code 1\n")
        assert run(sandbox, "stat -c %s /scratch/file") == f"{2 << 20}\ncode 0\n"
        # It is no reason to end the pod.
        assert sandbox.get("/api/v1/namespaces/default/pods/subject")["status"]["phase"] == "Running"


def evicted(status):
    return status["phase"] == "Failed" and "terminated" in state_of(status)


def test_who_fills_it_is_evicted(sandbox):
    fill = container("sh", "-c", "dd if=/dev/zero of=/scratch/file bs=64k count=64; sleep 1000", **WRITER)
    with pod_until(sandbox, evicted, volumes=volume(sizeLimit="1Mi"), containers=[fill]) as status:
        assert status["reason"] == "Evicted"
        assert status["message"] == 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". '
        assert state_of(status)["terminated"]["exitCode"] == 137
        assert status["containerStatuses"][0]["restartCount"] == 0
        path = directory(sandbox)
        wait_until(lambda: not os.path.exists(path), "the end of the volume")


def test_who_takes_more_of_the_disk_than_its_limit_is_evicted(sandbox):
    limits = {"resources": {"limits": {"ephemeral-storage": "1Mi"}}}
    fill = container("sh", "-c", "dd if=/dev/zero of=/scratch/file bs=64k count=64; sleep 1000", **WRITER, **limits)
    with pod_until(sandbox, evicted, volumes=volume(), containers=[fill]) as status:
        assert status["reason"] == "Evicted"
        assert status["message"] == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "


def test_a_full_disk(sandbox):
    with sandbox.faults(small_disk=1 << 20):
        with sandbox.running_pod("subject", volumes=volume(sizeLimit="1Gi"),
                                 containers=[container("sleep", "1000", **WRITER)]):
            assert "No space left on device" in run(sandbox, "dd if=/dev/zero of=/scratch/file bs=64k count=32")
            assert sandbox.get("/api/v1/namespaces/default/pods/subject")["status"]["phase"] == "Running"


def test_it_goes_when_the_pod_has_ended(sandbox):
    with sandbox.running_pod("subject", volumes=volume(), terminationGracePeriodSeconds=1,
                             containers=[container("sh", "-c", "echo x >/scratch/file; exec sleep 1000", **WRITER)]):
        path = directory(sandbox)
        wait_until(lambda: os.path.exists(path + "/file"), "the file")
        past_its_deadline(sandbox)
        wait_until(lambda: not os.path.exists(path), "the end of the volume")


def test_last_words_are_those_of_the_log(sandbox):
    """Of a container that has failed, where it asks for that; and of its last run alone."""
    command = ["sh", "-c", "echo before; echo \"run $(wc -c </scratch/file)\"; echo x >>/scratch/file; exit 3"]
    spec = container(*command, terminationMessagePolicy="FallbackToLogsOnError", **WRITER)
    with pod_until(sandbox, lambda status: (status.get("containerStatuses") or [{}])[0].get("restartCount", 0) >= 2,
                   volumes=volume(), containers=[spec]) as status:
        last = status["containerStatuses"][0]["lastState"]["terminated"]
        assert last["exitCode"] == 3 and re.fullmatch(r"before\nrun [1-9]\d*\n", last["message"]), last


def test_who_am_i(sandbox):
    assert b"sandbox-admin" in kubectl(sandbox, "auth", "whoami").stdout
    code, answer = sandbox.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                                {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    assert code == 201 and answer["status"]["userInfo"]["username"] == "sandbox-token"
