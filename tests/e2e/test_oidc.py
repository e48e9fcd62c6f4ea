# SPDX-License-Identifier: Apache-2.0
"""The auth-provider "oidc": tokens of an issuer that is real, over TLS, renewed there and kept in the kubeconfig."""
import asyncio
import base64
import json
import os
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest
import yaml
from aiohttp import web

from conftest import GUARD, ROOT, leftovers, tshark, wait_until
from test_proxy import Proxy

sys.path.insert(0, ROOT)
from sandbox.pki import Pki  # noqa: E402  pylint: disable=wrong-import-position

SECRET = "s3cr/t &=%"
HOUR = 3600


def part(obj):
    return base64.urlsafe_b64encode(json.dumps(obj).encode()).rstrip(b"=").decode()


class Issuer:
    """Exchanges each refresh token once, and tells the sandbox which id-tokens it has given."""

    def __init__(self, sandbox, directory):
        self.sandbox, self.number, self.requests = sandbox, 0, []
        self.refresh, self.lifetime = None, HOUR
        self.by_header, self.rotates, self.gives_id, self.described = True, True, True, True
        self.delay = 0
        os.mkdir(directory)
        self.pki = Pki(str(directory))
        self.pki.issue("issuer", "issuer", "subjectAltName=IP:127.0.0.1")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.pki.path("issuer.crt"), self.pki.path("issuer.key"))
        self.loop, ready = asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(GUARD)
        self.url = f"https://127.0.0.1:{self.port}/realm"

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.listen())
        ready.set()
        self.loop.run_forever()

    async def listen(self):
        app = web.Application()
        app.router.add_get("/realm/.well-known/openid-configuration", self.describe)
        app.router.add_post("/realm/token", self.exchange)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=self.context)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # pylint: disable=protected-access

    async def shut(self):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.runner.cleanup()

    def close(self):
        asyncio.run_coroutine_threadsafe(self.shut(), self.loop).result(GUARD)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(GUARD)
        self.loop.close()

    def mint(self, lifetime):
        """An id-token that the sandbox takes."""
        self.number += 1
        claims = {"iss": self.url, "sub": "ada", "exp": int(time.time()) + lifetime, "jti": self.number}
        token = f"{part({'alg': 'HS256'})}.{part(claims)}.c2ln"
        self.sandbox.call("POST", "/sandbox/users", {"name": "ada", "token": token,
                                                     "rules": [{"verbs": ["*"], "resources": ["*"]}]})
        return token

    async def describe(self, _):
        self.requests.append("describe")
        if not self.described:
            raise web.HTTPNotFound()
        return web.json_response({"issuer": self.url, "token_endpoint": self.url + "/token"})

    async def exchange(self, request):
        form = urllib.parse.parse_qs(await request.text(), strict_parsing=True)
        await asyncio.sleep(self.delay)
        header = request.headers.get("Authorization", "")
        named = base64.b64decode(header.removeprefix("Basic ")).decode().split(":") if header else ["", ""]
        named = [urllib.parse.unquote_plus(text) for text in named]
        if not self.by_header:
            named = [form.get("client_id", [""])[0], form.get("client_secret", [""])[0]]
        if named != ["kubernetes", SECRET]:
            self.requests.append("unknown client")
            return web.json_response({"error": "invalid_client"}, status=401)
        self.requests.append("exchange")
        if form["grant_type"] != ["refresh_token"] or form["refresh_token"] != [self.refresh]:
            return web.json_response({"error": "invalid_grant", "error_description": "Token \x1b[2J is not active"},
                                     status=400)
        answer = {"access_token": "access", "token_type": "bearer"}
        if self.gives_id:
            answer["id_token"] = await asyncio.to_thread(self.mint, self.lifetime)
        if self.rotates:
            self.refresh = answer["refresh_token"] = f"refresh-{self.number}+/="
        return web.json_response(answer)


@pytest.fixture
def issuer(sandbox, tmp_path):
    running = Issuer(sandbox, tmp_path / "issuer")
    yield running
    running.close()


@pytest.fixture
def login(sandbox, issuer, tmp_path):
    """Writes a kubeconfig as kubectl writes it, with comments that it should keep. Returns its path."""
    def write(id_token=None, refresh=None, **config):
        with open(sandbox.kubeconfig, encoding="utf-8") as file:
            cluster = json.load(file)["clusters"][0]
        config = {"client-id": "kubernetes", "client-secret": SECRET, "idp-issuer-url": issuer.url,
                  "idp-certificate-authority": issuer.pki.ca, "extra-scopes": "groups",
                  **({"id-token": id_token} if id_token else {}), **({"refresh-token": refresh} if refresh else {}), **config}
        text = yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster],
            "contexts": [{"name": "c", "context": {"cluster": cluster["name"], "user": "ada"}}],
            "users": [{"name": "ada", "user": {"auth-provider": {"name": "oidc", "config": {
                name: value for name, value in config.items() if value}}}}]})
        (tmp_path / "config").write_text("# of Ada\n" + text)
        (tmp_path / "config").chmod(0o600)
        return str(tmp_path / "config")
    return write


def tokens_in(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.startswith("# of Ada\n") and stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert sorted(os.listdir(os.path.dirname(path))) == sorted({"config", "issuer", "x"} & set(os.listdir(os.path.dirname(path))))
    config = yaml.safe_load(text)["users"][0]["user"]["auth-provider"]["config"]
    assert config["client-id"] == "kubernetes" and config["extra-scopes"] == "groups"
    return config.get("id-token"), config.get("refresh-token")


def captures(ksniff, tmp_path, config, **more):
    result = ksniff.run("web", "--kubeconfig", config, "--count", "2", "-o", str(tmp_path / "x"), "-vv", **more)
    assert result.code == 0, result.err
    assert len(tshark(str(tmp_path / "x"), "frame.number")) == 2
    assert "eyJ" not in result.err and "s3cr" not in result.err and "refresh-" not in result.err, "a secret in the log"
    return result


def test_valid_token(ksniff, tmp_path, issuer, login):
    """It is used as it is: the issuer is not asked, nothing is written."""
    issuer.refresh = "first"
    token = issuer.mint(HOUR)
    config = login(token, "first")
    before = os.stat(config).st_mtime_ns
    captures(ksniff, tmp_path, config)
    assert not issuer.requests and os.stat(config).st_mtime_ns == before
    captures(ksniff, tmp_path, login(token))


@pytest.mark.parametrize("by_header", [True, False])
@pytest.mark.parametrize("old", ["expired", "about to expire", "none"])
def test_renewed_and_kept(ksniff, tmp_path, issuer, login, by_header, old):
    """As client-go does: expired means within ten seconds. Both tokens are written back, and good the next time."""
    issuer.refresh, issuer.by_header = "first", by_header
    config = login({"expired": issuer.mint(-HOUR), "about to expire": issuer.mint(9), "none": None}[old], "first")
    captures(ksniff, tmp_path, config)
    assert issuer.requests == ["describe"] + ["unknown client"] * (not by_header) + ["exchange"]
    token, refresh = tokens_in(config)
    assert refresh == issuer.refresh and refresh != "first"
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["exp"] > time.time()
    captures(ksniff, tmp_path, config)
    assert issuer.requests.count("exchange") == 1


def test_issuer_that_keeps_the_refresh_token(ksniff, tmp_path, issuer, login):
    issuer.refresh, issuer.rotates = "first", False
    config = login(issuer.mint(-HOUR), "first")
    captures(ksniff, tmp_path, config)
    assert tokens_in(config)[1] == "first"


def test_side_by_side_with_kubectl(sandbox, ksniff, tmp_path, issuer, login):
    """Each takes what the other has written, and both write the same."""
    def kubectl():
        done = subprocess.run(["kubectl", "--kubeconfig", config, "get", "pod", "web", "-o", "name"], env=sandbox.env,
                              stdout=subprocess.PIPE, timeout=GUARD, check=True)
        assert done.stdout == b"pod/web\n"

    def users():
        with open(config, encoding="utf-8") as file:
            user = yaml.safe_load(file)["users"][0]
        provider = user["user"]["auth-provider"]["config"]
        assert provider.pop("id-token").startswith("eyJ") and provider.pop("refresh-token") == issuer.refresh
        return user

    seen = []
    for first, second in ((lambda: captures(ksniff, tmp_path, config), kubectl),
                          (kubectl, lambda: captures(ksniff, tmp_path, config))):
        issuer.refresh = "first"
        issuer.requests.clear()
        config = login(issuer.mint(-HOUR), "first")
        first()
        second()
        assert issuer.requests.count("exchange") == 1
        seen.append(users())
    assert seen[0] == seen[1]


def test_expired_without_a_refresh_token(ksniff, tmp_path, issuer, login):
    words = "web", "-o", str(tmp_path / "x"), "--kubeconfig"
    error = ksniff.fail(*words, login(issuer.mint(-HOUR)))
    assert error.startswith('the id-token of user "ada" has expired (20') and "there is no refresh-token (log in again" in error
    error = ksniff.fail(*words, login())
    assert error.startswith('the auth-provider of user "ada" has neither an id-token nor a refresh-token (log in again')
    error = ksniff.fail(*words, login("opaque"))
    assert error.startswith('the id-token of user "ada" is no JSON Web Token (log in again')
    assert not issuer.requests


def test_issuer_that_refuses(ksniff, tmp_path, issuer, login):
    words = "web", "-o", str(tmp_path / "x"), "--kubeconfig"
    issuer.refresh = "other"
    old = issuer.mint(-HOUR)
    error = ksniff.fail(*words, login(old, "stolen"))
    assert error == f'the issuer "{issuer.url}" does not renew the token of user "ada": HTTP 400, invalid_grant: ' \
        r"Token \x1b[2J is not active (log in again)"
    assert tokens_in(tmp_path / "config") == (old, "stolen")
    issuer.refresh, issuer.gives_id = "first", False
    error = ksniff.fail(*words, login(old, "first"))
    assert error.startswith(f'the issuer "{issuer.url}" renews tokens without giving an id_token') and '"openid"' in error
    issuer.described = False
    error = ksniff.fail(*words, login(old, "first"))
    assert error.startswith(f'the issuer "{issuer.url}" has no /.well-known/openid-configuration')


def test_way_to_the_issuer(ksniff, tmp_path, issuer, login):
    """Its CA is its own or the system's, not the cluster's; proxies as for everything."""
    words = "web", "-o", str(tmp_path / "x"), "--kubeconfig"
    old = issuer.mint(-HOUR)
    config = login(old, "first", **{"idp-certificate-authority": None})
    error = ksniff.fail(*words, config)
    assert error.startswith(f'the certificate of the issuer "{issuer.url}" is not trusted: ')
    assert "check idp-certificate-authority" in error
    issuer.refresh = "first"
    captures(ksniff, tmp_path, config, env={"SSL_CERT_FILE": issuer.pki.ca})
    with open(issuer.pki.ca, "rb") as file:
        data = base64.b64encode(file.read()).decode()
    issuer.refresh = "first"
    captures(ksniff, tmp_path, login(old, "first", **{"idp-certificate-authority": "/nowhere",
                                                      "idp-certificate-authority-data": data}))
    error = ksniff.fail(*words, login(old, "first", **{"idp-issuer-url": "https://127.0.0.1:1/realm/"}))
    assert error.startswith('cannot renew the token of user "ada" at the issuer "https://127.0.0.1:1/realm/"')
    for token in (old, None):
        error = ksniff.fail(*words, login(token, "first", **{"idp-issuer-url": "https://issuer.invalid"}),
                            env={"HTTPS_PROXY": "ftp://nonsense"})
        assert error.startswith("the value of HTTPS_PROXY is no proxy's URL")
    with Proxy(403) as proxy:
        error = ksniff.fail(*words, login(old, "first", **{"idp-issuer-url": "https://issuer.invalid"}),
                            env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
        assert error.startswith(f'the proxy "http://127.0.0.1:{proxy.port}" does not let us through to the server '
                                '"https://issuer.invalid" (HTTP 403)')


def test_kubeconfig_that_cannot_be_written(ksniff, tmp_path, issuer, login):
    """A warning; and a lock that goes is waited for."""
    issuer.refresh = "first"
    old = issuer.mint(-HOUR)
    config = login(old, "first")
    (tmp_path / "config.lock").touch()
    result = captures(ksniff, tmp_path, config)
    assert 'WARN' in result.err and f'"{config}.lock" is there (remove it if no kubectl runs)' in result.err
    (tmp_path / "config.lock").unlink()
    assert tokens_in(config) == (old, "first")
    issuer.refresh = "first"
    (tmp_path / "config.lock").touch()
    process = ksniff.start("web", "--kubeconfig", config, "--count", "2", "-o", str(tmp_path / "x"))
    wait_until(lambda: issuer.requests.count("exchange") == 2, "the exchange")
    (tmp_path / "config.lock").unlink()
    err = process.communicate(timeout=GUARD)[1].decode()
    assert process.returncode == 0 and "WARN" not in err, err
    assert tokens_in(config)[1] == issuer.refresh


def test_renewed_by_another(sandbox, ksniff, tmp_path, issuer, login):
    """During a long capture: what kubectl has written meanwhile is used, and an old refresh token is not wasted."""
    issuer.refresh, issuer.lifetime = "first", 15  # valid for five seconds, by the margin
    config = login(issuer.mint(-HOUR), "first")
    with ksniff.capturing("web", "--kubeconfig", config, "--method", "upload", "-o", str(tmp_path / "x")) as process:
        wait_until(lambda: issuer.requests.count("exchange") >= 1, "the first renewal")
        wait_until(lambda: tokens_in(config)[1] == issuer.refresh, "its tokens in the file")
        issuer.refresh, issuer.lifetime = "another's", HOUR
        login(issuer.mint(HOUR), "another's")
        before = issuer.requests.count("exchange")
        time.sleep(6)
        sandbox.drop_streams()
        lines = process.head
        while "capturing again" not in lines:
            line = process.stderr.readline().decode()
            assert line, lines
            lines += line
        process.head = lines
        ksniff.stop(process)
    assert issuer.requests.count("exchange") == before
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_rejected_token(sandbox, ksniff, tmp_path, issuer, login):
    """A server whose clock is ahead does not take a token that looks good from here: it is renewed, once."""
    issuer.refresh = "first"
    stranger = f"{part({'alg': 'none'})}.{part({'exp': int(time.time()) + HOUR})}.c2ln"
    config = login(stranger, "first")
    captures(ksniff, tmp_path, config)
    assert issuer.requests.count("exchange") == 1
    error = ksniff.fail("web", "--kubeconfig", login(stranger), "-o", str(tmp_path / "x"))
    assert error.startswith(f'the server "{sandbox.server.removeprefix("https://")}" does not accept the credentials of user "ada"')


def test_interrupt(ksniff, tmp_path, issuer, login):
    """Ctrl-C while the issuer is slow."""
    issuer.refresh, issuer.delay = "first", GUARD
    process = ksniff.start("web", "--kubeconfig", login(issuer.mint(-HOUR), "first"), "-o", str(tmp_path / "x"))
    wait_until(lambda: issuer.requests, "the renewal")
    time.sleep(0.3)
    process.send_signal(2)
    err = process.communicate(timeout=GUARD)[1].decode()
    assert process.returncode == 130 and f'interrupted while waiting for the issuer "{issuer.url}"' in err, err
    issuer.delay = 0
