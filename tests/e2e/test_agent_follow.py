# SPDX-License-Identifier: Apache-2.0
"""The agent's `follow`: a key log as it grows, is cut, moved and made anew; and what is none."""
import os
import secrets
import select
import struct
import subprocess
import time

import pytest

from conftest import GUARD
from test_agent import BAD_OPTIONS, BINARIES, SILENCE

NO_FILE, DSB = 76, 10


def line(ending=b"\n"):
    return b"CLIENT_RANDOM " + secrets.token_hex(32).encode() + b" " + secrets.token_hex(48).encode() + ending


class Follower:
    def __init__(self, binary, path, *words):
        self.process = subprocess.Popen([binary, "follow", "-k", path, *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.bytes = b""

    def lines(self):
        """Of all whole blocks that have come; the first is the section's head."""
        at, found = 0, b""
        while at + 8 <= len(self.bytes):
            kind, length = struct.unpack_from("<II", self.bytes, at)
            if at + length > len(self.bytes):
                break
            assert kind == (0x0a0d0d0a if at == 0 else DSB)
            if kind == DSB:
                secrets_type, size = struct.unpack_from("<II", self.bytes, at + 8)
                assert secrets_type == 0x544c534b
                found += self.bytes[at + 16:at + 16 + size]
            at += length
        return found.splitlines(keepends=True)

    def wait_for(self, count):
        end = time.monotonic() + GUARD
        while len(self.lines()) < count:
            assert select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0], self.lines()
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, self.process.communicate()
            self.bytes += more
        return self.lines()

    def finish(self):
        out, err = self.process.communicate(b"q", timeout=GUARD)
        self.bytes += out
        assert self.process.returncode == 0 and b"Sanitizer" not in err and b"runtime error" not in err, err
        return err.decode()


@pytest.fixture(params=BINARIES, ids=os.path.basename)
def follow(request):
    running = []

    def begin(path, *words):
        running.append(Follower(request.param, str(path), *words))
        return running[-1]
    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
            stream.close()


def add(path, data):
    with open(path, "ab") as file:
        file.write(data)


def test_grows_from_nothing(follow, tmp_path):
    """Not there yet; then a line at a time, and one of them in two pieces."""
    path, written = tmp_path / "keys", [line() for _ in range(4)]
    one = follow(path)
    assert b"is not there yet" in one.process.stderr.readline()
    add(path, written[0])
    one.wait_for(1)
    add(path, written[1] + written[2][:50])
    one.wait_for(2)
    add(path, written[2][50:])
    one.wait_for(3)
    add(path, written[3][:-1])  # its end never comes
    assert not one.finish()
    assert one.lines() == written[:3]


def test_cut_moved_and_removed(follow, tmp_path):
    path, written = tmp_path / "keys", [line() for _ in range(6)]
    add(path, b"# SSL/TLS secrets log file\r\n\n" + written[0] + written[1])
    one = follow(path)
    one.wait_for(2)
    os.truncate(path, 0)
    add(path, written[2])
    one.wait_for(3)
    os.rename(path, tmp_path / "keys.1")
    add(tmp_path / "keys.1", written[3])  # who has it open still writes there
    one.wait_for(4)
    add(path, written[4])
    one.wait_for(5)
    os.unlink(path)
    add(path, written[5])
    one.wait_for(6)
    assert not one.finish()
    assert one.lines() == written


def test_what_is_no_secret_stays(follow, tmp_path):
    """Text, bytes, lines without an end, and lines that are too long; what is a secret among them is taken."""
    path, good = tmp_path / "keys", line()
    add(path, b"root:x:0:0:root:/root:/bin/sh\n" + secrets.token_bytes(100_000).replace(b"\n", b"x") + b"\n" + good[:-1] + b"\r\n"
        + b"CLIENT_RANDOM " + b"a" * 5000 + b"\nPASSWORD=swordfish\n" + line(b"") + b" x\n")
    one = follow(path)
    one.wait_for(1)
    err = one.finish()
    assert one.lines() == [good] and b"swordfish" not in one.bytes and "swordfish" not in err
    assert err.count("not every line is a secret") == 1 and f'5 lines of "{path}" were no secrets' in err


def test_of_a_large_one_the_end(follow, tmp_path):
    path, written = tmp_path / "keys", [line() for _ in range(40_000)]  # 7 MB
    add(path, b"".join(written))
    one = follow(path)
    one.wait_for(23_000)
    one.finish()
    found = one.lines()
    assert found == written[-len(found):] and 4 * 2**20 - 200 < sum(map(len, found)) <= 4 * 2**20


def test_what_is_no_file(follow, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        one = follow(path)
        assert one.process.wait(timeout=GUARD) == NO_FILE and b"no regular file" in one.process.stderr.read()


def test_ends_with_its_client(follow, tmp_path):
    one = follow(tmp_path / "keys")
    one.process.stdin.close()
    assert one.process.wait(timeout=GUARD) == 0
    assert follow(tmp_path / "keys", "-S", "1").process.wait(timeout=GUARD) == SILENCE
    assert follow(tmp_path / "keys", "-i", "eth0").process.wait(timeout=GUARD) == BAD_OPTIONS
