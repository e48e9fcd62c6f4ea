# SPDX-License-Identifier: Apache-2.0
"""The kubelet's cgroup paths, below a parent of this sandbox's own.

A kubelet on the same machine ends whatever it does not know below /kubepods or /kubepods.slice; elsewhere it looks
for nothing. (A node of kind has its paths below a parent as well.)
"""
import contextlib
import copy
import os
import time

TOP = "/sys/fs/cgroup"
PREFIX = "/ksniff-sandbox-"
TRIES = 500


def hierarchies():
    """Where the cgroups' file systems are mounted: one of the second version, several of the first."""
    if os.path.exists(os.path.join(TOP, "cgroup.controllers")):
        return [TOP]
    return sorted(os.path.join(TOP, name) for name in (os.listdir(TOP) if os.path.isdir(TOP) else [])
                  if os.path.exists(os.path.join(TOP, name, "cgroup.procs")))


def remove_tree(path):
    for below, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(below)
        except OSError:
            pass


def process_in(path, number):
    """The process of a cgroup that has this number on its node, by its number here; None when it has gone.
    path: from a hierarchy's top"""
    try:
        with open(hierarchies()[0] + path + "/cgroup.procs", encoding="ascii") as file:
            found = file.read().split()
    except OSError:
        return None
    for pid in found:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                numbers = next(line for line in file if line.startswith("NSpid:")).split()
            if numbers[2] == str(number):
                return int(pid)
    return None


class Cgroups:
    """style: cgroupfs or systemd; pid: of the sandbox that they belong to."""

    def __init__(self, style, pid):
        self.style, self.parent = style, f"{PREFIX}{pid}"

    def of_node(self, number):
        """The first node's lie at the sandbox's own place, another's below it."""
        result = copy.copy(self)
        result.parent += f"/node{number}" if number > 1 else ""
        return result

    def path(self, uid, quality, container_id):
        """Of a container, from a hierarchy's top. quality: guaranteed, burstable or besteffort"""
        if self.style == "systemd":
            above, name = ("", "kubepods") if quality == "guaranteed" else (f"kubepods-{quality}.slice/", f"kubepods-{quality}")
            return (f"{self.parent}/kubepods.slice/{above}{name}-pod{uid.replace('-', '_')}"
                    f".slice/cri-containerd-{container_id}.scope")
        above = "" if quality == "guaranteed" else quality + "/"
        return f"{self.parent}/kubepods/{above}pod{uid}/{container_id}"

    def remove(self, uid, quality):
        """Those of a pod that has gone."""
        for top in hierarchies():
            remove_tree(top + os.path.dirname(self.path(uid, quality, "")))

    def close(self):
        """A process that has just been killed still holds its cgroup for a moment."""
        left = [top + self.parent for top in hierarchies()]
        for _ in range(TRIES):
            for path in left:
                remove_tree(path)
            left = [path for path in left if os.path.isdir(path)]
            if not left:
                break
            time.sleep(0.01)
