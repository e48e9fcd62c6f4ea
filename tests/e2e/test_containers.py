# SPDX-License-Identifier: Apache-2.0
"""The upload method in every kind of container: it works, or says what would."""
import re

import pytest

from conftest import Ksniff, tshark, wait_until

SLEEP = ["sleep", "100000"]
LOOP = ["sh", "-c", "while :; do sleep 1000; done"]


def capture_works(cluster, ksniff, name, tmp_path, *flags):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing(name, "-f", "udp port 5000", "-o", path, *flags) as process:
        inside = cluster.ours_in(name)
        cluster.datagrams(name, 5000)
        err = Ksniff.stop(process)
    # The agent's file is gone from the moment it runs; it and its shell are all that is there.
    assert inside and all(isinstance(item, bytes) for item in inside), inside
    rows = tshark(path, "frame.number", display="udp.dstport == 5000 and not icmp")
    assert len(rows) == 3
    wait_until(lambda: not cluster.ours_in(name), "the agent's end")
    return err


@pytest.mark.parametrize("image, how", [
    ("busybox", "head"), ("registry.local/dash:1", "head"), ("registry.local/bash:1", "head"),
    ("registry.local/dash-dd:1", "dd"), ("registry.local/dash-bare:1", "printf")])
def test_shells_and_tools(sandbox, ksniff, tmp_path, image, how):
    with sandbox.running_pod("tools", containers=[{"name": "app", "image": image, "command": LOOP}]):
        err = capture_works(sandbox, ksniff, "tools", tmp_path, "-v")
        assert f"takes the agent with {how}; its machine is '{'x86_64' if how != 'printf' else ''}'" in err


def test_tar_without_a_shell(sandbox, ksniff, tmp_path):
    with sandbox.running_pod("tar", containers=[{"name": "app", "image": "registry.local/tar-only:1"}]):
        err = capture_works(sandbox, ksniff, "tar", tmp_path, "-v")
        assert "has no shell: trying tar" in err


def test_only_an_empty_dir_is_writable(sandbox, ksniff, tmp_path):
    container = {"name": "app", "image": "busybox", "command": SLEEP,
                 "securityContext": {"readOnlyRootFilesystem": True},
                 "noexecTmpfs": ["/tmp", "/var/tmp", "/run"],
                 "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
    with sandbox.running_pod("scratch", containers=[container], volumes=[{"name": "scratch", "emptyDir": {}}]):
        capture_works(sandbox, ksniff, "scratch", tmp_path)


def test_path_of_the_user(sandbox, ksniff, tmp_path):
    container = {"name": "app", "image": "busybox", "command": ["sh", "-c", "mkdir /mine; echo keep >/mine/file; sleep 1000"]}
    with sandbox.running_pod("own-path", containers=[container]):
        wait_until(lambda: "mine" in __import__("os").listdir(sandbox.rootfs("own-path", "app")), "the directory")
        for path in ("/mine", "/mine/", "/mine/my-ksniff"):
            capture_works(sandbox, ksniff, "own-path", tmp_path, "-r", path)
        # A file that is there is never written over: the next place is taken.
        capture_works(sandbox, ksniff, "own-path", tmp_path, "-r", "/mine/file")
        with open(sandbox.rootfs("own-path", "app") + "/mine/file", encoding="ascii") as file:
            assert file.read() == "keep\n"


def test_noexec_everywhere(sandbox, ksniff, tmp_path):
    container = {"name": "app", "image": "busybox", "command": SLEEP,
                 "securityContext": {"readOnlyRootFilesystem": True}, "noexecTmpfs": ["/tmp"]}
    with sandbox.running_pod("noexec", containers=[container]):
        error = ksniff.fail("noexec", "--method", "upload", "-r", "/tmp", "-o", str(tmp_path / "x"))
        assert error.startswith('container "app" of pod "noexec" lets nothing be executed from where it lets files be '
                                'written (noexec) (')
        assert "-p" in error
        assert not sandbox.ours_in("noexec")


def test_no_writable_place(cluster, ksniff, tmp_path):
    container = {"name": "app", "image": cluster.image, "command": SLEEP,
                 "securityContext": {"readOnlyRootFilesystem": True},
                 "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm", "readOnly": True}]}
    with cluster.running_pod("read-only", containers=[container], volumes=[{"name": "shm", "emptyDir": {}}]):
        error = ksniff.fail("read-only", "--method", "upload", "-o", str(tmp_path / "x"))
        assert error.startswith('the upload method cannot capture pod "read-only": container "app" has a read-only root '
                                'file system and no emptyDir to write to')
        # Who names a path may know better: then the attempt decides.
        error = ksniff.fail("read-only", "--method", "upload", "-r", "/etc", "-o", str(tmp_path / "x"))
        assert 'container "app" of pod "read-only" has no directory that can be written to' in error
        assert "-p" in error and "-c" in error


def test_distroless(cluster, ksniff, tmp_path):
    cluster.needs_pod("distroless")
    error = ksniff.fail("distroless", "--method", "upload", "-o", str(tmp_path / "x"))
    assert 'container "app" of pod "distroless" has neither a shell nor tar' in error and "-p" in error
    assert not (tmp_path / "x").exists()


def test_nonroot_without_net_raw(cluster, ksniff, tmp_path):
    error = ksniff.fail("nonroot", "--method", "upload", "-o", str(tmp_path / "x"), "-r", "/dev/shm")
    assert error.startswith('the upload method cannot capture pod "nonroot": container "app" runs as user 1000')
    assert error.endswith("; without --method or -p the others are tried)")
    assert not cluster.ours_in("nonroot")


def test_root_without_net_raw(cluster, ksniff, tmp_path):
    container = {"name": "app", "image": cluster.image, "command": SLEEP,
                 "securityContext": {"capabilities": {"drop": ["NET_RAW"]}}}
    with cluster.running_pod("no-raw", containers=[container]):
        error = ksniff.fail("no-raw", "--method", "upload", "-o", str(tmp_path / "x"))
        assert error.startswith('the upload method cannot capture pod "no-raw": container "app" lacks the capability NET_RAW')
        assert not cluster.ours_in("no-raw")


def test_host_network_pod(sandbox, ksniff, tmp_path):
    capture_works(sandbox, ksniff, "hostnet", tmp_path)


def test_memory_limit_makes_the_ring_smaller(sandbox, ksniff, tmp_path):
    container = {"name": "app", "image": "busybox", "command": SLEEP, "resources": {"limits": {"memory": "16Mi"}}}
    with sandbox.running_pod("small", containers=[container]):
        path = str(tmp_path / "x.pcapng")
        with ksniff.capturing("small", "-o", path) as process:
            commands = [item for item in sandbox.ours_in("small") if b"\0capture\0" in item]
            assert any(b"\0-b\0%d\0" % (4 << 20) in command for command in commands), commands
            Ksniff.stop(process)


def test_init_and_ephemeral_containers_can_be_named(sandbox, ksniff, tmp_path):
    error = ksniff.fail("web", "-c", "nope", "-o", str(tmp_path / "x"))
    # And the ephemeral containers of other tests, perhaps.
    assert re.fullmatch(r'no container "nope" in pod "web" \(it has: httpd, sidecar(, ksniff-[0-9a-f]{8})*\)', error), error
    init = {"name": "setup", "image": "busybox", "command": SLEEP}
    main = {"name": "app", "image": "busybox", "command": SLEEP}
    sandbox.create_pod("slow-start", wait=False, initContainers=[init], containers=[main])
    try:
        wait_until(lambda: sandbox.pod("slow-start")["containers"].get("setup", {}).get("pid"), "the init container")
        wait_until(lambda: sandbox.get("/api/v1/namespaces/default/pods/slow-start")["status"]
                   ["initContainerStatuses"][0]["state"].get("running"), "the init container")
        result = ksniff.run("slow-start", "-c", "setup", "--duration", "300ms", "-o", str(tmp_path / "y"))
        assert result.code == 0, result.err
        error = ksniff.fail("slow-start", "--method", "upload", "-c", "app", "-o", str(tmp_path / "x"))
        assert 'container "app" is not running (ContainerCreating)' in error
    finally:
        sandbox.delete_pod("slow-start")


def test_default_container_annotation(cluster, ksniff, tmp_path):
    containers = [{"name": name, "image": cluster.image, "command": SLEEP} for name in ("first", "second")]
    metadata = {"annotations": {"kubectl.kubernetes.io/default-container": "second"}}
    with cluster.running_pod("annotated", metadata=metadata, containers=containers):
        result = ksniff.run("annotated", "--duration", "200ms", "-o", str(tmp_path / "x"))
        assert "selected container: 'second'" in result.err


def processes_in(sandbox, name):
    """Of a pod's first container: {pid: (parent, state, command)}, both numbers as the machine has them."""
    import os
    from conftest import processes_of
    container, = sandbox.pod(name)["containers"].values()
    found = {}
    for pid in processes_of(container["pid"]):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found[pid] = (int(fields[1]), fields[0], file.read())
        except OSError:
            os.path.exists(f"/proc/{pid}")  # it went between two looks
    return found


@pytest.mark.parametrize("image", ["busybox", "registry.local/dash:1", "registry.local/bash:1"])
def test_no_zombie_where_nobody_reaps(sandbox, ksniff, tmp_path, image):
    """Process 1 is a sleep: what it inherits stays a zombie until the container ends. So the agent must be what the
    runtime started, and no child of a shell that may be killed before it."""
    import os
    import signal
    from conftest import agents_running
    with sandbox.running_pod("careless", containers=[{"name": "app", "image": image, "command": SLEEP}]):
        with ksniff.capturing("careless", "--method", "upload", "-o", str(tmp_path / "x.pcapng")) as process:
            inside = processes_in(sandbox, "careless")
            ours = {pid: words for pid, (_, _, words) in inside.items() if b"ksniff" in words}
            first, = [pid for pid in ours if inside[pid][0] not in inside]
            os.kill(first, signal.SIGKILL)
            process.kill()
            process.wait()
            wait_until(lambda: not list(agents_running(sandbox)), "the agent's end")
        wait_until(lambda: not [words for _, state, words in processes_in(sandbox, "careless").values()
                                if state != "Z" and b"ksniff" in words], "the end of all of it")
        assert not [pid for pid, (_, state, _) in processes_in(sandbox, "careless").items() if state == "Z"]
        assert not sandbox.ours_in("careless")
