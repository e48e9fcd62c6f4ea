# SPDX-License-Identifier: Apache-2.0
"""The agents of six architectures: their files, what they do under qemu-user, the archive, builds that embed it.

qemu-user knows no packet rings, no seccomp and no PACKET_AUXDATA: so the agents take packets by recvmmsg() there,
after the kernel has refused them a ring, and go on without seccomp. All else of them runs.
"""
import itertools
import os
import shutil
import struct
import subprocess

import pytest

from conftest import BUILD, GUARD, ROOT, tshark
from test_agent import (ARCHITECTURE, BAD_OPTIONS, NO_INTERFACE, Agent, compile_filter, namespaces, udp)
from test_agent_kernels import ATTACH_REJECT_ALL, injected

_ = namespaces  # a fixture
# Bits, byte order, e_machine (elf(5)), qemu.
KINDS = {"amd64": (64, "<", 62, "x86_64"), "arm64": (64, "<", 183, "aarch64"), "arm": (32, "<", 40, "arm"),
         "riscv64": (64, "<", 243, "riscv64"), "ppc64le": (64, "<", 21, "ppc64le"), "s390x": (64, ">", 22, "s390x")}
FOREIGN = [architecture for architecture in KINDS if architecture != ARCHITECTURE]
AGENTS = os.path.join(BUILD, "agent")
CHECK = [os.path.join(ROOT, "agent", "check-agents.py")]
EF_ARM_ABI_FLOAT_HARD = 0x400


PROGRAMS = ("ksniff-agent", "ksniff-recorder")
SIZE, LARGER = 64 * 1024, {"ksniff-recorder-ppc64le": 72 * 1024}  # bytes at most


def agent_of(architecture, program="ksniff-agent"):
    return os.path.join(AGENTS, f"{program}-{architecture}")


def under_qemu(architecture, *words, program="ksniff-agent"):
    return subprocess.run(["qemu-" + KINDS[architecture][3], agent_of(architecture, program), *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=GUARD)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("architecture", KINDS)
def test_size_and_kind(architecture, program):
    path = agent_of(architecture, program)
    bits, order, machine, _ = KINDS[architecture]
    assert os.path.getsize(path) <= LARGER.get(os.path.basename(path), SIZE)
    with open(path, "rb") as file:
        head = file.read(64)
    assert head[:6] == b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2])
    assert struct.unpack_from(order + "H", head, 18)[0] == machine
    if architecture == "arm":
        assert struct.unpack_from("<I", head, 36)[0] & EF_ARM_ABI_FLOAT_HARD
    headers = subprocess.run(["readelf", "-lSW", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "INTERP" not in headers and ".symtab" not in headers  # static, stripped
    if architecture in ("arm64", "ppc64le"):  # whose kernels may have pages of 64 KiB
        assert all(line.split()[-1] == "0x10000" for line in headers.splitlines() if line.split()[:1] == ["LOAD"])


@pytest.mark.parametrize("architecture", FOREIGN)
def test_words_under_qemu(architecture):
    assert under_qemu(architecture, "version").stdout.startswith("ksniff-agent ")
    done = under_qemu(architecture, "capture", "-s", "0")
    assert done.returncode == BAD_OPTIONS and done.stderr == "ksniff-agent: bad option -s 0\n", done.stderr
    done = under_qemu(architecture, "capture", "-i", "nope")
    assert done.returncode == NO_INTERFACE, done.stderr
    done = under_qemu(architecture, "hold", "-S", "1")
    assert done.returncode == 0, done.stderr
    assert under_qemu(architecture, "version", program="ksniff-recorder").stdout == f"ksniff-recorder {version()}\n"
    for program in PROGRAMS:
        done = under_qemu(architecture, "nope", program=program)
        assert done.returncode == BAD_OPTIONS and done.stderr == f"{program}: unknown command nope\n", done.stderr


# The kernel judges, or the agent's own machine, which loads what stands in network order: a kernel that says yes
# to a filter and has none afterwards.
WAYS = {"kernel": [], "agent": [], "headers": ["-H"], "own": ["-O"]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("architecture", FOREIGN)
def test_captures_under_qemu(namespaces, tmp_path, architecture, way):
    """What tshark reads is right in its numbers, whatever the byte order; a question for the time is answered."""
    path = str(tmp_path / "x.pcapng")
    agent = Agent(agent_of(architecture), namespaces[0], "-i", "eth0", "-F", compile_filter("udp port 6000 and udp[8:2] = 0x7761"),
                  *WAYS[way], prefix=[*(injected(tmp_path, f"setsockopt:retval=0:when={ATTACH_REJECT_ALL}") if way == "agent" else []),
                                      "qemu-" + KINDS[architecture][3]])
    agent.wait_ready()
    udp(namespaces, [b"wanted %d" % n for n in range(3)] + [b"something else"])
    udp(namespaces, [b"wanted, too"], address="10.55.0.1", sender=1)
    said = agent.finish(path, stop=b"c7\nq")
    assert "clock 7 " in said and "Sanitizer" not in said
    rows = tshark(path, "udp.srcport", "udp.dstport", "frame.len", "frame.cap_len", "frame.packet_flags_direction", "frame.interface_name")
    cut = 42 if way == "headers" else None
    assert [(row[1], row[2], row[3], int(row[4], 0), row[5]) for row in rows] == \
        [("6000", "50", str(cut or 50), 2, "eth0")] * 3 + [("6000", "53", str(cut or 53), 1, "eth0")]
    with open(path, "rb") as file:
        assert file.read(12)[8:] == (b"\x1a\x2b\x3c\x4d" if KINDS[architecture][1] == ">" else b"\x4d\x3c\x2b\x1a")


def test_the_recorded_bytes_are_still_what_it_writes(namespaces, tmp_path):
    """tests/data/agent-s390x.pcapng, which the client's reader is held against: its blocks and their options."""
    path = str(tmp_path / "x.pcapng")
    agent = Agent(agent_of("s390x"), namespaces[0], "-i", "eth0", "-F", compile_filter("udp port 6000"), prefix=["qemu-s390x"])
    agent.wait_ready()
    udp(namespaces, [b"there %d" % n for n in range(2)])
    udp(namespaces, [b"back"], address="10.55.0.1", sender=1)
    agent.finish(path)
    kinds = [shape(file) for file in (path, os.path.join(ROOT, "tests", "data", "agent-s390x.pcapng"))]
    assert kinds[0] == kinds[1]


def shape(path):
    """The type of each block, once where several like it follow each other, with what the fixed part of packets says of lengths."""
    with open(path, "rb") as file:
        data = file.read()
    blocks, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from(">II", data, at)
        assert data[at + length - 4:at + length] == struct.pack(">I", length)
        one = (kind, struct.unpack_from(">II", data, at + 20)) if kind == 6 else (kind,)
        blocks += [one] if blocks[-1:] != [one] else []
        at += length
    return blocks


# ---- ready-made ones ----

def check(directory, version, *architectures):
    return subprocess.run([*CHECK, version, directory, *(architectures or KINDS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)


def version():
    return under_qemu("s390x", "version").stdout.split()[1]


def test_ready_made_agents_are_checked(tmp_path):
    assert check(AGENTS, version()).stdout.split() == list(KINDS)
    assert check(AGENTS, version(), "arm", "s390x").stdout.split() == ["arm", "s390x"]
    one = str(tmp_path / "ksniff-agent-s390x")
    with open(agent_of("arm", "ksniff-recorder"), "rb") as file:
        recorder = file.read()
    with open(agent_of("s390x"), "rb") as file:
        good = file.read()
    with open("/bin/true", "rb") as file:
        dynamic = file.read()
    for data, architecture, wrong in (
            (b"", "s390x", "is no executable for s390x"), (good[:20], "s390x", "is no executable for s390x"),
            (good, "ppc64le", "is no executable for ppc64le"), (good + bytes(64 * 1024), "s390x", "more than 65536"),
            (good.replace(version().encode(), b"9.9.9"), "s390x", "is not of version " + version()),
            (recorder, "arm", "is not of version " + version()),
            (dynamic, ARCHITECTURE, "is no executable for" if dynamic[16] == 3 else "is not static")):
        path = str(tmp_path / f"ksniff-agent-{architecture}")
        with open(path, "wb") as file:
            file.write(data)
        done = check(str(tmp_path), version(), architecture)
        assert done.returncode == 1 and wrong in done.stderr and path in done.stderr and done.stderr.count("\n") == 1, done.stderr
        os.unlink(path)
    shutil.copyfile(agent_of("s390x"), one)  # without its recorder
    done = check(str(tmp_path), version())
    assert done.returncode == 1 and f"'{tmp_path}/ksniff-recorder-s390x' is not there" in done.stderr
    os.unlink(one)
    done = check(str(tmp_path), version())
    assert done.returncode == 1 and f"no agent is in '{tmp_path}'" in done.stderr
    assert not os.path.exists(one)


def archive(agents, out):
    done = subprocess.run([os.path.join(ROOT, "packaging", "agents-archive"), agents, out], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def test_the_archive_is_reproducible_and_a_build_embeds_it(tmp_path):
    """Twice the same bytes, from copies of other times and rights; a build carries all six as they are."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for architecture in KINDS:
        for program in PROGRAMS:
            shutil.copyfile(agent_of(architecture, program), copy / f"{program}-{architecture}")
    packed = [archive(AGENTS, str(tmp_path / "1")), archive(str(copy), str(tmp_path / "2"))]
    contents = [open(path, "rb").read() for path in packed]
    assert os.path.basename(packed[0]) == f"ksniff-agents_{version()}.tar.gz" and contents[0] == contents[1]
    subprocess.run(["tar", "-xzf", packed[0], "-C", str(tmp_path)], check=True)
    ready = tmp_path / f"ksniff-agents_{version()}"
    assert sorted(os.listdir(ready)) == sorted(["LICENSE", "LICENSE.musl", *(f"{program}-{one}" for one in KINDS for program in PROGRAMS)])

    build = str(tmp_path / "build")
    words = ["meson", "setup", build, ROOT, "-Dtests=disabled", f"-Dagents={ready}"]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    subprocess.run(["ninja", "-C", build, "src/agent_binaries.c", "src/recorder_binaries.c"], stdout=subprocess.DEVNULL, check=True)
    for program, architecture in itertools.product(PROGRAMS, KINDS):
        kind = program.removeprefix("ksniff-")
        with open(os.path.join(build, "src", f"{kind}_binaries.c"), encoding="ascii") as file:
            source = file.read()
        body = source.split(f"{kind}_{architecture}[] = {{")[1].split("}")[0]
        with open(agent_of(architecture, program), "rb") as file:
            assert bytes(int(number) for number in body.replace("\n", "").split(",") if number.strip()) == file.read()


@pytest.mark.parametrize("value, says", [("/nowhere/at/all", "no agent is in '/nowhere/at/all'"), ("amd64,vax", 'there is no agent for "vax"')])
def test_agents_that_there_are_not(tmp_path, value, says):
    done = subprocess.run(["meson", "setup", str(tmp_path / "b"), ROOT, "-Dtests=disabled", f"-Dagents={value}"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode != 0 and says in done.stdout.replace("\n", " "), done.stdout
