# SPDX-License-Identifier: Apache-2.0
"""The controllers of what makes pods: Deployments by way of ReplicaSets, StatefulSets, DaemonSets and Jobs. Small: each
looks at all there is whenever something has changed, and makes the next step towards what is wanted.

What was stored as it is (POST /sandbox/objects) is left as it is.
"""
import copy
import hashlib
import json
import math

from . import admission, scheduler, webhooks
from .failures import Failure
from .store import KINDS
from .units import now

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
TOLERATED = [{"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect} for key, effect in (
    ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"))]


def digest(template):
    """Of a pod's template, as it stands in names: ten letters without vowels."""
    number = int(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest(), 16)
    text = ""
    for _ in range(10):
        number, rest = divmod(number, len(ALPHABET))
        text += ALPHABET[rest]
    return text


def lives(obj):
    return not obj["metadata"].get("deletionTimestamp") and obj.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def ready(pod):
    return not pod["metadata"].get("deletionTimestamp") and any(
        c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or [])


def share(value, total, rounded):
    """A number, or a share of a total such as "25%"."""
    if isinstance(value, str) and value.endswith("%"):
        return int(rounded(int(value[:-1]) * total / 100))
    return int(value)


def reference(owner):
    return [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
             "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}]


class Workloads:
    def __init__(self, sandbox):
        self.sandbox, self.store = sandbox, sandbox.store
        self.owned = {}  # (resource, uid of the controller): objects

    # ---- what all have in common ----

    def index(self):
        self.owned = {}
        for (resource, _, _), obj in self.store.objects.items():
            for owner in obj["metadata"].get("ownerReferences") or []:
                if owner.get("controller"):
                    self.owned.setdefault((resource, owner["uid"]), []).append(obj)

    def of(self, resource, owner):
        """The oldest first, as they stand in the store."""
        found = self.owned.get((resource, owner["metadata"]["uid"]), [])
        return list(found)

    def make(self, resource, owner, obj):
        """Returns what was made, None where the server refuses it. It is tried again."""
        namespace = owner["metadata"]["namespace"]
        obj["metadata"]["ownerReferences"] = reference(owner)
        try:
            if resource == "pods":
                webhooks.mutate(self.sandbox.faults, obj)
            admission.complete(self.store, resource, obj, namespace)
            obj.update(kind=KINDS[resource][0], apiVersion=KINDS[resource][1])
            admission.admit(self.store, resource, obj, namespace)
            self.store.create(resource, namespace, obj)
        except (Failure, KeyError):
            return None
        if resource == "pods":
            self.sandbox.scheduler.consider(obj)
        return obj

    def make_pod(self, owner, name=None, labels=None, **more):
        template = owner["spec"]["template"]
        metadata = copy.deepcopy(template.get("metadata") or {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **(labels or {})}
        metadata.update({"name": name} if name else {"generateName": owner["metadata"]["name"] + "-"})
        return self.make("pods", owner, {"metadata": metadata, "spec": {**copy.deepcopy(template["spec"]), **more}})

    def remove(self, pod):
        self.sandbox.garbage.delete("pods", pod)

    def tell(self, resource, obj, **status):
        status["observedGeneration"] = obj["metadata"].get("generation", 1)
        if obj.get("status") != {**(obj.get("status") or {}), **status}:
            obj["status"] = {**(obj.get("status") or {}), **status}
            self.store.touch(resource, obj)

    # ---- Deployments and ReplicaSets ----

    def replica_set_of(self, deployment, sets):
        """The one of the present template; made if it is not there."""
        template, metadata = deployment["spec"]["template"], deployment["metadata"]
        mark = digest(template)
        found = next((s for s in sets if s["metadata"]["labels"].get(HASH) == mark), None)
        revision = max([int(s["metadata"]["annotations"].get(REVISION, 0)) for s in sets], default=0)
        if found:
            if int(found["metadata"]["annotations"][REVISION]) < revision:  # an undo
                found["metadata"]["annotations"][REVISION] = str(revision + 1)
                self.store.touch("replicasets", found)
            return found
        template = copy.deepcopy(template)
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH] = mark
        selector = copy.deepcopy(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = mark
        return self.make("replicasets", deployment, {
            "metadata": {"name": f"{metadata['name']}-{mark}", "labels": dict(labels), "annotations": {REVISION: str(revision + 1)}},
            "spec": {"replicas": 0, "selector": selector, "template": template}})

    def deployment(self, obj):
        spec, metadata = obj["spec"], obj["metadata"]
        wanted, sets = spec["replicas"], self.of("replicasets", obj)
        new = self.replica_set_of(obj, sets) if not spec.get("paused") else None
        old = [s for s in sets if s is not new]
        if new:
            self.roll(spec, wanted, new, old)
            limits = {"deployment.kubernetes.io/desired-replicas": str(wanted),
                      "deployment.kubernetes.io/max-replicas": str(wanted + self.surge(spec, wanted))}
            if {**new["metadata"]["annotations"], **limits} != new["metadata"]["annotations"]:
                new["metadata"]["annotations"].update(limits)
                self.store.touch("replicasets", new)
            revision = new["metadata"]["annotations"][REVISION]
            if (metadata.get("annotations") or {}).get(REVISION) != revision:
                metadata["annotations"] = {**(metadata.get("annotations") or {}), REVISION: revision}
                self.store.touch("deployments", obj)
        self.tell_of_deployment(obj, new, [*old, *([new] if new else [])])

    @staticmethod
    def surge(spec, wanted):
        if spec["strategy"]["type"] == "Recreate":
            return 0
        return share(spec["strategy"]["rollingUpdate"]["maxSurge"], wanted, math.ceil)

    def roll(self, spec, wanted, new, old):
        """One step from the old ReplicaSets to the new one."""
        sizes = {s["metadata"]["uid"]: s["spec"]["replicas"] for s in (*old, new)}
        living = sum(1 for s in old for _ in self.of("pods", s))
        if spec["strategy"]["type"] == "Recreate":
            for one in old:
                self.scale(one, 0)
            self.scale(new, wanted if not living else new["spec"]["replicas"])
            return
        room = wanted + self.surge(spec, wanted) - sum(sizes.values())
        self.scale(new, min(wanted, new["spec"]["replicas"] + max(room, 0)))
        least = wanted - share(spec["strategy"]["rollingUpdate"]["maxUnavailable"], wanted, math.floor)
        spare = sum(ready(pod) for s in (*old, new) for pod in self.of("pods", s)) - least
        for one in old:
            able = sum(ready(pod) for pod in self.of("pods", one))
            fewer = min(able, max(spare, 0)) + max(one["spec"]["replicas"] - able, 0)
            spare -= min(able, max(spare, 0))
            self.scale(one, one["spec"]["replicas"] - min(fewer, one["spec"]["replicas"]))

    def scale(self, replica_set, number):
        if replica_set["spec"]["replicas"] != number:
            replica_set["spec"]["replicas"] = number
            replica_set["metadata"]["generation"] = replica_set["metadata"].get("generation", 1) + 1
            self.store.touch("replicasets", replica_set)

    def tell_of_deployment(self, obj, new, sets):
        wanted = obj["spec"]["replicas"]
        pods = [pod for s in sets for pod in self.of("pods", s)]
        able, living = sum(map(ready, pods)), [pod for pod in pods if lives(pod)]
        updated = sum(lives(pod) for pod in self.of("pods", new)) if new else 0
        done = new and updated == able == len(living) == wanted
        enough = able >= wanted - share(obj["spec"]["strategy"].get("rollingUpdate", {}).get("maxUnavailable", 0), wanted, math.floor)
        name = new["metadata"]["name"] if new else ""
        progress = ("NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.') if done else \
            ("ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        available = ("MinimumReplicasAvailable", "Deployment has minimum availability.") if enough else \
            ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        before = {c["type"]: c for c in (obj.get("status") or {}).get("conditions") or []}
        conditions = []
        for kind, status, (reason, message) in (("Progressing", True, progress), ("Available", enough, available)):
            known = before.get(kind, {})
            if known.get("message") != message:
                known = {"type": kind, "status": str(status), "lastUpdateTime": now(), "lastTransitionTime": now(),
                         "reason": reason, "message": message}
            conditions.append(known)
        self.tell("deployments", obj, replicas=len(living), updatedReplicas=updated, readyReplicas=able, availableReplicas=able,
                  unavailableReplicas=max(wanted - able, 0), terminatingReplicas=len(pods) - len(living), conditions=conditions)
        if not obj["status"]["unavailableReplicas"]:
            del obj["status"]["unavailableReplicas"]

    def replica_set(self, obj):
        pods = self.of("pods", obj)
        living, wanted = [pod for pod in pods if lives(pod)], obj["spec"]["replicas"]
        for _ in range(wanted - len(living)):
            self.make_pod(obj)
        # Those that are of the least use go first, then the youngest.
        for pod in sorted(living[::-1], key=ready)[:max(len(living) - wanted, 0)]:
            self.remove(pod)
        able = sum(map(ready, living))
        self.tell("replicasets", obj, replicas=len(living), fullyLabeledReplicas=len(living), readyReplicas=able,
                  availableReplicas=able, terminatingReplicas=len(pods) - len(living))

    # ---- StatefulSets and DaemonSets ----

    def stateful_set(self, obj):
        """One after the other, each when the one before is ready; and down again from the last."""
        name, wanted = obj["metadata"]["name"], obj["spec"]["replicas"]
        revision = f"{name}-{digest(obj['spec']['template'])}"
        pods = {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in self.of("pods", obj)}
        parallel = obj["spec"].get("podManagementPolicy") == "Parallel"
        for number in range(wanted):
            pod = pods.get(number)
            if not pod:
                full = f"{name}-{number}"
                self.make_pod(obj, full, {"apps.kubernetes.io/pod-index": str(number), "controller-revision-hash": revision,
                                          "statefulset.kubernetes.io/pod-name": full},
                              hostname=full, **({"subdomain": obj["spec"]["serviceName"]} if obj["spec"].get("serviceName") else {}))
            elif pod["status"].get("phase") in ("Failed", "Succeeded") and not pod["metadata"].get("deletionTimestamp"):
                self.remove(pod)
            if not parallel and not (pod and ready(pod)):
                break
        over = [pods[number] for number in sorted(pods, reverse=True) if number >= wanted]
        stale = [pods[number] for number in sorted(pods, reverse=True)
                 if pods[number]["metadata"]["labels"].get("controller-revision-hash") != revision]
        if over and lives(over[0]):
            self.remove(over[0])
        elif not over and stale and len(pods) == wanted and all(ready(pod) for pod in pods.values()):
            self.remove(stale[0])
        living = [pod for pod in pods.values() if lives(pod)]
        able, fresh = sum(map(ready, living)), len(living) - sum(1 for pod in stale if lives(pod))
        current = revision if fresh == len(living) else (obj.get("status") or {}).get("currentRevision", revision)
        self.tell("statefulsets", obj, replicas=len(living), readyReplicas=able, currentReplicas=fresh, updatedReplicas=fresh,
                  currentRevision=current, updateRevision=revision, collisionCount=0, availableReplicas=able)

    def daemon_set(self, obj):
        """One on each node that a kubelet has, and that it may be on."""
        mark = digest(obj["spec"]["template"])
        like = {"spec": {**obj["spec"]["template"]["spec"], "tolerations":
                         [*(obj["spec"]["template"]["spec"].get("tolerations") or []), *TOLERATED]}}
        pods, names = {}, []
        for pod in self.of("pods", obj):
            pods.setdefault(scheduled_for(pod), []).append(pod)
        for node in self.store.list("nodes", ""):
            name = node["metadata"]["name"]
            if self.sandbox.nodes.find(name) and scheduler.selects(like, node) and \
                    not scheduler.untolerated(like, node, ("NoSchedule", "NoExecute")):
                names.append(name)
        everyone = [pod for one in pods.values() for pod in one]
        stale = [pod for pod in everyone if pod["metadata"]["labels"].get("controller-revision-hash") != mark]
        for name in names:
            if not pods.get(name):
                term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
                affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
                self.make_pod(obj, None, {"controller-revision-hash": mark, "pod-template-generation": str(obj["metadata"].get("generation", 1))},
                              affinity=affinity, tolerations=copy.deepcopy(like["spec"]["tolerations"]))
        for pod in [pod for pod in everyone if scheduled_for(pod) not in names or pod["status"].get("phase") in ("Failed", "Succeeded")]:
            if not pod["metadata"].get("deletionTimestamp"):
                self.remove(pod)
        if stale and lives(stale[0]) and sum(map(ready, everyone)) == len(names):
            self.remove(stale[0])
        able = sum(map(ready, everyone))
        self.tell("daemonsets", obj, currentNumberScheduled=sum(bool(pods.get(name)) for name in names), numberMisscheduled=0,
                  desiredNumberScheduled=len(names), numberReady=able, updatedNumberScheduled=len(everyone) - len(stale), numberAvailable=able)

    # ---- Jobs ----

    def job(self, obj):
        spec, status = obj["spec"], obj.get("status") or {}
        pods = self.of("pods", obj)
        failed = sum(pod["status"].get("phase") == "Failed" for pod in pods)
        done = sum(pod["status"].get("phase") == "Succeeded" for pod in pods)
        active = [pod for pod in pods if lives(pod)]
        wanted = spec.get("completions") or spec.get("parallelism", 1)
        over = any(c["type"] in ("Complete", "Failed") for c in status.get("conditions") or [])
        if not over and (done >= wanted or failed > spec.get("backoffLimit", 6)):
            kind, reason, message = ("Complete", "CompletionsReached", "Reached expected number of succeeded pods") if done >= wanted else \
                ("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
            status = {**status, "conditions": [{"type": kind, "status": "True", "lastProbeTime": now(), "lastTransitionTime": now(),
                                                "reason": reason, "message": message}], "completionTime": now()}
            obj["status"], over = status, True
            self.store.touch("jobs", obj)
        if not over and not spec.get("suspend"):
            name, uid = obj["metadata"]["name"], obj["metadata"]["uid"]
            labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name, "controller-uid": uid, "job-name": name}
            for _ in range(min(spec.get("parallelism", 1), wanted - done) - len(active)):
                self.make_pod(obj, None, labels)
        if obj["spec"].get("suspend") or (over and active):
            for pod in active:
                self.remove(pod)
        status = {"active": len(active), "succeeded": done, "failed": failed, "ready": sum(map(ready, pods)),
                  "startTime": status.get("startTime", obj["metadata"]["creationTimestamp"])}
        if obj.get("status") != {**(obj.get("status") or {}), **status}:
            obj["status"] = {**(obj.get("status") or {}), **status}
            self.store.touch("jobs", obj)

    def look(self):
        for resource, act in (("deployments", self.deployment), ("replicasets", self.replica_set), ("statefulsets", self.stateful_set),
                              ("daemonsets", self.daemon_set), ("jobs", self.job)):
            self.index()
            for obj in list(self.store.list(resource, "")):
                if not obj["metadata"].get("deletionTimestamp") and obj["metadata"]["uid"] not in self.store.as_it_is:
                    act(obj)


def scheduled_for(pod):
    """The node that a DaemonSet has made a pod for."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or [{}]
    fields = terms[0].get("matchFields") or [{}]
    return pod["spec"].get("nodeName") or (fields[0].get("values") or [""])[0]
