# SPDX-License-Identifier: Apache-2.0
"""A recorder's ring (common/recording.h) as a test writes it, and what a fetch has written of one."""
import os
import select
import struct
import subprocess
import time

from conftest import BUILD, GUARD
from test_agent import ARCHITECTURE

RELEASE = os.path.join(BUILD, "agent", "ksniff-recorder-" + ARCHITECTURE)
SANITIZED = os.path.join(BUILD, "agent", "ksniff-recorder-sanitized")
BINARIES = [RELEASE] + ([SANITIZED] if os.path.exists(SANITIZED) else [])
SHB, IDB, ISB, EPB = 0x0a0d0d0a, 1, 5, 6
START = 1_700_000_000 * 10**9
SECOND = 10**9
END = struct.pack("=HH", 0, 0)


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("=II", kind, len(body) + 12) + body + struct.pack("=I", len(body) + 12)


def option(code, value):
    return struct.pack("=HH", code, len(value)) + value + bytes(-len(value) % 4)


def time_of(ns):
    return struct.pack("=II", ns >> 32, ns & 0xffffffff)


def section(number):
    return block(SHB, struct.pack("=IHHq", 0x1a2b3c4d, 1, 0, -1) + option(1, b"segment: %d" % number) + END)


def interface(name="eth0", linktype=1):
    return block(IDB, struct.pack("=HHI", linktype, 0, 262144) + option(2, name.encode()) + option(9, b"\x09") + END)


def packet(ns, data, number=0):
    return block(EPB, struct.pack("=I", number) + time_of(ns) + struct.pack("=II", len(data), len(data)) + data
                 + bytes(-len(data) % 4) + option(2, struct.pack("=I", 1)) + END)


def statistics(begin, now, received, dropped=0, last=False, number=0):
    return block(ISB, struct.pack("=I", number) + time_of(now) + option(2, time_of(begin))
                 + (option(3, time_of(now)) if last else b"") + option(4, struct.pack("=Q", received))
                 + option(5, struct.pack("=Q", dropped)) + END)


def datagram(identity, port=6000, size=18):
    """An Ethernet frame with a UDP datagram to a port. identity: 16 bits that it is known by."""
    udp = struct.pack(">HHHH", 5000, port, 8 + size, 0) + bytes(size)
    ipv4 = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), identity, 0, 64, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    return bytes.fromhex("020000000001" "020000000002" "0800") + ipv4 + udp


class Ring:
    """Segment n has the packets n * 100 to n * 100 + 99 (ip.id), and is of the five seconds from START + 5 s * n."""
    count = 100

    def __init__(self, path, target=0):
        self.path = str(path)
        self.directory = os.path.join(self.path, str(target))
        os.makedirs(self.directory, exist_ok=True)

    def file(self, number):
        return os.path.join(self.directory, f"{number:010d}")

    @staticmethod
    def begin(number):
        return START + 5 * SECOND * number

    def blocks(self, number, dropped=0, size=18, end=True, port=6000):
        begin, count = self.begin(number), self.count
        return [section(number), interface(),
                *(packet(begin + i * 10**6, datagram((number * 100 + i) % 65536, port + i % 2, size)) for i in range(count)),
                *([statistics(begin, begin + 5 * SECOND, count + dropped, dropped, last=True)] if end else [])]

    def write(self, number, data=None, **how):
        data = b"".join(self.blocks(number, **how)) if data is None else data
        with open(self.file(number), "wb") as file:
            file.write(data)
        return data

    def add(self, number, data):
        with open(self.file(number), "ab") as file:
            file.write(data)


def blocks_of(data):
    """(type, bytes) of each block: all must be whole."""
    at, result = 0, []
    while at < len(data):
        kind, length = struct.unpack_from("=II", data, at)
        assert length >= 12 and at + length <= len(data) and data[at + length - 4:at + length] == struct.pack("=I", length)
        result.append((kind, data[at:at + length]))
        at += length
    return result


def whole_part(data):
    """The blocks that are whole of what has come so far."""
    at = 0
    while at + 8 <= len(data) and at + struct.unpack_from("=I", data, at + 4)[0] <= len(data):
        at += struct.unpack_from("=I", data, at + 4)[0]
    return data[:at]


def identities(data):
    """ip.id of each packet, in their order."""
    return [struct.unpack_from(">H", one, 28 + 18)[0] for kind, one in blocks_of(data) if kind == EPB]


def segments_in(data):
    """The number that each section says it is."""
    return [int(one[24:].split(b"segment: ")[1].split(b"\0")[0]) for kind, one in blocks_of(data) if kind == SHB]


class Fetch:
    def __init__(self, binary, ring, *words, target=0, prefix=(), **more):
        self.process = subprocess.Popen([*prefix, binary, "fetch", "-d", ring, "-t", str(target), *words], bufsize=0,
                                        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})
        self.out = b""

    def say(self, words):
        self.process.stdin.write(words)
        self.process.stdin.flush()

    def line(self):
        """The next line of standard error, without the program's name."""
        return self.process.stderr.readline().decode().removeprefix("ksniff-recorder: ").rstrip("\n")

    def read(self, count):
        """So many bytes more of what it writes. Returns all so far."""
        while count > 0:
            more = os.read(self.process.stdout.fileno(), min(count, 65536))
            assert more, "it has ended"
            self.out += more
            count -= len(more)
        return self.out

    def read_until(self, enough):
        """What comes, until enough() is true of the blocks that have come whole."""
        end = time.monotonic() + GUARD
        while not enough(whole_part(self.out)):
            assert select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0], f"{len(self.out)} bytes"
            more = os.read(self.process.stdout.fileno(), 1 << 20)
            assert more, "it has ended"
            self.out += more

    def finish(self, say=None, code=0):
        """Waits for its end. Returns its lines on standard error, without the program's name."""
        if say is None:  # its standard input stays open
            more, err = self.process.stdout.read(), self.process.stderr.read()
            self.process.wait(timeout=GUARD)
        else:
            more, err = self.process.communicate(say, timeout=GUARD)
        self.out += more
        assert self.process.returncode == code and b"Sanitizer" not in err and b"runtime error" not in err, err
        lines = err.decode().splitlines()
        assert all(line.startswith("ksniff-recorder: ") for line in lines), lines
        return [line.removeprefix("ksniff-recorder: ") for line in lines]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
