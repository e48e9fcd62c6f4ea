# SPDX-License-Identifier: Apache-2.0
"""What --keep asks of nodes and namespaces: too much is refused in one line, which says what would help."""
import contextlib

import pytest

from conftest import leftovers, wait_until
from test_helper_life import NODE, SLEEP, allocatable
from test_sandbox_rbac import objects

SPACE = "/api/v1/namespaces/default"
MAKES = [{"verbs": ["create", "get", "list", "patch", "delete"], "resources": ["pods", "pods/exec", "configmaps", "namespaces"]}]


@pytest.fixture(name="keep", params=["disk", "memory"])
def where_it_is_kept(request):
    return request.param


def resource_of(keep):
    return "ephemeral-storage" if keep == "disk" else "memory"


def requests_so_far(sandbox):
    return len(sandbox.get("/sandbox/requests"))


def made_since(sandbox, before):
    return [line for line in sandbox.get("/sandbox/requests")[before:] if line.startswith("POST") and "/namespaces/" in line]


def limits(**item):
    return (SPACE + "/limitranges", "l", {"spec": {"limits": [{"type": "Container", **item}]}})


def quota(**hard):
    return (SPACE + "/resourcequotas", "q", {"spec": {"hard": hard}})


@contextlib.contextmanager
def recorded(sandbox, ksniff, *words):
    """It records, and is ended. Yields its pod."""
    done = ksniff.run(*words)
    assert done.code == 0, done.err
    try:
        yield next(pod for pod in sandbox.helpers() if "kubectl-sniff/recording" in pod["metadata"]["labels"])
    finally:
        assert ksniff.run("--end", "r").code == 0
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")


# ---- nodes ----

def test_more_than_the_node_has(sandbox, ksniff, keep):
    """Nothing is made, where the node may be read."""
    resource = resource_of(keep)
    takes, least = {"disk": ("80M", "24M"), "memory": ("112M", "56M")}[keep]
    with allocatable(sandbox, **{resource: "64Mi"}):
        before = requests_so_far(sandbox)
        error = ksniff.fail("web", "--record=r", "--keep", "60M", "--keep-in", keep)
        assert error.startswith(f'node "node1" has 64M of {resource} for all its pods, and 1 recorder with --keep 60M would ask for {takes} (--keep '), error
        assert not made_since(sandbox, before)
        # What is proposed is taken.
        most = error.split("(--keep ")[1].split()[0]
        if keep == "disk":
            with recorded(sandbox, ksniff, "web", "--record=r", "--keep", most, "--keep-in", keep):
                pass
    with allocatable(sandbox, **{resource: least.replace("M", "Mi")}):
        error = ksniff.fail("web", "--record=r", "--keep", "60M", "--keep-in", keep)
        assert error.endswith(f"(keep it elsewhere, with --keep-in {'disk' if keep == 'memory' else 'memory'})")
        error = ksniff.fail("web", "--record=r", "--keep", "60M", "--keep-in", keep, "--requests", resource + "=60Mi")
        assert error.endswith("would ask for 60M (ask for less in --requests)")


def test_several_recorders_of_one_node(sandbox, ksniff):
    """One of the node's own network, and one of a pod: each has so much."""
    with allocatable(sandbox, **{"ephemeral-storage": "100Mi"}):
        error = ksniff.fail("web", "node/node1", "--record=r", "--keep", "60M")
    assert error.startswith('node "node1" has 100M of ephemeral-storage for all its pods, and 2 recorders with --keep 60M would ask for 160M (')


def test_more_than_others_leave(sandbox, ksniff, keep):
    """The scheduler is not asked, so the kubelet says so; also to who may not read nodes."""
    resource, other = resource_of(keep), "memory" if keep == "disk" else "disk"
    config = sandbox.kubeconfig_for("maker", MAKES)
    remedy = (f"(the node has not so much left beside its other pods: give a smaller --keep, or keep it elsewhere with --keep-in {other})")
    with allocatable(sandbox, **{resource: "64Mi"}):
        error = ksniff.fail("web", "--record=r", "--keep", "60M", "--keep-in", keep, "--kubeconfig", config)
    assert f'was not started on node "node1": OutOf{resource}: Pod was rejected: Node didn\'t have enough resource: {resource}, requested: ' in error
    assert error.endswith(remedy), error
    others = {**SLEEP, "resources": {"requests": {resource: "40Mi"}}}
    with sandbox.running_pod("others", containers=[others]):
        used = 40 if keep == "disk" else None
        size = 110 if keep == "disk" else 150
        with allocatable(sandbox, **{resource: f"{size}Mi"}):
            error = ksniff.fail("web", "--record=r", "--keep", "60M", "--keep-in", keep)
    assert f"OutOf{resource}: " in error and f"capacity: {size << 20} " in error and error.endswith(remedy), error
    if used:
        assert f"requested: {80 << 20}, used: {used << 20}, " in error
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_a_node_that_does_not_count_its_disk(sandbox, ksniff):
    """A rootless kubelet: who asks for some of the disk is refused there, so nothing is asked."""
    def change(op, **value):
        patch = [{"op": op, "path": "/status/allocatable/ephemeral-storage", **value}]
        assert sandbox.call("PATCH", NODE + "/status", patch, kind="application/json-patch+json")[0] == 200
    before = sandbox.get(NODE)["status"]["allocatable"]["ephemeral-storage"]
    change("remove")
    try:
        with recorded(sandbox, ksniff, "web", "--record=r", "--keep", "60M") as pod:
            assert set(pod["spec"]["containers"][0]["resources"]["requests"]) == {"cpu", "memory"}
        # Who may not read nodes asks for it.
        error = ksniff.fail("web", "--record=r", "--keep", "60M", "--kubeconfig", sandbox.kubeconfig_for("maker", MAKES))
        assert error.endswith("capacity: 0 (the node's kubelet gives nothing of that to any pod: keep it elsewhere with --keep-in memory)")
    finally:
        change("add", value=before)


# ---- the command line ----

def test_limits_below_what_is_kept(sandbox, ksniff):
    before = requests_so_far(sandbox)
    for words, error in {
            ("--limits", "ephemeral-storage=500Mi"):
                "--limits allows less ephemeral-storage than --keep 1G takes: 1104M (a smaller --keep, or leave ephemeral-storage out of "
                "--limits: it follows --keep)",
            ("--keep", "100M", "--keep-in", "memory", "--limits", "cpu=1,memory=100Mi"):
                "--limits allows less memory than --keep 100M takes: 155M (a smaller --keep, or leave memory out of --limits: it follows --keep)",
            }.items():
        assert ksniff.fail("web", "--record=r", *words, code=2) == error
    assert not [line for line in sandbox.get("/sandbox/requests")[before:] if "/sandbox/" not in line]


@pytest.mark.parametrize("words, limit", [
    (("--keep-in", "memory", "--limits", "memory=155Mi"), {"memory": "155Mi"}),
    (("--keep-in", "memory", "--limits", "cpu=1"), {"cpu": "1", "memory": "219Mi"}),  # 62, 2 and the ring of 32, and these 123
    (("--limits", "ephemeral-storage=123Mi"), {"ephemeral-storage": "123Mi"}),
    (("--limits", "memory=64Mi"), {"memory": "64Mi", "ephemeral-storage": "187Mi"})])
def test_limits_that_leave_room(sandbox, ksniff, words, limit):
    with recorded(sandbox, ksniff, "web", "--record=r", "--keep", "100M", *words) as pod:
        assert pod["spec"]["containers"][0]["resources"]["limits"] == limit


# ---- namespaces ----

def test_a_limit_range(sandbox, ksniff, keep):
    resource, other = resource_of(keep), "memory" if keep == "disk" else "disk"
    words = ("web", "--record=r", "--keep", "200M", "--keep-in", keep)
    with objects(sandbox, limits(max={resource: "200Mi"})):
        error = ksniff.fail(*words)
        assert f"is forbidden: [maximum {resource} usage per Container is 200Mi, but limit is " in error or \
            f"is forbidden: maximum {resource} usage per Container is 200Mi, but limit is " in error, error
        assert error.endswith(f"(a smaller --keep asks for less, or keep it elsewhere with --keep-in {other} or in another namespace with "
                              "--node-namespace)"), error
        # It is the user's own wish that is too large.
        assert error != ksniff.fail(*words, "--limits", resource + "=1Gi")
        with recorded(sandbox, ksniff, "web", "--record=r", "--keep", "50M", "--keep-in", keep):
            pass
    with objects(sandbox, limits(min={"cpu": "50m"})):
        error = ksniff.fail(*words)
        assert "minimum cpu usage per Container is 50m, but request is 10m (ask for other resources with --requests and --limits, " in error


def test_a_quota(sandbox, ksniff, keep):
    resource, other = resource_of(keep), "memory" if keep == "disk" else "disk"
    for section in ("requests", "limits"):
        with objects(sandbox, quota(**{f"{section}.{resource}": "200Mi"})):
            # Memory must be named by all that is in the namespace; that was there before.
            error = ksniff.fail("web", "--record=r", "--keep", "300M", "--keep-in", keep)
        assert f"exceeded quota: q, requested: {section}.{resource}=" in error and "limited: " in error
        assert error.endswith(f"(a smaller --keep asks for less, or keep it elsewhere with --keep-in {other} or in another namespace with "
                              "--node-namespace)"), error
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")
