# SPDX-License-Identifier: Apache-2.0
"""The packages: built from the source tarball of what is committed, installed, used and removed in a root of their own."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, tshark
from roots import root
from test_build import COMPLETIONS, make

MULTIARCH = subprocess.run(["gcc", "-print-multiarch"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
ROLES = {f"usr/share/doc/kubectl-sniff/rbac/{name}" for name in os.listdir(os.path.join(ROOT, "docs", "rbac"))}
# What each package has; besides, each has its own form of the licence, the change log and the man page.
CONTENTS = ROLES | {"usr/bin/kubectl-sniff", "usr/bin/kubectl_complete-sniff", "usr/share/doc/kubectl-sniff/security.md"}


def run(*command, **more):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **more).stdout


@pytest.fixture(scope="module")
def commit():
    """What is committed; with what is not yet, where there is such."""
    name = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    return run("git", *name, "stash", "create", cwd=ROOT).strip() or "HEAD"


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def deb(output, commit):
    return make("deb", f"PACKAGES={output}", f"COMMIT={commit}").split()[-1]


@pytest.fixture
def place(tmp_path):
    with root(tmp_path) as other:
        yield other


def captures(place, sandbox, tmp_path_factory):
    """A capture with the program that is installed there, called as a user calls it."""
    path = str(tmp_path_factory.mktemp("capture") / "x.pcapng")
    kubectl = shutil.which("kubectl")
    assert kubectl and not os.path.exists("/usr/bin/kubectl-sniff")
    said = place.run(kubectl, "sniff", "client", "--count", "3", "-o", path, env={**sandbox.env, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert "3 packets" in said
    assert len(tshark(path, "frame.number")) == 3


def left_of(place, *databases):
    """What a removed package leaves, less what package managers write for themselves."""
    own = ("var/log/", "var/cache/", "tmp/", *databases)
    return {path for path in place.written() if not path.startswith(own)}


def test_deb(deb, place, sandbox, tmp_path_factory):
    place.run("dpkg", "--no-triggers", "-i", deb)
    listed = {path[1:] for path in place.run("dpkg", "-L", "kubectl-sniff").splitlines()}
    extcap = f"usr/lib/{MULTIARCH}/wireshark/extcap/kubectl-sniff"
    documents = {f"usr/share/doc/kubectl-sniff/{name}" for name in ("copyright", "changelog.gz", "changelog.Debian.gz")}
    completions = {"usr/share/" + name.replace("site-functions", "vendor-completions") for name in COMPLETIONS}
    assert CONTENTS | documents | completions | {extcap, "usr/share/man/man1/kubectl-sniff.1.gz"} <= listed
    assert place.run("readlink", "-f", "/" + extcap) == "/usr/bin/kubectl-sniff\n"
    assert "kubectl-sniff.1.gz" in place.run("man", "-w", "kubectl-sniff")
    captures(place, sandbox, tmp_path_factory)
    place.run("dpkg", "--no-triggers", "-P", "kubectl-sniff")
    assert not left_of(place, "var/lib/dpkg/")


def test_deb_is_without_fault(deb):
    """lintian fails at errors and at warnings."""
    changes = os.path.join(os.path.dirname(deb), "deb", os.path.basename(deb).replace(".deb", ".changes"))
    done = subprocess.run(["lintian", "--fail-on", "error,warning", "--allow-root", changes], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


# ---- RPM ----

@pytest.fixture(scope="module")
def rpm(output, commit):
    return make("rpm", f"PACKAGES={output}", f"COMMIT={commit}").split()[-1]


def test_rpm(rpm, place, sandbox, tmp_path_factory):
    """On a Debian there is no database of RPM packages that it could depend on, nor one that another would have made."""
    database = ["--dbpath", "/var/lib/rpm"]
    place.run("rpm", *database, "-i", "--nodeps", rpm)
    listed = {path[1:] for path in place.run("rpm", *database, "-ql", "kubectl-sniff").splitlines()}
    completions = {"usr/share/" + name for name in COMPLETIONS}
    extcap = "usr/lib64/wireshark/extcap/kubectl-sniff"
    assert CONTENTS | completions | {extcap, "usr/share/man/man1/kubectl-sniff.1.gz",
                                     "usr/share/licenses/kubectl-sniff/LICENSE"} <= listed
    assert place.run("readlink", "-f", "/" + extcap) == "/usr/bin/kubectl-sniff\n"
    captures(place, sandbox, tmp_path_factory)
    place.run("rpm", *database, "-e", "kubectl-sniff")
    assert not left_of(place, "var/lib/rpm/")


def test_rpm_says_what_it_needs(rpm):
    """The libraries that it was linked with; and it has a change log."""
    wanted = run("rpm", "-qp", "--requires", rpm)
    assert "libcurl.so.4" in wanted and "libwslay.so.1" in wanted
    assert re.search(r"^\* \w{3} \w{3} \d\d \d{4} .* - [0-9.]+-1$", run("rpm", "-qp", "--changelog", rpm), re.M)


def test_rpm_is_without_fault(rpm):
    """rpmlint finds no error."""
    config = os.path.join(ROOT, "packaging", "rpm", "rpmlint.toml")
    done = subprocess.run(["rpmlint", "-c", config, rpm], text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and " 0 errors" in done.stdout, done.stdout
