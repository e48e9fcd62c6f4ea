# SPDX-License-Identifier: Apache-2.0
"""What krew demands of a plugin's manifest and of its archives. Sources, in sigs.k8s.io/krew: internal/index/validation/
validate.go (fields, selectors), internal/installation/semver/version.go, internal/installation/move.go and install.go (files,
bin), internal/download/downloader.go (kinds of archives), cmd/validate-krew-manifest/main.go (file name, lengths of lines,
platforms that overlap or that krew does not know, LICENSE), site/content/docs/developer-guide/develop/naming-guide.md (the
name) and plugin-manifest.md (homepage, description)."""
import fnmatch
import hashlib
import os
import posixpath
import re
import tarfile

import yaml

PLATFORMS = [("windows", "386"), ("windows", "amd64"), ("windows", "arm64"), ("linux", "386"), ("linux", "amd64"), ("linux", "arm"),
             ("linux", "arm64"), ("linux", "ppc64le"), ("darwin", "386"), ("darwin", "amd64"), ("darwin", "arm64")]
SEMVER = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
FORBIDDEN = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


def matches(selector, system, machine):
    """Whether a label selector takes this platform."""
    labels = {"os": system, "arch": machine}
    if any(labels[key] != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    tests = {"In": lambda value, values: value in values, "NotIn": lambda value, values: value not in values,
             "Exists": lambda value, values: True, "DoesNotExist": lambda value, values: False}
    return all(tests[each["operator"]](labels[each["key"]], each.get("values")) for each in selector.get("matchExpressions") or [])


def complaints_of_name(name, stem):
    if name != stem:
        yield f"the file of the plugin {name!r} is called {stem!r}"
    if not re.fullmatch(r"[\w-]+", name) or name.lower() in FORBIDDEN:
        yield f"unsafe name {name!r}"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or name.startswith(("kube", "kubectl-")):
        yield f"the name {name!r} is not as the naming guide wants it"


def complaints_of_spec(spec):
    if not SEMVER.fullmatch(str(spec.get("version", ""))):
        yield f"version {spec.get('version')!r} is no 'v' with a semantic version"
    short = spec.get("shortDescription") or ""
    if not short or "\n" in short or "\r" in short or len(short) > 70:
        yield "shortDescription has to be one line of at most 70 characters"
    if not spec.get("description"):
        yield "no description"
    for field in ("description", "caveats"):
        if any(len(line) > 80 and " " in line.strip() for line in (spec.get(field) or "").split("\n")):
            yield f"{field} has lines of more than 80 characters"
    if not str(spec.get("homepage", "")).startswith("https://"):
        yield "no homepage"
    if not spec.get("platforms"):
        yield "no platform"


def complaints_of_selector(selector):
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield "empty selector"
        return
    keys = [*(selector.get("matchLabels") or {}), *(each["key"] for each in selector.get("matchExpressions") or [])]
    if set(keys) - {"os", "arch"}:
        yield f"selector with {keys}"
    elif not any(matches(selector, *platform) for platform in PLATFORMS):
        yield f"{selector} means no platform of krew's"


def complaints_of_fields(platform):
    if not re.fullmatch(r"https://\S+\.(tar\.gz|zip)", platform.get("uri") or ""):
        yield f"uri {platform.get('uri')!r} is no .tar.gz or .zip"
    if not re.fullmatch(r"[0-9a-f]{64}", str(platform.get("sha256") or "")):
        yield f"sha256 {platform.get('sha256')!r} is none"
    if not platform.get("bin"):
        yield "no bin"
    if "files" in platform and not platform["files"]:
        yield "files is empty"
    for each in platform.get("files") or []:
        if not each.get("from") or not each.get("to"):
            yield "files without from or to"
        elif posixpath.normpath(each["to"]) != each["to"]:
            yield f"the path {each['to']!r} is not clean"


def installed(archive, files):
    """What krew would install: path to member. It takes a pattern's matches by their last name."""
    members = {posixpath.normpath(member.name): member for member in archive.getmembers()}
    result = {}
    for each in files:
        pattern = posixpath.normpath(each["from"])
        # A star does not match a slash.
        found = [name for name in members if name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)]
        if not found:
            yield None, each["from"]
        for name in found:
            # A file that is named itself may be called otherwise.
            to = each["to"] if name == pattern and each["to"] != "." else posixpath.join(each["to"], posixpath.basename(name))
            result[posixpath.normpath(to)] = members[name]
    yield from result.items()


def complaints_of_archive(platform, path):
    with open(path, "rb") as file:
        if hashlib.sha256(file.read()).hexdigest() != platform["sha256"]:
            yield f"the checksum of {path} is another one"
    with tarfile.open(path, "r:gz") as archive:
        if any(member.name.startswith("/") or ".." in member.name.split("/") for member in archive):
            yield f"{path} has paths that lead out of it"
        there = list(installed(archive, platform.get("files") or [{"from": "*", "to": "."}]))
    yield from (f"{pattern!r} matches nothing in {path}" for name, pattern in there if name is None)
    there = {name: member for name, member in there if name}
    program = there.get(posixpath.normpath(platform["bin"]))
    if not program or not program.isfile() or not program.mode & 0o111:
        yield f"{platform['bin']!r} is no program in {path}"
    if "LICENSE" not in there:
        yield f"no LICENSE is installed from {path}"


def complaints(manifest, archives=None):
    """All that krew would refuse, or krew-index's reviewers would: sentences. archives: the directory that has those that the
    manifest names; None: they are not looked at."""
    stem, extension = os.path.splitext(os.path.basename(manifest))
    with open(manifest, encoding="utf-8") as file:
        plugin = yaml.safe_load(file)
    found = [] if extension == ".yaml" else [f"the file ends in {extension!r}"]
    if plugin.get("apiVersion") != "krew.googlecontainertools.github.com/v1alpha2" or plugin.get("kind") != "Plugin":
        found.append("another kind of object")
    spec = plugin["spec"]
    found += [*complaints_of_name(plugin["metadata"]["name"], stem), *complaints_of_spec(spec)]
    for platform in spec.get("platforms") or []:
        wrong = [*complaints_of_fields(platform), *complaints_of_selector(platform.get("selector"))]
        if archives and not wrong:
            wrong += complaints_of_archive(platform, os.path.join(archives, posixpath.basename(platform["uri"])))
        found += wrong
    if not found:
        for each in PLATFORMS:
            if sum(matches(platform["selector"], *each) for platform in spec["platforms"]) > 1:
                found.append(f"several platforms are for {each}")
    return found
