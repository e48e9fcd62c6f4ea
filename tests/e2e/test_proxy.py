# SPDX-License-Identifier: Apache-2.0
"""Proxies: of the kubeconfig and of the environment, as kubectl takes them, and what goes wrong at one."""
import base64
import contextlib
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
import threading

import pytest

from conftest import ROOT, leftovers, tshark, wait_until

sys.path.insert(0, ROOT)
from sandbox.pki import Pki  # noqa: E402  pylint: disable=wrong-import-position


class Proxy:
    """A proxy on loopback: HTTP CONNECT or SOCKS5 with names, whichever the client speaks.

    code: what it answers to CONNECT with; login: "user:password" it wants; context: it speaks TLS."""

    def __init__(self, code=200, login=None, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.targets, self.code, self.login, self.context = [], code, login, context
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client:
            if self.context:
                self.over_tls(client)
            else:
                self.relay(client)

    def over_tls(self, client):
        """TLS is taken off by a second connection to ourselves, so that relay() need not know of it."""
        with self.context.wrap_socket(client, server_side=True) as inner:
            here, there = socket.socketpair()
            threading.Thread(target=self.relay_quietly, args=(there,), daemon=True).start()
            with here:
                self.join(inner, here)

    def relay_quietly(self, client):
        with contextlib.suppress(OSError), client:
            self.relay(client)

    def relay(self, client):
        first = client.recv(1, socket.MSG_PEEK)
        target = (self.socks if first == b"\x05" else self.connect)(client)
        if not target:
            return
        self.targets.append(target)
        with socket.create_connection(("127.0.0.1", target[1])) as server:
            self.join(client, server)

    @staticmethod
    def join(one, other):
        pair = {one: other, other: one}
        while True:
            # What TLS has decrypted already does not show in select(), and not all that shows is data.
            pending = [end for end in pair if isinstance(end, ssl.SSLSocket) and end.pending()]
            for ready in pending or select.select(list(pair), [], [])[0]:
                ready.setblocking(False)
                try:
                    data = ready.recv(65536)
                except (ssl.SSLWantReadError, BlockingIOError):
                    continue
                finally:
                    ready.setblocking(True)
                if not data:
                    return
                pair[ready].sendall(data)

    def connect(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(4096)
            if not data:
                return None
            head += data
            if not head[:1].isalpha():  # TLS, for instance
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return None
        code = self.code
        if self.login and b"Basic " + base64.b64encode(self.login.encode()) not in head:
            code = 407
        if code != 200:
            client.sendall(f"HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n".encode())
            return None
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        host, port = re.match(rb"CONNECT (\S+):(\d+) ", head).groups()
        return host.decode(), int(port)

    def socks(self, client):
        _, count = client.recv(2)
        client.recv(count)
        client.sendall(b"\x05\x00")
        _, _, _, kind = client.recv(4)
        host = client.recv(client.recv(1)[0]) if kind == 3 else client.recv(4)
        port = struct.unpack(">H", client.recv(2))[0]
        client.sendall(b"\x05" + bytes([0 if self.code == 200 else 2]) + b"\x00\x01\x00\x00\x00\x00\x00\x00")
        if self.code != 200:
            return None
        return host.decode() if kind == 3 else socket.inet_ntoa(host), port


@pytest.fixture
def proxy():
    with Proxy() as running:
        yield running


@pytest.fixture
def far(sandbox, tmp_path):
    """Makes a kubeconfig whose server's name the proxy alone can resolve, and which is not on loopback."""
    def write(name="cluster.invalid", **cluster):
        with open(sandbox.kubeconfig, encoding="utf-8") as file:
            config = json.load(file)
        config["clusters"][0]["cluster"].update({"server": f"https://{name}:{port_of(sandbox)}",
                                                 "tls-server-name": "kubernetes", **cluster})
        (tmp_path / "config").write_text(json.dumps(config))
        return str(tmp_path / "config")
    return write


def port_of(sandbox):
    return int(sandbox.server.rsplit(":", 1)[1])


def captures(ksniff, path, *words, **more):
    result = ksniff.run("web", "--count", "3", "-o", path, *words, **more)
    assert result.code == 0, result.err
    assert len(tshark(path, "frame.number")) == 3
    return result


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("source", ["proxy-url", "HTTPS_PROXY", "https_proxy"])
def test_proxy(sandbox, ksniff, tmp_path, proxy, far, scheme, source):
    """Requests and streams go through it; it resolves the name of the server."""
    url = f"{scheme}://127.0.0.1:{proxy.port}"
    config = far(**{"proxy-url": url} if source == "proxy-url" else {})
    env = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*"} if source == "proxy-url" else {source: url}
    captures(ksniff, str(tmp_path / "x"), "--kubeconfig", config, env=env)
    # The exec has a connection of its own; the other requests share some.
    assert 2 <= len(proxy.targets) <= 8 and set(proxy.targets) == {("cluster.invalid", port_of(sandbox))}


def test_environment_without_a_scheme(ksniff, tmp_path, proxy, far):
    captures(ksniff, str(tmp_path / "x"), "--kubeconfig", far(), env={"HTTPS_PROXY": f"127.0.0.1:{proxy.port}"})
    assert proxy.targets


def test_never_for_loopback(ksniff, tmp_path, proxy):
    """kind, minikube and k3d listen there: as kubectl, whatever the environment says."""
    url = f"http://127.0.0.1:{proxy.port}"
    env = {name: url for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")}
    captures(ksniff, str(tmp_path / "x"), env=env)
    assert not proxy.targets


def test_all_proxy_is_not_read(ksniff, tmp_path, proxy, far):
    env = {"ALL_PROXY": f"http://127.0.0.1:{proxy.port}", "all_proxy": f"http://127.0.0.1:{proxy.port}"}
    error = ksniff.fail("web", "--kubeconfig", far(), "-o", str(tmp_path / "x"), env=env)
    assert error.startswith('cannot resolve the host of the server "cluster.invalid:')
    assert not proxy.targets


@pytest.mark.parametrize("entry", ["*", "cluster.invalid", "cluster.invalid:PORT", ".invalid", "a.test, INVALID"])
def test_no_proxy(sandbox, ksniff, tmp_path, proxy, far, entry):
    """A server that is left out is gone to directly, which fails here: nobody but the proxy knows its name."""
    env = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
    others = f"sub.cluster.invalid,cluster.invalid:{port_of(sandbox) + 1},.cluster.invalid,10.0.0.0/8"
    captures(ksniff, str(tmp_path / "x"), "--kubeconfig", far(), env={**env, "NO_PROXY": others})
    used = len(proxy.targets)
    assert used
    for name in ("NO_PROXY", "no_proxy"):
        error = ksniff.fail("web", "--kubeconfig", far(), "-o", str(tmp_path / "y"),
                            env={**env, name: entry.replace("PORT", str(port_of(sandbox)))})
        assert error.startswith('cannot resolve the host of the server "cluster.invalid:')
    assert len(proxy.targets) == used


REFUSALS = [
    (407, 'the proxy "http://127.0.0.1:PORT" wants a user name and password, and HTTPS_PROXY has none (HTTP 407)',
     "http://USER:PASSWORD@HOST:PORT"),
    (403, 'the proxy "http://127.0.0.1:PORT" does not let us through to the server "cluster.invalid:SERVER" (HTTP 403)',
     "check HTTPS_PROXY; NO_PROXY names"),
    (502, 'the proxy "http://127.0.0.1:PORT" cannot reach the server "cluster.invalid:SERVER" (HTTP 502)',
     "check HTTPS_PROXY; NO_PROXY names"),
    (503, 'the proxy "http://127.0.0.1:PORT" cannot reach the server', "check HTTPS_PROXY"),
]


@pytest.mark.parametrize("code, says, remedy", REFUSALS)
def test_proxy_that_refuses(sandbox, ksniff, tmp_path, far, code, says, remedy):
    with Proxy(code) as proxy:
        error = ksniff.fail("web", "--kubeconfig", far(), "-o", str(tmp_path / "x"),
                            env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
        says = says.replace("PORT", str(proxy.port)).replace("SERVER", str(port_of(sandbox)))
        assert error.startswith(says) and remedy in error


def test_proxy_of_a_server_without_tls(ksniff, tmp_path, far):
    """HTTP_PROXY it is then, and requests need no CONNECT."""
    with Proxy(407) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        config = far(server="http://cluster.invalid:8080")
        error = ksniff.fail("web", "--kubeconfig", config, "-o", str(tmp_path / "x"), env={"HTTP_PROXY": url})
        assert error.startswith(f'the proxy "{url}" wants a user name and password, and HTTP_PROXY has none (HTTP 407)')
        error = ksniff.fail("web", "--kubeconfig", config, "-o", str(tmp_path / "x"), env={"HTTPS_PROXY": url})
        assert error.startswith('cannot resolve the host of the server "cluster.invalid:8080"')
        error = ksniff.fail("web", "--kubeconfig", config, "-o", str(tmp_path / "x"),
                            env={"http_proxy": url, "REQUEST_METHOD": "GET"})
        assert error.startswith("http_proxy is not obeyed in a CGI program")


def test_proxy_that_refuses_the_stream_alone(sandbox, ksniff, tmp_path, far):
    """It is named too where the request went well and the exec does not."""
    with Proxy() as proxy:
        allow, connect = [None], proxy.connect

        def once(client):
            proxy.code = 403 if not allow else 200
            allow[:1] = []
            return connect(client)
        proxy.connect = once
        result = ksniff.run("web", "--kubeconfig", far(), "--method", "upload", "-o", str(tmp_path / "x"),
                            env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
        assert result.code == 1
        assert f'the proxy "http://127.0.0.1:{proxy.port}" does not let us through to the server' in result.err
    assert not leftovers(sandbox)


def test_socks_proxy_that_refuses(sandbox, ksniff, tmp_path, far):
    with Proxy(403) as proxy:
        error = ksniff.fail("web", "--kubeconfig", far(**{"proxy-url": f"socks5://127.0.0.1:{proxy.port}"}),
                            "-o", str(tmp_path / "x"))
        assert error.startswith(f'the proxy "socks5://127.0.0.1:{proxy.port}" does not let us through to the server '
                                f'"cluster.invalid:{port_of(sandbox)}"')
        assert "check proxy-url of the cluster in the kubeconfig" in error


def test_proxy_with_a_login(ksniff, tmp_path, far):
    """User name and password go to the proxy, and into no message."""
    with Proxy(login="ada:s3cr/t") as proxy:
        def env(password):
            return {"HTTPS_PROXY": f"http://ada:{password}@127.0.0.1:{proxy.port}"}
        result = captures(ksniff, str(tmp_path / "x"), "-vv", "--kubeconfig", far(), env=env("s3cr%2Ft"))
        assert proxy.targets and "s3cr" not in result.err and "YWRh" not in result.err
        error = ksniff.fail("web", "--kubeconfig", far(), "-o", str(tmp_path / "x"), "-vv", env=env("wr0ng"))
        assert error.startswith(f'the proxy "http://127.0.0.1:{proxy.port}" does not take the user name and password of '
                                'HTTPS_PROXY (HTTP 407)')
        assert "wr0ng" not in error and "ada" not in error


def test_proxy_that_is_not_there(ksniff, tmp_path, far):
    def fails(**more):
        return ksniff.fail("web", "--kubeconfig", far(**more.pop("cluster", {})), "-o", str(tmp_path / "x"), **more)
    error = fails(cluster={"proxy-url": "http://ada:secret@no-such-proxy.invalid:3128"})
    assert error == 'cannot resolve the host of the proxy "http://no-such-proxy.invalid:3128" (check proxy-url of the ' \
        "cluster in the kubeconfig)"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = fails(env={"https_proxy": f"http://ada:secret@127.0.0.1:{port}"})
    assert error == f'connection to the proxy "http://127.0.0.1:{port}" was refused (check https_proxy; NO_PROXY names ' \
        "the servers that are reached without it)"
    error = fails(env={"HTTPS_PROXY": "ftp://ada:secret@127.0.0.1:21"})
    assert error.startswith("the value of HTTPS_PROXY is no proxy's URL (write it as http://")


def test_proxy_that_is_silent(ksniff, tmp_path, far):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        error = ksniff.fail("web", "--kubeconfig", far(), "--request-timeout", "1s", "-o", str(tmp_path / "x"),
                            env={"HTTPS_PROXY": url})
        assert error.startswith(f'no answer from the proxy "{url}" in time')


def tls_context(pki):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.path("proxy.crt"), pki.path("proxy.key"))
    return context


def test_proxy_over_tls_with_its_own_ca(sandbox, ksniff, tmp_path, far):
    """Its certificate is the system's to judge, or SSL_CERT_FILE's, not only the cluster's; a fault is told as its own."""
    os.mkdir(tmp_path / "pki")
    pki = Pki(str(tmp_path / "pki"))
    pki.issue("proxy", "proxy", "subjectAltName=IP:127.0.0.1")
    with Proxy(context=tls_context(pki)) as proxy:
        url = f"https://127.0.0.1:{proxy.port}"
        error = ksniff.fail("web", "--kubeconfig", far(), "-o", str(tmp_path / "x"), env={"HTTPS_PROXY": url})
        assert error.startswith(f'the certificate of the proxy "{url}" is not trusted: ') and "SSL_CERT_FILE" in error
        assert not proxy.targets
        for source in ({"HTTPS_PROXY": url}, {}):
            config = far(**{} if source else {"proxy-url": url})
            captures(ksniff, str(tmp_path / "x"), "--kubeconfig", config, env={**source, "SSL_CERT_FILE": pki.ca})
            assert set(proxy.targets) == {("cluster.invalid", port_of(sandbox))}
    # What is not a proxy of TLS.
    with Proxy() as proxy:
        error = ksniff.fail("web", "--kubeconfig", far(), "-o", str(tmp_path / "x"),
                            env={"HTTPS_PROXY": f"https://127.0.0.1:{proxy.port}"})
        assert error.startswith(f'no TLS connection to the proxy "https://127.0.0.1:{proxy.port}"')


def test_proxy_over_tls_with_the_clusters_ca(sandbox, ksniff, tmp_path, far):
    """kubectl takes it: it judges proxy and server alike."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(sandbox.dir, "server.crt"), os.path.join(sandbox.dir, "server.key"))
    with Proxy(context=context) as proxy:
        for more in ({}, {"SSL_CERT_FILE": "/nowhere", "SSL_CERT_DIR": "/nowhere"}):
            captures(ksniff, str(tmp_path / "x"), "--kubeconfig", far(),
                     env={"HTTPS_PROXY": f"https://127.0.0.1:{proxy.port}", **more})
        assert proxy.targets


def test_proxy_that_intercepts(sandbox, ksniff, tmp_path, far):
    """It puts a certificate of its own CA in the server's place: the message says that it may have."""
    os.mkdir(tmp_path / "pki")
    pki = Pki(str(tmp_path / "pki"))
    pki.issue("proxy", "kubernetes", "subjectAltName=DNS:kubernetes,DNS:cluster.invalid")

    class Interceptor(Proxy):
        def join(self, one, other):
            upstream = ssl.create_default_context(cafile=sandbox.ca)
            with tls_context(pki).wrap_socket(one, server_side=True) as inner, \
                    upstream.wrap_socket(other, server_hostname="kubernetes") as outer:
                Proxy.join(inner, outer)

    with Interceptor() as proxy:
        env = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        error = ksniff.fail("web", "--kubeconfig", far(), "-o", str(tmp_path / "x"), env=env)
        assert error.startswith('the certificate of the server "cluster.invalid:')
        assert f'does the proxy "http://127.0.0.1:{proxy.port}" put its own in its place?' in error
        # The CA of the proxy, in the kubeconfig or, where that has none, in SSL_CERT_FILE.
        token = {"user": {"token": sandbox.tokens["sandbox-token"]}}
        for cluster, more in (({"certificate-authority": pki.ca}, {}),
                              ({"certificate-authority-data": None}, {"SSL_CERT_FILE": pki.ca})):
            config = far(**{"certificate-authority-data": None, **cluster})
            with open(config, encoding="utf-8") as file:
                whole = json.load(file)
            whole["users"][0].update(token)
            with open(config, "w", encoding="utf-8") as file:
                json.dump(whole, file)
            captures(ksniff, str(tmp_path / "x"), "--kubeconfig", config, env={**env, **more})


def test_end(sandbox):
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")
