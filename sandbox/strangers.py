# SPDX-License-Identifier: Apache-2.0
"""Nodes and pods that are objects alone, or of an unusual kind: a Windows node, a virtual kubelet, a static
pod's mirror. Their states are made up, except that the static pod runs."""
import copy

from . import admission, node
from .units import now


def stranger(name, address, system="linux", **labels):
    """A node without a kubelet."""
    obj = node.describe(name, address, None)
    obj["metadata"]["labels"].update(labels)
    for key in ("kubernetes.io/os", "beta.kubernetes.io/os"):
        obj["metadata"]["labels"][key] = system
    obj["status"]["nodeInfo"].update(operatingSystem=system)
    return obj


def windows_node():
    obj = stranger("win1", "10.244.201.1", "windows", **{"node.kubernetes.io/windows-build": "10.0.20348"})
    obj["status"]["nodeInfo"].update(kernelVersion="10.0.20348.2527", osImage="Windows Server 2022 Datacenter",
                                     architecture="amd64")
    obj["status"]["images"] = [{"names": ["mcr.microsoft.com/windows/nanoserver:ltsc2022"], "sizeBytes": 126514176}]
    obj["metadata"]["labels"].update({"kubernetes.io/arch": "amd64", "beta.kubernetes.io/arch": "amd64"})
    return obj


def virtual_node():
    obj = stranger("virtual1", "10.244.202.1", type="virtual-kubelet")
    obj["metadata"]["labels"]["kubernetes.io/role"] = "agent"
    obj["spec"]["taints"] = [{"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}]
    obj["status"]["nodeInfo"].update(kubeletVersion="v1.36.0-vk-azure-aci-1.6", containerRuntimeVersion="", osImage="",
                                     kernelVersion="")
    obj["status"]["images"] = []
    return obj


def running_pod(name, node_name, host, image, **spec):
    """A pod that says that it runs."""
    state = {"running": {"startedAt": now()}}
    conditions = [{"type": kind, "observedGeneration": 1, "status": "True", "lastProbeTime": None,
                   "lastTransitionTime": now()}
                  for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")]
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}, "generation": 1},
        "spec": {**copy.deepcopy(admission.DEFAULTS), "nodeName": node_name, "tolerations": [{"operator": "Exists"}],
                 "containers": [{"name": "app", "image": image, "resources": {}, "imagePullPolicy": "IfNotPresent",
                                 **admission.TERMINATION}], **spec},
        "status": {"phase": "Running", "conditions": conditions, "hostIP": host, "hostIPs": [{"ip": host}],
                   "podIP": host + "0", "podIPs": [{"ip": host + "0"}], "startTime": now(), "qosClass": "BestEffort",
                   "containerStatuses": [{"name": "app", "state": state, "lastState": {}, "ready": True, "restartCount": 0,
                                          "image": image, "imageID": "sha256:" + "0" * 64, "started": True,
                                          "containerID": "containerd://" + "ab" * 32}]}}


def mirror_pod(store):
    """What a kubelet shows of the static pod that it runs from a file."""
    digest = "c0ffee00c0ffee00c0ffee00c0ffee00"
    owner = store.get("nodes", "", "node1")
    pod = {"metadata": {"name": "static-node1", "namespace": "default", "labels": {"app": "static"},
                        "annotations": {"kubernetes.io/config.hash": digest, "kubernetes.io/config.mirror": digest,
                                        "kubernetes.io/config.seen": now(), "kubernetes.io/config.source": "file"},
                        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "node1", "controller": True,
                                             "uid": owner["metadata"]["uid"]}]},
           "spec": {"nodeName": "node1", "automountServiceAccountToken": False, "enableServiceLinks": True,
                    "terminationGracePeriodSeconds": 0, "tolerations": [{"effect": "NoExecute", "operator": "Exists"}],
                    "containers": [{"name": "app", "image": "registry.local/busybox:1", "command": ["sleep", "86400"]}]}}
    admission.complete_pod(store, pod, "default")
    return pod


def add(sandbox):
    store = sandbox.store
    for obj in (windows_node(), virtual_node()):
        store.put("nodes", obj)
    store.put("pods", running_pod("winpod", "win1", "10.244.201.1", "mcr.microsoft.com/windows/nanoserver:ltsc2022",
                                  nodeSelector={"kubernetes.io/os": "windows"}, os={"name": "windows"}))
    store.put("pods", running_pod("vkpod", "virtual1", "10.244.202.1", "registry.local/busybox:1"))
    sandbox.scheduler.consider(store.put("pods", mirror_pod(store)))


def remove(sandbox):
    for name in ("winpod", "vkpod", "static-node1"):
        pod = sandbox.store.get("pods", "default", name)
        if pod:
            sandbox.garbage.delete("pods", pod, grace=0)
    for name in ("win1", "virtual1"):
        found = sandbox.store.get("nodes", "", name)
        if found:
            sandbox.store.delete("nodes", found)
