#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The recorder against dumpcap -b and tcpdump -C -W: the same traffic, in the same run, into files of the same size on the same disk.

Frames are sent over a veth pair between two network namespaces made for this. The packets are counted in the files, which are
more than the traffic fills; processor time (user and system) and memory are those of all processes of a program. Needs root."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from agent_bench import ARCHITECTURE, READY, cpu_seconds, kinds_of, measure_all, parser_of, peak_mib, print_aims

FILES, FILE_MIB, RING_MIB = 128, 16, 32
PEERS = ("dumpcap -b", "tcpdump -C -W")


def commands(recorder, folder):
    """What is compared: name -> command. The rings of all three have the recorder's size."""
    keep = str(FILES * FILE_MIB << 20)
    file = os.path.join(folder, "file")
    return {
        "recorder": [recorder, "record", "-d", folder, "-k", keep, "-i", "eth0", "-b", str(RING_MIB << 20), "-t"],
        "dumpcap -b": ["dumpcap", "-q", "-i", "eth0", "-B", str(RING_MIB), "-w", file, "-b", f"filesize:{FILE_MIB * 1024}", "-b", f"files:{FILES}"],
        "tcpdump -C -W": ["tcpdump", "-i", "eth0", "-Z", "root", "-B", str(RING_MIB * 1024), "-w", file, "-C", str(FILE_MIB), "-W", str(FILES)],
    }


def family(pid):
    """A process and its children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [pid, *map(int, file.read().split())]


def wait_for_capture(pid):
    end = time.monotonic() + READY
    while True:
        with open(f"/proc/{pid}/net/packet", encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
        if any(row[3] == "0003" and row[5] == "1" for row in rows):
            time.sleep(0.5)  # they have still some things to do
            return
        if time.monotonic() > end:
            sys.exit("recorder_bench: nobody captures")
        time.sleep(0.02)


def count(traffic, folder):
    """Packets in all files."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if name.startswith("state"):
                continue
            with open(os.path.join(place, name), "rb") as file:
                total += int(subprocess.run([traffic, "count"], stdin=file, stdout=subprocess.PIPE, check=True).stdout)
    return total


def measure(traffic, namespaces, name, recorder, size, seconds, rate):
    """One program, one kind of traffic. Returns the numbers of one cell."""
    sender, receiver = namespaces
    folder = tempfile.mkdtemp(prefix="recorder-bench-")
    try:
        capture = subprocess.Popen(["ip", "netns", "exec", receiver, *commands(recorder, folder)[name]], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_capture(capture.pid)
        pids = family(capture.pid)
        start = sum(map(cpu_seconds, pids))
        sent = int(subprocess.run(["ip", "netns", "exec", sender, traffic, "send", "eth0", str(size), str(seconds), str(rate)],
                                  stdout=subprocess.PIPE, check=True).stdout)
        time.sleep(1.5)  # libpcap's ring holds a block back for up to a second
        used, memory = sum(map(cpu_seconds, pids)) - start, sum(map(peak_mib, pids))
        capture.send_signal(signal.SIGTERM)
        capture.wait(timeout=READY)
        received = count(traffic, folder)
    finally:
        shutil.rmtree(folder)
    if received > sent:
        sys.exit(f"recorder_bench: {name}: {received} packets of {sent}")
    return {"program": name, "size": size, "rate": rate, "sent": sent, "lost": sent - received,
            "cpu": used / max(received, 1) * 1e6, "memory": memory, "per_second": sent / seconds}


def print_table(cells):
    print(f"\n{'bytes':>5} {'packets/s':>10} {'program':<14} {'CPU s/M':>8} {'lost':>8} {'of sent':>8} {'RSS MiB':>8}  CPU of the recorder, against it")
    for (size, _), kind in kinds_of(cells).items():
        for name, cell in kind.items():
            ratio = f"{kind['recorder']['cpu'] / cell['cpu']:.2f}" if name in PEERS and cell["cpu"] else ""
            print(f"{size:>5} {cell['per_second']:>10.0f} {name:<14} {cell['cpu']:>8.3f} {cell['lost']:>8}"
                  f" {cell['lost'] / max(cell['sent'], 1):>8.2%} {cell['memory']:>8.1f}  {ratio}")


def main():
    options = parser_of(__doc__).parse_args()
    recorder = os.path.join(options.build, "agent", "ksniff-recorder-" + ARCHITECTURE)
    cells = measure_all(commands(recorder, ""), lambda traffic, namespaces, name, size, rate:
                        measure(traffic, namespaces, name, recorder, size, options.seconds, rate))
    if options.json:
        json.dump(cells, sys.stdout, indent=1)
        return
    print_table(cells)
    print_aims(cells, (
        ("CPU at most a third of dumpcap's", lambda k: k["recorder"]["cpu"] <= k["dumpcap -b"]["cpu"] / 3),
        ("no loss where either has none", lambda k: k["recorder"]["lost"] == 0 or min(k[name]["lost"] for name in PEERS) > 0),
        ("memory at most the ring and 2 MiB", lambda k: k["recorder"]["memory"] <= RING_MIB + 2)))


if __name__ == "__main__":
    main()
