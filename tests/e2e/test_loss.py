# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost without a word: what was sent is in the output, or it is counted, however the capture ends and
however slow the way or the reader is."""
import contextlib
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from conftest import BOTH_TRANSPORTS, BUILD, GUARD, agents_running, in_netns, leftovers, tshark, wait_until
from test_resume import METHODS, until

pytestmark = BOTH_TRANSPORTS
LOSS = 3  # the exit code
FRAME = 1442
SLOW = 2_000_000  # bytes per second


def send(sandbox, port, count, size=1400, pod="client"):
    """Datagrams of a pod, which is captured where they leave, so that every one is seen."""
    address = (sandbox.pod("web")["ip"], port)
    with in_netns(sandbox.netns(pod)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for _ in range(count):
                one.sendto(b"z" * size, address)


def totals(data):
    """Of a pcapng's bytes, which may end within a block: packets, and the sums of what the last statistics of each
    interface say was received and dropped; comments of packets and statistics."""
    at, packets, last, comments = 0, 0, {}, []
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if at + length > len(data):
            break
        head = {5: 20, 6: 28}.get(kind)
        if kind == 6:
            packets += 1
            head += (struct.unpack_from("<I", data, at + 20)[0] + 3) // 4 * 4
        values, option = {}, at + (head or length)
        while option < at + length - 4:
            code, size = struct.unpack_from("<HH", data, option)
            if code == 0:
                break
            values[code] = data[option + 4:option + 4 + size]
            option += 4 + (size + 3) // 4 * 4
        if kind == 5:
            last[struct.unpack_from("<I", data, at + 8)[0]] = [struct.unpack("<Q", values[code])[0] for code in (4, 5)]
        if 1 in values and kind in (5, 6):
            comments.append((kind, packets, values[1].decode()))
        at += length
    return packets, sum(v[0] for v in last.values()), sum(v[1] for v in last.values()), comments


def totals_of(path):
    tshark(path, "frame.number")  # it is whole
    with open(path, "rb") as file:
        return totals(file.read())


def summary(err):
    """What the client says: captured, dropped, lost (and how sure), with the error's line."""
    found = re.search(r"(\d+) packets captured, [^,]*, (\d+) dropped(?:, (at least |up to )?(\d+) packets? lost on the way)?",
                      err)
    assert found, err
    return int(found[1]), int(found[2]), int(found[4] or 0), found[3] or ""


def end(process, number=signal.SIGINT, code=0):
    if number:
        process.send_signal(number)
    err = process.head + process.stderr.read().decode()
    assert process.wait(timeout=GUARD) == code, err
    assert "Sanitizer" not in err and "runtime error" not in err, err
    return err


# ---- a slow way ----

@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "duration"])
def test_slow_way_into_a_file(sandbox, ksniff, tmp_path, how):
    """What stands in the ring, the pipe and the kubelet at the end is waited for, for as long as it takes."""
    path = str(tmp_path / "x.pcapng")
    flags = ["--duration", "3s"] if how == "duration" else []
    with ksniff.capturing("client", "-f", "udp dst port 4400", "-o", path, *flags) as process:
        with sandbox.faults(exec_bytes_per_second=SLOW):
            send(sandbox, 4400, 12000)  # 17 MB, more than five seconds' worth
            err = end(process, None if how == "duration" else getattr(signal, how))
    packets, received, dropped, comments = totals_of(path)
    assert packets == 12000 and received == 12000 and dropped == 0 and not comments
    assert summary(err) == (12000, 0, 0, "")
    assert re.search(r"the capture has ended; .*still to come: Ctrl-C gives them up", err)


def test_status_line_says_what_is_still_to_come(sandbox, tmp_path):
    """On a terminal, as a number that goes down."""
    path, text = str(tmp_path / "x.pcapng"), b""
    master, slave = pty.openpty()
    client = subprocess.Popen([os.path.join(BUILD, "src", "kubectl-sniff"), "client", "-f", "udp dst port 4417", "-o", path],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave, env=sandbox.env)
    os.close(slave)
    try:
        while b"capturing; " not in text:
            text += os.read(master, 65536)
    except OSError:
        pytest.fail(f"the client has ended: {text}")
    with sandbox.faults(freeze_exec=True):  # nothing is on its way before all has been sent
        send(sandbox, 4417, 6000)
        sandbox.set_faults(exec_bytes_per_second=SLOW)
        client.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # what a terminal says at its end
            while True:
                text += os.read(master, 65536)
    assert client.wait(timeout=GUARD) == 0
    os.close(master)
    to_come = [int(number) for number in re.findall(rb"(\d+) packets still to come\x1b", text)]
    assert len(to_come) > 2 and to_come == sorted(to_come, reverse=True) and to_come[0] > to_come[-1], text


@pytest.mark.parametrize("method", METHODS)
def test_slow_way_and_a_full_ring(sandbox, ksniff, tmp_path, method):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "--method", method, "-f", "udp dst port 4401", "--buffer-size", "2M", "-o",
                          path) as process:
        with sandbox.faults(exec_bytes_per_second=SLOW):
            send(sandbox, 4401, 12000)
            err = end(process)
    packets, received, dropped, _ = totals_of(path)
    assert dropped > 0 and packets + dropped == 12000 and received == 12000
    assert summary(err) == (packets, dropped, 0, "")


def check_cut(path, err, sent, why):
    """The file tells the truth of itself: sums, and a comment on the last packet."""
    packets, received, dropped, comments = totals_of(path)
    captured, drops, lost, sure = summary(err)
    assert captured == packets and lost > 0 and not sure
    assert packets + drops + lost == sent
    assert received == sent and dropped == drops + lost
    text = f"kubectl-sniff: {lost} packets behind this one were lost: {why}"
    (number, on_packet), = [(number, words) for kind, number, words in comments if kind == 6]
    assert number == packets and on_packet.startswith(text)
    assert [words for kind, _, words in comments if kind == 5][-1] == on_packet
    assert f"error: {lost} packets were lost on the way: {why}" in err


@contextlib.contextmanager
def ending_slowly(sandbox, ksniff, tmp_path, port, count=6000, rate=SLOW):
    """A client that was told to end, and has seconds' worth of packets still to come; it knows how many. Yields it and
    its file."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "-v", "-f", f"udp dst port {port}", "-o", path) as process:
        with sandbox.faults(exec_bytes_per_second=rate):
            send(sandbox, port, count)
            process.send_signal(signal.SIGINT)
            until(process, "the agent has stopped: ")
            yield process, path


def test_second_interrupt_gives_up_the_rest(sandbox, ksniff, tmp_path):
    with ending_slowly(sandbox, ksniff, tmp_path, 4402) as (process, path):
        time.sleep(0.3)
        err = end(process, code=LOSS)
    check_cut(path, err, 6000, "a second interrupt has cut the end short")
    wait_until(lambda: not leftovers(sandbox), "the agent's end")


def test_two_interrupts_at_once(sandbox, ksniff, tmp_path):
    """Before the agent could say how much there is: its word is waited for, its packets are not."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "-f", "udp dst port 4403", "-o", path) as process:
        with sandbox.faults(exec_bytes_per_second=SLOW):
            send(sandbox, 4403, 6000)
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            err = end(process, code=LOSS)
    packets, received, dropped, _ = totals_of(path)
    captured, drops, lost, sure = summary(err)
    assert captured == packets and lost > 0 and not sure and packets + drops + lost == 6000
    assert received == 6000 and dropped == drops + lost


def test_drain_timeout(sandbox, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "-f", "udp dst port 4404", "--drain-timeout", "2s", "-o", path) as process:
        with sandbox.faults(exec_bytes_per_second=SLOW):
            send(sandbox, 4404, 6000)
            err = end(process, code=LOSS)
    check_cut(path, err, 6000, "--drain-timeout has passed")


def test_nothing_comes_any_more(sandbox, ksniff, tmp_path):
    """The way stands still at the end: it is waited for only as long as something comes."""
    with ending_slowly(sandbox, ksniff, tmp_path, 4405) as (process, path):
        with sandbox.faults(freeze_exec=True):
            err = end(process, None, code=LOSS)
    check_cut(path, err, 6000, "nothing came any more")


def test_cut_while_it_ends(sandbox, ksniff, tmp_path):
    """Nobody can take up what the lost agent still had."""
    with ending_slowly(sandbox, ksniff, tmp_path, 4406) as (process, path):
        sandbox.drop_streams()
        err = end(process, None, code=LOSS)
    check_cut(path, err, 6000, f'the stream of "{sandbox.server}" ended: ')
    assert "taking it up again" not in err


def test_agent_killed_while_it_ends(sandbox, ksniff, tmp_path):
    """With more than what stands on the way: the agent itself still has some."""
    with ending_slowly(sandbox, ksniff, tmp_path, 4407, 14000, rate=SLOW // 10) as (process, path):
        for pid, _ in agents_running(sandbox):
            os.kill(pid, signal.SIGKILL)
        sandbox.set_faults(exec_bytes_per_second=None)
        err = end(process, None, code=LOSS)
    check_cut(path, err, 14000, 'container "client" of pod "client" was ended by signal 9: it died, or was deleted')


def test_target_that_goes_away(sandbox, ksniff, tmp_path):
    """The helper outlives it, and has what was captured: all of it comes before the end is told."""
    path = str(tmp_path / "x.pcapng")
    sleep = [{"name": "app", "image": "busybox", "command": ["sleep", "1000"]}]
    with sandbox.running_pod("going", containers=sleep):
        with ksniff.capturing("going", "-p", "-f", "udp dst port 4421", "-o", path) as process:
            with sandbox.faults(exec_bytes_per_second=SLOW):
                send(sandbox, 4421, 16000, pod="going")
                sandbox.delete_pod("going")
                err = end(process, None, code=1)
    packets, received, dropped, _ = totals_of(path)
    captured, drops, lost, _ = summary(err)
    assert captured == packets and not lost and packets + drops == received == 16000 and dropped == drops
    assert packets > 8000 and err.endswith('error: pod "going" is gone: it was deleted\n')


def test_heartbeats_go_on_while_it_ends(sandbox, ksniff, tmp_path, transport):
    """For longer than the agent waits for a sign of life, over v4 too, which has no end of stdin to say."""
    if transport == "spdy":
        pytest.skip("takes a minute, and the transports differ in nothing here")
    path = str(tmp_path / "x.pcapng")
    with sandbox.faults(exec_protocols=["v4.channel.k8s.io"]):
        with ksniff.capturing("client", "-f", "udp dst port 4408", "-o", path) as process:
            with sandbox.faults(exec_bytes_per_second=150_000):
                send(sandbox, 4408, 8000)  # 11.9 MB: more than a minute's worth
                began = time.monotonic()
                process.send_signal(signal.SIGINT)
                until(process, "Ctrl-C gives them up")
                time.sleep(max(0, began + 63 - time.monotonic()))
                assert process.poll() is None
            err = end(process, None)
    assert totals_of(path)[:3] == (8000, 8000, 0) and summary(err) == (8000, 0, 0, "")


def test_tcpdump_on_a_slow_way(sandbox, ksniff, tmp_path):
    """It is given as much time to write what it has taken from its ring; what it leaves there it counts, and so do we."""
    path = str(tmp_path / "x.pcapng")
    container = {"name": "app", "image": "registry.local/bash:1", "command": ["sleep", "1000"]}
    with sandbox.running_pod("dumping", containers=[container]):
        with ksniff.capturing("dumping", "-l", "/usr/bin/tcpdump", "-f", "udp dst port 4416", "-o", path) as process:
            with sandbox.faults(exec_bytes_per_second=500_000):
                send(sandbox, 4416, 6000, pod="dumping")
                process.send_signal(signal.SIGINT)
                err = process.head + process.stderr.read().decode()
                code = process.wait(timeout=GUARD)
    packets, received, dropped, _ = totals_of(path)
    captured, drops, lost, sure = summary(err)
    assert captured == packets and drops > 0 and not sure
    assert packets + drops + lost == received == 6000 and dropped == drops + lost
    # A signal in the midst of its writing costs tcpdump that packet.
    assert lost <= 1 and code == (LOSS if lost else 0), err


# ---- limits ----

@pytest.mark.parametrize("flags", [["--count", "100"], ["--max-size", "100k"]])
def test_what_is_behind_a_limit_is_not_waited_for(sandbox, ksniff, tmp_path, flags):
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "-f", "udp dst port 4409", "-o", path, *flags) as process:
        with sandbox.faults(exec_bytes_per_second=100_000):
            send(sandbox, 4409, 12000)  # three minutes' worth
            err = end(process, None)
    packets = totals_of(path)[0]
    assert packets == 100 if "--count" in flags else 50 < packets < 100
    assert summary(err)[0] == packets and summary(err)[2] == 0
    wait_until(lambda: not leftovers(sandbox), "the agent's end")


# ---- a slow reader ----

def read_all(process, piece=65536, pause=0.0, most=None):
    """Reads standard output slowly. Returns what came; after @most bytes closes it."""
    fd, data = process.stdout.fileno(), bytearray()
    while most is None or len(data) < most:
        part = os.read(fd, piece)
        if not part:
            break
        data += part
        time.sleep(pause)
    process.stdout.close()
    return bytes(data)


def hear(process):
    """Standard error, read meanwhile. Returns a function that gives it when the client has ended."""
    heard = []
    thread = threading.Thread(target=lambda: heard.append(process.stderr.read().decode()))
    thread.start()

    def get(code):
        assert process.wait(timeout=GUARD) == code, heard
        thread.join()
        return process.head + heard[0]
    return get


@pytest.mark.parametrize("ring", ["2M", "32M"])
def test_slow_reader(sandbox, ksniff, ring):
    with ksniff.capturing("client", "-f", "udp dst port 4410", "--buffer-size", ring, "-o", "-") as process:
        get = hear(process)
        send(sandbox, 4410, 12000)
        process.send_signal(signal.SIGINT)
        data = read_all(process, pause=0.03)  # 2 MB/s
        err = get(0)
    packets, received, dropped, _ = totals(data)
    assert packets + dropped == received == 12000 and (dropped > 0) == (ring == "2M")
    assert summary(err) == (packets, dropped, 0, "")


def test_reader_that_closes_its_pipe_while_the_ring_is_full(sandbox, ksniff):
    """It cannot be told any more; the user is: what was captured for it and never read."""
    with ksniff.capturing("client", "-f", "udp dst port 4411", "--buffer-size", "2M", "-o", "-") as process:
        get = hear(process)
        send(sandbox, 4411, 12000)
        time.sleep(0.5)
        data = read_all(process, most=300_000)
        err = get(LOSS)
    captured, dropped, lost, sure = summary(err)
    assert captured + dropped + lost == 12000 and not sure and lost > 1000
    # What it has read of a packet that it has not read whole is the only one that may be told apart differently.
    assert captured - totals(data)[0] in (0, 1)
    assert "lost on the way: who read them ended before they had been taken" in err
    wait_until(lambda: not leftovers(sandbox), "the agent's end")


def test_reader_that_closes_its_pipe_while_it_ends(sandbox, ksniff):
    with ksniff.capturing("client", "-f", "udp dst port 4412", "-o", "-") as process:
        get = hear(process)
        send(sandbox, 4412, 12000)
        process.send_signal(signal.SIGINT)
        data = read_all(process, pause=0.03, most=3_000_000)
        err = get(LOSS)
    captured, dropped, lost, sure = summary(err)
    assert captured + dropped + lost == 12000 and not sure and captured - totals(data)[0] in (0, 1)


def test_reader_that_rests_while_it_ends(sandbox, ksniff):
    """For longer than from one sign of life to the next. The server has ended by then, and would answer a byte of ours by
    throwing away what it has not been able to send."""
    with ksniff.capturing("client", "-f", "udp dst port 4418", "-o", "-") as process:
        get = hear(process)
        send(sandbox, 4418, 4000)  # 5.8 MB: more than there is room for on this side
        process.send_signal(signal.SIGINT)
        time.sleep(20)
        data = read_all(process)
        err = get(0)
    assert totals(data)[:3] == (4000, 4000, 0) and summary(err) == (4000, 0, 0, "")


def test_reader_that_has_enough_is_a_normal_end(sandbox, ksniff):
    """It was not late: what passed afterwards is not wanted."""
    with ksniff.capturing("client", "-f", "udp dst port 4413", "-o", "-") as process:
        get = hear(process)
        send(sandbox, 4413, 50)
        assert len(read_all(process, most=20_000)) >= 20_000
        send(sandbox, 4413, 50)
        err = get(0)
    assert "lost" not in err and "error" not in err


def test_reader_that_takes_nothing(sandbox, ksniff):
    """The second Ctrl-C ends it, and what it would not take is told."""
    with ksniff.capturing("client", "-f", "udp dst port 4414", "--buffer-size", "2M", "-o", "-") as process:
        get = hear(process)
        send(sandbox, 4414, 12000)
        process.send_signal(signal.SIGINT)
        time.sleep(1.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        err = get(LOSS)
        data = read_all(process)
    captured, dropped, lost, sure = summary(err)
    assert captured + dropped + lost == 12000 and not sure and captured - totals(data)[0] in (0, 1)
    wait_until(lambda: not leftovers(sandbox), "the agent's end")


# ---- a truncated end ----

@pytest.mark.parametrize("lost_bytes", [40, 400, 60_000])
def test_truncated_end(sandbox, ksniff, tmp_path, lost_bytes):
    """The exec says success, and the last bytes of its output have not come: within the last statistics, within the
    last packet, within one before it."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "-f", "udp dst port 4415", "-o", path) as process:
        with sandbox.faults(truncate_tail=lost_bytes):
            send(sandbox, 4415, 500)
            err = end(process, code=LOSS)
    packets, received, dropped, comments = totals_of(path)
    captured, drops, lost, sure = summary(err)
    assert captured == packets and packets + lost == 500 and drops == 0 and not sure
    assert lost == {40: 0, 400: 1}.get(lost_bytes, lost) and (lost > 1) == (lost_bytes > 1000)
    assert received == 500 and dropped == lost
    assert f"error: {lost} packet" in err and " lost on the way: its output ends within a packet, though" in err or \
        " lost on the way: the end of its output did not come, though" in err
    # At the last packet, or where that was written before the end had begun: at the statistics behind it.
    assert any(number == packets for _, number, _ in comments), comments
