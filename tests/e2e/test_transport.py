# SPDX-License-Identifier: Apache-2.0
"""WebSocket or SPDY: which is taken, what is said where neither is, and what only one of the two has."""
import contextlib
import json
import os

import pytest

from conftest import exchange_in, leftovers, tshark, wait_until

PODS = {"verbs": ["get"], "resources": ["pods"]}


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "x.pcapng")


@contextlib.contextmanager
def execs(sandbox):
    """The methods of the requests for an exec meanwhile: GET asks for a WebSocket, POST for SPDY."""
    before, methods = len(sandbox.get("/sandbox/requests")), []
    yield methods
    methods += [line.split()[0] for line in sandbox.get("/sandbox/requests")[before:] if "/exec?" in line]


def rights_to_exec(sandbox, *verbs):
    return sandbox.kubeconfig_for("exec-" + "-".join(verbs), [PODS, {"verbs": verbs, "resources": ["pods/exec"]}])


def captures(sandbox, ksniff, out, *flags):
    result = ksniff.run("web", "--count", "2", "-o", out, *flags)
    assert result.code == 0 and "WARN[" not in result.err, result.err
    assert len(tshark(out, "frame.number")) == 2
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_websocket_is_the_first(sandbox, ksniff, out):
    with execs(sandbox) as methods:
        captures(sandbox, ksniff, out)
    assert methods == ["GET"]


def test_create_alone_goes_by_spdy_at_once(sandbox, ksniff, out):
    with execs(sandbox) as methods:
        captures(sandbox, ksniff, out, "--kubeconfig", rights_to_exec(sandbox, "create"))
    assert methods == ["POST"]


def test_rights_that_are_not_told_beforehand(sandbox, ksniff, out):
    """The refusal by WebSocket is what tells them."""
    fault = {"path": "selfsubjectaccessreviews", "code": 500, "message": "out of order"}
    with sandbox.faults(request_error=fault), execs(sandbox) as methods:
        captures(sandbox, ksniff, out, "--kubeconfig", rights_to_exec(sandbox, "create"))
    assert methods == ["GET", "POST"]


@pytest.mark.parametrize("code", [200, 302, 400, 403, 404, 405, 426, 500, 501, 502])
def test_upgrade_refused_by_what_lies_between(sandbox, ksniff, out, code):
    """Apache, nginx and others, without a word of WebSocket in their configuration: whatever they answer."""
    with sandbox.faults(no_websocket={"code": code, "body": "<html>no"}), execs(sandbox) as methods:
        captures(sandbox, ksniff, out)
    assert methods == ["GET", "POST"]


def test_connection_ended_by_what_lies_between(sandbox, ksniff, out):
    with sandbox.faults(no_websocket={"hang_up": True}), execs(sandbox) as methods:
        captures(sandbox, ksniff, out)
    assert methods == ["GET", "POST"]


def test_no_protocol_in_common_by_websocket(sandbox, ksniff, out):
    with sandbox.faults(exec_protocols=["v9.channel.k8s.io"]), execs(sandbox) as methods:
        captures(sandbox, ksniff, out)
    assert methods == ["GET", "POST"]


def test_what_was_taken_is_remembered(sandbox, ksniff, out):
    """A container without a shell takes several execs."""
    with sandbox.running_pod("tarry", containers=[{"name": "app", "image": "registry.local/tar-only:1"}]), \
            sandbox.faults(no_websocket=True), execs(sandbox) as methods:
        result = ksniff.run("tarry", "--method", "upload", "--duration", "1s", "-o", out)
        assert result.code == 0, result.err
    assert len(methods) >= 3 and methods == ["GET"] + ["POST"] * (len(methods) - 1)


def test_spdy_first_and_refused(sandbox, ksniff, out):
    """Remembered is not for ever: what let SPDY through does so no more."""
    with sandbox.faults(no_websocket=True):
        with ksniff.capturing("web", "-v", "-o", out) as process:
            with sandbox.faults(no_spdy=True, drop_exec_connections=True), execs(sandbox) as methods:
                while "capturing again" not in (line := process.stderr.readline().decode()):
                    assert line
            ksniff.stop(process)
    assert methods[-2:] == ["POST", "GET"]


def test_kubelet_restarts_under_spdy(sandbox, ksniff, out):
    """What it says, in plain text, is no refusal: not of the exec, and not of the transport. Its bad moment is waited for,
    though there is no other transport that this user may take."""
    with ksniff.capturing("web", "-v", "-o", out, "--kubeconfig", rights_to_exec(sandbox, "create")) as process:
        with sandbox.faults(drop_exec_connections=True, kubelet_down="starting"), execs(sandbox) as methods:
            ksniff.read_until(process, 'with HTTP 404: "pod does not exist"')
        assert methods and set(methods) == {"POST"}
        ksniff.read_until(process, "capturing again")
        ksniff.stop(process)
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


# ---- neither ----

def test_neither_is_let_through(sandbox, ksniff, out):
    with sandbox.faults(no_websocket=True, no_spdy=True), execs(sandbox) as methods:
        error = ksniff.fail("web", "--method", "upload", "-o", out)
    assert methods == ["GET", "POST"]
    assert "takes neither WebSockets nor SPDY" in error and "Upgrade request required" in error
    assert not os.path.exists(out)


def test_no_protocol_in_common(sandbox, ksniff, out):
    with sandbox.faults(exec_protocols=["v9.channel.k8s.io"], no_spdy={"code": 403, "body": ""}):
        error = ksniff.fail("web", "--method", "upload", "-o", out)
    assert "takes exec neither over WebSocket nor over SPDY" in error


@pytest.mark.parametrize("verbs", [["get"], ["list"]])
def test_neither_is_allowed(sandbox, ksniff, out, verbs):
    """What is missing is "create", even where a server has nothing but "forbidden" to say over WebSocket."""
    fault = {"path": "selfsubjectaccessreviews", "code": 500, "message": "out of order"}
    with sandbox.faults(request_error=fault), execs(sandbox) as methods:
        error = ksniff.fail("web", "--method", "upload", "--kubeconfig", rights_to_exec(sandbox, *verbs), "-o", out)
    assert methods == ["GET", "POST"]
    assert error.startswith("forbidden: ") and 'cannot create resource "pods/exec"' in error and \
        error.endswith("(needs: create pods/exec)")


def test_the_one_that_says_most_is_told(sandbox, ksniff, out):
    """Allowed by "create" alone, but what lies between lets no SPDY through: it is the missing "get" that helps."""
    config = rights_to_exec(sandbox, "create")
    with sandbox.faults(no_spdy={"code": 502, "body": "<html>Bad Gateway"}):
        error = ksniff.fail("web", "--method", "upload", "--kubeconfig", config, "-o", out)
    assert error.endswith("(needs: get pods/exec)")


def test_pod_that_goes_meanwhile(sandbox, ksniff, out):
    with sandbox.faults(request_error={"path": "/exec$", "code": 404, "reason": "NotFound", "message": "it went"}):
        error = ksniff.fail("web", "--method", "upload", "-o", out)
    assert "it went" in error


def test_credentials_are_renewed_once_over_both(sandbox, ksniff, out):
    """A 401 is no refusal of a transport."""
    with sandbox.faults(request_error={"path": "/exec$", "code": 401, "reason": "Unauthorized", "message": "no"}), \
            execs(sandbox) as methods:
        error = ksniff.fail("web", "--method", "upload", "-o", out)
    assert methods == ["GET"] and "does not accept the credentials" in error


@pytest.mark.parametrize("verbs, expected", [(["create"], ["POST", "POST"]), (["get", "create"], ["GET", "GET", "POST"])])
def test_credentials_that_run_out(sandbox, ksniff, tmp_path, out, verbs, expected):
    """They are renewed before the exec, over whichever transport it is that tells."""
    path = rights_to_exec(sandbox, *verbs)
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    name = config["users"][0]["name"]
    sandbox.call("POST", "/sandbox/users", {"name": name, "rules": [PODS, {"verbs": verbs, "resources": ["pods/exec"]}],
                                            "token": "fresh"})
    plugin = tmp_path / "login"
    plugin.write_text(f"""#!/bin/sh
echo asked >>{tmp_path}/asked
token=fresh
[ "$(wc -l <{tmp_path}/asked)" -gt 1 ] || token={config["users"][0]["user"]["token"]}
echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"'$token'"}}}}'
""")
    plugin.chmod(0o700)
    config["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin),
                                           "interactiveMode": "Never"}}
    (tmp_path / "config").write_text(json.dumps(config))
    fault = {"path": "/exec$", "code": 401, "reason": "Unauthorized", "message": "Unauthorized",
             "token": name + "-token"}
    with sandbox.faults(request_error=fault, no_websocket=True), execs(sandbox) as methods:
        captures(sandbox, ksniff, out, "--kubeconfig", str(tmp_path / "config"))
    assert methods == expected
    assert (tmp_path / "asked").read_text() == "asked\nasked\n"


# ---- SPDY alone ----

@pytest.mark.parametrize("window", [100, 65536])
def test_server_with_windows(sandbox, ksniff, tmp_path, window):
    """Real ones have none. The agent is larger than these, and nothing of it may come before there is room."""
    path = str(tmp_path / "x.pcapng")
    with sandbox.faults(spdy_windows=window, no_websocket=True):
        with ksniff.capturing("web", "--method", "upload", "-f", "udp port 4701", "-o", path) as process:
            sent = exchange_in(sandbox, 4701, rounds=500)
            err = ksniff.stop(process)
    assert f"{len(sent)} packets captured" in err and " 0 dropped" in err
    rows = tshark(path, "udp.payload")
    assert [row[0] for row in rows] == [data.hex() for _, data in sent]
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")
