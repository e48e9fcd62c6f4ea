# SPDX-License-Identifier: Apache-2.0
"""What Wireshark cannot do is told, instead of an empty window."""
import os
import shutil
import signal
import tempfile

from conftest import GUARD, wait_until
from test_wireshark import child_of, display, dumpcap_of, exchange_in, line_with, packets_of, tmp, windows  # noqa: F401 (fixtures)


def wireshark_with(directory, mode, group):
    """Debian's Wireshark, beside a dumpcap of this mode. Returns its path."""
    for name, bits in ("wireshark", 0o755), ("dumpcap", mode):
        path = os.path.join(directory, name)
        shutil.copy(shutil.which(name), path)
        os.chown(path, 0, group)
        os.chmod(path, bits)
    os.chmod(directory, 0o755)
    return os.path.join(directory, "wireshark")


def test_a_dumpcap_for_members_of_a_group_is_refused_to_others(sandbox, ksniff):
    """As Debian installs it where only the group may capture. Nothing touches the cluster then."""
    before = len(sandbox.get("/sandbox/requests"))
    with tempfile.TemporaryDirectory() as directory:
        program = wireshark_with(directory, 0o750, 12)
        error = ksniff.fail("web", env={"KSNIFF_WIRESHARK": program, "DISPLAY": ":0"}, user=65534, group=65534, extra_groups=[])
        assert error == (f'Wireshark would show nothing: you may not run its "{directory}/dumpcap" (sudo usermod -aG man '
                         "$USER and log in again, or write the packets to a file with -o FILE)")
        os.symlink(program, directory + "/link")  # it is looked for where Wireshark looks for it
        os.chmod(directory + "/dumpcap", 0o644)
        error = ksniff.fail("web", env={"KSNIFF_WIRESHARK": directory + "/link", "DISPLAY": ":0"})
        assert "you may not run" in error and "(make it executable, or" in error
    assert len(sandbox.get("/sandbox/requests")) == before + 1


def test_a_stopped_reader_is_told_and_its_going_on_too(sandbox, ksniff, display, tmp):  # noqa: F811
    with ksniff.capturing("web", "-f", "udp port 4015", env={**display, "TMPDIR": str(tmp)}) as process:
        wireshark = child_of(process)
        wait_until(lambda: any("Capturing from" in name for name in windows(display)), "the window's title")
        exchange_in(sandbox, 4015, 3)
        wait_until(lambda: packets_of(wireshark) == 6, "6 packets in Wireshark")
        dumpcap = dumpcap_of(wireshark)
        os.kill(dumpcap, signal.SIGSTOP)
        exchange_in(sandbox, 4015, 3)
        assert "is its dumpcap stopped, or its disk full? (-o FILE" in line_with(process, "has read nothing for 5 s, and packets wait")
        os.kill(dumpcap, signal.SIGCONT)
        line_with(process, "Wireshark reads again")
        wait_until(lambda: packets_of(wireshark) == 12, "12 packets in Wireshark")
        process.send_signal(signal.SIGINT)
        line_with(process, "waiting for")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0


def test_a_wireshark_that_never_reads_is_told(sandbox, ksniff, tmp):  # noqa: F811
    program = tmp / "wireshark"
    program.write_text(f"#!/bin/sh\nwhile [ ! -e '{tmp}/closed' ]; do sleep 0.1; done\n")
    program.chmod(0o700)
    with ksniff.capturing("web", env={"KSNIFF_WIRESHARK": str(program), "DISPLAY": ":0", "TMPDIR": str(tmp)}) as process:
        assert "look at its window" in line_with(process, "Wireshark has not begun to read for 5 s, and packets wait")
        (tmp / "closed").touch()
        assert process.wait(timeout=GUARD) == 0
    program.unlink()
    (tmp / "closed").unlink()
