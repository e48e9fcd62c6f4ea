# SPDX-License-Identifier: Apache-2.0
"""A capture of a node's interfaces does not feed on itself, wherever its stream passes there."""
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from conftest import GUARD, agents_running, in_netns, leftovers, tshark, wait_until
from test_agent import BINARIES, Agent, compile_filter, inside, namespaces, statistics_of, udp, without_its_stop

_ = namespaces  # a fixture
LEFT_OUT = re.compile(r"this capture's own stream is left out: tcp (\S+) (\d+) (\S+) (\d+)\n")
LOCAL = "tcp && (ip.addr == 127.0.0.0/8 || ipv6.addr == ::1)"


def node_of(sandbox):
    return f"/run/netns/ks{sandbox.process.pid}-node"


def speak(sandbox, number, port=4110, size=30):
    """A datagram on the node's loopback device, for the capture to be seen at work."""
    with in_netns(node_of(sandbox)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"%020d" % number + bytes(size - 20), ("127.0.0.1", port))


def speak_until_seen(sandbox, path, rounds, first=0):
    """One after the other: each has been through the whole stream before the next is sent."""
    for number in range(first, first + rounds):
        speak(sandbox, number)
        wait_until(lambda: b"%020d" % number in open(path, "rb").read(), "the datagram")


# ---- the runtime's leg ----

@pytest.mark.parametrize("words, ipv6, more", [
    (["node/node1"], False, []), (["hostnet"], True, ["-f", "udp or greater 20000"]), (["hostnet"], True, []),
    (["hostnet", "-p"], False, ["--snaplen", "70"]), (["hostnet"], False, ["-i", "lo", "-f", "udp or greater 20000"])])
def test_an_idle_node(sandbox, ksniff, tmp_path, words, ipv6, more):
    """On loopback, at a port that nobody knows: also where the user's filter would not show the agent its mark."""
    path = str(tmp_path / "x.pcapng")
    with sandbox.faults(runtime_ipv6=ipv6), ksniff.capturing(*words, *more, "-o", path, "--max-size", "20M") as process:
        speak_until_seen(sandbox, path, 40)
        err = ksniff.stop(process)
    assert "and (tcp port 6443 or tcp port 8132 or tcp port 9345))" in err  # konnectivity's, RKE2's and k3s' tunnels
    ends = LEFT_OUT.findall(err)
    assert any({end[0], end[2]} == {"::1" if ipv6 else "127.0.0.1"} for end in ends), err
    assert tshark(path, "frame.number", display=LOCAL) == []
    assert len(tshark(path, "frame.number", display="udp.dstport == 4110 && !icmp")) == 40
    with open(path, "rb") as file:
        assert b"mark: " not in file.read()
    wait_until(lambda: not leftovers(sandbox), "the helper's end")


@pytest.mark.needs("get nodes", "create configmaps", "create pods", "delete pods")
def test_a_node_of_any_cluster(cluster, ksniff, tmp_path):
    """Whatever else passes there: the connection of which it is said that it is left out is not in the file."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("node/" + cluster.node_of("web"), "-i", "lo", "-o", path, "--max-size", "100M",
                          "--duration", "60s") as process:  # where it is never found
        ksniff.read_until(process, "this capture's own stream is left out: ")
        time.sleep(2)
        err = ksniff.stop(process)
    ends = LEFT_OUT.findall(err)
    assert ends and "feeds on itself" not in err
    for _, port, _, other in ends:
        own = tshark(path, "frame.number", display=f"{LOCAL} && tcp.port == {port} && tcp.port == {other}")
        assert len(own) <= 5 or not cluster.here  # before it was found
        assert len(own) < 50
    wait_until(lambda: not leftovers(cluster), "the helper's end")


def agents(sandbox):
    return [command for _, command in agents_running(sandbox) if "capture" in command]


def test_looked_for_on_the_nodes_interfaces_only(sandbox, ksniff, tmp_path):
    for name, looks in (("hostnet", True), ("web", False)):
        with ksniff.capturing(name, "-o", str(tmp_path / "x.pcapng")) as process:
            assert [("-O" in command) for command in agents(sandbox)] == [looks]
            ksniff.stop(process)


def test_kept_when_asked_for(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("hostnet", "-o", path, "--include-own-traffic", "--max-size", "20M") as process:
        wait_until(lambda: os.path.getsize(path) > 20000, "the stream itself")
        err = ksniff.stop(process)
    assert not LEFT_OUT.search(err) and tshark(path, "frame.number", display=LOCAL)


def test_after_a_cut_too(sandbox, ksniff, tmp_path):
    """The next agent's stream is another connection, and has another mark."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("hostnet", "-o", path, "--max-size", "20M") as process:
        speak_until_seen(sandbox, path, 5)
        sandbox.drop_streams()
        ksniff.read_until(process, "capturing again")
        speak_until_seen(sandbox, path, 20, first=100)
        err = ksniff.stop(process)
    before, after = err.split("capturing again")
    assert LEFT_OUT.search(before) and LEFT_OUT.search(after)
    assert set(LEFT_OUT.findall(before)) & set(LEFT_OUT.findall(after)) == set()
    assert tshark(path, "frame.number", display=f"{LOCAL} && tcp.len > 0") == []


def test_two_captures_do_not_feed_each_other(sandbox, ksniff, tmp_path):
    """The first shows the second's stream; the second sees its mark in the first's, and leaves that out too. What the first
    still says meanwhile of the upload of the second's agent has no mark: it is not known for a stream of captures yet."""
    first, second = str(tmp_path / "1.pcapng"), str(tmp_path / "2.pcapng")
    with ksniff.capturing("hostnet", "-o", first, "--max-size", "20M") as one:
        speak_until_seen(sandbox, first, 3)
        with ksniff.capturing("hostnet", "-o", second, "--max-size", "20M") as two:
            while len(LEFT_OUT.findall(two.head)) < 2:
                line = two.stderr.readline().decode()
                assert line, two.head
                two.head += line
            found = time.time()
            speak_until_seen(sandbox, second, 40, first=100)
            ksniff.stop(two)
        ksniff.stop(one)
    of_streams = [float(row[0]) for row in tshark(second, "frame.time_epoch", display=f"{LOCAL} && tcp.len > 0")]
    assert [when for when in of_streams if when > found] == []
    assert os.path.getsize(first) < 2_000_000


# ---- a tunnel ----

def has_tunnel(sandbox):
    """Skips where the kernel has no VXLAN; the server's side of it comes with the first exec."""
    done = subprocess.run(["ip", "-n", f"ks{sandbox.process.pid}-node", "link", "add", "try0", "type", "vxlan", "id", "1",
                           "dstport", "9999"], check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        pytest.skip("this kernel has no VXLAN: " + done.stderr.strip())
    subprocess.run(["ip", "-n", f"ks{sandbox.process.pid}-node", "link", "del", "try0"], check=True)


@pytest.mark.parametrize("asked", [None, "udp or icmp"])
def test_a_tunnel_is_named_and_can_be_told(sandbox, ksniff, tmp_path, asked):
    """Nobody can see what is in it, but it falls silent when the agent does: the filter to use is offered, and helps."""
    has_tunnel(sandbox)
    path = str(tmp_path / "x.pcapng")
    words = ["-f", asked] if asked else []
    with sandbox.faults(tunnel=True):
        with ksniff.capturing("hostnet", *words, "-o", path, "--max-size", "100M") as process:
            ksniff.read_until(process, "feeds on itself")
            err = ksniff.stop(process)
        offer = "(udp or icmp) and not udp port 8472" if asked else "not udp port 8472"
        assert re.search(r"WARN\[\d+\] this capture feeds on itself: its stream is among what it captures, carried by udp from "
                         r"10\.97\.0\.1 port \d+ to 10\.97\.0\.2 port 8472; leave that out with -f '(.*)'\n", err)[1] == offer
        with ksniff.capturing("hostnet", "-f", offer, "-o", path, "--max-size", "20M") as process:
            speak_until_seen(sandbox, path, 60)
            err = ksniff.stop(process)
    assert "feeds on itself" not in err
    assert tshark(path, "frame.number", display="udp.port == 8472 || tcp.port == 10250") == []
    assert len(tshark(path, "frame.number", display="udp.dstport == 4110 && !icmp")) == 60
    assert os.path.getsize(path) < 1_000_000


def test_a_large_transfer_is_not_taken_for_the_stream(namespaces, tmp_path):
    """It goes on while the agent holds its breath, and nothing of it is lost."""
    path, count = str(tmp_path / "x.pcapng"), 3000
    with open(path, "wb") as file:
        agent = Agent(BINARIES[0], namespaces[0], "-O", "-F", compile_filter("udp port 6000"), stdout=file)
    wait_until(lambda: os.path.getsize(path), "the section")
    for _ in range(count):  # a few seconds of some MB each
        udp(namespaces, [b"z" * 1400] * 4)
        time.sleep(0.001)
    err = without_its_stop(agent.process.communicate(b"q", timeout=GUARD)[1])
    assert agent.process.returncode == 0 and err == ""
    assert len(tshark(path, "frame.number")) == 4 * count
    assert statistics_of(path) == (4 * count, 0)


# ---- the agent alone ----

class Leg:
    """Passes what an agent writes through a connection on the loopback device of its namespace, as a runtime does."""

    def __init__(self, agent, namespace, address, segment=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(namespace):
            listener, self.near = socket.socket(family), socket.socket(family)
            listener.bind((address, 0))
            listener.listen()
            if segment:
                self.near.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
            self.near.connect(listener.getsockname()[:2])
            self.far = listener.accept()[0]
            listener.close()
        self.ports, self.agent, self.got = (self.near.getsockname()[1], self.far.getsockname()[1]), agent, b""
        self.threads = [threading.Thread(target=self.read), threading.Thread(target=self.write)]
        for thread in self.threads:
            thread.start()

    def write(self):
        while data := os.read(self.agent.process.stdout.fileno(), 65536):
            self.near.sendall(data)
        self.near.close()

    def read(self):
        while data := self.far.recv(65536):
            self.got += data
        self.far.close()

    def finish(self, path):
        self.agent.process.stdin.write(b"q")
        self.agent.process.stdin.close()
        for thread in self.threads:
            thread.join(GUARD)
        assert self.agent.process.wait(GUARD) == 0
        path.write_bytes(self.got)
        return without_its_stop(self.agent.process.stderr.read())


def program_of(namespace):
    """The instructions that the kernel runs for the packet socket there: (code, jt, jf, k)."""
    shown = subprocess.run(["ip", "netns", "exec", namespace, "ss", "-0", "-b"], stdout=subprocess.PIPE, text=True, check=True)
    text = re.search(r"bpf filter \((\d+)\): (.*)", shown.stdout)
    return [tuple(int(word, 0) for word in insn.split()) for insn in text[2].rstrip(", ").split(",")]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_kernel_leaves_it_out(namespaces, tmp_path, address):
    """Both directions of the connection stand in its filter, and the way for the mark goes with the search."""
    agent = Agent(BINARIES[0], namespaces[0], "-O", "-F", compile_filter("udp port 6000"))
    leg = Leg(agent, namespaces[0], address)
    one, other = leg.ports
    wait_until(lambda: {one << 16 | other, other << 16 | one} <= {k for code, _, _, k in program_of(namespaces[0]) if code == 0x15},
               "the new filter")
    whole = sum(insn == (0x06, 0, 0, 262144) for insn in program_of(namespaces[0]))
    wait_until(lambda: sum(insn == (0x06, 0, 0, 262144) for insn in program_of(namespaces[0])) == whole - 2, "the search's end")
    udp(namespaces, [b"wanted"], address="127.0.0.1")
    leg.finish(tmp_path / "x.pcapng")
    assert tshark(str(tmp_path / "x.pcapng"), "udp.payload") == [[b"wanted".hex()]]


@pytest.mark.parametrize("binary", BINARIES, ids=os.path.basename)
@pytest.mark.parametrize("address, segment, more", [
    ("127.0.0.1", None, []), ("::1", None, []), ("127.0.0.1", 100, []), ("127.0.0.1", 120, ["-R"]), ("::1", None, ["-R"]),
    ("127.0.0.1", None, ["-s", "60"]), ("127.0.0.1", None, ["-H"]), ("::1", None, ["-H", "-R"]), ("127.0.0.1", None, ["-i", "lo"])])
@pytest.mark.parametrize("text", [None, "udp port 6000 or greater 9000"])
def test_mark(namespaces, tmp_path, binary, address, segment, more, text):
    """Whatever the address, the size of segments, the snaplen and the user's filter; nothing else is left out."""
    agent = Agent(binary, namespaces[0], "-O", *more, *(["-F", compile_filter(text)] if text else []))
    leg = Leg(agent, namespaces[0], address, segment)
    wait_until(lambda: leg.got, "the section")
    for number in range(30):
        before = len(leg.got)
        udp(namespaces, [b"wanted %d" % number], address="127.0.0.1")
        wait_until(lambda: len(leg.got) > before, "the datagram")
    err = leg.finish(tmp_path / "x.pcapng")
    path = str(tmp_path / "x.pcapng")
    assert re.fullmatch(rf"ksniff-agent: note: this capture's own stream is left out: tcp {address} \d+ {address} \d+\n", err)
    assert all(str(port) in err for port in leg.ports)
    assert tshark(path, "frame.number", display="tcp && tcp.len > 0") == []
    assert len(tshark(path, "frame.number", display="udp.port == 6000")) == 30
    assert leg.got.count(b"mark: ") <= 2


def test_kernel_does_not_take_the_new_filter(namespaces, tmp_path):
    """It counts both programs while one takes the other's place: the agent leaves its stream out itself then."""
    limit = ["ip", "netns", "exec", namespaces[0], "sysctl", "-qw"]
    before = subprocess.run([*limit[:-1], "-n", "net.core.optmem_max"], stdout=subprocess.PIPE, text=True, check=False)
    if before.returncode:
        pytest.skip("net.core.optmem_max is not a namespace's own on this kernel")
    text = compile_filter("udp port 6000 or greater 9000 or " + " or ".join(f"host 10.9.{n}.1" for n in range(150)))

    def start(most):
        subprocess.run([*limit, f"net.core.optmem_max={most}"], check=True)
        return Agent(BINARIES[0], namespaces[0], "-O", "-F", text)

    def fits(most):
        agent = start(most)
        agent.wait_ready()
        return agent.finish(str(tmp_path / "x")) == ""
    least, most = 1000, 100_000
    try:
        while most - least > 64:
            middle = (least + most) // 2
            least, most = (least, middle) if fits(middle) else (middle, most)
        agent = start(most)
        leg = Leg(agent, namespaces[0], "127.0.0.1")
        wait_until(lambda: leg.got, "the section")
        for number in range(20):
            seen = len(leg.got)
            udp(namespaces, [b"wanted %d" % number], address="127.0.0.1")
            wait_until(lambda: len(leg.got) > seen, "the datagram")
        err = leg.finish(tmp_path / "x.pcapng")
    finally:
        subprocess.run([*limit, "net.core.optmem_max=" + before.stdout.strip()], check=True)
    assert LEFT_OUT.search(err)
    assert tshark(str(tmp_path / "x.pcapng"), "frame.number", display="tcp") == []
    assert len(tshark(str(tmp_path / "x.pcapng"), "frame.number", display="udp.port == 6000")) == 20


def test_without_a_stream_in_clear(namespaces, tmp_path):
    """The user's filter holds from the first packet, and nothing is said."""
    agent = Agent(BINARIES[0], namespaces[0], "-O", "-F", compile_filter("udp port 6000"))
    agent.wait_ready()
    with inside(namespaces[0]):
        listener = socket.create_server(("127.0.0.1", 0))
        near = socket.create_connection(listener.getsockname())
    near.sendall(b"not wanted" * 1000)
    udp(namespaces, [b"wanted"], address="127.0.0.1")
    err = agent.finish(str(tmp_path / "x.pcapng"))
    near.close()
    listener.close()
    assert err == ""
    assert tshark(str(tmp_path / "x.pcapng"), "udp.payload") == [[b"wanted".hex()]]
