# SPDX-License-Identifier: Apache-2.0
"""The packages: built from the source tarball of what is committed, installed, used and removed in a root of their own."""
import os
import re
import shutil
import subprocess

import pytest

import systems
from conftest import BUILD, GUARD, ROOT, tshark
from documents import DOCUMENTS, dead_links
from roots import root
from test_build import COMPLETIONS, make

MULTIARCH = subprocess.run(["gcc", "-print-multiarch"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
# What each package has; besides, each has its own form of the licence, the change log and the man page.
ARCHITECTURES = {"amd64", "arm64", "arm", "riscv64", "ppc64le", "s390x"}
DOCUMENTED = "usr/share/doc/kubectl-sniff"
CONTENTS = {f"{DOCUMENTED}/{name}" for name in DOCUMENTS} | {"usr/bin/kubectl-sniff", "usr/bin/kubectl_complete-sniff"}


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


def package(kind, output, commit, *words):
    return make(kind, f"PACKAGES={output}", f"COMMIT={commit}", *words).split()[-1]


@pytest.fixture(scope="module")
def deb(output, commit):
    """With the agents that are built already."""
    return package("deb", output, commit, f"AGENTS={BUILD}/agent")


def agents_in(program):
    """The architectures whose agents, as this build has them, are inside of a program."""
    return {name for name in ARCHITECTURES if read(os.path.join(BUILD, "agent", "ksniff-agent-" + name)) in program}


def read(path):
    with open(path, "rb") as file:
        return file.read()


def same_elsewhere(kind, path, commit, other, unpack):
    """The same commit in another directory, where its agents are built too: the same bytes. What ccache has is not compiled
    again, so that no file may have the build's place in it either."""
    again = package(kind, other, commit)
    assert os.path.basename(again) == os.path.basename(path) and read(again) == read(path)
    (other / "unpacked").mkdir()
    unpack(again, other / "unpacked")
    files = [os.path.join(where, name) for where, _, names in os.walk(other / "unpacked") for name in names]
    texts = {name: read(name) for name in files if not os.path.islink(name)}
    assert texts and not [name for name, text in texts.items() if str(other).encode() in text]


@pytest.fixture
def place(tmp_path):
    with root(tmp_path) as other:
        yield other


def captures(place, sandbox, tmp_path_factory):
    """A capture with the program that is installed there, called as a user calls it."""
    path = str(tmp_path_factory.mktemp("capture") / "x.pcapng")
    kubectl = shutil.which("kubectl")
    assert kubectl and not os.path.exists("/usr/bin/kubectl-sniff")
    with open(place.path("usr/bin/kubectl-sniff"), "rb") as program:
        assert agents_in(program.read()) == ARCHITECTURES
    said = place.run(kubectl, "sniff", "client", "--count", "3", "-o", path, env={**sandbox.env, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert "3 packets" in said
    assert len(tshark(path, "frame.number")) == 3


def left_of(place, *databases):
    """What a removed package leaves, less what package managers write for themselves."""
    own = ("var/log/", "var/cache/", "tmp/", *databases)
    return {path for path in place.written() if not path.startswith(own)}


def links(library):
    """Where Wireshark looks before 4.6, and since."""
    return {f"{folder}/wireshark/extcap/kubectl-sniff" for folder in (library, "usr/libexec")}


def test_deb(deb, place, sandbox, tmp_path_factory):
    place.run("dpkg", "--no-triggers", "-i", deb)
    listed = {path[1:] for path in place.run("dpkg", "-L", "kubectl-sniff").splitlines()}
    extcap = links(f"usr/lib/{MULTIARCH}")
    documents = {f"usr/share/doc/kubectl-sniff/{name}" for name in ("copyright", "changelog.gz", "changelog.Debian.gz")}
    completions = {"usr/share/" + name.replace("site-functions", "vendor-completions") for name in COMPLETIONS}
    assert CONTENTS | documents | completions | extcap | {"usr/share/man/man1/kubectl-sniff.1.gz"} <= listed
    assert {place.run("readlink", "-f", "/" + link) for link in extcap} == {"/usr/bin/kubectl-sniff\n"}
    assert "kubectl-sniff.1.gz" in place.run("man", "-w", "kubectl-sniff")
    assert not list(dead_links(place.path(DOCUMENTED)))
    captures(place, sandbox, tmp_path_factory)
    place.run("dpkg", "--no-triggers", "-P", "kubectl-sniff")
    assert not left_of(place, "var/lib/dpkg/")


@pytest.fixture
def bare(tmp_path):
    """A minimal Debian 12, which fetches packages from where this machine does, with the lists that are here."""
    with root(tmp_path, systems.system("bookworm")) as other:
        for name in ("etc/resolv.conf", "etc/hosts", "etc/apt", "var/lib/apt/lists"):
            run("cp", "-rT", "/" + name, other.path(name))
        # What it began with names another mirror perhaps.
        if not os.path.exists("/etc/apt/sources.list"):
            os.unlink(other.path("etc/apt/sources.list"))
        yield other


def test_apt_installs_it(deb, bare, sandbox, tmp_path_factory):
    """With all that it depends on, and nothing else of the system: it captures there."""
    fetched = bare.start("apt-get", "install", "--yes", "--no-install-recommends", "--download-only", deb, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = fetched.communicate(timeout=10 * GUARD)[0]
    if fetched.returncode and "Failed to fetch" in said:
        pytest.skip("the mirror cannot be reached, or has newer packages than this machine's lists: apt-get update")
    assert fetched.returncode == 0, said
    bare.run("apt-get", "install", "--yes", "--no-install-recommends", deb)
    path = str(tmp_path_factory.mktemp("capture") / "x.pcapng")
    bare.run("kubectl-sniff", "client", "--count", "3", "-o", path, env={**sandbox.env, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert len(tshark(path, "frame.number")) == 3
    bare.run("apt-get", "purge", "--yes", "--autoremove", "kubectl-sniff")
    assert not {name for name in bare.written() if "sniff" in name and not name.startswith(("var/log/", "var/cache/", "tmp/"))}


def test_the_same_deb_elsewhere(deb, commit, tmp_path):
    same_elsewhere("deb", deb, commit, tmp_path, lambda path, where: run("dpkg-deb", "-x", path, where))


def test_deb_is_without_fault(deb):
    """lintian fails at errors and at warnings."""
    changes = os.path.join(os.path.dirname(deb), "deb", os.path.basename(deb).replace(".deb", ".changes"))
    done = subprocess.run(["lintian", "--fail-on", "error,warning", "--allow-root", changes], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


# ---- RPM ----

@pytest.fixture(scope="module")
def rpm(output, commit):
    return package("rpm", output, commit, f"AGENTS={BUILD}/agent")


SHELL = """Name: shell
Version: 1
Release: 1
Summary: All that it may need
License: Apache-2.0
BuildArch: noarch
Provides: /bin/sh
%description
%files
"""


def test_rpm(rpm, place, sandbox, tmp_path_factory):
    """A Debian has no database of RPM packages: where one has a shell and nothing else, it is installed."""
    shell = tmp_path_factory.mktemp("shell")
    (shell / "shell.spec").write_text(SHELL)
    run("rpmbuild", "-bb", "--define", f"_topdir {shell}", str(shell / "shell.spec"), stderr=subprocess.STDOUT)
    database = ["--dbpath", "/var/lib/rpm"]
    assert "/bin/sh is needed by kubectl-sniff" in place.run("rpm", *database, "-i", rpm, code=1)
    place.run("rpm", *database, "-i", str(shell / "RPMS/noarch/shell-1-1.noarch.rpm"))
    place.run("rpm", *database, "-i", rpm)
    listed = {path[1:] for path in place.run("rpm", *database, "-ql", "kubectl-sniff").splitlines()}
    completions = {"usr/share/" + name for name in COMPLETIONS}
    extcap = links("usr/lib64")
    assert CONTENTS | completions | extcap | {"usr/share/man/man1/kubectl-sniff.1.gz",
                                              "usr/share/licenses/kubectl-sniff/LICENSE"} <= listed
    assert {f"usr/share/licenses/kubectl-sniff/LICENSE.{name}" for name in BUNDLED} <= listed
    assert not list(dead_links(place.path(DOCUMENTED)))
    assert {place.run("readlink", "-f", "/" + link) for link in extcap} == {"/usr/bin/kubectl-sniff\n"}
    captures(place, sandbox, tmp_path_factory)
    place.run("rpm", *database, "-e", "kubectl-sniff")
    assert not left_of(place, "var/lib/rpm/")


# What is inside of the program.
BUNDLED = {"c-ares", "curl", "jansson", "libpcap", "libyaml", "libzstd", "lz4", "musl", "openssl", "wslay", "zlib"}
# What every rpm since 4.10 knows of packages, which is that of RHEL 7 and SLES 12.
FEATURES = {"CompressedFileNames", "FileDigests", "PayloadFilesHavePrefix", "TildeInVersions"}


def test_rpm_needs_nothing_of_a_distribution(rpm):
    """A shell, for kubectl's hook; what is inside is named, with its versions; and it has a change log."""
    wanted = {line.split()[0] for line in run("rpm", "-qpR", rpm).splitlines()}
    assert "/bin/sh" in wanted and wanted - {"/bin/sh"} <= {f"rpmlib({name})" for name in FEATURES}
    provided = run("rpm", "-qp", "--provides", rpm)
    assert set(re.findall(r"^bundled\((.*?)\)", provided, re.M)) == BUNDLED
    with open(os.path.join(ROOT, "packaging", "dist", "sources.txt"), encoding="ascii") as file:
        assert f"bundled(openssl) = {re.search(r'^openssl ([^ ]+) ', file.read(), re.M)[1]}\n" in provided
    assert re.search(r"^\* \w{3} \w{3} \d\d \d{4} .* - [0-9.]+-1$", run("rpm", "-qp", "--changelog", rpm), re.M)


def test_rpm_is_without_fault(rpm):
    """rpmlint finds no error."""
    config = os.path.join(ROOT, "packaging", "rpm", "rpmlint.toml")
    done = subprocess.run(["rpmlint", "-c", config, rpm], text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and " 0 errors" in done.stdout, done.stdout


def test_the_same_rpm_elsewhere(rpm, commit, tmp_path):
    same_elsewhere("rpm", rpm, commit, tmp_path, lambda path, where: run("bsdtar", "-xf", path, "-C", where))
