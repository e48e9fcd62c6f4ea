# SPDX-License-Identifier: Apache-2.0
"""The real Wireshark, in a real window, under Xvfb: its title, its packets, its end."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import GUARD, exchange_in, tshark, wait_until


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
    # No question, neither at the start nor about unsaved packets.
    os.makedirs(home + "/.config/wireshark")
    with open(home + "/.config/wireshark/preferences", "w", encoding="ascii") as file:
        file.write("privs.warn_if_elevated: FALSE\ngui.update.enabled: FALSE\ngui.ask_unsaved: FALSE\n")
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


def child_called(name, pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        for child in file.read().split():
            with open(f"/proc/{child}/comm", encoding="ascii") as comm:
                if comm.read() == name + "\n":
                    return int(child)
    return None


def child_of(process):
    return wait_until(lambda: child_called("wireshark", process.pid), "Wireshark")


def dumpcap_of(wireshark):
    return child_called("dumpcap", wireshark)


@pytest.fixture
def tmp(tmp_path):
    """Where temporary files go, so that the test sees which are left."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    yield directory
    wait_until(lambda: not list(directory.iterdir()), "an empty " + str(directory))


def xdotool(env, *words):
    return subprocess.run(["xdotool", *words], env={**os.environ, **env}, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split()


def visible(env, title):
    return xdotool(env, "search", "--onlyvisible", "--name", title)


def press(env, title, key):
    """In the window of this title, which changes when a capture ends: a moment after the client has said so."""
    window = wait_until(lambda: visible(env, title), f"the window '{title}'")[0]
    xdotool(env, "windowfocus", window, "key", key)


def line_with(process, words):
    """Reads the client's messages up to the one with these words."""
    while True:
        line = process.stderr.readline().decode()
        assert line, f"no line with {words!r}"
        if words in line:
            return line


def exists(pid):
    return os.path.exists(f"/proc/{pid}")


def test_ctrl_c_ends_the_capture_and_another_closes_wireshark(sandbox, ksniff, display, tmp):
    env = {**display, "TMPDIR": str(tmp)}
    with ksniff.capturing("web", "-c", "sidecar", "-f", "udp port 4010", env=env) as process:
        wireshark = child_of(process)
        wait_until(lambda: any("[default/web/sidecar] Capturing from" in name for name in windows(display)), "the title")
        exchange_in(sandbox, 4010, 6)
        wait_until(lambda: packets_of(wireshark) == 12, "12 packets in Wireshark")
        process.send_signal(signal.SIGINT)
        assert "the capture is complete; waiting for Wireshark to be closed (Ctrl-C closes it" in \
            line_with(process, "waiting for")
        assert not sandbox.ours_in("web")
        wait_until(lambda: dumpcap_of(wireshark) is None, "the end of what feeds Wireshark")
        assert packets_of(wireshark) == 12 and process.poll() is None
        assert list(tmp.iterdir())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0
        assert not exists(wireshark)
        assert not list(tmp.iterdir())


def test_ctrl_c_of_the_terminal_does_not_reach_wireshark(sandbox, ksniff, display, tmp):
    with ksniff.capturing("web", env={**display, "TMPDIR": str(tmp)}, start_new_session=True) as process:
        wireshark = child_of(process)
        wait_until(lambda: packets_of(wireshark), "packets")
        assert os.getpgid(wireshark) == wireshark != os.getpgid(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        line_with(process, "waiting for Wireshark")
        assert exists(wireshark) and packets_of(wireshark)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_end_without_a_user_leaves_wireshark_its_packets(sandbox, ksniff, display, tmp, number):
    """From a script, with the terminal, or by force: and no file is left after Wireshark's own end."""
    with ksniff.capturing("web", env={**display, "TMPDIR": str(tmp)}) as process:
        wireshark = child_of(process)
        wait_until(lambda: packets_of(wireshark), "packets")
        process.send_signal(number)
        assert process.wait(timeout=GUARD) == (-number if number == signal.SIGKILL else 0)
        wait_until(lambda: dumpcap_of(wireshark) is None, "the end of what feeds Wireshark")
        assert packets_of(wireshark)
        wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")
        os.kill(wireshark, signal.SIGTERM)


def test_stop_ends_the_capture_and_start_begins_another(sandbox, ksniff, display, tmp):
    with ksniff.capturing("web", "-f", "udp port 4011", env={**display, "TMPDIR": str(tmp)}) as process:
        wireshark = child_of(process)
        wait_until(lambda: any("Capturing from" in name for name in windows(display)), "the window's title")
        exchange_in(sandbox, 4011, 3)
        wait_until(lambda: packets_of(wireshark) == 6, "6 packets in Wireshark")
        press(display, "default/web", "ctrl+e")  # Stop
        assert "the capture was stopped in Wireshark, where Start begins another" in line_with(process, "waiting for")
        assert not sandbox.ours_in("web") and exists(wireshark)
        press(display, "default/web", "ctrl+e")  # Start
        line_with(process, "another capture begins")
        line_with(process, "capturing;")
        exchange_in(sandbox, 4011, 5)
        wait_until(lambda: packets_of(wireshark) == 10, "10 packets in Wireshark")
        press(display, "default/web", "ctrl+r")  # Restart
        line_with(process, "another capture begins")
        line_with(process, "capturing;")
        exchange_in(sandbox, 4011, 2)
        wait_until(lambda: packets_of(wireshark) == 4, "4 packets in Wireshark")
        process.send_signal(signal.SIGINT)
        line_with(process, "the capture is complete; waiting for")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0


def test_start_that_cannot_is_told(sandbox, ksniff, display, tmp):
    container = {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}
    sandbox.create_pod("passing", containers=[container])
    with ksniff.capturing("passing", env={**display, "TMPDIR": str(tmp)}) as process:
        wireshark = child_of(process)
        wait_until(lambda: dumpcap_of(wireshark), "Wireshark")
        wait_until(lambda: any("Capturing from" in name for name in windows(display)), "the window's title")
        sandbox.delete_pod("passing")
        assert 'the capture has failed: pod "passing" was deleted; waiting for' in line_with(process, "waiting for")
        wait_until(lambda: dumpcap_of(wireshark) is None, "the end of what feeds Wireshark")
        wait_until(lambda: not any("Capturing from" in name for name in windows(display)), "Wireshark's seeing it")
        press(display, "default/passing", "ctrl+e")
        line_with(process, "another capture begins")
        assert "the capture has failed: " in line_with(process, "waiting for")
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 1 and "error: " in err


def test_closing_wireshark_ends_the_capture(sandbox, ksniff, display, tmp):
    with ksniff.capturing("web", env={**display, "TMPDIR": str(tmp)}) as process:
        wireshark = child_of(process)
        wait_until(lambda: any("default/web/httpd" in name for name in windows(display)), "the window")
        os.kill(wireshark, signal.SIGTERM)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0, err
    assert "error:" not in err
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_capture_that_is_complete_waits_for_wireshark(sandbox, ksniff, display, tmp):
    with ksniff.capturing("web", "--count", "2", env={**display, "TMPDIR": str(tmp)}) as process:
        wireshark = child_of(process)
        wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")
        line_with(process, "the capture is complete; waiting for")
        assert process.poll() is None and exists(wireshark)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0


def test_a_slow_reader_is_not_taken_for_another_capture(sandbox, ksniff, display, tmp):
    """Where dumpcap takes its time, the pipe's end has a reader still when it is looked for a new one."""
    with ksniff.capturing("web", "-f", "udp port 4013", env={**display, "TMPDIR": str(tmp)}) as process:
        wireshark = child_of(process)
        wait_until(lambda: any("Capturing from" in name for name in windows(display)), "the window's title")
        exchange_in(sandbox, 4013, 3)
        wait_until(lambda: packets_of(wireshark) == 6, "6 packets in Wireshark")
        dumpcap = dumpcap_of(wireshark)
        os.kill(dumpcap, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        line_with(process, "the capture is complete; waiting for")
        time.sleep(1)  # many looks
        os.kill(dumpcap, signal.SIGCONT)
        wait_until(lambda: dumpcap_of(wireshark) is None, "the end of what feeds Wireshark")
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0 and "another capture" not in err, err


def test_windows_wireshark_reads_standard_input(sandbox, ksniff, tmp):
    """From Windows' Linux subsystem: it could not open a pipe of ours."""
    program = tmp / "Wireshark.exe"
    program.write_text(f"#!/bin/sh\ncat >'{tmp}/got'\necho \"$@\" >'{tmp}/words'\n")
    program.chmod(0o700)
    result = ksniff.run("web", "--count", "2", env={"KSNIFF_WIRESHARK": str(program), "DISPLAY": "", "TMPDIR": str(tmp)})
    assert result.code == 0, result.err
    assert "-k -i - " in (tmp / "words").read_text()
    assert len(tshark(str(tmp / "got"), "frame.number")) == 2
    for name in "Wireshark.exe", "got", "words":
        (tmp / name).unlink()


NO_DISPLAY = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "WAYLAND_SOCKET": "", "QT_QPA_PLATFORM": ""}


def test_without_a_display_nothing_touches_the_cluster(sandbox, ksniff):
    before = len(sandbox.get("/sandbox/requests"))
    error = ksniff.fail("web", env=NO_DISPLAY)
    assert error == ('Wireshark needs a display, and neither "DISPLAY" nor "WAYLAND_DISPLAY" is set (write the packets '
                     'to a file with -o FILE, or log in with ssh -X)')
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself


def test_wireshark_that_dies_of_a_signal_says_its_last_words(sandbox, ksniff, tmp):
    """The real one, that finds no display where one should be."""
    error = ksniff.fail("web", env={**NO_DISPLAY, "DISPLAY": ":4711", "LC_ALL": "C", "TMPDIR": str(tmp)})
    assert "was ended by signal 6 (could not connect to display :4711 / " in error and "-o FILE does without it" in error
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_wireshark_that_fails(sandbox, ksniff):
    error = ksniff.fail("web", env={"KSNIFF_WIRESHARK": shutil.which("false")})
    assert error.startswith(f'"{shutil.which("false")}" ended with exit code 1 (')
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_its_message_is_passed_on(sandbox, ksniff, tmp_path):
    program = tmp_path / "wireshark"
    program.write_text("#!/bin/sh\necho 'noise' >&2\necho 'could not connect to \033[31mdisplay' >&2\nexit 3\n")
    program.chmod(0o700)
    error = ksniff.fail("web", env={"KSNIFF_WIRESHARK": str(program), "DISPLAY": ":0"})
    assert error == (f'"{program}" ended with exit code 3 (noise / could not connect to \\x1b[31mdisplay; -o FILE does '
                     'without it)')


def test_several_targets_have_a_column_beside_the_users(sandbox, ksniff, display, tmp, tmp_path):
    """It is where the packet was seen; of the profile that was used last, all else stays, and nothing is saved."""
    profile = tmp_path / ".config" / "wireshark" / "profiles" / "mine"
    profile.mkdir(parents=True)
    with open(display["HOME"] + "/.config/wireshark/preferences", encoding="ascii") as file:
        own = file.read() + 'gui.column.format: \n\t"My TTL", "%Cus:ip.ttl:0:R",\n\t"From", "%us",\n\t"Info", "%i"\n'
    (profile / "preferences").write_text(own)
    (profile.parent.parent / "recent_common").write_text("gui.last_used_profile: mine\n")
    env = {**display, "HOME": str(tmp_path), "TMPDIR": str(tmp)}
    with ksniff.capturing("web", "client", "-f", "udp port 4014", env=env) as process:
        wireshark = child_of(process)
        wait_until(lambda: any("Capturing from" in name for name in windows(display)), "the window's title")
        exchange_in(sandbox, 4014, 3)
        wait_until(lambda: packets_of(wireshark) == 12, "12 packets, each seen twice")
        with open(f"/proc/{wireshark}/cmdline", encoding="utf-8") as file:
            words = file.read().split("\0")
        assert "nameres.network_name:TRUE" in words and "nameres.use_external_name_resolver:FALSE" in words
        process.send_signal(signal.SIGINT)
        line_with(process, "waiting for Wireshark")
        press(display, "2 targets", "ctrl+q")
        assert process.wait(timeout=GUARD) == 0
    # The columns that it had, with their widths.
    columns = re.search(r"^column.width:((?:\n?[ \t].*)+)", (profile / "recent").read_text(), re.MULTILINE)[1]
    assert re.findall(r"%\w+(?::[\w.]+)?", columns) == ["%Cus:ip.ttl", "%Cus:frame.interface_name", "%us", "%i"]
    assert (profile / "preferences").read_text() == own
