# SPDX-License-Identifier: Apache-2.0
"""What can be held of macOS without one: that the client compiles for it, and finds Wireshark among its applications."""
import os
import re
import shutil
import subprocess
import tarfile

import pytest

import macho
from conftest import GUARD, ROOT
from test_dist import compiled_anew

VERSION = "0.1.0"
LIBRARIES = ["libcurl", "jansson", "yaml-0.1", "libpcap", "zlib", "libzstd", "liblz4", "openssl"]
# What meson gives a compiler there, and what make lint's compiler is asked for.
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-D_POSIX_C_SOURCE=200809L",
         "-D_DARWIN_C_SOURCE", "-DKSNIFF_OPENSSL", '-DKSNIFF_VERSION="0"', '-DKSNIFF_DOC_DIR="/"', "-Isrc", "-I."]


@pytest.fixture(scope="module")
def zig():
    done = subprocess.run([os.path.join(ROOT, "packaging", "dist", "zig")], capture_output=True, text=True, check=False, timeout=10 * GUARD)
    if done.returncode:
        pytest.skip(f"no compiler for macOS: {done.stderr.strip()}")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def headers(tmp_path_factory):
    """Those of the libraries, without the system's others beside them, which are not macOS's."""
    place = tmp_path_factory.mktemp("headers")
    flags = subprocess.run(["pkg-config", "--cflags-only-I", "--keep-system-cflags", *LIBRARIES], capture_output=True, text=True, check=True)
    folders = list(dict.fromkeys(re.findall(r"-I(\S+)", flags.stdout)))
    for name in ("curl", "jansson.h", "jansson_config.h", "yaml.h", "pcap", "pcap.h", "zlib.h", "zconf.h", "zstd.h", "lz4.h", "lz4frame.h",
                 "wslay", "openssl"):
        found = [os.path.join(folder, name) for folder in folders if os.path.exists(os.path.join(folder, name))]
        assert found, f"no '{name}' in {folders}"
        if not os.path.isdir(found[0]):
            (place / name).symlink_to(found[0])
            continue
        (place / name).mkdir()
        for folder in reversed(found):
            for file in os.listdir(folder):
                (place / name / file).unlink(missing_ok=True)
                (place / name / file).symlink_to(os.path.join(folder, file))
    return place


def sources():
    found = [os.path.join(where, name) for folder in ("src", "common") for where, _, names in os.walk(os.path.join(ROOT, folder))
             for name in names if name.endswith(".c")]
    return sorted(os.path.relpath(path, ROOT) for path in found)


def test_every_file_compiles_for_the_newest_macos(zig, headers, cpu="x86_64", version=13):
    """The newest whose headers the compiler has: it calls more functions obsolete than the oldest, for which all of it is built below."""
    lib = os.path.join(os.path.dirname(zig), "lib")
    own = [f"{lib}/include", *(f"{lib}/libc/include/{name}" for name in (f"{cpu}-macos.{version}-none", f"any-macos.{version}-any",
                                                                       "any-macos-any"))]
    assert all(map(os.path.isdir, own)), own
    done = subprocess.run([zig, "clang", "-target", f"{cpu}-apple-macos{version}.0", "-fsyntax-only", "-nostdinc",
                           *(word for folder in own for word in ("-isystem", folder)), *FLAGS, "-isystem", str(headers), *sources()],
                          cwd=ROOT, capture_output=True, text=True, check=False, timeout=10 * GUARD)
    assert done.returncode == 0, done.stderr


def test_what_differs_between_systems_stands_in_one_file(tmp_path):
    """make lint names a file that asks for the system."""
    shutil.copytree(os.path.join(ROOT, "src"), tmp_path / "src")
    (tmp_path / "packaging").mkdir()
    check = shutil.copy(os.path.join(ROOT, "packaging", "check-layers"), tmp_path / "packaging")
    assert subprocess.run([check], check=False, timeout=GUARD).returncode == 0
    (tmp_path / "src" / "base" / "apple.c").write_text("#if defined(__APPLE__)\nint x;\n#endif\nconst char *own = \"/proc/self/exe\";\n")
    done = subprocess.run([check], capture_output=True, text=True, check=False, timeout=GUARD)
    assert done.returncode == 1 and "base/apple.c:1:" in done.stdout and "base/apple.c:4:" in done.stdout and "src/base/system.c" in done.stderr, done


def test_wireshark_is_found_among_the_users_applications(sandbox, ksniff, tmp_path):
    """It is nowhere in PATH; it reads our pipe, as it does from its disk image's own place."""
    home, inside = tmp_path / "home", tmp_path / "home" / "Applications" / "Wireshark.app" / "Contents" / "MacOS"
    inside.mkdir(parents=True)
    (inside / "Wireshark").write_text(f"#!/bin/sh\necho \"$0 $@\" >'{tmp_path}/words'\ncat \"$3\" >'{tmp_path}/got'\n")
    (inside / "Wireshark").chmod(0o700)
    (tmp_path / "bin").mkdir()
    for program in "cat", "rm":
        (tmp_path / "bin" / program).symlink_to(f"/bin/{program}")
    # macOS ends it with a slash.
    result = ksniff.run("web", "--count", "2", env={"HOME": str(home), "PATH": str(tmp_path / "bin"), "DISPLAY": ":0", "TMPDIR": f"{tmp_path}/"})
    assert result.code == 0, result.err
    words = (tmp_path / "words").read_text().split()
    assert words[:3] == [str(inside / "Wireshark"), "-k", "-i"] and words[3].startswith(f"{tmp_path}/kubectl-sniff-"), words
    assert (tmp_path / "got").stat().st_size > 0


# ---- building on a Mac ----

@pytest.fixture
def mac(tmp_path):
    """What a Mac has that a build asks: uname, and Homebrew, with two formulae. Gives the environment and what brew was told."""
    told, programs = tmp_path / "told", tmp_path / "bin"
    programs.mkdir()
    for name, body in (("uname", "echo Darwin"),
                       ("brew", f'case "$*" in --prefix) echo /opt/brew ;; "list --versions "*) case "$3" in meson | curl) ;; *) exit 1 ;; esac ;;\n'
                                f'*) echo "$*" >>"{told}" ;; esac'),
                       ("dpkg-query", "exit 1")):
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}, told


def install_dependencies(env, *groups):
    return subprocess.run([os.path.join(ROOT, "packaging", "install-dependencies"), *groups], env=env, capture_output=True, text=True,
                          check=False, timeout=GUARD)


def test_homebrew_is_asked_for_what_is_missing(mac):
    """All that the formula needs but what is there."""
    env, told = mac
    done = install_dependencies(env, "build")
    assert done.returncode == 0 and done.stderr.startswith("these formulae are needed: ninja pkgconf jansson "), done
    words = told.read_text().split()
    assert words[0] == "install" and {"ninja", "pkgconf", "jansson", "libpcap", "libyaml", "lz4", "openssl@3", "wslay", "zstd"} == set(words[1:])


def test_what_needs_linux_is_refused_on_a_mac(mac):
    env, told = mac
    done = install_dependencies(env, "build", "demo")
    assert done.returncode == 1 and 'on macOS there is "make build"' in done.stderr and not told.exists()


def test_make_looks_where_homebrew_keeps_curl(mac):
    """And the options of meson are others there, as are the agents: those that the release has ready-made."""
    env, _ = mac
    done = subprocess.run(["make", "-C", ROOT, "-pn", "--no-print-directory", "help"], env={**env, "PKG_CONFIG_PATH": "/mine", "CPATH": ""},
                          capture_output=True, text=True, check=True, timeout=GUARD)
    assert "PKG_CONFIG_PATH := /opt/brew/opt/curl/lib/pkgconfig:/opt/brew/opt/libpcap/lib/pkgconfig:/opt/brew/opt/openssl@3/lib/pkgconfig:/mine\n" \
        in done.stdout
    assert "CPATH := /opt/brew/include\n" in done.stdout and "SYSTEM_OPTIONS = -Dwerror=false" in done.stdout
    assert f"AGENTS (./ksniff-agents_{VERSION})" in subprocess.run(["make", "-C", ROOT, "help"], env=env, capture_output=True, text=True, check=True,
                                                                   timeout=GUARD).stdout


@pytest.fixture
def source(tmp_path):
    """As much of the source as make looks at before it calls meson."""
    top = tmp_path / "source"
    for name in ("Makefile", "meson.build", "packaging/install-dependencies", "packaging/extcap-folder", "packaging/homebrew/kubectl-sniff.rb.in"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), top / name)
    return top


@pytest.mark.parametrize("words, named", [([], f"./ksniff-agents_{VERSION}"), (["AGENTS=./mine"], "./mine")])
def test_a_build_without_agents_says_what_to_unpack(mac, source, words, named):
    """In one line, before Homebrew installs anything; with the agents it goes on to Homebrew."""
    env, told = mac
    command = ["make", "-C", source, "--no-print-directory", "build", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=GUARD)
    assert done.returncode == 2 and not told.exists()
    assert [line for line in done.stderr.splitlines() if not re.match(r"make(\[\d+\])?: \*\*\*", line)] == [
        f'make: no agents in "{named}": unpack the release\'s ksniff-agents_*.tar.gz in this directory, or name another with '
        "AGENTS=./DIRECTORY (docs/macos.md)"]
    (source / named).mkdir()
    (source / named / "ksniff-agent-amd64").touch()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=GUARD)
    assert "no agents in" not in done.stderr and told.exists(), done


def test_linux_asks_for_no_folder_of_agents(source):
    """There a build makes them."""
    done = subprocess.run(["make", "-C", source, "-n", "--no-print-directory", "build"], capture_output=True, text=True, check=True, timeout=GUARD)
    assert "packaging/install-dependencies build" in done.stdout and "no agents in" not in done.stdout


# ---- what make dist-macos makes ----

TARGETS = {"aarch64-macos": "darwin_arm64", "x86_64-macos": "darwin_amd64"}
LARGEST = 8 << 20


@pytest.fixture(scope="module")
def dist(zig, tmp_path_factory):  # pylint: disable=unused-argument
    """What it makes for macOS alone, and the program of each kind of Mac."""
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(["make", "-C", ROOT, "--no-print-directory", "dist-macos", f"DIST={out}", "DIST_TARGETS="], check=False, text=True,
                          timeout=120 * GUARD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and "warning" not in done.stdout, done.stdout
    programs = {}
    for name in TARGETS.values():
        with tarfile.open(out / f"kubectl-sniff_{VERSION}_{name}.tar.gz") as archive:
            archive.extractall(out / "unpacked")
        programs[name] = out / "unpacked" / f"kubectl-sniff_{VERSION}_{name}" / "kubectl-sniff"
    return out, programs


def test_the_archives_for_macos(dist):
    """As those for Linux: program, man page, completion, manual with the roles, and licenses; named in SHA256SUMS, and in the manifest for krew."""
    out, programs = dist
    sums, manifest = (out / "SHA256SUMS").read_text(encoding="ascii"), (out / "sniff.yaml").read_text(encoding="utf-8")
    for name, program in programs.items():
        assert f"  kubectl-sniff_{VERSION}_{name}.tar.gz\n" in sums
        assert f"/kubectl-sniff_{VERSION}_{name}.tar.gz" in manifest
        assert os.access(program, os.X_OK)
        for file in ("LICENSE", "kubectl-sniff.1", "kubectl_complete-sniff", "README.md", "docs/rbac/upload.yaml", "licenses/openssl", "licenses/curl"):
            assert (program.parent / file).stat().st_size > 0


@pytest.mark.parametrize("name, cpu", [("darwin_arm64", "arm64"), ("darwin_amd64", "x86_64")])
def test_what_the_program_asks_of_macos(dist, name, cpu):
    """macOS 11 or later, the one library that every Mac has, addresses that differ each time; and it is small."""
    program = macho.Program(dist[1][name])
    assert program.cpu == cpu and program.flags & macho.PIE
    assert program.dylibs == ["/usr/lib/libSystem.B.dylib"]
    assert program.build == (macho.MACOS, (11, 0))
    assert program.uuid and program.uuid != bytes(16)
    assert len(program.data) < LARGEST
    for text in (VERSION.encode(), b"/etc/ssl/cert.pem", b"Wireshark.app/Contents/MacOS"):
        assert text in program.data


def test_each_agent_is_inside(dist):
    """The Linux programs that it sends into the cluster, as ELF, for all six architectures."""
    for path in dist[1].values():
        data = macho.Program(path).data
        machines = {data[found.start() + (19 if found[1] == b"\x02" else 18)] for found in re.finditer(b"\x7fELF[\x01\x02]([\x01\x02])\x01", data)}
        assert {62, 183, 40, 243, 21, 22} <= machines  # amd64, arm64, arm, riscv64, ppc64le, s390x: e_machine of elf.h


def test_the_program_for_apples_processors_is_signed(dist, tmp_path):
    """Ad hoc: the hash of every page is right, or macOS would kill it there. A changed byte is seen."""
    path = dist[1]["darwin_arm64"]
    program = macho.Program(path)
    program.check_signature()
    changed = bytearray(program.data)
    changed[len(changed) // 2] ^= 1
    (tmp_path / "changed").write_bytes(changed)
    with pytest.raises(AssertionError, match="page"):
        macho.Program(tmp_path / "changed").check_signature()


def test_the_same_bytes_for_macos_elsewhere(dist, tmp_path):
    """Built again from the archive of the source, in another directory; as with make dist, some of it by the compiler in any case."""
    if subprocess.run(["git", "-C", ROOT, "diff", "--quiet", "HEAD"], check=False).returncode:
        pytest.skip("there are changes that are not committed, and so not in the archive of the source")
    out, programs = dist
    with tarfile.open(out / f"kubectl-sniff-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path)
    source = tmp_path / f"kubectl-sniff-{VERSION}"
    libraries = subprocess.run([source / "packaging" / "dist" / "libraries", "aarch64-macos"], check=True, text=True, timeout=120 * GUARD,
                               stdout=subprocess.PIPE).stdout.strip()
    # As deep as the first: ccache has the same files then.
    again = source / "build-dist" / "again"
    for command in (["meson", "setup", again, source, "--cross-file", f"{libraries}/cross.ini", "--prefix=/usr/local",
                     "--buildtype=release", "-Db_ndebug=false", "-Dtests=disabled",
                     f"-Dagents={os.path.join(ROOT, 'build-agents', 'agent')}"],
                    ["ninja", "-C", again, "src/kubectl-sniff"]):
        subprocess.run(command, check=True, timeout=20 * GUARD, stdout=subprocess.DEVNULL)
    assert (again / "src" / "kubectl-sniff").read_bytes() == programs["darwin_arm64"].read_bytes()
    compiled_anew(again, "src/libksniff.a.p/base_s*.c.o", "src/libksniff.a.p/sink_c*.c.o")
