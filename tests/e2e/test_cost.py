# SPDX-License-Identifier: Apache-2.0
"""What the client asks of the kernel for what it gets: calls are counted by strace, time is not."""
import os
import re
import signal
import socket
import subprocess

import pytest

from conftest import BOTH_TRANSPORTS, in_netns, wait_until

pytestmark = BOTH_TRANSPORTS

PORT, SIZE, COUNT = 4205, 8000, 2500  # less than the ring holds
REST = 0.01  # seconds that the client lets gather what keeps coming


def flood(sandbox):
    with in_netns(sandbox.netns("web")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for _ in range(COUNT):
            one.sendto(bytes(SIZE), ("127.0.0.1", PORT))


@pytest.fixture(name="calls")
def calls_of_a_capture(sandbox, ksniff, tmp_path):
    """(when, name, what it returned) of each call of a client while a flood came to it."""
    trace, out = tmp_path / "trace", str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-i", "lo", "-f", f"udp dst port {PORT}", "-o", out) as client:
        with subprocess.Popen(["strace", "-ttt", "-o", trace, "-e", "trace=recvfrom,poll", "-p", str(client.pid)],
                              stderr=subprocess.PIPE) as strace:
            try:
                assert b"attached" in strace.stderr.readline()
                flood(sandbox)
                wait_until(lambda: os.path.getsize(out) > SIZE * COUNT, "what was sent")
            finally:
                strace.send_signal(signal.SIGINT)  # LeakSanitizer wants nobody to watch the end
        ksniff.stop(client)
    lines = re.findall(r"^([0-9.]+) (\w+)\(.* = (-?\d+)", trace.read_text(), re.MULTILINE)
    return [(float(when), name, int(result)) for when, name, result in lines]


def test_much_is_read_at_once(calls):
    """More than a TLS record a call, and not each frame for itself: the client rests while more gathers."""
    sizes = [result for _, name, result in calls if name == "recvfrom"]
    assert sum(sizes) > SIZE * COUNT and sum(sizes) / len(sizes) > 10000, (sum(sizes), len(sizes))
    polls, seconds = sum(name == "poll" for _, name, _ in calls), calls[-1][0] - calls[0][0]
    assert polls < 3 * seconds / REST + 50, (polls, seconds)
