# SPDX-License-Identifier: Apache-2.0
"""The recorder by itself, in network namespaces of the test's own; tshark is the judge of what is in its ring."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import BUILD, GUARD, LARGE_PAGES, tshark
from test_agent import ARCHITECTURE, BAD_OPTIONS, NO_INTERFACE, compile_filter, inside, ip, namespaces, udp

_ = namespaces  # a fixture
RELEASE = os.path.join(BUILD, "agent", "ksniff-recorder-" + ARCHITECTURE)
SANITIZED = os.path.join(BUILD, "agent", "ksniff-recorder-sanitized")
BINARIES = [RELEASE] + ([SANITIZED] if os.path.exists(SANITIZED) else [])
NO_SECRET, SHELL = 74, 75
KEEP_MIN = 8 << 20
BLOCK = 4096
PIECE = 128 << 10
FILTER = ["-F", compile_filter("udp port 6000")]


def until(look, what):
    """What look() says, once it is true."""
    end = time.monotonic() + GUARD
    while not (found := look()):
        assert time.monotonic() < end, what()
        time.sleep(0.05)
    return found


class Recorder:
    """A recorder, with an executable of its own: only one may run by the same."""

    def __init__(self, binary, namespace, directory, *words, keep=KEEP_MIN, targets=(["-t"],), prefix=()):
        self.binary = os.path.join(os.path.dirname(str(directory)), "recorder-" + os.path.basename(str(directory)))
        if not os.path.exists(self.binary):
            shutil.copy(binary, self.binary)
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.words = ["record", "-d", self.directory, "-k", str(keep), *words, *[word for target in targets for word in target]]
        self.namespace, self.prefix, self.process = namespace, prefix, None
        self.error = self.binary + ".stderr"
        self.targets = len(targets)

    def start(self, wait=True):
        self.before = self.identity()
        with inside(self.namespace), open(self.error, "ab") as error:
            self.process = subprocess.Popen([*self.prefix, self.binary, *self.words], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=error)
        if wait:
            self.wait(lambda state: all(target["state"] == "recording" for target in state["targets"]))
        return self

    def said(self):
        with open(self.error, encoding="utf-8") as file:
            return file.read()

    def identity(self):
        """Of the state's file: another each time that it is written."""
        try:
            status = os.stat(os.path.join(self.directory, "state"))
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def state(self):
        """The state's words, None before there is one."""
        try:
            with open(os.path.join(self.directory, "state"), encoding="utf-8") as file:
                if (os.fstat(file.fileno()).st_ino, os.fstat(file.fileno()).st_mtime_ns) == self.before:  # of the one before
                    return None
                lines = [line.split(" ") for line in file.read().splitlines()]
        except FileNotFoundError:
            return None
        assert lines[0] == ["recording", "1"]
        state = {line[0]: line[1:] for line in lines if line[0] != "target"}
        keys = ("oldest", "newest", "segments", "packets", "bytes", "dropped")
        state["targets"] = [dict(zip(keys, map(int, line[3:])), state=line[2]) for line in lines if line[0] == "target"]
        assert [int(line[1]) for line in lines if line[0] == "target"] == list(range(self.targets))
        return state

    def wait(self, good):
        def look():
            assert self.process.poll() is None, (self.process.returncode, self.said())
            state = self.state()
            return state if state and good(state) else None
        return until(look, lambda: f"{self.state()} {self.said()}")

    def wait_packets(self, count, target=0):
        return self.wait(lambda state: state["targets"][target]["packets"] >= count)

    def end(self, code=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=GUARD) == code, self.said()
        said = self.said()
        assert "Sanitizer" not in said and "runtime error" not in said, said
        return said

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=GUARD)

    def segments(self, target=0):
        folder = os.path.join(self.directory, str(target))
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if len(name) == 10 and name.isdigit()]

    def payloads(self, target=0, display="udp.dstport == 6000", whole=True):
        """What tshark finds in the segments, one after the other."""
        found = []
        for path in self.segments(target):
            found += [bytes.fromhex(row[0]) for row in tshark(path, "udp.payload", display=display)] if whole else torn(path, display)
        return found


def torn(path, display):
    done = subprocess.run(["tshark", "-r", path, "-Y", display, "-T", "fields", "-e", "udp.payload"], env=LARGE_PAGES,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return [bytes.fromhex(line) for line in done.stdout.split()]


@pytest.fixture(params=BINARIES, ids=os.path.basename)
def make(request, namespaces, tmp_path):
    made = []

    def make(*words, binary=request.param, namespace=namespaces[0], directory=None, start=True, **more):
        recorder = Recorder(binary, namespace, directory or tmp_path / f"ring{len(made)}", *words, **more)
        made.append(recorder)
        return recorder.start() if start else recorder
    yield make
    for recorder in made:
        if recorder.process and recorder.process.poll() is None:
            recorder.process.kill()
            recorder.process.wait()


def blocks(path):
    """Type and bytes of each block: all of them are whole."""
    with open(path, "rb") as file:
        data = file.read()
    at, found = 0, []
    while at < len(data):
        length = int.from_bytes(data[at + 4:at + 8], "little")
        assert length >= 12 and data[at + length - 4:at + length] == data[at + 4:at + 8]
        found.append((int.from_bytes(data[at:at + 4], "little"), data[at:at + length]))
        at += length
    return found


def size_of(directory):
    """Files as whole blocks, directories as they are."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += (os.path.getsize(os.path.join(folder, name)) + BLOCK - 1) // BLOCK * BLOCK
            except FileNotFoundError:
                pass
    return total


def flood(namespace, count, size, port=6000):
    """Datagrams on the loopback device, numbered."""
    text = ("import socket\nr = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"r.bind(('127.0.0.1', {port}))\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"for i in range({count}):\n    s.sendto(b'%08d' % i + bytes({size}), ('127.0.0.1', {port}))\n    r.recv(65536)\n")
    with inside(namespace):
        subprocess.run(["/usr/bin/python3", "-c", text], check=True, timeout=GUARD)


def writer_of(recorder):
    """The process of the one target."""
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(recorder.process.pid)], stdout=subprocess.PIPE, text=True, check=True)
    child, = map(int, children.stdout.split())
    return child


def test_every_packet_once_and_segments_are_whole(make, namespaces):
    """A known exchange over two segments; no packets: no segment."""
    recorder = make(*FILTER)
    assert recorder.segments() == []
    first, second = ([b"%s %d" % (word, n) for n in range(50)] for word in (b"first", b"second"))
    begun = time.time_ns()
    udp(namespaces, first)
    recorder.wait_packets(50)
    # The segment is closed with its time, whether or not something follows.
    until(lambda: blocks(recorder.segments()[0])[-1][0] == 5, recorder.said)
    assert len(recorder.segments()) == 1
    udp(namespaces, second, address="10.55.0.1", sender=1)
    state = recorder.wait_packets(100)
    assert state["state"] == ["recording"] and state["targets"][0]["state"] == "recording"
    recorder.end()
    state = recorder.state()
    assert recorder.payloads() == first + second
    paths = recorder.segments()
    assert [os.path.basename(path) for path in paths] == ["0000000000", "0000000001"]
    for number, path in enumerate(paths):
        kinds = [kind for kind, _ in blocks(path)]
        assert kinds == [0x0a0d0d0a, 1] + [6] * 50 + [5]  # section, interface, packets, statistics
        assert b"segment: %d\0" % number in blocks(path)[0][1]
        assert b"ksniff-recorder" in blocks(path)[0][1]
        assert b"\x03\x00\x08\x00" in blocks(path)[-1][1]  # isb_endtime
    times = [float(row[0]) for path in paths for row in tshark(path, "frame.time_epoch")]
    target = state["targets"][0]
    assert (target["segments"], target["packets"], target["dropped"]) == (2, 100, 0)
    assert target["bytes"] == sum(map(os.path.getsize, paths))
    assert begun <= target["oldest"] and abs(target["oldest"] / 1e9 - times[0]) < 1e-3 and abs(target["newest"] / 1e9 - times[-1]) < 1e-3


def test_the_ring_wraps(make, namespaces):
    """Never more than -k, whenever it is looked at; the oldest go, and what is left has no gap and ends with the newest."""
    recorder = make(*FILTER, "-i", "lo")
    sizes = []
    for _ in range(12):
        flood(namespaces[0], 1000, 1200)
        sizes.append(size_of(recorder.directory))
    recorder.wait(lambda state: state["targets"][0]["newest"] and state["targets"][0]["packets"] > 0 and recorder.segments()[0][-10:] != "0" * 10)
    recorder.end()
    assert max(sizes) <= KEEP_MIN and size_of(recorder.directory) <= KEEP_MIN
    assert max(sizes) > KEEP_MIN // 2  # what may be kept is kept
    numbers = [int(os.path.basename(path)) for path in recorder.segments()]
    assert numbers[0] > 0 and numbers == list(range(numbers[0], numbers[-1] + 1))
    kept = [int(payload[:8]) for payload in recorder.payloads()]
    sent = [n for _ in range(12) for n in range(1000)]
    assert 0 < len(kept) < len(sent) and kept == sent[-len(kept):]
    target = recorder.state()["targets"][0]
    assert (target["packets"], target["segments"], target["dropped"]) == (len(kept), len(numbers), 0)


def test_the_bound_holds_whoever_reads(make, namespaces, tmp_path):
    """Fetches whose readers take nothing have the segments open that go: the file system does not hold more for them."""
    place = tmp_path / "counted"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], check=True)
    readers, held = [], []
    try:
        recorder = make(*FILTER, "-i", "lo", directory=place)
        for _ in range(20):
            flood(namespaces[0], 700, 1200)
            readers.append(subprocess.Popen([recorder.binary, "fetch", "-d", recorder.directory, "-t", "0"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
            status = os.statvfs(place)
            held.append((status.f_blocks - status.f_bfree) * status.f_bsize)
        open_in = [os.readlink(path) for one in readers for path in map(f"/proc/{one.pid}/fd/".__add__, os.listdir(f"/proc/{one.pid}/fd"))]
        recorder.end()
    finally:
        for one in readers:
            one.kill()
            one.communicate()
        subprocess.run(["umount", "-l", str(place)], check=True)
    assert len({path for path in open_in if path.endswith(" (deleted)")}) > 5
    assert KEEP_MIN // 2 < max(held) <= KEEP_MIN


def test_whole_pieces_are_written(make, namespaces, tmp_path):
    """Where there is much, a segment is written up to a multiple of 128 KiB each time: that takes the kernel the least work."""
    recorder = make(*FILTER, "-i", "lo", binary=RELEASE)
    trace = str(tmp_path / "trace")
    with subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=openat,write", "-o", trace, "-p", str(writer_of(recorder))]):
        until(lambda: os.path.exists(trace), recorder.said)
        for _ in range(8):
            flood(namespaces[0], 1000, 1200)
        recorder.end()
    at, pieces, others = 0, 0, 0
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            if "O_EXCL" in line:
                at = 0
            elif match := re.search(r"write\(\d+, .* = (\d{3,})$", line):  # an empty line to the supervisor is shorter
                size = int(match[1])
                at += size
                pieces += size if at % PIECE == 0 else 0
                others += size if at % PIECE else 0
    assert pieces > others and pieces + others > 8 * 1000 * 1200, (pieces, others)


def test_it_is_not_woken_for_every_packet(make, namespaces):
    """A block of the ring that is not full is waited for: 20 times a second, and as often again for what else there is to do."""
    recorder = make(*FILTER, binary=RELEASE)
    child = writer_of(recorder)

    def wakes():
        with open(f"/proc/{child}/status", encoding="ascii") as file:
            return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)$", file.read(), re.M)[1])
    before, begun = wakes(), time.monotonic()
    text = ("import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "for i in range(1000):\n    s.sendto(b'%d' % i, ('10.55.0.2', 6000))\n    time.sleep(0.003)\n")
    with inside(namespaces[0]):
        subprocess.run(["/usr/bin/python3", "-c", text], check=True, timeout=GUARD)
    assert wakes() - before <= 40 * (time.monotonic() - begun)
    recorder.wait_packets(1000)
    recorder.end()
    assert len(recorder.payloads(display="udp.dstport == 6000 && frame.interface_name == eth0")) == 1000


def test_what_is_old_goes(make, namespaces):
    recorder = make(*FILTER, "-K", "1")
    udp(namespaces, [b"old"])
    recorder.wait_packets(1)
    until(lambda: not recorder.segments(), lambda: str(recorder.state()))
    state = recorder.wait(lambda state: state["targets"][0]["segments"] == 0)
    assert [state["targets"][0][key] for key in ("oldest", "newest", "packets", "bytes")] == [0] * 4
    recorder.end()


def test_what_is_frozen_does_not_become_too_old(make, namespaces):
    """Also not for a recorder that is started again."""
    recorder = make(*FILTER, "-K", "2")
    udp(namespaces, [b"wanted"])
    recorder.wait_packets(1)
    subprocess.run([recorder.binary, "freeze", "-d", recorder.directory], check=True, timeout=GUARD)
    time.sleep(3.5)  # it would be too old by now
    assert len(recorder.payloads()) == 1
    recorder.kill()
    recorder.start(wait=False)
    time.sleep(1.5)
    assert len(recorder.payloads()) == 1
    recorder.end()


def test_killed_and_started_again(make, namespaces):
    """It goes on in the same ring: what was closed is there, numbers go on, the torn segment stays as it is."""
    recorder = make(*FILTER)
    udp(namespaces, [b"closed"])
    recorder.wait_packets(1)
    until(lambda: blocks(recorder.segments()[0])[-1][0] == 5, recorder.said)
    udp(namespaces, [b"torn"])
    state = recorder.wait_packets(2)
    recorder.kill()
    since = state["since"]
    with open(recorder.segments()[-1], "ab") as file:
        file.write(b"\x06\0\0\0\xff")  # amid a block
    with open(os.path.join(recorder.directory, "0", "foreign"), "wb") as file:
        file.write(b"not ours")
    os.mkdir(os.path.join(recorder.directory, "7"))
    recorder.start()
    udp(namespaces, [b"after"])
    recorder.wait(lambda state: state["targets"][0]["segments"] == 3)
    recorder.end()
    assert [os.path.basename(path)[-1] for path in recorder.segments()] == ["0", "1", "2"]
    assert recorder.payloads(whole=False) == [b"closed", b"torn", b"after"]
    assert recorder.state()["since"] == since
    assert os.path.exists(os.path.join(recorder.directory, "0", "foreign"))
    assert tshark(recorder.segments()[-1], "udp.payload")[0][0] == b"after".hex()


def test_the_writer_is_started_again(make, namespaces):
    recorder = make(*FILTER)
    udp(namespaces, [b"before"])
    recorder.wait_packets(1)
    os.kill(writer_of(recorder), signal.SIGKILL)
    state = recorder.wait(lambda state: "complaint" in state)
    assert " ".join(state["complaint"]) == "target 0: its writer was ended by signal 9"
    recorder.wait(lambda state: state["targets"][0]["state"] == "recording")
    udp(namespaces, [b"after"])
    recorder.wait(lambda state: state["targets"][0]["segments"] == 2)
    recorder.end()
    assert recorder.payloads(whole=False) == [b"before", b"after"]


def test_a_full_disk_is_counted_and_no_end(make, namespaces, tmp_path):
    """On a tmpfs that is too small: what it does not take is dropped, and said; there is room again, and it goes on."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=True)
    try:
        recorder = make(*FILTER, "-i", "lo", "-b", str(1 << 20), directory=place, start=False)
        recorder.start()
        for _ in range(5):
            flood(namespaces[0], 2000, 1200)
        state = recorder.wait(lambda state: state["targets"][0]["dropped"] > 0 and "complaint" in state)
        assert "No space left on device" in " ".join(state["complaint"]) and state["targets"][0]["state"] == "recording"
        before = recorder.segments()
        subprocess.run(["mount", "-o", "remount,size=32m", str(place)], check=True)
        recorder.wait(lambda state: blocks_end(before[-1]))
        flood(namespaces[0], 10, 8)
        until(lambda: any(payload[8:] == bytes(8) for path in recorder.segments() for payload in torn(path, "udp.dstport == 6000")),
              lambda: str(recorder.state()))
        said = recorder.end()
        assert said.count("No space left on device") >= 1
        counted = sum(int(row) for path in recorder.segments() for row in dropped_of(path))
        assert counted > 0
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def blocks_end(path):
    with open(path, "rb") as file:
        return b"\x03\x00\x08\x00" in file.read()[-200:]


def dropped_of(path):
    """isb_ifdrop of each block of statistics in a segment that is whole."""
    found = []
    for kind, block in blocks(path):
        if kind == 5:
            at = block.find(b"\x05\x00\x08\x00")
            found.append(int.from_bytes(block[at + 4:at + 12], "little"))
    return found


@pytest.mark.parametrize("after", [0, 1500])
def test_a_trigger_freezes_before_and_after(make, namespaces, after):
    """Two targets; what came before the packet is there, and as much time after it as was asked for; a restart keeps it frozen."""
    recorder = make(*FILTER, "-s", "60", "-T", compile_filter("udp port 6000 and udp[60:4] = 0x53544f50"), "-X", "E", "-A", str(after),
                    targets=(["-t"], ["-t"]))
    before, stop = [b"before %d" % n for n in range(20)], bytes(52) + b"STOP"
    udp(namespaces, before)
    for target in (0, 1):
        recorder.wait_packets(20, target)
    udp(namespaces, [stop, b"right behind it"])
    state = recorder.wait(lambda state: state["state"] == ["frozen"])
    udp(namespaces, [b"too late"])
    time_of, number = map(int, state["trigger"])
    assert number in (0, 1) and all(target["state"] == "frozen" for target in state["targets"])
    recorder.end()
    behind = [b"right behind it"] if after else []
    for target in (0, 1):
        got = recorder.payloads(target)
        # The kernel looks at the clock for each socket: to the other target the same packet may be later than the last wanted.
        assert got == before + [stop[:18]] + behind or (not after and target != number and got == before), got
        assert all(blocks_end(path) for path in recorder.segments(target))
    row, = [float(row[0]) for path in recorder.segments(number) for row in tshark(path, "frame.time_epoch", display="frame.len == 98")]
    assert abs(row - time_of / 1e9) < 1e-3
    recorder.start(wait=False)
    udp(namespaces, [b"after the restart"])
    again = recorder.wait(lambda state: True)
    recorder.end()
    assert again == state and recorder.payloads(number) == before + [stop[:18]] + behind


def test_freeze(make, namespaces):
    """It returns when nothing more is written; it needs no privilege, and a restart keeps the ring frozen."""
    recorder = make(*FILTER)
    udp(namespaces, [b"kept"])
    done = subprocess.run(["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", recorder.binary, "freeze", "-d", recorder.directory],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=GUARD)
    assert done.returncode == 0 and done.stdout == "" and "Sanitizer" not in done.stderr, done.stderr
    assert recorder.state()["state"] == ["frozen"] and recorder.payloads() == [b"kept"]
    udp(namespaces, [b"too late"])
    recorder.kill()
    recorder.start(wait=False)
    udp(namespaces, [b"too late"])
    recorder.wait(lambda state: state["state"] == ["frozen"])
    assert subprocess.run([recorder.binary, "freeze", "-d", recorder.directory], check=False, timeout=GUARD).returncode == 0
    recorder.end()
    assert recorder.payloads() == [b"kept"]


def test_the_wish_to_freeze_waits_for_a_recorder(make, namespaces):
    recorder = make(*FILTER)
    udp(namespaces, [b"kept"])
    recorder.wait_packets(1)
    recorder.kill()
    with subprocess.Popen([recorder.binary, "freeze", "-d", recorder.directory]) as freeze:
        until(lambda: os.path.exists(os.path.join(recorder.directory, "freeze")), recorder.said)
        recorder.start(wait=False)
        assert freeze.wait(timeout=GUARD) == 0
    assert recorder.state()["state"] == ["frozen"]
    recorder.end()


def test_only_one_records(make, namespaces):
    recorder = make(*FILTER)
    with inside(namespaces[0]):
        done = subprocess.run([recorder.binary, *recorder.words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == NO_SECRET and "this pod serves nobody else" in done.stderr
    recorder.end()


WRONG = {"no directory": (["-k", str(KEEP_MIN), "-t"], "record what"), "no target": (["-d", "x", "-k", str(KEEP_MIN)], "record what"),
         "too small": (["-d", "x", "-k", str(KEEP_MIN - 1), "-t"], f"bad option -k {KEEP_MIN - 1}"),
         "too small for so many": (["-d", "x", "-k", str(KEEP_MIN), *["-t"] * 9], "-k is too small"),
         "too many": (["-d", "x", "-k", str(1 << 30), *["-t"] * 65], "too many of them"),
         "no program": (["-d", "x", "-k", str(KEEP_MIN), "-T", "!", "-t"], "bad option -T !"),
         "of another command": (["-d", "x", "-k", str(KEEP_MIN), "-O", "-t"], "bad option -O"),
         "no container": (["-d", "x", "-k", str(KEEP_MIN), "-t", "-C", "nope"], "bad option -C nope")}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_words(tmp_path, name):
    words, says = WRONG[name]
    binary = str(tmp_path / "recorder")
    shutil.copy(BINARIES[-1], binary)
    done = subprocess.run([binary, "record", *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
                          cwd=tmp_path, timeout=GUARD)
    assert done.returncode == BAD_OPTIONS and says in done.stderr, done.stderr


def test_what_cannot_be_recorded_at_the_start_ends_it(make, namespaces):
    recorder = make("-i", "nope", start=False).start(wait=False)
    assert recorder.process.wait(timeout=GUARD) == NO_INTERFACE and 'no interface "nope"' in recorder.said()
    recorder = make("-N", start=False).start(wait=False)
    assert recorder.process.wait(timeout=GUARD) == SHELL and "the image has" in recorder.said()
    recorder = make(start=False)
    os.rmdir(recorder.directory)
    recorder.start(wait=False)
    assert recorder.process.wait(timeout=GUARD) == 79 and f"cannot read the ring {recorder.directory}" in recorder.said()


def container(namespace, group):
    """A process of a container, in a network namespace: whose it is, its control group says."""
    os.makedirs(group, exist_ok=True)
    with inside(namespace):
        process = subprocess.Popen(["sleep", "1000"])
    with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(str(process.pid))
    return process


@pytest.fixture
def group():
    """The path of a control group of a container of its own, and its id."""
    root = next((path for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup", "/sys/fs/cgroup/pids")
                 if os.path.exists(os.path.join(path, "cgroup.procs"))), None)
    if not root:
        pytest.skip("there are no control groups here")
    identity = os.urandom(32).hex()
    path = os.path.join(root, f"kst-{os.getpid()}", identity)
    yield path, identity
    for folder in (path, os.path.dirname(path)):
        until(lambda folder=folder: not os.path.exists(folder) or not subprocess.run(["rmdir", folder], check=False).returncode, lambda: folder)


def test_a_namespace_that_comes_later_and_another_that_follows(make, namespaces, group):
    """Target 1 is waited for, without keeping target 0 from being recorded; when it is elsewhere, it is followed there."""
    path, identity = group
    recorder = make(*FILTER, targets=(["-t"], ["-t", "-C", identity]), start=False).start(wait=False)
    recorder.wait(lambda state: [target["state"] for target in state["targets"]] == ["recording", "waiting"] and
                  identity in " ".join(state.get("complaint", [])))
    process = container(namespaces[1], path)
    try:
        recorder.wait(lambda state: state["targets"][1]["state"] == "recording")
        udp(namespaces, [b"at b"])
        recorder.wait_packets(1, 1)
        process.kill()
        process.wait()
        recorder.wait(lambda state: state["targets"][1]["state"] == "waiting")
        process = container(namespaces[0], path)
        recorder.wait(lambda state: state["targets"][1]["state"] == "recording")
        udp(namespaces, [b"at a"], address="127.0.0.1")
        recorder.wait(lambda state: state["targets"][1]["segments"] == 2)
        recorder.end()
    finally:
        process.kill()
        process.wait()
    assert recorder.payloads(1) == [b"at b", b"at a"]
    assert all(blocks_end(path) for path in recorder.segments(1))


def test_interfaces_come_and_go(make, namespaces):
    """Each segment describes those whose packets it has; one that comes later is recorded, too."""
    name = namespaces[0]
    recorder = make(*FILTER)
    udp(namespaces, [b"first"])
    recorder.wait_packets(1)
    ip("-n", name, "link", "add", "later", "type", "veth", "peer", "name", "later-peer")
    try:
        ip("-n", name, "addr", "add", "10.58.0.1/24", "dev", "later")
        ip("-n", name, "link", "set", "later-peer", "up")
        ip("-n", name, "link", "set", "later", "up")
        text = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'later', ('10.58.0.2', 6000))"
        ip("-n", name, "neigh", "add", "10.58.0.2", "lladdr", "02:00:00:00:00:09", "dev", "later")
        with inside(name):
            subprocess.run(["/usr/bin/python3", "-c", text], check=True)
        recorder.wait_packets(2)
    finally:
        ip("-n", name, "link", "del", "later")
    recorder.end()
    rows = [row for path in recorder.segments() for row in tshark(path, "frame.interface_name", "udp.payload", display="frame.packet_flags_direction == 2")]
    assert rows == [["eth0", b"first".hex()], ["later", b"later".hex()]]


def test_privileges(make, namespaces):
    """The writer has no capability and a closed list of calls; the supervisor has what entering a namespace again takes."""
    recorder = make(*FILTER, binary=RELEASE)
    child = writer_of(recorder)

    def status(pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file)
    writer, supervisor = status(child), status(recorder.process.pid)
    assert {writer[key].strip("0") for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    assert int(supervisor["CapEff"], 16) == int(supervisor["CapPrm"], 16) == 1 << 13 | 1 << 19 | 1 << 21  # NET_RAW, SYS_PTRACE, SYS_ADMIN
    for one in (writer, supervisor):
        assert one["NoNewPrivs"] == "1" and one["Seccomp"] == "2"
    recorder.end()
