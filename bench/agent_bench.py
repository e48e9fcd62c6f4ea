#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The capture agent against tcpdump and dumpcap: the same traffic, in the same run, on the same machine.

Frames are sent over a veth pair between two network namespaces made for this; each program captures at the
other end into a pipe. The packets are counted at the end of the pipe, the processor time is the capture
program's own (user and system), from the first packet to the last; what starting takes is said apart. Needs root."""
import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SIZES = (64, 512, 1500)
PACED = 20000  # packets a second
READY = 30     # seconds: only against hanging for ever
PEERS = ("tcpdump -U", "tcpdump", "dumpcap")


def commands(agent):
    """What is compared: name -> command. tcpdump's and dumpcap's rings are of 2 MiB by default."""
    return {
        "agent": [agent, "capture", "-i", "eth0"],
        "agent, 2 MiB": [agent, "capture", "-i", "eth0", "-b", str(2 << 20)],
        "tcpdump -U": ["tcpdump", "-i", "eth0", "-U", "-w", "-"],
        "tcpdump": ["tcpdump", "-i", "eth0", "-w", "-"],
        "dumpcap": ["dumpcap", "-q", "-i", "eth0", "-w", "-"],
    }


def run(*words):
    subprocess.run(words, check=True)


@contextlib.contextmanager
def veth_pair():
    """Two namespaces in which nothing speaks but the generator."""
    a, b = f"ksbench{os.getpid()}-a", f"ksbench{os.getpid()}-b"
    try:
        for name in (a, b):
            run("ip", "netns", "add", name)
            run("ip", "netns", "exec", name, "sh", "-c",
                "! [ -d /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
        run("ip", "-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b)
        for number, name in enumerate((a, b), 1):
            run("ip", "-n", name, "link", "set", "eth0", "up", "address", f"02:00:00:00:00:0{number}")
        yield a, b
    finally:
        for name in (a, b):
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def wait_for_capture(process):
    """Until the program has a packet socket that receives."""
    end = time.monotonic() + READY
    while True:
        with open(f"/proc/{process.pid}/net/packet", encoding="ascii") as file:
            # sk RefCnt Type Proto Iface R Rmem User Inode: Proto 0003 is ETH_P_ALL, R: running
            rows = [line.split() for line in file][1:]
        if any(row[3] == "0003" and row[5] == "1" for row in rows):
            time.sleep(0.5)  # dumpcap and tcpdump have still some things to do
            return
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"agent_bench: {process.args} does not capture")
        time.sleep(0.02)


def cpu_seconds(pid):
    """What a process has used so far, in nanoseconds' resolution: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def peak_mib(pid):
    """Peak resident memory of the program itself; its packet ring is mapped and counts."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def measure(traffic, namespaces, name, command, size, seconds, rate):
    """One program, one kind of traffic. Returns the numbers of one cell."""
    sender, receiver = namespaces
    capture = subprocess.Popen(["ip", "netns", "exec", receiver, *command], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with subprocess.Popen([traffic, "count"], stdin=capture.stdout, stdout=subprocess.PIPE) as counter:
        capture.stdout.close()
        wait_for_capture(capture)
        start = cpu_seconds(capture.pid)
        sent = int(subprocess.run(["ip", "netns", "exec", sender, traffic, "send", "eth0", str(size), str(seconds),
                                   str(rate)], stdout=subprocess.PIPE, check=True).stdout)
        time.sleep(1.5)  # libpcap's ring holds a block back for up to a second
        used, memory = cpu_seconds(capture.pid) - start, peak_mib(capture.pid)
        if name.startswith("agent"):
            capture.stdin.write(b"q")
            capture.stdin.flush()
        else:
            capture.send_signal(signal.SIGINT)
        capture.wait(timeout=READY)
        capture.stdin.close()
        received = int(counter.communicate()[0])
    if capture.returncode != 0 or received > sent:
        sys.exit(f"agent_bench: {name}: exit {capture.returncode}, {received} packets of {sent}")
    return {"program": name, "size": size, "rate": rate, "sent": sent, "lost": sent - received,
            "cpu": used / max(received, 1) * 1e6, "start_ms": start * 1e3, "memory": memory, "per_second": sent / seconds}


def print_table(cells):
    print(f"\n{'bytes':>5} {'packets/s':>10} {'program':<13} {'CPU s/M':>8} {'lost':>8} {'of sent':>8} {'RSS MiB':>8} {'start ms':>8}"
          f"  CPU of the agent, against it")
    for cell in cells:
        same = {c["program"]: c for c in cells if (c["size"], c["rate"]) == (cell["size"], cell["rate"])}
        ratio = ""
        if "agent" in same and cell["program"] in PEERS and cell["cpu"]:
            ratio = f"{same['agent']['cpu'] / cell['cpu']:.2f}"
        print(f"{cell['size']:>5} {cell['per_second']:>10.0f} {cell['program']:<13} {cell['cpu']:>8.3f} {cell['lost']:>8}"
              f" {cell['lost'] / max(cell['sent'], 1):>8.2%} {cell['memory']:>8.1f} {cell['start_ms']:>8.1f}  {ratio}")


def kinds_of(cells):
    """The cells of each kind of traffic, by their programs."""
    kinds = {}
    for cell in cells:
        kinds.setdefault((cell["size"], cell["rate"]), {})[cell["program"]] = cell
    return kinds


def print_aims(cells, aims):
    """aims: of every kind of traffic: what, and whether its cells meet it"""
    print()
    for what, holds in aims:
        missed = [f"{size} bytes {'paced' if rate else 'flat out'}" for (size, rate), kind in kinds_of(cells).items() if not holds(kind)]
        print(f"{what}: " + ("yes" if not missed else "not with " + ", ".join(missed)))


def parser_of(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", default=os.path.join(ROOT, os.environ.get("KSNIFF_BUILD", "build")))
    parser.add_argument("--seconds", type=float, default=3, help="of traffic in each cell (default 3)")
    parser.add_argument("--json", action="store_true", help="numbers for a program")
    return parser


def measure_all(names, measure):
    """measure(traffic, namespaces, name, size, rate): one cell. Returns those of every kind of traffic."""
    if os.geteuid() != 0:
        sys.exit(f"{os.path.basename(sys.argv[0])}: needs root (network namespaces)")
    cells = []
    with tempfile.TemporaryDirectory() as scratch, veth_pair() as namespaces:
        traffic = os.path.join(scratch, "traffic")
        run("cc", "-O2", "-o", traffic, os.path.join(ROOT, "bench", "traffic.c"))
        for rate in (PACED, 0):
            for size in SIZES:
                for name in names:
                    cells.append(measure(traffic, namespaces, name, size, rate))
                    print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return cells


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--only", action="append", help="only this program, by its name in the table; may be repeated")
    options = parser.parse_args()
    agent = commands(os.path.join(options.build, "agent", "ksniff-agent-" + ARCHITECTURE))
    cells = measure_all([name for name in agent if not options.only or name in options.only],
                        lambda traffic, namespaces, name, size, rate:
                        measure(traffic, namespaces, name, agent[name], size, options.seconds, rate))
    if options.json:
        json.dump(cells, sys.stdout, indent=1)
        return
    print_table(cells)
    if not options.only:
        print_aims(cells, (
            ("CPU at most a quarter of tcpdump -U's", lambda k: k["agent"]["cpu"] <= k["tcpdump -U"]["cpu"] / 4),
            ("CPU no more than tcpdump's", lambda k: k["agent"]["cpu"] <= k["tcpdump"]["cpu"]),
            ("no loss where tcpdump -U has none, less where it has", lambda k:
             k["agent"]["lost"] < k["tcpdump -U"]["lost"] or k["agent"]["lost"] == k["tcpdump -U"]["lost"] == 0)))


if __name__ == "__main__":
    main()
