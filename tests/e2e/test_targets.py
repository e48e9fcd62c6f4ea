# SPDX-License-Identifier: Apache-2.0
"""From the user's words to pods: names, patterns, labels, workloads, Services, nodes, in one namespace and in others."""
import contextlib
import os
import re
import signal
import threading

import pytest

from conftest import GUARD
from test_rbac import rights_of, role_of, without

# Objects that are only stored: nothing runs for them, and no controller changes them. Looking for targets needs no more.
FAR = "far"
APPS, BATCH = "apps/v1", "batch/v1"


def put(sandbox, resource, name, namespace=FAR, **obj):
    """Stores an object as it is. Returns its uid."""
    metadata = {"name": name, "uid": f"uid-{namespace}-{resource}-{name}", **obj.pop("metadata", {})}
    code, answer = sandbox.call("POST", "/sandbox/objects", {"resource": resource, "namespace": namespace, "object": {
        "metadata": {"namespace": namespace, **metadata}, **obj}})
    assert code in (200, 201), answer
    return metadata["uid"]


def owner(kind, uid, controller=True):
    return [{"apiVersion": "v1", "kind": kind, "name": "x", "uid": uid, "controller": controller}]


def put_pod(sandbox, name, namespace=FAR, owners=(), labels=None, phase="Running", node="node1", containers=("app",), **spec):
    put(sandbox, "pods", name, namespace, metadata={"labels": labels or {}, "ownerReferences": list(owners)},
        spec={"containers": [{"name": each, "image": "busybox"} for each in containers],
              **({"nodeName": node} if node else {}), **spec},
        status={"phase": phase, "containerStatuses": [
            {"name": each, "state": {"running" if phase == "Running" else "waiting": {}}} for each in containers]})


def put_pods(sandbox):
    """Deployments, and what else makes pods."""
    shop = put(sandbox, "deployments", "shop", spec={"replicas": 0, "paused": True, "selector": {"matchLabels": {"app": "shop"}}})
    new = put(sandbox, "replicasets", "shop-1", metadata={"labels": {"app": "shop"}, "ownerReferences": owner("Deployment", shop)},
              spec={"replicas": 0, "selector": {"matchLabels": {"app": "shop", "pod-template-hash": "1"}}})
    old = put(sandbox, "replicasets", "shop-0", metadata={"labels": {"app": "shop"}, "ownerReferences": owner("Deployment", shop)},
              spec={"replicas": 0, "selector": {"matchLabels": {"app": "shop", "pod-template-hash": "0"}}})
    other = put(sandbox, "replicasets", "stranger", metadata={"labels": {"app": "shop"}},
                spec={"replicas": 0, "selector": {"matchLabels": {"app": "shop"}}})
    put_pod(sandbox, "shop-1-a", owners=owner("ReplicaSet", new), labels={"app": "shop", "pod-template-hash": "1"}, containers=("app", "proxy"))
    put_pod(sandbox, "shop-1-b", owners=owner("ReplicaSet", new), labels={"app": "shop", "pod-template-hash": "1"}, node="node2")
    put_pod(sandbox, "shop-0-a", owners=owner("ReplicaSet", old), labels={"app": "shop", "pod-template-hash": "0"})
    put_pod(sandbox, "stranger-a", owners=owner("ReplicaSet", other), labels={"app": "shop"})
    put_pod(sandbox, "lone", labels={"app": "shop"})
    put_pod(sandbox, "adopted", owners=owner("ReplicaSet", new, controller=False), labels={"app": "shop", "pod-template-hash": "1"})
    for resource, kind, name in (("statefulsets", "StatefulSet", "db"), ("daemonsets", "DaemonSet", "logger")):
        uid = put(sandbox, resource, name, spec={"replicas": 0, "selector": {"matchLabels": {"app": name}}})
        put_pod(sandbox, f"{name}-0", owners=owner(kind, uid), labels={"app": name})
        put_pod(sandbox, f"{name}-x", labels={"app": name})
    nightly = put(sandbox, "cronjobs", "nightly", spec={"schedule": "@daily", "suspend": True})
    for number, ours in ((1, True), (2, True), (3, False)):
        job = put(sandbox, "jobs", f"nightly-{number}", metadata={"ownerReferences": owner("CronJob", nightly) if ours else []},
                  spec={"suspend": True, "selector": {"matchLabels": {"uid": str(number)}}})
        put_pod(sandbox, f"nightly-{number}-a", owners=owner("Job", job), phase="Succeeded" if number == 1 else "Running",
                labels={"job-name": f"nightly-{number}", "uid": str(number)})
    put_pod(sandbox, "pending", labels={"state": "odd"}, phase="Pending", node=None)
    put_pod(sandbox, "ended", labels={"state": "odd"}, phase="Succeeded")
    put_pod(sandbox, "windows", labels={"state": "odd"}, os={"name": "windows"})
    put_pod(sandbox, "init", labels={"state": "odd"}, phase="Pending")
    for name in ("alpha", "beta", "gamma"):
        put_pod(sandbox, name, labels={"net": "host"}, hostNetwork=True, node="node2" if name == "gamma" else "node1")
    for number in range(60):
        put_pod(sandbox, f"many-{number:02}", labels={"many": "yes"}, namespace="crowd")


def put_services(sandbox):
    def slice_of(service, number, *endpoints):
        put(sandbox, "endpointslices", f"{service}-{number}", metadata={"labels": {"kubernetes.io/service-name": service}},
            addressType="IPv4", endpoints=list(endpoints))

    def endpoint(address, pod=None, ready=True):
        target = {"targetRef": {"kind": "Pod", "namespace": FAR, "name": pod}} if pod else {}
        return {"addresses": [address], "conditions": {"ready": ready}, **target}
    put(sandbox, "services", "shop", spec={"selector": {"app": "shop"}})
    slice_of("shop", 1, endpoint("10.9.0.1", "shop-1-a"), endpoint("10.9.0.2", "shop-1-b", ready=False))
    slice_of("shop", 2, endpoint("10.9.0.3", "lone"), endpoint("10.9.0.1", "shop-1-a"))
    put(sandbox, "services", "by-hand", spec={})
    slice_of("by-hand", 1, endpoint("10.9.0.4", "db-x"))
    put(sandbox, "services", "outside", spec={})
    slice_of("outside", 1, endpoint("192.0.2.7"))
    put(sandbox, "services", "empty", spec={"selector": {"app": "none"}})
    put(sandbox, "services", "elsewhere", spec={"type": "ExternalName", "externalName": "db.example"})


@pytest.fixture(scope="module", name="far")
def far_(sandbox):
    put_pods(sandbox)
    put_services(sandbox)
    yield sandbox
    for resource in ("pods", "services", "endpointslices", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs",
                     "cronjobs"):
        prefix = {"pods": "/api/v1", "services": "/api/v1", "jobs": "/apis/batch/v1", "cronjobs": "/apis/batch/v1",
                  "endpointslices": "/apis/discovery.k8s.io/v1"}.get(resource, "/apis/apps/v1")
        for namespace in (FAR, "crowd"):
            path = f"{prefix}/namespaces/{namespace}/{resource}"
            for obj in sandbox.get(path)["items"]:
                sandbox.call("DELETE", f"{path}/{obj['metadata']['name']}?gracePeriodSeconds=0&propagationPolicy=Orphan")


class Found:
    """What the client says up to its targets; it is ended before it captures."""
    def __init__(self, ksniff, *words):
        method = [] if any(word.startswith("no") for word in words) else ["--method", "upload"]
        process = ksniff.start("-n", FAR, *method, "-o", "/dev/null", *words)
        self.said = ""
        try:
            while not re.search(r"\d targets?: |^error: ", self.said, re.M):
                line = process.stderr.readline().decode()
                assert line, self.said
                self.said += line
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait(timeout=GUARD)
            process.stderr.close()
            process.stdout.close()
        assert "error: " not in self.said, self.said
        last = self.said.splitlines()[-1]
        self.names = re.findall(r'"([^"]*)"', last)
        self.count = int(re.search(r"(\d+) targets?: ", last)[1])
        assert len(self.names) == self.count or last.endswith(" and others")


@pytest.fixture(name="found")
def found_(ksniff, far):  # pylint: disable=unused-argument
    return lambda *words: Found(ksniff, *words)


@pytest.fixture(name="refused")
def refused_(ksniff, far):  # pylint: disable=unused-argument
    return lambda *words, **more: ksniff.fail("-n", FAR, "-o", "/dev/null", *words, **more)


SHOP = ["shop-0-a", "shop-1-a", "shop-1-b"]


@pytest.mark.parametrize("words, names", [
    (["deploy/shop"], SHOP), (["deployments.apps/shop"], SHOP), (["deploy", "shop"], SHOP),
    (["rs/shop-1"], ["shop-1-a", "shop-1-b"]),
    (["sts/db"], ["db-0"]), (["ds/logger"], ["logger-0"]), (["statefulset", "db"], ["db-0"]),
    (["job/nightly-2"], ["nightly-2-a"]), (["cronjob/nightly"], ["nightly-2-a"]),
    (["svc/shop"], ["lone", "shop-1-a", "shop-1-b"]), (["svc/by-hand"], ["db-x"]),
    (["shop-*"], SHOP), (["pod/shop-[01]-a"], ["shop-0-a", "shop-1-a"]), (["l?ne", "db-0"], ["lone", "db-0"]),
    (["-l", "app=shop,pod-template-hash=1"], ["adopted", "shop-1-a", "shop-1-b"]), (["pods", "-l", "app in (db,logger)"], ["db-0", "db-x", "logger-0", "logger-x"]),
    (["deploy/shop", "--field-selector", "spec.nodeName=node2"], ["shop-1-b"]),
    (["--field-selector", "spec.nodeName=node2"], ["gamma", "shop-1-b"]),
    (["db-0", "sts/db", "db-*"], ["db-0", "db-x"]),
    (["node/node1", "db-0"], ["node1", "db-0"]),
])
def test_what_words_mean(found, words, names):
    """Workloads by selector and owner: what a selector alone would catch besides is not captured. A pod that several
    words mean is one target."""
    assert found(*words).names == names


def test_namespaces(found):
    assert found("crowd/many-00", "far/pod/lone").names == ["crowd/many-00", "far/lone"]
    assert found("far/deploy/shop", "-n", "default").names == SHOP
    assert found("far/svc/shop", "web", "-n", "default").names == ["far/lone", "far/shop-1-a", "far/shop-1-b", "default/web"]
    assert found("crowd/many-0[12]").names == ["many-01", "many-02"]
    assert found("-A", "-l", "app=db").names == ["db-0", "db-x"]
    assert found("-A", "--field-selector", "spec.nodeName=node1", "-l", "app in (db,shop),app!=none").names == sorted(
        ["adopted", "db-0", "db-x", "lone", "shop-0-a", "shop-1-a", "stranger-a"])
    assert found("-A", "many-5[89]", "shop-0-?").names == ["crowd/many-58", "crowd/many-59", "far/shop-0-a"]


def test_labels_beside_names(found):
    """-l adds to what is named."""
    assert found("lone", "-l", "app=db").names == ["lone", "db-0", "db-x"]


def test_what_cannot_be_captured_is_left_out(found, refused):
    result = found("-l", "state=odd", "lone")
    assert result.names == ["lone"]
    assert "pod 'pending' is left out: it has not been scheduled to a node yet" in result.said
    assert "pod 'windows' is left out: it runs on Windows" in result.said
    assert "pod 'init' is left out" in result.said and "'ended'" not in result.said
    assert refused("-l", "state=odd") == ("there are 4 pods, and they cannot be captured (pods that have ended, or are "
                                          "Pending: --wait and --follow wait for others; -v names them)")
    # One that is named is an error, beside others too.
    assert refused("lone", "ended").startswith('pod "ended" has ended (Succeeded)')
    assert refused("lone", "pending").startswith('pod "pending" has not been scheduled')


def test_container_of_some(found, refused):
    """-c is for every pod that has such a container."""
    result = found("-l", "app=shop,pod-template-hash=1", "-c", "proxy")
    assert result.names == ["adopted", "shop-1-a", "shop-1-b"]
    assert "pods 'adopted', 'shop-1-b': no container 'proxy' there, another one is taken" in result.said
    assert refused("lone", "-c", "proxy") == 'no container "proxy" in pod "lone" (it has: app)'


def test_one_target_a_network(found):
    """Pods with their node's network, and the node, have the same interfaces."""
    result = found("-l", "net=host")
    assert result.names == ["alpha", "gamma"]
    assert "pod \"alpha\", pod \"beta\" have the interfaces of node 'node1': they are captured once, as pod \"alpha\"" in \
        result.said
    assert result.said.count("have the interfaces of") == 1
    result = found("-l", "net=host", "no/node1")
    assert sorted(result.names) == ["gamma", "node1"]
    assert "they are captured once, as node \"node1\"" in result.said


def test_nothing_found(refused):
    """What was looked for, where, and what may have been meant."""
    where = "(list them with: kubectl get pods -n far --show-labels)"
    assert refused("lone", "absent") == ('pods "absent" not found in namespace "far" (list them with: kubectl get pods '
                                         '-n far; choose a namespace with -n)')
    assert refused("lone", "beat").startswith('pods "beat" not found in namespace "far" (did you mean "beta"? ')
    assert refused("shop").startswith('pods "shop" not found in namespace "far" (did you mean "shop-0-a", or all pods of deploy/shop?')
    for words in (["deplyo/web"], ["lone", "deplyo/web"]):
        assert refused(*words) == ('pods "web" not found in namespace "deplyo" (did you mean "deployment/web"? "deplyo" is taken '
                                   "for a namespace)")
    for word in ("rc", "ing", "pvc", "srv"):
        for words in ([f"{word}/web"], ["lone", f"{word}/web"]):
            assert refused(*words) == (f'pods "web" not found in namespace "{word}" ("{word}" is taken for a namespace; types: pod, '
                                       "deploy, rs, sts, ds, job, cronjob, svc, node)")
    for word, kind in (("dep", "deployment"), ("svcs", "service")):
        assert refused(f"{word}/web").endswith(f'(did you mean "{kind}/web"? "{word}" is taken for a namespace)')
    # One that is there is a namespace, where a pod in it is near.
    assert refused("far/beat").startswith('pods "beat" not found in namespace "far" (did you mean "beta"? ')
    for words in (["deploy"], ["lone", "deploy"]):
        assert refused(*words) == ('pods "deploy" not found in namespace "far" ("deploy" is taken for a pod\'s name: write '
                                   "deploy/NAME)")
    assert refused("pods").endswith('''("pods" is taken for a pod's name: name one, or write '*' for all pods)''')
    assert refused("deploy/shp") == ('deployments "shp" not found in namespace "far" (did you mean "shop"? list them '
                                     "with: kubectl get deployments -n far)")
    assert refused("svc/shops").startswith('services "shops" not found in namespace "far" (did you mean "shop"? ')
    assert refused("node/node1", "node/nod1").startswith('nodes "nod1" not found (did you mean "node1"? list them with: kubectl get nodes)')
    assert refused("zzz-*") == f'no pod in namespace "far" has a name like "zzz-*" {where}'
    assert refused("shpo-*") == 'no pod in namespace "far" has a name like "shpo-*" (did you mean "shop-*"?)'
    assert refused("-l", "q=r") == f'no pod in namespace "far" has the labels "q=r" {where}'
    assert refused("-l", "app=shpo").endswith('has the labels "app=shpo" (did you mean "app=shop"?)')
    assert refused("-l", "apps=shop").endswith('(did you mean "app=shop"?)')
    assert refused("-A", "-l", "q=r").startswith('no pod in any namespace has the labels "q=r" (list them with: kubectl get pods -A ')
    assert refused("-l", "bin/tcpdump").endswith('(if a tcpdump was meant: there is no file "bin/tcpdump")')
    assert refused("sts/db", "--field-selector", "spec.nodeName=node9").startswith(
        'statefulset "db" in namespace "far" has no pods with the fields "spec.nodeName=node9"')
    assert refused("svc/empty").startswith('service "empty" in namespace "far" has no pods (--wait or --follow ')
    assert refused("svc/outside") == ('the endpoints of service "outside" in namespace "far" are no pods but addresses, as '
                                      "192.0.2.7 (capture at a client of it, with -f 'host 192.0.2.7')")
    assert refused("svc/elsewhere") == ('service "elsewhere" has no pods, it stands for "db.example" (capture at a client '
                                        "of it, with -f 'host db.example')")


def test_no_server(refused):
    """What cannot be reached at the start is not waited for."""
    for words in (["-l", "app=shop"], ["deploy/shop"], ["lone", "db-0"]):
        assert "connection to the server" in refused(*words, "--server", "https://127.0.0.1:1")


def test_letter_of_tcpdump(ksniff):
    """-l with the name of a file is the plugin in Go's, and one line says so; with another word it is kubectl's."""
    said = ksniff.run("absent", "-l", __file__, "-o", "/dev/null").err
    assert f"-l: '{__file__}' is a file: this tcpdump is uploaded (--selector chooses pods by labels)" in said
    said = ksniff.run("-l", "absent=yes", "-o", "/dev/null").err
    assert "is a file" not in said and 'has the labels "absent=yes"' in said


def test_wait(ksniff, far):
    """For what does not exist yet, has no pods, or only Pending ones; each is told once."""
    process = ksniff.start("-n", FAR, "--method", "upload", "-o", "/dev/null", "-v", "--wait", "-l", "app=late", "ds/late", "late-*")
    said = ""

    def read_until(text):
        nonlocal said
        while text not in said:
            line = process.stderr.readline().decode()
            assert line, said
            said += line
    try:
        read_until('waiting: daemonsets "late" not found in namespace "far"')
        put(far, "daemonsets", "late", spec={"selector": {"matchLabels": {"app": "late"}}})
        read_until('waiting: daemonset "late" in namespace "far" has no pods')
        put_pod(far, "late-1", owners=owner("DaemonSet", "uid-far-daemonsets-late"), labels={"app": "late"}, phase="Pending", node=None)
        read_until('waiting: pod "late-1" is still Pending: it has not been scheduled to a node yet')
        # An init container that runs is not the one that is to be captured.
        put(far, "pods", "late-1", metadata={"labels": {"app": "late"}, "ownerReferences": owner("DaemonSet", "uid-far-daemonsets-late")},
            spec={"nodeName": "node1", "initContainers": [{"name": "init"}], "containers": [{"name": "app"}]}, status={
                "phase": "Pending", "initContainerStatuses": [{"name": "init", "state": {"running": {}}}],
                "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "PodInitializing"}}}],
                "conditions": [{"type": "Initialized", "status": "False", "message": "containers with incomplete status: [init]"}]})
        read_until('waiting: pod "late-1" is still Pending: containers with incomplete status: [init]')
        put_pod(far, "late-1", owners=owner("DaemonSet", "uid-far-daemonsets-late"), labels={"app": "late"})
        read_until('1 target: pod "late-1"')
    finally:
        process.kill()
        process.communicate(timeout=GUARD)
    assert said.count("waiting: ") == len(set(re.findall("waiting: .*", said)))
    far.call("DELETE", f"/apis/apps/v1/namespaces/{FAR}/daemonsets/late?propagationPolicy=Orphan")
    far.call("DELETE", f"/api/v1/namespaces/{FAR}/pods/late-1?gracePeriodSeconds=0")


@pytest.mark.parametrize("words, line", [
    (["deploy/shp", "lone"], 'waiting: deployments "shp" not found in namespace "far" (did you mean "shop"? '),
    (["-l", "app=shpo"], 'waiting: no pod in namespace "far" has the labels "app=shpo" (did you mean "app=shop"?)'),
    (["lnoe"], "waiting for pod 'lnoe', which does not exist in namespace 'far' yet (did you mean \"lone\"? ")])
def test_wait_for_what_is_mistyped(ksniff, far, words, line):
    """A near name is looked for once, however long it is waited."""
    before = len(far.get("/sandbox/requests"))
    result = ksniff.run("-n", FAR, "--method", "upload", "-o", "/dev/null", "--wait=2500ms", *words)
    assert result.err.count(line) == 1 and result.err.count("waiting") == 1, result.err
    assert result.code == 1
    assert sum("?limit=500" in each for each in far.get("/sandbox/requests")[before:]) == 1


def test_wait_in_vain(refused):
    assert refused("deploy/none", "lone", "--wait=100ms").startswith('deployments "none" not found in namespace "far" (')
    assert refused("-l", "state=odd", "--wait=100ms") == (
        'pod "init" is still Pending: it is being started (see: kubectl describe pod init -n far)')


def test_too_many(found, refused):
    error = "60 targets are found, more than the 50 of --max-targets (choose fewer, or allow so many: --max-targets 60)"
    assert refused("crowd/many-*") == error
    assert refused("-A", "-l", "many") == error
    for more in [], ["--follow"]:
        assert refused("deploy/shop", "--max-targets", "2", *more).startswith("3 targets are found, more than the 2 of --max-targets")
    for most in ("60", "0"):
        assert found("crowd/many-*", "--max-targets", most).count == 60


def asked(sandbox, before):
    return [line for line in sandbox.get("/sandbox/requests")[before:] if re.search(f"/{FAR}/|/crowd/|/nodes|/api/v1/pods", line)
            and "/exec" not in line and "selfsubject" not in line]


@pytest.mark.parametrize("words, count", [
    (["deploy/shop"], 3), (["sts/db"], 2), (["svc/shop"], 3), (["cronjob/nightly"], 3), (["-l", "app=shop"], 1), (["shop-*"], 1),
    (["db-0", "db-x"], 2), (["crowd/many-%02d" % number for number in range(40)], 1), (["node/node1", "db-0"], 2)])
def test_requests_are_shared(found, far, words, count):
    """A list in the place of a GET for each, where that is less."""
    before = len(far.get("/sandbox/requests"))
    found(*words)
    requests = asked(far, before)
    assert len(requests) == count, requests


# ---- docs/rbac/targets.yaml ----

EVERY_WAY = ["deploy/shop", "rs/shop-1", "sts/db", "ds/logger", "job/nightly-2", "cronjob/nightly", "svc/shop", "alpha*", "-l", "app=db"]
WORDS = {"pods": ["-l", "app=db"], "deployments": ["deploy/shop"], "statefulsets": ["sts/db"], "daemonsets": ["ds/logger"],
         "replicasets": ["rs/shop-1"], "jobs": ["job/nightly-2"], "cronjobs": ["cronjob/nightly"], "services": ["svc/shop"]}
BETWEEN = {"replicasets": ["deploy/shop"], "jobs": ["cronjob/nightly"]}  # what these may be listed for


def test_role_suffices(found, far):
    config = far.kubeconfig_for("targets", role_of("targets")["rules"])
    names = [*SHOP, "db-0", "logger-0", "nightly-2-a", "lone", "alpha", "db-x"]
    assert found(*EVERY_WAY, "--kubeconfig", config).names == names
    assert found(*EVERY_WAY, "--follow", "--kubeconfig", config).names == names


@pytest.mark.parametrize("verb, resource", rights_of("targets"))
def test_nothing_can_be_left_out_of_the_role(ksniff, far, verb, resource):
    config = far.kubeconfig_for(f"less-{verb}-{resource}", without(role_of("targets"), verb, resource)["rules"])
    words = ["-n", FAR, "--kubeconfig", config, "-o", "/dev/null", "--method", "upload"]
    if resource == "endpointslices":
        return  # see below
    if verb == "get" or (verb == "list" and resource in ("pods", *BETWEEN)):
        words += BETWEEN[resource] if verb == "list" and resource in BETWEEN else WORDS[resource]
        assert f"(needs: {verb} {resource})" in ksniff.fail(*words)
    elif verb == "list":
        assert f"(needs: {verb} {resource})" in ksniff.fail(*words, "--follow", *WORDS[resource])
    else:
        # It is known only once the list is there: an error, or a warning where the capture has begun by then.
        read_until(ksniff, f'cannot watch resource "{resource}"', *words, "--follow", *WORDS[resource])


def read_until(ksniff, text, *words):
    """Runs the client until it says so."""
    process = ksniff.start(*words)
    guard = threading.Timer(GUARD, process.kill)
    guard.start()
    try:
        said = b""
        while text.encode() not in said:
            line = process.stderr.readline()
            assert line, said.decode()
            said += line
    finally:
        guard.cancel()
        process.kill()
        process.communicate(timeout=GUARD)


def test_endpoints_that_may_not_be_listed(found, refused, far):
    """All that the selector chooses, whether it is an endpoint or not."""
    config = far.kubeconfig_for("no-endpoints", without(role_of("targets"), "list", "endpointslices")["rules"])
    assert found("svc/shop", "--kubeconfig", config).names == ["adopted", "lone", *SHOP, "stranger-a"]
    assert refused("svc/by-hand", "--kubeconfig", config) == (
        'service "by-hand" has no selector, and its endpoints may not be listed (needs: list endpointslices)')


def test_pods_by_name_need_no_list(found, far):
    config = far.kubeconfig_for("getter", [{"verbs": ["get"], "resources": ["pods"]}])
    assert found(*[f"crowd/many-{number:02}" for number in range(6)], "--kubeconfig", config).count == 6
