# SPDX-License-Identifier: Apache-2.0
"""A shell on a real terminal of its own, by tmux: what is typed, and what stands there then."""
import contextlib
import shlex
import subprocess

from cluster import GUARD, wait_until


class Terminal:
    def __init__(self, directory, env, shell):
        self.socket = str(directory / "tmux")
        script = directory / "shell"
        script.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items()
                                  if name.isidentifier() and name not in ("TERM", "TMUX")) + f"exec {shell}\n")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", f"sh {script}")

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], text=True, check=True, timeout=GUARD,
                              stdout=subprocess.PIPE).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def wait(self, text):
        return wait_until(lambda: text in self.screen() and self.screen(), f"{text!r} on the terminal")


@contextlib.contextmanager
def terminal(directory, env, shell="sh"):
    one = Terminal(directory, env, shell)
    try:
        yield one
    finally:
        one.tmux("kill-server")
