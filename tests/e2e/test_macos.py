# SPDX-License-Identifier: Apache-2.0
"""What can be held of macOS without one: that the client compiles for it, and finds Wireshark among its applications."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import GUARD, ROOT

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


# The oldest that is supported, and the newest whose headers the compiler has: it calls more functions obsolete.
@pytest.mark.parametrize("cpu, version", [("aarch64", 11), ("x86_64", 13)])
def test_every_file_compiles_for_macos(zig, headers, cpu, version):
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
    (tmp_path / "src" / "base" / "apple.c").write_text("#if defined(__APPLE__)\n#endif\n")
    done = subprocess.run([check], capture_output=True, text=True, check=False, timeout=GUARD)
    assert done.returncode == 1 and "base/apple.c:1:" in done.stdout and "src/base/system.c" in done.stderr, done


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
    """And the options of meson are others there."""
    env, _ = mac
    done = subprocess.run(["make", "-C", ROOT, "-pn", "--no-print-directory", "help"], env={**env, "PKG_CONFIG_PATH": "/mine", "CPATH": ""},
                          capture_output=True, text=True, check=True, timeout=GUARD)
    assert "PKG_CONFIG_PATH := /opt/brew/opt/curl/lib/pkgconfig:/opt/brew/opt/libpcap/lib/pkgconfig:/opt/brew/opt/openssl@3/lib/pkgconfig:/mine\n" \
        in done.stdout
    assert "CPATH := /opt/brew/include\n" in done.stdout and "SYSTEM_OPTIONS = -Dwerror=false" in done.stdout
