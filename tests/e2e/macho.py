# SPDX-License-Identifier: Apache-2.0
"""Reads what a program for macOS says of itself. Source: mach-o/loader.h; its signature: XNU's osfmk/kern/cs_blobs.h."""
import hashlib
import struct

MAGIC_64 = 0xFEEDFACF
CPU = {0x01000007: "x86_64", 0x0100000C: "arm64"}
EXECUTE, PIE = 2, 0x200000
SEGMENT_64, UUID, CODE_SIGNATURE, BUILD_VERSION = 0x19, 0x1B, 0x1D, 0x32
DYLIBS = {0xC, 0xD, 0x80000018, 0x8000001F, 0x80000023}  # loaded; its own name; weak, again exported, upward
SUPER_BLOB, CODE_DIRECTORY, ADHOC, SHA256 = 0xFADE0CC0, 0xFADE0C02, 0x2, 2
MACOS = 1


def string(data, at):
    return data[at:data.index(b"\0", at)].decode()


class Program:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        magic, cpu, _, kind, count, _, self.flags, _ = struct.unpack_from("<8I", self.data)
        assert magic == MAGIC_64 and kind == EXECUTE
        self.cpu = CPU[cpu]
        self.segments, self.dylibs, self.signature, self.uuid, self.build = {}, [], None, None, None
        at = 32
        for _ in range(count):
            command, size = struct.unpack_from("<2I", self.data, at)
            self.take(command, at)
            at += size

    def take(self, command, at):
        if command == SEGMENT_64:
            name = self.data[at + 8:at + 24].rstrip(b"\0").decode()
            self.segments[name] = struct.unpack_from("<4Q", self.data, at + 24)  # address, bytes there, offset, bytes in the file
        elif command in DYLIBS:
            self.dylibs.append(string(self.data, at + struct.unpack_from("<I", self.data, at + 8)[0]))
        elif command == CODE_SIGNATURE:
            self.signature = struct.unpack_from("<2I", self.data, at + 8)
        elif command == UUID:
            self.uuid = self.data[at + 8:at + 24]
        elif command == BUILD_VERSION:
            platform, oldest = struct.unpack_from("<2I", self.data, at + 8)
            self.build = platform, (oldest >> 16, oldest >> 8 & 255)

    def code_directory(self):
        """Of the signature: its flags, kind of hash, bytes that are signed, bytes of a page, and the hash of each page."""
        offset, length = self.signature
        magic, whole, count = struct.unpack_from(">3I", self.data, offset)
        assert magic == SUPER_BLOB and whole <= length and offset + length == len(self.data)
        for i in range(count):
            _, at = struct.unpack_from(">2I", self.data, offset + 12 + 8 * i)
            start = offset + at
            if struct.unpack_from(">I", self.data, start)[0] == CODE_DIRECTORY:
                break
        else:
            raise AssertionError("no code directory")
        flags, hashes, _, _, pages, limit, size, kind, _, log_page = struct.unpack_from(">6I4B", self.data, start + 12)
        return flags, kind, limit, 1 << log_page, [self.data[start + hashes + i * size:start + hashes + (i + 1) * size] for i in range(pages)]

    def check_signature(self):
        """As the kernel does at each page: it kills a program of which one is another."""
        flags, kind, limit, page, hashes = self.code_directory()
        assert flags & ADHOC and kind == SHA256 and limit == self.signature[0]
        assert len(hashes) == -(-limit // page)
        for i, wanted in enumerate(hashes):
            assert hashlib.sha256(self.data[i * page:min((i + 1) * page, limit)]).digest() == wanted, f"page {i}"
