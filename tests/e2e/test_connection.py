# SPDX-License-Identifier: Apache-2.0
"""The way to the API server: plugins, a server that has gone silent, and kubectl in front."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import BUILD, GUARD, Ksniff, leftovers, start_sandbox, tshark, wait_until


def config_with(sandbox, path, cluster=None, user=None):
    with open(sandbox.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    config["clusters"][0]["cluster"].update(cluster or {})
    if user:
        config["users"][0]["user"] = user
    path.write_text(json.dumps(config))
    return str(path)


def test_exec_credential_plugin(sandbox, ksniff, tmp_path):
    """A plugin's token is used, and asked for anew when the server does not take it any more."""
    plugin = tmp_path / "login"
    plugin.write_text(f"""#!/bin/sh
echo asked >>{tmp_path}/asked
token=stale
[ "$(wc -l <{tmp_path}/asked)" -gt 1 ] && token={sandbox.tokens["sandbox-token"]}
echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"'$token'"}}}}'
""")
    plugin.chmod(0o700)
    config = config_with(sandbox, tmp_path / "config", user={"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}})
    result = ksniff.run("web", "--kubeconfig", config, "--count", "1", "-o", str(tmp_path / "x"), "-vv")
    assert result.code == 0, result.err
    assert (tmp_path / "asked").read_text() == "asked\nasked\n"
    assert sandbox.tokens["sandbox-token"] not in result.err
    plugin.write_text("#!/bin/sh\necho 'log in first' >&2\nexit 4\n")
    error = [line for line in ksniff.run("web", "--kubeconfig", config, "-o", str(tmp_path / "x")).err.splitlines()
             if line.startswith("error: ")]
    assert len(error) == 1 and str(plugin) in error[0]


def test_plugin_whose_tokens_have_always_expired(sandbox, ksniff, tmp_path):
    """It is asked before each request, also of those that are made while packets come."""
    plugin = tmp_path / "login"
    plugin.write_text(f"""#!/bin/sh
sleep 0.1
echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":
{{"token":"{sandbox.tokens["sandbox-token"]}","expirationTimestamp":"2026-01-01T00:00:00Z"}}}}'
""")
    plugin.chmod(0o700)
    config = config_with(sandbox, tmp_path / "config", user={"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}})
    for method in ("upload", "node"):
        path = str(tmp_path / method)
        result = ksniff.run("web", "--kubeconfig", config, "--method", method, "--duration", "2s", "-o", path)
        assert result.code == 0, result.err
        assert tshark(path, "frame.number")
    wait_until(lambda: not leftovers(sandbox), "a clean cluster")


def test_basic_auth(sandbox, ksniff, tmp_path):
    sandbox.call("POST", "/sandbox/users", {"name": "ada", "password": "secret",
                                            "rules": [{"verbs": ["*"], "resources": ["*"]}]})
    config = config_with(sandbox, tmp_path / "config", user={"username": "ada", "password": "secret"})
    result = ksniff.run("web", "--kubeconfig", config, "--count", "1", "-o", str(tmp_path / "x"), "-vv")
    assert result.code == 0, result.err
    assert "secret" not in result.err


def test_as_a_plugin_of_kubectl(sandbox, tmp_path):
    env = {**sandbox.env, "PATH": os.path.join(BUILD, "src") + ":" + os.environ["PATH"]}
    out = str(tmp_path / "x.pcapng")
    done = subprocess.run(["kubectl", "sniff", "web", "--count", "2", "-o", out], env=env, timeout=GUARD, check=True,
                          stderr=subprocess.PIPE)
    assert b"INFO[000" in done.stderr
    assert len(tshark(out, "frame.number")) == 2


def test_silent_server_is_given_up(tmp_path):
    """Nothing comes any more in either direction, and no close: pings find out. The file is whole."""
    box = start_sandbox(str(tmp_path))
    try:
        out = str(tmp_path / "x.pcapng")
        ksniff = Ksniff(box)
        with ksniff.capturing("web", "-o", out, "--no-reconnect") as process:
            wait_until(lambda: os.path.getsize(out) > 2000, "packets")
            box.process.send_signal(signal.SIGSTOP)
            try:
                err = process.stderr.read().decode()
                assert process.wait(timeout=GUARD) == 1
            finally:
                box.process.send_signal(signal.SIGCONT)
        assert "nothing has come from the server, not even to a ping" in err
        assert tshark(out, "frame.number")
        wait_until(lambda: not box.ours_in("web"), "the agent's end")
    finally:
        box.process.terminate()
        assert box.process.wait(timeout=GUARD) == 0


def test_no_agent_for_the_machine(sandbox, ksniff, tmp_path):
    command = 'printf "#!/bin/sh\\necho mips64\\n" >/bin/own; chmod 755 /bin/own; mv /bin/own /bin/uname; sleep 1000'
    pod = {"name": "app", "image": "registry.local/dash:1", "command": ["sh", "-c", command]}
    with sandbox.running_pod("mips", containers=[pod]):
        wait_until(lambda: os.path.getsize(sandbox.rootfs("mips", "app") + "/bin/uname") < 100, "the other uname")
        error = ksniff.fail("mips", "-o", str(tmp_path / "x"))
        assert error == ('there is no agent for "mips64" machines (upload a static tcpdump for it with -l PATH; this program '
                         'carries agents for amd64, arm64, arm, riscv64, ppc64le, s390x)')
        assert not sandbox.ours_in("mips")


def test_status_line_on_a_terminal(sandbox, ksniff, tmp_path):
    """On a terminal: colours, and a last line with packets, bytes, rate and drops, which is taken away at the end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen([os.path.join(BUILD, "src", "kubectl-sniff"), "web", "-o", str(tmp_path / "x"),
                                "--duration", "2500ms"], env={**sandbox.env, "TERM": "xterm"}, stdin=subprocess.DEVNULL,
                               stderr=slave)
    os.close(slave)
    text = b""
    with contextlib.suppress(OSError):
        while data := os.read(master, 65536):
            text += data
    os.close(master)
    assert process.wait(timeout=GUARD) == 0, text
    assert re.search(rb"\x1b\[36mINFO\x1b\[0m\[\d{4}\] ", text)
    lines = re.findall(rb"\r(\d+) packets, [\d.]+ k?B, [\d.]+ k?B/s, 0 dropped", text)
    assert len(lines) >= 4 and int(lines[-1]) > 0
    assert re.search(rb" dropped[^\r]*\r\x1b\[J\x1b\[36mINFO", text)  # it makes room for a message


class Terminal:
    """A client whose terminal this is."""

    def __init__(self, box, *words):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.process = subprocess.Popen([os.path.join(BUILD, "src", "kubectl-sniff"), *words], stdin=slave, stderr=slave,
                                        stdout=subprocess.DEVNULL, env={**box.env, "TERM": "xterm"}, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = b""

    def read(self, seconds):
        """What comes within this time is in the text then."""
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                self.text += os.read(self.master, 65536)

    def until(self, words, start=0):
        """Returns where they begin."""
        def seen():
            self.read(0.1)
            return words in self.text[start:]
        wait_until(seen, words)
        return self.text.index(words, start)


def test_terminal_while_the_agent_is_on_its_way(sandbox, tmp_path):
    """For several times the live line's interval nothing is captured yet, and nothing is drawn."""
    with sandbox.faults(exec_delay_ms=1500):
        terminal = Terminal(sandbox, "web", "--count", "1", "-o", str(tmp_path / "x.pcapng"))
        try:
            capturing = terminal.until(b"capturing; ")
        finally:
            terminal.process.send_signal(signal.SIGINT)
            wait_until(lambda: terminal.read(0.1) or terminal.process.poll() is not None, "the client's end")
            os.close(terminal.master)
    assert terminal.process.returncode == 0, terminal.text
    assert b" packets, " not in terminal.text[:capturing]


STATUS = re.compile(rb"\r[1-9]\d* packets, [^\r]* dropped")


@pytest.mark.parametrize("mode", ["IfAvailable", "Always", "Never"])
def test_plugin_that_asks_while_it_is_taken_up_again(sandbox, tmp_path, mode):
    """The status line makes room for what the plugin asks or says, and comes back after it."""
    plugin, token = tmp_path / "login", sandbox.tokens["sandbox-token"]
    wait = "read answer" if mode != "Never" else f"while [ -e {tmp_path}/ask ]; do sleep 0.1; done"
    plugin.write_text(f"""#!/bin/sh
if [ -e {tmp_path}/ask ]; then printf 'Password: ' >&2; {wait}; rm -f {tmp_path}/ask; fi
echo '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":
{{"token":"{token}","expirationTimestamp":"2026-01-01T00:00:00Z"}}}}'
""")
    plugin.chmod(0o700)
    config = config_with(sandbox, tmp_path / "config", user={"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": mode}})
    terminal = Terminal(sandbox, "web", "--kubeconfig", config, "--method", "upload", "-o", str(tmp_path / "x.pcapng"))
    try:
        wait_until(lambda: terminal.read(0.1) or STATUS.search(terminal.text), "the status line")
        (tmp_path / "ask").touch()
        sandbox.drop_streams()
        asked = terminal.until(b"Password: ")
        # The line was taken away before.
        assert re.search(rb"(\r\x1b\[J|\n)$", terminal.text[:asked])
        end = time.monotonic() + 2  # several times the status line's interval
        while time.monotonic() < end:
            terminal.read(0.1)
        assert not STATUS.search(terminal.text, asked), terminal.text[asked:]
        assert terminal.text[asked:] == b"Password: "
        if mode == "Never":
            (tmp_path / "ask").unlink()
        else:
            os.write(terminal.master, b"secret\n")
        wait_until(lambda: terminal.read(0.1) or STATUS.search(terminal.text, asked), "the status line again")
        # What was asked still stands there.
        assert terminal.text[asked + len("Password: "):].lstrip(b"secret").startswith(b"\r\n")
        terminal.until(b"capturing again, after ", asked)
        os.write(terminal.master, b"\x03")
        wait_until(lambda: terminal.read(0.1) or terminal.process.poll() is not None, "the end")
        assert terminal.process.returncode == 0, terminal.text
        assert tshark(str(tmp_path / "x.pcapng"), "frame.number")
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(terminal.master)
    assert b"Sanitizer" not in terminal.text


def blocks(*parts):
    return b"".join(struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))
                    for kind, body in parts)


SECTION = (0x0a0d0d0a, struct.pack("<IHHii", 0x1a2b3c4d, 1, 0, -1, -1))
INTERFACE = (1, struct.pack("<HHI", 1, 0, 262144))
NAMED = (1, struct.pack("<HHIHH8sHH", 1, 0, 262144, 2, 8, b"\x1b]0;evil", 0, 0))
EVIL = [
    (blocks(SECTION, INTERFACE, (6, struct.pack("<IIIII", 7, 0, 0, 0, 0))), "a packet of interface 7, which is not described"),
    (blocks(SECTION, NAMED, (6, struct.pack("<IIIII", 0, 0, 0, 2**32 - 1, 0))), "a packet of 4294967295 bytes"),
    (blocks(SECTION, INTERFACE, (0x0bad, b"")), "a block of type 0x00000bad"),
    (b"\x1b[31mnot a capture at all", "it does not begin with a section header"),
]


def test_hostile_agent(sandbox, ksniff, tmp_path):
    """What comes from the container is checked: an agent that lies ends its own capture, no more. Here the
    container's own `head` puts another program in the agent's place."""
    pod = {"name": "app", "image": "registry.local/dash:1", "command": ["sleep", "1000"]}
    with sandbox.running_pod("hostile", containers=[pod]):
        root = sandbox.rootfs("hostile", "app")
        for name in ("head", "wc"):
            os.unlink(f"{root}/bin/{name}")
        with open(root + "/bin/head", "w", encoding="ascii") as file:
            file.write("#!/bin/sh\ndd bs=1 count=$2 >/dev/null 2>&1\necho '#!/bin/sh'\necho 'cat /evil; sleep 1'\n")
        os.chmod(root + "/bin/head", 0o755)
        for data, says in EVIL:
            with open(root + "/evil", "wb") as file:
                file.write(data)
            out = str(tmp_path / "x.pcapng")
            error = ksniff.fail("hostile", "-o", out)
            assert "the agent sends what is no capture: " + says in error
            assert "\x1b" not in error
            if os.path.exists(out):
                assert tshark(out, "frame.number") == []
                with open(out, "rb") as file:
                    assert b"\x1b]0;evil" not in file.read()
                os.unlink(out)
        # Its file it would have to remove itself.
        wait_until(lambda: not [item for item in sandbox.ours_in("hostile") if isinstance(item, bytes)], "its end")
