# SPDX-License-Identifier: Apache-2.0
"""The capture agent by itself, in network namespaces of the test's own; tshark is the judge."""
import base64
import contextlib
import os
import platform
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from conftest import BUILD, GUARD, capinfos, in_netns, tshark

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
RELEASE = os.path.join(BUILD, "agent", "ksniff-agent-" + ARCHITECTURE)
SANITIZED = os.path.join(BUILD, "agent", "ksniff-agent-sanitized")
BINARIES = [RELEASE] + ([SANITIZED] if os.path.exists(SANITIZED) else [])
(BAD_OPTIONS, NO_PERMISSION, NO_INTERFACE, SILENCE, OUTPUT_CLOSED) = (64, 65, 66, 71, 72)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture(scope="module")
def namespaces():
    """Two namespaces, joined by veth."""
    a, b = f"kst{os.getpid()}-a", f"kst{os.getpid()}-b"
    ip("netns", "add", a)
    ip("netns", "add", b)
    ip("-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b)
    for number, name in ((1, a), (2, b)):
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "set", "eth0", "up", "address", f"02:00:00:00:00:0{number}")
        ip("-n", name, "addr", "add", f"10.55.0.{number}/24", "dev", "eth0")
    yield a, b
    ip("netns", "del", a)
    ip("netns", "del", b)


@contextlib.contextmanager
def inside(name):
    with in_netns("/run/netns/" + name):
        yield


def compile_filter(text):
    """The program of -F: compiled without a live handle, as the client does."""
    lines = subprocess.run(["tcpdump", "-y", "EN10MB", "-ddd", text], check=True, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split("\n")
    insns = [tuple(map(int, line.split())) for line in lines[1:] if line]
    return base64.urlsafe_b64encode(b"".join(struct.pack("<HBBI", *i) for i in insns)).rstrip(b"=").decode()


class Agent:
    def __init__(self, binary, namespace, *words, prefix=(), stdout=subprocess.PIPE):
        with inside(namespace):
            self.process = subprocess.Popen([*prefix, binary, "capture", *words], stdin=subprocess.PIPE,
                                            stdout=stdout, stderr=subprocess.PIPE)
        self.head = b""

    def wait_ready(self):
        """Its section header has come: it captures."""
        self.head = os.read(self.process.stdout.fileno(), 65536)
        assert self.head, self.process.communicate(timeout=GUARD)[1]

    def finish(self, path, stop=b"q", code=0):
        """Returns what it has said for a person."""
        out, err = self.process.communicate(stop, timeout=GUARD)
        assert self.process.returncode == code, err
        assert b"Sanitizer" not in err and b"runtime error" not in err, err
        with open(path, "wb") as file:
            file.write(self.head + out)
        return without_its_stop(err)


def without_its_stop(err):
    """What an agent has said for a person: the line at its stop is for the client."""
    lines = err.decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("ksniff-agent: stopped: "))


@pytest.fixture(params=[(binary, ring) for binary in BINARIES for ring in ("ring", "recvmmsg")],
                ids=lambda p: os.path.basename(p[0]) + "-" + p[1])
def start(request, namespaces):
    """Starts an agent in the first namespace: each build, with the ring and without."""
    binary, ring = request.param
    running = []

    def start(*words, **more):
        agent = Agent(binary, namespaces[0], *words, *(["-R"] if ring == "recvmmsg" else []), **more)
        running.append(agent)
        agent.wait_ready()
        return agent
    yield start
    for agent in running:
        if agent.process.poll() is None:
            agent.process.kill()
        agent.process.communicate()


def udp(namespaces, payloads, address="10.55.0.2", port=6000, sender=0):
    """Sends datagrams from one namespace; the other has a socket there, so that nothing is answered."""
    with inside(namespaces[1 - sender] if not address.startswith("127") else namespaces[sender]):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((address, port))
    with inside(namespaces[sender]):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.settimeout(GUARD)
    for payload in payloads:
        one.sendto(payload, (address, port))
        assert receiver.recv(65536) == payload
    one.close()
    receiver.close()


def test_every_packet_once_with_its_direction(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    begin = time.time()
    agent = start("-F", compile_filter("udp port 6000"))
    there = [b"there %d" % n for n in range(100)]
    back = [b"back %d" % n for n in range(100)]
    udp(namespaces, there)
    udp(namespaces, back, address="10.55.0.1", sender=1)
    agent.finish(path)
    rows = tshark(path, "udp.payload", "frame.packet_flags_direction", "frame.time_epoch", "frame.len", "frame.interface_name")
    assert [row[0] for row in rows] == [data.hex() for data in there + back]
    assert [int(row[1], 0) for row in rows] == [2] * 100 + [1] * 100
    times = [float(row[2]) for row in rows]
    assert begin <= times[0] and times == sorted(times) and times[-1] <= time.time()
    assert len({row[2].split(".")[1][6:] for row in rows}) > 20  # the last three digits are not all alike
    assert [int(row[3]) for row in rows] == [42 + len(data) for data in there + back]
    assert {row[4] for row in rows} == {"eth0"}
    assert re.search(r"Name = eth0\n(?:.*\n){1,3}.*Speed = 10000000000", capinfos(path))


def test_loopback_once(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = start("-F", compile_filter("udp port 6001"))
    udp(namespaces, [b"x"] * 7, address="127.0.0.1", port=6001)
    agent.finish(path)
    assert [row[0] for row in tshark(path, "frame.interface_name")] == ["lo"] * 7


def test_interfaces_chosen(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    for chosen, expected in ((["eth0"], {"eth0"}), (["lo", "eth0"], {"lo", "eth0"}), (["lo"], {"lo"})):
        words = [word for name in chosen for word in ("-i", name)]
        agent = start(*words)
        udp(namespaces, [b"x"] * 3)
        udp(namespaces, [b"x"] * 3, address="127.0.0.1")
        agent.finish(path)
        assert {row[0] for row in tshark(path, "frame.interface_name", display="udp.port == 6000")} == expected


def test_interface_that_comes_later_and_raw_ip(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = start()
    name = namespaces[0]
    ip("-n", name, "tuntap", "add", "dev", "tun9", "mode", "tun")
    try:
        with inside(name):
            tun = os.open("/dev/net/tun", os.O_RDWR)
            import fcntl
            fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"tun9", 0x1001))  # TUNSETIFF: TUN, no header
        ip("-n", name, "addr", "add", "10.57.0.1/24", "dev", "tun9")
        ip("-n", name, "link", "set", "tun9", "up")
        with inside(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"into the tunnel", ("10.57.0.2", 6002))
        agent.finish(path)
        os.close(tun)
    finally:
        ip("-n", name, "link", "del", "tun9")
    rows = tshark(path, "frame.interface_name", "frame.encap_type", "udp.payload", display="udp.dstport == 6002")
    assert rows == [["tun9", "7", b"into the tunnel".hex()]]  # 7: raw IP


def test_snaplen(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = start("-s", "50", "-F", compile_filter("udp port 6000"))
    udp(namespaces, [b"y" * 500])
    agent.finish(path)
    assert tshark(path, "frame.len", "frame.cap_len") == [["542", "50"]]


FILTERS = [("vlan 100 and udp port 6003", 4), ("vlan 7", 0), ("vlan and udp", 4), ("udp port 6003", 4),
           ("not vlan and udp port 6003", 0), ("vlan 100 and udp port 6004", 0)]


def tagged_frame(payload):
    """Ethernet from b to a, tag 100, IPv4, UDP to port 6003."""
    udp_part = struct.pack(">HHHH", 6003, 6003, 8 + len(payload), 0) + payload
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp_part), 0, 0, 64, 17, 0,
                         socket.inet_aton("10.55.0.2"), socket.inet_aton("10.55.0.1"))
    return bytes.fromhex("020000000001" "020000000002" "8100" "0064" "0800") + header + udp_part


@pytest.mark.parametrize("text, expected", FILTERS)
def test_stripped_vlan_tags_are_put_back(start, namespaces, tmp_path, text, expected):
    """The kernel takes the tag of every frame it receives out of the bytes, before packet sockets see it."""
    path = str(tmp_path / "x.pcapng")
    agent = start("-i", "eth0", "-F", compile_filter(text), *(["-V"] if "vlan" in text else []))
    with inside(namespaces[1]), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as one:
        one.bind(("eth0", 0))
        for number in range(4):
            one.send(tagged_frame(b"tagged %d" % number))
    udp(namespaces, [b"not tagged"] * 2)  # what comes later has come through the ring too
    agent.finish(path)
    rows = tshark(path, "vlan.id", "frame.len", "frame.cap_len", "udp.payload", display="udp.port == 6003")
    assert rows == [["100", "54", "54", (b"tagged %d" % number).hex()] for number in range(expected)]


@pytest.mark.parametrize("text, expected", FILTERS)
def test_vlan_device(start, namespaces, tmp_path, text, expected):
    path = str(tmp_path / "x.pcapng")
    made = [subprocess.run(["ip", "-n", name, "link", "add", "link", "eth0", "name", "eth0.100", "type", "vlan", "id",
                            "100"], check=False, stderr=subprocess.PIPE) for name in namespaces]
    if made[0].returncode:
        pytest.skip("this kernel has no VLAN devices: " + made[0].stderr.decode().strip())
    try:
        for number, name in enumerate(namespaces, 1):
            ip("-n", name, "link", "set", "eth0.100", "up")
            ip("-n", name, "addr", "add", f"10.56.0.{number}/24", "dev", "eth0.100")
        agent = start("-i", "eth0", "-F", compile_filter(text), *(["-V"] if "vlan" in text else []))
        for sender, address in ((0, "10.56.0.2"), (1, "10.56.0.1")):
            udp(namespaces, [b"tagged"] * 2, address=address, port=6003, sender=sender)
        agent.finish(path)
    finally:
        for name in namespaces:
            ip("-n", name, "link", "del", "eth0.100")
    rows = tshark(path, "vlan.id", "frame.len", "udp.payload", display="udp.port == 6003")
    assert rows == [["100", "52", b"tagged".hex()]] * expected


def test_no_stray_packets(start, namespaces, tmp_path):
    """Under a flood of what the filter does not want, not one packet from before the filter comes through."""
    path = str(tmp_path / "x.pcapng")
    with inside(namespaces[0]):
        flood = subprocess.Popen(["/usr/bin/python3", "-c",
                                  "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                                  "for i in range(200000): s.sendto(b'x', ('10.55.0.2', 6004))"])
    try:
        for _ in range(5):
            agent = start("-F", compile_filter("udp port 6005"))
            agent.finish(path)
            assert tshark(path, "frame.number") == []
    finally:
        flood.kill()
        flood.wait()


def test_many_packets_few_writes(namespaces, tmp_path):
    path, trace = str(tmp_path / "x.pcapng"), str(tmp_path / "trace")
    agent = Agent(RELEASE, namespaces[0], "-F", compile_filter("udp port 6000"),
                  prefix=["strace", "-f", "-e", "trace=write", "-o", trace])
    agent.wait_ready()
    udp(namespaces, [b"x" * 100] * 5000)
    agent.finish(path)
    assert len(tshark(path, "frame.number")) == 5000
    with open(trace, encoding="ascii", errors="replace") as file:
        writes = sum("write(1," in line for line in file)
    assert writes < 500


def test_slow_reader_every_packet_is_written_or_counted(start, namespaces, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = start("-b", str(1 << 20), "-F", compile_filter("udp port 6000"))
    sent = 6000
    udp(namespaces, [b"z" * 1400] * sent)  # 8.6 MB, nobody reads
    agent.finish(path)
    written = len(tshark(path, "frame.number"))
    info = capinfos(path)
    assert written < sent
    received, dropped = statistics_of(path)
    assert received == sent and written + dropped == sent, info


def statistics_of(path):
    """The last statistics of the file: received and dropped."""
    with open(path, "rb") as file:
        data = file.read()
    at, result = 0, None
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 5:
            options, values = at + 20, {}
            while options < at + length - 4:
                code, size = struct.unpack_from("<HH", data, options)
                if code in (4, 5):
                    values[code] = struct.unpack_from("<Q", data, options + 4)[0]
                options += 4 + (size + 3) // 4 * 4
            if not result or values[4] >= result[0]:
                result = (values[4], values[5])
        at += length
    return result


def test_end_of_stdin_while_stdout_is_stuck(start, namespaces):
    agent = start("-b", str(1 << 20))
    udp(namespaces, [b"z" * 1400] * 2000)
    agent.process.stdin.close()
    agent.process.stdin = None
    assert agent.process.wait(timeout=GUARD) == 0


def test_silence(start):
    agent = start("-S", "1")
    assert agent.process.wait(timeout=GUARD) == SILENCE
    assert b"nothing was heard" in agent.process.stderr.read()


def test_heartbeats_keep_it(start, tmp_path):
    agent = start("-S", "2")
    for _ in range(6):
        time.sleep(0.5)
        agent.process.stdin.write(b"\n")
        agent.process.stdin.flush()
    agent.finish(str(tmp_path / "x"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it_in_order(start, namespaces, tmp_path, number):
    path = str(tmp_path / "x.pcapng")
    agent = start("-F", compile_filter("udp port 6000"))
    udp(namespaces, [b"x"] * 9)
    agent.process.send_signal(number)
    agent.finish(path, stop=None)
    assert len(tshark(path, "frame.number")) == 9


def test_closed_stdout(start):
    agent = start()
    agent.process.stdout.close()
    assert agent.process.wait(timeout=GUARD) == OUTPUT_CLOSED


def test_removes_its_own_file(namespaces, tmp_path):
    copy = tmp_path / "agent"
    copy.write_bytes(open(RELEASE, "rb").read())
    copy.chmod(0o700)
    agent = Agent(str(copy), namespaces[0], "-u", str(copy))
    agent.wait_ready()
    assert not copy.exists()
    agent.finish(str(tmp_path / "x"))
    # Also when the rest of the command line is wrong.
    copy.write_bytes(open(RELEASE, "rb").read())
    copy.chmod(0o700)
    assert subprocess.run([str(copy), "capture", "-x", "-u", str(copy)], stderr=subprocess.DEVNULL,
                          check=False).returncode == BAD_OPTIONS
    assert not copy.exists()


def test_privileges_are_gone(namespaces, tmp_path):
    agent = Agent(RELEASE, namespaces[0])
    agent.wait_ready()
    with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    agent.finish(str(tmp_path / "x"))


def test_other_system_calls_are_fatal(namespaces):
    """gdb makes the running agent call what it does not need: the kernel ends it."""
    agent = Agent(RELEASE, namespaces[0])
    agent.wait_ready()
    tracer = subprocess.run(["/usr/bin/python3", "-c", INJECT, str(agent.process.pid)], check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert tracer.returncode == 0, tracer.stderr
    assert agent.process.wait(timeout=GUARD) == -signal.SIGSYS
    agent.process.communicate()


# Turns the system call in which the agent waits into getpid(), by ptrace: x86_64 and aarch64.
INJECT = r"""
import ctypes, os, platform, signal, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
pid = int(sys.argv[1])
def ptrace(request, address=0, data=0):
    if libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), request)
ptrace(16)  # ATTACH
os.waitpid(pid, 0)
class Iovec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
registers = ctypes.create_string_buffer(27 * 8 if platform.machine() == 'x86_64' else 34 * 8)
iov = Iovec(ctypes.addressof(registers), len(registers))
ptrace(0x4204, 1, ctypes.addressof(iov))  # GETREGSET, NT_PRSTATUS
if platform.machine() == 'x86_64':
    words = list(struct.unpack('27Q', registers.raw))
    words[16] -= 2          # back to the syscall instruction
    words[10] = 39          # getpid
    words[15] = 2**64 - 1   # no restart
    registers.raw = struct.pack('27Q', *words)
else:
    words = list(struct.unpack('34Q', registers.raw))
    words[32] -= 4
    words[8] = 172
    registers.raw = struct.pack('34Q', *words)
ptrace(0x4205, 1, ctypes.addressof(iov))  # SETREGSET
ptrace(17)  # DETACH
"""


def test_no_permission(namespaces):
    done = subprocess.run(["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw", RELEASE, "capture"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    assert done.returncode == NO_PERMISSION
    assert done.stderr == b"ksniff-agent: cannot open a packet socket: Operation not permitted\n"


@pytest.fixture
def many_devices():
    """A namespace with more devices than the kernel lists in one piece; the last of them is down."""
    name = f"kst{os.getpid()}-many"
    ip("netns", "add", name)
    try:
        lines = [f"link add kstm{n} up type bridge" for n in range(99)] + ["link add kstm99 type bridge"]
        subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(lines).encode(), check=True)
        yield name
    finally:
        ip("netns", "del", name)


@pytest.mark.parametrize("binary", BINARIES, ids=os.path.basename)
def test_no_such_interface(binary, namespaces, many_devices):
    for name, says in ((namespaces[0], r'no interface "nope", only lo, eth0'),
                       (many_devices, r'no interface "nope", only lo, kstm0, .*, kstm[0-9]+, \.\.\.')):
        with inside(name):
            done = subprocess.run([binary, "capture", "-i", "nope"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == NO_INTERFACE and re.fullmatch(f"ksniff-agent: {says}\n", done.stderr), done.stderr


@pytest.mark.parametrize("binary", BINARIES, ids=os.path.basename)
def test_every_device_that_is_up(binary, many_devices, tmp_path):
    path = str(tmp_path / "x.pcapng")
    agent = Agent(binary, many_devices)
    agent.wait_ready()
    assert agent.finish(path) == ""
    assert re.findall(r"Name = (\S+)", capinfos(path)) == [f"kstm{n}" for n in range(99)]


@pytest.mark.parametrize("words", [["-x"], ["-s", "0"], ["-s", "262145"], ["-s", "1x"], ["-b"], ["-F", "!!"],
                                   ["-F", "AAAA"], ["-i", ""], ["-i", "sixteenlettersxx"], ["capture"]])
@pytest.mark.parametrize("binary", BINARIES, ids=os.path.basename)
def test_bad_options(binary, words):
    done = subprocess.run([binary, "capture", *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, check=False)
    assert done.returncode == BAD_OPTIONS
    assert done.stderr.startswith(b"ksniff-agent: bad option") and done.stderr.count(b"\n") == 1
