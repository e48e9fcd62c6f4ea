#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One capture of 1, 10, 50 and 100 pods with 1,000 packets a second each: what it costs, and how late a packet is.

The sandbox runs the pods, on two nodes where it can; a generator sends datagrams in the network namespace of each; a
reader follows the file and takes the age of each packet, by its own time stamp, when it stands there. The processor time
and the memory are the client's own; the requests are those that the API server has seen from the client's start until
every target was captured, of which one for each target is its exec. Needs root."""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "e2e"))
sys.dont_write_bytecode = True
from conftest import BUILD, GUARD, ROOT, start_sandbox, wait_until  # noqa: E402
from processes import cpu_seconds, status  # noqa: E402

CLIENT = os.path.join(BUILD, "src", "kubectl-sniff")
TARGETS = [1, 10, 50, 100]
RATE, SECONDS, SIZE = 1000, 20, 200  # datagrams a second of each pod, for how long, bytes of each
PORT = 4206
PATIENCE = 600  # seconds for a hundred pods
SPEC = {"containers": [{"name": "app", "image": "registry.local/busybox:1", "command": ["sleep", "100000"]}]}


def pods_up_to(box, number):
    """Makes those that are not there yet. Returns their names."""
    names = [f"scale{i:03}" for i in range(number)]
    for name in names:
        if ("default", name) not in box.pods():
            box.create_pod(name, wait=False, metadata={"labels": {"bench": f"scale{number}"}}, **SPEC)
    wait_until(lambda: all(box.runs(name) for name in names), f"{number} pods", PATIENCE)
    return names


def interfaces(path):
    """Of a pcapng file, as far as it has come."""
    count = at = 0
    with open(path, "rb") as file:
        data = file.read()
    while at + 8 <= len(data):
        kind, length = (int.from_bytes(data[i:i + 4], sys.byteorder) for i in (at, at + 4))
        count += kind == 1
        if length < 12:
            break
        at += length
    return count


def measure(box, tool, names, words, directory):
    path = os.path.join(directory, "scale.pcapng")
    asked = len(box.get("/sandbox/requests"))
    flags = ["--method", words.method] + (["--max-targets", str(len(names))] if len(names) > 1 else [])
    with open(os.path.join(directory, "log"), "w+b") as log:
        client = subprocess.Popen([CLIENT, *names, *flags, "-i", "lo", "-f", f"udp dst port {PORT}", "-o", path],
                                  env=box.env, stdin=subprocess.DEVNULL, stderr=log)
        try:
            wait_until(lambda: client.poll() is None and os.path.exists(path) and interfaces(path) >= len(names),
                       f"{len(names)} captures", PATIENCE)
            row = {"targets": len(names), "asked": len(box.get("/sandbox/requests")) - asked - 1}
            reader = subprocess.Popen([tool, "read", path], stdout=subprocess.PIPE)
            before = cpu_seconds(client.pid)
            spaces = ["/run/netns/" + pod["netns"] for (_, name), pod in box.pods().items() if name in set(names)]
            sent = subprocess.run([tool, "send", str(PORT), str(SIZE), str(RATE), str(words.seconds), *spaces],
                                  check=True, stdout=subprocess.PIPE)
            time.sleep(1)
            row.update(sent=int(sent.stdout), cpu=cpu_seconds(client.pid) - before,
                       resident=status(client.pid, "VmHWM"), own=status(client.pid, "RssAnon"))
            client.send_signal(signal.SIGINT)
            row["code"] = client.wait(timeout=PATIENCE)
            reader.terminate()
            row.update(json.loads(reader.communicate(timeout=GUARD)[0]))
            return row
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()
            if os.path.exists(path):
                os.unlink(path)


def million(row):
    return row["cpu"] / (row["packets"] / 1e6)


def show(row):
    print(f"{row['targets']:>7} {row['sent']:>9} {row['sent'] - row['packets']:>7} {million(row):>12.2f} "
          f"{row['resident'] / 1024:>9.1f} {row['own'] / 1024:>5.1f} {row['median_us'] / 1000:>10.1f} "
          f"{row['p99_us'] / 1000:>8.1f} {row['max_us'] / 1000:>8.1f} {row['asked'] / row['targets']:>10.1f}"
          + (f"   exit code {row['code']}" if row["code"] else ""), flush=True)


def aims(rows):
    """The last row has the most targets."""
    last, ten = rows[-1], next((row for row in rows if row["targets"] == 10), None)
    print(f"\nat {last['targets']} targets: resident at most 24 MiB: {'yes' if last['resident'] <= 24 << 10 else 'no'}; "
          f"median under 60 ms: {'yes' if last['median_us'] < 60000 else 'no'}; "
          f"nothing lost: {'yes' if last['packets'] == last['sent'] else 'no'}; "
          f"at most 3 requests a target: {'yes' if last['asked'] <= 3 * last['targets'] else 'no'}")
    if ten and last["targets"] > 10:
        slope = million(last) / million(ten)
        print(f"CPU for a packet, {last['targets']} targets to 10: {slope:.2f} times (no worse than linear: "
              f"{'yes' if slope <= 1 else 'no'})")


def sandbox_of_nodes(directory):
    usage = subprocess.run(["/usr/bin/python3", "-m", "sandbox", "--help"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return start_sandbox(directory, *(["--nodes", "2"] if b"--nodes" in usage.stdout else []))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, action="append", help=f"how many; again for more rows; default: {TARGETS}")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--method", default="node",
                        help="upload: an exec for each target; node: one for each node; default: %(default)s")
    words = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("scale_bench: needs root (network namespaces)")
    with tempfile.TemporaryDirectory() as directory:
        tool = os.path.join(directory, "scale")
        subprocess.run(["gcc", "-O2", "-o", tool, os.path.join(ROOT, "bench", "scale.c")], check=True)
        box = sandbox_of_nodes(directory)
        try:
            print(f"{RATE} packets of {SIZE} bytes a second for each target, for {words.seconds} s; {os.cpu_count()} processors")
            print("targets      sent    lost CPU s/million  MiB resident, own  ms: median      99%  longest "
                  "requests/target", flush=True)
            rows = []
            for number in sorted(words.targets or TARGETS):
                rows.append(measure(box, tool, pods_up_to(box, number), words, directory))
                show(rows[-1])
            aims(rows)
        finally:
            box.process.terminate()
            box.process.wait(timeout=PATIENCE)


if __name__ == "__main__":
    main()
