#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fetching what was recorded: from Enter to the first packet against `kubectl exec POD -- true`, and how many bytes come
a second against `kubectl exec POD -- cat FILE` of as many, in the same run.

The sandbox runs the pods, a generator floods one of them while a recorder is beside it: frames of two sizes, each in a
recording of its own. The clock of the first packet runs from the start of the program to the moment when a named pipe has
given a whole packet block; the others run to the ends of the programs, which write into a file each. With them stands the
processor time of the clients alone, which does not depend on what else the machine does. Needs root."""
import contextlib
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from first_packet import CLIENT, log_of, read_until_packet, time_exec  # noqa: E402
from conftest import GUARD, ROOT, start_sandbox, wait_until  # noqa: E402

ROUNDS = 9
# Bytes of a frame, frames, frames a second: none is lost at that.
SIZES = [(1442, 150000, 20000), (242, 400000, 40000)]


def run(box, directory, *words, **more):
    with log_of(directory) as log:
        return subprocess.run(words, env=box.env, stdin=subprocess.DEVNULL, stderr=log, check=True, timeout=10 * GUARD, **more)


def timed(box, directory, *words):
    """Seconds to its end, and of the processor."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(os.path.join(directory, "out"), "wb") as out:  # /dev/null would be written to in pieces of 4 KiB
        run(box, directory, *words, stdout=out)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime


def time_first_packet(box, directory, name):
    path = os.path.join(directory, "fifo")
    os.mkfifo(path)
    fifo = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with log_of(directory) as log:
            start = time.perf_counter()
            process = subprocess.Popen([CLIENT, "--fetch", name, "-o", path], env=box.env, stdin=subprocess.DEVNULL, stderr=log)
            read_until_packet(fifo, process)
            seconds = time.perf_counter() - start
            process.kill()
            process.wait()
            return seconds
    finally:
        os.close(fifo)
        os.unlink(path)


def packets_in(box, directory, name, path):
    """How many packets a fetch has; the file is the caller's."""
    with open(os.path.join(directory, "said"), "w+b") as said:
        subprocess.run([CLIENT, "--fetch", name, "-o", path], env=box.env, stdin=subprocess.DEVNULL, stderr=said, check=True)
        said.seek(0)
        return int(re.search(rb"(\d+) packets captured", said.read())[1])


@contextlib.contextmanager
def recorded(box, directory, size):
    """A recording of a flood. Yields its name and its size as a file."""
    frame, count, rate = size
    name, path = f"bench{frame}", os.path.join(directory, "whole")
    run(box, directory, CLIENT, "web", f"--record={name}", "--keep", "1G", "-i", "eth0", stdout=subprocess.DEVNULL)
    run(box, directory, "ip", "netns", "exec", os.path.basename(box.netns("client")), os.path.join(directory, "generate"),
        "eth0", str(frame), str(count), str(rate), stdout=subprocess.DEVNULL)
    wait_until(lambda: packets_in(box, directory, name, path) >= count * 0.99, "all that was sent")
    yield name, os.path.getsize(path)
    os.unlink(path)
    run(box, directory, CLIENT, "--end", name)


def compare_first(box, directory, name):
    rows = {"kubectl exec POD -- true": [], "kubectl sniff --fetch": []}
    for number in range(-1, ROUNDS):  # the first is to warm up
        pair = [("kubectl exec POD -- true", lambda: time_exec("web", box.env, directory)),
                ("kubectl sniff --fetch", lambda: time_first_packet(box, directory, name))]
        for row, measure in pair[::1 if number % 2 else -1]:
            seconds = measure()
            if number >= 0:
                rows[row].append(seconds)
    medians = [statistics.median(values) for values in rows.values()]
    print("to the first packet")
    for (row, values), median in zip(rows.items(), medians):
        print(f"  {row:<26} {median:>6.3f} s ({min(values):.3f} to {max(values):.3f})")
    print(f"  at most 1.5 times as long: {'yes' if medians[1] <= 1.5 * medians[0] else 'no'} ({medians[1] / medians[0]:.2f})",
          flush=True)


def compare_rates(box, directory, name, frame, size):
    words = {"kubectl exec POD -- cat FILE": ["kubectl", "exec", "web", "-c", "httpd", "--", "cat", "/tmp/whole"],
             "kubectl sniff --fetch": [CLIENT, "--fetch", name, "-o", "-"]}
    run(box, directory, "kubectl", "exec", "web", "-c", "httpd", "--", "sh", "-c", f"head -c {size} /dev/urandom >/tmp/whole")
    rows, used = {row: [] for row in words}, {row: [] for row in words}
    for number in range(3):
        for row in list(words)[::1 if number % 2 else -1]:
            seconds, cpu = timed(box, directory, *words[row])
            rows[row].append(size / seconds / 1e6)
            used[row].append(cpu / size * 1e9)
    run(box, directory, "kubectl", "exec", "web", "-c", "httpd", "--", "rm", "/tmp/whole")
    medians = [statistics.median(values) for values in rows.values()]
    print(f"{size / 1e6:.0f} MB of frames of {frame} bytes")
    for (row, values), median in zip(rows.items(), medians):
        print(f"  {row:<29} {median:>6.1f} MB/s ({min(values):.1f} to {max(values):.1f}), "
              f"{statistics.median(used[row]):.1f} s of the client's processor for a GB")
    print(f"  at least as fast: {'yes' if medians[1] >= medians[0] else 'no'} ({medians[1] / medians[0]:.2f})", flush=True)


def main():
    if os.geteuid() != 0:
        sys.exit("fetching_bench: needs root (network namespaces)")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["gcc", "-O2", "-o", os.path.join(directory, "generate"), os.path.join(ROOT, "bench", "generate.c")],
                       check=True)
        box = start_sandbox(directory)
        try:
            for number, size in enumerate(SIZES):
                with recorded(box, directory, size) as (name, length):
                    if number == 0:
                        compare_first(box, directory, name)
                    compare_rates(box, directory, name, size[0], length)
        finally:
            box.process.terminate()
            box.process.wait(GUARD)


if __name__ == "__main__":
    main()
