# SPDX-License-Identifier: Apache-2.0
"""Captures that are long: compressed, in several files; each of them whole, whatever happens."""
import contextlib
import os
import re
import signal
import subprocess

import pytest

from conftest import GUARD, capinfos, tshark, wait_until
from test_helper_life import until

COMPRESSORS = {".gz": "gzip", ".zst": "zstd", ".lz4": "lz4"}


def is_whole(path):
    """The compressor's own program finds nothing wrong with the file."""
    program = COMPRESSORS[os.path.splitext(path)[1]]
    done = subprocess.run([program, "-t", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def payloads(path):
    return [row[0] for row in tshark(path, "udp.payload")]


def reads(path, sent):
    """Are these in the file? Who reads amid a write may see half of it."""
    with contextlib.suppress(AssertionError):
        return payloads(path) == sent


@pytest.mark.parametrize("ending", COMPRESSORS)
def test_compressed(cluster, ksniff, tmp_path, ending):
    """What was captured is in the file soon, also after a SIGKILL; an end in order adds nothing but the rest."""
    path = str(tmp_path / f"x.pcapng{ending}")
    with ksniff.capturing("web", "-f", "udp port 4011", "-o", path) as process:
        sent = [data.hex() for _, data in cluster.exchange(4011, rounds=5)]
        wait_until(lambda: reads(path, sent), "the packets in the file")
        is_whole(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert payloads(path) == sent
    is_whole(path)
    with ksniff.capturing("web", "-f", "udp port 4011", "-o", path) as process:
        sent = [data.hex() for _, data in cluster.exchange(4011)]
        ksniff.stop(process)
    assert payloads(path) == sent
    is_whole(path)
    assert f"Name = {cluster.namespace}/web:eth0" in capinfos(path)


def test_compressed_pcap(cluster, ksniff, tmp_path):
    path = str(tmp_path / "x.pcap.gz")
    with ksniff.capturing("web", "-f", "udp port 4012", "-o", path) as process:
        sent = [data.hex() for _, data in cluster.exchange(4012, rounds=5)]
        ksniff.stop(process)
    assert payloads(path) == sent
    is_whole(path)
    assert "nanosecond" in capinfos(path).splitlines()[1]


def test_max_size_of_what_is_compressed(cluster, ksniff, tmp_path):
    """It is the file's: so there is more in it than in one that is not compressed."""
    path, packets = str(tmp_path / "x.pcapng"), []
    for ending in "", ".gz":
        with ksniff.capturing("web", "-f", "udp port 4013", "--max-size", "4k", "-o", path + ending) as process:
            cluster.datagrams("web", 4013, count=1000)
            err = process.stderr.read().decode()
            assert process.wait(timeout=GUARD) == 0 and "--max-size is reached" in err, err
        assert 3500 < os.path.getsize(path + ending) <= 4096 + 400  # the last statistics come on top
        packets.append(len(tshark(path + ending, "frame.number")))
    assert packets[1] > 2 * packets[0]
    is_whole(path + ".gz")


def test_what_cannot_be_compressed(sandbox, ksniff, tmp_path):
    assert ksniff.fail("web", "-o", str(tmp_path / "x.pcapng.xz"), code=2).startswith(
        f'"{tmp_path}/x.pcapng.xz" would not be what its ending ".xz" says')
    os.mkfifo(tmp_path / "x.gz")
    assert "is no file, and nothing else is compressed" in ksniff.fail("web", "-o", str(tmp_path / "x.gz"), code=2)
    assert os.listdir(tmp_path) == ["x.gz"]


# ---- names ----


def test_a_file_for_each_target(sandbox, ksniff, tmp_path):
    with ksniff.capturing("web", "client", "-f", "udp port 4014", "-o", f"{tmp_path}/%n-%p-%c.pcapng.gz") as process:
        wait_until(lambda: len(os.listdir(tmp_path)) == 2, "the files of both")
        sent = [data.hex() for _, data in sandbox.exchange(4014, rounds=5)]
        err = ksniff.stop(process)
    assert sorted(os.listdir(tmp_path)) == ["default-client-client.pcapng.gz", "default-web-httpd.pcapng.gz"]
    assert f"{2 * len(sent)} packets captured" in err and ", written to 2 files\n" in err, err
    for pod, container in ("client", "client"), ("web", "httpd"):
        path = f"{tmp_path}/default-{pod}-{container}.pcapng.gz"
        assert tshark(path, "udp.payload", "frame.interface_name") == [[data, f"default/{pod}:eth0"] for data in sent]
        assert f"pod: {pod}" in capinfos(path) and f"container: {container}" in capinfos(path)
        assert capinfos(path).count("Name = ") == capinfos(path).count(f"Name = default/{pod}:")


def test_limits_are_over_all_files(sandbox, ksniff, tmp_path):
    with ksniff.capturing("web", "client", "-f", "udp port 4015", "--count", "20", "-o", f"{tmp_path}/%p.pcapng") as process:
        wait_until(lambda: len(os.listdir(tmp_path)) == 2, "the files of both")
        sandbox.exchange(4015)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0 and "--count is reached" in err, err
    assert sum(len(payloads(tmp_path / name)) for name in os.listdir(tmp_path)) == 20


def test_two_targets_of_the_same_name(sandbox, ksniff, tmp_path):
    with ksniff.capturing("web", "client", "-f", "udp port 4016", "-o", f"{tmp_path}/%n.pcapng") as process:
        wait_until(lambda: len(os.listdir(tmp_path)) == 2, "the files of both")
        sent = [data.hex() for _, data in sandbox.exchange(4016, rounds=2)]
        ksniff.stop(process)
    assert sorted(os.listdir(tmp_path)) == ["default-2.pcapng", "default.pcapng"]
    assert [payloads(tmp_path / name) for name in os.listdir(tmp_path)] == [sent, sent]


def test_time_in_the_name(sandbox, ksniff, tmp_path):
    result = ksniff.run("web", "client", "-i", "eth0", "--count", "1", "-o", f"{tmp_path}/100%%-%t.pcap", env={"TZ": "UTC"})
    assert result.code == 0, result.err
    name, = os.listdir(tmp_path)
    assert re.fullmatch(r"100%-20\d{6}T\d{6}\.pcap", name)
    assert f"written to '{tmp_path}/{name}'" in result.err
    result = ksniff.run(f"node/{sandbox.node_of('web')}", "--count", "1", "-o", f"{tmp_path}/%n-%p-%c")
    assert result.code == 0 and f"node-{sandbox.node_of('web')}-host" in os.listdir(tmp_path), result.err


@pytest.mark.parametrize("output, error", [
    ("%x.pcapng", '"%x" in "{}/%x.pcapng" stands for nothing (there are %n (namespace), '),
    ("%n/%p.pcapng", '"%n" in "{}/%n/%p.pcapng" stands in a directory\'s name (')])
def test_wrong_patterns(sandbox, ksniff, tmp_path, output, error):
    assert ksniff.fail("web", "-o", f"{tmp_path}/{output}", code=2).startswith(error.format(tmp_path))


def test_no_such_directory(ksniff, tmp_path):
    """It is said before anything is asked of the cluster."""
    for output in "%p.pcapng", "x.pcapng":
        assert ksniff.fail("no-such-pod", "-o", f"{tmp_path}/no/{output}") == \
            f'cannot make a file in "{tmp_path}/no": No such file or directory (make the directory, or choose another one with -o)'


# ---- files that follow each other ----


def numbers_in(paths):
    """What datagrams() sends, as it stands in the files together."""
    return [int(bytes.fromhex(payload).split()[1]) for path in paths for payload in payloads(path)]


def check_complete(cluster, path):
    """It says where it comes from, and counts its own packets."""
    info = capinfos(path)
    packets = len(tshark(path, "frame.number"))
    assert packets > 0 and "pod: web" in info and f"Name = {cluster.namespace}/web:lo" in info
    stats = tshark_statistics(path)
    assert sum(stats) == packets, (path, stats)


def tshark_statistics(path):
    """Packets of each interface, as its last statistics have it."""
    last = {}
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(b"\n\r\r\n"):
        data = subprocess.run([COMPRESSORS[os.path.splitext(path)[1]], "-dc", path], stdout=subprocess.PIPE, check=True).stdout
    at = 0
    while at < len(data):
        kind, length, interface = (int.from_bytes(data[at + i:at + i + 4], "little") for i in (0, 4, 8))
        if kind == 5:
            place = at + 20
            while place < at + length - 4:
                code, size = (int.from_bytes(data[place + i:place + i + 2], "little") for i in (0, 2))
                if code == 4:  # isb_ifrecv
                    last[interface] = int.from_bytes(data[place + 4:place + 12], "little")
                place += 4 + (size + 3) // 4 * 4
        at += length
    return list(last.values())


@pytest.mark.parametrize("ending", ["", ".zst"])
def test_rotation_by_size(cluster, ksniff, tmp_path, ending):
    """Every packet once, in order, in files that are complete and not too large."""
    with ksniff.capturing("web", "-f", "udp port 4017", "--rotate-size", "4k", "-o", f"{tmp_path}/x.pcapng{ending}") as process:
        cluster.datagrams("web", 4017, count=400)
        err = ksniff.stop(process)
    names = sorted(os.listdir(tmp_path))
    paths = [str(tmp_path / name) for name in names]
    assert len(names) > (1 if ending else 8)
    for number, name in enumerate(names):
        assert re.fullmatch(rf"x_{number + 1:05}_20\d{{12}}\.pcapng{re.escape(ending)}", name)
    sizes = [os.path.getsize(path) for path in paths]
    assert max(sizes) <= 4096 and min(sizes[:-1]) > 3000
    for path in paths[0], paths[1], paths[-1]:
        check_complete(cluster, path)
    assert numbers_in(paths) == list(range(400))
    assert "400 packets captured" in err and f"written to {len(names)} files, the last '{paths[-1]}'" in err


def test_rotation_by_time_and_a_ring(cluster, ksniff, tmp_path):
    """The last three of them stay."""
    sent = 0
    with ksniff.capturing("web", "-f", "udp port 4018", "-i", "lo", "--rotate-time", "100ms", "--rotate-files", "3",
                          "-o", f"{tmp_path}/%p-%i.pcapng") as process:
        def one_more():
            nonlocal sent
            cluster.datagrams("web", 4018, count=1)
            sent += 1
            return "web-00006.pcapng" in os.listdir(tmp_path)
        wait_until(one_more, "the sixth file")
        err = ksniff.stop(process)
    names = sorted(os.listdir(tmp_path))
    assert len(names) == 3 and [int(name[4:9]) for name in names] == list(range(int(names[0][4:9]), int(names[0][4:9]) + 3))
    assert f"{sent} packets captured" in err
    for name in names:
        check_complete(cluster, str(tmp_path / name))


def test_rotation_of_several_targets(cluster, ksniff, tmp_path):
    """Each file has the interfaces of all, and counts the packets of each that it holds."""
    words = ["client", "web", "-i", "eth0", "-f", "udp dst port 4028", "--rotate-size", "4k"]
    with ksniff.capturing(*words, "-o", f"{tmp_path}/x.pcapng") as process:
        until(process, b"2 of 2 targets are being captured")
        sent = [data.hex() for to_web, data in cluster.exchange(4028, rounds=20) if to_web]
        ksniff.stop(process)
    paths = [str(tmp_path / name) for name in sorted(os.listdir(tmp_path))]
    assert len(paths) > 3
    names, seen = [f"{cluster.namespace}/{pod}:eth0" for pod in ("client", "web")], []
    for path in paths:
        described, rows = capinfos(path), tshark(path, "udp.payload", "frame.interface_name")
        assert all(f"Name = {name}" in described for name in names)
        assert sum(tshark_statistics(path)) == len(rows)
        seen += rows
    assert all([payload for payload, where in seen if where == name] == sent for name in names)


def test_killed_while_files_follow_each_other(cluster, ksniff, tmp_path):
    """All of them can be read; of the last, as far as it was written."""
    with ksniff.capturing("web", "-f", "udp port 4019", "--rotate-size", "2k", "-o", f"{tmp_path}/x.pcapng.lz4") as process:
        cluster.datagrams("web", 4019, count=1000)
        wait_until(lambda: len(os.listdir(tmp_path)) > 2, "some files")
        process.kill()
        process.wait()
    numbers = numbers_in(sorted(tmp_path.iterdir()))
    assert numbers and numbers == list(range(len(numbers)))
    for path in tmp_path.iterdir():
        is_whole(path)


def test_limits_and_rotation(cluster, ksniff, tmp_path):
    with ksniff.capturing("web", "-f", "udp port 4020", "--rotate-size", "4k", "--count", "100",
                          "-o", f"{tmp_path}/%i.pcapng") as process:
        cluster.datagrams("web", 4020, count=300)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0 and "--count is reached" in err, err
    assert numbers_in(sorted(tmp_path.iterdir())) == list(range(100))


def test_the_directory_goes_away(cluster, ksniff, tmp_path):
    """One line says so; what was captured is whole."""
    there, away = tmp_path / "there", tmp_path / "away"
    there.mkdir()
    with ksniff.capturing("web", "-f", "udp port 4021", "--rotate-size", "4k", "-o", f"{there}/%i.pcapng.gz") as process:
        cluster.datagrams("web", 4021, count=300)
        wait_until(lambda: len(os.listdir(there)) > 1, "some files")
        there.rename(away)
        cluster.datagrams("web", 4021, count=1000)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 1
    assert re.search(rf'^error: cannot write the file "{there}/000\d\d.pcapng.gz": No such file or directory \(', err, re.M), err
    for path in away.iterdir():
        is_whole(path)
    numbers = numbers_in(sorted(away.iterdir()))
    assert numbers == [n % 300 for n in range(len(numbers))] or numbers[300:] == list(range(len(numbers) - 300))


@contextlib.contextmanager
def small_disk(path, size):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_full_disk(sandbox, ksniff, tmp_path, ending):
    with small_disk(tmp_path / "disk", "64k") as disk:
        with ksniff.capturing("web", "-f", "udp port 4022", "--rotate-size", "16k", "-o", f"{disk}/%i.pcapng{ending}") as process:
            while process.poll() is None:
                sandbox.datagrams("web", 4022, count=1000)
            err = process.stderr.read().decode()
            assert process.returncode == 1
        assert re.search(rf'^error: cannot write .*"{disk}/0000\d.pcapng{ending}": No space left on device \(', err, re.M), err
        for path in disk.iterdir():
            if path.stat().st_size > 0:
                tshark(path, "frame.number")
        numbers = numbers_in(path for path in sorted(disk.iterdir()) if path.stat().st_size > 0)
        assert len(numbers) > 200 and numbers == [n % 1000 for n in range(len(numbers))]


def test_what_cannot_follow(sandbox, ksniff, tmp_path):
    for output, name in ([], "Wireshark"), (["-o", "-"], "standard output"):
        assert ksniff.fail("web", "--rotate-size", "1M", *output, code=2).startswith(
            f"{name} cannot be followed by another file: --rotate-size and --rotate-time need -o FILE (")
