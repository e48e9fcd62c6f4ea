# SPDX-License-Identifier: Apache-2.0
"""The client against the sandbox: what is captured, and where it goes."""
import os
import signal
import socket
import subprocess
import time

import pytest

from conftest import BOTH_TRANSPORTS, GUARD, capinfos, exchange_in, in_netns, tshark, wait_until

pytestmark = BOTH_TRANSPORTS


def check_exchange(cluster, path, sent, port, begin, end):
    rows = tshark(path, "udp.dstport", "udp.payload", "frame.time_epoch", "frame.len", "frame.cap_len",
                  "frame.interface_name", "frame.packet_flags_direction", display=f"udp.port == {port}")
    assert len(rows) == len(sent)
    last = 0.0
    for row, (to_web, data) in zip(rows, sent):
        assert (int(row[0]) == port) == to_web
        assert row[1] == data.hex()
        assert float(row[2]) >= last and (begin <= float(row[2]) <= end or not cluster.here)
        last = float(row[2])
        assert int(row[3]) == int(row[4]) == 42 + len(data)
        assert row[5] == f"{cluster.namespace}/web:eth0"
        assert int(row[6], 0) == (1 if to_web else 2)  # inbound, outbound


def test_every_packet_once_in_order(cluster, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    begin = time.time()
    with ksniff.capturing("web", "-f", "udp port 4001", "-o", path) as process:
        sent = cluster.exchange(4001)
        err = ksniff.stop(process)
    check_exchange(cluster, path, sent, 4001, begin, time.time())
    assert f"{len(sent)} packets captured" in err and " 0 dropped" in err
    assert len(tshark(path, "frame.number")) == len(sent)  # the filter let nothing else in
    assert not cluster.ours_in("web")


def test_the_file_says_where_it_comes_from(cluster, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    result = ksniff.run("pod/web", "-c", "sidecar", "-f", "tcp port 8080", "--count", "4", "-o", path)
    assert result.code == 0, result.err
    assert "selected container: 'sidecar'" in result.err
    info = capinfos(path)
    for line in (f"context: {cluster.context}", f"namespace: {cluster.namespace}", "pod: web", "container: sidecar",
                 f"node: {cluster.node_of('web')}",
                 "method: upload", "filter: tcp port 8080", "versions: kubectl-sniff ", ", ksniff-agent "):
        assert line in info, info
    assert f"Name = {cluster.namespace}/web:eth0" in info and f"Name = {cluster.namespace}/web:lo" in info
    assert "Speed = 10000000000" in info or not cluster.here
    assert "Time precision = nanoseconds (9)" in info
    assert len(tshark(path, "frame.number")) == 4


def test_loopback_once_and_chosen_interfaces(cluster, ksniff, tmp_path):
    there = f"{cluster.namespace}/web:lo"
    for flags, expected in ([], [there]), (["-i", "lo"], [there]), (["-i", "eth0"], []), \
            (["-i", "eth0", "-i", "lo"], [there]):
        path = str(tmp_path / "x.pcapng")
        with ksniff.capturing("web", "-f", "udp port 4002", "-o", path, *flags) as process:
            cluster.datagrams("web", 4002, count=1)
            ksniff.stop(process)
        assert [row[0] for row in tshark(path, "frame.interface_name")] == expected, flags


def test_snaplen_keeps_the_original_length(cluster, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-f", "udp port 4003", "--snaplen", "60", "-o", path) as process:
        sent = cluster.exchange(4003, rounds=6)
        ksniff.stop(process)
    rows = tshark(path, "frame.len", "frame.cap_len")
    assert [int(row[0]) for row in rows] == [42 + len(data) for _, data in sent]
    assert [int(row[1]) for row in rows] == [min(60, 42 + len(data)) for _, data in sent]


def test_headers_only(cluster, ksniff, tmp_path):
    """Each packet at its full length, with what was in it nowhere."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-f", "udp port 4003", "--headers-only", "-o", path) as process:
        sent = cluster.exchange(4003, rounds=6)
        ksniff.stop(process)
    rows = tshark(path, "frame.len", "frame.cap_len", "udp.dstport")
    assert [int(row[0]) for row in rows] == [42 + len(data) for _, data in sent]
    assert [int(row[1]) for row in rows] == [42] * len(sent) and {row[2] == "4003" for row in rows} == {True, False}
    with open(path, "rb") as file:
        assert b"answer" not in file.read()


@pytest.mark.parametrize("words, magic", [(["x.pcap"], b"\x4d\x3c\xb2\xa1"), (["x", "--format", "pcap"], b"\x4d\x3c\xb2\xa1"),
                                          (["x.pcapng"], b"\x0a\x0d\x0d\x0a"), (["y.cap"], b"\x0a\x0d\x0d\x0a")])
def test_formats(cluster, ksniff, tmp_path, words, magic):
    path = str(tmp_path / words[0])
    with ksniff.capturing("web", "-f", "udp port 4004", "-o", path, *words[1:]) as process:
        sent = cluster.exchange(4004, rounds=3)
        ksniff.stop(process)
    with open(path, "rb") as file:
        assert file.read(4) == magic
    assert [row[0] for row in tshark(path, "udp.payload")] == [data.hex() for _, data in sent]


def test_count_duration_and_size(cluster, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    result = ksniff.run("web", "--count", "5", "-o", path)
    assert result.code == 0 and len(tshark(path, "frame.number")) == 5
    result = ksniff.run("web", "--duration", "1500ms", "-o", path)
    assert result.code == 0 and tshark(path, "frame.number")
    result = ksniff.run("web", "--max-size", "4k", "-o", path)
    assert result.code == 0 and 3000 < os.path.getsize(path) <= 4096 + 400  # the last statistics come on top
    tshark(path, "frame.number")
    assert not cluster.ours_in("web")


def test_through_a_pipe_to_tshark(cluster, ksniff):
    client = ksniff.start("web", "-f", "tcp port 8080", "--count", "8", "-o", "-")
    judge = subprocess.run(["tshark", "-n", "-r", "-", "-T", "fields", "-e", "tcp.port"], stdin=client.stdout,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, timeout=GUARD)
    client.stdout.close()
    assert client.wait(timeout=GUARD) == 0
    assert len(judge.stdout.splitlines()) == 8
    client.stderr.close()


def test_live_through_a_pipe(cluster, ksniff):
    """tshark -i - shows packets while the capture goes on."""
    client = ksniff.start("web", "-f", "tcp port 8080", "-o", "-")
    judge = subprocess.Popen(["tshark", "-n", "-l", "-i", "-"], stdin=client.stdout, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    client.stdout.close()
    line = judge.stdout.readline()
    assert b"TCP" in line
    assert client.poll() is None
    client.send_signal(signal.SIGINT)
    assert client.wait(timeout=GUARD) == 0
    assert judge.wait(timeout=GUARD) == 0
    judge.stdout.close()
    client.stderr.close()


def test_a_closed_pipe_is_a_normal_end(cluster, ksniff):
    client = ksniff.start("web", "-o", "-")
    assert client.stdout.read(100)
    client.stdout.close()
    err = client.stderr.read().decode()
    assert client.wait(timeout=GUARD) == 0, err
    client.stderr.close()
    assert "error:" not in err and "the reader of standard output has ended\n" in err
    wait_until(lambda: not cluster.ours_in("web"), "the agent's end")


def test_a_slow_reader_loses_nothing_of_little(cluster, ksniff):
    """Somebody who reads late gets every packet: they wait in the ring."""
    with ksniff.capturing("web", "-f", "udp port 4005", "-o", "-") as client:
        sent = cluster.exchange(4005, rounds=300)
        time.sleep(0.2)
        client.send_signal(signal.SIGINT)
        judge = subprocess.run(["tshark", "-n", "-r", "-", "-T", "fields", "-e", "udp.payload"], stdin=client.stdout,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, timeout=GUARD)
        client.stdout.close()
        assert judge.stdout.decode().splitlines() == [data.hex() for _, data in sent]
        assert client.wait(timeout=GUARD) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_in_order(cluster, ksniff, tmp_path, number):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-f", "udp port 4006", "-o", path) as process:
        sent = cluster.exchange(4006, rounds=10)
        ksniff.stop(process, number)
    assert len(tshark(path, "frame.number")) == len(sent)
    assert not cluster.ours_in("web")


def test_background_job_says_what_ends_it(cluster, ksniff, tmp_path):
    """A script's `kubectl sniff ... &` has SIGINT ignored: `kill -INT` does nothing, and is not waited for."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-f", "udp port 4009", "-o", path,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as process:
        assert "capturing; SIGTERM or a limit ends it (SIGINT is ignored in a background job)" in process.head
        process.send_signal(signal.SIGINT)
        sent = cluster.exchange(4009, rounds=10)
        ksniff.stop(process, signal.SIGTERM)
    assert len(tshark(path, "frame.number")) == len(sent)


def test_killed_client_leaves_nothing(cluster, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-o", path) as process:
        wait_until(lambda: os.path.getsize(path) > 2000, "packets")
        assert cluster.ours_in("web")
        process.kill()
        process.wait()
    wait_until(lambda: not cluster.ours_in("web"), "the agent's end")
    assert tshark(path, "frame.number")


@pytest.mark.parametrize("delay", [0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2])
def test_interrupted_at_any_moment(cluster, ksniff, tmp_path, delay):
    """Ctrl-C before, while and after the agent starts; then SIGKILL at the same moments."""
    for number in (signal.SIGINT, signal.SIGKILL):
        process = ksniff.start("web", "-o", str(tmp_path / "x.pcapng"))
        time.sleep(delay)
        process.send_signal(number)
        err = process.communicate(timeout=GUARD)[1].decode()
        assert process.returncode in (0, 130, -number), err
        assert "Sanitizer" not in err
        wait_until(lambda: not cluster.ours_in("web"), "the agent's end")


def test_stream_cut(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("web", "-f", "udp port 4007", "-o", path, "--no-reconnect") as process:
        sent = exchange_in(sandbox, 4007, rounds=10)
        wait_until(lambda: os.path.getsize(path) > 2000, "packets")
        time.sleep(0.3)
        sandbox.drop_streams()
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 1
    assert "error: the stream of \"" in err
    assert len(tshark(path, "frame.number")) == len(sent)
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_pod_deleted(cluster, ksniff, tmp_path):
    container = {"name": "app", "image": cluster.image, "command": ["sleep", "1000"]}
    with cluster.running_pod("victim", containers=[container]):
        with ksniff.capturing("victim", "-o", str(tmp_path / "x.pcapng")) as process:
            cluster.delete_pod("victim")
            err = process.stderr.read().decode()
            assert process.wait(timeout=GUARD) == 1
    assert 'WARN[000' in err and 'container "app" of pod "victim" was ended by signal 9: it died, or was deleted' in err
    assert err.endswith('error: pod "victim" was deleted\n')


@pytest.fixture(scope="module")
def tcpdump_pod(sandbox):
    """Debian's own tcpdump is what -l uploads here: in a container that has the libraries it wants."""
    container = {"name": "app", "image": "registry.local/bash:1", "command": ["sleep", "1000"]}
    with sandbox.running_pod("dumped", containers=[container]):
        yield "dumped"


def test_tcpdump_of_ones_own(sandbox, ksniff, tmp_path, tcpdump_pod):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing(tcpdump_pod, "-l", "/usr/bin/tcpdump", "-f", "udp port 4008", "-o", path) as process:
        address = (sandbox.pod("web")["ip"], 4008)
        with in_netns(sandbox.netns(tcpdump_pod)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                for number in range(20):
                    one.sendto(b"number %d" % number, address)
        time.sleep(1.2)  # libpcap holds packets back
        ksniff.stop(process)
    rows = tshark(path, "udp.payload", "frame.encap_type", "frame.packet_flags_direction", "frame.interface_name",
                  display="udp.dstport == 4008")
    assert [row[0] for row in rows] == [(b"number %d" % number).hex() for number in range(20)]
    assert {row[1] for row in rows} == {"210"}  # SLL2
    assert {int(row[2], 0) for row in rows} == {2}
    assert {row[3] for row in rows} == {"default/dumped:any"}
    wait_until(lambda: not sandbox.ours_in(tcpdump_pod), "tcpdump's end")


def test_tcpdump_ends_with_a_killed_client(sandbox, ksniff, tmp_path, tcpdump_pod):
    with ksniff.capturing(tcpdump_pod, "-l", "/usr/bin/tcpdump", "-o", str(tmp_path / "x.pcapng")) as process:
        assert sandbox.ours_in(tcpdump_pod)
        process.kill()
        process.wait()
    wait_until(lambda: not sandbox.ours_in(tcpdump_pod), "tcpdump's end")


def test_tcpdump_that_fails_says_why(sandbox, ksniff, tmp_path, tcpdump_pod):
    error = ksniff.fail(tcpdump_pod, "-l", "/usr/bin/tcpdump", "-i", "nope0", "-o", str(tmp_path / "x"))
    assert "nope0" in error and "exit code 1" in error
    assert not (tmp_path / "x").exists()
    assert not sandbox.ours_in(tcpdump_pod)
