# SPDX-License-Identifier: Apache-2.0
"""What the sandbox needs of the machine: found out by trying, before anything is made."""
import os
import shutil
import subprocess

from . import cgroups

PROGRAMS = ("runc", "ip", "nft", "openssl", "busybox", "musl-gcc")
NEEDS = ("it runs containers, for which it needs root of a machine or of a virtual machine, or a container with every "
         "privilege, and no chroot")


class Unable(Exception):
    """The sandbox cannot run here. Its text is one line."""


def last_line(text, default="failed without a word"):
    lines = [line for line in text.splitlines() if line.strip()]
    return " ".join(lines[-1].split()) if lines else default


def unable(what, why):
    return Unable(f"{what} ({why}): {NEEDS}")


def try_namespaces():
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--mount-proc", "true"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise unable("namespaces and mounts cannot be made here", last_line(done.stdout))


def try_root():
    """Whoever enters a mount namespace that was made inside of a chroot stands outside of the chroot: so would every
    exec in a container."""
    here = os.stat("/")
    done = subprocess.run(["nsenter", "--mount=/proc/self/ns/mnt", "stat", "--format", "%d %i", "/"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise unable("mount namespaces cannot be entered here", last_line(done.stdout))
    if done.stdout.split() != [str(here.st_dev), str(here.st_ino)]:
        raise unable("this is a chroot", "the root directory is not that of the mount namespace")


def try_cgroups(groups):
    tops = cgroups.hierarchies()
    if not tops:
        raise unable("no cgroups are mounted here", "/sys/fs/cgroup")
    try:
        for top in tops:
            os.makedirs(top + groups.parent, exist_ok=True)
    except OSError as error:
        raise unable("cgroups cannot be made here", f"{error.filename}: {error.strerror}") from error
    finally:
        groups.close()


def examine(groups):
    """Raises Unable where the sandbox cannot run. Leaves nothing."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        raise Unable(f"'{missing[0]}' was not found: install the packages of the group demo in packaging/debian-packages.txt")
    if os.geteuid() != 0:
        raise Unable("it runs containers: start it as root")
    try_namespaces()
    try_root()
    try_cgroups(groups)
