# SPDX-License-Identifier: Apache-2.0
"""The recorder's `fetch` and `status`: rings that a test writes, whole, torn, growing and vanishing, and tshark as the judge."""
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest

from conftest import GUARD, tshark, wait_until
from ring import (BINARIES, EPB, ISB, RELEASE, SANITIZED, SECOND, SHB, Fetch, Ring, blocks_of, datagram, identities, interface,
                  packet, section, segments_in, statistics)
from test_agent import BAD_OPTIONS, OUTPUT_CLOSED, SILENCE, compile_filter, namespaces, udp
from test_recorder import Recorder

_ = namespaces  # a fixture

NO_FILE, INTERNAL = 76, 79
LARGE = 60_000  # bytes of a packet: 6 MB of a segment
UDP_6001 = compile_filter("udp port 6001")


@pytest.fixture(params=BINARIES, ids=os.path.basename)
def binary(request):
    return request.param


@pytest.fixture
def fetch(binary, tmp_path):
    running = []

    def begin(*words, **more):
        running.append(Fetch(binary, str(tmp_path / "ring"), *words, **more))
        return running[-1]
    yield begin
    for one in running:
        one.close()


@pytest.fixture
def ring(tmp_path):
    return Ring(tmp_path / "ring")


def expected(*numbers):
    return [n * 100 + i for n in numbers for i in range(100)]


def judge(path, data):
    """ip.id of each packet as tshark reads it, which must find nothing wrong."""
    path.write_bytes(data)
    return [int(row[0], 16) for row in tshark(str(path), "ip.id")]


# ---- what there is ----

def test_all_of_it_verbatim(fetch, ring, tmp_path):
    """The oldest first, whatever the order of the directory; of the chosen target, and nothing else that is there."""
    for number in (12, 3, 11, 4):
        ring.write(number, dropped=number)
    other = Ring(tmp_path / "ring", target=10)
    other.write(5)
    for name in ("state", "7", "0000000007.new"):
        with open(os.path.join(ring.directory, name), "wb") as file:
            file.write(b"no segment")
    whole = b"".join(open(ring.file(number), "rb").read() for number in (3, 4, 11, 12))
    one = fetch()
    assert one.finish() == ["segments 5 to 10 are lost: removed before the fetch came to it", "stopped: 400 packets, 30 dropped"]
    assert one.out == whole and segments_in(one.out) == [3, 4, 11, 12]
    assert judge(tmp_path / "all.pcapng", one.out) == expected(3, 4, 11, 12)
    one = fetch(target=10)
    assert one.finish() == ["stopped: 100 packets, 0 dropped"] and identities(one.out) == expected(5)


def test_many_large_ones(fetch, ring):
    """More than any buffer holds, with packets of every size up to the largest; standard output is a pipe, or a file."""
    sizes = (0, 1, 1400, 65000, 262144 - 42)
    data = b"".join(ring.write(n, section(n) + interface() + b"".join(
        packet(ring.begin(n) + i, datagram(i, size=0) + bytes(sizes[i % 5]) * (i > 0)) for i in range(100)) +
        statistics(ring.begin(n), ring.begin(n) + SECOND, 100, last=True)) for n in range(5))
    one = fetch()
    assert one.finish() == ["stopped: 500 packets, 0 dropped"] and one.out == data
    with open(ring.path + ".out", "w+b") as file:
        one = fetch(stdout=file)
        one.process.wait(timeout=GUARD)
        file.seek(0)
        assert file.read() == data


@pytest.mark.skipif(SANITIZED not in BINARIES, reason="the seccomp filter ends a program at what strace answers in the kernel's place")
@pytest.mark.parametrize("call", ["splice", "mmap"])
def test_without_a_call(ring, tmp_path, call):
    """On a file system that has no splice(2), or no mmap(2), it is slower, and no different."""
    data = b"".join(ring.write(number, size=LARGE) for number in range(2))
    trace = str(tmp_path / "trace")
    one = Fetch(SANITIZED, ring.path, prefix=["env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-o", trace, "-P", ring.file(0), "-P", ring.file(1),
                                              "-e", f"inject={call}:error={'EINVAL' if call == 'splice' else 'ENODEV'}"])
    assert one.finish() == ["stopped: 200 packets, 0 dropped"] and one.out == data
    one.close()
    with open(trace, encoding="ascii") as file:
        assert any(line.startswith(call) and "(INJECTED)" in line for line in file)


def test_a_page_that_cannot_be_mapped(fetch, ring):
    """It is read then. (Of a hole in a file of a full tmpfs there is no page for a mapping.)"""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", ring.directory], check=True)
    try:
        captured = 200_000
        with open(ring.file(0), "wb") as file:
            file.write(section(0) + interface() + struct.pack("=IIIIIII", EPB, 32 + captured, 0, 0, 0, captured, captured))
            file.seek(captured, os.SEEK_CUR)
            file.write(struct.pack("=I", 32 + captured) + statistics(ring.begin(0), ring.begin(0) + SECOND, 1, last=True))
        with open(ring.file(0), "rb") as file:
            whole = file.read()
        with open(os.path.join(ring.directory, "rest"), "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        one = fetch()
        assert one.finish() == ["stopped: 1 packets, 0 dropped"] and one.out == whole
    finally:
        subprocess.run(["umount", ring.directory], check=True)


@pytest.mark.skipif(SANITIZED not in BINARIES, reason="the seccomp filter ends a program at what strace answers in the kernel's place")
@pytest.mark.parametrize("splices", [1, 2])
def test_a_disk_that_fails(ring, tmp_path, splices):
    """A segment that cannot be read to its end: what is before that comes, in whole blocks; it is named, and the next comes."""
    for number in range(3):
        ring.write(number, size=LARGE)
    one = Fetch(SANITIZED, ring.path, prefix=["env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-qq", "-o", str(tmp_path / "trace"),
                                              "-P", ring.file(0), "-P", ring.file(1), "-e", f"inject=splice:error=EIO:when={splices}+",
                                              "-e", "inject=pread64:error=EIO:when=3+"])  # it looks at the end before
    lines = one.finish()
    first = len(section(0) + interface()) if splices == 2 else 0
    named = [re.fullmatch(r"segment (\d), byte (\d+): Input/output error", line) for line in lines[:2]]
    assert all(named) and [one[1] for one in named] == ["0", "1"] and int(named[0][2]) >= first, lines
    got = identities(one.out)
    assert len(got) >= 100 and got[-100:] == expected(2) and got[:-100] == expected(0)[:len(got) - 100]
    assert (len(got) > 100) == (splices == 2)
    assert lines[2:] == [f"stopped: {len(got)} packets, 0 dropped", "2 segments in all could not be read to their ends"]


def test_nothing_there(fetch, ring, tmp_path):
    """A target that has no segment, or no directory yet, is no error; a ring that is not there is one."""
    for target in (0, 7):
        one = fetch(target=target)
        assert one.finish() == ["stopped: 0 packets, 0 dropped"] and one.out == b""
    os.rename(ring.path, ring.path + ".gone")
    assert fetch().finish(code=NO_FILE) == [f"cannot read the ring {tmp_path}/ring: No such file or directory"]


def test_begins_with_a_segment(fetch, ring):
    for number in range(4, 9):
        ring.write(number)
    one = fetch("-a", "6")
    assert one.finish() == ["stopped: 300 packets, 0 dropped"] and identities(one.out) == expected(6, 7, 8)
    one = fetch("-a", "2")
    assert "segments 2 to 3 are lost" in one.finish()[0] and identities(one.out) == expected(4, 5, 6, 7, 8)
    one = fetch("-a", "9")
    assert one.finish() == ["stopped: 0 packets, 0 dropped"] and one.out == b""


def test_a_cut_is_taken_up(fetch, ring):
    """At any place: the segment that was cut once more, then the rest, is every packet once."""
    whole = b"".join(ring.write(number, size=1000) for number in range(3))
    for cut in (1, 5000, len(whole) // 2, len(whole) - 1):
        first = fetch()
        first.read(cut)
        first.process.kill()
        begun = [n for n in range(3) if cut > len(whole) // 3 * n]
        again = fetch("-a", str(begun[-1]))
        again.finish()
        assert whole[:len(whole) // 3 * begun[-1]] + again.out == whole


def test_of_a_time(fetch, ring):
    """-B and -U leave out whole segments: those that ended before, those that began after."""
    for number in range(6):
        ring.write(number, dropped=1)
    begin = [ring.begin(n) for n in range(7)]
    for words, numbers in (
            (("-B", str(begin[3])), (2, 3, 4, 5)),  # the end of 2 is the beginning of 3
            (("-B", str(begin[3] + 1)), (3, 4, 5)),
            (("-U", str(begin[3])), (0, 1, 2, 3)),
            (("-U", str(begin[3] - 1)), (0, 1, 2)),
            (("-B", str(begin[2] + 1), "-U", str(begin[3] + 1)), (2, 3)),
            (("-B", str(begin[6] + 1)), ()),
            (("-U", str(begin[0] - 1)), ())):
        one = fetch(*words)
        assert one.finish() == [f"stopped: {100 * len(numbers)} packets, {len(numbers)} dropped"], words
        assert identities(one.out) == expected(*numbers), words


def test_of_a_time_without_an_end(fetch, ring):
    """A segment whose end is not known is not left out by -B; one with losses alone has its beginning in the statistics."""
    ring.write(0, end=False)
    begin = ring.begin(1)
    ring.write(1, section(1) + interface() + statistics(begin, begin + SECOND, 7, 7, last=True))
    one = fetch("-B", str(ring.begin(9)))
    assert one.finish()[-1] == "stopped: 100 packets, 0 dropped" and segments_in(one.out) == [0]
    assert fetch("-U", str(begin)).finish()[-1] == "stopped: 100 packets, 7 dropped"
    assert fetch("-U", str(begin - 1)).finish()[-1] == "stopped: 100 packets, 0 dropped"


# ---- what is not whole ----

def test_torn(fetch, ring, tmp_path):
    """Of each as many blocks as are whole; that its recorder was killed is said of all but the newest, which may grow."""
    whole = b"".join(ring.blocks(1, end=False)[:50])
    ring.write(0)
    ring.write(1, whole + ring.blocks(1)[50][:-3])
    ring.write(2, b"")
    ring.write(3, b"".join(ring.blocks(3)[:-1]) + bytes(4096))  # room that was made, and not used
    ring.write(4, b"".join(ring.blocks(4)[:7]) + b"\6\0")
    one = fetch()
    killed = "its recorder was killed here"
    assert one.finish() == [f"note: segment 1, byte {len(whole)}: {killed}", f"note: segment 2, byte 0: {killed}",
                            f"note: segment 3, byte {len(b''.join(ring.blocks(3)[:-1]))}: {killed}", "stopped: 253 packets, 0 dropped"]
    assert identities(one.out) == expected(0) + expected(1)[:48] + expected(3) + expected(4)[:5]
    assert judge(tmp_path / "torn.pcapng", one.out) == identities(one.out)


def test_what_no_recorder_writes(fetch, ring):
    """Bytes that are no blocks, other files, what may not be read: each is named and left out, the rest is fetched."""
    ring.write(0)
    ring.write(1, b"".join(ring.blocks(1)[:10]) + b"\6\0\0\0\7\0\0\0" + os.urandom(1000))
    ring.write(2, os.urandom(5000))
    os.symlink("/etc/passwd", ring.file(3))
    os.mkfifo(ring.file(4))
    os.mkdir(ring.file(5))
    ring.write(6)
    one = fetch()
    lines = one.finish()
    assert [line.split(",")[0] for line in lines] == ["segment 1", "segment 2", "segment 3", "segment 4", "segment 5", "stopped: 208 packets",
                                                    "5 segments in all could not be read to their ends"]
    assert "byte %d: this is not what a recorder writes" % len(b"".join(ring.blocks(1)[:10])) in lines[0]
    assert identities(one.out) == expected(0) + expected(1)[:8] + expected(6)


def is_stuck(one):
    """The pipe is full, and the fetch sleeps: it waits for its reader."""
    with open(f"/proc/{one.process.pid}/stat", encoding="ascii") as file:
        state = file.read().rpartition(") ")[2][0]
    own = os.open(f"/proc/{one.process.pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    full = not select.select([], [own], [], 0)[1]
    os.close(own)
    return state == "S" and full


def segment_open_in(pid, ring):
    """The number of the segment that a fetch has open."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = os.readlink(f"/proc/{pid}/fd/{name}").removesuffix(" (deleted)")
        if path.startswith(ring.directory + "/"):
            return int(os.path.basename(path))
    raise AssertionError("no segment is open")


def stuck(fetch, ring, *words):
    """A fetch in the midst of the ring, whose reader takes nothing for now. Returns it, and its open segment."""
    one = fetch(*words)
    one.read(ring.count * LARGE // 2)
    wait_until(lambda: is_stuck(one), "a full pipe")
    return one, segment_open_in(one.process.pid, ring)


def test_removed_while_it_is_read(fetch, ring):
    """What is open is read to its end; what was removed before is told, and the next that there is comes."""
    for number in range(6):
        ring.write(number, size=LARGE)
    one, number = stuck(fetch, ring)
    assert number < 3
    for gone in range(4):
        os.unlink(ring.file(gone))
    lines = one.finish()
    assert lines == [f"segments {number + 1} to 3 are lost: removed before the fetch came to it",
                     f"stopped: {100 * (number + 3)} packets, 0 dropped"]
    assert identities(one.out) == expected(*range(number + 1), 4, 5)


@pytest.mark.parametrize("words", [(), ("-F", compile_filter("udp"))], ids=["copied", "filtered"])
def test_cut_while_it_is_read(fetch, ring, words):
    """The recorder gives nobody more time for what it has removed: what comes is whole, and what does not come is told."""
    for number in range(6):
        ring.write(number, size=LARGE)
    one, number = stuck(fetch, ring, *words)
    os.truncate(ring.file(number), 0)
    os.unlink(ring.file(number))
    lines = one.finish()
    cut = re.fullmatch(rf"segment {number}, byte (\d+): removed while it was read, with what follows", lines[0])
    got = identities(one.out)
    behind = expected(*range(number + 1, 6))
    missing = 600 - len(got)
    assert cut and 0 < missing <= 100 and got == expected(*range(number + 1))[:-missing] + behind, (lines, len(got))
    assert lines[1:] == [f"stopped: {len(got)} packets, 0 dropped"]


def test_removed_to_the_last(fetch, ring):
    """The ring has gone around completely: it ends where it was to end."""
    for number in range(4):
        ring.write(number, size=LARGE)
    one, number = stuck(fetch, ring)
    for gone in range(4):
        os.unlink(ring.file(gone))
    ring.write(9)
    assert one.finish()[0] == f"segments {number + 1} to 3 are lost: removed before the fetch came to it"
    assert identities(one.out) == expected(*range(number + 1))


def test_ends_with_what_was_there(fetch, ring):
    """A recorder that is quicker than the reader does not make it endless."""
    for number in range(3):
        ring.write(number, size=LARGE)
    one, _ = stuck(fetch, ring)
    for number in range(3, 6):
        ring.write(number)
    assert one.finish() == ["stopped: 300 packets, 0 dropped"] and identities(one.out) == expected(0, 1, 2)


# ---- following ----

def test_follows_as_it_grows(fetch, ring):
    """The segment that is open block by block, then the next; "live" once, when all that was there has been written."""
    blocks = ring.blocks(1)
    ring.write(0)
    ring.write(1, b"".join(blocks[:40]))
    one = fetch("-L")
    assert one.line() == "live"  # nothing is read before: it is in the pipe
    have = len(open(ring.file(0), "rb").read()) + sum(map(len, blocks[:40]))
    assert identities(one.read(have)) == expected(0) + expected(1)[:38]
    ring.add(1, blocks[40] + blocks[41][:50])
    assert identities(one.read(len(blocks[40]))) == expected(0) + expected(1)[:39]
    ring.add(1, blocks[41][50:] + b"".join(blocks[42:]))
    one.read(sum(map(len, blocks[41:])))
    more = ring.write(2)
    one.read(len(more))
    for number in (4, 7):  # others are left out
        more = ring.write(number)
        one.read(len(more))
    lines = one.finish(b"q")
    assert lines == ["segment 3 is lost: removed before the fetch came to it", "stopped: 500 packets, 0 dropped", "3 segments in all are lost"]
    assert identities(one.out) == expected(0, 1, 2, 4, 7)


def test_follows_until_it_is_frozen(fetch, ring):
    """What was recorded up to then comes, from the open segment and from one behind it; then it ends by itself."""
    blocks = ring.blocks(0)
    ring.write(0, b"".join(blocks[:40]))
    one = fetch("-L")
    assert one.line() == "live"
    ring.add(0, b"".join(blocks[40:]))
    ring.write(1)
    with open(os.path.join(ring.path, "state.new"), "w", encoding="ascii") as file:
        file.write("state frozen\n")
    os.rename(file.name, os.path.join(ring.path, "state"))
    assert one.finish() == ["frozen", "stopped: 200 packets, 0 dropped"] and identities(one.out) == expected(0, 1)


def test_follows_from_nothing(fetch, tmp_path):
    """No segment yet, and no directory of the target: both may come. The first that comes is no loss, whatever its number."""
    os.mkdir(tmp_path / "ring")
    one = fetch("-L", target=3)
    assert one.line() == "live"
    ring = Ring(tmp_path / "ring", target=3)
    one.read(len(ring.write(17)))
    one.read(len(ring.write(18)))
    assert one.finish(b"q") == ["stopped: 200 packets, 0 dropped"] and identities(one.out) == expected(17, 18)


def test_live_after_all_of_it(fetch, ring):
    """While the reader has not taken what was there, nothing is live."""
    for number in range(3):
        ring.write(number, size=LARGE)
    one, _ = stuck(fetch, ring, "-L")
    seen = threading.Event()
    lines = []

    def listen():
        lines.append(one.line())
        seen.set()
    listener = threading.Thread(target=listen)
    listener.start()
    size = sum(os.path.getsize(ring.file(n)) for n in range(3))
    one.read(size - len(one.out) - 2 * 2**20)  # more than a pipe holds is left
    assert not seen.is_set()
    one.read(size - len(one.out))
    listener.join(GUARD)
    assert lines == ["live"] and one.finish(b"q") == ["stopped: 300 packets, 0 dropped"]


def test_follows_after_a_killed_recorder(fetch, ring):
    """The one that comes after it has a number behind, and what it left is not waited for."""
    ring.write(0, b"".join(ring.blocks(0)[:30]) + b"\6\0\0\0")
    one = fetch("-L")
    assert one.line() == "live"
    one.read(sum(map(len, ring.blocks(0)[:30])))
    one.read(len(ring.write(1)))
    assert "segment 0, byte" in one.line()
    assert one.finish(b"q") == ["stopped: 128 packets, 0 dropped"] and identities(one.out) == expected(0)[:28] + expected(1)


# ---- filters ----

def test_filtered(fetch, ring, tmp_path):
    """As tshark takes them; the statistics are those of what is written, but drops stay."""
    for number in range(3):
        ring.write(number, dropped=2)
    one = fetch("-F", UDP_6001, "-V")
    assert one.finish() == ["stopped: 150 packets, 6 dropped"]
    whole = fetch()
    whole.finish()
    (tmp_path / "whole.pcapng").write_bytes(whole.out)
    wanted = [int(row[0], 16) for row in tshark(str(tmp_path / "whole.pcapng"), "ip.id", display="udp.port == 6001")]
    assert judge(tmp_path / "filtered.pcapng", one.out) == wanted == identities(one.out) and len(wanted) == 150
    received = [struct.unpack_from("=Q", one, 48)[0] for kind, one in blocks_of(one.out) if kind == ISB]
    assert received == [52, 52, 52]
    assert [kind for kind, _ in blocks_of(one.out)].count(SHB) == 3


def test_filtered_of_every_link_type(fetch, ring):
    """The interface decides: Ethernet, IP without a header, cooked, and what is none of them."""
    frame = datagram(1, port=6001)
    cooked = struct.pack(">HHIHBB8s", 0x0800, 0, 1, 512, 0, 0, bytes(8)) + frame[14:]
    ring.write(0, section(0) + interface("eth0", 1) + interface("tun0", 101) + interface("ppp0", 276) + interface("can0", 227)
               + b"".join(packet(ring.begin(0) + i, data, i) for i, data in enumerate((frame, frame[14:], cooked, bytes(16)))))
    one = fetch("-E", "-F", UDP_6001)
    assert one.finish() == ["stopped: 3 packets, 0 dropped"]
    assert [struct.unpack_from("=I", data, 8)[0] for kind, data in blocks_of(one.out) if kind == EPB] == [0, 1, 2]
    assert fetch("-E", "-F", compile_filter("not udp port 6001")).finish() == ["stopped: 1 packets, 0 dropped"]


def test_follows_filtered(fetch, ring):
    ring.write(0, b"".join(ring.blocks(0)[:40]))
    one = fetch("-L", "-F", UDP_6001)
    assert one.line() == "live"
    ring.add(0, b"".join(ring.blocks(0)[40:]))
    ring.write(1)
    size = sum(len(data) for n in range(2) for i, data in enumerate(ring.blocks(n)) if i < 2 or i % 2 or i == 102)
    one.read(size)
    assert one.finish(b"q") == ["stopped: 100 packets, 0 dropped"] and identities(one.out) == expected(0, 1)[1::2]


# ---- the client's end ----

def test_answers_and_stops(fetch, ring):
    """A question for the time is answered at once, also by one that is stuck; 'q' writes what it has, whole."""
    for number in range(4):
        ring.write(number, size=LARGE)
    one, number = stuck(fetch, ring)
    before = time.time_ns()
    one.say(b"\nc77\n")
    word, asked, now = one.line().split()
    assert (word, asked) == ("clock", "77") and before <= int(now) <= time.time_ns()
    one.say(b"q")
    stopped = one.line()
    one.say(b"\nc78\n")
    assert one.line().startswith("clock 78 ")
    assert one.finish() == []
    found = identities(one.out)
    assert found == expected(*range(number + 1))[:len(found)] and stopped == f"stopped: {len(found)} packets, 0 dropped"


@pytest.mark.parametrize("words", [(), ("-L",)])
def test_ends_with_standard_input(fetch, ring, words):
    """Also while its reader takes nothing: the end is not hidden, and not waited for."""
    for number in range(4):
        ring.write(number, size=LARGE)
    one, _ = stuck(fetch, ring, *words)
    one.process.stdin.close()
    assert one.process.wait(timeout=GUARD) == 0
    assert one.process.stderr.read().decode().splitlines()[-1].endswith("note: standard input has ended, and all with it")


def test_silence(fetch, ring):
    for number in range(4):
        ring.write(number, size=LARGE)
    one, _ = stuck(fetch, ring, "-S", "1")
    assert one.process.wait(timeout=GUARD) == SILENCE
    assert fetch("-L", "-S", "1", target=5).finish(code=SILENCE)[-2:] == [
        "nothing was heard on standard input: ended", "stopped: 0 packets, 0 dropped"]


def test_reader_gone(fetch, ring):
    """While it writes, and while it has nothing to write."""
    for number in range(4):
        ring.write(number, size=LARGE)
    for one in (stuck(fetch, ring)[0], fetch("-L", target=5)):
        if one.out == b"":
            assert one.line() == "live"
        one.process.stdout.close()
        assert one.process.wait(timeout=GUARD) == OUTPUT_CLOSED


def test_signal(fetch, ring):
    one = fetch("-L")
    assert one.line() == "live"
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(timeout=GUARD) == -signal.SIGTERM


# ---- privileges, status, command line ----

TRACED = "trace=openat,prctl,capset,pread64,getdents64,read"


def locked_before(trace, ring):
    """All was dropped before a byte of the ring was read, or its directory opened."""
    with open(trace, encoding="ascii") as file:
        calls = file.read().splitlines()
    locked = next(i for i, call in enumerate(calls) if "PR_SET_SECCOMP" in call)
    assert any("capset" in call for call in calls[:locked]) and any("PR_SET_DUMPABLE" in call for call in calls[:locked])
    assert not any(ring.path in call or re.search(r"\b(pread64|getdents64|read)\(", call) for call in calls[:locked])
    return any(ring.path in call for call in calls[locked:])


def test_privileges(ring, tmp_path):
    """None is left of those of a fetch while it follows."""
    ring.write(0)
    trace = str(tmp_path / "trace")
    one = Fetch(RELEASE, ring.path, "-L", prefix=["strace", "-f", "-o", trace, "-e", TRACED])
    assert one.line() == "live"
    pid = int(subprocess.run(["pgrep", "-P", str(one.process.pid)], stdout=subprocess.PIPE, check=True).stdout)
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    one.finish(b"q")
    one.close()
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert locked_before(trace, ring)


def test_privileges_of_status(ring, tmp_path):
    trace = str(tmp_path / "trace")
    (tmp_path / "ring" / "state").write_bytes(b"recording 1\n")
    assert subprocess.run(["strace", "-o", trace, "-e", TRACED, RELEASE, "status", "-d", ring.path], check=True,
                          stdout=subprocess.PIPE).stdout == b"recording 1\n"
    assert locked_before(trace, ring)


def status_of(binary, *words):
    done = subprocess.run([binary, "status", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=GUARD)
    assert b"Sanitizer" not in done.stderr and b"runtime error" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr.decode()


def test_status(binary, ring, tmp_path):
    code, out, err = status_of(binary, "-d", ring.path)
    assert (code, out) == (NO_FILE, b"")
    assert err == f"ksniff-recorder: there is no state of a recording in {ring.path}: No such file or directory\n"
    text = b"recording 1\nstate recording\n" + b"".join(b"target %d waiting 0 0 0 0 0 0\n" % n for n in range(1000))
    (tmp_path / "ring" / "state").write_bytes(text)
    assert status_of(binary, "-d", ring.path) == (0, text, "")
    shutil.rmtree(ring.path)
    code, out, err = status_of(binary, "-d", ring.path)
    assert (code, out, err.count("\n")) == (NO_FILE, b"", 1) and "cannot read the ring" in err
    assert status_of(binary)[0] == status_of(binary, "-d", ring.path, "-L")[0] == BAD_OPTIONS


def test_command_line(fetch):
    for words in (("-F", "!"), ("-a", "x"), ("-i", "eth0"), ("-C", "a" * 64), ("-t", "64"), ("-S", "0")):
        lines = fetch(*words).finish(code=BAD_OPTIONS)
        assert lines == [f"bad option {words[0]} {words[1]}"]


# ---- of a real recorder ----

def numbers_in(data):
    """The number that each datagram to port 6000 carries, in their order."""
    return [struct.unpack_from(">I", one, 28 + 42)[0] for kind, one in blocks_of(data) if kind == EPB and is_ours(one)]


def is_ours(epb):
    return epb[28 + 12:28 + 14] == b"\x08\0" and epb[28 + 23] == 17 and epb[28 + 36:28 + 38] == struct.pack(">H", 6000)


@pytest.fixture
def recorder(namespaces, tmp_path):
    """One that records in the first namespace, into the directory of the fixture "fetch"."""
    one = Recorder(RELEASE, namespaces[0], tmp_path / "ring", "-i", "eth0").start()
    yield one
    one.kill()


def send(namespaces, numbers, size=1000):
    udp(namespaces, [struct.pack(">I", number) + bytes(size) for number in numbers])


@pytest.mark.usefixtures("recorder")
def test_live_of_a_recorder(fetch, namespaces, tmp_path):
    """From before the first packet on, over many segments: every packet once, in order, and no gap; and again afterwards,
    whole, from a segment on, and by a filter."""
    live = fetch("-L")
    assert live.line() == "live"
    send(namespaces, range(4000))
    live.read_until(lambda data: numbers_in(data)[-1:] == [3999])
    lines = live.finish(b"q")
    assert numbers_in(live.out) == list(range(4000))
    assert lines == [f"stopped: {sum(kind == EPB for kind, _ in blocks_of(live.out))} packets, 0 dropped"]
    assert len(segments_in(live.out)) > 3 and segments_in(live.out) == list(range(len(segments_in(live.out))))
    path = tmp_path / "live.pcapng"
    path.write_bytes(live.out)
    assert [int(row[0][:8], 16) for row in tshark(str(path), "data.data", display="udp.port == 6000")] == list(range(4000))

    again = fetch()
    again.finish()
    assert numbers_in(again.out) == list(range(4000))
    rest = fetch("-a", "2")
    rest.finish()
    assert rest.out == again.out[again.out.index(b"segment: 2") - 28:]
    some = fetch("-F", compile_filter("udp port 6000 and udp[8:4] < 100"))
    some.finish()
    assert numbers_in(some.out) == list(range(100))


def test_over_a_killed_recorder(fetch, recorder, namespaces):
    """What is followed goes on with the recorder that comes after it; nothing comes twice."""
    live = fetch("-L")
    assert live.line() == "live"
    send(namespaces, range(500))
    wait_until(lambda: numbers_in(fetch_all(fetch)), "the first packets")
    recorder.kill()
    kept = numbers_in(fetch_all(fetch))
    recorder.start()
    send(namespaces, range(500, 1000))
    live.read_until(lambda data: numbers_in(data)[-1:] == [999])
    live.finish(b"q")
    assert numbers_in(live.out) == kept + list(range(500, 1000)) and kept == list(range(len(kept))) != []


def fetch_all(fetch):
    one = fetch()
    one.finish()
    return one.out


@pytest.mark.usefixtures("recorder")
def test_a_ring_that_wraps(fetch, namespaces):
    """Slower than the recorder: what has gone is said, what comes is in order, and each once."""
    send(namespaces, range(6000))
    wait_until(lambda: numbers_in(fetch_all(fetch))[-1:] == [5999], "all packets")
    one = fetch()
    one.read(3 << 20)
    wait_until(lambda: is_stuck(one), "a full pipe")
    send(namespaces, range(6000, 16000))
    wait_until(lambda: numbers_in(fetch_all(fetch))[-1:] == [15999], "the others")
    lines = one.finish()
    found = numbers_in(one.out)
    assert found == sorted(set(found)) and found[-1] < 6000, (lines, found[-1])
    assert "removed while it was read" in lines[0] and "are lost" in lines[1]
    newest = numbers_in(fetch_all(fetch))
    assert newest == list(range(newest[0], 16000)) and newest[0] > 6000
