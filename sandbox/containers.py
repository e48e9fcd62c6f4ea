# SPDX-License-Identifier: Apache-2.0
"""Containers, by runc: from a container's part of a pod's spec to a bundle, and execs in it."""
import asyncio
import json
import os
import re
import secrets
import subprocess

from . import cgroups, images
from .units import quantity

# containerd's default set
DEFAULT_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID",
                        "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"]
# CRI-O's, by the fault "runtime"
CRIO_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "KILL"]
# All there are, by their numbers
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT
SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP
MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()

MOUNTS = [
    ("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
]


# containerd's, for whoever is not privileged
MASKED = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
          "/sys/devices/virtual/powercap"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
DEVICES = [{"allow": False, "access": "rwm"},
           {"allow": True, "type": "c", "major": 1, "access": "rwm"},
           {"allow": True, "type": "c", "major": 5, "access": "rwm"},
           {"allow": True, "type": "c", "major": 136, "access": "rwm"}]
# What AppArmor or SELinux would do to entering a namespace: EACCES.
NO_SETNS = {"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["setns"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}


def may_not_enter(fault, context):
    """Whether a container is held back from setns(2), by the fault setns_denied."""
    if not fault or context.get("privileged"):
        return False
    if fault == "apparmor":
        return (context.get("appArmorProfile") or {}).get("type") != "Unconfined"
    if fault == "selinux":
        return (context.get("seLinuxOptions") or {}).get("type") != "spc_t"
    return True


def resources(limits, privileged):
    result = {"devices": [{"allow": True, "access": "rwm"}] if privileged else DEVICES}
    if "memory" in limits:
        result["memory"] = {"limit": int(quantity(limits["memory"]))}
    if "cpu" in limits:
        result["cpu"] = {"period": 100000, "quota": max(int(quantity(limits["cpu"]) * 100000), 1000)}
    return result


def all_capabilities():
    """What this process has itself: containerd gives a privileged container no more either."""
    with open("/proc/self/status", encoding="ascii") as file:
        mask = int(re.search(r"CapEff:\s+(\w+)", file.read())[1], 16)
    return [name for number, name in enumerate(CAPABILITIES) if mask >> number & 1]


def capabilities(context, default):
    """The capabilities of a container that runs as root."""
    if context.get("privileged"):
        return all_capabilities()
    wish = context.get("capabilities") or {}
    drop = [name.removeprefix("CAP_") for name in wish.get("drop") or []]
    result = [] if "ALL" in drop else [name for name in default if name not in drop]
    for name in wish.get("add") or []:
        name = name.removeprefix("CAP_")
        result += all_capabilities() if name == "ALL" else [name]
    return sorted(set(result))


def process(container, command):
    spec, context, image = container.spec, container.context, container.image
    user = context.get("runAsUser", image.user)
    default = CRIO_CAPABILITIES if container.runtime == "cri-o" else DEFAULT_CAPABILITIES
    names = ["CAP_" + name for name in capabilities(context, default)]
    # A user that is not root gets the bounding set alone.
    mine = names if user == 0 else []
    return {
        "terminal": False,
        "user": {"uid": user, "gid": context.get("runAsGroup", 0 if user == 0 else user)},
        "args": command,
        "env": [images.PATH] + container.pod.kubelet.node.environment() +
               [f"{e['name']}={e.get('value', '')}" for e in spec.get("env") or []],
        "cwd": spec.get("workingDir") or "/",
        "capabilities": {"bounding": names, "effective": mine, "permitted": mine, "inheritable": []},
        "noNewPrivileges": context.get("allowPrivilegeEscalation") is False,
    }


# Of an image's root file system and a bundle: the container's own root lies over it, and is mounted on the node alone.
START = """mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/rootfs" 2>/dev/null ||
    cp -a "$1/." "$2/rootfs" && shift 2 && exec "$@\""""


class Runc:
    """On one node. init: its first process."""

    def __init__(self, directory, init):
        self.root, self.init = os.path.join(directory, "runc"), init
        os.makedirs(self.root, exist_ok=True)

    def command(self, *words):
        return self.init.command("runc", "--root", self.root, *words)

    def start(self, container, config, image):
        """Writes the bundle and starts it. image: its root file system. Raises RuntimeError with runc's words."""
        for name in ("rootfs", "upper", "work"):
            os.makedirs(os.path.join(container.bundle, name), exist_ok=True)
        with open(os.path.join(container.bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        words = ["runc", "--root", self.root, "--log", container.bundle + "/runc.log", "--log-format", "json", "run", "--detach",
                 "--pid-file", container.bundle + "/pid", "--bundle", container.bundle, container.id]
        with open(container.log, "ab") as log:
            done = subprocess.run(self.init.command("sh", "-c", START, "sh", image, container.bundle, *words),
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise RuntimeError(start_error(container.bundle + "/runc.log") or "runc failed without a word")
        with open(container.bundle + "/pid", encoding="ascii") as file:
            container.node_pid = int(file.read())
        container.pid = cgroups.process_in(config["linux"]["cgroupsPath"], container.node_pid)

    async def exec(self, container, words, stdin, stdout, stderr, terminal=False):
        """Runs a command in a container with the given descriptors; if they are a terminal, the command
        gets one as well. Returns runc's process."""
        description = process(container, words)
        description["terminal"] = terminal
        path = os.path.join(container.bundle, f"exec-{secrets.token_hex(8)}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(description, file)
        log = path + ".log"
        # runc passes a terminal's size on when it is told of a change, so it must be its own terminal.
        session = ["setsid", "--ctty"] if terminal else []
        child = await asyncio.create_subprocess_exec(
            *session, *self.command("--log", log, "--log-format", "json", "exec", "--process", path, container.id),
            stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=not terminal)
        child.log = log
        return child

    def kill(self, container, signal="KILL"):
        subprocess.run(self.command("kill", container.id, signal), check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def delete(self, container):
        subprocess.run(self.command("delete", "--force", container.id), check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def readable(fd):
    """Waits until a descriptor can be read."""
    loop = asyncio.get_running_loop()
    event = loop.create_future()
    loop.add_reader(fd, lambda: event.done() or event.set_result(None))
    try:
        await event
    finally:
        loop.remove_reader(fd)


def start_error(log):
    """What runc says in its log when a command or container could not be started, else None."""
    try:
        with open(log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.strip()]
    except (OSError, ValueError):
        return None
    return next((line["msg"] for line in lines if line.get("level") == "error"), None)
