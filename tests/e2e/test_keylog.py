# SPDX-License-Identifier: Apache-2.0
"""--keylog: real TLS of openssl and curl, whose secrets go into the capture; tshark, which has no others, shows the
HTTP inside."""
import contextlib
import os
import signal
import subprocess

import pytest

from conftest import GUARD, in_netns, tshark, wait_until

PORT = 4433
HTTP = ["-d", f"tcp.port=={PORT},tls", "-o", "tls.keylog_file:", "-o", "http.desegment_body:FALSE"]
SHELL = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
DISTROLESS = {"name": "app", "image": "registry.local/distroless-http:1"}
VERSIONS = ("1.2", "1.3")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("tls") / "server.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=web", "-days", "2",
                    "-keyout", path + ".key", "-out", path], check=True, stderr=subprocess.DEVNULL)
    return path


def inside(sandbox, pod, path, container="app"):
    """Where a path of a container is for us."""
    return f"/proc/{sandbox.pod(pod)['containers'][container]['pid']}/root{path}"


@contextlib.contextmanager
def server(sandbox, pod, certificate, *words):
    """openssl's server of HTTP, in the pod's network."""
    with in_netns(sandbox.netns(pod)):
        process = subprocess.Popen(["openssl", "s_server", "-accept", str(PORT), "-cert", certificate, "-key",
                                    certificate + ".key", "-www", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while b"ACCEPT" not in process.stdout.readline():
        assert process.poll() is None
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(sandbox, client, pod, version, keylog=None):
    """curl asks, once; it writes its secrets here, if anywhere."""
    url = f"https://{sandbox.pod(pod)['ip']}:{PORT}/v{version}"
    with in_netns(sandbox.netns(client)):
        done = subprocess.run(["curl", "-sk", f"--tlsv{version}", "--tls-max", version, url], stdout=subprocess.PIPE, check=False,
                              timeout=GUARD, env={**os.environ, **({"SSLKEYLOGFILE": keylog} if keylog else {})})
    assert done.returncode == 0 and b"s_server" in done.stdout


def requests(path, *fields):
    return tshark(path, *fields, "http.request.uri", display="http.request", options=HTTP)


def check(path, times=1):
    """Both versions' requests and answers can be read, in one pass."""
    assert [row[-1] for row in requests(path)] == [f"/v{version}" for version in VERSIONS] * times
    assert len(tshark(path, "http.response.code", display="http.response", options=HTTP)) == 2 * times


@pytest.mark.parametrize("method, container, image", [
    ("upload", SHELL, ()), ("node", DISTROLESS, ()), ("ephemeral", SHELL, ("--image", "busybox"))],
    ids=["upload", "node", "ephemeral"])
def test_plain_text(sandbox, ksniff, certificate, tmp_path, method, container, image):
    """Of a file that is not there yet, in a container with a shell and in one without: by each method."""
    path = str(tmp_path / "x.pcapng")
    with sandbox.running_pod("tls", containers=[container]):
        keys = inside(sandbox, "tls", "/keys.log")
        with ksniff.capturing("tls", "--method", method, *image, "--keylog", "/keys.log", "-i", "eth0", "-o", path, "-vv") as process:
            with server(sandbox, "tls", certificate, "-keylogfile", keys):
                for version in VERSIONS:
                    ask(sandbox, "client", "tls", version)
            err = ksniff.stop(process)
        assert not sandbox.ours_in("tls") or method == "ephemeral"
        with open(keys, encoding="ascii") as file:
            secrets = [line.split()[2] for line in file if not line.startswith("#")]
    check(path)
    assert err.count("whoever has this capture can read") == 1 and '"/keys.log" is not there yet' in err
    with open(path, "rb") as file:
        data = file.read()
    assert secrets and all(data.count(secret.encode()) == 1 for secret in secrets)
    assert not any(secret in err for secret in secrets)
