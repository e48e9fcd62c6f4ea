# SPDX-License-Identifier: Apache-2.0
"""The sandbox on machines that do not let it, beside a kubelet, and as a user meets it: make sandbox, make demo."""
import os
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import BUILD, GUARD, ROOT, start_sandbox, wait_until
from test_sandbox import left_behind

SANDBOX = ["/usr/bin/python3", "-m", "sandbox"]
DEMO = os.path.join(ROOT, "packaging", "demo")
NEEDS = "it runs containers, for which it needs root of a machine or of a virtual machine, or a container with every privilege"
# A root directory with everything of this machine in it; a mount point where it is "bound".
CHROOT = """mkdir "$0/root"; [ "$1" = plain ] || mount --bind "$0/root" "$0/root"; shift; for name in /*; do
    case $name in /tmp|/run) mkdir "$0/root$name" ;; *) [ ! -d "$name" ] || { mkdir -p "$0/root$name" && mount --rbind "$name" "$0/root$name"; } ;; esac
    [ ! -L "$name" ] || { rmdir "$0/root$name" 2>/dev/null; cp -P "$name" "$0/root$name"; }
done
here=$1; shift; [ -d "$0/root$here" ] || { mkdir -p "$0/root$here" && mount --bind "$here" "$0/root$here"; }
chroot "$0/root" sh -c 'cd "$0" && exec "$@"' "$here" "$@" """


def chroot(directory, kind, *words):
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", CHROOT, str(directory), kind, ROOT, *words]


def traces():
    """Everything that a sandbox makes on a machine, of whichever sandbox."""
    groups = {os.path.join(path, name) for path, directories, _ in os.walk("/sys/fs/cgroup") for name in directories
              if name.startswith("ksniff-sandbox-")}
    names = {name for name in os.listdir("/run/netns") if name.startswith("ks")} if os.path.isdir("/run/netns") else set()
    state = set(os.listdir("/run/ksniff-sandbox")) if os.path.isdir("/run/ksniff-sandbox") else set()
    return groups | names | state


def of(pid):
    return [trace for trace in traces() if re.search(rf"(^|\D){pid}(\D|$)", trace)]


@pytest.mark.parametrize("how, says", [
    (["setpriv", "--bounding-set=-sys_admin"], "namespaces and mounts cannot be made here (unshare: "),
    (["unshare", "--user", "--map-root-user"], "mount namespaces cannot be entered here ("),
    (["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /sys/fs/cgroup && exec "$@"', "sh"], "no cgroups are mounted here ("),
    (["unshare", "--mount", "sh", "-c",
      'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mountpoint -q $d && mount -o remount,bind,ro $d; done; exec "$@"', "sh"],
     "cgroups cannot be made here ("),
    (["setpriv", "--reuid=65534"], "it runs containers: start it as root"),
    (["/usr/bin/env", "PATH=/nonexistent"], "'runc' was not found: install the packages of the group demo"),
    (["chroot", "plain"], "namespaces and mounts cannot be made here (unshare: "),
    (["chroot", "bound"], "this is a chroot (")])
def test_where_it_may_not(tmp_path, how, says):
    """One line, which says what it needs; nothing is left."""
    command = chroot(tmp_path, how[1], *SANDBOX) if how[0] == "chroot" else [*how, *SANDBOX]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=GUARD)
    line, = err.splitlines()
    assert process.returncode == 1 and not out and line.startswith("sandbox: " + says), err
    assert NEEDS in line or "start it as root" in says or "not found" in says
    assert not of(process.pid)


@pytest.mark.parametrize("program, lacks, says", [("runc", "sys_admin", "a pod cannot be started here ("),
                                                  ("ip", "net_admin", "the node's network cannot be made here (")])
def test_where_it_is_found_later(tmp_path, program, lacks, says):
    """Namespaces can be made, but a program may not do all it wants, as under a security profile."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / program).write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-{lacks} {shutil.which(program)} "$@"\n')
    (programs / program).chmod(0o755)
    process = subprocess.Popen(SANDBOX, cwd=ROOT, env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _, err = process.communicate(timeout=GUARD)
    line, = err.splitlines()
    assert process.returncode == 1 and line.startswith("sandbox: " + says), err
    assert not of(process.pid) and not left_behind(process.pid)


@pytest.mark.parametrize("style, shape", [("cgroupfs", r"/kubepods/besteffort/pod{uid}/[0-9a-f]{{64}}"),
                                          ("systemd", r"/kubepods\.slice/kubepods-besteffort\.slice/"
                                                      r"kubepods-besteffort-pod{under}\.slice/cri-containerd-[0-9a-f]{{64}}\.scope")])
def test_a_parent_cgroup_of_its_own(style, shape):
    """A kubelet of this machine ends what it does not know below /kubepods: there is nothing of ours there."""
    with tempfile.TemporaryDirectory() as directory:
        box = start_sandbox(directory, "--cgroup-style", style)
        groups = {}
        for pod in box.get("/sandbox/processes"):
            for process in pod["processes"]:
                with open(f"/proc/{process['pid']}/cgroup", encoding="ascii") as file:
                    groups.setdefault(pod["uid"], []).extend(line.split(":", 2)[2].strip() for line in file)
        assert len(groups) >= 5
        for uid, paths in groups.items():
            ours = [path for path in paths if uid in path or uid.replace("-", "_") in path]
            inside = shape.format(uid=uid, under=uid.replace("-", "_"))
            assert ours and all(re.fullmatch(rf"/ksniff-sandbox-{box.process.pid}{inside}", path) for path in ours), ours
            assert not [path for path in paths if path.startswith("/kubepods")]
        box.process.terminate()
        assert box.process.wait(timeout=GUARD) == 0
    assert not of(box.process.pid)


def test_a_killed_ones_cgroups_are_swept_up():
    with tempfile.TemporaryDirectory() as directory:
        box = start_sandbox(directory)
        box.process.kill()
        box.process.wait()
        assert [path for path in of(box.process.pid) if path.startswith("/sys/fs/cgroup")]
    with tempfile.TemporaryDirectory() as directory:
        other = start_sandbox(directory, "--no-default-pods")
        other.process.terminate()
        assert other.process.wait(timeout=GUARD) == 0
    assert not of(box.process.pid)


def test_it_says_how_it_is_used():
    """make sandbox: its pods, what to type, and how it ends; and it does."""
    process = subprocess.Popen(SANDBOX, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    said = ""
    while "Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    for name in ("client", "distroless", "hostnet", "nonroot", "web"):
        assert re.search(rf"^  {name} +\w", said, re.M), said
    config = re.search(r"^ +export KUBECONFIG=(\S+)$", said, re.M)[1]
    assert "kubectl sniff web" in said and "Ctrl-C here stops it" in said
    done = subprocess.run([os.path.join(BUILD, "src", "kubectl-sniff"), "web", "--count", "1", "-o", "/dev/null"],
                          env={**os.environ, "KUBECONFIG": config}, check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=GUARD) == 0
    process.stdout.close()
    assert not of(process.pid)


def test_ctrl_c_while_it_starts():
    process = subprocess.Popen(SANDBOX, cwd=ROOT, stdout=subprocess.PIPE)
    wait_until(lambda: f"ks{process.pid}-10" in os.listdir("/run/netns"), "its first pod")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=GUARD)
    assert process.returncode == 0 and b"export KUBECONFIG" not in out
    assert not of(process.pid)


# ---- make demo ----

def demo(build=BUILD, prefix=()):
    """The demo with this build, which leaves its file in the tree. Gives its code and what it prints."""
    done = subprocess.run([*prefix, DEMO], text=True, check=False, timeout=5 * GUARD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "BUILD": os.path.relpath(build, ROOT)})
    return done.returncode, done.stdout


def test_the_demo():
    code, says = demo()
    assert code == 0 and says.count("GET / HTTP/1.0") >= 2, says
    assert "client.default → web.default.svc" in says and "client.default → web.default " in says
    assert "open them with: wireshark demo.pcapng" in says


@pytest.mark.parametrize("breaks, instead, says", [
    ("-o demo.pcapng", "absent -o -", "the capture failed"),
    ("-o - ", "absent -o -", "the capture into a pipe failed"),
    ("-o demo.pcapng", '"$@" --no-names', "no request leaves client for the Service, arrives at web and is answered, "
     "in this order and with these names"),
    ("-o - ", '"$@" --no-names', "tshark finds no request to the Service in the pipe")])
def test_a_demo_that_fails_says_so(tmp_path, breaks, instead, says):
    """Its exit code too: here one of its captures is of a pod that is not there, or has no names."""
    (tmp_path / "src").mkdir()
    program = tmp_path / "src" / "kubectl-sniff"
    real = os.path.join(BUILD, "src", "kubectl-sniff")
    program.write_text(f'#!/bin/sh\ncase "$* " in *"{breaks}"*) exec {real} {instead} ;; esac\nexec {real} "$@"\n')
    program.chmod(0o755)
    code, out = demo(tmp_path)
    assert code == 1 and out.endswith(f"demo: {says}\n"), out


def test_a_demo_without_a_sandbox():
    code, says = demo(prefix=["setpriv", "--bounding-set=-sys_admin"])
    assert code == 1 and "sandbox: namespaces and mounts cannot be made here" in says
    assert says.endswith("demo: the sandbox has ended\n") and "No such process" not in says
