#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The client: CPU seconds and memory for a gigabyte through TLS into a file, beside an earlier client in the same run.

The sandbox runs the pods, a generator floods one of them, the client captures: frames of two sizes, over WebSocket and
over SPDY, each client in turn and the first first only every other time. The processor time is the client's own, user
and system. `kubectl exec` of as many bytes into a file is the peer; what block handling costs apart from TLS is measured
on its own. Needs root."""
import argparse
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "e2e"))
sys.dont_write_bytecode = True
from conftest import BUILD, GUARD, ROOT, start_sandbox  # noqa: E402
from processes import cpu_seconds, status  # noqa: E402

CLIENT = os.path.join(BUILD, "src", "kubectl-sniff")
BEFORE = "b880e074b080b7661c8ec8a7fec61da8b684086c"  # the last client before its cost was looked at
ROUNDS = 3
# Bytes of a frame, frames, frames a second: as many as the sandbox's API server passes on without falling behind.
SIZES = [(1442, 200000, 20000), (242, 500000, 50000)]
KUBECTL_BYTES = 300000000


class Measured:
    def __init__(self, pid, path, work):
        """@work: what makes the process @pid write to @path; it is waited for until nothing more comes."""
        before, size = cpu_seconds(pid), os.path.getsize(path)
        work()
        last = -1
        while os.path.getsize(path) != last:
            last = os.path.getsize(path)
            time.sleep(0.7)
        self.cpu, self.gigabytes = cpu_seconds(pid) - before, (last - size) / 1e9
        self.peak, self.own = status(pid, "VmHWM"), status(pid, "RssAnon")
        self.millions, self.dropped = None, 0  # of packets, where they are counted

    def by_size(self):
        return self.cpu / self.gigabytes


def capture(client, box, flood, directory):
    path = os.path.join(directory, "sniff.pcapng")
    with subprocess.Popen([client, "web", "-o", path, "-i", "eth0"], env=box.env, stderr=subprocess.PIPE) as sniff:
        said = b""
        while b"capturing" not in said:
            said = sniff.stderr.readline()
            assert said, "the client ended"
        measured = Measured(sniff.pid, path, flood)
        sniff.send_signal(signal.SIGINT)
        said = sniff.stderr.read().decode()
    found = re.search(r"(\d+) packets captured.* (\d+) dropped", said)
    assert found and sniff.returncode == 0, said
    measured.millions, measured.dropped = int(found[1]) / 1e6, int(found[2])
    return measured


def kubectl_exec(box, directory):
    path = os.path.join(directory, "exec.out")
    with open(path, "wb") as out, subprocess.Popen(
            ["kubectl", "exec", "-i", "web", "-c", "httpd", "--", "sh", "-c",
             f"sleep 1; head -c {KUBECTL_BYTES} /dev/zero; sleep 3"],
            env=box.env, stdout=out, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as peer:
        time.sleep(0.7)
        measured = Measured(peer.pid, path, lambda: time.sleep(2))
        peer.terminate()
    return measured


def report(name, rounds):
    """Returns the median of CPU seconds a gigabyte."""
    def median(of):
        return statistics.median(of(one) for one in rounds)
    by_packet = f"{median(lambda one: one.cpu / one.millions):>6.2f}" if rounds[0].millions else "     -"
    by_size = median(Measured.by_size)
    print(f"  {name:<12} {by_size:>6.2f} CPU s/GB {by_packet} CPU s/million packets  "
          f"{max(one.peak for one in rounds) / 1024:>5.1f} MiB resident, "
          f"{max(one.own for one in rounds) / 1024:>4.1f} MiB of it its own, not shared libraries", flush=True)
    if any(one.dropped for one in rounds):
        print(f"    {sum(one.dropped for one in rounds)} packets were dropped before the agent took them: a busy machine")
    return by_size


def compare(box, clients, transport, size, rounds, directory):
    frame, count, rate = size
    generator = os.path.join(directory, "generate")
    flood = ["ip", "netns", "exec", os.path.basename(box.netns("client")), generator, "eth0", str(frame), str(count), str(rate)]
    results = {name: [] for name in clients}
    with box.over(transport):
        for number in range(rounds):
            for name in list(clients)[::-1 if number % 2 else 1]:
                results[name].append(capture(clients[name], box, lambda: subprocess.run(
                    flood, check=True, stdout=subprocess.DEVNULL), directory))
    print(f"frames of {frame} bytes, {transport}")
    costs = [report(name, results[name]) for name in clients]
    if len(costs) == 2:
        print(f"  ratio of CPU, after to before: {costs[1] / costs[0]:.2f}", flush=True)
    return costs[-1]


@contextlib.contextmanager
def built(revision):
    """The program of a revision of the repository, built beside it for the while; of a file, the file."""
    if os.path.isfile(revision):
        yield os.path.abspath(revision)
        return
    git = ["git", "-C", ROOT]
    if subprocess.run([*git, "cat-file", "-e", revision + "^{commit}"], check=False, stderr=subprocess.DEVNULL).returncode:
        print(f"no client to compare with: {revision} is not in this repository")
        yield None
        return
    with tempfile.TemporaryDirectory() as directory:
        tree = os.path.join(directory, "tree")
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", tree, revision], check=True)
        try:
            subprocess.run(["make", "--no-print-directory", "build"], cwd=tree, check=True, stdout=subprocess.DEVNULL)
            yield os.path.join(tree, "build", "src", "kubectl-sniff")
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", tree], check=True)


def blocks(directory):
    """Block handling without TLS: read, check, write the agent's stream, by the program's own code."""
    program = os.path.join(BUILD, "bench", "block_bench")
    print(subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True, cwd=directory).stdout.strip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default=BEFORE, help="a revision or a program to compare with; '': none (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--transport", choices=["websocket", "spdy"], action="append")
    parser.add_argument("--frame", type=int, choices=[size[0] for size in SIZES], action="append")
    words = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("client_bench: needs root (network namespaces)")
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        before = stack.enter_context(built(words.before)) if words.before else None
        clients = {**({"before": before} if before else {}), "after" if before else "kubectl sniff": CLIENT}
        subprocess.run(["gcc", "-O2", "-o", os.path.join(directory, "generate"), os.path.join(ROOT, "bench", "generate.c")],
                       check=True)
        box = start_sandbox(directory)
        try:
            costs = [compare(box, clients, transport, size, words.rounds, directory)
                     for size in SIZES if not words.frame or size[0] in words.frame
                     for transport in words.transport or ("websocket", "spdy")]
            print("kubectl exec > FILE")
            theirs = report("kubectl", [kubectl_exec(box, directory)])
            print(f"ratio of CPU a gigabyte, kubectl sniff (the first row) to kubectl exec: {costs[0] / theirs:.2f}")
        finally:
            box.process.terminate()
            box.process.wait(timeout=GUARD)
        blocks(directory)


if __name__ == "__main__":
    main()
