# SPDX-License-Identifier: Apache-2.0
"""The real Wireshark, in a real window, under Xvfb: its title, its packets, its end."""
import os
import re
import shutil
import signal
import subprocess

import pytest

from conftest import GUARD, exchange_in, wait_until


@pytest.fixture(scope="module")
def display(tmp_path_factory):
    """An X server of our own. Yields the environment for it."""
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
                              pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
    home = str(tmp_path_factory.mktemp("home"))
    # No question at the start.
    os.makedirs(home + "/.config/wireshark")
    with open(home + "/.config/wireshark/preferences", "w", encoding="ascii") as file:
        file.write("privs.warn_if_elevated: FALSE\ngui.update.enabled: FALSE\n")
    yield {"DISPLAY": ":" + number, "HOME": home, "XDG_RUNTIME_DIR": home, "QT_X11_NO_MITSHM": "1", "LC_ALL": "C"}
    server.terminate()
    server.wait()


def windows(env):
    """The names of all windows."""
    listing = subprocess.run(["xwininfo", "-root", "-tree"], env={**os.environ, **env}, text=True, check=True,
                             stdout=subprocess.PIPE).stdout
    return re.findall(r'"([^"]*)"', listing)


def packets_of(pid):
    """How many packets the Wireshark of that process has: the file it keeps them in tells."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            path = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if "wireshark_" in path and os.path.exists(path):
            info = subprocess.run(["capinfos", "-c", "-M", path], text=True, check=False, stdout=subprocess.PIPE).stdout
            found = re.search(r"Number of packets:\s+(\d+)", info)
            return int(found[1]) if found else 0
    return 0


def child_of(process):
    def look():
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            children = file.read().split()
        return int(children[0]) if children else None
    return wait_until(look, "Wireshark")


def test_title_packets_and_ctrl_c(sandbox, ksniff, display):
    with ksniff.capturing("web", "-c", "sidecar", "-f", "udp port 4010", env=display) as process:
        wireshark = child_of(process)
        wait_until(lambda: any("default/web/sidecar" in name for name in windows(display)), "the window's title")
        exchange_in(sandbox, 4010, 6)
        wait_until(lambda: packets_of(wireshark) == 12, "12 packets in Wireshark")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0
        assert not os.path.exists(f"/proc/{wireshark}")
    assert not sandbox.ours_in("web")


def test_closing_wireshark_ends_the_capture(sandbox, ksniff, display):
    with ksniff.capturing("web", env=display) as process:
        wireshark = child_of(process)
        wait_until(lambda: any("default/web/httpd" in name for name in windows(display)), "the window")
        os.kill(wireshark, signal.SIGTERM)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
    assert "error:" not in err
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_capture_that_is_complete_waits_for_wireshark(sandbox, ksniff, display):
    with ksniff.capturing("web", "--count", "2", env=display) as process:
        wireshark = child_of(process)
        wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")
        assert process.poll() is None and os.path.exists(f"/proc/{wireshark}")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0


def test_wireshark_that_fails(sandbox, ksniff):
    error = ksniff.fail("web", env={"KSNIFF_WIRESHARK": shutil.which("false")})
    assert error.startswith(f'"{shutil.which("false")}" ended with exit code 1 (')
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_its_message_is_passed_on(sandbox, ksniff, tmp_path):
    program = tmp_path / "wireshark"
    program.write_text("#!/bin/sh\necho 'noise' >&2\necho 'could not connect to \033[31mdisplay' >&2\nexit 3\n")
    program.chmod(0o700)
    error = ksniff.fail("web", env={"KSNIFF_WIRESHARK": str(program)})
    assert error == (f'"{program}" ended with exit code 3 (could not connect to \\x1b[31mdisplay; -o FILE does '
                     'without it)')
