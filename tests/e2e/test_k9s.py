# SPDX-License-Identifier: Apache-2.0
"""The plugins for k9s, by the rules of its documentation (https://k9scli.io/topics/plugins/) and of its schema
(derailed/k9s: internal/config/json/schemas/plugins.json), and as k9s would start them."""
import os
import re
import string
import subprocess

import pytest
import yaml

from conftest import BUILD, GUARD, ROOT, tshark

with open(os.path.join(ROOT, "packaging", "k9s", "plugins.yaml"), encoding="utf-8") as plugins_file:
    FILE = yaml.safe_load(plugins_file)
PLUGINS = FILE["plugins"]
with open(os.path.join(ROOT, "docs", "k9s-lens-headlamp.md"), encoding="utf-8") as page:
    MANUAL = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page.read(), re.M | re.S)]

# Of the schema; no other property is in the file.
REQUIRED = {"shortCut": str, "description": str, "scopes": list, "command": str}
OPTIONAL = {"args": list, "background": bool, "override": bool, "confirm": bool, "dangerous": bool, "overwriteOutput": bool}
# Of the documentation: what stands for something, and the names of keys.
VARIABLES = {"NAMESPACE", "NAME", "CONTAINER", "FILTER", "KUBECONFIG", "CLUSTER", "CONTEXT", "USER", "GROUPS"}
KEYS = {f"{modifier}-{letter}" for modifier in ("Shift", "Ctrl") for letter in string.ascii_uppercase}
# Keys that k9s has itself in these views: sorting, port-forward, and what is in all of them.
TAKEN = {f"Shift-{letter}" for letter in "ACFGIJLMNOPRSTUXZ"} | {f"Ctrl-{letter}" for letter in "ABCDEFGKLNPRSUWXZ"}


@pytest.mark.parametrize("file", [FILE, *MANUAL])
def test_the_file(file):
    """And what the manual gives in its place."""
    assert set(file) == {"plugins"}
    for plugin in file["plugins"].values():
        assert set(REQUIRED) <= set(plugin) <= set(REQUIRED) | set(OPTIONAL)
        for name, kind in {**REQUIRED, **OPTIONAL}.items():
            assert name not in plugin or isinstance(plugin[name], kind)
        assert all(isinstance(word, str) for word in plugin["args"] + plugin["scopes"])
        assert plugin["shortCut"] in KEYS - TAKEN
        known = VARIABLES | ({"POD"} if plugin["scopes"] == ["containers"] else set())
        assert set(re.findall(r"\$([A-Z]+)", " ".join(plugin["args"]))) <= known


def test_one_key_in_each_view():
    views = [scope for plugin in PLUGINS.values() for scope in plugin["scopes"]]
    assert sorted(views) == sorted(set(views)) == ["containers", "cronjobs", "daemonsets", "deployments", "jobs", "nodes",
                                                   "pods", "replicasets", "services", "statefulsets"]


def command(plugin, **values):
    """As k9s makes it: each argument by itself, without a shell."""
    return [plugin["command"], *[re.sub(r"\$([A-Z]+)", lambda found: values[found[1]], word) for word in plugin["args"]]]


def test_what_goes_wrong_is_in_the_file_that_the_manual_names(tmp_path):
    """With a kubectl that says how it was called, and fails."""
    (tmp_path / "kubectl").write_text('#!/bin/sh\nprintf "<%s>" "$@" >&2\nexit 1\n')
    (tmp_path / "kubectl").chmod(0o755)
    words = command(MANUAL[0]["plugins"]["sniff-pod"], NAME="web", NAMESPACE="shop", CONTEXT="my cluster")
    done = subprocess.run(words, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}, check=False, timeout=GUARD)
    assert done.returncode == 1
    assert (tmp_path / "sniff.log").read_text() == "<sniff><web><-n><shop><--context><my cluster><-v>"


@pytest.fixture
def started(sandbox, tmp_path):
    """Starts a plugin with a Wireshark that keeps what it reads. Returns that file."""
    wireshark = tmp_path / "Wireshark.exe"
    wireshark.write_text(f"#!/bin/sh\ncat >'{tmp_path}/got'\n")
    wireshark.chmod(0o700)
    env = {**sandbox.env, "KSNIFF_WIRESHARK": str(wireshark), "KSNIFF_CONFIG": str(tmp_path / "config"),
           "PATH": os.path.join(BUILD, "src") + ":" + os.environ["PATH"]}
    (tmp_path / "config").write_text("count = 2\n")

    def start(name, *more, **values):
        done = subprocess.run([*command(PLUGINS[name], NAMESPACE="default", CONTEXT="sandbox", **values), *more], env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=GUARD,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout if more else str(tmp_path / "got")
    return start


def test_a_pod_a_container_and_a_node_open_wireshark(started):
    assert len(tshark(started("sniff-pod", NAME="web"), "frame.number")) == 2
    assert len(tshark(started("sniff-container", POD="web", NAME="sidecar"), "frame.number")) == 2
    assert len(tshark(started("sniff-node", NAME="node1"), "frame.number")) == 2


@pytest.mark.parametrize("name", sorted(set(PLUGINS) - {"sniff-pod", "sniff-container", "sniff-node"}))
def test_the_program_takes_the_words(started, name):
    out = started(name, "--print-config", NAME="shop")
    assert re.search(r"^namespace = default +# command line$", out, re.MULTILINE)
