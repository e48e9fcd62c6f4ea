# SPDX-License-Identifier: Apache-2.0
"""Roots in which a test may change what it likes: this machine's files below, or another system's, what is written in memory."""
import contextlib
import os
import subprocess

from cluster import GUARD

# In a mount namespace of its own; it lasts until the end of standard input.
MOUNT = """
set -eu
mount -t tmpfs -o mode=755 none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" none "$1/root"
for each in proc sys dev run tmp; do mount --rbind "/$each" "$1/root/$each"; done
echo ready
exec cat
"""


class Root:
    """What a test does here nobody else sees, but in /tmp, and what it does to processes and the network."""

    def __init__(self, holder, directory):
        self.holder, self.directory = holder, directory

    def path(self, name):
        """Where this process finds a file of it."""
        return f"/proc/{self.holder.pid}/root{self.directory}/root/{name}"

    def start(self, *command, **more):
        """A process in it."""
        return subprocess.Popen(["nsenter", "-m", "-t", str(self.holder.pid), "chroot", self.directory + "/root", *command],
                                **more)

    def run(self, *command, code=0, **more):
        """Runs a command to its end; gives what it says."""
        with self.start(*command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more) as process:
            said = process.communicate(timeout=10 * GUARD)[0]
        assert process.returncode == code, said
        return said

    def written(self):
        """The files that are here and not below, or differ: paths."""
        upper = f"/proc/{self.holder.pid}/root{self.directory}/upper"
        return {os.path.relpath(os.path.join(where, name), upper) for where, folders, names in os.walk(upper)
                for name in [*names, *(f for f in folders if os.path.islink(os.path.join(where, f)))]}


@contextlib.contextmanager
def root(directory, below="/"):
    with subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", MOUNT, "sh", str(directory), below],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "ready\n"
        yield Root(holder, str(directory))
        holder.stdin.close()
