# SPDX-License-Identifier: Apache-2.0
"""`make dist`: what is in the archives, that it is the same each time, and that the program runs anywhere."""
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading

import pytest

import systems
from conftest import GUARD, ROOT, Result, in_netns, tshark
from dns import NameServer
from documents import DOCUMENTS, dead_links

BUILD_GUARD = 60 * GUARD  # all libraries, where nothing is kept yet
VERSION = "0.1.0"
LINUX = {"x86_64-linux-musl": "linux_amd64", "aarch64-linux-musl": "linux_arm64"}
LIBRARIES = {"zlib", "libzstd", "lz4", "jansson", "libyaml", "libpcap", "wslay", "c-ares", "openssl", "curl", "musl", "zig"}
COMPLETIONS = {"completions/kubectl-sniff.bash", "completions/_kubectl-sniff", "completions/kubectl-sniff.fish"}
LARGEST = 8 << 20
VIEWER = [{"verbs": ["get", "list", "watch"], "resources": ["pods"]}]


def build(top, out, targets=()):
    words = [f"DIST_TARGETS={' '.join(targets)}"] if targets else []
    done = subprocess.run(["make", "-C", top, "--no-print-directory", "dist", f"DIST={out}", *words], text=True, check=False,
                          timeout=BUILD_GUARD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return out


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """What make dist makes, and where each archive is unpacked: {"linux_amd64": directory, ...}."""
    out = build(ROOT, tmp_path_factory.mktemp("dist"))
    places = {}
    for name in LINUX.values():
        with tarfile.open(out / f"kubectl-sniff_{VERSION}_{name}.tar.gz") as archive:
            archive.extractall(out / "unpacked")
        places[name] = out / "unpacked" / f"kubectl-sniff_{VERSION}_{name}"
    return out, places


@pytest.fixture(scope="module")
def program(dist):
    return str(dist[1]["linux_amd64"] / "kubectl-sniff")


def commit_time():
    return int(subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], check=True, text=True, stdout=subprocess.PIPE).stdout)


def test_what_is_in_the_archives(dist):
    """Program, license, man page, completions, the manual with the roles, and the licenses of the libraries, and nothing else; of
    root, and of the commit's time."""
    out, places = dist
    licenses = {f"licenses/{library}" for library in LIBRARIES}
    for name in LINUX.values():
        with tarfile.open(out / f"kubectl-sniff_{VERSION}_{name}.tar.gz") as archive:
            members = {member.name.removeprefix(f"kubectl-sniff_{VERSION}_{name}/"): member for member in archive.getmembers()}
        assert {"kubectl-sniff", "kubectl_complete-sniff", "kubectl-sniff.1", "LICENSE"} | DOCUMENTS | COMPLETIONS | licenses == set(members)
        assert not list(dead_links(places[name]))
        assert {member.mtime for member in members.values()} == {commit_time()}
        assert {(member.uid, member.gid, member.uname, member.gname) for member in members.values()} == {(0, 0, "root", "root")}
        assert {path for path, member in members.items() if member.mode == 0o755} == {"kubectl-sniff", "kubectl_complete-sniff"}
        assert {member.mode for member in members.values()} == {0o755, 0o644}
        assert all("kubectl-sniff" in (places[name] / path).read_text(encoding="utf-8") for path in COMPLETIONS)
        for library in LIBRARIES:
            assert "opyright" in (places[name] / "licenses" / library).read_text(encoding="utf-8")
        assert "Apache License" in (places[name] / "LICENSE").read_text(encoding="utf-8")
        assert (places[name] / "kubectl-sniff.1").read_text(encoding="utf-8").startswith(".TH KUBECTL")


def test_the_agents(dist):
    """All six, and their recorders, are inside of the program, byte for byte those of the archive that a build elsewhere embeds."""
    out, places = dist
    with tarfile.open(out / f"ksniff-agents_{VERSION}.tar.gz") as archive:
        agents = {name: archive.extractfile(name).read() for name in archive.getnames() if "/ksniff-" in name}
    for program in ("ksniff-agent", "ksniff-recorder"):
        assert {name.rpartition("-")[2] for name in agents if f"/{program}-" in name} == {"amd64", "arm64", "arm", "riscv64", "ppc64le", "s390x"}
    for place in places.values():
        program = (place / "kubectl-sniff").read_bytes()
        assert [name for name, agent in agents.items() if agent not in program] == []


def test_sums(dist):
    """SHA256SUMS names each archive and nothing else, as sha256sum reads it."""
    out, _ = dist
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    named = {line.split("  ")[1] for line in (out / "SHA256SUMS").read_text(encoding="ascii").splitlines()}
    assert named == {path.name for path in out.glob("*.tar.gz")} and f"kubectl-sniff-{VERSION}.tar.gz" in named


def compiled_anew(directory, *patterns):
    """Has these files of a build made once more, by the compiler and not from what ccache keeps: they are the same."""
    before = {path: path.read_bytes() for pattern in patterns for path in directory.glob(pattern)}
    assert len(before) >= 2
    for path in before:
        path.unlink()
    subprocess.run(["ninja", "-C", directory, *(path.relative_to(directory) for path in before)], check=True, timeout=BUILD_GUARD,
                   env={**os.environ, "CCACHE_DISABLE": "1"}, stdout=subprocess.DEVNULL)
    assert [path for path, data in before.items() if path.read_bytes() != data] == []


def test_the_same_bytes_in_another_directory(dist, tmp_path):
    """Built again from the archive of the source, elsewhere: the same archive, bit by bit. What the first build has compiled may
    come from ccache, which knows it by all that goes in; so that of some it is asked what comes out."""
    if subprocess.run(["git", "-C", ROOT, "diff", "--quiet", "HEAD"], check=False).returncode:
        pytest.skip("there are changes that are not committed, and so not in the archive of the source")
    out, _ = dist
    with tarfile.open(out / f"kubectl-sniff-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path)
    source = tmp_path / f"kubectl-sniff-{VERSION}"
    again = build(source, tmp_path / "again", ["x86_64-linux-musl"])
    for name in (f"kubectl-sniff_{VERSION}_linux_amd64.tar.gz", f"ksniff-agents_{VERSION}.tar.gz"):
        assert hashlib.sha256((again / name).read_bytes()).digest() == hashlib.sha256((out / name).read_bytes()).digest()
    compiled_anew(source / "build-agents", "agent/ksniff-agent-amd64", "agent/ksniff-agent-s390x")  # musl-dev's, and musl of our own
    compiled_anew(source / "build-dist" / "linux_amd64", "src/libksniff.a.p/kube_*.c.o")


def test_agents_from_elsewhere(tmp_path):
    """make dist, deb and rpm take ready-made agents by a directory, and build none then."""
    said = subprocess.run(["make", "-C", ROOT, "-n", "dist", "deb", "rpm", "AGENTS=./mine"], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert "packaging/dist/build dist ./mine x86_64-linux-musl" in said and "build-agents" not in said
    assert "make-deb build-packages HEAD ./mine\n" in said and "make-rpm build-packages HEAD ./mine\n" in said
    done = subprocess.run([os.path.join(ROOT, "packaging", "agents-for"), ROOT, tmp_path, tmp_path], text=True, check=False, stderr=subprocess.PIPE)
    assert done.returncode == 1 and f"no agent is in '{tmp_path}'" in done.stderr


def test_it_needs_no_library(dist):
    """No library, no loader; at addresses that differ each time; and the file for amd64 is small."""
    for name, place in dist[1].items():
        said = subprocess.run(["readelf", "-hld", place / "kubectl-sniff"], check=True, text=True, stdout=subprocess.PIPE).stdout
        assert "NEEDED" not in said and "INTERP" not in said
        assert "DYN (" in said and {"linux_amd64": "X86-64", "linux_arm64": "AArch64"}[name] in said
    assert os.path.getsize(dist[1]["linux_amd64"] / "kubectl-sniff") < LARGEST


def run_inside(sandbox, root, directory, program, *words, kubeconfig=None, env=None, under=()):
    """Runs the program in a root, where its files are in /mnt."""
    shutil.copy(program, directory / "kubectl-sniff")
    shutil.copy(kubeconfig or sandbox.kubeconfig, directory / "config")
    return Result(subprocess.Popen([*under, *systems.inside(root, directory, "/mnt/kubectl-sniff", *words)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={"PATH": os.environ["PATH"], "KUBECONFIG": "/mnt/config", **(env or {})}))


def captures(sandbox, root, directory, program, *words, **more):
    """It captures there what the pod web sends and gets."""
    result = run_inside(sandbox, root, directory, program, "web", "--count", "5", "-f", "tcp port 8080", "-o", "/mnt/x.pcapng.gz", *words, **more)
    assert result.code == 0, result.err
    rows = tshark(str(directory / "x.pcapng.gz"), "ip.src", "ip.dst", "frame.interface_name")
    assert len(rows) == 5 and all(sandbox.pod("web")["ip"] in row[:2] for row in rows)


@pytest.mark.parametrize("suite", ["bullseye", "trixie", "jammy"])
def test_captures_in_another_system(sandbox, tmp_path, program, suite):
    """A minimal Debian or Ubuntu, older and newer than that of the build, with no package added."""
    captures(sandbox, systems.system(suite), tmp_path, program)


@pytest.fixture
def nothing(tmp_path):
    """A root with nothing in it. Gives it, and the directory that is mounted at /mnt."""
    for name in ("root/mnt", "root/proc", "root/etc", "root/tmp", "mnt"):
        os.makedirs(tmp_path / name)
    return tmp_path / "root", tmp_path / "mnt"


@pytest.fixture
def run_bare(nothing, sandbox, program):
    """Runs the program in a root that has no shell: chroot itself starts it."""
    root, directory = nothing
    return lambda *words, **more: run_inside(sandbox, root, directory, program, *words, **more)


def test_captures_where_nothing_is(sandbox, program, nothing):
    captures(sandbox, *nothing, program)


def test_arm64(sandbox, tmp_path, dist):
    """The program for arm64 captures too, as far as qemu is an arm64."""
    path = str(tmp_path / "x.pcapng")
    done = subprocess.run(["qemu-aarch64", dist[1]["linux_arm64"] / "kubectl-sniff", "web", "--count", "5", "-o", path], env=sandbox.env,
                          check=False, text=True, stderr=subprocess.PIPE, timeout=10 * GUARD)
    assert done.returncode == 0, done.stderr
    assert len(tshark(path, "frame.number")) == 5


def test_reading_asks_for_no_memory(sandbox, program, tmp_path):
    """What TLS reads its records into is kept: musl's malloc has such a large buffer from the kernel each time, and gives it back."""
    port, size, count = 4206, 8000, 2500
    trace, out = tmp_path / "trace", str(tmp_path / "x.pcapng")
    command = ["strace", "-f", "-o", trace, "-e", "trace=mmap,recvfrom", program, "web", "-i", "lo", "-f", f"udp dst port {port}",
               "--count", str(count), "-o", out]
    with subprocess.Popen(command, env=sandbox.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as client:
        said = ""
        while "capturing" not in said:
            said = client.stderr.readline()
            assert said, "the client ended"
        with in_netns(sandbox.netns("web")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for _ in range(count):
                one.sendto(bytes(size), ("127.0.0.1", port))
        rest = client.communicate(timeout=GUARD)[1]
    assert client.returncode == 0, rest
    said = trace.read_text()
    assert said.count(" recvfrom(") > size * count / 65536
    buffers = [int(length) for length in re.findall(r" mmap\(NULL, (\d+)", said) if 32768 < int(length) < 40960]
    assert 0 < len(buffers) < 20, len(buffers)  # two records of 16 KiB and their heads


# ---- certificates ----

@pytest.fixture
def without_ca(sandbox, tmp_path):
    """A kubeconfig that leaves the server to the system's CAs."""
    with open(sandbox.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "without-ca").write_text(json.dumps(config))
    return tmp_path / "without-ca"


def put(root, path, ca):
    os.makedirs(os.path.dirname(f"{root}{path}"), exist_ok=True)
    shutil.copy(ca, f"{root}{path}")


@pytest.mark.parametrize("path", ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem"],
                         ids=["debian", "fedora", "suse", "centos", "alpine"])
def test_cas_of_the_system(sandbox, nothing, program, without_ca, run_bare, path):
    """The bundle is found where each distribution has it; without one, nobody is trusted."""
    result = run_bare("web", "--check", kubeconfig=without_ca)
    assert result.code == 1 and "error: the certificate of the server " in result.err, result.err
    put(nothing[0], path, sandbox.ca)
    captures(sandbox, *nothing, program, kubeconfig=without_ca)


@pytest.mark.parametrize("folder", ["/etc/ssl/certs", "/etc/pki/tls/certs"])
def test_folder_of_the_system(sandbox, nothing, program, without_ca, folder):
    put(nothing[0], folder + "/sandbox.pem", sandbox.ca)
    subprocess.run(["openssl", "rehash", f"{nothing[0]}{folder}"], check=True)
    captures(sandbox, *nothing, program, kubeconfig=without_ca)


@pytest.mark.parametrize("name, value", [("SSL_CERT_FILE", "/else/ca.pem"), ("SSL_CERT_DIR", "/none:/else")])
def test_cas_of_the_environment(sandbox, nothing, program, without_ca, run_bare, name, value):
    """They replace the system's: the right ones are taken, and those that lack it are all there is."""
    put(nothing[0], "/else/ca.pem", sandbox.ca)
    captures(sandbox, *nothing, program, kubeconfig=without_ca, env={name: value})
    half = {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt", "SSL_CERT_DIR": "/etc/ssl/certs/sandbox.pem"}[name]
    put(nothing[0], half, sandbox.ca)
    if name == "SSL_CERT_DIR":
        subprocess.run(["openssl", "rehash", f"{nothing[0]}/etc/ssl/certs"], check=True)
    result = run_bare("web", "--check", kubeconfig=without_ca, env={name: "/nowhere"})
    assert result.code == 1 and "error: the certificate of the server " in result.err, result.err


# ---- names ----

MANY = [f"127.1.0.{number + 1}" for number in range(60)]  # more than a datagram holds
INSIDE = {"api.corp.test": ["127.0.0.77"], "api.team.corp.test": ["127.0.0.78"], "many.test": ["127.0.0.79", *MANY], "six.test": ["::1"]}


def hang_up(listener):
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        pass


@pytest.fixture(scope="module")
def network():
    """A network namespace with name servers: .2 knows the names but is slow, .3 denies every name, .4 and ::1 know them."""
    name = f"ksniff-names-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    servers = []
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        with in_netns(f"/run/netns/{name}"):
            for address, names, delay in (("127.0.0.2", INSIDE, 0.2), ("127.0.0.3", {}, 0), ("127.0.0.4", INSIDE, 0), ("::1", INSIDE, 0)):
                servers.append(NameServer(address, names, delay))
            listener = socket.create_server(("127.0.0.79", 6443))
        threading.Thread(target=hang_up, args=(listener,), daemon=True).start()
        yield name, servers
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    finally:
        for server in servers:
            server.close()
        subprocess.run(["ip", "netns", "delete", name], check=True)


NAMES = {
    "the first server's word counts, however quick the second one denies": ("nameserver 127.0.0.2\nnameserver 127.0.0.3\n", "api.corp.test"),
    "search": ("nameserver 127.0.0.4\nsearch x.test corp.test\n", "api.team"),
    "ndots": ("nameserver 127.0.0.4\nsearch corp.test\noptions ndots:5\n", "api.team"),
    "an answer over TCP": ("nameserver 127.0.0.4\n", "many.test"),
    "a server by IPv6": ("nameserver ::1\n", "six.test"),
    "the first server is dead": ("nameserver 127.0.0.200\nnameserver 127.0.0.4\n", "api.corp.test"),
    "/etc/hosts": ("nameserver 127.0.0.3\n", "here.test"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(nothing, network, sandbox, tmp_path, run_bare, case):
    """The server's name is found as kubectl finds it: connecting is refused then, by nobody who listens there."""
    servers, host = NAMES[case]
    (nothing[0] / "etc" / "resolv.conf").write_text(servers)
    (nothing[0] / "etc" / "hosts").write_text("127.0.0.9 here.test\n")
    with open(sandbox.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    config["clusters"][0]["cluster"]["server"] = f"https://{host}:6443"
    (tmp_path / "named").write_text(json.dumps(config))
    name, name_servers = network
    del name_servers[2].asked[:]
    result = run_bare("web", "--check", kubeconfig=tmp_path / "named", under=["ip", "netns", "exec", name])
    assert result.code == 1
    if case == "an answer over TCP":  # where the first of many addresses hangs up
        assert "tcp" in {way for _, way in name_servers[2].asked}
        assert f'no TLS connection to the server "{host}:6443"' in result.err, result.err
    else:
        assert f'connection to the server "{host}:6443" was refused' in result.err, result.err


def test_a_name_that_is_not_there(nothing, network, sandbox, tmp_path, run_bare):
    (nothing[0] / "etc" / "resolv.conf").write_text("nameserver 127.0.0.4\n")
    with open(sandbox.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    config["clusters"][0]["cluster"]["server"] = "https://else.test:6443"
    (tmp_path / "named").write_text(json.dumps(config))
    result = run_bare("web", "--check", kubeconfig=tmp_path / "named", under=["ip", "netns", "exec", network[0]])
    assert result.code == 1 and 'cannot resolve the host of the server "else.test:6443"' in result.err, result.err


def test_roles_stand_beside_the_program(nothing, sandbox, run_bare):
    """Who unpacked an archive is told of the roles that came in it."""
    shutil.copytree(os.path.join(ROOT, "docs", "rbac"), nothing[1] / "docs" / "rbac")
    result = run_bare("web", "--check", kubeconfig=sandbox.kubeconfig_for("reader", VIEWER))
    assert "/mnt/docs/rbac/upload.yaml" in result.out.decode() + result.err
