# SPDX-License-Identifier: Apache-2.0
"""What a server fills into new objects, and what its admission plugins refuse."""
import base64
import copy
import secrets

from . import limits, podsecurity, quota
from .failures import described, Failure, refused

DEFAULTS = {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "serviceAccountName": "default",
            "serviceAccount": "default", "securityContext": {}, "schedulerName": "default-scheduler",
            "terminationGracePeriodSeconds": 30, "priority": 0, "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority"}
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TERMINATION = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}


def complete_container(container):
    container.setdefault("resources", {})
    limits = container["resources"].get("limits")
    if limits:  # what is not asked for is asked for up to the limit
        container["resources"]["requests"] = {**limits, **(container["resources"].get("requests") or {})}
    name = container.get("image", "").rpartition("/")[2]
    latest = "@" not in name and (":" not in name or name.endswith(":latest"))
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    for key, value in TERMINATION.items():
        container.setdefault(key, value)


def quality(spec):
    """The class of a pod, which its cgroup stands under as well."""
    containers = spec.get("containers", []) + (spec.get("initContainers") or [])
    resources = [c.get("resources") or {} for c in containers]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    sure = all(set(r.get("limits") or {}) >= {"cpu", "memory"} and r.get("requests") == r["limits"] for r in resources)
    return "Guaranteed" if sure else "Burstable"


def complete_pod(store, obj, namespace):
    spec = obj.setdefault("spec", {})
    obj["metadata"]["generation"] = 1
    spec["tolerations"] = list(spec.get("tolerations") or [])
    for key in ("not-ready", "unreachable"):
        key = "node.kubernetes.io/" + key
        if not any(t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None, "") for t in spec["tolerations"]):
            spec["tolerations"].append({"key": key, "operator": "Exists", "effect": "NoExecute",
                                        "tolerationSeconds": 300})
    name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    account = store.get("serviceaccounts", namespace, name)
    if not account:
        pod = obj["metadata"].get("name") or obj["metadata"].get("generateName", "") + "00000"
        raise refused("pods", pod, f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found')
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = copy.deepcopy(account["imagePullSecrets"])
    automount = spec.get("automountServiceAccountToken")
    if account.get("automountServiceAccountToken", True) if automount is None else automount:
        mount_token(spec)
    for key, value in DEFAULTS.items():
        spec.setdefault(key, copy.copy(value))
    for container in spec.get("containers", []) + (spec.get("initContainers") or []):
        complete_container(container)
    limits.fill(store, obj, namespace)
    obj["status"] = {"phase": "Pending", "qosClass": quality(spec)}


def mount_token(spec):
    """The service account's token in every container, as admission mounts it."""
    name = "kube-api-access-" + secrets.token_hex(3)[:5]
    spec["volumes"] = [*(spec.get("volumes") or []), {"name": name, "projected": {"sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1",
                                                                      "fieldPath": "metadata.namespace"}}]}},
    ], "defaultMode": 0o644}}]
    for container in spec.get("containers", []) + (spec.get("initContainers") or []):
        mounts = container.get("volumeMounts") or []
        if not any(mount["mountPath"] == TOKEN_PATH for mount in mounts):
            container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": TOKEN_PATH}]


def check_security(store, namespace, obj, spec):
    """Admission by the namespace's Pod Security level."""
    labels = store.get("namespaces", "", namespace)["metadata"].get("labels") or {}
    level = labels.get("pod-security.kubernetes.io/enforce", "privileged")
    broken = podsecurity.violations(level, spec)
    if broken:
        metadata = obj["metadata"]
        name = metadata.get("name") or metadata["generateName"] + "00000"
        raise refused("pods", name, f'violates PodSecurity "{level}:latest": {broken}')


ROLLING = {"deployments": {"maxUnavailable": "25%", "maxSurge": "25%"}, "statefulsets": {"partition": 0},
           "daemonsets": {"maxUnavailable": 1, "maxSurge": 0}}
FIRST_ADDRESS = 100  # of Services; those before may be asked for by name
WORKLOADS = ("deployments", "replicasets", "statefulsets", "daemonsets", "jobs")


def complete_workload(resource, obj):
    """Defaults of what makes pods, and of its template."""
    spec = obj.setdefault("spec", {})
    obj["metadata"].setdefault("generation", 1)
    if resource in ("deployments", "replicasets", "statefulsets"):
        spec.setdefault("replicas", 1)
    if resource in ROLLING:
        strategy = spec.setdefault("strategy" if resource == "deployments" else "updateStrategy", {})
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            strategy["rollingUpdate"] = {**ROLLING[resource], **(strategy.get("rollingUpdate") or {})}
        spec.setdefault("revisionHistoryLimit", 10)
    if resource == "daemonsets":
        annotations = obj["metadata"].setdefault("annotations", {})
        annotations["deprecated.daemonset.template.generation"] = str(obj["metadata"]["generation"])
    elif resource == "deployments":
        spec.setdefault("progressDeadlineSeconds", 600)
    elif resource == "statefulsets":
        spec.setdefault("podManagementPolicy", "OrderedReady")
        spec.setdefault("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"})
    elif resource == "jobs":
        spec.setdefault("parallelism", 1)
        spec.setdefault("backoffLimit", 6)
        spec.setdefault("suspend", False)
    template = spec.setdefault("template", {}).setdefault("spec", {})
    for key in ("restartPolicy", "dnsPolicy", "securityContext", "schedulerName", "terminationGracePeriodSeconds"):
        template.setdefault(key, copy.copy(DEFAULTS[key]))
    for container in template.get("containers", []) + (template.get("initContainers") or []):
        complete_container(container)
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")


def complete_service(store, obj):
    """What a server fills into a new Service: above all its address."""
    spec = obj.setdefault("spec", {})
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    obj.setdefault("status", {"loadBalancer": {}})
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP"):
        taken = {ip for other in store.list("services", "") for ip in other["spec"].get("clusterIPs") or []}
        spec["clusterIP"] = next(ip for number in range(FIRST_ADDRESS, 1 << 16)
                                 if (ip := f"10.90.{number >> 8}.{number & 255}") not in taken and number & 255 not in (0, 255))
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    families = ["IPv6" if ":" in ip else "IPv4" for ip in spec["clusterIPs"]]
    spec.setdefault("ipFamilies", copy.copy(families))
    spec.setdefault("ipFamilyPolicy", "SingleStack" if len(families) == 1 else "RequireDualStack")
    spec.setdefault("internalTrafficPolicy", "Cluster")


def complete(store, resource, obj, namespace):
    """Defaults, before an object is looked at closer."""
    if resource == "pods":
        complete_pod(store, obj, namespace)
    elif resource in WORKLOADS:
        complete_workload(resource, obj)
    elif resource == "services":
        complete_service(store, obj)
    elif resource == "secrets":
        obj.setdefault("type", "Opaque")
        for key, text in (obj.pop("stringData", None) or {}).items():
            obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
    elif resource.endswith("bindings"):
        obj.setdefault("roleRef", {}).setdefault("apiGroup", "rbac.authorization.k8s.io")
        for subject in obj.get("subjects") or []:
            if subject.get("kind") in ("User", "Group"):
                subject.setdefault("apiGroup", "rbac.authorization.k8s.io")
    elif resource == "namespaces":
        labels = obj["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
        obj["spec"], obj["status"] = {"finalizers": ["kubernetes"]}, {"phase": "Active"}


def admit(store, resource, obj, namespace):
    """What the plugins say to a new object that is valid."""
    if namespace and store.get("namespaces", "", namespace)["metadata"].get("deletionTimestamp"):
        name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "") + "00000"
        text = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise Failure(403, "Forbidden", f'{resource} "{name}" is forbidden: {text}', **described(name, resource, ""),
                      causes=[{"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated",
                               "field": "metadata.namespace"}])
    if resource == "pods":
        check_security(store, namespace, obj, obj["spec"])
        limits.check(store, namespace, obj)
    quota.check(store, resource, namespace, obj)
