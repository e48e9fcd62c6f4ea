# SPDX-License-Identifier: Apache-2.0
"""The nodes: each has processes, mounts and a network of its own, its kubelet with its port, and images."""
import asyncio
import os
import re

from . import network, node
from .containers import Runc
from .images import Images
from .init import Init, compile_init
from .kubelet import Kubelet
from .kubelet_port import KubeletPort


class Node:
    """number: from 1"""

    def __init__(self, sandbox, number, program):
        self.sandbox, self.number, self.name = sandbox, number, f"node{number}"
        self.network = network.Network(number)
        self.address = self.network.address
        self.cgroups = sandbox.cgroups.of_node(number)
        self.images = Images(os.path.join(sandbox.directory, "images"))
        self.init = Init(program, network.path(self.network.node))
        self.runc = Runc(os.path.join(sandbox.directory, self.name), self.init)
        self.kubelet = Kubelet(self, sandbox)
        self.port = None

    def open(self, server):
        """server: the thread where the API server calls from, None: this node's own"""
        self.init.watch()
        self.port = KubeletPort(self.network, lambda: self.sandbox.faults, server)

    def environment(self):
        """What the kubelet adds to the environment of every container: how far a node's clock is off, for those builds
        of the agent that look at it."""
        error = (self.sandbox.faults.get("clock_error") or self.sandbox.clock_error).get(self.name)
        return [] if error is None else [f"KSNIFF_TEST_CLOCK_ERROR_MS={error}"]

    async def close(self):
        """Ends everything that runs on it."""
        self.kubelet.end()
        self.init.forget()
        await asyncio.get_running_loop().run_in_executor(None, self.init.close)
        if self.port:
            await self.port.close()


class Nodes:
    def __init__(self, sandbox, count):
        self.sandbox = sandbox
        self.all = []
        program = os.path.join(sandbox.directory, "init")
        compile_init(program)
        for number in range(1, count + 1):
            self.all.append(Node(sandbox, number, program))
        if count > 1:
            network.join([one.network for one in self.all])

    def __iter__(self):
        return iter(self.all)

    def open(self):
        for one in self.all:
            one.open(None if one.number == 1 else self.all[0].port.thread)

    def find(self, name):
        """A node with a kubelet, None where there is none."""
        return next((one for one in self.all if one.name == name), None)

    def of(self, obj):
        """What a kubelet makes of a pod's object, None where there is no such pod."""
        uid = obj["metadata"]["uid"]
        return next((one.kubelet.pods[uid] for one in self.all if uid in one.kubelet.pods), None)

    @property
    def pods(self):
        return [pod for one in self.all for pod in one.kubelet.pods.values()]

    async def remove(self, obj, grace):
        pod = self.of(obj)
        if pod:
            await pod.kubelet.remove(obj, grace)

    def tell_of_faults(self, faults):
        """What of the injected faults a node's status shows."""
        for one in self.all:
            one.images.set_crowded(bool(faults.get("crowded_node")))
            one.kubelet.tell_images()
            info = self.sandbox.store.get("nodes", "", one.name)["status"]["nodeInfo"]
            info["containerRuntimeVersion"] = node.VERSIONS[faults.get("runtime") or "containerd"]
            info["architecture"] = faults.get("machine") or node.architecture()

    async def close(self):
        await asyncio.gather(*(one.close() for one in self.all))

    # ---- for tests ----

    def describe(self):
        return [pod.describe() for pod in self.pods]

    def processes(self):
        """What runs in the cgroups of all pods there ever were: also where a pod has gone."""
        seen = {uid: name for one in self.all for uid, name in one.kubelet.seen.items()}
        pods = {pod.uid: pod for pod in self.pods}
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cgroup", encoding="ascii", errors="replace") as file:
                    groups = file.read()
                match = re.search(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})\S*?([0-9a-f]{64})", groups)
                uid = match and match[1].replace("_", "-")
                if uid not in seen:
                    continue
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    command = file.read().decode(errors="replace").split("\0")[:-1]
                exe = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
            except OSError:
                continue  # it ended meanwhile, or is a zombie
            name = pods[uid].name_of(match[2]) if uid in pods else ""
            found.setdefault(uid, []).append({"pid": int(pid), "container": name, "command": command, "exe": exe})
        return [{"namespace": seen[uid][0], "name": seen[uid][1], "uid": uid, "exists": uid in pods,
                 "processes": found.get(uid, [])} for uid in seen if uid in found or uid in pods]
