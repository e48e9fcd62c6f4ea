# SPDX-License-Identifier: Apache-2.0
"""Where `make dist` has its libraries from: pinned source packages, from where the machine has its own packages."""
import fcntl
import hashlib
import os
import shutil
import subprocess
import time

import pytest

from conftest import GUARD, ROOT

CODENAME = subprocess.run(["sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


class Machine:
    """A copy of packaging/dist, with entries for apt and a cache of its own."""

    def __init__(self, top):
        self.top, self.dist, self.etc = top, top / "dist", top / "etc"
        shutil.copytree(os.path.join(ROOT, "packaging", "dist"), self.dist)
        (self.etc / "sources.list.d").mkdir(parents=True)
        (top / "apt.conf").write_text(f'Dir::Etc::sourcelist "{self.etc}/sources.list";\nDir::Etc::sourceparts "{self.etc}/sources.list.d";\n')
        self.env = {**os.environ, "APT_CONFIG": str(top / "apt.conf"), "XDG_CACHE_HOME": str(top / "cache")}

    def run(self, script, *words, code=0):
        done = subprocess.run([self.dist / script, *words], env=self.env, text=True, check=False, timeout=GUARD,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == code, done.stderr
        return done

    def pin(self, *lines):
        (self.dist / "sources.txt").write_text("# pins\n" + "".join(line + "\n" for line in lines))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_entries_of_a_list(machine):
    """Debian's main archive and its updates, with their options; nobody else's, nothing that is switched off."""
    (machine.etc / "sources.list").write_text(
        f"deb http://mirror.test/debian {CODENAME} main contrib\n"
        f"#deb http://off.test/debian {CODENAME} main\n"
        f"deb [arch=amd64 signed-by=/keys.gpg] http://mirror.test/security {CODENAME}-security main\n"
        f"deb http://mirror.test/debian {CODENAME}-backports main\n"
        f"deb http://vendor.test/ {CODENAME} stable\n"
        f"deb-src http://mirror.test/debian {CODENAME} main\n")
    assert [line.split() for line in machine.run("archive", "entries").stdout.splitlines() if line] == [
        ["deb-src", "http://mirror.test/debian", "bookworm", "main"],
        ["deb-src", "[arch=amd64", "signed-by=/keys.gpg]", "http://mirror.test/security", "bookworm-security", "main"]]


def test_entries_of_the_newer_form(machine):
    (machine.etc / "sources.list.d" / "debian.sources").write_text(
        f"# ours\nTypes: deb deb-src\nURIs: http://mirror.test/debian\nSuites: {CODENAME} {CODENAME}-updates {CODENAME}-backports\n"
        "Components: main non-free\nSigned-By: /keys.gpg\n\n"
        f"Types: deb\nURIs: http://off.test/debian\nSuites: {CODENAME}\nComponents: main\nEnabled: no\n\n"
        f"Types: deb\nURIs: http://vendor.test/\nSuites: stable-vendor\nComponents: main\n")
    stanzas = machine.run("archive", "entries").stdout.strip().split("\n\n")
    assert [dict(line.split(": ") for line in stanza.splitlines()) for stanza in stanzas] == [
        {"Types": "deb-src", "Suites": "bookworm bookworm-updates", "Components": "main", "URIs": "http://mirror.test/debian",
         "Signed-By": "/keys.gpg"}]


def test_without_debian(machine):
    assert "none of the machine's entries for apt is Debian's main archive" in machine.run("sources", code=1).stderr


def package(directory, version):
    """A source package of that version. Returns the names of its files."""
    source = directory / "tiny"
    (source / "debian" / "source").mkdir(parents=True, exist_ok=True)
    (source / "debian" / "source" / "format").write_text("3.0 (native)\n")
    (source / "debian" / "control").write_text("Source: tiny\nMaintainer: A <a@b.c>\n\nPackage: tiny\nArchitecture: all\nDescription: x\n")
    (source / "debian" / "changelog").write_text(f"tiny ({version}) unstable; urgency=low\n\n  * x\n\n -- A <a@b.c>  Thu, 01 Jan 2026 00:00:00 +0000\n")
    (source / "version.h").write_text(version)
    subprocess.run(["dpkg-source", "-b", "tiny"], cwd=directory, check=True, stdout=subprocess.DEVNULL)


def offer(machine, *versions):
    """An archive, in files, that has these versions of the package tiny."""
    top = machine.top / "archive"
    pool, index = top / "pool", top / "dists" / "bookworm" / "main" / "source"
    for directory in (pool, index):
        directory.mkdir(parents=True, exist_ok=True)
    text = ""
    for version in versions:
        package(pool, version)
        dsc = (pool / f"tiny_{version}.dsc").read_text()
        fields = dsc.replace("Source: tiny", "Package: tiny", 1)
        sums = hashlib.sha256(dsc.encode()).hexdigest(), len(dsc), f"tiny_{version}.dsc"
        head, _, tail = fields.partition("Checksums-Sha256:\n")
        head, md5 = head.partition("Files:\n")[0], hashlib.md5(dsc.encode()).hexdigest()
        sha256 = tail.partition("Files:\n")[0]
        files = tail.partition("Files:\n")[2]
        head = head.partition("Checksums-Sha1:")[0]
        text += (f"{head}Directory: pool\nChecksums-Sha256:\n {sums[0]} {sums[1]} {sums[2]}\n{sha256}"
                 f"Files:\n {md5} {sums[1]} {sums[2]}\n{files}\n")
    (index / "Sources").write_text(text)
    (machine.etc / "sources.list").write_text(f"deb [trusted=yes] copy:{top} {CODENAME} main\n")


def dsc_sum(machine, version):
    return hashlib.sha256((machine.top / "archive" / "pool" / f"tiny_{version}.dsc").read_bytes()).hexdigest()


def test_a_source_is_what_was_pinned(machine):
    """It is fetched once, and held against its checksum each time; what the archive no longer has is told."""
    offer(machine, "1.0")
    machine.pin(f"tiny 1.0 {dsc_sum(machine, '1.0')}")
    machine.run("sources", "unpack", "tiny", machine.top / "one")
    assert (machine.top / "one" / "version.h").read_text() == "1.0"
    shutil.rmtree(machine.top / "archive")
    machine.run("sources", "unpack", "tiny", machine.top / "two")
    kept = machine.top / "cache" / "ksniff" / "sources" / "tiny_1.0"
    with open(next(kept.glob("*.tar.*")), "ab") as file:
        file.write(b"x")
    assert "'tiny' 1.0 is not what " in machine.run("sources", "unpack", "tiny", machine.top / "three", code=1).stderr
    offer(machine, "1.1")
    machine.pin("tiny 1.0.1 " + "0" * 64)
    assert "does not serve the source package 'tiny' in version '1.0.1'" in machine.run(
        "sources", "unpack", "tiny", machine.top / "four", code=1).stderr


def test_another_checksum_is_refused(machine):
    offer(machine, "1.0")
    machine.pin("tiny 1.0 " + "0" * 64)
    assert "'tiny' 1.0 is not what " in machine.run("sources", "unpack", "tiny", machine.top / "one", code=1).stderr
    assert not (machine.top / "one").exists()


def test_a_fix_is_seen_and_taken(machine):
    """A newer version in the archive is told, and with --update it is what is pinned and fetched."""
    offer(machine, "1.0")
    machine.pin(f"tiny 1.0 {dsc_sum(machine, '1.0')}")
    assert machine.run("sources").stdout == "the archive has nothing newer\n"
    offer(machine, "1.0", "1.0+deb12u2", "1.0+deb12u10")
    assert machine.run("sources", code=1).stdout == "tiny: 1.0 is pinned, the archive has 1.0+deb12u10\n"
    machine.run("sources", "--update")
    assert (machine.dist / "sources.txt").read_text() == f"# pins\ntiny 1.0+deb12u10 {dsc_sum(machine, '1.0+deb12u10')}\n"
    machine.run("sources", "unpack", "tiny", machine.top / "one")
    assert (machine.top / "one" / "version.h").read_text() == "1.0+deb12u10"


def test_a_fix_that_is_listed_and_not_served(machine):
    """A mirror's lists may be ahead of its files: what cannot be had stays pinned, and is told."""
    offer(machine, "1.0")
    machine.pin(f"tiny 1.0 {dsc_sum(machine, '1.0')}")
    before = (machine.dist / "sources.txt").read_text()
    offer(machine, "1.0", "1.1")
    (machine.top / "archive" / "pool" / "tiny_1.1.dsc").unlink()
    done = machine.run("sources", "--update", code=1)
    assert "tiny: 1.0 is pinned, the archive has 1.1" in done.stdout and "sources.txt' has these now" not in done.stdout
    assert "sources: 'tiny' stays at 1.0" in done.stderr
    assert (machine.dist / "sources.txt").read_text() == before
    machine.run("sources", "unpack", "tiny", machine.top / "one")


def test_what_nobody_uses_is_removed(machine):
    """What a killed build has left, and what was used a month ago; nothing that is worked at or was used since."""
    cache = machine.top / "cache" / "ksniff"
    names = ["libraries/openssl-x86_64-macos-0", "libraries/x86_64-macos-0", "musl/arm-0", "sources/tiny_1.0", "zig-0.10.0",
             "libraries/build.killed", "musl/build.killed", "sources/fetch.killed", "zig.killed",
             "libraries/build.before", "libraries/build.worked", "libraries/build.begins", "libraries/x86_64-macos-1", "zig-0.11.0"]
    for name in names:
        (cache / name).mkdir(parents=True)
        if name.endswith((".killed", ".worked")):
            (cache / name / "held").touch()
    month = time.time() - 32 * 24 * 3600
    for name in (*names[:5], "libraries/build.before"):
        os.utime(cache / name, (month, month))
    with open(cache / "libraries/build.worked/held", encoding="ascii") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        machine.run("tidy")
        assert [name for name in names if (cache / name).exists()] == names[10:]
    machine.run("tidy")
    assert not (cache / "libraries/build.worked").exists()


def test_what_is_used_stays(machine):
    """A source that is unpacked counts as used."""
    offer(machine, "1.0")
    machine.pin(f"tiny 1.0 {dsc_sum(machine, '1.0')}")
    kept = machine.top / "cache" / "ksniff" / "sources" / "tiny_1.0"
    machine.run("sources", "unpack", "tiny", machine.top / "one")
    assert not (kept / "held").exists()
    month = time.time() - 32 * 24 * 3600
    os.utime(kept, (month, month))
    machine.run("sources", "unpack", "tiny", machine.top / "two")
    machine.run("tidy")
    assert kept.exists()


def test_each_recipe_has_its_source():
    """And each source its recipe, but for what is only looked at, and what the agents are made of."""
    with open(os.path.join(ROOT, "packaging", "dist", "sources.txt"), encoding="ascii") as file:
        pins = [line.split() for line in file if not line.startswith("#")]
    recipes = set(os.listdir(os.path.join(ROOT, "packaging", "dist", "recipes"))) - {"common"}
    assert {{"aria2": "wslay"}.get(pin[0], pin[0]) for pin in pins if len(pin) == 3} == recipes | {"musl"}


def test_npm_may_come_from_elsewhere(tmp_path):
    """Debian's brings hundreds of packages: any npm will do."""
    (tmp_path / "bin").mkdir()
    for name, text in (("dpkg-query", "case $4 in npm) ;; *) echo installed ;; esac"), ("npm", ":")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    done = subprocess.run([os.path.join(ROOT, "packaging", "install-dependencies"), "dist"], check=False, text=True, stderr=subprocess.PIPE,
                          env={"PATH": f"{tmp_path}/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0 and not done.stderr


def test_another_apt_is_waited_for(tmp_path):
    """As a machine that has just started has one at work. apt itself waits: here only that it is told to."""
    (tmp_path / "bin").mkdir()
    programs = {"dpkg-query": ":", "dpkg": "case $1 in --print-architecture) echo amd64 ;; *) echo arm64 ;; esac", "id": "echo 0",
                "apt-get": f'echo "$*" >>{tmp_path}/said'}
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    done = subprocess.run([os.path.join(ROOT, "packaging", "install-dependencies"), "build"], check=False, text=True, capture_output=True,
                          env={"PATH": f"{tmp_path}/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0, done.stderr
    said = [line for line in (tmp_path / "said").read_text().splitlines() if line.startswith("install ")]
    assert said and all("-o DPkg::Lock::Timeout=" in line for line in said)
