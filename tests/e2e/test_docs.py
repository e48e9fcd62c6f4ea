# SPDX-License-Identifier: Apache-2.0
"""The manual: links lead somewhere, commands run as written, every message stands in it, both languages keep step."""
import contextlib
import glob
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from conftest import BUILD, GUARD, ROOT, Ksniff, wait_until
from documents import DOCUMENTS, dead_links, links

PAGES = sorted(os.path.relpath(path, ROOT) for pattern in ("*.md", "docs/*.md", "sandbox/*.md")
               for path in glob.glob(os.path.join(ROOT, pattern)))
WITH_COMMANDS = ["README.md"] + sorted(page for page in PAGES if page.startswith("docs/"))
TWO_LANGUAGES = pytest.mark.skipif(not os.path.exists(os.path.join(ROOT, "README.zh-CN.md")), reason="there is no README.zh-CN.md")


def read(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


def fenced(text):
    """The lines of all code blocks."""
    return [line for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]


def commands(page):
    """What a page says to type: the command lines that begin with kubectl sniff."""
    lines = [re.sub(r"^\$ ", "", line) for line in fenced(read(page))]
    return [line for line in lines if line.startswith("kubectl sniff")]


# ---- links ----

@pytest.mark.parametrize("page", PAGES)
def test_links_between_documents_lead_somewhere(page):
    assert not list(dead_links(ROOT, [page]))


def put_documents(directory, **env):
    subprocess.run([os.path.join(ROOT, "packaging", "documents"), directory], check=True, env={**os.environ, **env})


def files_below(directory):
    return {os.path.relpath(os.path.join(where, name), directory) for where, _, names in os.walk(directory) for name in names}


def test_links_lead_somewhere_where_the_manual_is_installed(tmp_path):
    """What make install, the packages and the archives put there has no link that leads out of it; none is missed."""
    put_documents(tmp_path)
    assert files_below(tmp_path) == DOCUMENTS
    assert len({name.lower() for name in DOCUMENTS}) == len(DOCUMENTS)  # as a Mac sees them
    assert not list(dead_links(tmp_path))
    assert ("docs/k9s-lens-headlamp.md", "../k9s/plugins.yaml") in [(page, link) for page in DOCUMENTS if page.endswith(".md")
                                                                 for link, _, _ in links((tmp_path / page).read_text(encoding="utf-8"))]
    (tmp_path / "docs/security.md").unlink()
    assert {("README.md", "docs/security.md"), ("docs/rbac/node.yaml", "../security.md")} <= set(dead_links(tmp_path, DOCUMENTS - {"docs/security.md"}))


def test_what_is_not_installed_is_named_without_a_link(tmp_path):
    put_documents(tmp_path)
    assert "[HACKING.md](HACKING.md)" in read("README.md")
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "HACKING.md" in text and "(HACKING.md)" not in text


def test_the_manual_goes_below_destdir(tmp_path):
    """As meson installs: the directory is one of the system that will be."""
    put_documents("/opt/share/doc/x", MESON_INSTALL_PREFIX="/opt", MESON_INSTALL_DESTDIR_PREFIX=str(tmp_path / "opt"))
    assert files_below(tmp_path / "opt/share/doc/x") == DOCUMENTS


# ---- messages ----

def messages(*words, root=ROOT):
    return subprocess.run([os.path.join(ROOT, "docs", "messages"), "--root", root, *words], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_every_message_stands_in_troubleshooting_with_its_remedy():
    done = messages("--check")
    assert done.returncode == 0, done.stderr


BURNS = 'the disk of "…" is on fire'
BURNS_IN_C = 'error_set(err, ERROR_OUTPUT, "the disk of \\"%s\\" is on fire", "x");'


@pytest.fixture(name="copy")
def copy_of_the_sources(tmp_path):
    for name in ("src", "agent", "docs"):
        shutil.copytree(os.path.join(ROOT, name), tmp_path / name)
    return tmp_path


def add_source(copy, text):
    with open(copy / "src/sink/file.c", "a", encoding="utf-8") as file:
        file.write(text)


def row_of(copy, said=BURNS):
    return re.search(rf"^\| `{re.escape(said)}` \| (.*) \|$", (copy / "docs/troubleshooting.md").read_text(encoding="utf-8"), re.M)[1]


def write_row(copy, remedy, said=BURNS):
    page = copy / "docs/troubleshooting.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(rf"^(\| `{re.escape(said)}` \|) .* \|$", lambda row: f"{row[1]} {remedy} |", text, flags=re.M), encoding="utf-8")


def test_a_message_that_is_new_is_missed(copy):
    add_source(copy, f"int x(struct error *err) {{ return {BURNS_IN_C} }}\n")
    assert "run docs/messages" in messages("--check", root=copy).stderr
    assert messages(root=copy).returncode == 0
    assert row_of(copy)
    assert messages("--check", root=copy).returncode == 0


def test_a_message_without_a_table_is_missed(copy):
    (copy / "src/sink/smoke.c").write_text(f"int x(struct error *err) {{ return {BURNS_IN_C} }}\n")
    assert f"no table takes src/sink/smoke.c: {BURNS}" in messages("--check", root=copy).stderr


def test_a_remedy_is_what_the_program_says(copy):
    """A macro is part of it; what strcmp() compares with is not. Which of several is for which case is written by hand."""
    add_source(copy, '#define BRIGADE "the fire brigade" /* theirs */\n'
                     f"int x(struct error *err, const char *place) {{ {BURNS_IN_C}\n"
                     '    return error_remedy(err, strcmp(place, "Oven room") == 0 ? "let it burn out" : "call " BRIGADE ", and leave"); }\n')
    several = messages(root=copy)
    assert row_of(copy) == "let it burn out; or: call the fire brigade, and leave"
    assert several.returncode == 1 and f"write into the row of '{BURNS}' which remedy is for which case" in several.stderr
    by_hand = "in an oven: let it burn out. Elsewhere: call the fire brigade, and leave"
    write_row(copy, by_hand)
    assert messages(root=copy).returncode == 0 and row_of(copy) == by_hand
    write_row(copy, "in an oven: let it burn out. Elsewhere: stay")
    assert messages(root=copy).returncode == 1 and "; or: " in row_of(copy)


@pytest.mark.parametrize("remedy", ["needs: …", "run away", "it takes neither nor", "call somebody, or; run", "choose another, or"])
def test_a_remedy_that_is_no_sentence_is_refused(copy, remedy):
    write_row(copy, remedy, "cannot start: out of memory")
    assert "no sentence: " + remedy in messages("--check", root=copy).stderr


def test_a_remedy_for_everything_is_refused(copy):
    page = copy / "docs/troubleshooting.md"
    said = re.findall(r"^\| `(.*?)` \| .* \|$", page.read_text(encoding="utf-8"), re.M)
    for one in [text for text in said if "kubeconfig" in text][:20]:
        write_row(copy, "correct what is wrong there", one)
    assert "messages have one remedy, which cannot be that of each: correct what is wrong there" in messages("--check", root=copy).stderr


def known_messages():
    """The messages of the tables, as patterns."""
    for said in re.findall(r"^\| `(.*?)` \| .* \|$", read("docs/troubleshooting.md"), re.M):
        said = said.replace("\\|", "|")
        yield re.compile("".join(".*" if part == "…" else r"\d+" if part == "N" else re.escape(part)
                                 for part in re.split(r"(…|\bN\b)", said)))


def is_known(text):
    """Whether a row of the tables is in it that says something: the agent's words stand behind the client's."""
    return any(pattern.search(text) for pattern in known_messages() if len(re.sub(r"\.\*|\\d\+|\W", "", pattern.pattern)) > 7)


def test_what_nobody_says_is_not_known():
    assert not is_known('the disk of "x" is on fire') and is_known('"wireshark" was not found')


@pytest.mark.parametrize("words", [
    ["--no-such-flag", "web"], ["web", "--duration", "soon"], ["web", "-o", ""], ["web", "-f", "tcp port"], ["web", "-f", "http.request"],
    ["nobody"], ["deploy/nobody"], ["svc/nobody"], ["-l", "app=nobody"], ["web", "-c", "nobody"], ["web", "-n", "nowhere"],
    ["web", "-o", "/nowhere/x.pcapng"], ["web", "--context", "nowhere"], ["web", "--kubeconfig", "/nowhere"],
    ["web", "-i", "eth9", "-o", "/dev/null", "--method", "upload"], ["nonroot", "--method", "upload", "-o", "/dev/null"],
    ["distroless", "--method", "upload", "-o", "/dev/null"], ["web", "--server", "https://127.0.0.1:1"], ["web", "api/x/y/z"],
], ids=" ".join)
def test_what_the_program_says_stands_there(sandbox, words):
    done = Ksniff(sandbox).run(*words)
    line = next(line for line in done.err.splitlines() if line.startswith("error: "))
    assert done.code and is_known(line.removeprefix("error: ")), done.err


# ---- commands ----

SHOP = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- {apiVersion: v1, kind: Namespace, metadata: {name: data}}
- {apiVersion: v1, kind: Namespace, metadata: {name: sniffing, labels: {pod-security.kubernetes.io/enforce: privileged}}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: sniffer, namespace: sniffing}}
- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: &pod {terminationGracePeriodSeconds: 0, containers: [&app
    {name: app, image: 'registry.local/busybox:1', command: [sleep, '86400']}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: web-0, labels: {app: shop}}, spec: *pod}
- {apiVersion: v1, kind: Pod, metadata: {name: api-0, labels: {app: api}}, spec: *pod}
- {apiVersion: v1, kind: Pod, metadata: {name: api, labels: {app: dns}}, spec: *pod}
- {apiVersion: v1, kind: Pod, metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}, spec: *pod}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: shop}
  spec: {replicas: 1, selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {containers: [*app]}}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: api}
  spec: {replicas: 1, selector: {matchLabels: {app: api}}, template: {metadata: {labels: {app: api}}, spec: {containers: [*app]}}}
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: db, namespace: data}
  spec: {replicas: 1, serviceName: db, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [*app]}}}
- {apiVersion: v1, kind: Service, metadata: {name: shop}, spec: {selector: {app: shop}, ports: [{port: 80}]}}
- {apiVersion: v1, kind: Service, metadata: {name: db, namespace: data}, spec: {selector: {app: db}, ports: [{port: 5432}]}}
- {apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, spec: {selector: {k8s-app: kube-dns}, ports: [{port: 53}]}}
- {apiVersion: v1, kind: Service, metadata: {name: empty}, spec: {selector: {app: nobody}, ports: [{port: 80}]}}
"""

# What a command says where it cannot do more here, and why. All others must begin to capture, or end with success.
REFUSED = {
    "kubectl sniff web --viewer termshark": '"termshark" needs a terminal',  # which a test of its own has
    "kubectl sniff svc/empty": 'service "empty" in namespace "default" has no pods',  # that is the recipe
}
AT_ONCE = 10
# Placeholders, what belongs to another machine, and what waits for a fault that does not happen here.
NOT_HERE = ["kubectl sniff POD", "./tcpdump", "--wait-for"]


@pytest.fixture(scope="module", name="shell")
def shell_of_the_manual(tmp_path_factory):
    """A cluster with what the manual names, and an environment with kubectl, the plugin and a Wireshark that shows nothing."""
    from conftest import running_sandbox  # pylint: disable=import-outside-toplevel
    top = tmp_path_factory.mktemp("manual")
    (top / "bin").mkdir()
    (top / "dir").mkdir()
    os.symlink(os.path.join(ROOT, BUILD, "src", "kubectl-sniff"), top / "bin/kubectl-sniff")
    viewer = top / "bin/wireshark"
    # Reads what comes, as Wireshark does: the pipe behind -i.
    viewer.write_text('#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -i ] && exec cat "$2" >/dev/null; shift; done\n')
    viewer.chmod(0o755)
    with running_sandbox("--nodes", "2", "--service") as box:
        env = {**box.env, "PATH": f"{top}/bin:{os.environ['PATH']}", "DISPLAY": ":no-display", "LC_ALL": "C.UTF-8",
               "KSNIFF_WIRESHARK": str(viewer)}
        subprocess.run(["kubectl", "apply", "-f", "-"], input=SHOP, env=env, text=True, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        wait_until(lambda: len([p for p in box.get("/api/v1/pods")["items"] if p["status"].get("phase") == "Running"]) >= 13,
                   "the pods of the manual")
        yield box, env, top


def begin(line, env, directory, number):
    """Starts a command in a process group and a directory of its own. Returns it and the file of its messages."""
    place = directory / f"at-{number}"
    place.mkdir()
    (place / "dir").mkdir()
    said = open(place / "said", "w+b")
    process = subprocess.Popen(["bash", "-o", "pipefail", "-c", line], cwd=place, env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)
    return process, said


def words_of(said):
    with open(said.name, encoding="utf-8", errors="replace") as file:
        return file.read()


def read_all(connection):
    with connection, contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


def finish(line, process, said):
    """A command that has no end of its own is interrupted once it captures. Returns its code and what it said."""
    wait_until(lambda: process.poll() is not None or "capturing;" in words_of(said), line)
    served = re.search(r"tcp://127\.0\.0\.1:(\d+)", line)
    if served:  # somebody has to connect, or what was captured is lost
        threading.Thread(target=read_all, args=(socket.create_connection(("127.0.0.1", int(served[1])), timeout=GUARD),), daemon=True).start()
    if process.poll() is None and "--duration" not in line:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=GUARD)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said.close()
    return process.returncode, words_of(said)


def turn_of(line):
    """What is about recordings comes when they are there, and their end last."""
    return 2 if "--end" in line else 1 if re.search(r"--(recordings|fetch|wait-for)", line) else 0


def shorter(line):
    """The same, without waiting for half a minute."""
    return re.sub(r"--duration \d+s", "--duration 1s", line)


def ended_by_interrupt(line, code, text):
    """Of a pipe the code may be tshark's: 130 after a Ctrl-C, 2 where that came before it had read anything, or 255 where its
    dumpcap was interrupted as it began to read. Wrong words on its command line it tells."""
    return "|" in line and (code == 130 or (code == 2 and "tshark: " not in text) or (code == 255 and ": Interrupted" in text))


def test_every_command_of_the_manual_runs_as_it_is_written(shell):
    _, env, top = shell
    lines = {re.sub(r"\s+#.*", "", line): page for page in WITH_COMMANDS for line in commands(page)}
    lines = [(line, page) for line, page in lines.items() if not any(part in line for part in NOT_HERE)]
    assert len(lines) > 50
    wrong = []
    # Not all at once: each is several processes.
    groups = [[] for _ in range(3)]
    for line in lines:
        groups[turn_of(line[0])].append(line)
    together = [group[start:start + AT_ONCE] for group in groups for start in range(0, len(group), AT_ONCE)]
    for number, group in enumerate(together):
        some = [(line, page, *begin(shorter(line), env, top, number * AT_ONCE + i)) for i, (line, page) in enumerate(group)]
        for line, page, process, said in some:
            code, text = finish(line, process, said)
            if line in REFUSED:
                if code == 0 or REFUSED[line] not in text:
                    wrong.append((page, line, code, text))
            elif not (code == 0 or ended_by_interrupt(line, code, text)) or "Sanitizer" in text or re.search(r"^error: ", text, re.M):
                wrong.append((page, line, code, text))
    assert not wrong


# ---- the Go plugin ----

# Every flag of the plugin in Go (pkg/cmd/sniff.go): name, letter, environment variable.
GO_FLAGS = [("namespace", "n", "CURRENT_NAMESPACE"), ("interface", "i", "LOCAL_FLAG_INTERFACE"), ("container", "c", "LOCAL_FLAG_CONTAINER"),
            ("filter", "f", "LOCAL_FLAG_FILTER"), ("output-file", "o", "LOCAL_FLAG_OUTPUT_FILE"),
            ("local-tcpdump-path", "l", "LOCAL_FLAG_LOCAL_TCPDUMP_PATH"), ("remote-tcpdump-path", "r", "LOCAL_FLAG_REMOTE_TCPDUMP_PATH"),
            ("verbose", "v", "LOCAL_FLAG_VERBOSE"), ("privileged", "p", "LOCAL_FLAG_PRIVILEGED"), ("pod-creation-timeout", "", ""),
            ("image", "", "LOCAL_FLAG_IMAGE"), ("tcpdump-image", "", "LOCAL_FLAG_TCPDUMP_IMAGE"), ("context", "x", "CURRENT_CONTEXT"),
            ("socket", "", "SOCKET_PATH"), ("serviceaccount", "s", "LOCAL_FLAG_SERVICE_ACCOUNT")]


@pytest.mark.parametrize("name, letter, variable", GO_FLAGS)
def test_each_flag_of_the_go_plugin_is_there_and_told(name, letter, variable):
    page = read("docs/from-the-go-plugin.md")
    row = next(line for line in page.splitlines() if line.startswith("| `") and f"`--{name}`" in line.split("|")[1])
    text = subprocess.run([os.path.join(ROOT, BUILD, "src", "kubectl-sniff"), "--help"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    assert f"--{name}" in text
    if letter:
        assert f"`-{letter}`" in row and re.search(rf"-{letter}[, ]", text)
    if variable:
        assert f"KUBECTL_PLUGINS_{variable}" in row and f"KUBECTL_PLUGINS_{variable}]" in text


# ---- the man page ----

def man():
    return subprocess.run([os.path.join(ROOT, BUILD, "src", "kubectl-sniff"), "--help=man"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")


@pytest.mark.parametrize("sentence", [
    "With the name of a file that exists, -l is a static tcpdump to upload instead", "over all targets and files",
    "calls the second sighting a TCP retransmission", "--dedup keeps the first only", "Deinterlacing conversations key",
    "takes in what is not recorded yet, such as the pods of a rollout",
    "--fetch and --wait-for end with 0 when all that the recording has of what is wanted has come",
    "130 when they were interrupted before all had come",
    "/share/doc/kubectl-sniff/docs: troubleshooting.md has every message with what to do about it"])
def test_the_man_page_tells(sentence):
    assert sentence in man()


# ---- two languages ----

def shape(text):
    """What both languages have alike: levels of headings, code, tables (rows and columns), pictures, and links."""
    plain = re.sub(r"^```.*?^```\n", "", text, flags=re.M | re.S)
    return {
        "headings": [len(level) for level in re.findall(r"^(#+) ", plain, re.M)],
        "commands": [re.sub(r"\s+#.*", "", line).strip() for line in fenced(text)],
        "tables": [line.count("|") - line.count("\\|") for line in plain.splitlines() if line.startswith("|")],
        "flags": sorted(set(re.findall(r"`(--?[a-zA-Z][-a-z]*)", plain))),
        "links": [target for target in re.findall(r"\]\(([^)\s]+)\)", plain) if not target.startswith(("#", "README"))],
    }


@TWO_LANGUAGES
@pytest.mark.parametrize("part", ["headings", "commands", "tables", "flags", "links"])
def test_both_readmes_keep_step(part):
    assert shape(read("README.zh-CN.md"))[part] == shape(read("README.md"))[part]


def test_what_is_out_of_step_is_seen():
    text = read("README.md")
    for part, changed in (("headings", text + "\n## More\n"), ("commands", text.replace("kubectl sniff web -p", "kubectl sniff web -q")),
                          ("tables", text.replace("| upload |", "| upload | |")), ("flags", text + "`--new`")):
        assert shape(changed)[part] != shape(text)[part]


def test_the_first_screen_has_one_sentence_the_picture_and_the_install_table():
    lines = [line for line in read("README.md").splitlines() if line][:14]
    assert lines[0] == "# kubectl sniff" and lines[1].startswith("`kubectl sniff POD` shows") and lines[2].startswith("![")
    assert any(line == "## Install" for line in lines) and any(line.startswith("| with |") for line in lines)


# ---- privileges ----

@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/production.md", "docs/from-the-go-plugin.md", "docs/methods.md"])
def test_that_a_helper_may_become_privileged_is_told(page):
    """tests/e2e/test_node.py holds when it does (test_more_privilege_only_where_it_is_needed)."""
    assert "security.md#how-much-it-asks-for" in read(page)


def test_what_is_said_of_it_then_is_what_the_program_says():
    with open(os.path.join(ROOT, "src/method/helper_recipe.c"), encoding="utf-8") as file:
        source = file.read()
    told = section("docs/security.md", "## How much it asks for")
    for words in ("the node does not let the helper pod in (", "): trying again ", "privileged"):
        assert words in told and words in source


# ---- installing it ----

def section(page, heading):
    """What stands under a heading, up to the next one of its level."""
    level = heading.partition(" ")[0]
    return re.search(rf"^{re.escape(heading)}\n(.*?)(?=^{level} |\Z)", read(page), re.M | re.S)[1]


@pytest.mark.parametrize("page, heading", [
    ("README.md", "## Install"), ("README.md", "## A minute's tour"), ("docs/macos.md", "## Pods among Wireshark's interfaces"),
    ("docs/dist.md", "# One file that runs anywhere"), ("docs/packages.md", "## krew"), ("docs/packages.md", "## Homebrew and Arch Linux")])
def test_each_way_to_install_it_leads_to_wiresharks_interfaces(page, heading):
    """Nothing but --install-extcap makes the link there."""
    assert "kubectl sniff --install-extcap" in section(page, heading)


def installing(page):
    """The lines that unpack an archive and what follows on them, as shell."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", read(page), re.M | re.S)
    return next(block for block in blocks if block.startswith("tar -xzf kubectl-sniff_"))


@pytest.mark.parametrize("page", ["README.md", "docs/dist.md", "docs/macos.md"])
def test_an_archive_is_installed_by_the_lines_that_say_so(page, tmp_path):
    """The program and the hook of kubectl's completion, and nothing else of what is beside them."""
    lines = installing(page)
    name = "kubectl-sniff_0.1.0_" + re.search(r"_\*_(\w+)\.tar", lines)[1]
    for file in ("kubectl-sniff", "kubectl_complete-sniff", "kubectl-sniff.1", "LICENSE", "completions/kubectl-sniff.bash", "completions/_kubectl-sniff"):
        (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / file).write_text(file)
    subprocess.run(["tar", "-czf", f"{name}.tar.gz", name], cwd=tmp_path, check=True)
    shutil.rmtree(tmp_path / name)
    place = tmp_path / "bin"
    place.mkdir()
    subprocess.run(["sh", "-euc", lines.replace("sudo ", "").replace("/usr/local/bin", str(place))], cwd=tmp_path, check=True, timeout=GUARD)
    assert {path.name: os.access(path, os.X_OK) for path in place.iterdir()} == {"kubectl-sniff": True, "kubectl_complete-sniff": True}


def test_commands_of_the_manual_are_shell():
    for page in WITH_COMMANDS:
        for line in commands(page):
            assert shlex.split(line, comments=True)[:2] == ["kubectl", "sniff"]
