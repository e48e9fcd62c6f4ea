# SPDX-License-Identifier: Apache-2.0
"""What `make` does on a machine that has no test package, and where `make install` puts what."""
import os
import re
import subprocess

import pytest

from conftest import GUARD, ROOT
from documents import DOCUMENTS, dead_links

PACKAGES = os.path.join(ROOT, "packaging", "debian-packages.txt")
COMPLETIONS = {"bash-completion/completions/kubectl-sniff", "zsh/site-functions/_kubectl-sniff",
               "fish/vendor_completions.d/kubectl-sniff.fish"}
BUILD_GUARD = 10 * GUARD  # a whole build, on a machine that does other things too


def make(*words, code=0, env=None):
    done = subprocess.run(["make", "-C", ROOT, "--no-print-directory", *words], text=True, check=False, timeout=BUILD_GUARD,
                          env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == code, done.stdout
    return done.stdout


def groups():
    """The packages of each group, with this machine's names."""
    native = subprocess.run(["dpkg", "--print-architecture"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    foreign, triplet = {"amd64": ("arm64", "aarch64-linux-gnu"), "arm64": ("amd64", "x86-64-linux-gnu")}[native]
    result = {}
    with open(PACKAGES, encoding="utf-8") as file:
        for group, package in (line.split() for line in file if not line.startswith("#")):
            names = package.replace("{native}", native).replace("{foreign-triplet}", triplet).replace("{foreign}", foreign)
            result.setdefault(group, []).append(names)
    return result


def installed():
    """The installed packages: name to what it depends on, names without architecture and version."""
    listing = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\n"], check=True,
                             text=True, stdout=subprocess.PIPE).stdout
    depends, providers = {}, {}
    for line in listing.splitlines():
        name, provides, wants = line.split("\t")
        depends.setdefault(name, set()).update(re.sub(r"\(.*?\)|:[a-z0-9]+", "", wants).replace("|", ",").replace(" ", "").split(","))
        for virtual in re.sub(r"\(.*?\)", "", provides).replace(" ", "").split(","):
            providers.setdefault(virtual, set()).add(name)
    return {name: {p for want in wants for p in ({want} if want in depends else providers.get(want, set()))}
            for name, wants in depends.items()}


def with_dependencies(names):
    depends = installed()
    found, new = set(), {name.partition(":")[0] for name in names}
    while new:
        found |= new
        new = {want for name in new for want in depends.get(name, set())} - found
    return found


@pytest.fixture(scope="module")
def plain_build(tmp_path_factory):
    """`make build` in a directory of its own, where pkg-config knows no cmocka. Gives make's words for it."""
    top = tmp_path_factory.mktemp("plain")
    libraries = top / "pkgconfig"
    libraries.mkdir()
    known = subprocess.run(["pkg-config", "--variable", "pc_path", "pkg-config"], check=True, text=True, stdout=subprocess.PIPE).stdout
    for directory in filter(os.path.isdir, known.strip().split(":")):
        for name in os.listdir(directory):
            if "cmocka" not in name and not (libraries / name).exists():
                (libraries / name).symlink_to(os.path.join(directory, name))
    env = {"PKG_CONFIG_LIBDIR": str(libraries), "CFLAGS": "-O0"}  # how quick the program is does not matter here
    words = [f"BUILD={top / 'build'}"]
    words.append(make("build", *words, env=env))
    return words, env, top


def targets(top):
    return subprocess.run(["ninja", "-C", top / "build", "-t", "targets", "all"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def test_a_build_needs_no_test_package(plain_build):
    """No cmocka is there; neither tests nor benchmarks are made."""
    (_, said), _, top = plain_build
    assert os.access(top / "build" / "src" / "kubectl-sniff", os.X_OK)
    assert "tests/unit/test" not in targets(top) and "_test" not in said
    assert "block_bench" not in said and not (top / "build" / "bench" / "block_bench").exists()
    assert not os.path.exists(os.path.join(ROOT, "build-setup.log"))


def test_the_packages_of_a_build_are_declared(plain_build):
    """Every header that was read, and every tool that was run, is of a package of the group `build`."""
    _, _, top = plain_build
    deps = subprocess.run(["ninja", "-C", top / "build", "-t", "deps"], check=True, text=True, stdout=subprocess.PIPE).stdout
    headers = {os.path.realpath(line.strip()) for line in deps.splitlines() if line.strip().startswith("/usr/")}
    assert "/usr/include/stdio.h" in headers and any("wslay" in header for header in headers)
    tools = {os.path.realpath(os.path.join("/usr/bin", name)) for name in ("meson", "ninja", "gcc", "pkg-config", "python3")}
    listing = subprocess.run(["dpkg", "-S", *headers, *tools], check=True, text=True, stdout=subprocess.PIPE).stdout
    owners = {line.partition(": ")[0].partition(":")[0] for line in listing.splitlines()}
    assert {"libcurl4-openssl-dev", "libc6-dev", "meson"} <= owners
    assert not owners - with_dependencies(groups()["build"])


def test_each_package_is_declared_once():
    every = [package for packages in groups().values() for package in packages]
    assert len(every) == len(set(every))
    demo = groups()["build"] + groups()["demo"]
    assert not {"strace", "cppcheck", "clang-format", "shellcheck", "libcmocka-dev"} & set(demo)


def files_below(directory):
    return {os.path.relpath(os.path.join(where, name), directory) for where, _, names in os.walk(directory) for name in names}


def test_install_and_uninstall(plain_build):
    """PREFIX and DESTDIR hold, also another PREFIX in the same directory, for which one file is compiled; messages name what is there."""
    (directory, _), env, top = plain_build
    for prefix in ("/usr", "/opt/ksniff"):
        destination = top / ("dest" + prefix.replace("/", "-"))
        words = [directory, f"PREFIX={prefix}", f"DESTDIR={destination}"]
        said = make("install", *words, env=env)
        assert re.findall(r"Compiling C object \S*/(\S+)", said) == ["base_place.c.o"]
        inside = prefix[1:]
        documents = {f"{inside}/share/doc/kubectl-sniff/{name}" for name in DOCUMENTS}
        shells = {f"{inside}/share/{name}" for name in COMPLETIONS}
        assert files_below(destination) == documents | shells | {
            f"{inside}/bin/kubectl-sniff", f"{inside}/bin/kubectl_complete-sniff", f"{inside}/share/man/man1/kubectl-sniff.1",
            f"{inside}/lib/wireshark/extcap/kubectl-sniff", f"{inside}/libexec/wireshark/extcap/kubectl-sniff",
            f"{inside}/share/doc/kubectl-sniff/LICENSE"}
        assert not list(dead_links(destination / inside / "share/doc/kubectl-sniff"))
        program = destination / inside / "bin" / "kubectl-sniff"
        manual = subprocess.run([program, "--help=man"], check=True, text=True, stdout=subprocess.PIPE).stdout
        assert f"{prefix}/share/doc/kubectl-sniff/docs/rbac" in manual.replace("\\-", "-")
        make("uninstall", *words, env=env)
        assert not files_below(destination)


def folder(*words, user=None, env=None):
    with open(os.path.join(ROOT, "packaging", "extcap-folder"), encoding="utf-8") as file:
        return subprocess.run(["sh", "-s", *words], check=True, text=True, stdin=file, stdout=subprocess.PIPE, user=user,
                              env=env).stdout.strip()


def test_wiresharks_folder():
    """The link goes where Wireshark looks for it, where one may write there and means this machine."""
    listed = subprocess.run(["dpkg", "-L", "wireshark-common"], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert folder("/usr/local", "") in listed.splitlines()
    own = "/usr/local/lib/wireshark/extcap,/usr/local/libexec/wireshark/extcap"
    assert folder("/usr/local", "/staged") == folder("/usr/local", "", user="nobody") == own


@pytest.mark.parametrize("version, says, there", [
    ("4.0", "Extcap path:", "usr/lib/riscv64-linux-gnu"), ("4.4", "Global Extcap path:", "usr/lib64"),
    ("4.6", "Global Extcap path:", "usr/libexec"), ("silent", None, "usr/libexec"), ("silent, before 4.6", None, "usr/lib64")])
def test_the_folder_of_another_wireshark(tmp_path, version, says, there):
    """It is asked, as others know it; where it does not say, it is where the folder is."""
    place = tmp_path / there / "wireshark/extcap"
    place.mkdir(parents=True)
    (tmp_path / "tshark").write_text(
        "#!/bin/sh\n" + (f"printf 'Temp: \t/tmp\nPersonal Extcap path:\t/home\n{says}\t{place}\n'\n" if says else "exit 1\n"))
    (tmp_path / "tshark").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **({} if says else {"ROOT": str(tmp_path)})}
    assert folder("/usr/local", "", env=env) == str(place), version


def test_help_lists_every_target():
    """And nothing else: each that is meant for a user says what it is for."""
    listed = set(re.findall(r"^  make ([a-z0-9-]+) +\S", make("help"), re.M))
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        phony = re.search(r"^\.PHONY: (.*)$", file.read(), re.M)[1].split()
    assert listed == set(phony) - {"all", "build-check"}
