#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The recorder's `fetch` against `cat` of the same files, by turns, in the same run, on the same machine.

Each writes a ring of segments into a pipe that `cat` reads to nowhere. What counts is the time from the start to the
end, and the processor time of the program itself; of each the median of all rounds is shown. The files are in memory."""
import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "e2e"))
os.environ.setdefault("KSNIFF_BUILD", "build")

from ring import RELEASE, Ring, datagram, interface, packet, section, statistics as last_statistics  # noqa: E402
from test_agent import compile_filter  # noqa: E402

SIZES = (64, 512, 1500)  # bytes of a frame
SEGMENT = 32 << 20


def write_ring(path, size, megabytes):
    """Returns the bytes in it and the packets."""
    ring, total, packets = Ring(path), 0, 0
    for number in range(megabytes * 2**20 // SEGMENT):
        begin = ring.begin(number)
        some = b"".join(packet(begin + i, datagram(i, port=6000 + i % 10, size=size - 42)) for i in range(1000))
        count = SEGMENT // len(some)
        total += len(ring.write(number, section(number) + interface() + some * count
                                + last_statistics(begin, begin + 10**9, 1000 * count, last=True)))
        packets += 1000 * count
    return total, packets, [ring.file(n) for n in range(megabytes * 2**20 // SEGMENT)]


def measure(command):
    """Seconds from its start to the end of its output, and seconds of its processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with open(os.devnull, "wb") as nowhere, subprocess.Popen(["cat"], stdin=process.stdout, stdout=nowhere) as reader:
        process.stdout.close()
        said = process.stderr.read()
        process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        reader.wait()
    wall = time.monotonic() - begin
    if process.returncode != 0:
        sys.exit(f"fetch_bench: {command[0]}: exit {process.returncode}: {said.decode()}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, said.decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512, help="of each ring (default 512)")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(f"{'bytes':>5} {'program':<28} {'MB/s':>6} {'CPU s/GB':>9}  time and CPU against cat's")
    for size in SIZES:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
            total, packets, files = write_ring(path, size, options.megabytes)
            fetch = [RELEASE, "fetch", "-d", path, "-t", "0"]
            commands = {"cat": ["cat", *files], "fetch": fetch,
                        "fetch, filter takes a tenth": [*fetch, "-F", compile_filter("udp port 6001")]}
            if shutil.which("busybox"):
                commands["busybox cat"] = ["busybox", "cat", *files]
            rounds = {name: [] for name in commands}
            for _ in range(options.rounds):
                for name, command in commands.items():
                    rounds[name].append(measure(command))
            if f"stopped: {packets} packets" not in rounds["fetch"][0][2]:
                sys.exit(f"fetch_bench: not {packets} packets: {rounds['fetch'][0][2]}")
        middle = {name: [statistics.median(column) for column in list(zip(*all_of))[:2]] for name, all_of in rounds.items()}
        for name, (wall, cpu) in middle.items():
            print(f"{size:>5} {name:<28} {total / wall / 1e6:>6.0f} {cpu / total * 1e9:>9.3f}"
                  f"  {wall / middle['cat'][0]:.2f} {cpu / middle['cat'][1]:.2f}")


if __name__ == "__main__":
    main()
