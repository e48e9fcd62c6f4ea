# SPDX-License-Identifier: Apache-2.0
"""The user's file of defaults, and --print-config."""
import os

import pytest

from conftest import tshark


@pytest.fixture
def config(sandbox, tmp_path):
    """Writes the file. Returns the environment that has it found."""
    def write(text):
        (tmp_path / "ksniff").mkdir(exist_ok=True)
        (tmp_path / "ksniff" / "config").write_text(text)
        env = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/nonexistent"}
        sandbox.env.pop("KSNIFF_CONFIG", None)
        return env
    yield write
    sandbox.env["KSNIFF_CONFIG"] = ""


def test_they_hold_and_are_overridden(ksniff, config, tmp_path):
    env = config(f"# for every day\ncount = 2\ninterface = eth0\noutput-file = '{tmp_path}/all of it.pcapng'\n")
    assert ksniff.run("web", env=env).code == 0
    rows = tshark(str(tmp_path / "all of it.pcapng"), "frame.interface_name")
    assert rows == [["default/web:eth0"]] * 2
    assert ksniff.run("web", "--count=3", "-o", str(tmp_path / "x.pcapng"), env=env).code == 0
    assert len(tshark(str(tmp_path / "x.pcapng"), "frame.number")) == 3
    result = ksniff.run("web", "--viewer", "tshark", env=env)  # the file's -o yields
    assert result.code == 0 and len(result.out.splitlines()) == 2, result.err


def settings(out):
    """What holds: name -> (value, source)."""
    rows = [line.partition("  # ") for line in out.decode().splitlines() if not line.startswith("#")]
    return {head.split(" = ")[0]: (head.split(" = ")[1].strip(), tail) for head, _, tail in rows}


def test_print_config(sandbox, ksniff, config):
    env = config("namespace = shop\ntoken = s3cret\nviewer = 'a #b'\nmethod = node\noutput-file = x\n")
    before = len(sandbox.get("/sandbox/requests"))
    result = ksniff.run("web", "--print-config", "--method=upload", "--viewer", "tshark",
                        env={**env, "KUBECTL_PLUGINS_LOCAL_FLAG_FILTER": "udp"})
    assert result.code == 0, result.err
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself
    assert settings(result.out) == {
        "namespace": ("shop", "file, line 1"), "method": ("upload", "command line"),
        "viewer": ("tshark", "command line"), "filter": ("udp", "environment: KUBECTL_PLUGINS_LOCAL_FLAG_FILTER")}
    out = result.out.decode()
    assert "s3cret" not in out and "# token = (not shown)" in out
    assert "which yields to what contradicts it" in [line for line in out.splitlines() if "output-file" in line][0]
    assert out.startswith(f"# file of defaults: {env['XDG_CONFIG_HOME']}/ksniff/config\n")
    assert "# snaplen  " in out and "# default: 262144, which 0 means too\n" in out


def test_what_is_printed_can_be_read_again(ksniff, config):
    words = ["--viewer", "sh -c 'cat # x'", "-i", "eth0", "-i", "lo", "--snaplen", "77", "--no-names", "-n", "shop"]
    first = ksniff.run("--print-config", *words, env=config("")).out
    again = ksniff.run("--print-config", env=config(first.decode())).out
    assert {name: value for name, (value, _) in settings(first).items()} == \
        {name: value for name, (value, _) in settings(again).items()}
    assert len(settings(again)) == 5


def test_errors_name_file_and_line(sandbox, ksniff, config):
    env = config("# x\nmethd = node\n")
    path = os.path.join(env["XDG_CONFIG_HOME"], "ksniff", "config")
    before = len(sandbox.get("/sandbox/requests"))
    assert ksniff.fail("web", env=env, code=2) == f'"{path}", line 2: there is no flag "methd" (did you mean "method"?)'
    assert ksniff.run("--help", env=env).code == 0
    assert ksniff.fail("web", env=config("snaplen = x"), code=2) == \
        f'"{path}", line 1: snaplen takes a whole number, not "x"'
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself
