# SPDX-License-Identifier: Apache-2.0
"""The sandbox's SPDY, held against the bytes of a real server and the rules of moby/spdystream."""
import contextlib
import os
import re
import socket
import struct
import sys
import time
import zlib

import pytest

from conftest import GUARD, ROOT, start_sandbox, wait_until
from test_sandbox import RECORDINGS, kubectl
from test_sandbox_faults import connect

sys.path.insert(0, ROOT)
from sandbox.spdy import DICTIONARY  # noqa: E402  pylint: disable=wrong-import-position

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 9
NAMES = ("error", "stdin", "stdout", "stderr")
EXEC = "/api/v1/namespaces/default/pods/web/exec?container=httpd&stdin=true&stdout=true&stderr=true&command=sh&command=-c&command="


def request(sandbox, command):
    return (f"POST {EXEC}{command.replace(' ', '%20')} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\n"
            "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v5.channel.k8s.io\r\n"
            "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
            f"Authorization: Bearer {sandbox.tokens['sandbox-token']}\r\n\r\n").encode()


class Client:
    """Frames as they are written down, on a connection to the sandbox."""

    def __init__(self, sandbox, command="cat"):
        self.socket = connect(sandbox)
        self.socket.settimeout(GUARD)
        self.buffer = b""
        self.deflate, self.inflate = zlib.compressobj(zdict=DICTIONARY), zlib.decompressobj(zdict=DICTIONARY)
        self.socket.sendall(request(sandbox, command))
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.receive()
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("ended")
        return data

    def control(self, kind, payload, flags=0):
        self.socket.sendall(struct.pack("!HHI", 0x8003, kind, flags << 24 | len(payload)) + payload)

    def data(self, stream, data, flags=0):
        self.socket.sendall(struct.pack("!II", stream, flags << 24 | len(data)) + data)

    def syn(self, stream, name):
        block = struct.pack("!II", 1, 10) + b"streamtype" + struct.pack("!I", len(name)) + name.encode()
        block = self.deflate.compress(block) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.control(SYN_STREAM, struct.pack("!IIH", stream, 0, 0) + block)

    def open(self):
        for number, name in enumerate(NAMES):
            self.syn(2 * number + 1, name)
        return [self.frame() for _ in NAMES]

    def frame(self):
        """(kind or "data", stream or the first number, flags, the rest)"""
        while len(self.buffer) < 8 or len(self.buffer) < 8 + (struct.unpack_from("!I", self.buffer, 4)[0] & 0xffffff):
            self.buffer += self.receive()
        first, second = struct.unpack_from("!II", self.buffer)
        length = second & 0xffffff
        payload, self.buffer = self.buffer[8:8 + length], self.buffer[8 + length:]
        if first >> 31:
            return first & 0xffff, struct.unpack_from("!I", payload)[0], second >> 24, payload[4:]
        return "data", first, second >> 24, payload

    def ended(self):
        """Whether the server ends the connection, whatever it says before."""
        with contextlib.suppress(socket.timeout):
            try:
                while True:
                    self.frame()
            except OSError:
                return True
        return False


@pytest.fixture
def client(sandbox):
    clients = []

    def make(*arguments):
        clients.append(Client(sandbox, *arguments))
        return clients[-1]
    yield make
    for each in clients:
        each.socket.close()


def replayed(sandbox, text):
    """What the sandbox answers to the recorded client, written as it did: field by field."""
    replies = Client(sandbox, "cat; echo oops >%262; exit 3")
    frames, sent = [], 0
    for line in text.splitlines():
        if not re.match(r"[<>] +\d+ [0-9a-f]+$", line):
            continue
        direction, _, data = line.split()
        if direction == ">":
            replies.socket.sendall(bytes.fromhex(data))
            sent += 1
        # A recorded SYN_STREAM waits for the reply to the one before.
        elif data.startswith("8003000200000") and len(frames) < 4:
            frames.append(replies.frame())
    with contextlib.suppress(OSError):
        while True:
            frames.append(replies.frame())
    assert sent > 40
    return replies.head, frames


def recorded_frames(text):
    client = Client.__new__(Client)
    client.buffer = b"".join(bytes.fromhex(m) for m in re.findall(r"^< +\d+ ([0-9a-f]+)$", text, re.M))
    frames = []
    while client.buffer:
        frames.append(client.frame())
    return frames


def test_bytes_as_recorded(sandbox):
    with open(os.path.join(RECORDINGS, "exec-spdy.hex"), encoding="ascii") as file:
        text = file.read()
    head, frames = replayed(sandbox, text)
    assert head.decode().replace("\r\n", " | ") in text
    theirs = recorded_frames(text)

    # The order between stdout and stderr is nobody's; what a stream has is in order. zlib and Go compress differently.
    def by_stream(frames):
        inflate = zlib.decompressobj(zdict=DICTIONARY)
        plain = [(*frame[:3], inflate.decompress(frame[3]) if frame[0] == SYN_REPLY else frame[3]) for frame in frames
                 if frame[0] != GOAWAY]
        return {stream: [frame for frame in plain if frame[1] == stream] for stream in (1, 3, 5, 7)}
    command = re.compile(rb"\[sh -c [^]]*\], ")
    mine, real = by_stream(frames), by_stream(theirs)
    assert mine[3] == real[3] and mine[5] == real[5] and mine[7] == real[7]
    assert [frame[:3] for frame in mine[1]] == [frame[:3] for frame in real[1]]
    assert b'"reason":"ExitCode","message":"3"' in mine[1][1][3] and command.search(real[1][1][3])
    # The Status comes behind the end of both outputs.
    order = [(frame[0], frame[1], frame[2]) for frame in frames if frame[0] in ("data", RST_STREAM)]
    assert order[-2:] == [("data", 1, 0), (RST_STREAM, 1, 0)] and ("data", 5, 1) in order[:-2]


@pytest.mark.parametrize("name, verbs", [("exec-only-create.http", ["create"]), ("exec-only-get.http", ["get"])])
def test_rights_to_exec_as_recorded(sandbox, name, verbs):
    with open(os.path.join(RECORDINGS, name), encoding="utf-8") as file:
        text = re.sub(r"^#.*\n", "", file.read(), flags=re.M)
    user = "system:serviceaccount:team:only" + verbs[0]
    token = f"only-{verbs[0]}-token"
    rules = [{"verbs": verbs, "resources": ["pods/exec"]}, {"verbs": ["get"], "resources": ["pods"]}]
    sandbox.call("POST", "/sandbox/users", {"name": user, "rules": rules, "token": token})
    sandbox.call("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    app = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
    with sandbox.running_pod("app", "team", containers=[app]):
        for exchange in re.split(r"\n(?=> (?:GET|POST))", text):
            request, _, answer = exchange.strip().partition("\n\n")
            lines = [line[2:] for line in request.splitlines()]
            if "websocket" in request:
                lines.append("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
            with connect(sandbox) as raw:
                raw.settimeout(GUARD)
                raw.sendall("\r\n".join([*lines, "Host: x", "", ""]).replace("<token>", token).encode())
                check_answer(raw, [line.removeprefix("<").removeprefix(" ") for line in answer.splitlines()])


def check_answer(raw, expected):
    """The same code and headers, and where there is one the same body."""
    import json
    got = b""
    while b"\r\n\r\n" not in got:
        got += raw.recv(65536)
    head, _, body = got.decode("latin-1").partition("\r\n\r\n")
    names = {line.partition(":")[0]: line for line in head.splitlines()}
    recorded = [line for line in expected if line]
    at = recorded.index("{") if "{" in recorded else len(recorded)
    assert head.splitlines()[0] == recorded[0]
    for line in recorded[1:at]:
        if not line.startswith(("Content-Length", "Content-Type")):
            assert names[line.partition(":")[0]] == line
    assert ("X-Content-Type-Options" in names) == any("X-Content-Type" in line for line in recorded[:at])
    if at < len(recorded):
        length = int(names["Content-Length"].split()[1])
        while len(body) < length:
            body += raw.recv(65536).decode()
        assert json.loads(body) == json.loads("\n".join(recorded[at:]))


def test_pings(client):
    one = client()
    one.open()
    for number in (1, 2, 3):
        one.control(PING, struct.pack("!I", number))
    assert [one.frame()[:2] for _ in range(2)] == [(PING, 1), (PING, 3)]  # 2 would be an answer


def test_no_windows(client):
    """Nothing is said of them, and more than one goes both ways without a word."""
    one = client()
    assert [frame[0] for frame in one.open()] == [SYN_REPLY] * 4
    one.control(SETTINGS, struct.pack("!III", 1, 7, 1000))
    for _ in range(10):
        one.data(3, b"x" * 30000)
    got = 0
    while got < 300000:
        frame = one.frame()
        assert frame[:2] == ("data", 5)
        got += len(frame[3])
    one.data(3, b"", 1)
    assert one.frame()[:3] == ("data", 7, 1) and one.frame()[:3] == ("data", 5, 1)


def test_windows(sandbox, client):
    with sandbox.faults(spdy_windows=20000):
        one = client()
    kind, count, _, rest = one.frame()
    assert (kind, count, struct.unpack("!II", rest)) == (SETTINGS, 1, (7, 20000))
    one.open()
    one.data(3, b"x" * 20000)
    given, back = {0: 0, 3: 0}, 0
    while back < 20000 or min(given.values()) < 20000:
        kind, stream, _, rest = one.frame()
        if kind == WINDOW_UPDATE:
            given[stream] += struct.unpack("!I", rest)[0]
        else:
            assert (kind, stream) == ("data", 5)
            back += len(rest)
    assert (back, given) == (20000, {0: 20000, 3: 20000})


def test_windows_of_the_client(sandbox, client):
    """No more comes than it has room for, until it gives something back."""
    with sandbox.faults(spdy_windows=20000):
        one = client("head -c 200000 /dev/zero; cat")
    one.frame()
    one.open()
    got = 0
    while got < 65536:
        got += len(one.frame()[3])
    assert got == 65536
    one.control(PING, struct.pack("!I", 1))
    assert one.frame()[0] == PING
    one.control(WINDOW_UPDATE, struct.pack("!II", 5, 1000))
    one.control(WINDOW_UPDATE, struct.pack("!II", 0, 700))
    while got < 65536 + 700:
        got += len(one.frame()[3])
    one.control(WINDOW_UPDATE, struct.pack("!II", 0, 1 << 20))
    one.control(SETTINGS, struct.pack("!III", 1, 7, 1 << 20))
    while got < 200000:
        got += len(one.frame()[3])
    assert got == 200000


def test_more_than_a_window(sandbox, client):
    with sandbox.faults(spdy_windows=20000):
        one = client("sleep 5")
    one.frame()
    one.open()
    one.data(3, b"x" * 20001)
    kind, stream, _, rest = one.frame()
    assert (kind, stream, struct.unpack("!I", rest)) == (RST_STREAM, 3, (7,))


def test_ids_of_streams(client):
    one = client()
    one.syn(3, "stdin")
    assert one.frame()[:2] == (SYN_REPLY, 3)
    for wrong in (1, 3, 4):
        one.syn(wrong, "stdout")
        kind, stream, _, rest = one.frame()
        assert (kind, stream, struct.unpack("!I", rest)) == (RST_STREAM, wrong, (1,))


@pytest.mark.parametrize("frame", [
    struct.pack("!HHI", 0x8002, PING, 4) + b"\0\0\0\1", struct.pack("!HHI", 0x8003, PING, 4) + b"\0\0\0\0",
    struct.pack("!HHI", 0x8003, PING, 3) + b"\0\0\1", struct.pack("!HHI", 0x8003, PING, 1 << 24 | 4) + b"\0\0\0\1",
    struct.pack("!HHI", 0x8003, 10, 0), struct.pack("!HHI", 0x8003, GOAWAY, 4) + bytes(4),
    struct.pack("!HHI", 0x8003, RST_STREAM, 8) + struct.pack("!II", 1, 0), struct.pack("!II", 0, 1) + b"x",
    struct.pack("!HHI", 0x8003, WINDOW_UPDATE, 4) + bytes(4), struct.pack("!HHI", 0x8003, SETTINGS, 4) + b"\0\0\0\1",
    struct.pack("!HHI", 0x8003, SYN_STREAM, 14) + struct.pack("!IIH", 9, 0, 0) + b"none"])
def test_what_is_no_frame_ends_it(client, frame):
    one = client()
    one.open()
    one.socket.sendall(frame)
    assert one.ended()


def test_end_of_the_connection_ends_the_process(sandbox, client):
    one = client("cat; echo gone >/tmp/spdy-end")
    one.open()
    one.socket.close()
    path = os.path.join(sandbox.rootfs("web", "httpd"), "tmp", "spdy-end")
    wait_until(lambda: os.path.exists(path), "the end of stdin")
    os.unlink(path)


def test_kubectl_against_windows(sandbox, monkeypatch):
    """kubectl heeds none: it works as long as nothing is larger than one."""
    monkeypatch.setitem(sandbox.env, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
    with sandbox.faults(spdy_windows=65536):
        done = kubectl(sandbox, "exec", "-i", "web", "-c", "httpd", "--", "cat", stdin=b"x" * 60000)
    assert done.stdout == b"x" * 60000


@pytest.mark.parametrize("transport", ["SPDY", "WebSocket"])
def test_a_client_that_has_gone_is_no_fault(tmp_path, transport):
    """It gives up while its exec is being prepared. A fault of the sandbox's own is its exit code."""
    box = start_sandbox(str(tmp_path))
    head = request(box, "cat")
    if transport == "WebSocket":
        head = head.replace(b"POST", b"GET").replace(b"SPDY/3.1", b"websocket").replace(
            b"X-Stream-Protocol-Version: v5", b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Protocol: v5")
    with box.faults(exec_delay_ms=500):
        one = connect(box)
        one.sendall(head)
        wait_until(lambda: any("/exec" in line for line in box.get("/sandbox/requests")), "the request")
        one.close()
        time.sleep(1)  # the exec goes on meanwhile
    box.process.terminate()
    assert box.process.wait(timeout=GUARD) == 0, (tmp_path / "sandbox.log").read_text()
