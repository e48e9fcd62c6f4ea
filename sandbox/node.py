# SPDX-License-Identifier: Apache-2.0
"""A node's object, as a kubelet keeps it: what this machine is, and which images it has."""
import os
import platform
import uuid

from .units import now

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def read(path, default):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return default


def os_image():
    for line in read("/etc/os-release", "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def conditions():
    for kind, status, reason, message in (
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status")):
        yield {"type": kind, "status": status, "lastHeartbeatTime": now(), "lastTransitionTime": now(),
               "reason": reason, "message": message}


VERSIONS = {"containerd": "containerd://2.1.9", "cri-o": "cri-o://1.34.1", "docker": "docker://28.3.3"}


def architecture():
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def describe(name, address, images):
    machine = architecture()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 10
    resources = {"cpu": str(os.cpu_count()), "memory": f"{memory}Ki", "pods": "110"}
    disk = os.statvfs("/")
    storage = disk.f_blocks * disk.f_frsize
    # Not this machine's own identity, but one of the same form.
    identity = uuid.uuid4().hex
    handler = {"recursiveReadOnlyMounts": True, "userNamespaces": False}
    return {
        "metadata": {
            "name": name,
            "labels": {"beta.kubernetes.io/arch": machine, "beta.kubernetes.io/os": "linux",
                       "kubernetes.io/arch": machine, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            "annotations": {"node.alpha.kubernetes.io/ttl": "0",
                            "volumes.kubernetes.io/controller-managed-attach-detach": "true"}},
        "spec": {},
        "status": {
            "capacity": {**resources, "ephemeral-storage": f"{storage >> 10}Ki", "hugepages-1Gi": "0",
                         "hugepages-2Mi": "0"},
            "allocatable": {**resources, "ephemeral-storage": str(storage), "hugepages-1Gi": "0",
                            "hugepages-2Mi": "0"},
            "conditions": list(conditions()),
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {"machineID": identity, "systemUUID": identity,
                         "bootID": read("/proc/sys/kernel/random/boot_id", identity),
                         "kernelVersion": platform.release(), "osImage": os_image(),
                         "containerRuntimeVersion": VERSIONS["containerd"], "kubeletVersion": "v1.36.2",
                         "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": machine},
            "images": images.status() if images else [],
            "runtimeHandlers": [{"name": "", "features": handler}, {"name": "runc", "features": handler}],
            "features": {"supplementalGroupsPolicy": True},
            "declaredFeatures": ["ExtendWebSocketsToKubelet"]}}
