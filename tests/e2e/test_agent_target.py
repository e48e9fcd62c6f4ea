# SPDX-License-Identifier: Apache-2.0
"""The capture agent beside its target: into the network namespace of a container or a pod, with real containers
in the control groups that kubelets and runtimes make; and `hold`, which ends with the captures beside it."""
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
import uuid

import pytest

from conftest import GUARD, in_netns, tshark, wait_until
from test_agent import BINARIES, RELEASE, Agent, ip, udp

(BAD_OPTIONS, NO_PERMISSION, NO_NAMESPACE, NO_ENTRY) = (64, 65, 67, 73)
CGROUPS = "/sys/fs/cgroup"
OTHER = "c" * 64


def hierarchies():
    """Where control groups are mounted."""
    if os.path.exists(CGROUPS + "/cgroup.controllers"):
        return [CGROUPS]
    return [os.path.join(CGROUPS, name) for name in os.listdir(CGROUPS)
            if os.path.exists(os.path.join(CGROUPS, name, "cgroup.procs"))]


def named_hierarchies():
    """Those in which a process can be put into a new group at once: without controllers."""
    return [path for path in hierarchies() if os.path.basename(path) in ("systemd", "unified", "cgroup")]


def new_id():
    return secrets.token_hex(32)


class Container:
    def __init__(self, identity, pid):
        self.id, self.pid = identity, pid


class Node:
    """Network namespaces, containers and processes, and what they leave, removed at the end."""

    def __init__(self, directory):
        self.directory = directory
        self.networks, self.containers, self.processes = [], [], []
        self.top = f"/kst{os.getpid()}-{secrets.token_hex(3)}"  # of all control groups here
        self.rootfs = os.path.join(directory, "rootfs")
        for name in ("bin", "proc", "dev"):
            os.makedirs(os.path.join(self.rootfs, name))
        shutil.copy("/bin/busybox", os.path.join(self.rootfs, "bin"))

    def network(self):
        name = f"kst{os.getpid()}-{secrets.token_hex(3)}"
        ip("netns", "add", name)
        self.networks.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        return name

    def runc(self, *words, **more):
        return subprocess.run(["runc", "--root", os.path.join(self.directory, "runc"), *words], check=True, timeout=GUARD,
                              stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, **more)

    def container(self, cgroup, network, identity=None, capabilities=("CAP_NET_RAW", "CAP_KILL")):
        """Starts a container there; network None: that of the node. {id} in the path is its id."""
        identity = identity or new_id()
        cgroup = self.top + cgroup.format(id=identity)
        bundle = os.path.join(self.directory, identity)
        os.makedirs(bundle)
        capabilities = list(capabilities)
        config = {
            "ociVersion": "1.0.2",
            "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"],
                        "args": ["/bin/busybox", "sleep", "100000"], "noNewPrivileges": True,
                        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities}},
            "root": {"path": self.rootfs, "readonly": True},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"cgroupsPath": cgroup,
                      "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}] +
                      ([{"type": "network", "path": "/run/netns/" + network}] if network else [])}}
        with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        with open(os.path.join(bundle, "log"), "w+b") as log:
            self.containers.append(identity)
            try:
                self.runc("run", "--detach", "--pid-file", bundle + "/pid", "--bundle", bundle, identity, stdout=log)
            except subprocess.CalledProcessError:
                log.seek(0)
                pytest.fail(log.read().decode())
        with open(bundle + "/pid", encoding="ascii") as file:
            return Container(identity, int(file.read()))

    def kill(self, container):
        self.containers.remove(container.id)
        self.runc("delete", "--force", container.id, stdout=subprocess.DEVNULL)

        def is_gone():
            try:
                with open(f"/proc/{container.pid}/stat", encoding="utf-8", errors="replace") as file:
                    return file.read().rpartition(")")[2].split()[0] in "ZX"
            except OSError:
                return True
        wait_until(is_gone, "the end of a container")

    def group(self, cgroup):
        for root in named_hierarchies():
            os.makedirs(root + self.top + cgroup, exist_ok=True)

    def enter_group(self, pid, cgroup):
        self.group(cgroup)
        for root in named_hierarchies():
            with open(root + self.top + cgroup + "/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(pid))

    def process(self, cgroup, network):
        """A process that no runtime has made; network None: that of the node."""
        with in_netns("/run/netns/" + network) if network else contextlib.nullcontext():
            process = subprocess.Popen(["sleep", "100000"])
        self.processes.append(process)
        self.enter_group(process.pid, cgroup)
        return process

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for identity in list(self.containers):
            with contextlib.suppress(subprocess.CalledProcessError):
                self.runc("delete", "--force", identity, stdout=subprocess.DEVNULL)
        for root in hierarchies():
            self.remove_groups(root + self.top)
        for name in self.networks:
            ip("netns", "del", name)


    @staticmethod
    def remove_groups(top):
        def is_removed():
            for path, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # its processes are about to go
                    os.rmdir(path)
            return not os.path.exists(top)
        wait_until(is_removed, "the end of " + top)


@pytest.fixture
def node(tmp_path):
    made = Node(str(tmp_path))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def helper(node):
    """The namespace that agents start in, as that of a helper pod; there is traffic in it too."""
    return node.network()


@pytest.fixture(params=BINARIES, ids=os.path.basename)
def binary(request):
    return request.param


@pytest.fixture
def start(helper, binary):
    running = []

    def start(*words, **more):
        agent = Agent(binary, helper, *words, **more)
        running.append(agent)
        agent.wait_ready()
        return agent
    yield start
    for agent in running:
        if agent.process.poll() is None:
            agent.process.kill()
        agent.process.communicate()


def send(network, *payloads):
    udp((network, network), payloads, address="127.0.0.1")


def payloads_of(path):
    return [bytes.fromhex(row[0]) for row in tshark(path, "udp.payload", display="udp.port == 6000")]


def sees(agent, path, network, *others):
    """Does it see each packet of this namespace, and none of the others?"""
    send(network, b"first")
    for other in others:
        send(other, b"not ours")
    send(network, b"second", b"third")
    agent.finish(path)
    assert payloads_of(path) == [b"first", b"second", b"third"]


def refused(binary, helper, *words, prefix=()):
    """Returns the exit code and the message of an agent that must not start."""
    with in_netns("/run/netns/" + helper):
        done = subprocess.run([*prefix, binary, "capture", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=GUARD)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


def without(*capabilities):
    change = ",".join("-" + name for name in capabilities)
    return ["setpriv", "--bounding-set", change, "--inh-caps", change]


# {uid}: of the pod, {_uid_}: with underscores, {id}: of the container, {outer}: of the node that is a container
SHAPES = {
    "cgroupfs-besteffort": "/kubepods/besteffort/pod{uid}/{id}",
    "cgroupfs-burstable": "/kubepods/burstable/pod{uid}/{id}",
    "cgroupfs-guaranteed": "/kubepods/pod{uid}/{id}",
    "systemd-cri-containerd": "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{_uid_}.slice/"
                              "cri-containerd-{id}.scope",
    "systemd-crio": "/kubepods.slice/kubepods-pod{_uid_}.slice/crio-{id}.scope",
    "systemd-docker": "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{_uid_}.slice/docker-{id}.scope",
    "libpod": "/machine.slice/kubepods-pod{_uid_}.slice/libpod-{id}.scope/container",
    "cgroupfs-crio": "/kubepods/burstable/pod{uid}/crio-{id}",
    "kind": "/docker/{outer}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
            "kubelet-kubepods-besteffort-pod{_uid_}.slice/cri-containerd-{id}.scope",
    "kind-cgroupfs": "/kubelet/kubepods/besteffort/pod{uid}/{id}",
    "k3s": "/system.slice/k3s.service/kubepods/burstable/pod{uid}/{id}",
    "containerd-at-odds": "/system.slice/containerd.service/kubepods-besteffort-pod{_uid_}.slice:cri-containerd:{id}",
}


class Pod:
    """Control groups of one shape."""

    def __init__(self, shape="cgroupfs-besteffort"):
        self.uid, self.outer, self.shape = str(uuid.uuid4()), new_id(), SHAPES[shape]

    def path(self, identity="{id}"):
        return self.shape.format(uid=self.uid, _uid_=self.uid.replace("-", "_"), outer=self.outer, id=identity)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(node, helper, start, tmp_path, shape):
    path = str(tmp_path / "x.pcapng")
    ours, theirs = Pod(shape), Pod(shape)
    theirs.outer = ours.outer
    network, other, second = node.network(), node.network(), node.network()
    neighbour = node.container(theirs.path(), other)
    node.container(theirs.path(), second)  # a sandbox of its own, as in no pod: told apart by the container alone
    container = node.container(ours.path(), network)
    sees(start("-C", container.id), path, network, other, helper)
    sees(start("-P", ours.uid), path, network, other, helper)
    sees(start("-C", OTHER, "-C", neighbour.id, "-C", container.id, "-P", ours.uid), path, other, network, helper, second)


def test_pod_by_its_pause_process(node, helper, start, tmp_path):
    path, pod, network = str(tmp_path / "x.pcapng"), Pod(), node.network()
    node.container(pod.path(), network)  # pause
    container = node.container(pod.path(), network)
    node.kill(container)
    sees(start("-P", pod.uid), path, network, helper)
    # A container that has ended, and one that never was: its pod is there.
    sees(start("-C", container.id, "-C", OTHER, "-P", pod.uid), path, network, helper)


@pytest.mark.parametrize("by", ["container", "pod"])
def test_pod_in_a_sandbox(node, helper, start, tmp_path, by):
    """gVisor, by processes that stand for its own: one that serves a container's files, first there, in the container's
    group and an empty network namespace; the sandbox's in the pod's group, in its network. Nothing runs in the
    container for the node."""
    path, pod, network, empty, container = str(tmp_path / "x.pcapng"), Pod(), node.network(), node.network(), new_id()
    ip("-n", network, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    node.process(pod.path(container), empty)
    node.process(pod.path(new_id()), empty)
    node.process(pod.path(new_id()), network)
    words = ["-C", container, "-P", pod.uid] if by == "container" else ["-P", pod.uid]
    sees(start(*words), path, network, empty, helper)
    # What is in an empty one is taken where there is nothing else.
    sees(start("-C", container), path, empty, network, helper)


def test_capture_survives_a_restart(node, helper, start, tmp_path):
    path, pod, network = str(tmp_path / "x.pcapng"), Pod("systemd-cri-containerd"), node.network()
    node.container(pod.path(), network)  # pause
    container = node.container(pod.path(), network)
    agent = start("-C", container.id, "-P", pod.uid)
    send(network, b"before")
    node.kill(container)
    send(network, b"between")
    node.container(pod.path(), network)
    send(network, b"after")
    send(helper, b"not ours")
    agent.finish(path)
    assert payloads_of(path) == [b"before", b"between", b"after"]


def test_capture_survives_its_namespaces_name(node, helper, start, tmp_path):
    """The container ends and nothing else holds the namespace: the capture does, and ends in order."""
    path, pod, network = str(tmp_path / "x.pcapng"), Pod(), node.network()
    container = node.container(pod.path(), network)
    agent = start("-C", container.id)
    send(network, b"before")
    node.kill(container)
    node.networks.remove(network)
    ip("netns", "del", network)
    agent.finish(path)
    assert payloads_of(path) == [b"before"]


def test_chosen_interface_is_the_targets(node, helper, start, tmp_path, binary):
    path, pod, network = str(tmp_path / "x.pcapng"), Pod(), node.network()
    ip("-n", network, "link", "add", "dummy7", "type", "veth", "peer", "name", "dummy8")
    container = node.container(pod.path(), network)
    agent = start("-C", container.id, "-i", "dummy7", "-i", "lo")
    sees(agent, path, network, helper)
    code, text = refused(binary, helper, "-i", "dummy7")
    assert code == 66 and "dummy7" in text


def test_nothing_is_found(node, helper, binary):
    pod = Pod()
    code, text = refused(binary, helper, "-C", OTHER)
    assert code == NO_NAMESPACE and text.startswith(f"ksniff-agent: no process of container {OTHER} among "), text
    assert text.endswith(" processes\n") and int(text.split()[-2]) >= 2
    code, text = refused(binary, helper, "-C", OTHER, "-C", new_id(), "-C", new_id(), "-P", pod.uid)
    assert code == NO_NAMESPACE
    assert text.startswith(f"ksniff-agent: no process of container {OTHER} (and 2 more) or pod {pod.uid} among "), text
    code, text = refused(binary, helper, "-P", pod.uid)
    assert code == NO_NAMESPACE and text.startswith(f"ksniff-agent: no process of pod {pod.uid} among "), text


def test_nodes_own_network(node, helper, binary):
    pod = Pod()
    container = node.container(pod.path(), None)
    code, text = refused(binary, helper, "-C", container.id)
    assert (code, text) == (NO_NAMESPACE, f"ksniff-agent: container {container.id} shares the node's network\n")
    code, text = refused(binary, helper, "-C", OTHER, "-P", pod.uid)
    assert (code, text) == (NO_NAMESPACE, f"ksniff-agent: pod {pod.uid} shares the node's network\n")


def test_entry_is_refused(node, helper, binary):
    pod, network = Pod(), node.network()
    container = node.container(pod.path(), network)
    code, text = refused(binary, helper, "-C", container.id, prefix=without("sys_admin"))
    assert code == NO_ENTRY
    assert text == (f"ksniff-agent: cannot enter the network namespace of container {container.id}: "
                    "Operation not permitted\n")
    code, text = refused(binary, helper, "-P", pod.uid, prefix=without("sys_admin"))
    assert code == NO_ENTRY and f"pod {pod.uid}: " in text
    code, text = refused(binary, helper, "-C", container.id, prefix=without("net_raw"))
    assert code == NO_PERMISSION and "cannot open a packet socket" in text
    # Not to be looked at: a container that may do more than the agent.
    strong = node.container(pod.path(), network, capabilities=["CAP_SYS_PTRACE"])
    code, text = refused(binary, helper, "-C", strong.id, prefix=without("sys_ptrace"))
    assert code == NO_ENTRY and f"container {strong.id}: Permission denied" in text


def test_node_that_may_not_be_looked_at(node, helper, start, tmp_path):
    """As AppArmor's default profile has it: containers may look at each other, not at the node's processes."""
    pod, network = Pod("systemd-crio"), node.network()
    monitor = pod.path(new_id()).replace("/crio-", "/crio-conmon-")
    node.process(monitor, None)
    container = node.container(pod.path(), network)
    agent = start("-C", container.id, prefix=without("sys_ptrace"))
    sees(agent, str(tmp_path / "x.pcapng"), network, helper)
    agent = start("-P", pod.uid, prefix=without("sys_ptrace"))
    sees(agent, str(tmp_path / "x.pcapng"), network, helper)


@pytest.mark.parametrize("shape", ["systemd-crio", "libpod", "cgroupfs-crio"])
def test_runtime_monitors_are_not_taken(node, helper, start, tmp_path, shape):
    """They are older than the container, and their group has its id in its name."""
    pod, network, decoy, identity = Pod(shape), node.network(), node.network(), new_id()
    monitor = pod.path(identity).replace("/crio-", "/crio-conmon-").replace("/libpod-", "/libpod-conmon-")
    assert "conmon" in monitor
    node.process(monitor, decoy)
    node.process(monitor, None)
    node.container(pod.path(), network, identity)
    for words in (["-C", identity], ["-P", pod.uid]):
        sees(start(*words), str(tmp_path / "x.pcapng"), network, decoy, helper)


def test_runtime_in_the_containers_own_group(node, helper, start, tmp_path):
    """Older, in the very group, and in the node's network: a runtime that is about to start it, or a shim."""
    pod, network, identity = Pod(), node.network(), new_id()
    node.process(pod.path(identity) + "/shim", None)
    node.container(pod.path(), network, identity)
    sees(start("-C", identity), str(tmp_path / "x.pcapng"), network, helper)


def test_containers_in_the_container(node, helper, start, tmp_path):
    pod, network, inner = Pod(), node.network(), node.network()
    container = node.container(pod.path(), network)
    below = pod.path(container.id) + "/docker/{id}"
    nested = node.container(below, inner)
    node.process(pod.path(container.id) + "/docker/" + new_id(), inner)
    node.process(pod.path(container.id) + "/init.scope", inner)
    for words in (["-C", container.id], ["-P", pod.uid]):
        sees(start(*words), str(tmp_path / "x.pcapng"), network, inner, helper)
    sees(start("-C", nested.id), str(tmp_path / "x.pcapng"), inner, network, helper)


@pytest.mark.parametrize("shape", ["cgroupfs-burstable", "systemd-cri-containerd", "kind"])
def test_agent_in_a_namespace_of_control_groups(node, helper, start, tmp_path, shape):
    """As in a pod: the groups of others are at /../../ then."""
    pod, network = Pod(shape), node.network()
    container = node.container(pod.path(), network)
    own = os.path.dirname(pod.path("x")) + "/" + new_id()
    node.group(own)
    enter = "".join(f'echo $$ >"{root}{node.top}{own}/cgroup.procs" && ' for root in named_hierarchies())
    prefix = ["sh", "-c", enter + 'exec unshare -C "$@"', "sh"]
    groups = subprocess.run([*prefix, "cat", f"/proc/{container.pid}/cgroup"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    assert ":/../" in groups
    for words in (["-C", container.id], ["-P", pod.uid]):
        sees(start(*words, prefix=prefix), str(tmp_path / "x.pcapng"), network, helper)


def test_privileges_are_gone(node, helper, tmp_path):
    pod, network = Pod(), node.network()
    container = node.container(pod.path(), network)
    agent = Agent(RELEASE, helper, "-C", container.id)
    agent.wait_ready()
    with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    # And no descriptor of what it went through is left.
    left = [os.readlink(f"/proc/{agent.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{agent.process.pid}/fd")]
    assert not [name for name in left if name.startswith(("/proc", "net:"))], left
    agent.finish(str(tmp_path / "x"))


def test_process_that_is_not_the_same_any_more(node, helper, tmp_path):
    """The process that was found is gone when its namespace is opened: it is looked for again, some times."""
    pod, network = Pod(), node.network()
    container = node.container(pod.path(), network)
    trace = str(tmp_path / "trace")
    prefix = ["strace", "-o", trace, "-P", "ns/net", "-e", "trace=openat", "-e"]
    agent = Agent(RELEASE, helper, "-C", container.id, prefix=[*prefix, "inject=openat:error=ENOENT:when=1..4"])
    agent.wait_ready()
    sees(agent, str(tmp_path / "x.pcapng"), network, helper)
    with open(trace, encoding="ascii") as file:
        assert file.read().count("INJECTED") == 4
    code, text = refused(RELEASE, helper, "-C", container.id, prefix=[*prefix, "inject=openat:error=ENOENT"])
    assert code == NO_NAMESPACE and f"come and go too fast: container {container.id}\n" in text


def test_processes_that_may_not_be_looked_at(node, helper, tmp_path):
    """As under SELinux: the target may be among them. What shows without them is taken all the same."""
    pod, network = Pod(), node.network()
    hidden, other = (node.container(pod.path(), network) for _ in range(2))
    prefix = ["strace", "-o", str(tmp_path / "trace"), "-P", f"{hidden.pid}/cgroup", "-e", "trace=openat",
              "-e", "inject=openat:error=EACCES"]
    code, text = refused(RELEASE, helper, "-C", hidden.id, prefix=prefix)
    assert code == NO_ENTRY and f"may not look at every process for container {hidden.id}: Permission denied" in text
    agent = Agent(RELEASE, helper, "-C", other.id, prefix=prefix)
    agent.wait_ready()
    sees(agent, str(tmp_path / "x.pcapng"), network, helper)


@pytest.mark.parametrize("words", [["-C"], ["-C", "c" * 63], ["-C", "c" * 65], ["-C", "C" * 64], ["-P", ""],
                                   ["-P", "c" * 36], ["-P", "../../1"]])
def test_bad_targets(binary, helper, words):
    code, text = refused(binary, helper, *words)
    assert code == BAD_OPTIONS and text.startswith("ksniff-agent: bad option") and text.count("\n") == 1


# ---- hold ----

@pytest.fixture
def own_file(tmp_path, binary):
    """A copy: the lock is on the file, and other tests use the other one."""
    path = str(tmp_path / "agent")
    shutil.copy(binary, path)
    return path


@pytest.fixture
def hold(own_file):
    running = []

    def hold(*words, prefix=()):
        process = subprocess.Popen([*prefix, own_file, "hold", *words], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.append(process)
        return process
    yield hold
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def beside(own_file, helper):
    """A capture of the same file."""
    running = []

    def beside(*words):
        agent = Agent(own_file, helper, *words)
        running.append(agent)
        agent.wait_ready()
        return agent
    yield beside
    for agent in running:
        if agent.process.poll() is None:
            agent.process.kill()
        agent.process.communicate()


def ended(process, message=""):
    """It ends in order, with nothing on its standard output."""
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0 and out == b"" and err.decode() == message, err
    return True


def is_locked(path):
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextlib.contextmanager
def heartbeats(agent):
    done = threading.Event()

    def beat():
        while not done.wait(0.2):
            agent.process.stdin.write(b"\n")
            agent.process.stdin.flush()
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_hold_without_captures(hold):
    begin = time.monotonic()
    assert ended(hold("-S", "3"))
    assert time.monotonic() - begin > 2.9


def test_hold_lives_with_its_captures(hold, beside):
    agent = beside("-S", "600")
    process = hold("-S", "4")
    with heartbeats(agent):
        time.sleep(12)
        assert process.poll() is None
    last = time.monotonic()
    assert ended(process)
    assert time.monotonic() - last > 3
    assert agent.process.poll() is None  # a capture that hears nothing does not count


def test_one_of_two_captures_is_enough(hold, beside):
    first, second = beside("-S", "600"), beside("-S", "600")
    process = hold("-S", "4")
    with heartbeats(first), heartbeats(second):
        time.sleep(1)
    with heartbeats(second):
        first.process.kill()
        time.sleep(10)
        assert process.poll() is None
    assert ended(process)


def test_lock_of_a_capture(beside, own_file):
    agent = beside("-S", "600")
    for _ in range(3):
        wait_until(lambda: not is_locked(own_file), "the lock's end")
        assert agent.process.poll() is None
        agent.process.stdin.write(b"\n")
        agent.process.stdin.flush()
        wait_until(lambda: is_locked(own_file), "the lock")


def test_capture_that_finds_the_lock_taken(beside, own_file):
    """Somebody looks at it just then: it takes the lock a little later, and does not wait for it meanwhile."""
    with open(own_file, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        agent = beside("-S", "600")
        with heartbeats(agent):
            fcntl.flock(file, fcntl.LOCK_UN)
            wait_until(lambda: is_locked(own_file), "the lock")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("first", [True, False], ids=["process-1", "any-process"])
def test_signals_end_hold(hold, own_file, number, first):
    process = hold("-S", "600", "-u", own_file, prefix=["unshare", "-p", "-f", "--kill-child"] if first else [])
    pid = wait_until(lambda: holder(process, own_file), "the process")
    wait_until(lambda: has_begun(pid), "its start")
    assert os.path.exists(own_file)
    os.kill(pid, number)
    assert ended(process)
    assert not os.path.exists(own_file)


def holder(process, path):
    """The pid of hold, below unshare or not."""
    candidates = [process.pid]
    with contextlib.suppress(OSError), open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
        candidates += [int(pid) for pid in file.read().split()]
    for pid in candidates:
        with contextlib.suppress(OSError):
            if os.path.samefile(f"/proc/{pid}/exe", path):
                return pid
    return None


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def has_begun(pid):
    """It has blocked the signals that it waits for, and lost its privileges."""
    return status_of(pid)["NoNewPrivs"] == "1"


def test_hold_reaps_orphans(hold, own_file):
    process = hold("-S", "600", prefix=["unshare", "-p", "-f", "--kill-child"])
    pid = wait_until(lambda: holder(process, own_file), "the process")
    wait_until(lambda: has_begun(pid), "its start")
    # The group's first process ends at once; what it leaves is process 1's.
    subprocess.run(["nsenter", "-t", str(pid), "-p", "sh", "-c", "for i in 1 2 3 4 5; do sleep 100000 & done"], check=True)

    def children():
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    orphans = wait_until(lambda: len(children()) == 5 and children(), "the orphans")
    for orphan in orphans:
        os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: not children(), "the orphans to be reaped")
    assert process.poll() is None
    os.kill(pid, signal.SIGTERM)
    assert ended(process)


def test_hold_has_no_privileges(hold, own_file, binary):
    process = hold("-S", "600")
    wait_until(lambda: int(status_of(process.pid)["CapEff"], 16) == 0 and
               (binary != RELEASE or status_of(process.pid)["Seccomp"] == "2"), "the loss of privileges")
    status = status_of(process.pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    process.terminate()
    assert ended(process)


def test_hold_where_locks_do_not_work(hold, own_file, tmp_path, binary):
    """It says so once, and counts from its start."""
    if binary == RELEASE:
        pytest.skip("its seccomp filter ends it at what strace answers in the kernel's place")
    begin = time.monotonic()
    process = hold("-S", "3", "-u", own_file, prefix=["env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-o",
                                                      str(tmp_path / "trace"), "-e", "trace=flock", "-e",
                                                      "inject=flock:error=ENOLCK"])
    assert ended(process, "ksniff-agent: cannot see whether captures run: flock: No locks available\n")
    assert time.monotonic() - begin > 2.9
    assert not os.path.exists(own_file)


@pytest.mark.parametrize("words", [["-S"], ["-S", "0"], ["-S", "x"], ["-i", "lo"], ["-R"], ["x"]])
def test_bad_options_of_hold(hold, own_file, words):
    process = hold("-u", own_file, *words)
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == BAD_OPTIONS and out == b"" and err.startswith(b"ksniff-agent: bad option")
    assert not os.path.exists(own_file)


def test_capture_goes_on_without_a_lock(beside, own_file):
    """The executable can be run, but not be read: as a file of mode 0111 for who is not root."""
    done = subprocess.run(["env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-o", "/dev/null", "-e", "trace=flock", "-e",
                           "inject=flock:error=ENOLCK", own_file, "capture", "-i", "nope"],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 66 and done.stderr.count(b"\n") == 1
    os.chmod(own_file, 0o111)
    agent = beside("-S", "600")
    agent.process.communicate(b"q", timeout=GUARD)
    assert agent.process.returncode == 0
