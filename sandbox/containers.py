# SPDX-License-Identifier: Apache-2.0
"""Containers, by runc: from a container's part of a pod's spec to a bundle, and execs in it."""
import asyncio
import json
import os
import shutil
import subprocess

from . import images

# containerd's default set
DEFAULT_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID",
                        "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"]
ALL_CAPABILITIES = DEFAULT_CAPABILITIES + [
    "AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH",
    "IPC_LOCK", "IPC_OWNER", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN",
    "NET_BROADCAST", "PERFMON", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT",
    "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM"]

MOUNTS = [
    ("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
]


def capabilities(context):
    """The capabilities of a container that runs as root."""
    if context.get("privileged"):
        return list(ALL_CAPABILITIES)
    wish = context.get("capabilities") or {}
    drop = [name.removeprefix("CAP_") for name in wish.get("drop") or []]
    result = [] if "ALL" in drop else [name for name in DEFAULT_CAPABILITIES if name not in drop]
    for name in wish.get("add") or []:
        name = name.removeprefix("CAP_")
        result += ALL_CAPABILITIES if name == "ALL" else [name]
    return sorted(set(result))


def process(spec, context, image, command):
    user = context.get("runAsUser", image.user)
    names = ["CAP_" + name for name in capabilities(context)]
    # A user that is not root gets the bounding set alone.
    mine = names if user == 0 else []
    return {
        "terminal": False,
        "user": {"uid": user, "gid": context.get("runAsGroup", 0 if user == 0 else user)},
        "args": command,
        "env": [images.PATH] + [f"{e['name']}={e.get('value', '')}" for e in spec.get("env") or []],
        "cwd": spec.get("workingDir") or "/",
        "capabilities": {"bounding": names, "effective": mine, "permitted": mine, "inheritable": []},
        "noNewPrivileges": context.get("allowPrivilegeEscalation") is False,
    }


class Runc:
    def __init__(self, directory):
        self.root = os.path.join(directory, "runc")
        os.makedirs(self.root, exist_ok=True)

    def command(self, *words):
        return ["runc", "--root", self.root, *words]

    def start(self, container, config, rootfs_image):
        """Writes the bundle and starts it. Raises RuntimeError with runc's words."""
        os.makedirs(container.bundle, exist_ok=True)
        if os.path.isdir(os.path.join(container.bundle, "rootfs")):
            shutil.rmtree(os.path.join(container.bundle, "rootfs"))
        subprocess.run(["cp", "-a", rootfs_image, os.path.join(container.bundle, "rootfs")], check=True)
        with open(os.path.join(container.bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        with open(container.log, "ab") as log:
            done = subprocess.run(
                self.command("--log", container.bundle + "/runc.log", "run", "--detach", "--pid-file",
                             container.bundle + "/pid", "--bundle", container.bundle, container.id),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        if done.returncode:
            with open(container.bundle + "/runc.log", encoding="utf-8") as file:
                raise RuntimeError(file.read().strip())
        with open(container.bundle + "/pid", encoding="ascii") as file:
            container.pid = int(file.read())

    async def exec(self, container, words, stdin, stdout, stderr):
        """Runs a command in a container with the given descriptors. Returns runc's process."""
        description = process(container.spec, container.context, container.image, words)
        path = os.path.join(container.bundle, f"exec-{id(description)}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(description, file)
        log = path + ".log"
        child = await asyncio.create_subprocess_exec(
            *self.command("--log", log, "--log-format", "json", "exec", "--process", path, container.id),
            stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True)
        child.log = log
        return child

    def kill(self, container, signal="KILL"):
        subprocess.run(self.command("kill", container.id, signal), check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def delete(self, container):
        subprocess.run(self.command("delete", "--force", container.id), check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start_error(log):
    """What runc says when the command could not be started, else None."""
    try:
        with open(log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.strip()]
    except (OSError, ValueError):
        return None
    return next((line["msg"] for line in lines if line.get("level") == "error"), None)
