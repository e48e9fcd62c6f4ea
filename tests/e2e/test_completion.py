# SPDX-License-Identifier: Apache-2.0
"""Completion: by kubectl's convention for plugins, through the real kubectl, and in the real bash, zsh and fish.

The convention (k8s.io/kubectl, pkg/cmd/plugin/plugin_completion.go): kubectl runs kubectl_complete-NAME with the words
behind NAME, the last of them the one that is not finished. It prints candidates, and at last ":" and a number."""
import json
import os
import re
import socket
import subprocess

import pytest

from conftest import BUILD, GUARD, ROOT, wait_until
from terminal import terminal


@pytest.fixture(scope="module")
def env(sandbox, tmp_path_factory):
    """With the program and its hook on PATH, and a Deployment in the cluster."""
    programs = tmp_path_factory.mktemp("bin")
    os.symlink(os.path.join(ROOT, BUILD, "src", "kubectl-sniff"), programs / "kubectl-sniff")
    os.symlink(os.path.join(ROOT, "packaging", "kubectl_complete-sniff"), programs / "kubectl_complete-sniff")
    env = {**sandbox.env, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(programs), "PS1": "$ "}
    sandbox.call("POST", "/apis/apps/v1/namespaces/default/deployments", {
        "metadata": {"name": "shop"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "shop"}}, "template": {
            "metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"name": "app", "image": "busybox"}]}}}})
    yield env
    sandbox.call("DELETE", "/apis/apps/v1/namespaces/default/deployments/shop")


def run(env, *words):
    """The candidates, without what they mean, and the number behind them."""
    done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=GUARD, check=False)
    assert done.returncode == 0, done.stderr
    *lines, directive = done.stdout.splitlines()
    return {line.split("\t")[0] for line in lines}, directive


def run_live(env, found, *words):
    """On a busy machine kubectl may not answer within the two seconds that it is given: then one presses Tab again."""
    answers = []

    def is_there():
        answers.append(run(env, *words))
        return found <= answers[-1][0]
    wait_until(is_there, f"{found} of {words}")
    return answers[-1]


LIVE = [(["we"], {"web"}), (["web", "cl"], {"client"}), (["deploy/sh"], {"deploy/shop"}), (["deploy", "sh"], {"shop"}),
        (["node/"], {"node/node1"}), (["no", "node1", "n"], set()), (["web", "-c", ""], {"httpd", "sidecar"}),
        (["web", "-n", "kube-sys"], {"kube-system"}), (["web", "--context", "sand"], {"sandbox"}),
        (["web", "-c", "sidecar", "-i", ""], {"any", "lo", "eth0"}), (["node/node1", "-i", ""], {"any"}),
        (["web", "--viewer", ""], {"wireshark", "tshark", "termshark"})]


@pytest.mark.parametrize("words, found", LIVE, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_the_hook(env, words, found):
    candidates, directive = run_live(env, found, "kubectl_complete-sniff", *words)
    assert directive == ":4"
    assert all(candidate.startswith(words[-1]) or words[-1] == "" for candidate in candidates)


def kubectl_version():
    done = subprocess.run(["kubectl", "version", "--client", "-o", "json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["clientVersion"]["gitVersion"]


def test_through_kubectl(env):
    version = kubectl_version()
    if int(re.match(r"v1\.(\d+)", version)[1]) < 26:
        pytest.skip(f"kubectl {version} completes no plugins: 1.26 is the first that does")
    for words, found in LIVE:
        assert run_live(env, found, "kubectl", "__complete", "sniff", *words)[1] == ":4", words


def flags_of_help(env):
    done = subprocess.run(["kubectl-sniff", "--help"], env=env, stdout=subprocess.PIPE, text=True, check=True)
    return set(re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", done.stdout, re.MULTILINE))


def test_no_flag_is_missing(env):
    flags = flags_of_help(env)
    assert len(flags) > 50 and run(env, "kubectl_complete-sniff", "web", "--")[0] == flags
    bash = ('source <(kubectl-sniff --completion bash); COMP_WORDS=(kubectl-sniff web --); COMP_CWORD=2; _kubectl_sniff; '
            'printf "%s\\n" "${COMPREPLY[@]}" :4')
    assert run(env, "bash", "-c", bash)[0] == flags
    fish = 'kubectl-sniff --completion fish | source; complete -C "kubectl-sniff web --"; echo :4'
    assert run(env, "fish", "--no-config", "-c", fish)[0] == flags


SHELLS = {"bash": ("bash --norc --noprofile -i", "source <(kubectl-sniff --completion bash)"),
          "zsh": ("zsh -f -i", "autoload -U compinit; compinit -D; source <(kubectl-sniff --completion zsh)"),
          "fish": ("fish --no-config", "kubectl-sniff --completion fish | source")}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tab_in_a_shell(env, tmp_path, shell):
    """Of what needs no kubectl: that may not answer within its two seconds here."""
    command, script = SHELLS[shell]
    with terminal(tmp_path, env, command) as term:
        term.type(script + "; echo rea''dy", "Enter")
        term.wait("ready")
        for typed, completed in (("web --reorder-w", "--reorder-window"), ("web --viewer te", "termshark"),
                                 ("web --format=pcapn", "--format=pcapng")):
            line = "kubectl-sniff " + typed
            term.type("C-u", line, "Tab")
            term.wait(line[:-len(line.split(" ")[-1])] + completed)


def test_a_server_that_says_nothing_is_not_waited_for(env, sandbox, tmp_path):
    with open(sandbox.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{silent.getsockname()[1]}"
        path = tmp_path / "config"
        path.write_text(json.dumps(config))
        assert run(env, "kubectl_complete-sniff", "--kubeconfig", str(path), "we") == (set(), ":4")
        assert run(env, "kubectl_complete-sniff", "--kubeconfig", str(path), "web", "-i", "") == ({"any"}, ":4")

        def left():
            listing = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout
            return [line for line in listing.splitlines() if str(path) in line]
        wait_until(lambda: not left(), "the end of kubectl")


def test_a_kubectl_that_never_ends_is_not_waited_for(env, tmp_path):
    """Nor left behind. It says nothing and gives up nothing by itself: the limit is ours."""
    stub, nap = tmp_path / "kubectl", f"sleep 98{os.getpid()}"
    stub.write_text(f"#!/bin/sh\nexec {nap}\n")
    stub.chmod(0o755)
    assert run({**env, "PATH": f"{tmp_path}:{env['PATH']}"}, "kubectl_complete-sniff", "we") == (set(), ":4")
    assert nap not in subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def test_the_users_defaults_choose_where_to_look(env, tmp_path):
    (tmp_path / "defaults").write_text("namespace = kube-system\ntoken = wrong\n")
    assert "web" not in run({**env, "KSNIFF_CONFIG": str(tmp_path / "defaults")}, "kubectl_complete-sniff", "we")[0]
    run_live({**env, "KSNIFF_CONFIG": str(tmp_path / "defaults")}, {"web"}, "kubectl_complete-sniff", "-n", "default", "we")


def test_an_old_kubectl_is_told(env, tmp_path):
    """Where the script goes into a file; not to the shell that reads it from a pipe at each start."""
    old = tmp_path / "kubectl"
    old.write_text('#!/bin/sh\necho \'{"clientVersion": {"gitVersion": "v1.20.2"}}\'\n')
    old.chmod(0o755)
    env = {**env, "PATH": f"{tmp_path}:{env['PATH']}"}
    with open(tmp_path / "script", "wb") as script:
        done = subprocess.run(["kubectl-sniff", "--completion", "bash"], env=env, stdout=script, stderr=subprocess.PIPE, text=True,
                              check=True)
    assert "kubectl 1.20 completes no plugins (1.26 and later do)" in done.stderr
    done = subprocess.run(["kubectl-sniff", "--completion", "bash"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=True)
    assert not done.stderr and done.stdout == (tmp_path / "script").read_text()
