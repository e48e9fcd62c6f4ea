# SPDX-License-Identifier: Apache-2.0
"""What a helper pod is made of where the pause image is not to be had as it usually is."""
import contextlib

import pytest

from conftest import leftovers, wait_until
from test_node import PAUSE, captures

DISTROLESS = "registry.local/distroless-http:1"
RIGHTS = [{"verbs": ["*"], "resources": ["pods", "pods/exec", "configmaps"], "namespace": "default"},
          {"verbs": ["get"], "resources": ["nodes"]}]


@contextlib.contextmanager
def daemon_set(sandbox, name, image, **spec):
    """A DaemonSet of kube-system and its pod on the node."""
    path = "/apis/apps/v1/namespaces/kube-system/daemonsets"  # as it is: its pod is made here
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": image}]}}
    code, made = sandbox.call("POST", "/sandbox/objects", {"resource": "daemonsets", "namespace": "kube-system", "object": {
        "metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}})
    assert code == 201, made
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "uid": made["metadata"]["uid"], "controller": True}
    with sandbox.running_pod(name, "kube-system", metadata={"ownerReferences": [owner]},
                             containers=[{"name": "app", "image": image}], **spec):
        yield
    sandbox.call("DELETE", f"{path}/{name}")


def image_used(sandbox, ksniff, tmp_path, name, *flags):
    """Which image the helper of a capture has, and what the client said."""
    with ksniff.capturing(name, "-p", "-o", str(tmp_path / "x"), *flags) as process:
        pod, = sandbox.helpers()
        err = ksniff.stop(process)
    wait_until(lambda: not leftovers(sandbox), "the helper's end")
    container, = pod["spec"]["containers"]
    return container["image"], container["imagePullPolicy"], err


def test_a_node_that_tells_of_50_large_images_alone(sandbox, ksniff, tmp_path):
    """What a DaemonSet of kube-system runs there is there, and is tried before any of them."""
    with daemon_set(sandbox, "csi", DISTROLESS), sandbox.faults(crowded_node=True):
        images = sandbox.get("/api/v1/nodes/node1")["status"]["images"]
        assert len(images) == 50 and not [i for i in images if "large" not in i["names"][0]]
        image, policy, err = image_used(sandbox, ksniff, tmp_path, "web")
    assert (image, policy) == (DISTROLESS, "Never")
    assert "cannot be started" not in err and "has a shell" not in err


def test_who_may_not_list_what_runs_there(sandbox, ksniff, tmp_path):
    """It goes on without: by the name that the pause image usually has."""
    config = sandbox.kubeconfig_for("no-list", RIGHTS)
    with daemon_set(sandbox, "csi", DISTROLESS), \
            sandbox.faults(crowded_node=True, images_named={"registry.k8s.io/pause:3.10": PAUSE}):
        image, policy, err = image_used(sandbox, ksniff, tmp_path, "web", "--kubeconfig", config, "-v")
    assert (image, policy) == ("registry.k8s.io/pause:3.10", "Never")
    assert "what runs on the node is not known: " in err and "large" in err and "it has" not in err.replace("the image has", "")


def test_a_guess_that_misses(sandbox, ksniff, tmp_path):
    """It costs a moment, and no word: nobody asked for it. The target's own image is the last."""
    config = sandbox.kubeconfig_for("blind", RIGHTS[:1])
    image, policy, err = image_used(sandbox, ksniff, tmp_path, "distroless", "--kubeconfig", config)
    assert (image, policy) == (DISTROLESS, "Never")
    assert "pause" not in err and "cannot be started" not in err


def test_what_another_pods_secret_has_brought(sandbox, ksniff, tmp_path):
    """It stands among the node's images, and runs in a DaemonSet; but only who has the secret may use it."""
    sandbox.call("POST", "/api/v1/namespaces/kube-system/secrets", {"metadata": {"name": "theirs"}, "type": "Opaque"})
    private = "registry.local/private:1"
    broken = [PAUSE, DISTROLESS, "registry.local/tar-only:1"]
    with daemon_set(sandbox, "agents", private, imagePullSecrets=[{"name": "theirs"}]):
        names = [name for image in sandbox.get("/api/v1/nodes/node1")["status"]["images"] for name in image["names"]]
        assert private in names
        with sandbox.faults(image_start_error=broken):
            image, _, err = image_used(sandbox, ksniff, tmp_path, "web")
    assert image not in (private, *broken)
    line, = [line for line in err.splitlines() if f"image '{private}' cannot be started" in line]
    assert "ErrImageNeverPull" in line
    sandbox.call("DELETE", "/api/v1/namespaces/kube-system/secrets/theirs")


def test_nothing_is_pulled(sandbox, ksniff, tmp_path):
    """None of what is tried by itself may make the node ask a registry."""
    with sandbox.faults(images_missing=[PAUSE, DISTROLESS, "registry.local/tar-only:1"]):
        process = ksniff.start("distroless", "-p", "-o", str(tmp_path / "x"))
        policies = set()
        while process.poll() is None:
            policies |= {pod["spec"]["containers"][0]["imagePullPolicy"] for pod in sandbox.helpers()}
            if any("running" in s["state"] for pod in sandbox.helpers() for s in pod["status"].get("containerStatuses", [])):
                break
        process.terminate()
        process.communicate()
    assert policies == {"Never"}
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


@pytest.mark.parametrize("hang", [False, True])
def test_a_plugin_that_makes_every_node_ask_a_registry(sandbox, ksniff, tmp_path, hang):
    """AlwaysPullImages: where the registry answers, all is as ever; else the next image's turn comes soon."""
    with sandbox.faults(always_pull=True, images_hang=[PAUSE] if hang else []):
        err = captures(sandbox, ksniff, tmp_path, "web", "-p")
    assert ("it seems to be pulled" in err) == hang
