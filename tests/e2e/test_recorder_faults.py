# SPDX-License-Identifier: Apache-2.0
"""The recorder where things go wrong around it: disks that fail and that hang, clocks that are put right, and a writer that
does what it never would."""
import contextlib
import ctypes
import os
import signal
import subprocess
import time

import pytest

from conftest import GUARD
from ring import Fetch
from test_agent import namespaces, udp
from test_recorder import ARCHITECTURE, BINARIES, FILTER, RELEASE, SANITIZED, dropped_of, flood, make, until, writer_of

_ = namespaces, make  # fixtures
needs_sanitized = pytest.mark.skipif(SANITIZED not in BINARIES, reason="needs the recorder of the sanitized build")
HOUR = 3600 * 10**9


# ---- disks ----

@needs_sanitized
def test_a_disk_that_fails_for_a_while(make, namespaces, tmp_path):
    """What could not be written is tried again; it is said, and nothing is lost by it, or comes twice."""
    ring = tmp_path / "ring"
    failing = ["env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-D", "-f", "-qq", "-o", str(tmp_path / "trace"),
               "-P", str(ring / "0" / "0000000000"), "-e", "trace=write", "-e", "inject=write:error=EIO:when=2..3"]
    recorder = make(*FILTER, binary=SANITIZED, directory=ring, prefix=failing)
    sent = [b"packet %d" % n for n in range(50)]
    udp(namespaces, sent)
    state = recorder.wait(lambda state: state["targets"][0]["packets"] == 50)
    assert " ".join(state["complaint"]) == f"cannot write into {ring}: Input/output error"
    assert state["targets"][0]["state"] == "recording" and state["targets"][0]["dropped"] == 0
    with open(tmp_path / "trace", encoding="utf-8", errors="replace") as file:
        assert file.read().count("(INJECTED)") == 2
    recorder.end()
    assert recorder.payloads() == sent


@contextlib.contextmanager
def own_file_system(tmp_path):
    """One that can be frozen: nobody else is on it."""
    image, place = str(tmp_path / "image"), str(tmp_path / "disk")
    os.mkdir(place)
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, place], check=False).returncode != 0:
        pytest.skip("there are no loop devices here")
    try:
        yield place
    finally:
        subprocess.run(["fsfreeze", "-u", place], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_hangs(make, namespaces, tmp_path):
    """It takes nothing for a while: what the kernel's ring has no room for is counted, the rest is there when it goes on."""
    with own_file_system(tmp_path) as place:
        recorder = make(*FILTER, "-i", "lo", "-b", str(1 << 20), directory=os.path.join(place, "ring"))
        flood(namespaces[0], 10, 1200)
        recorder.wait_packets(10)
        subprocess.run(["fsfreeze", "-f", place], check=True)
        try:
            for _ in range(3):
                flood(namespaces[0], 2000, 1200)
        finally:
            subprocess.run(["fsfreeze", "-u", place], check=True)
        flood(namespaces[0], 10, 1200)
        recorder.wait(lambda state: state["targets"][0]["dropped"] > 0)
        recorder.end()
        kept = [int(payload[:8]) for payload in recorder.payloads()]
        dropped = sum(number for path in recorder.segments() for number in dropped_of(path))
    assert kept[:10] == kept[-10:] == list(range(10)) and len(kept) > 500
    assert len(kept) + dropped == 6020


# ---- clocks ----

@needs_sanitized
@pytest.mark.parametrize("step", [-1, 1], ids=["back", "forward"])
def test_a_clock_that_is_put_right(make, namespaces, step):
    """By an hour: segments stay in the order in which they were written, none counts as too old, and each has its own time."""
    wrong = ["env", f"KSNIFF_TEST_CLOCK_ERROR_MS={-step * HOUR // 10**6}"]
    recorder = make(*FILTER, "-K", "7200", binary=SANITIZED, prefix=wrong)
    udp(namespaces, [b"before"])
    recorder.wait_packets(1)
    recorder.end()
    recorder.prefix = ()
    recorder.start()
    udp(namespaces, [b"after"])
    target = recorder.wait(lambda state: state["targets"][0]["packets"] == 2)["targets"][0]
    recorder.end()
    assert recorder.payloads() == [b"before", b"after"]
    assert abs(target["newest"] - target["oldest"] - step * HOUR) < HOUR // 10
    now = time.time_ns()
    for words, there in (([], 2), (["-B", str(now - HOUR // 2)], 2 if step < 0 else 1),
                         (["-U", str(now + HOUR // 2)], 1 if step < 0 else 2)):
        one = Fetch(SANITIZED, recorder.directory, *words)
        try:
            assert one.finish() == [f"stopped: {there} packets, 0 dropped"], words
        finally:
            one.close()


# ---- a writer in somebody's hands ----

ATTACH, STEP, GETREGS, SETREGS, POKE = 16, 9, 12, 13, 5
RAX, RDX, RSI, RDI, ORIG_RAX, RIP, RSP, R10 = 10, 12, 13, 14, 15, 16, 19, 7  # of struct user_regs_struct
OPENAT, SOCKET, AT_FDCWD = 257, 41, 2**64 - 100


class Held:
    """A process that sleeps in a system call, and is made to do others in its place."""

    def __init__(self, pid):
        self.pid, self.libc = pid, ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long
        self.trace(ATTACH)
        os.waitpid(pid, 0)
        self.registers = self.read()

    def trace(self, request, at=None, data=None):
        result = self.libc.ptrace(request, self.pid, at, data)
        assert result == 0, os.strerror(ctypes.get_errno())

    def read(self):
        registers = (ctypes.c_ulonglong * 27)()
        self.trace(GETREGS, None, ctypes.addressof(registers))
        return registers

    def call(self, number, *arguments):
        """What it returns; None: the call has ended the process."""
        registers = (ctypes.c_ulonglong * 27)(*self.registers)
        registers[RIP] -= 2  # the instruction that it sleeps in
        registers[ORIG_RAX], registers[RAX] = 2**64 - 1, number
        for place, value in zip((RDI, RSI, RDX, R10), arguments):
            registers[place] = value
        self.trace(SETREGS, None, ctypes.addressof(registers))
        self.trace(STEP)
        status = os.waitpid(self.pid, 0)[1]
        return ctypes.c_longlong(self.read()[RAX]).value if os.WIFSTOPPED(status) else None

    def open(self, path, flags):
        at, data = self.registers[RSP] - 4096, path.encode() + bytes(16)
        for i in range(0, len(data) - 8, 8):
            self.trace(POKE, at + i, int.from_bytes(data[i:i + 8], "little"))
        return self.call(OPENAT, AT_FDCWD, at, flags, 0o600)


def has_landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


@pytest.mark.skipif(ARCHITECTURE != "amd64", reason="the registers are amd64's")
def test_a_writer_opens_nothing_but_its_segments(make, namespaces, tmp_path):
    """Whoever got hold of it by a packet: it can make files in its own folder, and read none; another call ends it."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"of somebody else")
    recorder = make(*FILTER, binary=RELEASE, targets=(["-t"], ["-t"]))
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(recorder.process.pid)], stdout=subprocess.PIPE, text=True, check=True)
    held = Held(int(children.stdout.split()[0]))
    folders = [os.path.join(recorder.directory, number) for number in "01"]
    if has_landlock():
        for path, flags in ((secret, os.O_RDONLY), (secret, os.O_WRONLY), (tmp_path / "new", os.O_WRONLY | os.O_CREAT),
                            ("/proc/self/status", os.O_RDONLY), (recorder.directory + "/state", os.O_RDONLY),
                            (folders[1] + "/0000000099", os.O_WRONLY | os.O_CREAT)):
            assert held.open(str(path), flags) == -13, path  # EACCES
        assert held.open(folders[0] + "/0000000099", os.O_WRONLY | os.O_CREAT) >= 0
        assert held.open(folders[0] + "/0000000099", os.O_RDONLY) == -13
        assert not os.path.exists(tmp_path / "new")
    assert held.call(SOCKET, 2, 1, 0) is None
    recorder.wait(lambda state: " ".join(state.get("complaint", [])).endswith(f"its writer was ended by signal {int(signal.SIGSYS)}"))
    recorder.end()
