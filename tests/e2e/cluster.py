# SPDX-License-Identifier: Apache-2.0
"""What the tests do in a cluster, be it the sandbox or one that KUBECONFIG names (`make e2e-cluster`).

A test that takes the fixture `cluster` does with what stands here, and runs against both. One that takes `sandbox`
looks at processes and namespaces or wants faults: it is skipped elsewhere.
"""
import contextlib
import json
import os
import secrets
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUARD = 60  # seconds: only against hanging for ever
PATIENCE = float(os.environ.get("E2E_PATIENCE", 180))  # seconds until a pod has started, or a namespace has gone
SIZES = [0, 1, 17, 100, 512, 1400]
TRANSPORTS = ("websocket", "spdy")  # on which exec's channels may go
LABEL = "labelSelector=app.kubernetes.io/name=ksniff"


def wait_until(condition, what, seconds=GUARD):
    begin = time.monotonic()
    while True:
        result = condition()
        if result:
            return result
        waited = time.monotonic() - begin
        assert waited < seconds, f"waited in vain for {what}"
        time.sleep(min(0.02 + waited / 10, 0.25))  # to look costs more than what is waited for, often


def exchanged(rounds):
    """What an exchange consists of: (from the client to web?, bytes)."""
    questions = [bytes([number % 256]) * SIZES[number % len(SIZES)] for number in range(rounds)]
    return [packet for question in questions for packet in ((True, question), (False, b"answer" + question))]


class Cluster:
    """namespace: where the tests are at home; context: of the kubeconfig; image: of containers with a shell;
    env: for the client and for kubectl; here: whether its pods run on this machine, with this clock."""
    namespace, image, here = "default", "busybox", False

    def call(self, method, path, obj=None):
        """Returns the HTTP code and the JSON of the answer."""
        raise NotImplementedError

    def get(self, path):
        code, obj = self.call("GET", path)
        assert code == 200, obj
        return obj

    def path(self, resource, name="", namespace=None):
        return f"/api/v1/namespaces/{namespace or self.namespace}/{resource}" + (f"/{name}" if name else "")

    def pod_object(self, name, namespace=None):
        return self.get(self.path("pods", name, namespace))

    def node_of(self, name, namespace=None):
        return self.pod_object(name, namespace)["spec"]["nodeName"]

    def create_pod(self, name, namespace=None, wait=True, **spec):
        spec.setdefault("terminationGracePeriodSeconds", 0)
        for container in spec["containers"] + spec.get("initContainers", []):
            container.setdefault("imagePullPolicy", "IfNotPresent")  # also of ":latest": a node may have it, and no registry
        metadata = {"name": name, **spec.pop("metadata", {})}
        code, obj = self.call("POST", self.path("pods", "", namespace),
                              {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        assert code == 201, obj
        if wait:
            wait_until(lambda: self.runs(name, namespace), f"pod {name}", PATIENCE)

    def runs(self, name, namespace=None):
        status = self.pod_object(name, namespace)["status"]
        return status["phase"] == "Running" and all("running" in c["state"] for c in status["containerStatuses"])

    def delete_pod(self, name, namespace=None):
        self.call("DELETE", self.path("pods", name, namespace))
        wait_until(lambda: self.call("GET", self.path("pods", name, namespace))[0] in (403, 404), f"the end of pod {name}", PATIENCE)

    @contextlib.contextmanager
    def running_pod(self, name, namespace=None, **spec):
        self.create_pod(name, namespace, **spec)
        try:
            yield
        finally:
            self.delete_pod(name, namespace)

    def helpers(self, namespace=None):
        return self.get(self.path("pods", "", namespace) + "?" + LABEL)["items"]

    def over(self, transport):
        """A context in which the client's streams go this way, and no other."""
        raise NotImplementedError

    def may(self, verb, resource):
        """Whether the user may do this in the namespace. resource: also with a part, as in pods/exec"""
        resource, _, part = resource.partition("/")
        attributes = {"namespace": self.namespace, "verb": verb, "resource": resource, "subresource": part}
        code, obj = self.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                              {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                               "spec": {"resourceAttributes": attributes}})
        return code == 201 and obj["status"]["allowed"]

    def needs(self, *rights):
        """Skips the test if the user has not all of these rights, such as "create pods/exec"."""
        for right in rights:
            if not self.may(*right.split()):
                pytest.skip(f"the user of KUBECONFIG may not {right} in namespace {self.namespace}")

    def needs_pod(self, name):
        """Skips the test where this pod is not: of those that the sandbox has from its beginning, "hostnet" and
        "distroless" may be missing."""

    def datagrams(self, name, port, count=3, namespace=None):
        """Sends "number 0", "number 1" and so on to a UDP port of a pod, where nobody listens: from web and client over
        their own loopback."""
        raise NotImplementedError

    def exchange(self, port, rounds=50):
        """A known exchange between the pods client and web. Returns what was sent: (to web?, bytes)."""
        raise NotImplementedError

    def ours_in(self, name, namespace=None):
        """What there is of ours in a pod: processes (bytes) and files (str). Empty when nothing was left."""
        raise NotImplementedError

    def leftovers(self):
        """Everything of ours in the cluster: pods, ConfigMaps, processes, files. Empty: nothing was left."""
        raise NotImplementedError


TALKERS = {"web": "httpd", "client": "client"}  # the containers that have talk.c
LOOK = r"""for p in /proc/[0-9]*; do c=$(tr '\0' ' ' <$p/cmdline 2>/dev/null); case $c in *k[s]niff*) echo "c $c";; esac; done
for d in /tmp /dev/shm /var/tmp /run /root /scratch; do ls -A $d 2>/dev/null | sed -n 's/.*k[s]niff.*/f &/p'; done"""


class NamedCluster(Cluster):
    """A cluster of which nothing is known but its kubeconfig: through kubectl, in a namespace that is made for it."""

    def __init__(self, kubeconfig, directory):
        self.directory, self.processes = directory, []
        self.image = os.environ.get("E2E_IMAGE", "busybox")
        self.distroless = os.environ.get("E2E_DISTROLESS")
        self.namespace = os.environ.get("E2E_NAMESPACE") or "ksniff-e2e-" + secrets.token_hex(3)
        self.kubeconfig = os.path.join(directory, "kubeconfig")
        config = json.loads(self.output("config", "view", "--raw", "--flatten", "--minify", "-o", "json",
                                        env={**os.environ, "KUBECONFIG": kubeconfig}))
        self.context = config["current-context"]
        config["contexts"][0]["context"]["namespace"] = self.namespace
        with open(self.kubeconfig, "w", encoding="utf-8") as file:
            json.dump(config, file)
        os.chmod(self.kubeconfig, 0o600)
        self.env = {**os.environ, "KUBECONFIG": self.kubeconfig}
        self.own_env = dict(self.env)  # kubectl's here; the client may be somebody else: see over()
        proxy = self.start("proxy", "--port=0")
        self.server = "http://" + proxy.stdout.readline().decode().rsplit(" ", 1)[1].strip()
        self.made = []  # the paths of what is removed in the end
        if (code := self.call("GET", "/version")[0]) != 200:
            self.close()
            pytest.exit(f"the cluster of context {self.context} cannot be reached (HTTP {code} from kubectl proxy)", 1)

    def start(self, *words, **more):
        process = subprocess.Popen(["kubectl", *words], env=self.own_env, stdout=subprocess.PIPE, **more)
        self.processes.append(process)
        return process

    def output(self, *words, data=None, env=None):
        done = subprocess.run(["kubectl", *words], env=env or self.own_env, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=GUARD, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def call(self, method, path, obj=None):
        kind = "application/" + ("strategic-merge-patch+json" if method == "PATCH" else "json")
        request = urllib.request.Request(self.server + path, method=method, headers={"Content-Type": kind},
                                         data=None if obj is None else json.dumps(obj).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=GUARD) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                return error.code, json.loads(text)
            except ValueError:  # the proxy's own words, or a gateway's
                return error.code, {"message": text.decode(errors="replace")}

    def create_pod(self, name, namespace=None, wait=True, **spec):
        if namespace not in (None, self.namespace):
            pytest.skip(f"needs the sandbox: its namespace {namespace}")
        super().create_pod(name, namespace, wait, **spec)

    @contextlib.contextmanager
    def over(self, transport):
        """By WebSocket as long as the user's rights are as they are; by SPDY for one who may only create an exec."""
        if transport == "websocket":
            self.needs("get pods/exec")
            yield
            return
        try:
            self.env["KUBECONFIG"] = self.account_without_get()
            yield
        finally:
            self.env["KUBECONFIG"] = self.kubeconfig

    def account_without_get(self):
        """A service account that may all that a capture needs but "get pods/exec". Returns its kubeconfig."""
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/"
        name, group = {"metadata": {"name": "ksniff-e2e-spdy"}}, "rbac.authorization.k8s.io"
        rules = [{"apiGroups": [""], "resources": ["pods", "configmaps", "pods/ephemeralcontainers"],
                  "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
                 {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]
        binding = {"roleRef": {"apiGroup": group, "kind": "Role", "name": "ksniff-e2e-spdy"}, "subjects": [
            {"kind": "ServiceAccount", "name": "ksniff-e2e-spdy", "namespace": self.namespace}]}
        for path, obj in ((self.path("serviceaccounts"), name), (rbac + "roles", {**name, "rules": rules}),
                          (rbac + "rolebindings", {**name, **binding})):
            code, answer = self.make(path, obj)
            if code == 403:
                pytest.skip(f"no user who must take SPDY: {answer['message']}")
            assert code in (201, 409), answer
        code, answer = self.call("POST", self.path("serviceaccounts", "ksniff-e2e-spdy/token"), {"spec": {"expirationSeconds": 3600}})
        assert code == 201, answer
        with open(self.kubeconfig, encoding="utf-8") as file:
            config = json.load(file)
        config["users"][0]["user"] = {"token": answer["status"]["token"]}
        path = self.kubeconfig + "-spdy"
        with open(path, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(config, file)
        return path

    def needs_pod(self, name):
        if name == "distroless" and not self.distroless:
            pytest.skip("needs an image without a shell, named by E2E_DISTROLESS")
        if name == "hostnet":
            pytest.skip("needs the sandbox: its pod hostnet")

    def furnish(self):
        """The namespace, and the pods that the sandbox has from its beginning."""
        if not os.environ.get("E2E_NAMESPACE"):
            code, obj = self.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace, "labels": {
                "pod-security.kubernetes.io/enforce": "privileged"}}})
            if code == 403:
                pytest.skip(f"{obj['message']}: name one that is there by E2E_NAMESPACE")
            assert code == 201, obj
            self.made.append("/api/v1/namespaces/" + self.namespace)
            # Where the controllers are slow, a pod would be refused without it.
            wait_until(lambda: self.call("GET", self.path("serviceaccounts", "default"))[0] == 200, "the service account")
        self.needs("create pods", "delete pods", "get pods", "create pods/exec")
        sleep = {"image": self.image, "command": ["sleep", "86400"]}
        web = {"name": "httpd", "image": self.image, "command": [
            "sh", "-c", 'mkdir -p /www; echo "<h1>it works</h1>" > /www/index.html; exec httpd -f -p 8080 -h /www']}
        self.create_lasting("web", containers=[web, {**sleep, "name": "sidecar"}])
        address = self.pod_object("web")["status"]["podIP"]
        loop = 'while :; do printf "GET / HTTP/1.0\\r\\n\\r\\n" | nc "$WEB" 8080; sleep 1; done'
        self.create_lasting("client", containers=[{"name": "client", "image": self.image, "command": ["sh", "-c", loop],
                                               "env": [{"name": "WEB", "value": address}]}])
        strict = {"runAsUser": 1000, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
                  "capabilities": {"drop": ["ALL"]}}
        self.create_lasting("nonroot", containers=[{**sleep, "name": "app", "securityContext": strict}])
        if self.distroless:
            self.create_lasting("distroless", containers=[{"name": "app", "image": self.distroless}])
        for name, container in TALKERS.items():
            self.bring_talk(name, container)

    def bring_talk(self, name, container):
        machine = self.get("/api/v1/nodes/" + self.node_of(name))["status"]["nodeInfo"]["architecture"] \
            if self.may("get", "nodes") else "amd64"
        program = os.path.join(self.directory, "talk-" + machine)
        if not os.path.exists(program):
            subprocess.run([os.path.join(ROOT, "agent", "build-agent.sh"), "talk", machine, "0", program,
                            os.path.join(ROOT, "tests", "e2e", "talk.c")], check=True)
        with open(program, "rb") as file:
            self.output("exec", "-i", name, "-c", container, "--", "sh", "-c", "cat >/tmp/talk; chmod 755 /tmp/talk", data=file.read())

    def create_lasting(self, name, **spec):
        self.create_pod(name, wait=False, **spec)
        self.made.append(self.path("pods", name))
        wait_until(lambda: self.runs(name), f"pod {name}", PATIENCE)

    def make(self, path, obj):
        """Makes what must go in the end. Returns the HTTP code and the answer."""
        code, answer = self.call("POST", path, obj)
        if code == 201:
            self.made.append(f"{path}/{answer['metadata']['name']}")
        return code, answer

    def close(self):
        """What was made, and nothing else of that name."""
        whole = "/api/v1/namespaces/" + self.namespace
        try:
            for path in [whole] if whole in self.made else reversed(self.made):
                self.call("DELETE", path)
                wait_until(lambda: self.call("GET", path)[0] in (403, 404), "the end of " + path, PATIENCE)
        finally:
            for process in self.processes:
                process.kill()
                process.communicate()

    def datagrams(self, name, port, count=3, namespace=None):
        source, address = (name, "127.0.0.1") if name in TALKERS else ("client", self.pod_object(name)["status"]["podIP"])
        self.output("exec", source, "-c", TALKERS[source], "--", "/tmp/talk", "send", address, str(port), str(count))

    def exchange(self, port, rounds=50):
        server = self.start("exec", "web", "-c", "httpd", "--", "/tmp/talk", "serve", str(port), str(rounds))
        assert server.stdout.readline() == b"ready\n"
        address = self.pod_object("web")["status"]["podIP"]
        self.output("exec", "client", "-c", "client", "--", "/tmp/talk", "ask", address, str(port), str(rounds))
        assert server.wait(timeout=GUARD) == 0
        return exchanged(rounds)

    def ours_in(self, name, namespace=None):
        left = []
        for container in self.pod_object(name)["spec"]["containers"]:
            for line in self.output("exec", name, "-c", container["name"], "--", "sh", "-c", LOOK).splitlines():
                left.append(line[2:] if line.startswith(b"c") else line[2:].decode())
        return left

    def leftovers(self):
        left = [(resource, item["metadata"]["name"]) for resource in ("pods", "configmaps")
                for item in self.get(self.path(resource) + "?" + LABEL)["items"]]
        return left + self.ours_in("web") + self.ours_in("client")


@contextlib.contextmanager
def named_cluster(kubeconfig):
    with tempfile.TemporaryDirectory() as directory:
        cluster = NamedCluster(kubeconfig, directory)
        try:
            cluster.furnish()
            yield cluster
        finally:
            cluster.close()
