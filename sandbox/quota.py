# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: what a namespace's pods may ask for together."""
from .failures import refused
from .units import quantity

COMPUTE = {"cpu": ("requests", "cpu"), "memory": ("requests", "memory"), "ephemeral-storage": ("requests", "ephemeral-storage"),
           **{f"{section}.{name}": (section, name) for section in ("requests", "limits")
              for name in ("cpu", "memory", "ephemeral-storage")}}
MUST_SAY = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")  # in each container
COUNTED = {"pods": "pods", "count/pods": "pods", "configmaps": "configmaps", "count/configmaps": "configmaps"}


def shown(key, number):
    """A quantity in the form that a quota shows it in."""
    if key.endswith("cpu"):
        return str(int(number)) if number == int(number) else f"{round(number * 1000)}m"
    if key.endswith(("memory", "storage")) and number:
        for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
            if number % size == 0:
                return f"{int(number // size)}{unit}"
    return str(int(number))


def asked(key, pod):
    """What a pod counts for: the sum over its containers, or the greatest of its init containers."""
    section, name = COMPUTE[key]

    def of(container):
        return quantity(((container.get("resources") or {}).get(section) or {}).get(name, "0"))
    return max([sum(of(c) for c in pod["spec"]["containers"]), *(of(c) for c in pod["spec"].get("initContainers") or [])])


def lives(pod):
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def used(store, namespace, key):
    if key in COUNTED:
        found = store.list(COUNTED[key], namespace)
        return sum(1 for obj in found if key != "pods" or lives(obj))
    return sum(asked(key, pod) for pod in store.list("pods", namespace) if lives(pod))


def measure(store, quota):
    """Brings a quota's status up to date."""
    hard = quota["spec"].get("hard") or {}
    status = {"hard": dict(hard), "used": {
        key: shown(key, used(store, quota["metadata"]["namespace"], key)) for key in hard if key in COMPUTE or key in COUNTED}}
    if quota.get("status") != status:
        quota["status"] = status
        store.touch("resourcequotas", quota)


def check(store, resource, namespace, obj):
    """Raises the Failure of an object that a quota refuses."""
    name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "") + "00000"
    for quota in store.list("resourcequotas", namespace):
        hard = quota["spec"].get("hard") or {}
        if resource == "pods":
            missing = []
            for key in sorted(key for key in hard if key in MUST_SAY):
                section, what = COMPUTE[key]
                without = [c["name"] for c in obj["spec"]["containers"] if what not in
                           ((c.get("resources") or {}).get(section) or {})]
                if without:
                    missing.append(f"{key} for: {','.join(sorted(without))}")
            if missing:
                raise refused(resource, name, f"failed quota: {quota['metadata']['name']}: must specify {'; '.join(missing)}")
        over = []
        for key in sorted(hard):
            if COUNTED.get(key) == resource:
                more = 1
            elif key in COMPUTE and resource == "pods":
                more = asked(key, obj)
            else:
                continue
            have = used(store, namespace, key)
            if more and have + more > quantity(hard[key]) + 1e-9:
                over.append((f"{key}={shown(key, more)}", f"{key}={shown(key, have)}", f"{key}={hard[key]}"))
        if over:
            requested, using, limited = (",".join(texts) for texts in zip(*over))
            raise refused(resource, name, f"exceeded quota: {quota['metadata']['name']}, requested: {requested}, used: {using}, "
                          f"limited: {limited}")
