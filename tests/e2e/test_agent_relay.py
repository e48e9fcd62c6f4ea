# SPDX-License-Identifier: Apache-2.0
"""The agent's command `relay` by itself: many captures over one standard input and output (common/relay.h)."""
import contextlib
import hashlib
import os
import select
import signal
import struct
import subprocess
import time

import pytest

from conftest import GUARD, tshark, wait_until
from test_agent import BAD_OPTIONS, BINARIES, NO_INTERFACE, inside, namespaces, udp  # noqa: F401  pylint: disable=unused-import

NO_SECRET, KILLED = 74, 128 + signal.SIGKILL
CHANNELS = 128


class Relay:
    """Its frames, taken apart: what each channel has written, said, and ended with."""

    def __init__(self, binary, namespace, env=None):
        with inside(namespace):
            self.process = subprocess.Popen([binary, "relay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
        self.out, self.err, self.codes, self.said = {}, {}, {}, b""
        self.rest, self.exits = {"out": b"", "err": b""}, {}
        self.reads = 0

    def raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, kind, number, data=b""):
        self.raw(struct.pack(">cxHI", kind, number, len(data)) + data)

    def open(self, number, *words):
        self.send(b"o", number, b"".join(word.encode() + b"\0" for word in words))

    def capture(self, number, *words):
        self.open(number, "capture", "-i", "lo", *words)
        self.until(lambda: self.out.get(number), "its section")

    def take(self, way, data):
        self.rest[way] += data
        while self.rest[way]:
            if way == "err" and self.rest[way].startswith(b"k"):
                line, newline, self.rest[way] = self.rest[way].partition(b"\n")
                self.said += line + newline
                continue
            if len(self.rest[way]) < 8:
                break
            kind, number, length = struct.unpack(">cxHI", self.rest[way][:8])
            if len(self.rest[way]) < 8 + length:
                break
            body, self.rest[way] = self.rest[way][8:8 + length], self.rest[way][8 + length:]
            self.take_frame(way, kind, number, body)

    def take_frame(self, way, kind, number, body):
        assert number < CHANNELS and number not in self.codes
        if kind == b"X":
            self.exits.setdefault(number, {})[way] = body[0]
            if len(self.exits[number]) == 2:
                self.codes[number], = set(self.exits.pop(number).values())
        else:
            assert way not in self.exits.get(number, {}) and kind == {"out": b"O", "err": b"E"}[way]
            of = getattr(self, way)
            of[number] = of.get(number, b"") + body

    def until(self, reached, what):
        end = time.monotonic() + GUARD
        ways = {self.process.stdout: "out", self.process.stderr: "err"}
        while not reached():
            ready = select.select(list(ways), [], [], max(0, end - time.monotonic()))[0]
            assert ready, what
            for one in ready:
                data = os.read(one.fileno(), 1 << 20)
                assert data, (what, self.said)
                self.reads += ways[one] == "out"
                self.take(ways[one], data)

    def end(self, code=0):
        """The client goes. Returns what the relay itself has said."""
        out, err = self.process.communicate(timeout=GUARD)
        assert b"Sanitizer" not in err and b"runtime error" not in err, err
        self.take("out", out)
        self.take("err", err)
        assert self.process.returncode == code and not any(self.rest.values()), err
        return self.said.decode()

    def rows(self, number, path, *fields, display="udp"):
        with open(path, "wb") as file:
            file.write(self.out[number])
        return tshark(path, *fields, display=display)


@pytest.fixture(params=BINARIES, ids=os.path.basename)
def relay(request, namespaces):  # noqa: F811
    made = []

    def make(**more):
        made.append(Relay(request.param, namespaces[0], **more))
        return made[-1]
    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        with contextlib.suppress(ValueError):
            one.process.communicate()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def test_each_has_streams_of_its_own(relay, namespaces, tmp_path):  # noqa: F811
    """Each captures by its own filter, is asked and answers for itself, and ends when it is told."""
    one = relay()
    one.capture(0, "-s", "200")
    one.capture(5, "-s", "60")
    udp(namespaces, [b"x" * 100] * 3, address="127.0.0.1")
    one.send(b"i", 5, b"c7\n")
    one.until(lambda: b"clock 7 " in one.err.get(5, b""), "its answer")
    assert b"clock" not in one.err.get(0, b"")
    one.send(b"i", 0, b"q")
    one.until(lambda: 0 in one.codes, "its end")
    assert 5 not in one.codes
    udp(namespaces, [b"y" * 100] * 2, address="127.0.0.1")
    one.send(b"i", 5, b"q")
    one.until(lambda: 5 in one.codes, "its end")
    assert one.codes == {0: 0, 5: 0} and b"stopped: 3 packets" in one.err[0] and b"stopped: 5 packets" in one.err[5]
    assert [int(row[0]) for row in one.rows(0, str(tmp_path / "a"), "frame.cap_len")] == [142] * 3
    assert [int(row[0]) for row in one.rows(5, str(tmp_path / "b"), "frame.cap_len")] == [60] * 5
    assert one.end() == ""


def test_a_number_is_free_again(relay):
    one = relay()
    for _ in range(3):
        one.open(127, "capture", "-i", "nope0")
        one.until(lambda: 127 in one.codes, "its end")
        assert one.codes.pop(127) == NO_INTERFACE and b"nope0" in one.err.pop(127)
    one.open(3, "nonsense")
    one.until(lambda: 3 in one.codes, "its end")
    assert one.codes.pop(3) == BAD_OPTIONS
    one.open(3, "version")
    one.until(lambda: 3 in one.codes, "its end")
    assert one.codes[3] == 0 and one.out[3].startswith(b"ksniff-agent ")
    one.end()


def test_one_that_is_killed(relay):
    """Says so, as shells do; the others go on."""
    one = relay()
    one.capture(0)
    first, = children(one.process.pid)
    one.capture(1)
    os.kill(first, signal.SIGKILL)
    one.until(lambda: 0 in one.codes, "its end")
    assert one.codes == {0: KILLED}
    one.send(b"i", 1, b"c1\n")
    one.until(lambda: b"clock 1 " in one.err.get(1, b""), "the other's answer")
    one.end()


def test_one_that_is_not_wanted_any_more(relay, namespaces):  # noqa: F811
    one = relay()
    one.capture(0)
    before = one.out[0]
    one.send(b"e", 0)
    udp(namespaces, [b"z"] * 3, address="127.0.0.1")
    one.until(lambda: 0 in one.codes, "its end")
    assert one.out[0] == before and one.codes == {0: 0}
    one.send(b"i", 0, b"q")  # on its way when it ended
    one.send(b"e", 0)
    one.end()


def test_the_client_goes(relay, namespaces, tmp_path):  # noqa: F811
    """What the captures still hold is written; none is left."""
    one = relay()
    one.capture(0)
    one.capture(1)
    pids = children(one.process.pid)
    udp(namespaces, [b"x"] * 4, address="127.0.0.1")
    assert one.end() == ""
    assert one.codes == {0: 0, 1: 0}
    for number in (0, 1):
        assert len(one.rows(number, str(tmp_path / str(number)), "udp.port")) == 4
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_nobody_listens_to_what_is_said(relay, namespaces, tmp_path):  # noqa: F811
    """Standard error is full: nothing is lost of it, and packets go on."""
    one = relay()
    one.capture(0)
    for number in range(20000):
        one.send(b"i", 0, b"c%d\n" % number)
    udp(namespaces, [b"x"] * 4, address="127.0.0.1")
    one.send(b"i", 0, b"q")
    one.until(lambda: 0 in one.codes, "its end")
    assert len(one.rows(0, str(tmp_path / "x"), "udp.port")) == 4
    assert b"stopped: 4 packets" in one.err[0] and one.err[0].count(b"clock ") > 100
    one.end()


def test_the_relay_is_killed(relay):
    one = relay()
    one.capture(0)
    pids = children(one.process.pid)
    one.process.kill()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "the end of its captures")


def test_a_reader_that_takes_nothing(relay, namespaces, tmp_path):  # noqa: F811
    """Nothing is lost, and nothing is waited for: each is heard all the while."""
    one = relay()
    one.capture(0)
    one.capture(1)
    for _ in range(20):
        udp(namespaces, [b"x" * 1400] * 200, address="127.0.0.1")
    pids = children(one.process.pid)
    one.send(b"i", 0, b"q")
    one.send(b"i", 1, b"q")
    while not all(b"stopped: 4000 packets" in one.err.get(number, b"") for number in (0, 1)):
        assert select.select([one.process.stderr], [], [], GUARD)[0], "what they say does not wait for the reader"
        one.take("err", os.read(one.process.stderr.fileno(), 65536))
    assert all(os.path.exists(f"/proc/{pid}") for pid in pids)
    one.until(lambda: len(one.codes) == 2, "their ends")
    for number in (0, 1):
        assert len(one.rows(number, str(tmp_path / str(number)), "udp.port")) == 4000
    one.end()


def test_few_large_pieces(relay, namespaces):  # noqa: F811
    """Ten captures that each write a block now and then: what they write comes together."""
    one = relay()
    for number in range(10):
        one.capture(number)
    one.reads = 0
    for _ in range(50):
        udp(namespaces, [b"x"] * 2, address="127.0.0.1")
        time.sleep(0.005)
    for number in range(10):
        one.send(b"i", number, b"q")
    one.until(lambda: len(one.codes) == 10, "their ends")
    blocks = sum(out.count(b"\x06\0\0\0") for out in one.out.values())
    assert blocks >= 1000 and one.reads < blocks / 10
    one.end()


@pytest.mark.parametrize("data", [
    b"o\0\0\0" + b"\xff" * 4,                       # longer than any
    b"q" * 8,                                       # a length that is none
    struct.pack(">cxHI", b"o", CHANNELS, 2) + b"x\0",  # no such number
    struct.pack(">cxHI", b"o", 0, 7) + b"version",  # a word without its end
    struct.pack(">cxHI", b"o", 0, 0),               # no words
])
def test_what_is_no_frame(relay, data):
    one = relay()
    one.raw(data)
    assert "standard input carries no frames" in one.end(BAD_OPTIONS)


def test_it_is_opened_twice(relay):
    one = relay()
    one.capture(0)
    one.open(0, "version")
    assert "carries no frames" in one.end(BAD_OPTIONS)


def test_a_word_that_is_none_of_ours(relay):
    one = relay()
    one.capture(0)
    one.send(b"z", 0)
    assert "carries no frames" in one.end(BAD_OPTIONS)


@pytest.mark.parametrize("heard", [b"", b"other\n"])
def test_the_secret(relay, heard):
    """Of a helper: nothing is done before it, nor by a capture without it."""
    secret = b"0123456789abcdef"
    env = {"KSNIFF_SECRET_SHA256": hashlib.sha256(secret).hexdigest()}
    one = relay(env=env)
    if heard:
        one.raw(heard + struct.pack(">cxHI", b"o", 0, 8) + b"version\0")
    assert "its secret" in one.end(NO_SECRET) and not one.out
    one = relay(env=env)
    one.raw(secret + b"\n")
    one.open(0, "capture", "-i", "lo")
    one.send(b"i", 0, heard or b"\n")
    one.until(lambda: 0 in one.codes, "its end")
    assert one.codes == {0: NO_SECRET}
    one.open(1, "capture", "-i", "lo")
    one.send(b"i", 1, secret + b"\n")
    one.until(lambda: one.out.get(1), "its section")
    one.end()


def test_too_many_words(relay):
    """As many as there is room for are given; the capture says that they are none of its own."""
    one = relay()
    one.open(0, *["capture"] * 8000)
    one.until(lambda: 0 in one.codes, "its end")
    assert one.codes == {0: BAD_OPTIONS}
    one.end()
