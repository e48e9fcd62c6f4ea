# SPDX-License-Identifier: Apache-2.0
"""Names in a filter that the cluster knows: all their addresses, and nothing for a guess."""
import contextlib

import pytest

from conftest import capinfos, tshark

SLEEP = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
PODS = {"verbs": ["get"], "resources": ["pods"]}
EXEC = {"verbs": ["create", "get"], "resources": ["pods/exec"]}


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "x.pcapng")


@contextlib.contextmanager
def service(sandbox, name, namespace, endpoints, **spec):
    """endpoints: (address, hostname)"""
    path = f"/api/v1/namespaces/{namespace}/services"
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    code, obj = sandbox.call("POST", path, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
        "ports": [{"port": 5432}], **spec}})
    assert code == 201, obj
    code, obj = sandbox.call("POST", slices, {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "endpoints": [{"addresses": [address], "hostname": hostname, "conditions": {"ready": True}}
                      for address, hostname in endpoints], "ports": [{"port": 5432}]})
    assert code == 201, obj
    try:
        yield
    finally:
        sandbox.call("DELETE", path + "/" + name)
        sandbox.call("DELETE", slices + "/" + name)


@pytest.fixture(scope="module", autouse=True)
def services(sandbox):
    with service(sandbox, "db", "shop", [("10.244.7.1", "db-0"), ("10.244.7.2", "db-1")], clusterIP="10.90.7.7",
                 clusterIPs=["10.90.7.7", "fd00:90::7"]), \
            service(sandbox, "headless", "default", [("10.244.7.3", "h-0"), ("10.244.7.4", "h-1")], clusterIP="None",
                    clusterIPs=["None"]), \
            service(sandbox, "idle", "default", [], clusterIP="None", clusterIPs=["None"]), \
            service(sandbox, "outside", "default", [], type="ExternalName", externalName="db.example.com"):
        yield


@pytest.mark.parametrize("text, becomes", [
    ("host db.shop.svc", "host (10.90.7.7 or fd00:90::7 or 10.244.7.1 or 10.244.7.2)"),
    ("dst host DB.shop.svc.cluster.local. and tcp port 5432",
     "dst host (10.90.7.7 or fd00:90::7 or 10.244.7.1 or 10.244.7.2) and tcp port 5432"),
    ("ip6 host db.shop.svc", "ip6 host fd00:90::7"),
    ("ip src db.shop.svc", "ip src (10.90.7.7 or 10.244.7.1 or 10.244.7.2)"),
    ("host headless", "host (10.244.7.3 or 10.244.7.4)"),
    ("host headless.svc or 10.9.9.9", "host (10.244.7.3 or 10.244.7.4) or 10.9.9.9"),
    ("host h-1.headless.default.svc", "host 10.244.7.4"),
    ("host 10-244-9-9.shop.pod", "host 10.244.9.9"),
    ("not host headless and not port 22", "not host (10.244.7.3 or 10.244.7.4) and not port 22"),
])
def test_what_is_put_in(ksniff, out, text, becomes):
    result = ksniff.run("web", "-f", text, "--duration", "300ms", "-o", out)
    assert result.code == 0, result.err
    assert f"filter: '{becomes}'" in result.err and "INFO[000" in result.err
    assert f"filter: {becomes}" in capinfos(out)


def test_the_log_says_what_a_name_stands_for(ksniff, out):
    result = ksniff.run("web", "-f", "host headless", "--duration", "300ms", "-o", out)
    assert "the filter's 'headless' stands for 10.244.7.3 or 10.244.7.4\n" in result.err


def test_packets_of_a_pod_by_its_name(sandbox, ksniff, out):
    """The pod client talks to the pod web all the time."""
    address = sandbox.pod("client")["ip"]
    for name in "client", "client.default.pod":
        result = ksniff.run("web", "-f", f"host {name}", "--count", "4", "-o", out)
        assert result.code == 0 and f"stands for {address}" in result.err
        assert all(address in row for row in tshark(out, "ip.src", "ip.dst"))


@pytest.mark.parametrize("text, says", [
    ("host absent.shop.svc", 'filter: "absent.shop.svc": services "absent" not found in namespace "shop" (list them with: kubectl '
     'get services -n shop)'),
    ("host absent.shop.pod", 'filter: "absent.shop.pod": pods "absent" not found in namespace "shop"'),
    ("host idle.svc", 'filter: "idle.svc": it has no address yet'),
    ("ip6 host headless.svc", 'filter: "headless.svc": it has no address yet of that kind'),
    ("host outside.svc", 'filter: "outside.svc": service "outside" has no address, it stands for "db.example.com" (name '
     'that in the filter)'),
])
def test_names_that_have_none(sandbox, ksniff, out, text, says):
    assert ksniff.fail("web", "-f", text, "-o", out).startswith(says)
    assert not sandbox.ours_in("web")


def test_rights_that_lack(sandbox, ksniff, out):
    config = sandbox.kubeconfig_for("filterer", [PODS, EXEC])
    error = ksniff.fail("web", "--kubeconfig", config, "-f", "host db.shop.svc", "-o", out)
    assert error.startswith('filter: "db.shop.svc": forbidden: ') and 'cannot get resource "services"' in error
    assert "needs: get services" in error
    # The cluster may have no such name at all: that is DNS' to say then.
    error = ksniff.fail("web", "--kubeconfig", config, "-f", "host no-such-host.invalid", "-o", out, code=2)
    assert "no-such-host.invalid" in error


def test_who_may_read_no_services_may_name_pods(sandbox, ksniff, out):
    config = sandbox.kubeconfig_for("filterer", [PODS, EXEC])
    result = ksniff.run("web", "--kubeconfig", config, "-f", "host client", "--count", "1", "-o", out)
    assert result.code == 0 and f"stands for {sandbox.pod('client')['ip']}" in result.err, result.err
    error = ksniff.fail("web", "--kubeconfig", config, "-f", "host no-such-host", "-o", out, code=2)
    assert error.startswith('filter "host no-such-host": unknown host \'no-such-host\' (a host is an address, a Service '
                            'or Pod of the namespace that you may get, NAME.NAMESPACE.svc, ')


def test_other_names_are_left_to_dns(sandbox, ksniff, out):
    result = ksniff.run("web", "-f", "host localhost", "--duration", "300ms", "-o", out)
    assert result.code == 0 and "filter: 'host localhost'" in result.err


def test_wrong_filter_with_a_name_touches_nothing(sandbox, ksniff, out):
    before = len(sandbox.get("/sandbox/requests"))
    error = ksniff.fail("web", "-f", "host db.shop.svc prt 80", "-o", out, code=2)
    assert 'filter "host db.shop.svc prt 80": ' in error and '"prt 80" (column 18)' in error
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself
