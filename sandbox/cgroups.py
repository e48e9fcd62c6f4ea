# SPDX-License-Identifier: Apache-2.0
"""The kubelet's cgroup paths, below a parent of this sandbox's own.

A kubelet on the same machine ends whatever it does not know below /kubepods or /kubepods.slice; elsewhere it looks
for nothing. (A node of kind has its paths below a parent as well.)
"""
import os

TOP = "/sys/fs/cgroup"
PREFIX = "/ksniff-sandbox-"


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


class Cgroups:
    """style: cgroupfs or systemd; pid: of the sandbox that they belong to."""

    def __init__(self, style, pid):
        self.style, self.parent = style, f"{PREFIX}{pid}"

    def path(self, uid, quality, container_id):
        """Of a container, from a hierarchy's top. quality: guaranteed, burstable or besteffort"""
        if self.style == "systemd":
            above, name = ("", "kubepods") if quality == "guaranteed" else (f"kubepods-{quality}.slice/", f"kubepods-{quality}")
            return (f"{self.parent}/kubepods.slice/{above}{name}-pod{uid.replace('-', '_')}"
                    f".slice/cri-containerd-{container_id}.scope")
        above = "" if quality == "guaranteed" else quality + "/"
        return f"{self.parent}/kubepods/{above}pod{uid}/{container_id}"

    def remove(self, uid):
        """Those of a pod that has gone."""
        for top in hierarchies():
            for path, directories, _ in os.walk(top + self.parent):
                for directory in list(directories):
                    if uid in directory or uid.replace("-", "_") in directory:
                        remove_tree(os.path.join(path, directory))
                        directories.remove(directory)

    def close(self):
        for top in hierarchies():
            remove_tree(top + self.parent)
