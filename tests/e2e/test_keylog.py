# SPDX-License-Identifier: Apache-2.0
"""--keylog: real TLS of openssl and curl, whose secrets go into the capture; tshark, which has no others, shows the
HTTP inside."""
import contextlib
import os
import subprocess

import pytest

from conftest import GUARD, in_netns, tshark

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


def ask_by_s_client(sandbox, client, pod, version):
    address = f"{sandbox.pod(pod)['ip']}:{PORT}"
    with in_netns(sandbox.netns(client)):
        done = subprocess.run(["openssl", "s_client", "-connect", address, "-quiet", "-tls" + version.replace(".", "_")],
                              input=f"GET /v{version} HTTP/1.0\r\n\r\n".encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=GUARD, check=False)
    assert b"HTTP/1.0 200" in done.stdout


@pytest.mark.parametrize("method", ["upload", "node"])
def test_on_a_volume_that_another_container_shares(sandbox, ksniff, certificate, tmp_path, method):
    """One container writes the key log into an emptyDir, and it is read in another. Both ends are openssl's."""
    path, volume = str(tmp_path / "x.pcapng"), [{"name": "keys", "emptyDir": {}}]
    containers = [{**SHELL, "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]},
                  {**SHELL, "name": "beside", "volumeMounts": [{"name": "keys", "mountPath": "/out"}]}]
    with sandbox.running_pod("tls", containers=containers, volumes=volume):
        words = ["tls", "-c", "beside", "--method", method, "--keylog", "/out/keys.log", "-i", "eth0", "-o", path]
        with ksniff.capturing(*words) as process:
            with server(sandbox, "tls", certificate, "-keylogfile", inside(sandbox, "tls", "/keys/keys.log")):
                for version in VERSIONS:
                    ask_by_s_client(sandbox, "client", "tls", version)
            ksniff.stop(process)
    check(path)


def test_live(sandbox, ksniff, certificate):
    """In tshark at the end of a pipe, while the capture runs: by the secrets of the client, which is curl."""
    with ksniff.capturing("client", "--keylog", "/tmp/keys", "-i", "eth0", "-f", f"tcp port {PORT}", "-o", "-",
                          stdout=subprocess.PIPE) as process:
        reader = subprocess.Popen(["tshark", "-l", "-n", *HTTP, "-i", "-", "-Y", "http.request", "-T", "fields", "-e",
                                   "http.request.uri"], stdin=process.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with server(sandbox, "web", certificate):
            for version in VERSIONS:
                ask(sandbox, "client", "web", version, inside(sandbox, "client", "/tmp/keys", "client"))
                assert reader.stdout.readline().decode() == f"/v{version}\n"
        ksniff.stop(process)
        assert reader.wait(timeout=GUARD) == 0 and not reader.stdout.read()


def test_each_target_its_own_and_each_file_complete(sandbox, ksniff, certificate, tmp_path):
    """Two pods that are asked by the same client; a cut stream; files that follow each other, the last of which has what
    the first needs."""
    with sandbox.running_pod("tls-a", containers=[SHELL]), sandbox.running_pod("tls-b", containers=[SHELL]):
        with ksniff.capturing("tls-a", "tls-b", "--keylog", "/keys", "-i", "eth0", "--rotate-size", "40k", "-o",
                              str(tmp_path / "%p-%i.pcapng")) as process:
            for pod in ("tls-a", "tls-b"):
                with server(sandbox, pod, certificate, "-keylogfile", inside(sandbox, pod, "/keys")):
                    for version in VERSIONS:
                        ask(sandbox, "client", pod, version)
            sandbox.drop_streams()
            for pod in ("tls-a", "tls-b"):
                ksniff.read_until(process, "capturing again")
            for pod in ("tls-a", "tls-b"):
                with server(sandbox, pod, certificate, "-keylogfile", inside(sandbox, pod, "/keys")):
                    for _ in range(3):
                        for version in VERSIONS:
                            ask(sandbox, "client", pod, version)
            ksniff.stop(process)
        keys = {}
        for pod in ("tls-a", "tls-b"):
            with open(inside(sandbox, pod, "/keys"), encoding="ascii") as file:
                keys[pod] = {row.split()[2].encode() for row in file if not row.startswith("#")}
    for pod, other in (("tls-a", "tls-b"), ("tls-b", "tls-a")):
        paths = sorted(path for path in os.listdir(tmp_path) if path.startswith(pod))
        assert len(paths) > 1
        seen = []
        for path in paths:
            with open(tmp_path / path, "rb") as file:
                data = file.read()
            assert len(data) <= 40 << 10 and not any(secret in data for secret in keys[other])
            assert all(data.count(secret) <= 1 for secret in keys[pod])
            seen.append({secret for secret in keys[pod] if secret in data})
            requests(str(tmp_path / path))
        assert all(before <= after for before, after in zip(seen, seen[1:])) and seen[-1] == keys[pod]


def test_links_lead_nowhere_else(sandbox, ksniff, tmp_path):
    """From the helper pod, whose file system is another, and whose rights are larger: a link of the container's that
    means the node's root, and a file that is its user's alone, which is read."""
    secret = "CLIENT_RANDOM " + "ab" * 32 + " " + "cd" * 48
    outside = tmp_path / "keys"
    outside.write_text(secret + "\n", encoding="ascii")
    path = str(tmp_path / "x.pcapng")
    with sandbox.running_pod("tls", containers=[DISTROLESS]):
        os.symlink("../../../../../.." + str(outside), inside(sandbox, "tls", "/link"))
        with open(inside(sandbox, "tls", "/own"), "w", encoding="ascii") as file:
            file.write(secret.replace("ab", "ef") + "\n")
        os.chown(file.name, 1234, 1234)
        os.chmod(file.name, 0o400)
        for name, found in (("/link", False), ("/own", True)):
            with ksniff.capturing("tls", "-p", "--keylog", name, "-o", path) as process:
                err = ksniff.stop(process)
            with open(path, "rb") as file:
                data = file.read()
            assert secret.encode() not in data and (b"ef" * 32 in data) == found, err
            assert ("no secret of TLS has come" in err) != found


def test_what_cannot_be_read_is_told(sandbox, ksniff, tmp_path):
    with ksniff.capturing("web", "--keylog", "/tmp", "-o", str(tmp_path / "x.pcapng")) as process:
        err = ksniff.stop(process)
    assert err.count("the key log '/tmp' is not read") == 1 and "this is no regular file" in err
    result = ksniff.run("web", "--keylog", "/keys", "-o", str(tmp_path / "x.pcap"), "--duration", "1")
    assert result.code == 0 and "a pcap file holds no secrets of TLS" in result.err and "whoever has" not in result.err
