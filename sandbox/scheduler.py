# SPDX-License-Identifier: Apache-2.0
"""The scheduler, and who evicts pods by taints: which pod runs on which node."""
import asyncio
import collections
import datetime

from .quota import asked, lives
from .units import FORMAT, now, quantity

EVERY = 0.2  # seconds between two looks at the pods that wait, and at the taints
NO_MATCH = "node(s) didn't match Pod's node affinity/selector"
TAINTED = "node(s) had untolerated taint(s)"


def tolerates(toleration, taint):
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def untolerated(pod, node, effects):
    tolerations = pod["spec"].get("tolerations") or []
    return [taint for taint in node["spec"].get("taints") or []
            if taint["effect"] in effects and not any(tolerates(t, taint) for t in tolerations)]


def matches_expression(labels, expression):
    value, values = labels.get(expression["key"]), expression.get("values") or []
    return {"In": value in values, "NotIn": value not in values, "Exists": value is not None,
            "DoesNotExist": value is None}.get(expression["operator"], False)


def selects(pod, node):
    """nodeSelector and the required node affinity."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    required = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(all(matches_expression(labels, e) for e in term.get("matchExpressions") or []) and
               all(matches_expression(fields, e) for e in term.get("matchFields") or [])
               for term in required["nodeSelectorTerms"])


def lacks(store, pod, node):
    """The first resource that a node has not enough of: (name, asked, used, capacity)."""
    allocatable = node["status"].get("allocatable") or {}
    others = [other for other in store.list("pods", "") if other is not pod and lives(other) and
              other["spec"].get("nodeName") == node["metadata"]["name"]]
    if "pods" in allocatable and len(others) >= quantity(allocatable["pods"]):
        return "pods", 1, len(others), quantity(allocatable["pods"])
    for name in ("cpu", "memory", "ephemeral-storage"):
        wanted, used = asked("requests." + name, pod), sum(asked("requests." + name, other) for other in others)
        capacity = quantity(allocatable.get(name, "0"))  # a kubelet that does not count the disk has none for who asks for some
        if wanted and used + wanted > capacity:
            return name, wanted, used, capacity
    return None


def rejection(store, pod, node):
    """Why a kubelet refuses a pod that somebody put onto its node: (reason, message)."""
    if not selects(pod, node):
        return "NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed: " + NO_MATCH
    if untolerated(pod, node, ("NoExecute",)):
        return "TaintToleration", "Pod was rejected: Predicate TaintToleration failed: " + TAINTED
    lacking = lacks(store, pod, node)
    if lacking:
        name, *numbers = lacking
        wanted, used, capacity = (round(n * 1000) if name == "cpu" else int(n) for n in numbers)
        return "OutOf" + name, (f"Pod was rejected: Node didn't have enough resource: {name}, requested: {wanted}, "
                                f"used: {used}, capacity: {capacity}")
    return None


class Scheduler:
    def __init__(self, sandbox):
        self.sandbox, self.store = sandbox, sandbox.store

    def obstacle(self, pod, node):
        if node["spec"].get("unschedulable"):
            return "node(s) were unschedulable"
        if not selects(pod, node):
            return NO_MATCH
        if untolerated(pod, node, ("NoSchedule", "NoExecute")):
            return TAINTED
        lacking = lacks(self.store, pod, node)
        return f"Insufficient {lacking[0]}" if lacking else None

    def consider(self, pod):
        """A pod that has been made, or waits for a node."""
        if pod["spec"].get("nodeName"):
            self.start(pod)
            return
        if self.sandbox.faults.get("hold_scheduling") or pod["spec"].get("schedulerName") != "default-scheduler":
            return
        nodes = list(self.store.list("nodes", ""))
        # Nodes that can really run something come first, of these the emptiest.
        load = collections.Counter(other["spec"].get("nodeName") for other in self.store.list("pods", "") if lives(other))
        nodes.sort(key=lambda node: (not self.sandbox.nodes.find(node["metadata"]["name"]), load[node["metadata"]["name"]]))
        found = [(self.obstacle(pod, node), node) for node in nodes]
        fitting = next((node for obstacle, node in found if not obstacle), None)
        if fitting:
            self.bind(pod, fitting["metadata"]["name"])
        else:
            self.refuse(pod, [obstacle for obstacle, _ in found])

    def bind(self, pod, name):
        pod["spec"]["nodeName"] = name
        pod["status"]["conditions"] = [{"type": "PodScheduled", "observedGeneration": 1, "status": "True",
                                        "lastProbeTime": None, "lastTransitionTime": now()}]
        self.store.touch("pods", pod)
        self.start(pod)

    def refuse(self, pod, obstacles):
        count, total = collections.Counter(obstacles), len(obstacles)
        reasons = ", ".join(sorted(f"{number} {text}" for text, number in count.items()))
        helpless = f"{total} Preemption is not helpful for scheduling"
        message = f"0/{total} nodes are available: {reasons}. preemption: 0/{total} nodes are available: {helpless}."
        if not total:
            message = "no nodes available to schedule pods"
        conditions = pod["status"].get("conditions") or [{}]
        if conditions[0].get("message") == message:
            return
        pod["status"]["conditions"] = [{"type": "PodScheduled", "observedGeneration": 1, "status": "False",
                                        "lastProbeTime": None, "lastTransitionTime": now(), "reason": "Unschedulable",
                                        "message": message}]
        self.store.touch("pods", pod)

    def start(self, pod):
        """The kubelet of its node sees it, if there is one."""
        node, found = self.store.get("nodes", "", pod["spec"]["nodeName"]), self.sandbox.nodes.find(pod["spec"]["nodeName"])
        if not node or not found or self.sandbox.nodes.of(pod):
            return
        refused = rejection(self.store, pod, node)
        if refused:
            reason, message = refused
            pod["status"].update(phase="Failed", reason=reason, message=message, startTime=now())
            self.store.touch("pods", pod)
        else:
            found.kubelet.add(pod)

    # ---- in the background ----

    def look(self):
        for pod in list(self.store.list("pods", "")):
            if pod["metadata"].get("deletionTimestamp"):
                continue
            if not pod["spec"].get("nodeName"):
                self.consider(pod)
            elif self.must_leave(pod):
                self.sandbox.garbage.delete("pods", pod)

    def must_leave(self, pod):
        """Whether a NoExecute taint drives it out by now."""
        node = self.store.get("nodes", "", pod["spec"]["nodeName"])
        if not node or "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {}):
            return False
        for taint in node["spec"].get("taints") or []:
            if taint["effect"] != "NoExecute":
                continue
            fitting = [t for t in pod["spec"].get("tolerations") or [] if tolerates(t, taint)]
            if not fitting:
                return True
            limits = [t["tolerationSeconds"] for t in fitting if t.get("tolerationSeconds") is not None]
            since = taint.setdefault("timeAdded", now())
            age = datetime.datetime.utcnow() - datetime.datetime.strptime(since, FORMAT)
            if limits and age.total_seconds() > min(limits):
                return True
        return False

    async def run(self):
        while True:
            await asyncio.sleep(EVERY)
            self.look()
