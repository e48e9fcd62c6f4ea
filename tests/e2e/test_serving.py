# SPDX-License-Identifier: Apache-2.0
"""-o tcp://...: the live section for whoever connects. The real tshark reads it by its TCP@host:port."""
import contextlib
import re
import signal
import socket
import subprocess

import pytest

from conftest import GUARD, exchange_in, tshark, wait_until


@contextlib.contextmanager
def serving(ksniff, *words, output="tcp://127.0.0.1:0", **more):
    with ksniff.capturing("web", "-o", output, *words, **more) as process:
        where = re.search(r"serving 'tcp://(\S+):(\d+)'", process.head)
        assert where, process.head
        process.host, process.port = where[1], int(where[2])
        yield process


def live(process, count, file):
    """A tshark that ends after this many packets."""
    return subprocess.Popen(["tshark", "-n", "-i", f"TCP@{process.host}:{process.port}", "-c", str(count), "-w", file],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_readers(process, count):
    while process.head.count("' reads\n") < count:
        line = process.stderr.readline().decode()
        assert line, process.head
        process.head += line


def read(process, file):
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0, (out, err)
    return tshark(str(file), "frame.interface_name", "udp.dstport")


def test_each_tshark_has_the_whole_section(sandbox, ksniff, tmp_path):
    """Also the one that comes later: interfaces and names are in front of its packets."""
    with serving(ksniff, "-f", "udp port 4040") as process:
        first = live(process, 20, tmp_path / "first")
        wait_for_readers(process, 1)
        exchange_in(sandbox, 4040, 3)
        second = live(process, 6, tmp_path / "second")
        wait_for_readers(process, 2)
        exchange_in(sandbox, 4040, 7)
        rows = read(first, tmp_path / "first")
        assert len(rows) == 20 and {name for name, _ in rows} == {"default/web:eth0"}
        rows = read(second, tmp_path / "second")
        assert len(rows) == 6 and {name for name, _ in rows} == {"default/web:eth0"}
        err = ksniff.stop(process)
    assert "20 packets captured" in err and f"written to 'tcp://127.0.0.1:{process.port}'" in err
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_what_waits_is_the_first_readers_and_the_end_brings_the_rest(sandbox, ksniff, tmp_path):
    with serving(ksniff, "-f", "udp port 4041", "--count", "20") as process:
        exchange_in(sandbox, 4041, 5)
        with socket.create_connection((process.host, process.port)) as reader:
            wait_for_readers(process, 1)
            exchange_in(sandbox, 4041, 5)
            data = b"".join(iter(lambda: reader.recv(65536), b""))
        assert process.wait(timeout=GUARD) == 0
    (tmp_path / "all.pcapng").write_bytes(data)
    assert len(tshark(str(tmp_path / "all.pcapng"), "frame.number")) == 20


def test_nobody_has_connected(sandbox, ksniff):
    with serving(ksniff, "-f", "udp port 4042") as process:
        exchange_in(sandbox, 4042, 5)
        wait_until(lambda: sandbox.ours_in("web"), "the agent")
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 3
    assert "error: 10 packets were lost on the way: nobody was connected to read them" in err


def test_pcap_ipv6_and_a_reader_that_only_listens(sandbox, ksniff, tmp_path):
    with serving(ksniff, "-f", "udp port 4043", "--format", "pcap", "--count", "6", output="tcp://[::1]:0") as process:
        with socket.create_connection(("::1", process.port)) as reader:
            reader.shutdown(socket.SHUT_WR)
            wait_for_readers(process, 1)
            exchange_in(sandbox, 4043, 3)
            data = b"".join(iter(lambda: reader.recv(65536), b""))
        assert process.wait(timeout=GUARD) == 0
    (tmp_path / "all.pcap").write_bytes(data)
    assert data[:4] == b"\x4d\x3c\xb2\xa1" and len(tshark(str(tmp_path / "all.pcap"), "frame.number")) == 6


def test_an_address_that_others_reach_is_a_warning(ksniff):
    result = ksniff.run("web", "-o", "tcp://0.0.0.0:0", "--duration", "100ms", "-f", "udp port 4044")
    assert re.search(r"WARN\[\d+\] anybody who reaches 'tcp://0\.0\.0\.0:\d+' reads the packets", result.err), result.err
    result = ksniff.run("web", "-o", "tcp://127.0.0.1:0", "--duration", "100ms", "-f", "udp port 4044", "--quiet")
    assert "WARN" not in result.err and re.search(r"^serving 'tcp://127\.0\.0\.1:\d+'", result.err), result.err


@pytest.mark.parametrize("output, code, error", [
    ("tcp://127.0.0.1", 2, '"tcp://127.0.0.1" is no address to listen on (such as tcp://127.0.0.1:4000 or '
                           'tcp://[::1]:4000; port 0 is any that is free)'),
    ("tcp://192.0.2.1:4000", 1, 'cannot listen on "tcp://192.0.2.1:4000": Cannot assign requested address (choose an '
                                'address of this machine, such as 127.0.0.1)'),
])
def test_no_such_address(sandbox, ksniff, output, code, error):
    before = len(sandbox.get("/sandbox/requests"))
    assert ksniff.fail("web", "-o", output, code=code) == error
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself


def test_a_port_that_is_taken(ksniff):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert ksniff.fail("web", "-o", f"tcp://127.0.0.1:{port}") == (
            f'cannot listen on "tcp://127.0.0.1:{port}": Address already in use (choose another port, or 0 for any that '
            'is free)')


def test_files_do_not_follow_each_other(ksniff):
    assert ksniff.fail("web", "-o", "tcp://127.0.0.1:0", "--rotate-size", "1M", code=2).startswith("a TCP port cannot be")
