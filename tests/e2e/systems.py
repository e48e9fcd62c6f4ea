# SPDX-License-Identifier: Apache-2.0
"""Systems to run the program in: root directories of other distributions, from where this machine has its packages.

They are kept in $XDG_CACHE_HOME/ksniff/roots. Nothing is changed in them: a test's own directory is mounted at /mnt."""
import fcntl
import os
import shutil
import subprocess

import pytest

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ksniff", "roots")
SCRIPTS = "/usr/share/debootstrap/scripts"
# Debian 12 has no package with it: F6EC B376 2474 EDA9 D21B 7022 8719 20D1 991B C93C, "Ubuntu Archive Automatic Signing Key (2018)".
UBUNTU_KEY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "ubuntu-archive-key-2018.gpg")


def mirror():
    """Where this machine has Debian's main archive from."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(SUITE) $(ORIGIN)", "Created-By: Packages"],
                             check=True, text=True, stdout=subprocess.PIPE).stdout
    for line in targets.splitlines():
        uri, codename, *rest = line.split()
        if rest[-1:] == ["Debian"] and "-" not in codename and "updates" not in line:
            return [uri]
    return pytest.skip("apt has no list of Debian's main archive")


def system(suite):
    """The root directory of a minimal system, without any package added. Skips where nobody serves it."""
    os.makedirs(CACHE, exist_ok=True)
    root = os.path.join(CACHE, suite)
    with open(os.path.join(CACHE, suite + ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(root):
            make(suite, root)
    return root


def make(suite, root):
    if shutil.which("debootstrap") is None or not os.path.exists(os.path.join(SCRIPTS, suite)):
        pytest.skip(f"debootstrap is not here, or knows no {suite}")
    ubuntu = os.path.realpath(os.path.join(SCRIPTS, suite)).endswith("gutsy")
    shutil.rmtree(root + ".new", ignore_errors=True)
    keys = [f"--keyring={UBUNTU_KEY}"] if ubuntu else []
    done = subprocess.run(["debootstrap", "--variant=minbase", *keys, suite, root + ".new", *([] if ubuntu else mirror())],
                          check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        shutil.rmtree(root + ".new", ignore_errors=True)
        last = [line for line in done.stdout.splitlines() if line.strip()][-1:]
        pytest.skip(f"no mirror serves {suite} here: {' '.join(last)}")
    shutil.rmtree(root + ".new/var/cache/apt", ignore_errors=True)
    os.rename(root + ".new", root)


def inside(root, directory, *words):
    """The words of a command that runs in a root, where a directory is /mnt, in a mount namespace of its own."""
    return ["unshare", "-m", "sh", "-c", 'mount --bind "$2" "$1/mnt" && mount -t proc proc "$1/proc" && root=$1 && shift 2 && exec chroot "$root" "$@"',
            "sh", str(root), str(directory), *words]
