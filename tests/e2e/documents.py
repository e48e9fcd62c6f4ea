# SPDX-License-Identifier: Apache-2.0
"""What there is to read beside the program, installed or unpacked, and whether its links lead somewhere."""
import glob
import os
import re

from cluster import ROOT


def those(pattern, folder=""):
    return {os.path.join(folder, os.path.basename(path)) for path in glob.glob(os.path.join(ROOT, pattern))}


DOCUMENTS = those("README*.md") | {"SECURITY.md", "k9s/plugins.yaml"} | those("docs/*.md", "docs") | those("docs/*.png", "docs") \
    | those("docs/rbac/*", "docs/rbac")


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(text):
    """As GitHub makes them of headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M):
        name = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        while name in found:
            name += "-1"
        found.add(name)
    return found


def links(text):
    """Those of a page that lead to files: (link, path, anchor). Of a role: the page that its comment names."""
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(text)) + re.findall(r"^# .*\(see (\.\./\S+)\)", text, re.M)
    for target in targets:
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield target, path, anchor


def dead_links(directory, pages=DOCUMENTS):
    """(page, link) of each that leads nowhere, or out of the directory."""
    def text_of(name):
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return file.read()

    for page in sorted(name for name in pages if not name.endswith(".png")):
        for target, path, anchor in links(text_of(page)):
            there = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if there.startswith("..") or not os.path.exists(os.path.join(directory, there)) \
                    or (anchor and anchor not in anchors(text_of(there))):
                yield page, target
