# SPDX-License-Identifier: Apache-2.0
"""Other viewers than Wireshark: the real tshark, the real termshark on a real terminal (tmux), any command."""
import os
import re
import shutil
import signal

import pytest

from conftest import BUILD, GUARD, exchange_in, tshark, wait_until
from terminal import terminal


@pytest.fixture
def tmp(tmp_path):
    """Where temporary files go, so that the test sees which are left."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    yield directory
    wait_until(lambda: not list(directory.iterdir()), "an empty " + str(directory))


@pytest.fixture
def term(sandbox, tmp, tmp_path):
    path = os.path.join(BUILD, "src") + ":" + os.environ["PATH"]
    env = {**sandbox.env, "PATH": path, "TMPDIR": str(tmp), "HOME": str(tmp_path), "PS1": "$ "}
    with terminal(tmp_path, env) as one:
        yield one


def test_tshark_prints_them_with_names(sandbox, ksniff):
    result = ksniff.run("web", "client", "--viewer", "tshark", "--count", "12", env={"LC_ALL": "C.UTF-8"})
    assert result.code == 0, result.err
    lines = result.out.decode().splitlines()
    assert len(lines) == 12 and "--count is reached" in result.err
    assert any("client.default" in line for line in lines)
    assert all(re.search("default/(web|client):", line) for line in lines)  # of several: where each was seen
    assert "12 packets captured" in result.err and "written to" not in result.err


def test_ctrl_c_ends_the_capture_and_tshark_prints_the_rest(sandbox, ksniff):
    """It is the whole foreground of a terminal that a Ctrl-C reaches."""
    with ksniff.capturing("web", "--viewer", "tshark", "-f", "udp port 4030", start_new_session=True) as process:
        exchange_in(sandbox, 4030, 20)
        first = process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        lines = [first, *process.stdout.read().splitlines()]
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
    assert "40 packets captured" in err and len(lines) == 40
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_termshark_has_the_terminal_for_itself(sandbox, term, tmp):
    term.type("clear; kubectl-sniff web --viewer termshark; echo code=$?", "Enter")
    screen = term.wait("HTTP")
    assert "INFO[" not in screen and "packets," not in screen  # neither messages nor a status line
    assert list(tmp.iterdir())
    term.type("q")
    term.wait("Do you want to quit?")
    term.type("Enter")
    screen = wait_until(lambda: "code=" in term.screen() and term.screen() or term.type("Enter"), "its end")
    assert "code=0" in screen
    assert re.search(r"INFO\[\d+\] \d+ packets captured", screen)  # what was held back meanwhile
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_termshark_without_a_terminal(sandbox, ksniff):
    before = len(sandbox.get("/sandbox/requests"))
    assert ksniff.fail("web", "--viewer", "termshark") == (
        '"termshark" needs a terminal, and there is none (--viewer tshark does without one, as -o FILE does)')
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself


def test_a_command_reads_standard_input(ksniff, tmp):
    result = ksniff.run("web", "--viewer", "tcpdump -n -r -", "--count", "3", env={"TMPDIR": str(tmp)})
    assert result.code == 0 and len(result.out.splitlines()) == 3, result.err


def test_a_command_reads_a_pipe(ksniff, tmp, tmp_path):
    """{} stands for it, anywhere, as often as one likes; quotes keep what they hold."""
    copy = tmp_path / "a copy.pcapng"
    command = f"sh -c 'echo \"$1\" \"$2\"; cat \"$1\" >\"$3\"' sh {{}} --in={{}} '{copy}'"
    result = ksniff.run("web", "--viewer", command, "--count", "4", env={"TMPDIR": str(tmp)})
    assert result.code == 0, result.err
    first, second = result.out.decode().split()
    assert first.startswith(str(tmp) + "/kubectl-sniff-") and first.endswith("/web") and second == "--in=" + first
    assert len(tshark(str(copy), "frame.number")) == 4


def test_a_viewer_that_ends_ends_the_capture(sandbox, ksniff):
    result = ksniff.run("web", "--viewer", "head -c 400")
    assert result.code == 0 and len(result.out) == 400, result.err
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_a_viewer_that_fails(sandbox, ksniff):
    error = ksniff.fail("web", "--viewer", "sh -c 'head -c 10 >/dev/null; exit 7'")
    assert error == f'"{shutil.which("sh")}" ended with exit code 7 (it says why above; -o FILE does without it)'
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_a_viewer_that_never_opens_its_pipe(sandbox, ksniff, tmp):
    with ksniff.capturing("web", "--viewer", "sh -c 'exec sleep 100' {}", env={"TMPDIR": str(tmp)}) as process:
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            process.head += line.decode()
            if b"packets are still to come: Ctrl-C gives them up" in line:  # not before the first has been seen
                process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) in (0, 3), process.head
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_a_viewer_that_goes_on_is_ended_by_another_ctrl_c(sandbox, ksniff):
    with ksniff.capturing("web", "--count", "2", "--viewer", "sh -c 'trap \"\" INT; cat >/dev/null; exec sleep 100'") as process:
        ksniff.read_until(process, "waiting for")
        assert "the capture is complete; waiting for" in process.head and "(Ctrl-C ends it)" in process.head
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0, process.stderr.read()


def test_sigterm_does_not_wait_for_a_viewer(sandbox, ksniff):
    with ksniff.capturing("web", "--viewer", "sh -c 'cat >/dev/null; exec sleep 100'") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=GUARD) == 0, process.stderr.read()


@pytest.mark.parametrize("viewer, code, error", [
    ("nosuch -x", 1, '"nosuch" was not found (--viewer takes wireshark, tshark, termshark, or a command)'),
    ("cat | less", 2, '--viewer: "|" in "cat | less" means something to a shell only (quote it, or let a shell run it: '
                      'sh -c \'...\')'),
    ("", 2, '--viewer takes wireshark, tshark, termshark or a command, not ""'),
])
def test_no_such_viewer(sandbox, ksniff, viewer, code, error):
    before = len(sandbox.get("/sandbox/requests"))
    assert ksniff.fail("web", "--viewer", viewer, code=code) == error
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself


def test_a_viewer_that_is_not_installed(ksniff):
    assert ksniff.fail("web", "--viewer", "tshark", env={"PATH": "/nonexistent"}) == \
        '"tshark" was not found (install it, or choose another --viewer)'


def test_viewer_and_file(ksniff):
    assert ksniff.fail("web", "--viewer", "tshark", "-o", "x.pcap", code=2) == \
        "--viewer shows nothing of what -o writes (leave out one of them)"
