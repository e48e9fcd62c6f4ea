# SPDX-License-Identifier: Apache-2.0
"""Network namespaces: one for each node, with a bridge, and one for each pod, joined to its node's by veth. Nodes are
joined by a cable each to a switch, a namespace of its own.

The machine's own network is left alone. Names begin with "ks" and the sandbox's process id, so that
several sandboxes can run, and one that was killed can be swept up later.
"""
import os
import subprocess

from . import machine

SERVICES = "10.90.0.0/16"
PODS = "10.244"  # and the node's number less one: the addresses of its pods, with itself at .1
CABLES = "10.99.0"


def run(*command, check=True, given=None):
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=given,
                          text=True).stdout


def batch(name, *lines):
    """ip's commands, in a network namespace."""
    run("ip", "-n", name, "-batch", "-", given="\n".join(lines))


def path(name):
    return f"/run/netns/{name}"


def prefix():
    return f"ks{os.getpid()}"


class Network:
    """A node's. number: from 1"""

    def __init__(self, number):
        self.number, self.prefix = number, prefix()
        self.subnet = f"{PODS}.{number - 1}"
        self.address = self.subnet + ".1"
        # Given, or the bridge would take that of a pod's cable, and another when that pod goes: what is on the way is lost.
        self.hardware = f"0a:58:0a:f4:{number - 1:02x}:01"
        self.node = f"{self.prefix}-node" + (str(number) if number > 1 else "")
        self.pods = self.prefix + (f"-n{number}" if number > 1 else "")
        self.free = list(range(250, 9, -1))
        try:
            run("ip", "netns", "add", self.node)
            batch(self.node, "link set lo up", f"link add cni0 address {self.hardware} type bridge", f"addr add {self.address}/24 dev cni0", "link set cni0 up",
                  f"route add {SERVICES} dev cni0 src {self.address}")
            self.route()
        except subprocess.CalledProcessError as error:
            remove_namespaces(self.prefix)
            raise machine.unable("the node's network cannot be made here", machine.last_line(error.stderr)) from error

    def route(self):
        """From pod to pod, also of other nodes; without telling pods of the same bridge that there is a shorter way."""
        values = ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.cni0.send_redirects=0")
        words = "; ".join(f"echo {value} >/proc/sys/{name.replace('.', '/')}" for name, value in (v.split("=") for v in values))
        run("ip", "netns", "exec", self.node, "sh", "-c", words)

    def in_node(self, *command):
        run("ip", "netns", "exec", self.node, *command)

    def add_pod(self):
        """Makes a pod's namespace. Returns its name and the pod's address."""
        number = self.free.pop()
        name, address = f"{self.pods}-{number}", f"{self.subnet}.{number}"
        veth = f"veth{number}"
        run("ip", "netns", "add", name)
        batch(self.node, f"link add {veth} type veth peer name eth0 netns {name}", f"link set {veth} master cni0 up")
        batch(name, "link set lo up", "link set eth0 up", f"addr add {address}/24 dev eth0", f"route add default via {self.address}")
        return name, address

    def remove_pod(self, name):
        run("ip", "netns", "del", name, check=False)
        # Used again as late as can be: the kernel takes the namespace's devices away after it.
        self.free.insert(0, int(name.rsplit("-", 1)[1]))


def join(networks):
    """Makes the switch between nodes."""
    switch = prefix() + "-wire"
    run("ip", "netns", "add", switch)
    batch(switch, "link add wire0 type bridge", "link set wire0 up")
    for one in networks:
        cable = f"node{one.number}"
        batch(switch, f"link add {cable} type veth peer name eth0 netns {one.node}", f"link set {cable} master wire0 up")
        batch(one.node, f"addr add {CABLES}.{one.number}/24 dev eth0", "link set eth0 up",
              *(f"route add {other.subnet}.0/24 via {CABLES}.{other.number} src {one.address}"
                for other in networks if other is not one))


def remove_namespaces(start):
    names = [line.split()[0] for line in run("ip", "netns", "list", check=False).splitlines()]
    ours = [f"netns del {name}" for name in names if name.startswith(start + "-")]
    if ours:
        run("ip", "-force", "-batch", "-", given="\n".join(ours), check=False)
