# SPDX-License-Identifier: Apache-2.0
"""The cluster's objects, with resource versions and watches."""
import asyncio
import collections
import copy
import re
import secrets
import uuid

from .units import now

KINDS = {  # resource: (kind, API group and version, namespaced)
    "pods": ("Pod", "v1", True),
    "configmaps": ("ConfigMap", "v1", True),
    "services": ("Service", "v1", True),
    "serviceaccounts": ("ServiceAccount", "v1", True),
    "events": ("Event", "v1", True),
    "secrets": ("Secret", "v1", True),
    "endpoints": ("Endpoints", "v1", True),
    "resourcequotas": ("ResourceQuota", "v1", True),
    "limitranges": ("LimitRange", "v1", True),
    "namespaces": ("Namespace", "v1", False),
    "nodes": ("Node", "v1", False),
    "deployments": ("Deployment", "apps/v1", True),
    "replicasets": ("ReplicaSet", "apps/v1", True),
    "statefulsets": ("StatefulSet", "apps/v1", True),
    "daemonsets": ("DaemonSet", "apps/v1", True),
    "jobs": ("Job", "batch/v1", True),
    "cronjobs": ("CronJob", "batch/v1", True),
    "endpointslices": ("EndpointSlice", "discovery.k8s.io/v1", True),
    "roles": ("Role", "rbac.authorization.k8s.io/v1", True),
    "rolebindings": ("RoleBinding", "rbac.authorization.k8s.io/v1", True),
    "clusterroles": ("ClusterRole", "rbac.authorization.k8s.io/v1", False),
    "clusterrolebindings": ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", False),
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


FIELDS = {  # those that can be selected by, beside the name and the namespace
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
             "status.phase", "status.podIP", "status.nominatedNodeName"),
    "nodes": ("spec.unschedulable",), "secrets": ("type",), "services": ("spec.clusterIP", "spec.type"),
    "namespaces": ("status.phase",), "replicasets": ("status.replicas",), "jobs": ("status.successful",),
    "events": ("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "reason", "type")}


def only_name(text):
    """The one name that field selectors let through; None: they do not say."""
    found = re.search(r"(?:^|,)metadata\.name==?([^,]+)", text)
    return found and found[1]


def parse_fields(resource, text):
    """Field selectors. Returns a function of an object; ValueError as the server says."""
    for part in filter(None, text.split(",")):
        field = re.match(r"[^=!]*", part)[0]
        if field == part:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{part}'")
        if field not in ("metadata.name", "metadata.namespace", *FIELDS.get(resource, ())):
            raise ValueError(f"field label not supported: {field}" if resource in FIELDS else
                             f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')
    wanted = [re.fullmatch(r"([^=!]*)(==|=|!=)(.*)", part).groups() for part in text.split(",") if part]

    def matches(obj):
        for path, relation, value in wanted:
            at = obj
            for key in path.split("."):
                at = (at or {}).get(key, "")
            at = str(bool(at)).lower() if path in ("spec.hostNetwork", "spec.unschedulable") else str(at)
            if (at == value) == (relation == "!="):
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
        self.last = {}      # as the last change has left them: copies
        self.as_it_is = set()  # the uids of what no controller is to touch

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
        if not self.holds(resource, obj):
            return
        obj["metadata"]["resourceVersion"] = self.next_version()
        self.notify("MODIFIED", resource, obj)

    def put(self, resource, obj):
        """Stores an object as it is, instead of what had its name."""
        metadata = obj["metadata"]
        namespace = metadata["namespace"] if KINDS[resource][2] else ""
        key = (resource, namespace, metadata["name"])
        event = "MODIFIED" if key in self.objects else "ADDED"
        kind, api_version, _ = KINDS[resource]
        obj.update(kind=kind, apiVersion=api_version)
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", now())
        metadata["resourceVersion"] = self.next_version()
        self.objects[key] = obj
        self.notify(event, resource, obj)
        return obj

    def holds(self, resource, obj):
        """Whether an object is still there, itself and no other of its name."""
        return self.get(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) is obj

    def delete(self, resource, obj):
        if not self.holds(resource, obj):
            return
        metadata = obj["metadata"]
        namespaced = KINDS[resource][2]
        del self.objects[(resource, metadata["namespace"] if namespaced else "", metadata["name"])]
        metadata["resourceVersion"] = self.next_version()
        self.notify("DELETED", resource, obj)

    def expire(self):
        """No watch can begin before now any more, and no list go on that has begun before."""
        self.next_version()
        self.history.clear()
        self.oldest = self.version

    def notify(self, event, resource, obj):
        key = (resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        entry = (int(obj["metadata"]["resourceVersion"]), event, resource, copy.deepcopy(obj), self.last.get(key))
        self.last[key] = entry[3]
        if event == "DELETED":
            del self.last[key]
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

    def selects(self, obj):
        return (not self.labels or self.labels(obj["metadata"].get("labels") or {})) and (not self.fields or self.fields(obj))

    def offer(self, event, resource, obj, before):
        """What comes to be selected by a change is ADDED, and what is not any more DELETED, as it was before."""
        if resource != self.resource or (self.namespace and obj["metadata"].get("namespace") != self.namespace):
            return
        was, is_now = bool(before) and self.selects(before), self.selects(obj)
        if event == "MODIFIED" and was != is_now:
            event = "ADDED" if is_now else "DELETED"
            if was:
                obj = {**before, "metadata": {**before["metadata"], "resourceVersion": obj["metadata"]["resourceVersion"]}}
        elif not is_now and not (event == "DELETED" and was):
            return
        self.queue.put_nowait({"type": event, "object": obj})

    def catch_up(self, version):
        """What has happened since a version comes first."""
        for entry in self.store.history:
            if entry[0] > version:
                self.offer(*entry[1:])

    def close(self):
        self.store.watches.discard(self)
