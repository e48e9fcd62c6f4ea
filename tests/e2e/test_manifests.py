# SPDX-License-Identifier: Apache-2.0
"""What package managers fetch by: krew's manifest, Homebrew's formula and Arch's PKGBUILD, filled in as `make dist` does, and
the two that build from source run from the source tarball."""
import copy
import hashlib
import json
import os
import re
import subprocess
import tarfile

import pytest
import yaml

from conftest import BUILD, GUARD, ROOT
from documents import DOCUMENTS
from krew import complaints
from test_build import COMPLETIONS, groups
from test_packages import ARCHITECTURES, agents_in, commit, read, run  # noqa: F401 (a fixture)

PACKAGING = os.path.join(ROOT, "packaging")
with open(os.path.join(ROOT, "meson.build"), encoding="utf-8") as meson:
    VERSION = re.search(r"^  version: '(.*)',$", meson.read(), re.M)[1]
SOURCE = f"kubectl-sniff-{VERSION}.tar.gz"
AGENTS = f"ksniff-agents_{VERSION}.tar.gz"
QUICK = "-O0"  # the steps of a build are tested here, not what the compiler makes of it
SYSTEMS = ("linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64")
# What is needed to build and to run, as others call it. Of Debian's compilers for agents they need nothing: see `-Dagents`.
NAMES = {
    "gcc": {}, "libc6-dev": {},
    "pkg-config": {"brew": "pkgconf"},
    "meson": {"brew": "meson", "arch": "meson"},
    "ninja-build": {"brew": "ninja"},
    "libcurl4-openssl-dev": {"brew": "curl", "arch": "curl"},
    "libssl-dev": {"brew": "openssl@3", "arch": "openssl"},
    "libjansson-dev": {"brew": "jansson", "arch": "jansson"},
    "libwslay-dev": {"brew": "wslay", "arch": "libwslay"},
    "libyaml-dev": {"brew": "libyaml", "arch": "libyaml"},
    "libpcap-dev": {"brew": "libpcap", "arch": "libpcap"},
    "zlib1g-dev": {"brew": "zlib", "arch": "zlib"},
    "libzstd-dev": {"brew": "zstd", "arch": "zstd"},
    "liblz4-dev": {"brew": "lz4", "arch": "lz4"},
}


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def sums(directory):
    """SHA256SUMS, as `make dist` writes it."""
    names = sorted(name for name in os.listdir(directory) if name.endswith(".tar.gz"))
    (directory / "SHA256SUMS").write_text("".join(f"{sum_of(directory / name)}  {name}\n" for name in names))


def archive(directory, name, program, licence="LICENSE"):
    """An archive of a program, with the layout of `make dist`."""
    with tarfile.open(directory / f"{name}.tar.gz", "w:gz") as whole:
        whole.add(program, f"{name}/kubectl-sniff")
        whole.add(os.path.join(ROOT, "LICENSE"), f"{name}/{licence}")
        whole.add(os.path.join(ROOT, "docs", "rbac"), f"{name}/docs/rbac")


def fill_in(directory, code=0):
    done = subprocess.run([os.path.join(PACKAGING, "manifests"), directory], text=True, check=False, stderr=subprocess.PIPE)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def release(tmp_path_factory, commit):  # noqa: F811
    """A directory as `make dist` leaves it: the source, archives of the program, checksums; and what is filled in from them."""
    directory = tmp_path_factory.mktemp("release")
    source = run(os.path.join(PACKAGING, "source-tarball"), str(directory), commit).strip()
    assert os.path.basename(source) == SOURCE
    assert run(os.path.join(PACKAGING, "agents-archive"), os.path.join(BUILD, "agent"), str(directory)).strip() == str(directory / AGENTS)
    for system in SYSTEMS:
        archive(directory, f"kubectl-sniff_{VERSION}_{system}", os.path.join(BUILD, "src", "kubectl-sniff"))
    sums(directory)
    fill_in(directory)
    return directory


# ---- krew ----

def test_krew_takes_the_manifest(release):
    """All four systems, each with an archive that has the program and the licence."""
    assert not complaints(str(release / "sniff.yaml"), str(release))
    plugin = yaml.safe_load((release / "sniff.yaml").read_text())
    labels = [each["selector"]["matchLabels"] for each in plugin["spec"]["platforms"]]
    assert ["_".join((each["os"], each["arch"])) for each in labels] == list(SYSTEMS)
    assert plugin["spec"]["version"] == "v" + VERSION


def test_who_installs_by_a_manager_is_told_of_wiresharks_interfaces(release):
    """krew installs no link, and brew one where the Wireshark of a Mac does not look."""
    plugin = yaml.safe_load((release / "sniff.yaml").read_text())
    for caveats in (plugin["spec"]["caveats"], formula(release, "caveats")):
        assert "kubectl sniff --install-extcap" in caveats and "again after an upgrade" in caveats


def broken(plugin, path, value):
    """The manifest with another value at a path; None: without it."""
    plugin = copy.deepcopy(plugin)
    place = plugin
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return plugin


FIRST = ("spec", "platforms", 0)


@pytest.mark.parametrize("path, value", [
    (("apiVersion",), "krew.googlecontainertools.github.com/v1alpha1"),
    (("kind",), "Pod"),
    (("metadata", "name"), "sniffer"),
    (("spec", "version"), "0.1.0"),
    (("spec", "version"), "v0.1"),
    (("spec", "shortDescription"), None),
    (("spec", "shortDescription"), "two\nlines"),
    (("spec", "shortDescription"), "word " * 20),
    (("spec", "description"), None),
    (("spec", "description"), "word " * 20),
    (("spec", "homepage"), None),
    (("spec", "platforms"), []),
    ((*FIRST, "uri"), "https://ksniff.example/x.tar.xz"),
    ((*FIRST, "uri"), "http://ksniff.example/x.tar.gz"),
    ((*FIRST, "sha256"), "0" * 63),
    ((*FIRST, "sha256"), "0" * 64),
    ((*FIRST, "bin"), None),
    ((*FIRST, "bin"), "sniff"),
    ((*FIRST, "files"), []),
    ((*FIRST, "files", 0, "to"), "./"),
    ((*FIRST, "files", 0, "from"), "nothing/*"),
    ((*FIRST, "files", 0, "from"), "*/kubectl-sniff"),
    ((*FIRST, "selector"), None),
    ((*FIRST, "selector", "matchLabels", "libc"), "musl"),
    ((*FIRST, "selector", "matchLabels", "arch"), "sparc"),
    ((*FIRST, "selector"), {"matchLabels": {"os": "linux"}}),
])
def test_what_krew_refuses(release, tmp_path, path, value):
    """Each rule that the manifest is held against is one that can be broken."""
    plugin = yaml.safe_load((release / "sniff.yaml").read_text())
    (tmp_path / "sniff.yaml").write_text(yaml.safe_dump(broken(plugin, path, value)))
    assert complaints(str(tmp_path / "sniff.yaml"), str(release))


def test_only_what_is_there(release, tmp_path):
    """Without darwin's archives the manifest has linux only; without the source, or without a program, there is none."""
    names = [SOURCE, AGENTS, *(f"kubectl-sniff_{VERSION}_linux_{m}.tar.gz" for m in ("amd64", "arm64"))]
    for name in names:
        (tmp_path / name).symlink_to(release / name)
    sums(tmp_path)
    fill_in(tmp_path)
    assert not complaints(str(tmp_path / "sniff.yaml"), str(tmp_path))
    assert len(yaml.safe_load((tmp_path / "sniff.yaml").read_text())["spec"]["platforms"]) == 2
    for name in names[2:]:
        (tmp_path / name).unlink()
    sums(tmp_path)
    assert "has no archive of a program" in fill_in(tmp_path, code=1)
    (tmp_path / AGENTS).unlink()
    sums(tmp_path)
    assert f"has no '{AGENTS}'" in fill_in(tmp_path, code=1)
    (tmp_path / "SHA256SUMS").write_text("")
    assert f"has no '{names[0]}'" in fill_in(tmp_path, code=1)


# ---- Homebrew ----

def formula(release, *words, **more):
    return run("ruby", os.path.join(ROOT, "tests", "e2e", "homebrew.rb"), str(release / "kubectl-sniff.rb"), *words, **more)


def libraries():
    """Our list of what a build takes, less compilers for agents."""
    return [package for package in groups()["build"] if not re.match(r"musl-dev:|gcc-|libc6-dev-", package)]


def test_formula(release):
    """ruby finds it well-formed; it names our libraries and tools, each once and no other; source and agents are ours."""
    run("ruby", "-wc", str(release / "kubectl-sniff.rb"))
    facts = json.loads(formula(release, "facts"))
    assert sorted(facts["dependencies"]) == sorted([*(NAMES[each]["brew"] for each in libraries() if "brew" in NAMES[each]), "python"])
    assert facts["url"].endswith(f"/v{VERSION}/{SOURCE}")
    assert facts["sha256"] == sum_of(release / os.path.basename(facts["url"]))
    agents = facts["resources"].pop("agents")
    assert agents == {"url": facts["url"].replace(SOURCE, AGENTS), "sha256": sum_of(release / AGENTS)} and not facts["resources"]
    assert facts["license"] == "Apache-2.0" and len(facts["desc"]) < 80


@pytest.fixture
def source(release, tmp_path):
    """The unpacked source tarball."""
    with tarfile.open(release / SOURCE) as whole:
        whole.extractall(tmp_path)
    return tmp_path / f"kubectl-sniff-{VERSION}"


def files_below(directory):
    return {os.path.relpath(os.path.join(where, name), directory) for where, _, names in os.walk(directory) for name in names}


def test_formula_builds(release, source, tmp_path):
    """Its steps, with what brew gives them, make what it installs; then its own test."""
    prefix = tmp_path / "Cellar"
    formula(release, "install", str(prefix), cwd=source, timeout=10 * GUARD, env={**os.environ, "CFLAGS": QUICK})
    completions = {"share/" + name for name in COMPLETIONS}
    documents = {f"share/doc/kubectl-sniff/{name}" for name in DOCUMENTS}
    assert documents | completions | {"bin/kubectl-sniff", "bin/kubectl_complete-sniff", "lib/wireshark/extcap/kubectl-sniff",
            "share/man/man1/kubectl-sniff.1"} <= files_below(prefix)
    assert os.path.realpath(prefix / "lib/wireshark/extcap/kubectl-sniff") == str(prefix / "bin/kubectl-sniff")


# ---- Arch ----

MAKEPKG = f"""
CARCH=$(uname -m) CHOST=$CARCH-linux-gnu CFLAGS={QUICK} LDFLAGS=
BUILDENV=(fakeroot !check !sign !color) OPTIONS=(strip !docs !debug zipman purge)
INTEGRITY_CHECK=(sha256) STRIP_BINARIES=--strip-all STRIP_SHARED= STRIP_STATIC=
MAN_DIRS=(usr/share/man) PKGEXT=.pkg.tar SRCEXT=.src.tar
"""


def makepkg(directory, *words):
    """Runs it. It refuses to be root, and is told that it is not; there is no pacman, of which it wants to know where it is."""
    return subprocess.run(["unshare", "--map-user=1000", "--map-group=1000", "makepkg", "--config", "makepkg.conf", *words],
                          cwd=directory, text=True, check=False, timeout=10 * GUARD, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env={**os.environ, "PACMAN": "true"})


@pytest.fixture(scope="module")
def arch(release, tmp_path_factory):
    """The package that makepkg makes, unpacked."""
    directory = tmp_path_factory.mktemp("arch")
    for name in ("PKGBUILD", SOURCE, AGENTS):
        (directory / name).write_bytes((release / name).read_bytes())
    (directory / "makepkg.conf").write_text(MAKEPKG)
    done = makepkg(directory, "--nodeps")
    assert done.returncode == 0, done.stdout
    with tarfile.open(next(directory.glob("*.pkg.tar"))) as package:
        package.extractall(directory / "root")
    return directory


def test_pkgbuild(arch):
    """makepkg takes source and agents by their checksums, builds, and packs what belongs to it: with every agent."""
    names = {name for name in files_below(arch / "root") if not name.startswith(".")}
    documents = {f"usr/share/doc/kubectl-sniff/{name}" for name in DOCUMENTS}
    completions = {"usr/share/" + name for name in COMPLETIONS}
    assert documents | completions | {"usr/bin/kubectl-sniff", "usr/bin/kubectl_complete-sniff",
                    "usr/lib/wireshark/extcap/kubectl-sniff", "usr/libexec/wireshark/extcap/kubectl-sniff",
                    "usr/share/licenses/kubectl-sniff/LICENSE", "usr/share/man/man1/kubectl-sniff.1.gz"} <= names
    assert "kubectl-sniff" in run(str(arch / "root/usr/bin/kubectl-sniff"), "--version")
    assert agents_in(read(arch / "root/usr/bin/kubectl-sniff")) == ARCHITECTURES


def test_pkgbuild_names_our_libraries(arch):
    """Each once, and no other."""
    info = run("sed", "-n", "s/^depend = //p", str(arch / "root/.PKGINFO")).split()
    assert sorted(info) == sorted(NAMES[each]["arch"] for each in libraries() if re.match(r"lib(?!c6)|zlib", each))


@pytest.mark.parametrize("name", [SOURCE, AGENTS])
def test_another_source_is_refused(arch, name):
    """The checksums are not for show."""
    tarball = arch / name
    whole = tarball.read_bytes()
    tarball.write_bytes(whole + b"\0")
    try:
        done = makepkg(arch, "--verifysource", "--force")
        assert done.returncode and "FAILED" in done.stdout
    finally:
        tarball.write_bytes(whole)


def test_spec_needs_no_library():
    """The program is linked with those of make dist; what rpmbuild is to have there before it builds are the tools."""
    with open(os.path.join(PACKAGING, "rpm", "kubectl-sniff.spec.in"), encoding="utf-8") as file:
        wanted = re.findall(r"^BuildRequires: (\S+)", file.read(), re.M)
    assert sorted(wanted) == ["meson", "ninja-build", "python3"] and {"meson", "ninja-build"} <= set(libraries())


# ---- change log ----

def changelog(kind, text, version, tmp_path):
    """What packaging/changelog makes of a CHANGELOG.md."""
    (tmp_path / "packaging").mkdir(exist_ok=True)
    script = tmp_path / "packaging" / "changelog"
    script.write_bytes(open(os.path.join(PACKAGING, "changelog"), "rb").read())
    (tmp_path / "CHANGELOG.md").write_text(text)
    return subprocess.run(["/usr/bin/python3", script, kind, version, "1", "M <m@ksniff.example>"], text=True, check=False,
                          env={**os.environ, "SOURCE_DATE_EPOCH": "86400"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


CHANGES = """# Changes

Nobody's entry.

## [Unreleased]

### Added

- With `--many` [flags](docs/x.md), and
  100% of **words**.

## [0.0.9] - 2026-01-02

- First.

[0.0.9]: https://ksniff.example
"""


def test_changelogs(tmp_path):
    """Both formats, their dates, and what is not released yet."""
    said = changelog("deb", CHANGES, "0.1.0", tmp_path).stdout
    assert said == """kubectl-sniff (0.1.0-1) unstable; urgency=medium

  * Added: With --many flags, and 100% of words.

 -- M <m@ksniff.example>  Fri, 02 Jan 1970 00:00:00 +0000

kubectl-sniff (0.0.9-1) unstable; urgency=medium

  * First.

 -- M <m@ksniff.example>  Fri, 02 Jan 2026 00:00:00 +0000

"""
    said = changelog("rpm", CHANGES, "0.0.9", tmp_path).stdout
    assert said == "* Fri Jan 02 2026 M <m@ksniff.example> - 0.0.9-1\n- First.\n\n"
    assert "100%% of words" in changelog("rpm", CHANGES, "0.1.0", tmp_path).stdout
    failed = changelog("deb", "# Changes\n", "0.1.0", tmp_path)
    assert failed.returncode == 1 and "says nothing of version '0.1.0'" in failed.stderr
