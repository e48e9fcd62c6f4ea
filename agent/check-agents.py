#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are these agents what their names say, and of this version?

check-agents.py VERSION DIRECTORY ARCHITECTURE...

Prints the architectures for which there are DIRECTORY/ksniff-agent-ARCHITECTURE and ksniff-recorder-ARCHITECTURE, in the
order given.
"""
import os
import struct
import sys

PROGRAMS = ("ksniff-agent", "ksniff-recorder")
SIZE, LARGER = 64 * 1024, {"ksniff-recorder-ppc64le": 72 * 1024}  # bytes at most
# Bits, byte order as of struct, e_machine. Source: elf(5), and elf.h of the kernel.
KINDS = {"amd64": (64, "<", 62), "arm64": (64, "<", 183), "arm": (32, "<", 40), "riscv64": (64, "<", 243),
         "ppc64le": (64, "<", 21), "s390x": (64, ">", 22)}
PT_INTERP = 3


def kind_of(data):
    """Bits, order and machine of an ELF executable; None: it is none."""
    if len(data) < 64 or data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] not in (1, 2):
        return None
    order = "<" if data[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    return (32 * data[4], order, machine) if kind == 2 else None


def is_dynamic(data):
    order = "<" if data[5] == 1 else ">"
    start, = struct.unpack_from(order + ("Q" if data[4] == 2 else "I"), data, 32 if data[4] == 2 else 28)
    size, count = struct.unpack_from(order + "HH", data, 54 if data[4] == 2 else 42)
    heads = range(start, min(start + size * count, len(data) - 4), max(size, 4))
    return any(struct.unpack_from(order + "I", data, at)[0] == PT_INTERP for at in heads)


def fault(data, program, architecture, version):
    """What is wrong with an agent or a recorder; None: nothing."""
    if kind_of(data) != KINDS[architecture]:
        return f"is no executable for {architecture}"
    if is_dynamic(data):
        return "is not static"
    if len(data) > (most := LARGER.get(f"{program}-{architecture}", SIZE)):
        return f"has {len(data)} bytes, more than {most}"
    name = f"{program} {version}".encode()
    if name + b"\0" not in data and name + b"\n" not in data:
        return f"is not of version {version}"
    return None


def read_file(path):
    """Its bytes; None: there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except FileNotFoundError:
        return None
    except OSError as error:
        sys.exit(f"check-agents: cannot read '{path}': {error.strerror}")


def is_there(directory, architecture, version):
    """Both programs, or none; anything else ends this one."""
    paths = {program: os.path.join(directory, f"{program}-{architecture}") for program in PROGRAMS}
    files = {program: read_file(path) for program, path in paths.items()}
    if all(data is None for data in files.values()):
        return False
    for program, path in paths.items():
        wrong = "is not there" if files[program] is None else fault(files[program], program, architecture, version)
        if wrong:
            sys.exit(f"check-agents: '{path}' {wrong}: take the agents of the same release, or build them with make agents")
    return True


def main():
    version, directory, *architectures = sys.argv[1:]
    there = [architecture for architecture in architectures if is_there(directory, architecture, version)]
    if not there:
        sys.exit(f"check-agents: no agent is in '{directory}': take the directory that ksniff-agents_{version}.tar.gz of the release has, "
                 "or, on Linux, make agents")
    print("\n".join(there))


main()
