# SPDX-License-Identifier: Apache-2.0
"""The interface "Kubernetes" in Wireshark's own window: its dialog, a capture, the toolbar, its end."""
import contextlib
import importlib.machinery
import importlib.util
import os
import subprocess

import pytest

from conftest import BUILD, ROOT, exchange_in, tshark, wait_until
from test_extcap import packets
from test_tour import rows_of
from test_wireshark import windows


def dialog_of_the_docs():
    """docs/picture-dialog, which drives the dialog for the manual's picture."""
    loader = importlib.machinery.SourceFileLoader("picture_dialog", os.path.join(ROOT, "docs", "picture-dialog"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("picture_dialog", loader))
    loader.exec_module(module)
    module.picture.PROGRAM = os.path.join(BUILD, "src", "kubectl-sniff")
    return module


START, STOP = ("39", "61"), ("73", "61")  # where the buttons are: a key may be the display filter's


def press(drive, env, button, wanted):
    """Start or Stop, unless there is by now what it is for."""
    if any(wanted(name) for name in windows(env)):
        return True
    drive.xdotool(env, "mousemove", *button, "click", "1", "sleep", "2")
    return False


def state(process):
    """What it does, for whoever must find out why a window did not come: its threads, and where in the kernel they wait."""
    if process.poll() is not None:
        return f"has ended with {process.returncode}"
    tasks = f"/proc/{process.pid}/task"
    return [(open(f"{tasks}/{task}/comm", encoding="ascii").read().strip(), open(f"{tasks}/{task}/wchan", encoding="ascii").read())
            for task in os.listdir(tasks)]


def is_capturing(name):
    return "Capturing from Kubernetes" in name


def has_stopped(name):
    return "Kubernetes" in name and "Capturing" not in name and "Options" not in name


@contextlib.contextmanager
def driven(tmp_path, env, *words):
    """Wireshark with these words. Yields what drives it, its environment, and the processes, of which it is the last."""
    drive, processes = dialog_of_the_docs(), []
    try:
        env = drive.begin(str(tmp_path), processes, {**env, "TMPDIR": str(tmp_path)}, *words)
        try:
            yield drive, env, processes
        except (AssertionError, SystemExit):
            print("windows:", windows(env), "Wireshark:", state(processes[-1]), (tmp_path / "wireshark.log").read_text()[-2000:])
            raise
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


@pytest.mark.timeout(900)  # on a busy machine each of its windows takes its time
def test_start_asks_for_a_pod_which_is_listed_live_and_then_captured(sandbox, tmp_path):
    with driven(tmp_path, sandbox.env) as (drive, env, processes):
        before = len(sandbox.get("/sandbox/requests"))
        drive.open_dialog(env)
        assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself: no request to the cluster yet
        drive.choose(env, "web")
        assert {"client", "web"} <= set(drive.listed(env))
        drive.save(env)
        wait_until(lambda: not drive.visible(env, "Interface Options"), "the dialog's end")
        wait_until(lambda: press(drive, env, START, is_capturing), "the capture")
        wait_until(lambda: sandbox.ours_in("web"), "the agent")
        exchange_in(sandbox, 4050, 5)
        wait_until(lambda: any(packets(path) >= 10 for path in tmp_path.glob("wireshark_*.pcapng")), "packets in Wireshark")
        wait_until(lambda: press(drive, env, STOP, has_stopped), "the end of the capture")
        wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")
        assert not any("Error" in name for name in windows(env)), windows(env)
        # A Wireshark that is killed ends the capture, too: its dumpcap would go on reading.
        wait_until(lambda: press(drive, env, START, is_capturing), "another capture")
        wait_until(lambda: sandbox.ours_in("web"), "the agent")
        processes[-1].kill()
        wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


FIELD, PAUSE, LOG = ("350", "106"), ("594", "106"), ("697", "106")  # in the toolbar, where the window is as large as at first


def seen(tmp_path, port):
    """How many packets to or from a port Wireshark has."""
    return sum(len(tshark(str(path), "frame.number", display=f"udp.port == {port}")) for path in tmp_path.glob("wireshark_*.pcapng"))


@pytest.mark.timeout(900)
def test_the_toolbar_is_wiresharks(sandbox, tmp_path):
    """It is shown by the menu; a filter is typed into it, its box pauses, its button opens the log."""
    words = "-k", "-o", "extcap.kubernetes.pod:web", "-o", "extcap.kubernetes.filter:udp port 4060", "-o", "extcap.kubernetes.loglevel:info"
    with driven(tmp_path, sandbox.env, *words) as (drive, env, _):
        window = wait_until(lambda: drive.visible(env, "Capturing from Kubernetes"), "the capture")[0]
        wait_until(lambda: sandbox.ours_in("web"), "the agent")
        exchange_in(sandbox, 4060, 2)
        wait_until(lambda: seen(tmp_path, 4060) == 4, "4 packets")

        def click(place, *more):
            drive.xdotool(env, "windowfocus", window, "mousemove", "--window", window, *place, "click", *more, "1", "sleep", "1")

        def show_toolbar():
            drive.xdotool(env, "windowfocus", window, "key", "alt+v", "sleep", "1", "key", "Down", "Down", "Down", "Right", "sleep", "1", "key",
                          "Return", "sleep", "1")
            click(LOG)
            return drive.visible(env, "kubernetes Log")
        wait_until(show_toolbar, "the toolbar, and its log")
        drive.xdotool(env, "windowmove", drive.visible(env, "kubernetes Log")[0], "0", "640")
        click(FIELD, "--repeat", "3")
        drive.xdotool(env, "type", "--delay", "50", "udp port 4061")
        drive.xdotool(env, "key", "Return", "sleep", "1")

        def by_the_new_filter():
            exchange_in(sandbox, 4061, 1)
            return seen(tmp_path, 4061)
        wait_until(by_the_new_filter, "a packet by the new filter")
        exchange_in(sandbox, 4060, 2)
        click(PAUSE)

        def nothing_more():
            before = seen(tmp_path, 4061)
            exchange_in(sandbox, 4061, 1)
            drive.xdotool(env, "sleep", "1")
            return seen(tmp_path, 4061) == before
        wait_until(nothing_more, "the pause")
        click(PAUSE)
        wait_until(lambda: not nothing_more(), "the end of the pause")
        assert seen(tmp_path, 4060) == 4
        wait_until(lambda: press(drive, env, STOP, has_stopped), "the end of the capture")
        wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


@pytest.mark.timeout(900)
def test_the_dialogs_picture_can_be_made_again(tmp_path):
    """It is the manual's, but for a few pixels: where another pod stands first, or a version draws a frame otherwise."""
    made = tmp_path / "dialog.png"
    subprocess.run([os.path.join(ROOT, "docs", "picture-dialog"), made], env={**os.environ, "BUILD": BUILD}, check=True, timeout=600)
    with open(os.path.join(ROOT, "docs", "dialog.png"), "rb") as file:
        there = b"".join(rows_of(file.read()))
    here = b"".join(rows_of(made.read_bytes()))
    assert len(here) == len(there) and sum(a == b for a, b in zip(here, there)) > 0.9 * len(there)
