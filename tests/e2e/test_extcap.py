# SPDX-License-Identifier: Apache-2.0
"""Pods among Wireshark's interfaces: the real tshark and dumpcap call the program as an extcap."""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from conftest import BUILD, GUARD, agents_running, exchange_in, tshark, wait_until

PROGRAM = os.path.join(BUILD, "src", "kubectl-sniff")


class Home:
    """A user whose Wireshark has the link."""

    def __init__(self, box, path):
        self.path = path
        self.env = {**box.env, "HOME": str(path), "LC_ALL": "C"}
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "WIRESHARK_CONFIG_DIR"):
            self.env.pop(name, None)

    def run(self, *words, **more):
        return subprocess.run(words, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=GUARD, check=False, **{"text": True, **more})

    def extcap(self, *words):
        """What Wireshark is answered."""
        done = self.run(PROGRAM, *words)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout

    def state(self):
        path = self.path / ".local/state/ksniff/extcap.json"
        return json.loads(path.read_text()) if path.exists() else {}


@pytest.fixture
def home(sandbox, tmp_path):
    user = Home(sandbox, tmp_path)
    done = user.run(PROGRAM, "--install-extcap")
    assert done.returncode == 0 and 'an interface "Kubernetes"' in done.stderr, done.stderr
    return user


def sentences(text, kind):
    """The sentences of one kind, each a dictionary of its parts."""
    return [dict(re.findall(r"\{([a-z]+)=([^}]*)\}", line)) for line in text.splitlines() if line.startswith(kind + " ")]


def values(text, name):
    """What there is to choose from for one setting: (value, display, chosen)."""
    number, = [arg["number"] for arg in sentences(text, "arg") if arg["call"] == "--" + name]
    return [(v["value"], v["display"], v["default"] == "true") for v in sentences(text, "value") if v.get("arg") == number]


@contextlib.contextmanager
def tshark_capturing(home, path, *words):
    process = subprocess.Popen(["tshark", "-w", str(path), *words], env=home.env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stderr.close()


def packets(path):
    """How many there are in a file that is being written."""
    if not path.exists():
        return 0
    done = subprocess.run(["capinfos", "-c", "-M", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    found = re.search(r"Number of packets:\s+(\d+)", done.stdout)
    return int(found[1]) if found else 0


def test_tshark_lists_it_without_asking_the_cluster(sandbox, home):
    before = len(sandbox.get("/sandbox/requests"))
    done = home.run("tshark", "-D")
    assert "kubernetes (Kubernetes)" in done.stdout, done.stdout + done.stderr
    assert "sentence" not in done.stderr, done.stderr  # tshark's word for what it does not understand
    assert "Ethernet" in home.run("tshark", "-i", "kubernetes", "-L").stdout
    assert len(sandbox.get("/sandbox/requests")) == before + 1


def test_the_link_is_made_where_each_wireshark_looks(sandbox, home):
    for folder in (".local/lib/wireshark/extcap", ".config/wireshark/extcap"):
        assert os.path.realpath(home.path / folder / "kubectl-sniff") == os.path.realpath(PROGRAM)
    link = home.path / ".config/wireshark/extcap/kubectl-sniff"
    link.unlink()
    link.symlink_to("/nowhere")  # an earlier one, of a program that was moved
    assert home.run(PROGRAM, "--install-extcap").returncode == 0 and link.exists()
    link.unlink()
    link.write_text("mine")
    done = home.run(PROGRAM, "--install-extcap")
    assert done.returncode == 1 and f'error: "{link}" is there already, and no link (remove it' in done.stderr
    assert link.read_text() == "mine"
    home.env.pop("HOME")
    assert "HOME is not set (set it" in home.run(PROGRAM, "--install-extcap").stderr


def test_the_dialog_asks_for_all_that_matters(sandbox, home):
    text = home.extcap("--extcap-config", "--extcap-interface", "kubernetes")
    calls = {arg["call"]: arg for arg in sentences(text, "arg")}
    assert set(calls) == {"--pod", "--targets", "--container", "--namespace", "--context", "--kubeconfig", "--interface", "--filter",
                          "--snaplen", "--buffer", "--names", "--method", "--log-level", "--log-file"}
    assert {arg["group"] for arg in calls.values()} == {"Target", "Cluster", "Capture", "Log"}
    assert {name for name, arg in calls.items() if arg.get("reload") == "true"} == {
        "--pod", "--namespace", "--container", "--context"}
    assert values(text, "context")[:2] == [("", "(the current one: sandbox)", True), ("sandbox", "sandbox", False)]
    assert [value for value, _, _ in values(text, "method")] == ["", "upload", "node", "ephemeral"]
    assert home.extcap("--extcap-interfaces", "--extcap-version=4.0").startswith("extcap {version=")
    assert home.extcap("--extcap-version").startswith("extcap {version=")


def test_lists_are_read_live_for_the_context_and_namespace_that_are_chosen(sandbox, home):
    def reload(option, *words):
        return values(home.extcap("--extcap-config", "--extcap-interface", "kubernetes")
                      + home.extcap("--extcap-config", "--extcap-interface", "kubernetes", "--extcap-reload-option", option, *words), option)

    assert ("default", "default", False) in reload("namespace")
    here = [value for value, _, _ in reload("pod", "--namespace", "default", "--context", "sandbox")]
    assert {"web", "client", "*"} <= set(here)
    other = [value for value, _, _ in reload("pod", "--namespace", "kube-system")]
    assert "web" not in other
    assert [value for value, _, _ in reload("container", "--pod", "web")][-2:] == ["httpd", "sidecar"]
    # The contexts of a kubeconfig that was chosen just now: nothing is asked of a cluster.
    other = sandbox.kubeconfig_for("elsewhere", [])
    home.env["KUBECONFIG"] = "/nowhere"
    assert [value for value, _, _ in reload("context", "--kubeconfig", other)][-2:] == ["", "elsewhere"]
    home.env["KUBECONFIG"] = sandbox.kubeconfig
    # What was listed last is there when the dialog opens again.
    text = home.extcap("--extcap-config", "--extcap-interface", "kubernetes")
    assert "default" in [value for value, _, _ in values(text, "namespace")]


def test_a_credential_plugin_that_the_desktop_does_not_know(sandbox, home, tmp_path):
    """Wireshark was started from a menu: PATH is a bare one, and the plugin is where its installer puts it."""
    path = tmp_path / "config"
    shutil.copy(sandbox.kubeconfig_for("unused", []), path)
    config = json.loads(path.read_text())
    config["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "cloud-login",
                                           "interactiveMode": "Never"}}
    path.write_text(json.dumps(config))
    home.env.update(KUBECONFIG=str(path), PATH="/usr/bin:/bin")
    words = "--extcap-config", "--extcap-interface", "kubernetes", "--extcap-reload-option", "namespace"
    said = sentences(home.extcap(*words), "value")[0]["display"]
    assert said.startswith('the credential plugin "cloud-login"') and said.endswith("(install it, or add its folder to PATH)")
    plugin = home.path / ".local/bin/cloud-login"
    plugin.parent.mkdir(parents=True)
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {"token": sandbox.tokens["sandbox-token"]}}
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o700)
    assert "default" in [one["value"] for one in sentences(home.extcap(*words), "value")]


@pytest.mark.parametrize("silent", ["server", "plugin"])
def test_a_list_that_does_not_come_is_given_up(sandbox, home, tmp_path, silent):
    """Somebody waits before the dialog; neither would end by itself."""
    with open(sandbox.kubeconfig_for("waiting", []), encoding="utf-8") as file:
        config = json.load(file)
    with socket.create_server(("127.0.0.1", 0)) as server:
        if silent == "server":
            config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{server.getsockname()[1]}"
        else:
            config["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep",
                                                   "args": ["876543"], "interactiveMode": "Never"}}
        path = tmp_path / "config"
        path.write_text(json.dumps(config))
        home.env["KUBECONFIG"] = str(path)
        said = home.extcap("--extcap-config", "--extcap-interface", "kubernetes", "--extcap-reload-option", "pod")
    why = sentences(said, "value")[0]["display"]
    assert re.search(r"no answer|did not answer|within \d+ s", why), why
    listing = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "sleep 876543" not in listing.splitlines()


def test_the_users_defaults_hold_in_a_capture_from_wireshark(sandbox, home, tmp_path):
    """But for where the packets go: that is Wireshark's pipe."""
    (tmp_path / "defaults").write_text(f"method = node\noutput-file = {tmp_path}/elsewhere.pcapng\n")
    home.env["KSNIFF_CONFIG"] = str(tmp_path / "defaults")
    path = tmp_path / "x.pcapng"
    words = "-i", "kubernetes", "-o", "extcap.kubernetes.pod:web", "-o", "extcap.kubernetes.filter:udp port 4023"
    with tshark_capturing(home, path, *words) as process:
        wait_until(lambda: list(agents_running(sandbox)), "the agent")

        def one():
            exchange_in(sandbox, 4023, 1)
            return packets(path)
        wait_until(one, "a packet")
        assert not sandbox.ours_in("web")  # it is in a helper pod
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=GUARD) == 0, process.stderr.read()
    assert not (tmp_path / "elsewhere.pcapng").exists()
    wait_until(lambda: not sandbox.leftovers(), "a clean cluster")


def test_a_cluster_that_refuses_says_so_in_the_list(sandbox, home):
    home.env["KUBECONFIG"] = sandbox.kubeconfig_for("no-lists", [])
    text = home.extcap("--extcap-config", "--extcap-interface", "kubernetes", "--extcap-reload-option", "pod")
    assert "cannot list" in sentences(text, "value")[0]["display"], text
    home.env["KUBECONFIG"] = "/nowhere"
    text = home.extcap("--extcap-config", "--extcap-interface", "kubernetes", "--extcap-reload-option", "namespace")
    assert "/nowhere" in sentences(text, "value")[0]["display"], text


def test_a_filter_is_judged_as_one_types(sandbox, home):
    def judge(text):
        return home.extcap("--extcap-interface", "kubernetes", "--extcap-capture-filter", text)

    assert judge("tcp port 80") == judge("") == judge("host db.data.svc") == ""
    assert "syntax error" in judge("tcp prt 80")


def test_tshark_captures_and_the_capture_is_remembered(sandbox, home, tmp_path):
    path, log = tmp_path / "x.pcapng", tmp_path / "log"
    options = {"pod": "web", "interface": "eth0", "filter": "port 4020", "loglevel": "info", "logfile": str(log)}
    words = [word for name, value in options.items() for word in ("-o", f"extcap.kubernetes.{name}:{value}")]
    with tshark_capturing(home, path, "-i", "kubernetes", "-f", "udp", *words) as process:
        wait_until(lambda: log.exists() and "capturing;" in log.read_text(), "the capture's begin")
        exchange_in(sandbox, 4020, 3)
        wait_until(lambda: packets(path) == 6, "6 packets")
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 0 and "extcap pipe" not in err, err
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")
    assert len(tshark(str(path), "frame.number", display="udp.port == 4020")) == len(tshark(str(path), "frame.number")) == 6
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO ", log.read_text())
    assert "token" not in log.read_text()
    names = home.run("tshark", "-N", "dn", "-r", str(path), "-T", "fields", "-e", "ip.dst_host").stdout
    assert "web.default" in names
    # As an interface of its own, which captures the same without another word.
    assert "kubernetes-sandbox-default-web (Kubernetes: default/web (sandbox))" in home.run("tshark", "-D").stdout
    other = tmp_path / "y.pcapng"
    with tshark_capturing(home, other, "-i", "kubernetes-sandbox-default-web", "-c", "2") as process:
        wait_until(lambda: log.read_text().count("capturing;") == 2, "the capture's begin")
        exchange_in(sandbox, 4021, 1)
        exchange_in(sandbox, 4020, 1)
        assert process.wait(timeout=GUARD) == 0, process.stderr.read()
    assert len(tshark(str(other), "frame.number", display="udp.port == 4020")) == 2
    assert oct((home.path / ".local/state/ksniff/extcap.json").stat().st_mode)[-3:] == "600"
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_errors_are_what_wireshark_shows(sandbox, home):
    def error(*words):
        err = home.run("tshark", *words).stderr
        return re.search(r"Error by extcap pipe: (.*)", err)[1] if "extcap pipe" in err else err

    assert error("-i", "kubernetes").startswith("error: no pod is chosen (")
    assert 'pods "nosuch" not found' in error("-i", "kubernetes", "-o", "extcap.kubernetes.pod:nosuch")
    assert "--snaplen" in error("-i", "kubernetes", "-o", "extcap.kubernetes.pod:web", "-o", "extcap.kubernetes.snaplen:999999")
    done = home.run(PROGRAM, "--capture", "--extcap-interface", "kubernetes", "--pod", "web")
    assert done.returncode != 0
    done = home.run(PROGRAM, "--capture", "--fifo", "/nowhere", "--extcap-interface", "kubernetes", "--pod", "web")
    assert done.returncode == 1 and done.stderr == 'error: cannot write to "/nowhere": No such file or directory\n'
    done = home.run(PROGRAM, "--capture", "--fifo", "/dev/null", "--extcap-interface", "kubernetes-gone", "--pod", "web")
    assert 'no interface "kubernetes-gone" any more' in done.stderr
    assert 'unknown argument "--nosuch"' in home.run(PROGRAM, "--extcap-interfaces", "--nosuch").stderr


def test_after_a_kill_wireshark_has_cleaned_up_what_was_left(sandbox, home):
    """--extcap-cleanup-postkill of Wireshark 4.4: it names no capture, so it is where the last one was."""
    def asked():
        before = len(sandbox.get("/sandbox/requests"))
        home.extcap("--extcap-cleanup-postkill")
        return [line for line in sandbox.get("/sandbox/requests")[before:] if "labelSelector" in line]

    assert not asked()  # nothing was captured yet
    state = home.path / ".local/state/ksniff"
    state.mkdir(parents=True)
    recent = [{"name": "kubernetes-x", "display": "x", "values": {"namespace": "kube-system", "context": "sandbox"}}]
    (state / "extcap.json").write_text(json.dumps({"recent": recent}))
    assert any("/namespaces/kube-system/pods" in line for line in asked())


def test_what_is_remembered_may_be_damaged(sandbox, home):
    state = home.path / ".local/state/ksniff"
    state.mkdir(parents=True)
    for text in ("{", "[]", '{"recent": 1, "lists": []}', '{"recent": [1, {"name": 2}, {"name": "a{b}", "display": "x}{y"}]}'):
        (state / "extcap.json").write_text(text)
        assert len(sentences(home.extcap("--extcap-interfaces"), "interface")) <= 2
        home.extcap("--extcap-config", "--extcap-interface", "kubernetes")


# ---- the toolbar, with the pipes that Wireshark makes for it ----

def message(control, command, payload=b""):
    return b"T" + (len(payload) + 2).to_bytes(3, "big") + bytes([control, command]) + payload


class Toolbar:
    """Wireshark's side of it: what is captured goes into a file, as dumpcap writes it."""

    def __init__(self, home, top, *words):
        self.path, self.fifo, self.got = top / "toolbar.pcapng", str(top / "fifo"), b""
        fifo, to_us, from_us = (str(top / name) for name in ("fifo", "in", "out"))
        for name in (fifo, to_us, from_us):
            os.mkfifo(name)
        self.process = subprocess.Popen(
            [PROGRAM, "--capture", "--extcap-interface", "kubernetes", "--fifo", fifo, "--extcap-control-in", to_us,
             "--extcap-control-out", from_us, "--log-level", "info", *words], env=home.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.dumpcap = subprocess.Popen(["dumpcap", "-q", "-i", fifo, "-w", str(self.path)], stderr=subprocess.DEVNULL)
        self.out = os.open(from_us, os.O_RDONLY | os.O_NONBLOCK)
        self.control = os.open(to_us, os.O_WRONLY)
        os.write(self.control, message(0, 0))

    def messages(self):
        """What has been said so far: (control, command, text)."""
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self.out, 65536):
                self.got += more
        found, at = [], 0
        while at + 4 <= len(self.got):
            length = int.from_bytes(self.got[at + 1:at + 4], "big")
            body = self.got[at + 4:at + 4 + length]
            found.append((body[0], body[1], body[2:].decode()))
            at += 4 + length
        return found

    def wait_for(self, command, words):
        wait_until(lambda: any(words in text for _, kind, text in self.messages() if kind == command), words)

    def send(self, control, payload):
        os.write(self.control, message(control, 1, payload))

    def pipe_size(self):
        fd = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
        finally:
            os.close(fd)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        err = self.process.stderr.read().decode()
        assert self.process.wait(timeout=GUARD) == 0 and not err, err
        self.dumpcap.wait(timeout=GUARD)

    def close(self):
        for process in (self.process, self.dumpcap):
            if process.poll() is None:
                process.kill()
                process.wait()
        self.process.stderr.close()
        os.close(self.out)
        os.close(self.control)


SET, ADD, STATUS, WARNING = 1, 2, 6, 8


def test_the_toolbar_changes_the_filter_pauses_logs_and_counts(sandbox, home, tmp_path):
    bar = Toolbar(home, tmp_path, "--pod", "web", "--interface", "eth0", "--filter", "udp port 4030")
    try:
        bar.wait_for(ADD, "capturing;")
        bar.wait_for(SET, "udp port 4030")  # the field shows what holds
        exchange_in(sandbox, 4030, 2)
        exchange_in(sandbox, 4031, 2)
        wait_until(lambda: packets(bar.path) == 4, "4 packets")
        assert bar.pipe_size() == 1 << 20  # we are not woken for each few frames
        # A filter that is none is told in a window, and the present one stays.
        bar.send(0, b"udp prt 4031")
        bar.wait_for(WARNING, "syntax error")
        exchange_in(sandbox, 4030, 1)
        wait_until(lambda: packets(bar.path) == 6, "6 packets")
        bar.send(0, b"udp port 4031")
        bar.wait_for(ADD, "captures by the new filter")
        exchange_in(sandbox, 4030, 3)
        exchange_in(sandbox, 4031, 1)
        wait_until(lambda: packets(bar.path) == 8, "8 packets")
        # What passes in a pause is counted.
        bar.send(1, b"\1")
        bar.wait_for(STATUS, "paused")
        exchange_in(sandbox, 4031, 5)
        bar.wait_for(STATUS, "paused, 10 passed in pauses")
        bar.send(1, b"\0")
        bar.wait_for(ADD, "it goes on")
        exchange_in(sandbox, 4031, 1)
        wait_until(lambda: packets(bar.path) == 10, "10 packets")
        bar.send(0, b"")  # none
        wait_until(lambda: sum("captures by the new filter" in text for _, _, text in bar.messages()) == 2, "no filter")
        exchange_in(sandbox, 4032, 1)
        wait_until(lambda: packets(bar.path) >= 12, "12 packets")
        bar.wait_for(STATUS, " 0 dropped, 10 passed in pauses")
        bar.end()
    finally:
        bar.close()
    rows = tshark(str(bar.path), "udp.port", "frame.comment", display="udp.port >= 4030 && udp.port <= 4039",
                  options=("-d", "udp.port==4030,data"))
    comments = [comment for _, comment in rows]
    assert len(rows) == 12
    assert comments[6] == "the filter is 'udp port 4031' from about here on" and comments[8] == "paused: 10 packets before this one were not written"
    assert not any(comments[:6]) and not comments[7] and not comments[9]
    everything = [comment for comment, in tshark(str(bar.path), "frame.comment")]
    assert "there is no filter from about here on" in everything
    assert not any("lost" in comment for comment in everything)
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_an_agent_that_is_resumed_has_the_filter_that_was_set(sandbox, home, tmp_path):
    bar = Toolbar(home, tmp_path, "--pod", "web", "--interface", "eth0", "--filter", "udp port 4033")
    try:
        bar.wait_for(ADD, "capturing;")
        bar.send(0, b"udp port 4034")
        bar.wait_for(ADD, "captures by the new filter")
        sandbox.drop_streams()
        sandbox.set_faults()
        bar.wait_for(ADD, "taking it up again")
        bar.wait_for(ADD, "capturing again")
        exchange_in(sandbox, 4033, 3)
        exchange_in(sandbox, 4034, 2)
        wait_until(lambda: packets(bar.path) == 4, "4 packets")
        os.write(bar.control, b"Q\0\0\0")  # as Wireshark 4.6 ends it
        assert bar.process.wait(timeout=GUARD) == 0
    finally:
        bar.close()
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")
