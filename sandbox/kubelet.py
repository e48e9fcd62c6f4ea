# SPDX-License-Identifier: Apache-2.0
"""A node's kubelet: which pods there are on it, and what it tells of the node's images."""
import asyncio

from .pod import Pod


class Kubelet:
    def __init__(self, node, sandbox):
        self.node, self.sandbox, self.store = node, sandbox, sandbox.store
        self.mint, self.fail = sandbox.users.mint, sandbox.fail
        self.network, self.images, self.runc, self.cgroups = node.network, node.images, node.runc, node.cgroups
        self.directory = sandbox.directory
        self.pods = {}   # by uid
        self.tasks = {}
        self.seen = {}   # uid: (namespace, name), of all pods there ever were
        self.ended = False

    def faults(self):
        return self.sandbox.faults

    def add(self, obj):
        pod = Pod(self, obj)
        self.pods[pod.uid] = pod
        self.seen[pod.uid] = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        self.tasks[pod.uid] = pod.watched(pod.run())
        return pod

    async def remove(self, obj, grace):
        """Ends a pod; when it is ending already, perhaps sooner."""
        pod = self.pods.get(obj["metadata"]["uid"])
        if not pod:
            return
        pod.shorten(grace)
        if pod.deleted:
            await pod.gone.wait()
            return
        await pod.delete(grace)
        self.tasks.pop(pod.uid).cancel()
        self.pods.pop(pod.uid, None)
        pod.gone.set()

    def pulled(self, image):
        """An image that was not there is now, also for the node's status."""
        if image.private and not image.here:
            image.here = True
            self.tell_images()

    def tell_images(self):
        node = self.store.get("nodes", "", self.node.name)
        images = self.images.status()
        if node["status"]["images"] != images:
            node["status"]["images"] = images
            self.store.touch("nodes", node)

    def end(self):
        """The node is about to go, with all that runs on it: nothing is started or looked after any more."""
        for pod in self.pods.values():
            pod.abandon()
        for task in self.tasks.values():
            task.cancel()
