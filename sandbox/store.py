# SPDX-License-Identifier: Apache-2.0
"""The cluster's objects, with resource versions and watches."""
import asyncio
import collections
import copy
import re
import secrets
import uuid

from .kubelet import now

KINDS = {  # resource: (kind, API group and version, namespaced)
    "pods": ("Pod", "v1", True),
    "configmaps": ("ConfigMap", "v1", True),
    "services": ("Service", "v1", True),
    "serviceaccounts": ("ServiceAccount", "v1", True),
    "events": ("Event", "v1", True),
    "namespaces": ("Namespace", "v1", False),
    "nodes": ("Node", "v1", False),
    "deployments": ("Deployment", "apps/v1", True),
    "replicasets": ("ReplicaSet", "apps/v1", True),
    "statefulsets": ("StatefulSet", "apps/v1", True),
    "daemonsets": ("DaemonSet", "apps/v1", True),
    "jobs": ("Job", "batch/v1", True),
}


HISTORY = 2000  # changes that a watch can ask for afterwards


def parse_selector(text):
    """Label selectors: equality and sets. Returns a function of labels; ValueError as the server says."""
    tests = []
    for part in re.findall(r"(?:[^,(]|\([^)]*\))+", text):
        part = part.strip()
        match = re.fullmatch(r"(!?)\s*([\w./-]+)", part)
        if match:
            tests.append(lambda labels, m=match: (m[2] in labels) != bool(m[1]))
            continue
        match = re.fullmatch(r"([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)", part)
        if match:
            tests.append(lambda labels, m=match: (labels.get(m[1]) == m[3]) == (m[2] != "!="))
            continue
        match = re.fullmatch(r"([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)", part)
        if not match:
            found = part.split()[1] if len(part.split()) > 1 else part
            raise ValueError(f"unable to parse requirement: found '{found.rstrip('=')}', expected: "
                             "in, notin, =, ==, !=, gt, lt")
        values = {value.strip() for value in match[3].split(",")}
        tests.append(lambda labels, m=match, v=values: (labels.get(m[1]) in v) == (m[2] == "in"))
    return lambda labels: all(test(labels) for test in tests)


def parse_fields(text):
    wanted = [part.partition("=") for part in text.split(",") if part]

    def matches(obj):
        for path, _, value in wanted:
            at = obj
            for key in path.split("."):
                at = (at or {}).get(key, "")
            if at != value.lstrip("="):
                return False
        return True
    return matches


class Store:
    def __init__(self):
        self.version = 1000
        self.oldest = 1000  # watches from before this have expired
        self.history = collections.deque()  # (version, event, resource, object) since then
        self.objects = {}   # (resource, namespace, name): object
        self.watches = set()

    def next_version(self):
        self.version += 1
        return str(self.version)

    def create(self, resource, namespace, obj):
        kind, api_version, namespaced = KINDS[resource]
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + secrets.token_hex(3)[:5]
        key = (resource, namespace if namespaced else "", metadata["name"])
        if key in self.objects:
            raise KeyError(metadata["name"])
        if namespaced:
            metadata["namespace"] = namespace
        metadata.update(uid=str(uuid.uuid4()), creationTimestamp=now(), resourceVersion=self.next_version())
        obj.update(kind=kind, apiVersion=api_version)
        self.objects[key] = obj
        self.notify("ADDED", resource, obj)
        return obj

    def get(self, resource, namespace, name):
        return self.objects.get((resource, namespace if KINDS[resource][2] else "", name))

    def list(self, resource, namespace, labels=None, fields=None):
        for (kind, space, _), obj in sorted(self.objects.items()):
            if kind != resource or (namespace and KINDS[resource][2] and space != namespace):
                continue
            if labels and not labels(obj["metadata"].get("labels") or {}):
                continue
            if fields and not fields(obj):
                continue
            yield obj

    def touch(self, resource, obj):
        """The object was changed in place."""
        metadata = obj["metadata"]
        if self.get(resource, metadata.get("namespace"), metadata["name"]) is not obj:
            return
        metadata["resourceVersion"] = self.next_version()
        self.notify("MODIFIED", resource, obj)

    def delete(self, resource, obj):
        metadata = obj["metadata"]
        namespaced = KINDS[resource][2]
        self.objects.pop((resource, metadata["namespace"] if namespaced else "", metadata["name"]), None)
        metadata["resourceVersion"] = self.next_version()
        self.notify("DELETED", resource, obj)
        for (kind, _, _), other in list(self.objects.items()):
            owners = other["metadata"].get("ownerReferences") or []
            if kind != "pods" and any(owner.get("uid") == metadata["uid"] for owner in owners):
                self.delete(kind, other)

    def notify(self, event, resource, obj):
        entry = (int(obj["metadata"]["resourceVersion"]), event, resource, copy.deepcopy(obj))
        self.history.append(entry)
        if len(self.history) > HISTORY:
            self.oldest = self.history.popleft()[0]
        for watch in list(self.watches):
            watch.offer(*entry[1:])


class Watch:
    def __init__(self, store, resource, namespace, labels, fields):
        self.store, self.resource, self.namespace = store, resource, namespace
        self.labels, self.fields = labels, fields
        self.queue = asyncio.Queue()
        store.watches.add(self)

    def offer(self, event, resource, obj):
        metadata = obj["metadata"]
        if resource != self.resource or (self.namespace and metadata.get("namespace") != self.namespace):
            return
        if self.labels and not self.labels(metadata.get("labels") or {}):
            return
        if self.fields and not self.fields(obj):
            return
        self.queue.put_nowait({"type": event, "object": obj})

    def catch_up(self, version):
        """What has happened since a version comes first."""
        for entry in self.store.history:
            if entry[0] > version:
                self.offer(*entry[1:])

    def close(self):
        self.store.watches.discard(self)
