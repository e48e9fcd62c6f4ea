# SPDX-License-Identifier: Apache-2.0
"""The objects that a cluster has from its beginning."""
from . import node

NAMESPACES = ("default", "kube-system", "shop", "baseline", "restricted")
# Where the API server's connections to the kubelet come from: like a control plane that runs on node1
# itself, in the node's network namespace. (What the tests connect to is another port, outside of it.)
SERVER, PORT = "10.244.0.1", 6443
ROLE = "rbac.authorization.k8s.io/v1"


def furnish(store, namespace, ca):
    store.create("serviceaccounts", namespace, {"metadata": {"name": "default"}})
    store.create("configmaps", namespace, {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ca}})


def make(store, nodes):
    for name in NAMESPACES:
        labels = {"kubernetes.io/metadata.name": name}
        if name in ("baseline", "restricted"):
            labels["pod-security.kubernetes.io/enforce"] = name
        store.create("namespaces", "", {"metadata": {"name": name, "labels": labels},
                                        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
    for one in nodes:
        store.create("nodes", "", node.describe(one.name, one.address, one.images))
    labels = {"component": "apiserver", "provider": "kubernetes"}
    store.create("services", "default", {
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {"ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": PORT}],
                 "clusterIP": "10.90.0.1", "clusterIPs": ["10.90.0.1"], "type": "ClusterIP", "sessionAffinity": "None",
                 "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster"},
        "status": {"loadBalancer": {}}})
    store.create("endpoints", "default", {
        "metadata": {"name": "kubernetes", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": SERVER}], "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}]}]})
    store.create("endpointslices", "default", {
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4", "endpoints": [{"addresses": [SERVER], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}]})
    for name, verbs in (("view", ["get", "list", "watch"]), ("edit", ["*"]), ("admin", ["*"])):
        resources = ["pods", "pods/log", "configmaps", "services", "events"]
        if name != "view":
            resources += ["pods/exec", "pods/attach", "secrets", "serviceaccounts"]
        store.create("clusterroles", "", {"metadata": {"name": name},
                                          "rules": [{"apiGroups": [""], "resources": resources, "verbs": verbs}]})
    store.create("clusterroles", "", {"metadata": {"name": "cluster-admin"}, "rules": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]})
