# SPDX-License-Identifier: Apache-2.0
"""`make e2e-cluster`, proved on a sandbox of which the tests know nothing but its kubeconfig."""
import os
import re
import subprocess
import sys
import tempfile

import pytest

from conftest import GUARD, ROOT, start_sandbox

HERE = os.path.join("tests", "e2e")


@pytest.fixture(scope="module")
def stranger():
    with tempfile.TemporaryDirectory() as directory:
        box = start_sandbox(directory, "--no-default-pods")
        yield box
        box.process.terminate()
        assert box.process.wait(timeout=GUARD) == 0


def run(kubeconfig, *tests, **env):
    """Runs tests against that cluster. Gives pytest's code, what it says, and how many of which outcome."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", *tests],
                          cwd=ROOT, env={**os.environ, "E2E_KUBECONFIG": kubeconfig, **env}, timeout=10 * GUARD, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
    return done.returncode, done.stdout, counts


def left_in(box):
    return [item["metadata"]["name"] for item in box.get("/api/v1/namespaces")["items"]
            if item["metadata"]["name"].startswith("ksniff-e2e-")], box.get("/api/v1/pods")["items"]


def test_they_run_and_leave_nothing(stranger):
    """One of each kind: an exchange, a method of its own, an error. What needs the sandbox says so."""
    code, says, counts = run(stranger.kubeconfig, HERE + "/test_capture.py::test_every_packet_once_in_order",
                             HERE + "/test_capture.py::test_pod_deleted", HERE + "/test_capture.py::test_stream_cut",
                             HERE + "/test_errors.py::test_no_such_pod", HERE + "/test_agent.py::test_loopback_once")
    assert code == 0 and counts == {"passed": 3, "skipped": 5}, says
    assert "needs the sandbox: its processes" in says
    assert left_in(stranger) == ([], [])


def test_a_failure_is_one(stranger):
    """And leaves nothing either: here no container can be started."""
    code, says, counts = run(stranger.kubeconfig, HERE + "/test_errors.py::test_no_such_pod", E2E_IMAGE="no.such/image:1",
                             E2E_PATIENCE="2")
    assert code == 1 and counts == {"error": 1} and "waited in vain for pod web" in says, says
    assert left_in(stranger) == ([], [])


def test_what_the_users_rights_do_not_allow(stranger):
    """Nobody's namespace can be made: then nothing runs, and it is said what would help."""
    config = stranger.kubeconfig_for("guest", [{"verbs": ["*"], "resources": ["pods", "pods/exec"]}])
    tests = [HERE + "/test_errors.py::test_quiet", HERE + "/test_node.py::test_every_packet"]
    code, says, counts = run(config, *tests)
    assert code == 0 and counts == {"skipped": 2}, says
    assert 'cannot create resource "namespaces"' in says and "E2E_NAMESPACE" in says
    code, says, counts = run(config, *tests, E2E_NAMESPACE="shop")
    assert code == 0 and counts == {"passed": 1, "skipped": 1}, says
    assert "may not create configmaps in namespace shop" in says
    assert left_in(stranger) == ([], [])
