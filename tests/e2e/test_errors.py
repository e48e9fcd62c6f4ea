# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on the way: one line that names the thing and the remedy, and the right exit code."""
import json
import os
import pty
import re
import socket
import subprocess
import threading

import pytest

from conftest import GUARD, in_netns, tshark, wait_until

PODS = {"verbs": ["get"], "resources": ["pods"]}
EXEC = {"verbs": ["create"], "resources": ["pods/exec"]}


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "x.pcapng")


def config_with(sandbox, tmp_path, **cluster):
    with open(sandbox.kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    config["clusters"][0]["cluster"].update(cluster)
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


def test_no_such_pod(ksniff, out):
    assert ksniff.fail("absent", "-n", "shop", "-o", out) == (
        'pods "absent" not found in namespace "shop" (list them with: kubectl get pods -n shop; choose a namespace '
        'with -n)')
    assert not os.path.exists(out)


def test_a_pod_of_a_near_name(sandbox, ksniff, out):
    error = ksniff.fail("wbe", "-o", out)
    assert error == 'pods "wbe" not found in namespace "default" (did you mean "web"? list them with: kubectl get pods -n default)'
    # What a Deployment is called is how its pods' names begin.
    sandbox.create_pod("frontend-6d4cf56db6-x7k2p", wait=False, containers=[
        {"name": "app", "image": "busybox", "command": ["sleep", "1000"]}])
    try:
        assert '(did you mean "frontend-6d4cf56db6-x7k2p"? list' in ksniff.fail("frontend", "-o", out)
    finally:
        sandbox.delete_pod("frontend-6d4cf56db6-x7k2p")
    # Who may list none is told no name.
    config = sandbox.kubeconfig_for("lister-of-none", [{"verbs": ["get"], "resources": ["pods"]}])
    error = ksniff.fail("wbe", "--kubeconfig", config, "-o", out)
    assert error.endswith("(list them with: kubectl get pods -n default; choose a namespace with -n)")


def test_forbidden(sandbox, ksniff, out):
    config = sandbox.kubeconfig_for("nobody", [])
    error = ksniff.fail("web", "--kubeconfig", config, "-o", out)
    assert error == ('forbidden: User "nobody" cannot get resource "pods" in API group "" in the namespace "default" '
                     '(needs: get pods)')
    config = sandbox.kubeconfig_for("reader", [PODS])
    result = ksniff.run("web", "--kubeconfig", config, "-o", out)
    assert result.code == 1 and "needs: create pods/exec" in result.err and "/share/doc/kubectl-sniff/docs/rbac/upload.yaml" in result.err
    assert result.err.endswith('error: no method can capture pod "web" (the table says what stands in the way, and who '
                               'could change it)\n')


def test_least_rights_suffice(sandbox, ksniff, out):
    config = sandbox.kubeconfig_for("sniffer", [PODS, EXEC])
    assert ksniff.run("web", "--kubeconfig", config, "--count", "2", "-o", out).code == 0


def test_unauthorized(sandbox, ksniff, out):
    error = ksniff.fail("web", "--context", "viewer", "--token", "wrong", "-o", out)
    assert "does not accept the credentials of user \"viewer\"" in error and "log in again" in error


def test_tokens_never_reach_the_log(sandbox, ksniff, out):
    result = ksniff.run("web", "--context", "sandbox-token", "-vv", "--count", "1", "-o", out)
    assert result.code == 0 and "HTTP 101" in result.err
    assert "frame in: opcode 2, " in result.err and "frame out: channel 0, " in result.err
    assert "sandbox-admin-token" not in result.err


@pytest.mark.needs("impersonate users")
def test_impersonation(ksniff, out):
    error = ksniff.fail("web", "--as", "eve", "-o", out)
    assert 'User "eve" cannot get resource "pods"' in error


def test_wrong_ca(sandbox, ksniff, out, tmp_path):
    other = str(tmp_path / "other.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-keyout",
                    "/dev/null", "-out", other], check=True, stderr=subprocess.DEVNULL)
    config = config_with(sandbox, tmp_path, **{"certificate-authority-data": None})
    error = ksniff.fail("web", "--kubeconfig", config, "--certificate-authority", other, "-o", out)
    assert "the certificate of the server \"127.0.0.1:" in error and "is not trusted" in error
    result = ksniff.run("web", "--kubeconfig", config, "--insecure-skip-tls-verify", "--count", "1", "-o", out)
    assert result.code == 0, result.err


def test_tls_server_name(sandbox, ksniff, out, tmp_path):
    config = config_with(sandbox, tmp_path, **{"tls-server-name": "kubernetes"})
    assert ksniff.run("web", "--kubeconfig", config, "--count", "1", "-o", out).code == 0
    config = config_with(sandbox, tmp_path, **{"tls-server-name": "elsewhere"})
    assert "is not trusted" in ksniff.fail("web", "--kubeconfig", config, "-o", out)


def test_refused_connection(ksniff, out):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = ksniff.fail("web", "--server", f"https://127.0.0.1:{port}", "-o", out)
    assert error.startswith(f'connection to the server "127.0.0.1:{port}" was refused (')


def test_unknown_host(ksniff, out):
    error = ksniff.fail("web", "--server", "https://no-such-host.invalid", "-o", out)
    assert error.startswith('cannot resolve the host of the server "no-such-host.invalid" (')


def test_no_answer_in_time(ksniff, out):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        server = f"https://127.0.0.1:{silent.getsockname()[1]}"
        error = ksniff.fail("web", "--server", server, "--request-timeout", "500ms", "-o", out)
    assert error.startswith("no answer from the server")


def test_not_an_api_server(sandbox, ksniff, out):
    with sandbox.faults(request_error={"path": "/pods/web$", "code": 502, "body": "<html>\x1b[31mBad Gateway"}):
        error = ksniff.fail("web", "-o", out)
    assert error.endswith('with HTTP 502, not as an API server: "\\x1b[31mBad Gateway"') and "\x1b" not in error


def test_a_page_where_json_is_due(sandbox, ksniff, out):
    """Of a login before the API server, say: its own words tell best."""
    page = "<html><head><title>Sign in - Example</title></head><body>...</body></html>"
    with sandbox.faults(request_error={"path": "/pods/web$", "code": 200, "body": page}):
        assert ksniff.fail("web", "-o", out).endswith('is not a JSON object: "Sign in - Example"')


def test_v4_alone(sandbox, ksniff, out):
    with sandbox.faults(exec_protocols=["v4.channel.k8s.io"]):
        assert ksniff.run("web", "--count", "2", "-o", out).code == 0
        wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")
    assert len(tshark(out, "frame.number")) == 2


def test_terminal_is_refused(ksniff):
    master, slave = pty.openpty()
    error = ksniff.fail("web", "-o", "-", stdout=slave, code=2)
    os.close(slave)
    os.close(master)
    assert error.startswith("packets are not written to a terminal (")


def test_wireshark_is_looked_for_first(sandbox, ksniff):
    before = len(sandbox.get("/sandbox/requests"))
    error = ksniff.fail("web", env={"KSNIFF_WIRESHARK": "/no/wireshark"})
    assert error.startswith('no executable "/no/wireshark" (')
    error = ksniff.fail("web", env={"PATH": "/nonexistent", "KSNIFF_WIRESHARK": ""})
    assert error.startswith('"wireshark" was not found (') and "-o FILE" in error
    assert len(sandbox.get("/sandbox/requests")) == before + 1  # this look itself


def test_wrong_filter_touches_nothing(sandbox, ksniff, out):
    before = len(sandbox.get("/sandbox/requests"))
    error = ksniff.fail("web", "-f", "tcp prt 80", "-o", out, code=2)
    assert 'filter "tcp prt 80": ' in error and '"prt 80" (column 5)' in error
    assert len(sandbox.get("/sandbox/requests")) == before + 1


def test_display_filter_is_recognised(sandbox, ksniff, out):
    before = len(sandbox.get("/sandbox/requests"))
    error = ksniff.fail("web", "-f", "tcp.port == 8080", "-o", out, code=2)
    assert 'filter "tcp.port == 8080" is a display filter, not a capture filter (it belongs in Wireshark' in error
    assert "it belongs in Wireshark's window, or in: kubectl sniff POD -o - | tshark -i - -Y FILTER" in error
    assert len(sandbox.get("/sandbox/requests")) == before + 1


def test_max_size_without_room_for_a_packet(sandbox, ksniff, out):
    error = ksniff.fail("web", "--max-size", "100", "-o", out, code=2)
    assert error.startswith("--max-size has no room for a packet below 1024 bytes (")
    big = ksniff.start("web", "-f", "udp port 4012", "--max-size", "1k", "-o", out)
    wait_until(lambda: sandbox.ours_in("web"), "the agent")
    while big.poll() is None:
        with in_netns(sandbox.netns("web")):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.sendto(b"x" * 1400, ("127.0.0.1", 4012))
    err = big.communicate(timeout=GUARD)[1].decode()
    assert big.returncode == 2 and "error: --max-size 1024 is too small for one packet: the first has 1442 bytes" in err


def test_place_that_cannot_be_used_is_said(sandbox, ksniff, out):
    for place in "/proc/sys", "/no/such/place/agent":
        result = ksniff.run("web", "-r", place, "--count", "1", "-o", out)
        assert result.code == 0
        assert f"nothing can be written to, or executed from, '{place}' (-r): using '/tmp'" in result.err
    result = ksniff.run("web", "-r", "/var/tmp", "--count", "1", "-o", out)
    assert result.code == 0 and "(-r)" not in result.err


def test_tcpdump_that_is_not_static(sandbox, ksniff, out):
    """Busybox images have no loader for it."""
    error = ksniff.fail("web", "-l", "/usr/bin/tcpdump", "-o", out)
    assert error.startswith('"/usr/bin/tcpdump" is not static, and container "httpd" of pod "web" has not the '
                            'libraries it needs (leave out -l')


def test_the_limit_that_was_reached_is_said(cluster, ksniff, out):
    result = ksniff.run("web", "--count", "1", "-o", out)
    assert "--count is reached\n" in result.err and " 1 packet captured, " in result.err
    assert f"sniffing on pod: 'web' [namespace: '{cluster.namespace}', filter: '', interface: 'any']" in result.err
    result = ksniff.run("web", "--duration", "500ms", "-c", "sidecar", "-o", out)
    assert "--duration is reached\n" in result.err and "', container: 'sidecar', filter" in result.err
    result = ksniff.run("web", "--max-size", "2k", "-i", "lo", "-i", "eth0", "-o", out)
    assert "--max-size is reached\n" in result.err and "interface: 'lo, eth0']" in result.err


def test_no_such_interface(cluster, ksniff, out):
    # Elsewhere a pod may have those of tunnels too, which the kernel makes in every network namespace.
    there = r"lo, eth0" if cluster.here else r"lo, (\S+, )*eth0(, \S+)*"
    error = ksniff.fail("web", "-i", "eth7", "-o", out)
    assert re.fullmatch(rf'pod "web": no interface "eth7", only {there} \(leave out -i to capture on every interface\)',
                        error), error
    error = ksniff.fail("web", "-i", "eth0,lo", "-i", "lo,", "-o", out)
    assert re.fullmatch(rf'pod "web": no interface "eth0,lo", only {there} \(give each its own flag: -i eth0 -i lo '
                        r'-i lo\)', error), error
    assert not os.path.exists(out) and not cluster.ours_in("web")


def test_the_query_of_an_exec_is_not_printed(sandbox, ksniff, out):
    """Its command is a whole script. Here something that is no API server stands in between."""
    with sandbox.faults(request_error={"path": "/pods/web/exec", "code": 404, "body": "404 page not found"}):
        error = ksniff.fail("web", "--method", "upload", "-o", out)
    assert "umask" not in error
    assert '/pods/web/exec with HTTP 404, not as an API server: "404 page not found" (something before the API' in error


def test_existing_file_is_kept_until_capturing_begins(cluster, ksniff, tmp_path):
    path = tmp_path / "precious.pcapng"
    path.write_bytes(b"precious")
    ksniff.fail("web", "-i", "eth7", "-o", str(path))
    ksniff.fail("absent", "-o", str(path))
    assert path.read_bytes() == b"precious"
    assert ksniff.run("web", "--count", "1", "-o", str(path)).code == 0
    assert len(tshark(str(path), "frame.number")) == 1


def test_files_that_cannot_be_written(ksniff, tmp_path):
    assert ksniff.fail("web", "-o", str(tmp_path)) == \
        f'cannot write the file "{tmp_path}": Is a directory (choose another one with -o)'
    assert "No such file or directory" in ksniff.fail("web", "-o", str(tmp_path / "no" / "x"))


def test_full_disk_keeps_whole_blocks(sandbox, ksniff, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], check=True)
    try:
        path = str(mount / "x.pcapng")
        stop = threading.Event()

        def flood():
            from conftest import in_netns
            with in_netns(sandbox.netns("web")):
                one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            while not stop.wait(0.001):
                one.sendto(b"x" * 1000, ("127.0.0.1", 5001))
            one.close()
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            error = ksniff.fail("web", "-o", path)
        finally:
            stop.set()
            thread.join()
        assert error.startswith(f'cannot write to "{path}": No space left on device (')
        assert os.path.getsize(path) > 40000
        assert len(tshark(path, "frame.number")) > 30
    finally:
        subprocess.run(["umount", str(mount)], check=True)
    wait_until(lambda: not sandbox.ours_in("web"), "the agent's end")


def test_hung_exec_is_given_up(sandbox, ksniff, out):
    """The shell's answer never comes, in either direction: its stage has a time-out."""
    with sandbox.faults(freeze_exec=True):
        result = ksniff.start("web", "--method", "upload", "-o", out)
        err = result.communicate(timeout=GUARD)[1].decode()
    assert result.returncode == 1
    assert "error: container \"httpd\" of pod \"web\": the shell's answer took too long" in err


@pytest.mark.parametrize("words, says", [
    ([], "no pod is named"),
    (["web", "tcp"], 'unexpected argument "tcp": is it of a filter?'),
    (["web", "--contaner", "x"], 'unknown flag "--contaner" (did you mean "--container"?)'),
    (["web", "-p", "--method", "upload"], "-p contradicts --method upload"),
    (["node/n1", "-c", "x"], "a node has no containers"),
    (["--cleanup", "web"], "--cleanup takes no pod"),
    (["web", "--count", "many"], '--count takes a whole number, not "many"'),
    (["web", "--quiet", "-v"], "--quiet contradicts --verbose"),
    (["web", "--format", "pcap"], "--format pcap needs -o"),
    (["dep/shop/web"], '"dep/shop/web": "shop" is no type'),
    (["Web"], '"Web" cannot be the name of a pod'),
    (["web", "-n"], "-n needs a value"),
    (["web", "-o", ""], "-o is given an empty name"),
    (["web", "--check", "--cleanup"], "--check contradicts --cleanup"),
    (["--cleanup", "--count", "5"], "--count does nothing with --cleanup"),
])
def test_wrong_command_lines(ksniff, words, says):
    assert says in ksniff.fail(*words, code=2)


def test_help_version_and_environment(ksniff, out):
    result = ksniff.run("--help")
    assert result.code == 0 and b"kubectl sniff TARGET... [flags]" in result.out
    result = ksniff.run("web", "--bogus", "--count", "-h")
    assert result.code == 2  # the value of --count
    result = ksniff.run("web", "--bogus", "--count", "many", "-h")
    assert result.code == 0 and b"kubectl sniff TARGET... [flags]" in result.out
    for words in (b"default: 0, no limit", b"which is overwritten", b"powers of 1024", b"500ms, 30s, 5m, 1h30m"):
        assert words in b" ".join(result.out.split())
    result = ksniff.run("--version")
    assert result.code == 0 and result.out.startswith(b"kubectl-sniff ")
    result = ksniff.run("web", "--count", "1", env={"KUBECTL_PLUGINS_LOCAL_FLAG_OUTPUT_FILE": out,
                                                    "KUBECTL_PLUGINS_LOCAL_FLAG_CONTAINER": "sidecar"})
    assert result.code == 0 and "selected container: 'sidecar'" in result.err
    assert len(tshark(out, "frame.number")) == 1


def test_quiet(ksniff, out):
    result = ksniff.run("web", "--quiet", "--count", "1", "-o", out)
    assert result.code == 0 and result.err == ""
