# SPDX-License-Identifier: Apache-2.0
"""A node's first process (init.c): the node has processes and mounts of its own, which end with it."""
import asyncio
import os
import subprocess

from . import machine

HERE = os.path.dirname(os.path.abspath(__file__))


def compile_init(path):
    subprocess.run(["musl-gcc", "-static", "-Os", "-s", "-o", path, os.path.join(HERE, "init.c")], check=True)


class Init:
    """pid: of the node's process 1, as the machine counts."""

    def __init__(self, program, netns):
        self.process = subprocess.Popen([program, netns], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        first = [self.process.stdout.readline().strip() for _ in range(2)]
        if b"ready" not in first:
            words = self.process.communicate()[1].decode()
            raise machine.unable("a node's first process cannot be started here", machine.last_line(words))
        self.pid = int(next(word for word in first if word != b"ready"))
        self.ends = {}     # of processes that have ended: (when, status), by their ids on the node
        self.waiters = {}  # futures
        self.rest = b""

    def watch(self):
        os.set_blocking(self.process.stdout.fileno(), False)
        asyncio.get_running_loop().add_reader(self.process.stdout, self.hear)

    def hear(self):
        data = os.read(self.process.stdout.fileno(), 65536)
        if not data:
            asyncio.get_running_loop().remove_reader(self.process.stdout)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            pid, status = (int(word) for word in line.split())
            waiter = self.waiters.pop(pid, None)
            if waiter and not waiter.done():
                waiter.set_result(status)
            else:
                self.ends[pid] = (asyncio.get_running_loop().time(), status)

    async def wait(self, pid, since):
        """Waits for the end of a process that has lost its parent. pid: as the node counts; since: a time of the loop's
        clock before its start (the ids of processes come again). Returns its exit code, 128 and more for a signal."""
        when, status = self.ends.pop(pid, (0, None))
        if status is None or when < since:
            self.waiters[pid] = asyncio.get_running_loop().create_future()
            status = await self.waiters[pid]
        code = os.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    def forget(self):
        asyncio.get_running_loop().remove_reader(self.process.stdout)

    def command(self, *words):
        """A command that runs on the node, in the machine's network."""
        return ["nsenter", "--target", str(self.pid), "--pid", "--mount", "--", *words]

    def outside(self, path):
        """Where the machine finds a file that is mounted on the node alone."""
        return f"/proc/{self.pid}/root{path}"

    def close(self):
        """Ends everything on the node, and waits for it."""
        self.process.kill()
        self.process.communicate()
