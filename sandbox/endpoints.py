# SPDX-License-Identifier: Apache-2.0
"""The EndpointSlices of Services: which pods are behind them, at which ports, and whether they are ready."""
from .workloads import ready, reference

PER_SLICE = 100  # endpoints
SERVICE, MANAGER = "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"


def port_of(pod, port):
    """The number of a Service's port on a pod, whose containers may name it; None where they do not."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    named = [p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports") or [] if p.get("name") == target]
    return named[0] if named else None


def endpoint(pod, service):
    metadata, going = pod["metadata"], bool(pod["metadata"].get("deletionTimestamp"))
    runs = pod["status"].get("phase") == "Running"
    host = {"hostname": pod["spec"]["hostname"]} if pod["spec"].get("hostname") and pod["spec"].get("subdomain") == service else {}
    return {"addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": ready(pod), "serving": runs and (going or ready(pod)), "terminating": going}, **host,
            "targetRef": {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]},
            "nodeName": pod["spec"]["nodeName"]}


class Endpoints:
    def __init__(self, sandbox):
        self.store = sandbox.store

    def wanted(self, service):
        """By their ports: pods may name them differently. Yields (ports, endpoints)."""
        selector, found = service["spec"]["selector"], {}
        labels = lambda have: all(have.get(key) == value for key, value in selector.items())  # noqa: E731
        for pod in self.store.list("pods", service["metadata"]["namespace"], labels):
            if pod["status"].get("phase") in ("Succeeded", "Failed") or not pod["status"].get("podIP"):
                continue
            ports = []
            for port in service["spec"].get("ports") or []:
                number = port_of(pod, port)
                if number is not None:
                    ports.append((port.get("name", ""), port.get("protocol", "TCP"), number))
            found.setdefault(tuple(ports), []).append(endpoint(pod, service["metadata"]["name"]))
        for ports, endpoints in sorted(found.items()):
            for start in range(0, len(endpoints), PER_SLICE):
                yield [{"name": name, "protocol": protocol, "port": number} for name, protocol, number in ports], \
                    endpoints[start:start + PER_SLICE]

    def slices_of(self, service):
        metadata = service["metadata"]
        return [found for found in self.store.list("endpointslices", metadata["namespace"])
                if (found["metadata"].get("labels") or {}).get(SERVICE) == metadata["name"]]

    def bring_up_to_date(self, service):
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        have = [found for found in self.slices_of(service) if found["metadata"]["labels"].get(MANAGER) == CONTROLLER]
        want = list(self.wanted(service)) or [(None, None)]
        for found, (ports, endpoints) in zip(have, want):
            if (found["ports"], found["endpoints"]) != (ports, endpoints):
                found.update(ports=ports, endpoints=endpoints)
                found["metadata"]["generation"] += 1
                self.store.touch("endpointslices", found)
        for found in have[len(want):]:
            self.store.delete("endpointslices", found)
        for ports, endpoints in want[len(have):]:
            labels = {**(service["metadata"].get("labels") or {}), MANAGER: CONTROLLER, SERVICE: name}
            if service["spec"].get("clusterIP") == "None":
                labels["service.kubernetes.io/headless"] = ""
            self.store.create("endpointslices", namespace, {
                "metadata": {"generateName": name + "-", "generation": 1, "labels": labels, "ownerReferences": reference(service)},
                "addressType": "IPv4", "endpoints": endpoints, "ports": ports})

    def look(self):
        for service in list(self.store.list("services", "")):
            spec = service["spec"]
            if spec.get("selector") and spec.get("type") != "ExternalName" and service["metadata"]["uid"] not in self.store.as_it_is:
                self.bring_up_to_date(service)
