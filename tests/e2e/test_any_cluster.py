# SPDX-License-Identifier: Apache-2.0
"""`make e2e-cluster`, proved on a sandbox of which the tests know nothing but its kubeconfig."""
import json
import os
import re
import subprocess
import sys

import pytest

from conftest import GUARD, ROOT, running_sandbox

HERE = os.path.join("tests", "e2e")


@pytest.fixture(scope="module")
def stranger():
    with running_sandbox("--no-default-pods") as box:
        yield box


def run(kubeconfig, *tests, **env):
    """Runs tests against that cluster. Gives pytest's code, what it says, and how many of which outcome."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *tests],
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
    assert code == 0 and counts == {"passed": 5, "skipped": 6}, says  # the captures by WebSocket and by SPDY
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


def test_what_is_not_theirs_stays(stranger):
    """In a namespace that is there: a pod of somebody's, of the name of one of theirs; and what they make goes."""
    with stranger.running_pod("web", "shop", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]):
        uid = stranger.pod_object("web", "shop")["metadata"]["uid"]
        code, says, counts = run(stranger.kubeconfig, HERE + "/test_errors.py::test_quiet", E2E_NAMESPACE="shop")
        assert code == 1 and counts == {"error": 1} and "already exists" in says, says
        assert stranger.pod_object("web", "shop")["metadata"]["uid"] == uid
    code, says, counts = run(stranger.kubeconfig, HERE + "/test_capture.py::test_snaplen_keeps_the_original_length",
                             E2E_NAMESPACE="shop")
    assert code == 0 and counts == {"passed": 2}, says  # by WebSocket, and as a user who must take SPDY
    assert left_in(stranger) == ([], [])
    accounts = stranger.get("/api/v1/namespaces/shop/serviceaccounts")["items"]
    assert [item["metadata"]["name"] for item in accounts] == ["default"]


def test_a_cluster_that_cannot_be_reached(stranger, tmp_path):
    with open(stranger.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    code, says, _ = run(str(tmp_path / "kubeconfig"), HERE + "/test_errors.py")
    assert code == 1 and "the cluster of context sandbox cannot be reached" in says, says
