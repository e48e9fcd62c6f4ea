# SPDX-License-Identifier: Apache-2.0
"""What Wireshark's Start begins is a capture of its own, whatever became of the one before. A stand-in starts, and the
test reads the pipe that Wireshark would."""
import contextlib
import os
import select
import signal
import time

import pytest

from conftest import GUARD, exchange_in, wait_until
from test_loss import send, totals
from test_resume import until

SECTION = b"\x0a\x0d\x0d\x0a"


@pytest.fixture
def reader(tmp_path):
    """Yields the environment, and what tells the pipe's path once it is there."""
    program, words = tmp_path / "reader", tmp_path / "words"
    program.write_text('#!/bin/sh\nwhile [ "$1" != -i ]; do shift; done\n'
                       f'echo "$2" >{words}.new\nmv {words}.new {words}\nexec sleep 1000\n')
    program.chmod(0o755)

    def pipe():
        wait_until(words.exists, "the reader's start")
        return words.read_text().strip()

    return {"KSNIFF_WIRESHARK": str(program)}, pipe


@contextlib.contextmanager
def reading(path):
    """The pipe, opened as dumpcap does it, and closed in the end. Yields what reads on until a test is true of all."""
    fd, data = os.open(path, os.O_RDONLY), b""

    def read(is_enough=lambda data: False, seconds=GUARD):
        nonlocal data
        end = time.monotonic() + seconds
        while not is_enough(data) and time.monotonic() < end:
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            more = os.read(fd, 65536)
            data += more
            if not more:
                break
        return data

    try:
        yield read
    finally:
        os.close(fd)


def close(process):
    """Both ends of it, as the user does; what the client has said."""
    process.send_signal(signal.SIGINT)
    until(process, "waiting for Wireshark")
    process.send_signal(signal.SIGINT)
    process.head += process.stderr.read().decode()
    return process.wait(timeout=GUARD)


def test_a_cut_of_another_capture_is_told(sandbox, ksniff, reader):
    """The first one was cut, too, and stopped before it could be taken up again."""
    env, pipe = reader
    with ksniff.capturing("web", "-f", "udp port 4700", env=env) as process:
        with reading(pipe()) as read:
            exchange_in(sandbox, 4700, 3)
            read(lambda data: totals(data)[0] == 6)
            with sandbox.faults(drop_exec_connections=True, request_error={"path": "/pods/", "code": 500}):
                until(process, "taking it up again")
        until(process, "waiting for Wireshark")
        time.sleep(1.5)  # the time of the next try passes
        with reading(pipe()) as read:
            until(process, "capturing;")
            exchange_in(sandbox, 4700, 3)
            read(lambda data: totals(data)[0] == 6)
            sandbox.drop_streams()
            until(process, "taking it up again")
            until(process, "capturing again, after ")
            exchange_in(sandbox, 4700, 3)
            packets, _, _, comments = totals(read(lambda data: totals(data)[0] == 12))
            assert packets == 12
            assert [(kind, number) for kind, number, text in comments if "are missing" in text] == [(6, 7)]
            assert close(process) == 0
    assert "the capture was cut 1 time: what passed meanwhile is missing" in process.head.split("another capture")[1]


def test_another_capture_begins_with_its_own_bytes(sandbox, ksniff, reader):
    """What the reader of the one before did not take is not the next one's."""
    env, pipe = reader
    with ksniff.capturing("client", "-f", "udp dst port 4701", env=env) as process:
        with reading(pipe()) as read:
            read(lambda data: len(data) > 0)
            send(sandbox, 4701, 3000)  # more than the pipe holds
            process.send_signal(signal.SIGINT)
            until(process, "Ctrl-C gives them up")
            process.send_signal(signal.SIGINT)
            until(process, "lost on the way")
            until(process, "waiting for Wireshark")
        with reading(pipe()) as read:
            until(process, "capturing;")
            send(sandbox, 4701, 5)
            data = read(lambda data: totals(data)[0] == 5)
            assert data[:4] == SECTION and totals(data)[0] == 5
            assert close(process) == 0


def test_another_capture_that_cannot_begin_is_told(sandbox, ksniff, reader):
    """Also where it is seen at once."""
    env, pipe = reader
    sandbox.create_pod("leaving", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}])
    with ksniff.capturing("leaving", "--method", "ephemeral", env=env) as process:
        with reading(pipe()) as read:
            read(lambda data: len(data) > 0)
            sandbox.delete_pod("leaving")
            until(process, "was deleted; waiting for Wireshark")
        with reading(pipe()):
            until(process, "another capture begins")
            until(process, "the capture has failed: ")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.head += process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 1 and "error: " in process.head
