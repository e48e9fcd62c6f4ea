# SPDX-License-Identifier: Apache-2.0
"""The tests themselves: what a fixture has made goes with them, also where a test is run once more, or they are killed."""
import os
import signal
import subprocess
import sys

import pytest

from conftest import GUARD, ROOT, running_sandbox, wait_until
from test_sandbox import is_running, left_behind

SCOPES = """
import pytest

RUNS = []


@pytest.fixture(scope="session")
def of_the_session():
    yield
    print("the session's end")


@pytest.fixture(scope="module")
def of_the_module():
    yield
    print("the module's end")


def test_that_uses_them(of_the_session, of_the_module):
    pass


def test_that_fails_once():
    RUNS.append(1)
    assert len(RUNS) == 2


def test_that_is_the_last():
    pass
"""
SANDBOX = """
import time

import pytest

from conftest import running_sandbox


@pytest.fixture(scope="session")
def box():
    with running_sandbox("--no-default-pods") as box:
        yield box


def test_that_hangs(box):
    print("sandbox", box.process.pid, flush=True)
    time.sleep(1000)
"""


def start(directory, text, *words):
    """pytest, with this conftest and its fixtures, on a file of this text."""
    path = directory / "test_of_a_test.py"
    path.write_text(text)
    here = os.path.join(ROOT, "tests", "e2e")
    return subprocess.Popen([sys.executable, "-m", "pytest", "-q", "-s", "-p", "conftest", "-p", "no:cacheprovider", *words, str(path)],
                            env={**os.environ, "PYTHONPATH": here}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_rerun_forgets_nothing(tmp_path):
    """What an earlier test has asked for is torn down at the end, though no later one did."""
    process = start(tmp_path, SCOPES, "--reruns", "1")
    said = process.communicate(timeout=GUARD)[0]
    assert process.returncode == 0 and "3 passed, 1 rerun" in said, said
    assert "test_that_fails_once: assert 1 == 2" in said
    assert said.count("the module's end") == said.count("the session's end") == 1, said


def test_a_sandbox_ends_with_its_tests(tmp_path):
    """They are killed, as by a timeout: no fixture is torn down."""
    with start(tmp_path, SANDBOX) as process:
        said = ""
        while "sandbox " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        process.kill()
    pid = int(said.split("sandbox ")[1])
    try:
        wait_until(lambda: not is_running(pid), "the sandbox's end")
        assert not left_behind(pid)
    finally:
        if is_running(pid):
            os.kill(pid, signal.SIGTERM)


def test_a_sandbox_ends_where_a_test_fails():
    with pytest.raises(ZeroDivisionError), running_sandbox("--no-default-pods") as box:
        print(1 // 0)
    assert not left_behind(box.process.pid)
