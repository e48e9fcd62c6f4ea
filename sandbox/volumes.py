# SPDX-License-Identifier: Apache-2.0
"""A pod's emptyDirs, and how much of the node's disk a pod may take: a kubelet ends who takes more."""
import os
import shutil
import subprocess

from .units import quantity

LOOK = 0.5  # seconds between two looks at what a pod has written; a real kubelet's are 10 s apart
LOG_KEPT = 2048  # bytes of a log that become a container's last message

TOO_FULL = 'Usage of EmptyDir volume "{}" exceeds the limit "{}". '
POD_TOO_LARGE = "Pod ephemeral local storage usage exceeds the total limit of containers {}. "
CONTAINER_TOO_LARGE = 'Container {} exceeded its local ephemeral storage limit "{}". '


def limit_of(container):
    return ((container.spec.get("resources") or {}).get("limits") or {}).get("ephemeral-storage")


def disk_usage(path):
    """Bytes that a file, or a folder with all that is in it, takes on the disk, as du counts them."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in [".", *files]:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:  # it is just being removed
                pass
    return total if os.path.isdir(path) else os.path.getsize(path) if os.path.exists(path) else 0


class EmptyDirs:
    """Those of one pod: they are made with its first container, and stay over restarts."""

    def __init__(self, pod):
        self.pod = pod
        self.mounted = {}  # path: of those that are file systems of their own, which are on the node alone

    def path(self, name):
        return os.path.join(self.pod.directory, "volumes", name)

    def mount(self, path, size):
        options = "mode=0777" + (f",size={int(size)}" if size else "")
        subprocess.run(self.pod.kubelet.node.init.command("mount", "-t", "tmpfs", "-o", options, "tmpfs", path), check=True)
        self.mounted[path] = True

    def make(self, name, source):
        path = self.path(name)
        if os.path.isdir(path):
            return path
        os.makedirs(path)
        os.chmod(path, 0o777)
        small = self.pod.kubelet.faults().get("small_disk")
        if source.get("medium") == "Memory":
            self.mount(path, quantity(source["sizeLimit"]) if source.get("sizeLimit") else None)
        elif small:
            self.mount(path, small)
        return path

    def usage(self, name):
        path = self.path(name)
        return disk_usage(self.pod.kubelet.node.init.outside(path) if path in self.mounted else path)

    def remove(self):
        """With the pod, or when it has ended for good."""
        for path in self.mounted:
            subprocess.run(self.pod.kubelet.node.init.command("umount", "-l", path), check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.mounted = {}
        for name, _ in self.of_spec():
            shutil.rmtree(self.path(name), ignore_errors=True)

    def of_spec(self):
        for volume in self.pod.object["spec"].get("volumes") or []:
            if volume.get("emptyDir") is not None:
                yield volume["name"], volume["emptyDir"]

    # ---- limits ----

    def is_limited(self):
        return any(source.get("sizeLimit") for _, source in self.of_spec()) or any(map(limit_of, self.pod.containers))

    def why_evicted(self):
        """What a kubelet says of a pod that has taken more than it may, else None."""
        total, containers = 0, [c for c in self.pod.containers if c.kind == "regular"]
        for name, source in self.of_spec():
            used = self.usage(name)
            if source.get("sizeLimit") and used > quantity(source["sizeLimit"]):
                return TOO_FULL.format(name, source["sizeLimit"])
            total += 0 if source.get("medium") == "Memory" else used
        used = {c.name: disk_usage(os.path.join(c.bundle, "upper")) + disk_usage(c.log) for c in containers}
        limits = {c.name: limit_of(c) for c in containers if limit_of(c)}
        if limits and total + sum(used.values()) > sum(map(quantity, limits.values())):
            return POD_TOO_LARGE.format(next(iter(limits.values())) if len(limits) == 1 else
                                        str(int(sum(map(quantity, limits.values())))))
        return next((CONTAINER_TOO_LARGE.format(name, limit) for name, limit in limits.items()
                     if used[name] > quantity(limit)), None)


def last_words(container, begun):
    """What a container that has failed has said, where it wants its log to be asked. begun: where in it this run begins."""
    if container.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return None
    with open(container.log, "rb") as log:
        log.seek(max(begun, os.path.getsize(container.log) - LOG_KEPT))
        return log.read().decode(errors="replace") or None
