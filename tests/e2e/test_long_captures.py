# SPDX-License-Identifier: Apache-2.0
"""Captures that are long: compressed, in several files; each of them whole, whatever happens."""
import os
import signal
import subprocess

import pytest

from conftest import GUARD, capinfos, tshark, wait_until

COMPRESSORS = {".gz": "gzip", ".zst": "zstd", ".lz4": "lz4"}


def is_whole(path):
    """The compressor's own program finds nothing wrong with the file."""
    program = COMPRESSORS[os.path.splitext(path)[1]]
    done = subprocess.run([program, "-t", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def payloads(path):
    return [row[0] for row in tshark(path, "udp.payload")]


@pytest.mark.parametrize("ending", COMPRESSORS)
def test_compressed(cluster, ksniff, tmp_path, ending):
    """What was captured is in the file soon, also after a SIGKILL; an end in order adds nothing but the rest."""
    path = str(tmp_path / f"x.pcapng{ending}")
    with ksniff.capturing("web", "-f", "udp port 4011", "-o", path) as process:
        sent = [data.hex() for _, data in cluster.exchange(4011, rounds=5)]
        wait_until(lambda: payloads(path) == sent, "the packets in the file")  # no reader is told of a cut
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
