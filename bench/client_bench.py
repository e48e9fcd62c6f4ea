# SPDX-License-Identifier: Apache-2.0
"""The client: CPU seconds and memory for a gigabyte through TLS and WebSocket into a file.

The sandbox runs the pods, a generator floods one of them, the client captures. `kubectl exec` of the same
bytes into a file is the peer; what block handling costs apart from TLS is measured on its own.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.request
import ssl

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLIENT = os.path.join(ROOT, "build", "src", "kubectl-sniff")
FRAME, COUNT, RATE = 1400, 600000, 60000


def status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(field + r":\s+(\d+)", file.read())[1])


def cpu_seconds(pid):
    """Of all threads of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(pid, path, work):
    before, size = cpu_seconds(pid), os.path.getsize(path)
    work()
    last = -1
    while os.path.getsize(path) != last:
        last = os.path.getsize(path)
        time.sleep(0.7)
    gigabytes = (last - size) / 1e9
    return cpu_seconds(pid) - before, gigabytes, status(pid, "VmHWM"), status(pid, "RssAnon")


def report(name, cpu, gigabytes, peak, anonymous):
    print(f"{name:<28} {gigabytes:>6.2f} GB  {cpu / gigabytes:>6.2f} CPU s/GB  {peak / 1024:>6.1f} MiB resident "
          f"({anonymous / 1024:.1f} MiB of it its own, not shared libraries)", flush=True)
    return cpu / gigabytes


def main():
    with tempfile.TemporaryDirectory() as directory:
        generator, ready = os.path.join(directory, "generate"), os.path.join(directory, "ready")
        subprocess.run(["gcc", "-O2", "-o", generator, os.path.join(ROOT, "bench", "generate.c")], check=True)
        sandbox = subprocess.Popen(["/usr/bin/python3", "-m", "sandbox", "--ready-file", ready], cwd=ROOT,
                                   stdout=subprocess.DEVNULL)
        try:
            while not os.path.exists(ready):
                assert sandbox.poll() is None
                time.sleep(0.1)
            with open(ready, encoding="utf-8") as file:
                box = json.load(file)
            env = {**os.environ, "KUBECONFIG": box["kubeconfig"]}
            request = urllib.request.Request(box["server"] + "/sandbox/pods",
                                             headers={"Authorization": "Bearer " + box["tokens"]["sandbox-token"]})
            pods = json.load(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=box["ca"])))
            netns = next(pod["netns"] for pod in pods if pod["name"] == "client")
            flood = ["ip", "netns", "exec", netns, generator, "eth0", str(FRAME), str(COUNT), str(RATE)]

            path = os.path.join(directory, "sniff.pcapng")
            with subprocess.Popen([CLIENT, "web", "-o", path, "-i", "eth0"], env=env, stderr=subprocess.PIPE) as sniff:
                while b"capturing" not in sniff.stderr.readline():
                    pass
                ours = report("kubectl sniff -o FILE", *measure(
                    sniff.pid, path, lambda: subprocess.run(flood, check=True, stdout=subprocess.DEVNULL)))
                sniff.send_signal(signal.SIGINT)
                print(sniff.stderr.read().decode().strip().splitlines()[-1])

            path = os.path.join(directory, "exec.out")
            with open(path, "wb") as out, subprocess.Popen(
                    ["kubectl", "exec", "-i", "web", "-c", "httpd", "--", "sh", "-c",
                     "sleep 1; head -c 800000000 /dev/zero; sleep 3"], env=env, stdout=out, stdin=subprocess.PIPE,
                    stderr=subprocess.DEVNULL) as peer:
                time.sleep(0.7)
                theirs = report("kubectl exec > FILE", *measure(peer.pid, path, lambda: time.sleep(2)))
                peer.terminate()
            print(f"ratio of CPU a gigabyte, kubectl sniff to kubectl exec: {ours / theirs:.2f}")
        finally:
            sandbox.terminate()
            sandbox.wait()
        blocks(directory)


def blocks(directory):
    """Block handling without TLS: read, check, write the agent's stream, by the program's own code."""
    program = os.path.join(ROOT, "build", "bench", "block_bench")
    print(subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True, cwd=directory).stdout.strip())


main()
