# SPDX-License-Identifier: Apache-2.0
"""Interfaces come and go with a node's pods, for days: each that comes is described, and no packet is without one."""
import contextlib
import os
import re
import struct
import subprocess

import pytest

from conftest import capinfos, in_netns, tshark, wait_until
from test_agent import RELEASE, SANITIZED, Agent, compile_filter, ip, namespaces, statistics_of, udp, without_its_stop
from test_agent_blocks import EPB, IDB, ISB, blocks, u64
from test_links import Device, datagram, device

_ = namespaces  # a fixture
BATCH = 50


@contextlib.contextmanager
def devices(path, numbers):
    """Many at a time; the kernel takes them away together, which is much quicker than one by one."""
    made = [Device(path, f"pod{n}", 0xfffe) for n in numbers]
    try:
        yield made
    finally:
        lines = [f"link set pod{n} group 7" for n in numbers] + ["link del group 7"]
        with in_netns(path):
            subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
        for one in made:
            one.close()


class Running:
    """An agent whose output is read along."""

    def __init__(self, path, *words, binary=RELEASE):
        self.path = path
        with open(path, "wb") as file:
            self.agent = Agent(binary, *words, stdout=file)

    def has(self, what):
        with open(self.path, "rb") as file:
            return what in file.read()

    def finish(self):
        err = without_its_stop(self.agent.process.communicate(b"q", timeout=60)[1])
        assert self.agent.process.returncode == 0, err
        return err


def packets_of(path):
    """Of each packet that has a number in its payload: the number, and the name of its interface."""
    names, result = [], []
    for kind, body, options in blocks(path):
        if kind == IDB:
            names.append(options[2].decode())
        elif kind == EPB:
            found = re.search(rb"number (\d+)", body)
            if found:
                result.append((int(found[1]), names[struct.unpack_from("<I", body, 8)[0]]))
    return result, names


def received(path):
    """The last statistics of each interface: received and dropped, summed up."""
    last = {struct.unpack_from("<I", body, 8)[0]: (u64(options[4]), u64(options[5]))
            for kind, body, options in blocks(path) if kind == ISB}
    return sum(r for r, _ in last.values()), sum(d for _, d in last.values())


@pytest.mark.parametrize("binary", [RELEASE] + ([SANITIZED] if os.path.exists(SANITIZED) else []), ids=os.path.basename)
def test_more_than_are_known_at_a_time(namespaces, tmp_path, binary):
    """1,300 that come and go: each by its name, and what each has received is counted to the end."""
    path, count = str(tmp_path / "x.pcapng"), 1300
    running = Running(path, namespaces[0], "-F", compile_filter("udp port 6002"), "-E", binary=binary)
    wait_until(lambda: running.has(b"eth0"), "the section")
    for first in range(0, count, BATCH):
        with devices("/run/netns/" + namespaces[0], range(first, first + BATCH)) as made:
            for n, one in enumerate(made, first):
                one.receive(datagram(b"number %d." % n))
            wait_until(lambda: running.has(b"number %d." % (first + BATCH - 1)), "the packets")
    udp(namespaces, [b"number 99999"], port=6002)
    assert running.finish() == ""
    packets, names = packets_of(path)
    assert packets == [(n, f"pod{n}") for n in range(count)] + [(99999, "eth0")]
    assert len(names) > count
    assert received(path) == (count + 1, 0)
    assert len(tshark(path, "frame.number")) == count + 1


def test_more_than_fit_at_the_same_time(namespaces, tmp_path):
    """All of them are there: those used longest ago make room, and are described again when they are used again."""
    path, count = str(tmp_path / "x.pcapng"), 1060
    with devices("/run/netns/" + namespaces[0], range(count)) as made:
        running = Running(path, namespaces[0], "-F", compile_filter("udp port 6002"), "-E")
        wait_until(lambda: running.has(b"pod0"), "the section")
        for turn in range(2):
            for n, one in enumerate(made):
                one.receive(datagram(b"number %d." % (turn * count + n)))
            wait_until(lambda: running.has(b"number %d." % (turn * count + count - 1)), "the packets")
        assert running.finish() == ""
    packets, names = packets_of(path)
    assert packets == [(n, f"pod{n % count}") for n in range(2 * count)]
    assert len(names) > count and received(path) == (2 * count, 0)


def test_a_name_that_changes(namespaces, tmp_path):
    """A runtime renames a device when it gives it to a pod."""
    path = str(tmp_path / "x.pcapng")
    with device(namespaces[0], "before0", 0xfffe) as one:
        running = Running(path, namespaces[0])
        wait_until(lambda: running.has(b"before0"), "the section")
        one.receive(datagram(b"number 1"))
        wait_until(lambda: running.has(b"number 1"), "the packet")
        for words in (["down"], ["name", "after0"], ["up"]):
            ip("-n", namespaces[0], "link", "set", "before0" if words != ["up"] else "after0", *words)
        one.receive(datagram(b"number 2"))  # its name is looked at each second

        def renamed():
            one.receive(datagram(b"number 3"))
            return running.has(b"after0")
        wait_until(renamed, "the new name")
        one.receive(datagram(b"number 4"))
        running.finish()
    packets, _ = packets_of(path)
    assert packets[0] == (1, "before0") and packets[-1] == (4, "after0")


def test_packets_of_one_that_has_gone(namespaces, tmp_path):
    """They are still in the ring when it goes: they are written, by its number, and not dropped."""
    path = str(tmp_path / "x.pcapng")
    running = Running(path, namespaces[0], "-F", compile_filter("udp port 6002"), "-E")
    wait_until(lambda: running.has(b"eth0"), "the section")
    os.kill(running.agent.process.pid, 19)  # SIGSTOP
    with device(namespaces[0], "short0", 0xfffe) as one:
        index = subprocess.run(["ip", "-n", namespaces[0], "-o", "link", "show", "short0"], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.split(":")[0]
        one.receive(datagram(b"number 1"))
    os.kill(running.agent.process.pid, 18)  # SIGCONT
    wait_until(lambda: running.has(b"number 1"), "the packet")
    assert running.finish() == ""
    assert packets_of(path)[0] == [(1, "if" + index)]
    assert statistics_of(path) == (1, 0)


def test_chosen_one_that_comes_back(namespaces, tmp_path):
    """A tunnel that is set up again has the same name and another index."""
    path = str(tmp_path / "x.pcapng")
    with device(namespaces[0], "vpn0", 0xfffe) as one:
        running = Running(path, namespaces[0], "-i", "vpn0")
        wait_until(lambda: running.has(b"vpn0"), "the section")
        one.receive(datagram(b"number 1"))
        wait_until(lambda: running.has(b"number 1"), "the packet")
    with device(namespaces[0], "vpn0", 0xfffe) as one, device(namespaces[0], "other0", 0xfffe) as other:

        def seen():
            one.receive(datagram(b"number 2"))
            other.receive(datagram(b"number 3"))
            return running.has(b"number 2")
        wait_until(seen, "the packets of the new one")
        running.finish()
    packets, _ = packets_of(path)
    assert {(n, name) for n, name in packets} == {(1, "vpn0"), (2, "vpn0")}


def test_client_takes_them_all(sandbox, ksniff, tmp_path):
    path, count = str(tmp_path / "x.pcapng"), 1100
    with ksniff.capturing("web", "-f", "udp port 6002", "-o", path) as process:
        for first in range(0, count, BATCH):
            with devices(sandbox.netns("web"), range(first, first + BATCH)) as made:
                for n, one in enumerate(made, first):
                    one.receive(datagram(b"number %d." % n))
                wait_until(lambda: b"number %d." % (first + BATCH - 1) in open(path, "rb").read(), "the packets")
        err = ksniff.stop(process)
    assert f"{count} packets captured" in err and " 0 dropped" in err
    packets, _ = packets_of(path)
    assert packets == [(n, f"default/web:pod{n}") for n in range(count)]
    assert "Number of packets:   1,100" in capinfos(path) or "Number of packets:   1100" in capinfos(path)
