# SPDX-License-Identifier: Apache-2.0
"""Deleting: with grace, preconditions and finalizers, and the collector of what has lost its owners."""
import asyncio

from . import quota
from .failures import Failure, conflict
from .store import KINDS
from .units import later, now

EVERY = 0.25  # seconds between two looks of the collector
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class Options:
    """DeleteOptions, from the body or the query."""

    def __init__(self, body, query):
        if body.get("kind") not in (None, "DeleteOptions"):
            raise Failure(400, "BadRequest", f"expected DeleteOptions, got {body.get('kind')}")
        grace = body.get("gracePeriodSeconds")
        if grace is None and query.get("gracePeriodSeconds"):
            grace = int(query["gracePeriodSeconds"])
        self.grace = grace
        self.policy = body.get("propagationPolicy") or query.get("propagationPolicy") or "Background"
        self.dry = "All" in (body.get("dryRun") or query.getall("dryRun", []))
        wanted = body.get("preconditions") or {}
        self.uid, self.version = wanted.get("uid"), wanted.get("resourceVersion")
        if self.policy not in ("Background", "Foreground", "Orphan"):
            message = (f'Invalid value: "{self.policy}": supported values: "Background", "Foreground", "Orphan"')
            raise Failure(422, "Invalid", f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: {message}')

    def check(self, resource, obj):
        metadata, kind = obj["metadata"], KINDS[resource][0]
        for mine, key, name in ((self.uid, "uid", "UID"), (self.version, "resourceVersion", "ResourceVersion")):
            if mine is not None and mine != metadata[key]:
                end = "been deleted and then recreated" if key == "uid" else "been modified"
                failure = conflict(resource, metadata["name"], f"the {name} in the precondition ({mine}) does not match the "
                                   f"{name} in record ({metadata[key]}). The object might have {end}")
                raise renamed(failure, resource, kind)


def renamed(failure, resource, kind):
    """Here, and only here, a real server gives the kind where it should give the resource."""
    failure.status["message"] = failure.status["message"].replace(f"on {resource}", f"on {kind}", 1)
    failure.status["details"]["kind"] = kind
    return failure


class Garbage:
    def __init__(self, sandbox):
        self.sandbox, self.store = sandbox, sandbox.store

    # ---- one object ----

    def delete(self, resource, obj, options=None, grace=None):
        """What a DELETE does to an object. Afterwards it is gone, or on its way."""
        policy = options.policy if options else "Background"
        metadata = obj["metadata"]
        if policy == "Orphan":
            self.orphan(metadata["uid"])
        finalizers = metadata.get("finalizers") or []
        if policy == "Foreground" and FOREGROUND not in finalizers:
            finalizers = metadata["finalizers"] = finalizers + [FOREGROUND]
        if resource == "pods":
            self.delete_pod(obj, options.grace if options else grace, bool(finalizers))
        elif resource == "namespaces":
            if not metadata.get("deletionTimestamp"):
                metadata["deletionTimestamp"] = now()
                obj["status"]["phase"] = "Terminating"
                self.store.touch(resource, obj)
        elif finalizers:
            if not metadata.get("deletionTimestamp"):
                metadata.update(deletionTimestamp=now(), deletionGracePeriodSeconds=0)
                self.store.touch(resource, obj)
        else:
            self.store.delete(resource, obj)

    def delete_pod(self, obj, grace, finalizers):
        metadata, spec = obj["metadata"], obj["spec"]
        grace = spec.get("terminationGracePeriodSeconds", 30) if grace is None else max(int(grace), 0)
        if not spec.get("nodeName") or obj["status"].get("phase") in ("Succeeded", "Failed"):
            grace = 0
        before = metadata.get("deletionGracePeriodSeconds")
        if metadata.get("deletionTimestamp") and before is not None and grace >= before and grace:
            return  # it has less time already
        metadata.update(deletionTimestamp=later(grace), deletionGracePeriodSeconds=grace)
        metadata["generation"] = metadata.get("generation", 1) + 1
        if grace or finalizers:
            self.store.touch("pods", obj)
        else:
            self.store.delete("pods", obj)  # by the word of the client: the kubelet follows
        self.sandbox.background(self.end_pod(obj, grace))

    async def end_pod(self, obj, grace):
        nodes = self.sandbox.nodes
        if nodes.of(obj):
            await nodes.remove(obj, grace)
        else:  # there is no kubelet for it: whoever stands in for one takes a moment
            await asyncio.sleep(min(grace, 0.5))
        if self.store.holds("pods", obj):
            obj["metadata"].update(deletionTimestamp=now(), deletionGracePeriodSeconds=0)
            self.store.touch("pods", obj)
            if not obj["metadata"].get("finalizers"):
                self.store.delete("pods", obj)

    def after_update(self, resource, obj):
        """An object whose last finalizer was taken away goes."""
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and resource != "namespaces":
            if resource != "pods" or not self.sandbox.nodes.of(obj):
                self.store.delete(resource, obj)

    def orphan(self, uid):
        for resource, obj in self.dependents(uid):
            self.cut(resource, obj, {uid})

    def dependents(self, uid):
        for (resource, _, _), obj in list(self.store.objects.items()):
            if any(owner.get("uid") == uid for owner in obj["metadata"].get("ownerReferences") or []):
                yield resource, obj

    def cut(self, resource, obj, uids):
        metadata = obj["metadata"]
        metadata["ownerReferences"] = [o for o in metadata["ownerReferences"] if o["uid"] not in uids]
        if not metadata["ownerReferences"]:
            del metadata["ownerReferences"]
        self.store.touch(resource, obj)

    # ---- in the background ----

    def owner_exists(self, obj, owner):
        """By its place and its uid, as a real collector looks: an owner of another namespace is none."""
        for resource, (kind, api_version, namespaced) in KINDS.items():
            if (kind, api_version) == (owner["kind"], owner["apiVersion"]):
                space = obj["metadata"].get("namespace", "") if namespaced else ""
                found = self.store.get(resource, space, owner["name"])
                return bool(found) and found["metadata"]["uid"] == owner["uid"]
        return True  # a kind that is not known here

    def collect(self):
        for (resource, _, _), obj in list(self.store.objects.items()):
            owners = obj["metadata"].get("ownerReferences") or []
            gone = [owner for owner in owners if not self.owner_exists(obj, owner)]
            if gone and len(gone) == len(owners):
                if not obj["metadata"].get("deletionTimestamp"):
                    self.delete(resource, obj)
            elif gone:
                self.cut(resource, obj, {owner["uid"] for owner in gone})
            if FOREGROUND in (obj["metadata"].get("finalizers") or []) and obj["metadata"].get("deletionTimestamp"):
                self.foreground(resource, obj)
        for namespace in list(self.store.list("namespaces", "")):
            if namespace["metadata"].get("deletionTimestamp"):
                self.empty(namespace)
        for found in list(self.store.list("resourcequotas", "")):
            quota.measure(self.store, found)

    def foreground(self, resource, obj):
        waits = False
        for kind, other in self.dependents(obj["metadata"]["uid"]):
            if not other["metadata"].get("deletionTimestamp"):
                self.delete(kind, other)
            blocks = any(owner.get("uid") == obj["metadata"]["uid"] and owner.get("blockOwnerDeletion")
                         for owner in other["metadata"].get("ownerReferences") or [])
            waits = waits or (blocks and self.store.holds(kind, other))
        if not waits:
            obj["metadata"]["finalizers"].remove(FOREGROUND)
            self.store.touch(resource, obj)
            self.after_update(resource, obj)

    def empty(self, namespace):
        name = namespace["metadata"]["name"]
        inside = [(key[0], obj) for key, obj in list(self.store.objects.items()) if key[1] == name]
        for resource, obj in inside:
            if not obj["metadata"].get("deletionTimestamp"):
                self.delete(resource, obj)
        if not inside and not any(pod.object["metadata"]["namespace"] == name
                                  for pod in self.sandbox.nodes.pods):
            self.store.delete("namespaces", namespace)

    async def run(self):
        while True:
            await asyncio.sleep(EVERY)
            self.collect()
