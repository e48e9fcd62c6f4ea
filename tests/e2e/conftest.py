# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one sandbox for all tests, or the cluster that is named; the real client, tshark as the judge."""
import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pytest

from cluster import GUARD, LABEL, ROOT, SIZES, TRANSPORTS, Cluster, named_cluster, wait_until  # noqa: F401 (for the tests)

BUILD = os.path.join(ROOT, os.environ.get("KSNIFF_BUILD", "build"))
NAMED = os.environ.get("E2E_KUBECONFIG")  # of the cluster that is tested instead of the sandbox

# How this machine reaches the world is not the clients' affair.
WAYS = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "request_method"}

# A background job of a shell inherits it ignored, and so would every client here.
signal.signal(signal.SIGINT, signal.default_int_handler)

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def in_netns(path):
    """This thread is in another network namespace for a while: sockets made meanwhile stay there."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(path, os.O_RDONLY)
    try:
        assert LIBC.setns(other, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        assert LIBC.setns(own, CLONE_NEWNET) == 0
        os.close(own)
        os.close(other)


class Sandbox(Cluster):
    context, here = "sandbox", True

    def __init__(self, process, ready):
        self.process = process
        self.server, self.kubeconfig, self.dir = ready["server"], ready["kubeconfig"], ready["dir"]
        self.ca, self.tokens = ready["ca"], ready["tokens"]
        self.admin = ready["admin"]  # the same server, on a port that no fault touches
        self.env = {**{name: value for name, value in os.environ.items() if name.lower() not in WAYS},
                    "KUBECONFIG": self.kubeconfig, "KSNIFF_CONFIG": ""}  # no defaults of this user's
        self.standing = {}  # faults that hold whatever a test asks for: see the fixture "transport"
        self.tls = ssl.create_default_context(cafile=self.ca)
        self.local = threading.local()  # this thread's connection: a new one costs more than most requests
        self.left = []  # by leftovers() at last

    def call(self, method, path, obj=None, token=None, kind=None, accept="application/json"):
        """Returns the HTTP code and the JSON of the answer. kind: the content's type, where it matters."""
        kind = kind or "application/" + ("strategic-merge-patch+json" if method == "PATCH" else "json")
        body = None if obj is None else json.dumps(obj).encode()
        headers = {"Authorization": "Bearer " + (token or self.tokens["sandbox-token"]), "Content-Type": kind, "Accept": accept}
        kept = vars(self.local).pop("connection", None)  # back when all went well
        connection = kept or http.client.HTTPSConnection(self.admin.removeprefix("https://"), context=self.tls, timeout=GUARD)
        try:
            connection.request(method, path, body, headers)
            with connection.getresponse() as answer:
                result = answer.status, json.load(answer)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            if not kept:
                raise
            return self.call(method, path, obj, token, kind, accept)  # a server closes what was idle
        self.local.connection = connection
        return result

    def request(self, method, path, body, token=None):
        """The whole answer: status, headers and body."""
        request = urllib.request.Request(
            self.server + path, method=method, data=body.encode() if body else None,
            headers={"Authorization": "Bearer " + (token or self.tokens["sandbox-token"]),
                     "Content-Type": "application/json"})
        try:
            answer = urllib.request.urlopen(request, context=self.tls, timeout=GUARD)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            answer.body = answer.read()
        return answer

    def pods(self):
        return {(p["namespace"], p["name"]): p for p in self.get("/sandbox/pods")}

    def pod(self, name, namespace="default"):
        return self.pods()[(namespace, name)]

    def netns(self, name, namespace="default"):
        return "/run/netns/" + self.pod(name, namespace)["netns"]

    def rootfs(self, name, container, namespace="default"):
        return self.pod(name, namespace)["containers"][container]["rootfs"]

    def delete_pod(self, name, namespace=None):
        self.call("DELETE", self.path("pods", name, namespace))
        wait_until(lambda: (namespace or self.namespace, name) not in self.pods(), f"the end of pod {name}")

    def datagrams(self, name, port, count=3, namespace=None):
        with in_netns(self.netns(name, namespace or self.namespace)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                for number in range(count):
                    one.sendto(b"number %d" % number, ("127.0.0.1", port))

    def exchange(self, port, rounds=50):
        return exchange_in(self, port, rounds)

    def set_faults(self, **faults):
        self.call("PUT", "/sandbox/faults", {**self.standing, **faults})

    @contextlib.contextmanager
    def faults(self, **faults):
        self.set_faults(**faults)
        try:
            yield
        finally:
            self.set_faults()

    @contextlib.contextmanager
    def over(self, transport):
        self.standing = {{"websocket": "no_spdy", "spdy": "no_websocket"}[transport]: True}
        self.set_faults()
        try:
            yield
        finally:
            self.standing = {}
            self.set_faults()

    def drop_streams(self):
        self.set_faults(drop_exec_connections=True)

    def kubeconfig_for(self, name, rules):
        """A kubeconfig for a new user with these rights. Returns its path."""
        token = name + "-token"
        self.call("POST", "/sandbox/users", {"name": name, "rules": rules, "token": token})
        with open(self.kubeconfig, encoding="utf-8") as file:
            config = json.load(file)
        config["users"] = [{"name": name, "user": {"token": token}}]
        config["contexts"] = [{"name": name, "context": {"cluster": "sandbox", "user": name}}]
        config["current-context"] = name
        path = os.path.join(self.dir, f"kubeconfig-{name}")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        return path

    def ours_in(self, name, namespace=None):
        left = []
        running = [c for c in self.pod(name, namespace or self.namespace)["containers"].values() if c["pid"]]
        for container in running:
            for pid in processes_of(container["pid"]):
                with contextlib.suppress(OSError):
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        command = file.read()
                    if b"ksniff" in command:
                        left.append(command)
            for path in ("tmp", "dev/shm", "var/tmp", "run", "root", "scratch", "noexec"):
                with contextlib.suppress(OSError):
                    left += [n for n in os.listdir(f"/proc/{container['pid']}/root/{path}") if "ksniff" in n]
        return left

    def leftovers(self):
        left = list(agents_running(self))
        for resource in ("pods", "configmaps"):
            for item in self.get(f"/api/v1/{resource}?{LABEL}")["items"]:
                left.append((resource, item["metadata"]["name"], item.get("status", {}).get("phase")))
        for namespace, name in self.pods():
            with contextlib.suppress(KeyError):
                left += self.ours_in(name, namespace)
        if left != self.left:
            print("left:", left)  # seen where a test fails
            self.left = left
        return left


def processes_of(pid):
    """The processes in the pid namespace of a process."""
    with contextlib.suppress(OSError):
        wanted = os.readlink(f"/proc/{pid}/ns/pid")
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and os.readlink(f"/proc/{name}/ns/pid") == wanted:
                    yield int(name)


def start_sandbox(directory, *arguments):
    """It ends with these tests, however they end: its standard input does."""
    if NAMED:
        pytest.skip("needs a sandbox of its own")
    ready = os.path.join(directory, "ready")
    with open(os.path.join(directory, "sandbox.log"), "wb") as log:
        process = subprocess.Popen(["/usr/bin/python3", "-m", "sandbox", "--until-end-of-input", "--ready-file", ready, *arguments],
                                   cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def is_ready():
        assert process.poll() is None, open(log.name, encoding="utf-8").read()
        return os.path.exists(ready)
    try:
        wait_until(is_ready, "the sandbox")
    except BaseException:
        process.terminate()
        raise
    with open(ready, encoding="utf-8") as file:
        return Sandbox(process, json.load(file))


def end_sandbox(box):
    """Returns its exit code."""
    box.process.terminate()
    try:
        return box.process.wait(timeout=GUARD)
    except subprocess.TimeoutExpired:
        box.process.kill()  # the next one sweeps up
        raise
    finally:
        box.process.stdin.close()


@contextlib.contextmanager
def running_sandbox(*arguments):
    with tempfile.TemporaryDirectory() as directory:
        box = start_sandbox(directory, *arguments)
        try:
            yield box
        finally:
            code = end_sandbox(box)
            with open(os.path.join(directory, "sandbox.log"), encoding="utf-8", errors="replace") as file:
                log = file.read()
            sys.stderr.write(log if code else "")
            assert code == 0


@pytest.fixture(scope="session")
def sandbox():
    """For what needs its processes, namespaces, users and faults."""
    if NAMED:
        pytest.skip("needs the sandbox: its processes, network namespaces, users or faults")
    with running_sandbox() as box:
        yield box


@pytest.fixture(scope="session")
def two_nodes():
    """Another sandbox, of two nodes."""
    if NAMED:
        pytest.skip("needs a sandbox of its own")
    with running_sandbox("--nodes", "2") as box:
        yield box


@pytest.fixture(scope="session")
def cluster(request):
    """The sandbox, or the cluster that is named: for tests that do with what any cluster has."""
    if not NAMED:
        yield request.getfixturevalue("sandbox")
        return
    with named_cluster(NAMED) as other:
        yield other


@pytest.fixture(autouse=True)
def what_the_cluster_allows(request):
    """@pytest.mark.needs("create configmaps", ...): the rights without which a test is skipped."""
    if NAMED and "cluster" not in request.fixturenames:
        pytest.skip("does nothing in a cluster, or needs the sandbox")
    if NAMED:
        for mark in request.node.iter_markers("needs"):
            request.getfixturevalue("cluster").needs(*mark.args)


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*rights): what a user must be allowed in a cluster that is named")
    reruns = config.pluginmanager.getplugin("rerunfailures")
    if reruns:
        reruns._remove_failed_setup_state_from_session = forget_failures


def forget_failures(item):
    """Before a test is run once more. pytest-rerunfailures' own forgets what is to be torn down as well: of fixtures that no
    later test asks for again, such as a sandbox that an earlier one has used, nobody would ever do it."""
    stack = item.session._setupstate.stack
    stack.update({node: (finalizers, None) for node, (finalizers, _) in stack.items()})


def pytest_terminal_summary(terminalreporter):
    """Why what was run once more had failed, which nothing else says."""
    for report in terminalreporter.getreports("rerun"):
        crash = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.write_line(f"RERUN {report.nodeid}: {crash.message if crash else report.longrepr}"[:2000])


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request, cluster):
    """For files whose tests run once over WebSocket and once over SPDY: pytestmark = BOTH_TRANSPORTS."""
    with cluster.over(request.param):
        yield request.param


BOTH_TRANSPORTS = pytest.mark.usefixtures("transport")


# Files that wait a minute for what must end within one, more than once: they begin first, or the others wait for them.
PATIENT = ["test_resume", "test_loss", "test_leftovers", "test_many_leftovers", "test_helper_life", "test_ephemeral",
           "test_rbac", "test_wireshark", "test_node"]

# Files that build something, perhaps all libraries of a release, which takes as long as it takes.
BUILDERS = ["test_agents", "test_build", "test_dist", "test_dist_sources", "test_macos", "test_manifests", "test_packages"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What runs one after the other in one process (--dist loadgroup): a file, or its part over one transport."""
    items.sort(key=lambda item: PATIENT.index(item.path.stem) if item.path.stem in PATIENT else len(PATIENT))
    for item in items:
        way = getattr(item, "callspec", None) and item.callspec.params.get("transport")
        if item.path.stem in BUILDERS:
            item.add_marker(pytest.mark.timeout(3600))
        item.add_marker(pytest.mark.xdist_group(item.path.stem + (f"-{way}" if way else "")))


def exchange_in(sandbox, port, rounds=50):
    """A known exchange between the pods client and web. Returns what was sent: (to web?, bytes)."""
    with in_netns(sandbox.netns("web")):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", port))
    with in_netns(sandbox.netns("client")):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    address, sent = (sandbox.pod("web")["ip"], port), []
    server.settimeout(GUARD)
    client.settimeout(GUARD)
    for number in range(rounds):
        question = bytes([number % 256]) * SIZES[number % len(SIZES)]
        client.sendto(question, address)
        data, back = server.recvfrom(65536)
        assert data == question
        server.sendto(b"answer" + question, back)
        assert client.recv(65536) == b"answer" + question
        sent += [(True, question), (False, b"answer" + question)]
    server.close()
    client.close()
    return sent


class Result:
    def __init__(self, process):
        self.process = process
        self.out, self.err = process.communicate(timeout=GUARD)
        self.code = process.returncode
        self.err = self.err.decode()
        assert "AddressSanitizer" not in self.err and "runtime error" not in self.err and \
            "LeakSanitizer" not in self.err, self.err


class Ksniff:
    def __init__(self, box):
        self.box = box

    def start(self, *words, env=None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **more):
        return subprocess.Popen([os.path.join(BUILD, "src", "kubectl-sniff"), *words], stdin=stdin, stdout=stdout,
                                stderr=subprocess.PIPE, env={**self.box.env, **(env or {})}, **more)

    def run(self, *words, **more):
        return Result(self.start(*words, **more))

    def fail(self, *words, code=1, **more):
        """Runs it and returns the one line of error that it must end with."""
        result = self.run(*words, **more)
        assert result.code == code, result.err
        errors = [line for line in result.err.splitlines() if not line.startswith(("INFO[", "WARN[", "DEBU[", "TRAC["))]
        assert len(errors) == 1 and errors[0].startswith("error: "), result.err
        return errors[0].removeprefix("error: ")

    @contextlib.contextmanager
    def capturing(self, *words, **more):
        """A client that captures by now; ended by its id if the test has not ended it."""
        process = self.start(*words, **more)
        try:
            lines = b""
            while b"capturing;" not in lines:
                line = process.stderr.readline()
                assert line, lines.decode()
                lines += line
            process.head = lines.decode()
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stderr.close()

    @staticmethod
    def read_until(process, text):
        """Reads what a client in capturing() says, up to the line that has this."""
        while text not in process.head.splitlines()[-1]:
            line = process.stderr.readline().decode()
            assert line, process.head
            process.head += line

    @staticmethod
    def stop(process, number=signal.SIGINT):
        process.send_signal(number)
        err = process.head + process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
        assert "Sanitizer" not in err and "runtime error" not in err, err
        return err


    @staticmethod
    def stop_by_itself(process):
        """Waits for the end of a client that has one of its own. Returns what it has said."""
        err = process.head + process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
        assert "Sanitizer" not in err and "runtime error" not in err, err
        return err


@pytest.fixture
def ksniff(cluster):
    return Ksniff(cluster)


# Nearly all of tshark's time is its start, with memory for a quarter of a million fields: in large pages that is a
# third less.
LARGE_PAGES = {**os.environ, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "MALLOC_TOP_PAD_": str(64 << 20), "MALLOC_ARENA_MAX": "1"}


def tshark(path, *fields, display=None, options=()):
    """Rows of fields of a capture, as tshark reads them; it must find nothing wrong with the file."""
    command = ["tshark", "-n", *options, "-r", path, "-T", "fields", "-E", "separator=\t", "-E", "occurrence=f"]
    for field in fields:
        command += ["-e", field]
    if display:
        command += ["-Y", display]
    done = subprocess.run(command, env=LARGE_PAGES, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("Running as user")]
    assert done.returncode == 0 and not complaints, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def capinfos(path):
    return subprocess.run(["capinfos", path], stdout=subprocess.PIPE, text=True, check=True).stdout


def agents_running(sandbox):
    """Our processes in all containers there are or were: (pid, command)."""
    for pod in sandbox.get("/sandbox/processes"):
        for process in pod["processes"]:
            if process["exe"].startswith(("ksniff-agent", ".ksniff-")):
                yield process["pid"], process["command"]


def leftovers(box):
    return box.leftovers()
