# SPDX-License-Identifier: Apache-2.0
"""Whom the client believes who the server is, and by which name it asks for it."""
import base64
import json
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from conftest import BUILD, ROOT, Result, tshark
from test_proxy import Proxy, port_of

sys.path.insert(0, ROOT)
from sandbox.pki import Pki  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture
def without_ca(sandbox, tmp_path):
    """Makes a kubeconfig that leaves the server to the system's CAs, or to what is given."""
    def write(**cluster):
        with open(sandbox.kubeconfig, encoding="utf-8") as file:
            config = json.load(file)
        config["clusters"][0]["cluster"] = {"server": sandbox.server, **cluster}
        (tmp_path / "config").write_text(json.dumps(config))
        return str(tmp_path / "config")
    return write


@pytest.fixture
def other(tmp_path):
    os.mkdir(tmp_path / "pki")
    return Pki(str(tmp_path / "pki"))


def captures(ksniff, path, *words, **more):
    result = ksniff.run("web", "--count", "3", "-o", path, *words, **more)
    assert result.code == 0, result.err
    assert len(tshark(path, "frame.number")) == 3


def test_ssl_cert_file(sandbox, ksniff, tmp_path, without_ca, other):
    out = str(tmp_path / "x")
    error = ksniff.fail("web", "--kubeconfig", without_ca(), "-o", out)
    assert error.startswith(f'the certificate of the server "127.0.0.1:{port_of(sandbox)}" is not trusted: ')
    captures(ksniff, out, "--kubeconfig", without_ca(), env={"SSL_CERT_FILE": sandbox.ca})
    # Only the certificates of a file count, whatever else stands in it.
    mixed = tmp_path / "mixed"
    with open(sandbox.ca, encoding="ascii") as file, open(other.path("ca.key"), encoding="ascii") as key:
        mixed.write_text("My CAs:\n" + key.read() + "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n"
                         + file.read())
    captures(ksniff, out, "--kubeconfig", without_ca(), env={"SSL_CERT_FILE": str(mixed)})
    for path in (other.ca, "/nowhere", os.devnull):
        error = ksniff.fail("web", "--kubeconfig", without_ca(), "-o", out, env={"SSL_CERT_FILE": path})
        assert error.startswith("the certificate of the server ") and "SSL_CERT_FILE and SSL_CERT_DIR take the place" in error


def test_ssl_cert_dir(sandbox, ksniff, tmp_path, without_ca, other):
    """Folders between colons; their files need no hashed names."""
    for name in ("one", "two"):
        os.mkdir(tmp_path / name)
    shutil.copy(other.ca, tmp_path / "one" / "a.pem")
    shutil.copy(sandbox.ca, tmp_path / "two" / "whatever")
    (tmp_path / "two" / "README").write_text("no certificate")
    env = {"SSL_CERT_DIR": f"{tmp_path}/none:{tmp_path}/one:{tmp_path}/two"}
    captures(ksniff, str(tmp_path / "x"), "--kubeconfig", without_ca(), env=env)
    error = ksniff.fail("web", "--kubeconfig", without_ca(), "-o", str(tmp_path / "x"),
                        env={"SSL_CERT_DIR": f"{tmp_path}/one"})
    assert error.startswith("the certificate of the server ")


def test_ca_of_the_kubeconfig_wins(sandbox, ksniff, tmp_path, without_ca, other):
    """The right one needs no SSL_CERT_FILE, and a wrong one is not made good by it."""
    os.mkdir(tmp_path / "dir")
    shutil.copy(sandbox.ca, tmp_path / "dir" / "ca.pem")
    captures(ksniff, str(tmp_path / "x"), "--kubeconfig", without_ca(**{"certificate-authority": sandbox.ca}),
             env={"SSL_CERT_FILE": other.ca, "SSL_CERT_DIR": "/nowhere"})
    error = ksniff.fail("web", "--kubeconfig", without_ca(**{"certificate-authority": other.ca}), "-o", str(tmp_path / "x"),
                        env={"SSL_CERT_FILE": sandbox.ca, "SSL_CERT_DIR": str(tmp_path / "dir")})
    assert error.startswith("the certificate of the server ") and "check certificate-authority" in error


def with_system_cas(sandbox, folder, *words, env=None):
    """Runs the client where @folder lies over /etc/ssl/certs."""
    command = f'mount --bind {folder} /etc/ssl/certs && exec "$@"'
    return Result(subprocess.Popen(
        ["unshare", "-m", "sh", "-c", command, "sh", os.path.join(BUILD, "src", "kubectl-sniff"), *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**sandbox.env, **(env or {})}))


@pytest.mark.parametrize("form", ["bundle", "folder"])
def test_cas_of_the_system(sandbox, tmp_path, without_ca, other, form):
    """They count where nothing else is said, and not beside a kubeconfig's CA or what replaces them."""
    certs = tmp_path / "certs"
    certs.mkdir()
    # The CAs of both sandboxes have the same name: of two in one store, OpenSSL would look at one.
    other.issue("stranger", "stranger", "subjectAltName=DNS:stranger")
    stranger = other.path("stranger.crt")
    if form == "bundle":
        shutil.copy(sandbox.ca, certs / "ca-certificates.crt")
        replaced = {"SSL_CERT_FILE": stranger}
    else:
        shutil.copy(sandbox.ca, certs / "sandbox.pem")
        subprocess.run(["openssl", "rehash", str(certs)], check=True)
        shutil.copy(stranger, certs / "ca-certificates.crt")
        os.mkdir(tmp_path / "dir")
        shutil.copy(stranger, tmp_path / "dir" / "stranger.pem")
        replaced = {"SSL_CERT_DIR": str(tmp_path / "dir")}
    words = "web", "--count", "1", "-o", str(tmp_path / "x"), "--kubeconfig"
    result = with_system_cas(sandbox, certs, *words, without_ca())
    assert result.code == 0, result.err
    for cluster, env in (({}, replaced), ({"certificate-authority": stranger}, {})):
        result = with_system_cas(sandbox, certs, *words, without_ca(**cluster), env=env)
        assert result.code == 1 and "error: the certificate of the server " in result.err, (cluster, result.err)
    # Each replaces only its own half.
    kept = {"SSL_CERT_DIR": "/nowhere"} if form == "bundle" else {"SSL_CERT_FILE": stranger}
    result = with_system_cas(sandbox, certs, *words, without_ca(), env=kept)
    assert result.code == 0, result.err


class Gateway:
    """Stands before the API server at the scheme's own port, and knows it only by its exact name."""

    def __init__(self, sandbox, scheme, context):
        self.sandbox, self.context, self.hosts = sandbox, context, []
        while True:
            self.address = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
            try:
                self.listener = socket.create_server((self.address, 443 if scheme == "https" else 80))
                break
            except OSError:
                continue
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()
        except OSError:
            pass

    def serve(self, client):
        try:
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            with client:
                self.pass_on(client)
        except OSError:
            pass

    def pass_on(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return
            head += data
        host = re.search(rb"\r\nHost: ([^\r]*)\r\n", head)[1].decode()
        self.hosts.append(host)
        if host != self.address:
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        token = self.sandbox.tokens["sandbox-token"].encode()
        head = re.sub(rb"\r\n(Authorization: [^\r]*\r\n)?", b"\r\nAuthorization: Bearer " + token + b"\r\nConnection: close\r\n"
                      if b"Upgrade:" not in head else b"\r\nAuthorization: Bearer " + token + b"\r\n", head, count=1)
        with socket.create_connection(("127.0.0.1", port_of(self.sandbox))) as raw, \
                self.sandbox.tls.wrap_socket(raw, server_hostname="127.0.0.1") as server:
            server.sendall(head)
            Proxy.join(client, server)


@pytest.mark.parametrize("scheme, written", [("https", ""), ("https", ":443"), ("http", ""), ("http", ":80")])
def test_gateway_that_matches_the_host(sandbox, ksniff, tmp_path, other, scheme, written):
    """As in a browser, the scheme's own port is no part of the name: in requests and in the upgrade."""
    gateway = Gateway(sandbox, scheme, None)
    other.issue("gateway", "gateway", f"subjectAltName=IP:{gateway.address}")
    if scheme == "https":
        gateway.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        gateway.context.load_cert_chain(other.path("gateway.crt"), other.path("gateway.key"))
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
              "contexts": [{"name": "c", "context": {"cluster": "c"}}],
              "clusters": [{"name": "c", "cluster": {"server": f"{scheme}://{gateway.address}{written}"}}]}
    if scheme == "https":
        with open(other.ca, "rb") as file:
            config["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(file.read()).decode()
    (tmp_path / "config").write_text(json.dumps(config))
    with gateway.listener:
        captures(ksniff, str(tmp_path / "x"), "--kubeconfig", str(tmp_path / "config"))
    assert len(gateway.hosts) > 1 and set(gateway.hosts) == {gateway.address}
