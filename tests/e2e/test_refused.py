# SPDX-License-Identifier: Apache-2.0
"""An exec that is refused by something else than rights: nothing permanent is made, and its words are repeated."""
import asyncio
import contextlib
import os
import re
import signal
import subprocess
import threading

import aiohttp
import pytest
from aiohttp import web

from conftest import GUARD, leftovers, wait_until
from test_choosing import SLEEP, captures, changes, crashing, moved_once, requests
from test_ephemeral import ephemeral

EXEC = "/api/v1/namespaces/default/pods/{}/exec"
WEBHOOK = ('admission webhook "no-shells.example" denied the request: [no-shells] nobody runs anything in a pod\n'
           'of this cluster')


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "x.pcapng")


@contextlib.contextmanager
def kubectl_proxy(sandbox, *flags):
    """The real one. Gives its address."""
    with subprocess.Popen(["kubectl", "proxy", "--port=0", *flags], env=sandbox.env, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        try:
            line = process.stdout.readline().decode()
            assert line.startswith("Starting to serve on 127.0.0.1:"), line
            yield "http://" + line.split()[-1]
        finally:
            process.terminate()


@contextlib.contextmanager
def gateway(sandbox, answer):
    """Passes everything on to the API server, but for what runs something in a pod: that gets this answer. Gives its
    address, and the paths that it has refused."""
    refused, ready, loop = [], threading.Event(), asyncio.new_event_loop()
    state = {}

    async def handle(request):
        if re.search(r"/pods/[^/]+/(exec|attach)$", request.path):
            refused.append(f"{request.method} {request.path}")
            return await answer(request)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length")}
        headers["Authorization"] = "Bearer " + sandbox.tokens["sandbox-token"]
        async with state["session"].request(request.method, sandbox.server + request.path_qs, headers=headers,
                                            data=await request.read(), ssl=sandbox.tls) as got:
            return web.Response(status=got.status, body=await got.read(), content_type=got.content_type)

    async def serve():
        state["session"], state["end"] = aiohttp.ClientSession(), asyncio.Event()
        app = web.Application(client_max_size=1 << 22)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        state["port"] = site._server.sockets[0].getsockname()[1]  # pylint: disable=protected-access
        ready.set()
        await state["end"].wait()
        await runner.cleanup()
        await state["session"].close()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(GUARD)
        yield f"http://127.0.0.1:{state['port']}", refused
    finally:
        loop.call_soon_threadsafe(state["end"].set)
        thread.join()
        loop.close()


def page(code, text, kind="text/html"):
    async def answer(_):
        return web.Response(status=code, text=text, content_type=kind)
    return answer


async def chunked(request):
    """In pieces, and the first says nothing."""
    response = web.StreamResponse(status=403, headers={"Content-Type": "text/html"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    for piece in (b"<html>\n<head>", b"<title>Request ", b"blocked</title></head><body>" + b"x" * 100000, b"</body></html>"):
        await response.write(piece)
    await response.write_eof()
    return response


async def until_the_end(request):
    """Without a length, as HTTP/1.0 does it."""
    request.transport.write(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nyou shall ")
    await asyncio.sleep(0.3)
    request.transport.write(b"not pass\nand so on\n")
    request.transport.close()
    return web.Response()


def is_untouched(sandbox, *names):
    """No pod has an ephemeral container, and there is nothing of ours."""
    assert not any(ephemeral(sandbox, name) for name in names)
    assert not leftovers(sandbox)


# ---- kubectl proxy ----

def test_kubectl_proxy_refuses_exec(sandbox, ksniff, out):
    """Its default filter does. The search ends where the next method is refused in the same way, and before anything
    is made for it."""
    with sandbox.running_pod("plain", containers=[SLEEP]), kubectl_proxy(sandbox) as server:
        with requests(sandbox) as asked:
            error = ksniff.fail("plain", "--server", server, "-o", out)
        assert error.startswith(f'the server "{server[7:]}" answered ')
        assert EXEC.format("plain") + ' with HTTP 403, not as an API server: "Forbidden" (something before the API' in error
        assert "--reject-paths" in error and not changes(asked) and not os.path.exists(out)
        is_untouched(sandbox, "plain")


@pytest.mark.parametrize("flags", [["--method", "ephemeral"], ["--method", "upload"], ["-p"]])
def test_kubectl_proxy_and_one_method(sandbox, ksniff, out, flags):
    with sandbox.running_pod("plain", containers=[SLEEP]), kubectl_proxy(sandbox) as server:
        with requests(sandbox) as asked:
            error = ksniff.fail("plain", "--server", server, "-o", out, *flags)
        assert 'with HTTP 403, not as an API server: "Forbidden"' in error
        assert not any("ephemeralcontainers" in line for line in asked)
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")
        is_untouched(sandbox, "plain")


def test_kubectl_proxy_where_the_helper_is_the_first(sandbox, ksniff, out):
    """The upload is ruled out beforehand. The helper is made in vain, and goes; no ephemeral container is made."""
    with sandbox.running_pod("user", containers=[{**SLEEP, "securityContext": {"runAsUser": 1000}}]), \
            kubectl_proxy(sandbox) as server:
        with requests(sandbox) as asked:
            result = ksniff.run("user", "--server", server, "-o", out)
        assert result.code == 1 and '"Forbidden"' in result.err
        assert not any("ephemeralcontainers" in line for line in asked)
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")
        is_untouched(sandbox, "user")


@pytest.mark.parametrize("method", ["auto", "node", "ephemeral"])
def test_kubectl_proxy_that_lets_it_through(sandbox, ksniff, out, method):
    """As the message says."""
    with sandbox.running_pod("plain", containers=[SLEEP]), kubectl_proxy(sandbox, "--reject-paths=^$") as server:
        served, _ = captures(sandbox, ksniff, out, "plain", "--server", server, "--method", method)
        assert served == ("upload" if method == "auto" else method)


# ---- gateways ----

@pytest.mark.parametrize("answer, says", [
    (page(403, "<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>"),
     'with HTTP 403, not as an API server: "403 Forbidden" ('),
    (page(403, "<html><body><p>Blocked by <b>WAF</b> rule 942100</p></body></html>"), '"Blocked by WAF rule 942100" ('),
    (page(451, "\x1b[31mnot here\nnor there", "text/plain"), 'with HTTP 451, not as an API server: "\\x1b[31mnot here" ('),
    (page(404, "404 page not found\n", "text/plain"), '"404 page not found" ('),
    (page(302, '<a href="https://sso.example/">Found</a>'), 'with HTTP 302, not as an API server: "Found" ('),
    (page(200, "<title>Sign in</title>"), 'with HTTP 200, not as an API server: "Sign in" ('),
    (page(403, '{"message": "no Route matched"}', "application/json"), '"no Route matched" ('),
    (page(401, "<title>Who are you?</title>"), 'does not accept the credentials of user "admin": "Who are you?" ('),
    (chunked, '"Request blocked" ('),
    (until_the_end, '"you shall not pass" (')])
def test_gateways(sandbox, ksniff, out, answer, says):
    """With each method that begins with an exec, and with all of them."""
    with sandbox.running_pod("plain", containers=[SLEEP]), gateway(sandbox, answer) as (server, refused):
        for flags in ([], ["--method", "ephemeral"]):
            with requests(sandbox) as asked:
                error = ksniff.fail("plain", "--server", server, "-o", out, *flags)
            assert says in error and not changes(asked), error
        assert refused and not os.path.exists(out)
        is_untouched(sandbox, "plain")


# ---- policies ----

@pytest.mark.parametrize("code, reason", [(403, "Forbidden"), (400, ""), (422, "Invalid")])
def test_policy_about_one_pod(sandbox, ksniff, out, code, reason):
    """The helper is another pod: there it is let through, as a trial tells before it is made."""
    fault = {"path": "/pods/plain/exec$", "code": code, "reason": reason, "message": WEBHOOK}
    with sandbox.running_pod("plain", containers=[SLEEP]), sandbox.faults(request_error=fault):
        with requests(sandbox) as asked:
            method, err = captures(sandbox, ksniff, out, "plain")
        assert method == "node"
        moved_once(err, "node", 'admission webhook "no-shells.example" denied the request')
        first, trial, *_ = [line for line in changes(asked) if not line.startswith("POST " + EXEC.format("plain"))]
        assert first == "GET " + EXEC.format("plain")
        assert re.fullmatch("(GET|POST) " + EXEC.format("ksniff-[0-9a-f]+"), trial)
        wait_until(lambda: not leftovers(sandbox), "a clean cluster")
        assert not ephemeral(sandbox, "plain")


def test_policy_about_all_pods(sandbox, ksniff, out):
    fault = {"path": "/pods/[^/]+/exec$", "code": 403, "reason": "Forbidden", "message": WEBHOOK}
    with sandbox.running_pod("plain", containers=[SLEEP]), sandbox.faults(request_error=fault):
        with requests(sandbox) as asked:
            error = ksniff.fail("plain", "-o", out)
        assert error == ("forbidden: " + WEBHOOK.replace("\n", "\\n") +
                         " (every method needs exec: ask who has set this rule up)")
        assert all(line.endswith("/exec") for line in changes(asked)), changes(asked)
        is_untouched(sandbox, "plain")


def test_policy_and_pod_security(sandbox, ksniff, out):
    """What stands in the way of the helper is no refusal of exec: the table tells of both."""
    fault = {"path": "/pods/[^/]+/exec$", "code": 403, "reason": "Forbidden", "message": WEBHOOK}
    with sandbox.running_pod("guarded", "baseline", containers=[SLEEP]), sandbox.faults(request_error=fault):
        with requests(sandbox) as asked:
            result = ksniff.run("guarded", "-n", "baseline", "-o", out)
        assert result.code == 1 and 'enforces Pod Security "baseline"' in result.err
        assert "no method can capture" in result.err and "no-shells.example" in result.err
        assert all(line.endswith("/exec") for line in changes(asked)), changes(asked)
        assert not ephemeral(sandbox, "guarded", "baseline")


# ---- before an ephemeral container is added ----

def added_after_trial(asked, name):
    """An exec was tried before anything was added: over one transport, or over both."""
    own = [line for line in changes(asked) if f"/pods/{name}/" in line]
    before = own[:[line.startswith("PATCH ") for line in own].index(True)]
    assert before and all(line.endswith("/exec") for line in before), own


def test_exec_is_tried_before_an_ephemeral_container(sandbox, ksniff, out):
    """In a container that runs, which need not be the chosen one."""
    broken = {**SLEEP, "name": "broken", "command": ["sh", "-c", "exit 3"]}

    def crashes():
        states = sandbox.get("/api/v1/namespaces/default/pods/half")["status"].get("containerStatuses", [])
        return len(states) == 2 and "waiting" in states[0]["state"] and states[0]["restartCount"]
    sandbox.create_pod("half", wait=False, containers=[broken, SLEEP])
    try:
        wait_until(crashes, "its crash")
        with requests(sandbox) as asked, sandbox.faults(hold_starts=["broken"]):
            wait_until(crashes, "the end of the try that was going on")
            assert captures(sandbox, ksniff, out, "half", "-c", "broken", "--method", "ephemeral")[0] == "ephemeral"
        added_after_trial(asked, "half")
        before = len(sandbox.get("/sandbox/requests"))
        tried = [line for line in sandbox.get("/sandbox/requests")[:before] if "/half/exec" in line]
        assert "container=app&" in tried[0] and "command=ksniff-trial-of-exec" in tried[0]
    finally:
        sandbox.delete_pod("half")


def test_upload_is_trial_enough(sandbox, ksniff, out):
    """Without a shell it fails, but it has got as far as the runtime."""
    missing = {"path": "/configmaps$", "code": 403, "reason": "Forbidden", "message": "a webhook denied it"}
    with sandbox.running_pod("shellless", containers=[{"name": "app", "image": "registry.local/distroless-http:1"}]):
        before = len(sandbox.get("/sandbox/requests"))
        with sandbox.faults(request_error=missing):
            captures(sandbox, ksniff, out, "shellless")
        assert ephemeral(sandbox, "shellless")
        lines = [line for line in sandbox.get("/sandbox/requests")[before:] if "/shellless/" in line]
        assert lines and not any("ksniff-trial" in line for line in lines)


def test_pod_without_any_running_container(sandbox, ksniff, out):
    """No exec can reach a container there; one that reaches the kubelet is enough."""
    with crashing(sandbox):
        with requests(sandbox) as asked:
            served, _ = captures(sandbox, ksniff, out, "crasher", "--method", "ephemeral")
        assert served == "ephemeral"
        added_after_trial(asked, "crasher")


def test_interrupted_while_it_is_tried(sandbox, ksniff, out):
    with sandbox.running_pod("plain", containers=[SLEEP]):
        before = len(sandbox.get("/sandbox/requests"))
        with sandbox.faults(exec_delay_ms=3000):
            process = ksniff.start("plain", "--method", "ephemeral", "-o", out)
            wait_until(lambda: any("/plain/exec?" in line for line in sandbox.get("/sandbox/requests")[before:]), "the trial")
            process.send_signal(signal.SIGINT)
            err = process.communicate(timeout=GUARD)[1].decode()
        assert process.returncode == 130 and "Sanitizer" not in err, err
        is_untouched(sandbox, "plain")


@pytest.mark.parametrize("code, answer, says", [
    (500, {"message": 'Internal error occurred: error sending request: Post "https://10.244.0.1:10250/exec/default/plain/'
           'app?command=x&input=1": dial tcp 10.244.0.1:10250: connect: connection refused'},
     'Post "https://10.244.0.1:10250/exec/default/plain/app": dial tcp 10.244.0.1:10250: connect: connection refused'),
    (502, {"body": "<html><head><title>502 Bad Gateway</title></head></html>"},
     'with HTTP 502, not as an API server: "502 Bad Gateway"')])
def test_exec_that_reaches_nobody(sandbox, ksniff, out, code, answer, says):
    """It is not refused; but that it works is not known either."""
    with sandbox.running_pod("plain", containers=[SLEEP]):
        with sandbox.faults(request_error={"path": "/pods/plain/exec$", "code": code, **answer}):
            for flags in ([], ["--method", "ephemeral"]):
                assert says in ksniff.fail("plain", "-o", out, *flags)
        is_untouched(sandbox, "plain")


# ---- our own container, which nobody reaches for a moment ----

@pytest.mark.parametrize("method", ["node", "ephemeral"])
@pytest.mark.parametrize("fault, says", [
    ({"kubelet_down": "early"}, "dial tcp 10.244.0.1:10250: connect: connection refused"),
    ({"kubelet_down": "late"}, "dial tcp 10.244.0.1:10250: connect: connection refused"),
    ({"kubelet_down": "starting"}, "unable to upgrade connection: pod does not exist"),
    ({"kubelet_down": "starting", "no_websocket": {"code": 403}}, 'with HTTP 404: "pod does not exist"'),
    ({"request_error": {"path": "/pods/(ksniff-)?[^/]+/exec$", "code": 502, "body": "<title>Bad Gateway</title>"}},
     'with HTTP 502, not as an API server: "Bad Gateway"')])
def test_kubelet_restarts_while_it_starts(sandbox, ksniff, out, method, fault, says):
    """What was just made is not given up: the exec is tried again, and that is told once."""
    with sandbox.running_pod("plain", containers=[SLEEP]):
        with contextlib.ExitStack() as stack:
            before = len(sandbox.get("/sandbox/requests"))  # those of the test before this one are not ours
            stack.enter_context(sandbox.faults(hold_starts=True))
            process = ksniff.start("plain", "--method", method, "-o", out, "--duration", "300ms")
            # The ephemeral method has tried an exec before: now its container is being started.
            made = "/configmaps" if method == "node" else "/ephemeralcontainers"
            wait_until(lambda: any(made in line for line in sandbox.get("/sandbox/requests")[before:]), "the beginning")
            sandbox.set_faults(**fault)
            head = b""
            while b"cannot be reached yet (" not in head:
                line = process.stderr.readline()
                assert line, head.decode()
                head += line
            wanted = sum("/exec?" in line for line in sandbox.get("/sandbox/requests")) + 2
            wait_until(lambda: sum("/exec?" in line for line in sandbox.get("/sandbox/requests")) >= wanted, "two tries more")
            stack.close()
            err = (head + process.communicate(timeout=GUARD)[1]).decode()
        assert process.returncode == 0, err
        assert err.count("cannot be reached yet (") == 1 and says in err and "command=" not in err
        assert len(ephemeral(sandbox, "plain")) == (method == "ephemeral")
        wait_until(lambda: method == "ephemeral" or not leftovers(sandbox), "a clean cluster")


def test_kubelet_that_does_not_come_back(sandbox, ksniff, out):
    """The time to start is the limit; then the answer is the error, and the helper goes."""
    with sandbox.running_pod("plain", containers=[SLEEP]), sandbox.faults(kubelet_down="late"):
        error = ksniff.fail("plain", "-p", "-o", out, "--pod-creation-timeout", "4s")
    assert "dial tcp 10.244.0.1:10250: connect: connection refused" in error
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_what_was_not_made_by_us_is_not_tried_again(sandbox, ksniff, out):
    """An upload into a running container says at once what is wrong."""
    with sandbox.faults(kubelet_down="early"), requests(sandbox) as asked:
        error = ksniff.fail("web", "-o", out)
    assert "connection refused" in error and "command=" not in error
    assert sum(line.startswith("GET") and line.endswith("/exec") for line in asked) == 1
