#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""From Enter to the first packet in the file, by each method, against `kubectl exec POD -- true` in the same run.

The sandbox runs the pods; in the target's network namespace a datagram is sent every 5 ms. The clock runs from the start
of the program to the moment when the file, a named pipe, has given a whole packet block; kubectl's to its end. Each round
has a new pod, and an order of its own. The bytes are counted in a run of their own, by a relay before the API server,
as they pass over TCP with TLS's part of them. Needs root."""
import contextlib
import json
import os
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "e2e"))
sys.dont_write_bytecode = True
from conftest import BUILD, GUARD, in_netns, leftovers, start_sandbox, wait_until  # noqa: E402

CLIENT = os.path.join(BUILD, "src", "kubectl-sniff")
ROUNDS = 12
PORT = 4200
INTERVAL = 0.005  # seconds between two datagrams
ENHANCED_PACKET, SIMPLE_PACKET = 6, 3
SPEC = {"containers": [{"name": "app", "image": "registry.local/busybox:1", "command": ["sleep", "1000"]}]}

EXEC = "kubectl exec POD -- true"
PLUGIN = "upload, as kubectl sniff"
NEW, AGAIN = "ephemeral, new container", "ephemeral, used again"
METHODS = {
    "upload": [CLIENT, "--method", "upload"],
    PLUGIN: ["kubectl", "sniff", "--method", "upload"],
    "node": [CLIENT, "--method", "node"],
    NEW: [CLIENT, "--method", "ephemeral"],
    AGAIN: [CLIENT, "--method", "ephemeral"],
}
# What is measured by itself; one that uses a container again comes behind the one that made it.
UNITS = [[EXEC], ["upload"], [PLUGIN], ["node"], [NEW, AGAIN]]


# ---- traffic ----

class Sender:
    """Datagrams to the network namespace's own loopback, from one thread, to one pod at a time."""

    def __init__(self):
        self.socket = self.receiver = None
        self.lock = threading.Lock()
        threading.Thread(target=self.run, daemon=True).start()

    def enter(self, netns):
        with in_netns(netns):
            one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in "ab")
            other.bind(("127.0.0.1", PORT))  # full soon, and then silent: no ICMP answers
        with self.lock:
            self.socket, self.receiver = one, other

    def leave(self):
        with self.lock:
            self.socket.close()
            self.receiver.close()
            self.socket = None

    def run(self):
        while True:
            time.sleep(INTERVAL)
            with self.lock:
                if self.socket:
                    self.socket.sendto(b"x" * 100, ("127.0.0.1", PORT))


# ---- measuring ----

def holds_packet(data):
    """Is there a whole packet block in a pcapng stream's beginning? It is of this machine's byte order."""
    at = 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("=II", data, at)
        if at + length > len(data):
            return False
        if kind in (ENHANCED_PACKET, SIMPLE_PACKET):
            return True
        at += length
    return False


def read_until_packet(fifo, process):
    data, end = b"", time.monotonic() + GUARD
    while not holds_packet(data):
        assert time.monotonic() < end and process.poll() is None, "no packet has come"
        if select.select([fifo], [], [], 0.5)[0]:
            data += os.read(fifo, 65536)


@contextlib.contextmanager
def log_of(directory):
    """A file for what a program says, which is shown when something fails."""
    with open(os.path.join(directory, "log"), "w+b") as log:
        try:
            yield log
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise


def time_exec(pod, env, directory):
    with log_of(directory) as log:
        start = time.perf_counter()
        process = subprocess.Popen(["kubectl", "exec", pod, "--", "true"], env=env, stdin=subprocess.DEVNULL, stderr=log)
        end = os.pidfd_open(process.pid)  # Popen.wait() with a timeout looks every 50 ms only
        ended = select.select([end], [], [], GUARD)[0]
        seconds = time.perf_counter() - start
        os.close(end)
        assert ended and process.wait() == 0
        return seconds


def time_client(name, pod, env, directory, at_packet=lambda: None):
    """Seconds to the first packet. @at_packet: called then; the client ends afterwards"""
    path = os.path.join(directory, "fifo")
    words = METHODS[name] + [pod, "-f", f"udp port {PORT}", "-o", path]
    if words[0] == "kubectl":  # a plugin's flags stand behind its name
        words = ["kubectl", "sniff", pod, *words[2:4], *words[5:]]
    os.mkfifo(path)
    fifo = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with log_of(directory) as log:
            start = time.perf_counter()
            process = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stderr=log)
            read_until_packet(fifo, process)
            seconds = time.perf_counter() - start
            at_packet()
            process.send_signal(signal.SIGINT)
            while select.select([fifo], [], [], GUARD)[0] and os.read(fifo, 65536):
                pass
            assert process.wait(timeout=GUARD) == 0
            return seconds
    finally:
        os.close(fifo)
        os.unlink(path)


@contextlib.contextmanager
def target(box, sender, name):
    with box.running_pod(name, **SPEC):
        sender.enter(box.netns(name))
        try:
            yield name
        finally:
            sender.leave()


def measure(box, sender, env, directory):
    """Seconds of each row, a list with as many as there are rounds."""
    rows = {name: [] for unit in UNITS for name in unit}
    for number in range(-1, ROUNDS):  # the first is to warm up
        shift = number % len(UNITS)
        with target(box, sender, f"target{number + 1}") as pod:
            for name in sum(UNITS[shift:] + UNITS[:shift], []):
                seconds = time_exec(pod, env, directory) if name == EXEC else time_client(name, pod, env, directory)
                if number >= 0:
                    rows[name].append(seconds)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


# ---- counting ----

class Relay:
    """Before the API server; counts the bytes that pass, and the connections."""

    def __init__(self, port):
        self.server = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()
        threading.Thread(target=self.accept, daemon=True).start()

    def start(self):
        self.up = self.down = 0
        self.threads = []

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.server)
            for arguments in ((client, server, True), (server, client, False)):
                self.threads.append(threading.Thread(target=self.pass_on, args=arguments, daemon=True))
                self.threads[-1].start()

    def finish(self):
        """The program has ended. Returns bytes up, bytes down, connections."""
        for thread in self.threads:
            thread.join(GUARD)
        return self.up, self.down, len(self.threads) // 2

    def pass_on(self, source, destination, up):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if up:
                    self.up += len(data)
                else:
                    self.down += len(data)
                destination.sendall(data)
        with contextlib.suppress(OSError):
            destination.shutdown(socket.SHUT_WR)


def count(box, sender, env, directory):
    """(bytes up until the first packet, bytes up and down in all, connections) of each row."""
    with open(box.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    cluster = config["clusters"][0]["cluster"]
    relay, rows = Relay(int(cluster["server"].rsplit(":", 1)[1])), {}
    cluster["server"] = f"https://127.0.0.1:{relay.port}"
    path = os.path.join(directory, "kubeconfig")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    env, until = {**env, "KUBECONFIG": path}, []
    with target(box, sender, "counted") as pod:
        time_exec(pod, env, directory)  # kubectl asks each server once what it can do
        relay.finish()
        for name in sum(UNITS, []):
            relay.start()
            if name == EXEC:
                time_exec(pod, env, directory)
            else:
                time_client(name, pod, env, directory, lambda: until.append(relay.up))
            whole = relay.finish()
            rows[name] = (whole[0] if name == EXEC else until[-1], *whole)
    return rows


# ---- the results ----

def print_table(seconds, counted):
    base = statistics.median(seconds[EXEC])
    print(f"\n{'to the first packet':<26} {'median':>8} {'fastest':>8} {'slowest':>8} {'of exec':>8} {'- exec':>8}"
          f"   {'KiB up':>7} {'in all':>7} {'down':>7} {'connections':>11}")
    for name, values in seconds.items():
        median, (until, up, down, connections) = statistics.median(values), counted[name]
        print(f"{name:<26} {median:>6.3f} s {min(values):>6.3f} s {max(values):>6.3f} s {median / base:>8.2f} "
              f"{median - base:>6.3f} s   {until / 1024:>7.1f} {up / 1024:>7.1f} {down / 1024:>7.1f} {connections:>11}")
    upload, node = statistics.median(seconds["upload"]), statistics.median(seconds["node"])
    print(f"\nupload at most 1.5 times kubectl exec: {'yes' if upload <= 1.5 * base else 'no'} ({upload / base:.2f})")
    print(f"node at most kubectl exec and 1 s: {'yes' if node <= base + 1 else 'no'} (and {node - base:.3f} s)")


def version(env):
    done = subprocess.run(["kubectl", "version", "-o", "json"], env=env, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=GUARD)
    answer = json.loads(done.stdout)
    return f"kubectl {answer['clientVersion']['gitVersion']}, API server {answer['serverVersion']['gitVersion']} (sandbox)"


def main():
    if os.geteuid() != 0:
        sys.exit("first_packet: needs root (network namespaces)")
    with tempfile.TemporaryDirectory() as directory:
        box = start_sandbox(directory)
        try:
            env = {**box.env, "PATH": os.path.dirname(CLIENT) + ":" + os.environ["PATH"]}
            print(f"\n{version(env)}; {ROUNDS} rounds, {os.cpu_count()} processors", flush=True)
            sender = Sender()
            seconds = measure(box, sender, env, directory)
            print_table(seconds, count(box, sender, env, directory))
            wait_until(lambda: not leftovers(box), "the end of what was started", 75)
        finally:
            box.process.terminate()
            box.process.wait(timeout=GUARD)


if __name__ == "__main__":
    main()
