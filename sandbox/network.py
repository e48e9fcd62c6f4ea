# SPDX-License-Identifier: Apache-2.0
"""Network namespaces: one for the node, with a bridge, and one for each pod, joined by veth.

The machine's own network is left alone. Names begin with "ks" and the sandbox's process id, so that
several sandboxes can run, and one that was killed can be swept up later.
"""
import os
import subprocess

from . import machine

SUBNET = "10.244.0"


def run(*command, check=True):
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True).stdout


class Network:
    def __init__(self):
        self.prefix = f"ks{os.getpid()}"
        self.node = f"{self.prefix}-node"
        self.free = list(range(250, 9, -1))
        try:
            run("ip", "netns", "add", self.node)
            self.in_node("ip", "link", "set", "lo", "up")
            self.in_node("ip", "link", "add", "cni0", "type", "bridge")
            self.in_node("ip", "addr", "add", f"{SUBNET}.1/24", "dev", "cni0")
            self.in_node("ip", "link", "set", "cni0", "up")
        except subprocess.CalledProcessError as error:
            self.close()
            raise machine.unable("the node's network cannot be made here", machine.last_line(error.stderr)) from error

    def in_node(self, *command):
        run("ip", "netns", "exec", self.node, *command)

    @staticmethod
    def path(name):
        return f"/run/netns/{name}"

    def add_pod(self):
        """Makes a pod's namespace. Returns its name and the pod's address."""
        number = self.free.pop()
        name, address = f"{self.prefix}-{number}", f"{SUBNET}.{number}"
        veth = f"veth{number}"
        run("ip", "netns", "add", name)
        self.in_node("ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", name)
        self.in_node("ip", "link", "set", veth, "master", "cni0", "up")
        for command in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up"),
                        ("addr", "add", f"{address}/24", "dev", "eth0"),
                        ("route", "add", "default", "via", f"{SUBNET}.1")):
            run("ip", "-n", name, *command)
        return name, address

    def remove_pod(self, name):
        run("ip", "netns", "del", name, check=False)
        # Used again as late as can be: the kernel takes the namespace's devices away after it.
        self.free.insert(0, int(name.rsplit("-", 1)[1]))

    def close(self):
        remove_namespaces(self.prefix)


def remove_namespaces(prefix):
    for line in run("ip", "netns", "list", check=False).splitlines():
        name = line.split()[0]
        if name.startswith(prefix + "-"):
            run("ip", "netns", "del", name, check=False)
