# SPDX-License-Identifier: Apache-2.0
"""Starts the sandbox, waits for Ctrl-C, and leaves nothing behind."""
import argparse
import asyncio
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import traceback

import yaml

from . import admission, cluster, machine, network, pki, rbac
from .cgroups import Cgroups
from .controllers import Controllers
from .front import Front
from .garbage import Garbage
from .nodes import Nodes
from .scheduler import Scheduler
from .server import Api
from .services import Services
from .store import Store

HERE = os.path.dirname(os.path.abspath(__file__))
STATE = "/run/ksniff-sandbox"
USE = """The sandbox runs: a Kubernetes on this machine, with real pods in the namespace default:
{pods}
In another terminal (make build has put kubectl-sniff into build/src):

  export KUBECONFIG={kubeconfig}
  export PATH=$PWD/build/src:$PATH
  kubectl sniff web -o - | tshark -r - -N dn  # or without -o: in Wireshark
  kubectl get pods; kubectl exec -it web -- sh

Ctrl-C here stops it, and leaves nothing behind."""
PODS = {"client": "asks web for a page, once a second",
        "distroless": "one program and nothing else: no shell, no tar",
        "hostnet": "with its node's network",
        "nonroot": "user 1000, read-only, without capabilities",
        "web": "a web server on port 8080, and a sidecar"}
WEB = "10.90.0.80"  # of the Service web
VIEWER = [{"verbs": ["get", "list", "watch"], "resources": ["pods"]}]


class Sandbox:
    def __init__(self, arguments, directory, cgroups):
        self.directory, self.cgroups = directory, cgroups
        self.clock_error = dict(arguments.clock_error)  # milliseconds, by the name of a node
        self.store = Store()
        self.users = rbac.Users(self.store)
        self.pki = pki.Pki(directory)
        self.faults, self.requests = {}, []
        self.nodes = Nodes(self, arguments.nodes)
        self.exec_sockets, self.execs, self.tasks = set(), set(), set()
        self.scheduler, self.garbage = Scheduler(self), Garbage(self)
        self.services = Services(self)
        self.through_service = arguments.service
        self.api = Api(self)
        self.front = None
        self.failed = False
        self.starting = not arguments.no_default_pods  # until these run
        self.refused = None   # why they cannot

    def background(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.done)

    def done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.fail(task.exception())

    def fail(self, error):
        """A fault of the sandbox itself: it goes on, and ends with an error. At its start, runc and ip fail because of
        the machine."""
        if self.starting and isinstance(error, (RuntimeError, subprocess.CalledProcessError)):
            self.refused = machine.unable("a pod cannot be started here", machine.last_line(getattr(error, "stderr", "") or str(error)))
            return
        traceback.print_exception(error)
        self.failed = True

    def furnish(self, namespace):
        """What every namespace has from its beginning."""
        with open(self.pki.ca, encoding="ascii") as file:
            cluster.furnish(self.store, namespace, file.read())

    def set_faults(self, faults):
        self.faults = faults
        self.nodes.tell_of_faults(faults)
        if faults.pop("drop_exec_connections", False):
            for transport in list(self.exec_sockets):
                transport.abort()
        if faults.pop("kubelet_restarts", False):
            for session in list(self.execs):
                session.lose_kubelet()
        if faults.pop("cut_watches", False):
            self.api.lists.cut()
        if faults.pop("expire_versions", False):
            self.store.expire()
        self.front.blackhole(bool(faults.get("blackhole")))

    async def make_pods(self):
        with open(os.path.join(HERE, "manifests", "default.yaml"), encoding="utf-8") as file:
            manifests = list(yaml.safe_load_all(file))
        web_pod = None
        for manifest in manifests:
            if manifest["metadata"]["name"] == "client":
                while not web_pod.address:
                    await asyncio.sleep(0.02)
                manifest["spec"]["containers"][0]["env"] = [{"name": "WEB", "value": self.web_address(web_pod)}]
            admission.complete_pod(self.store, manifest, "default")
            obj = self.store.create("pods", "default", manifest)
            self.scheduler.consider(obj)
            web_pod = web_pod or self.nodes.of(obj)
        while not all(pod.containers and all(c.running for c in pod.containers) for pod in self.nodes.pods):
            if self.refused:
                raise self.refused
            await asyncio.sleep(0.02)
        self.starting = False

    def web_address(self, pod):
        """Where client asks for web's page."""
        if not self.through_service:
            return pod.address
        self.store.create("services", "default", {
            "metadata": {"name": "web"}, "status": {"loadBalancer": {}},
            "spec": {"ports": [{"protocol": "TCP", "port": 8080, "targetPort": 8080}], "selector": {"app": "web"},
                     "clusterIP": WEB, "clusterIPs": [WEB], "type": "ClusterIP", "sessionAffinity": "None",
                     "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster"}})
        return WEB

    async def serve(self, port):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.pki.ca)
        context.load_cert_chain(self.pki.path("server.crt"), self.pki.path("server.key"))
        context.verify_mode = ssl.CERT_OPTIONAL
        self.front = Front(self.api.app, context)
        await self.front.open(port)

    async def run(self, arguments):
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if arguments.until_end_of_input:
            stop_at_end_of_input(stop)
        cluster.make(self.store, self.nodes)
        self.nodes.open()
        for namespace in cluster.NAMESPACES:
            self.furnish(namespace)
        tokens = {"sandbox-token": "sandbox-admin-token", "viewer": "sandbox-viewer-token"}
        self.users.add("sandbox-token", rbac.ADMIN, tokens["sandbox-token"])
        self.users.add("system:serviceaccount:default:viewer", VIEWER, tokens["viewer"])
        await self.serve(arguments.port)
        server, admin = (f"https://127.0.0.1:{port}" for port in (self.front.port, self.front.admin_port))
        self.background(self.scheduler.run())
        self.background(self.garbage.run())
        self.background(self.services.run())
        self.background(Controllers(self).run())
        try:
            await self.until_stopped(arguments, stop, server, admin, tokens)
        finally:
            await self.close()

    async def until_stopped(self, arguments, stop, server, admin, tokens):
        kubeconfig = os.path.join(self.directory, "kubeconfig")
        with open(kubeconfig, "w", encoding="utf-8") as file:
            json.dump(pki.kubeconfig(self.pki, server, tokens), file, indent=1)
        if not arguments.no_default_pods:
            making = asyncio.ensure_future(self.make_pods())
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait((making, stopped), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if not making.done():
                making.cancel()
                return
            making.result()
        print(USE.format(pods=self.described_pods(), kubeconfig=kubeconfig), flush=True)
        if arguments.ready_file:
            with open(arguments.ready_file + ".new", "w", encoding="utf-8") as file:
                json.dump({"server": server, "admin": admin, "kubeconfig": kubeconfig, "ca": self.pki.ca, "tokens": tokens,
                           "pid": os.getpid(), "dir": self.directory}, file)
            os.rename(arguments.ready_file + ".new", arguments.ready_file)
        await stop.wait()

    def described_pods(self):
        names = sorted(pod.object["metadata"]["name"] for pod in self.nodes.pods)
        return "".join(f"  {name:<11} {PODS[name]}\n" for name in names) or "  none yet\n"

    async def close(self):
        for transport in list(self.exec_sockets):
            transport.abort()
        await self.nodes.close()
        for task in list(self.tasks):
            task.cancel()
        await self.front.close()


def stop_at_end_of_input(stop):
    """Who has started the sandbox holds the other end of a pipe, which the kernel closes, however that one ends."""
    loop, own = asyncio.get_running_loop(), os.dup(0)
    os.set_inheritable(own, False)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # for those that the sandbox starts

    def hear():
        if not os.read(own, 4096):
            loop.remove_reader(own)
            stop.set()
    loop.add_reader(own, hear)


def sweep():
    """Removes what sandboxes left that were killed."""
    os.makedirs(STATE, exist_ok=True)
    for name in os.listdir(STATE):
        if os.path.exists(f"/proc/{name}"):
            continue
        directory = os.path.join(STATE, name)
        network.remove_namespaces("ks" + name)  # its processes have ended with it
        Cgroups("cgroupfs", name).close()
        shutil.rmtree(directory, ignore_errors=True)


def count(text):
    if not text.isdecimal() or not 1 <= int(text) <= 200:
        raise argparse.ArgumentTypeError("1 to 200")
    return int(text)


def clock_error(text):
    name, _, error = text.partition("=")
    try:
        return name, float(error)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not NODE=MS, such as node2=50") from None


def main():
    parser = argparse.ArgumentParser(prog="sandbox", description="a small Kubernetes on this machine")
    parser.add_argument("--port", type=int, default=0, help="of the API server; default: a free one")
    parser.add_argument("--ready-file", help="written as JSON when everything runs")
    parser.add_argument("--until-end-of-input", action="store_true", help="stop when standard input ends, too")
    parser.add_argument("--no-default-pods", action="store_true")
    parser.add_argument("--service", action="store_true", help="the pod client asks web through a Service")
    parser.add_argument("--nodes", type=count, default=1, help="how many; default: 1")
    parser.add_argument("--clock-error", type=clock_error, action="append", default=[], metavar="NODE=MS",
                        help="how far the clock of a node is off, for agents built for tests")
    parser.add_argument("--cgroup-style", choices=("cgroupfs", "systemd"), default="cgroupfs")
    arguments = parser.parse_args()
    for name, _ in arguments.clock_error:
        if name not in [f"node{number}" for number in range(1, arguments.nodes + 1)]:
            parser.error(f"argument --clock-error: there is no node '{name}' (see --nodes)")
    cgroups = Cgroups(arguments.cgroup_style, os.getpid())
    try:
        machine.examine(cgroups)
        sweep()
        run(arguments, cgroups)
    except machine.Unable as error:
        sys.exit(f"sandbox: {error}")


def run(arguments, cgroups):
    directory = os.path.join(STATE, str(os.getpid()))
    os.makedirs(directory)
    try:
        sandbox = Sandbox(arguments, directory, cgroups)
        asyncio.run(sandbox.run(arguments))
        if sandbox.failed:
            sys.exit("sandbox: something in it went wrong, see above")
    finally:
        network.remove_namespaces(network.prefix())
        cgroups.close()
        shutil.rmtree(directory, ignore_errors=True)



main()
