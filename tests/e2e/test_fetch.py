# SPDX-License-Identifier: Apache-2.0
"""What was recorded is fetched: each packet once, in the order of time, of all nodes, whatever is cut."""
import contextlib
import datetime
import json
import os
import re
import signal
import socket
import subprocess
from time import sleep

import pytest

from conftest import GUARD, LARGE_PAGES, TRANSPORTS, Ksniff, capinfos, exchange_in, in_netns, tshark, wait_until

SLOW = 40_000  # bytes per second: it is not over before it is cut

ROUNDS = 50
APART = ["default/client:eth0", "default/web:eth0", "default/web:eth0", "default/client:eth0"]


@pytest.fixture(scope="module")
def box(two_nodes):
    assert two_nodes.node_of("web") != two_nodes.node_of("client")
    return two_nodes


@pytest.fixture(scope="module")
def ksniff(box):
    return Ksniff(box)


def names_of(box):
    return {pod["metadata"]["labels"]["kubectl-sniff/recording"] for pod in box.helpers()
            if "kubectl-sniff/recording" in pod["metadata"]["labels"]}


@contextlib.contextmanager
def recording(ksniff, name, *words):
    done = ksniff.run(*words, f"--record={name}", "--keep", "64M")
    assert done.code == 0, done.err
    try:
        yield name
    finally:
        if name in names_of(ksniff.box):
            done = ksniff.run("--end", name)
            assert done.code == 0, done.err


@pytest.fixture(scope="module")
def shop(box, ksniff):
    """Both ends of the exchanges of this file, on a node each."""
    with recording(ksniff, "shop", "client", "web", "-f", "udp portrange 5700-5799") as name:
        yield name


def fetch(ksniff, name, path, *words, code=0):
    done = ksniff.run("--fetch", name, "-o", path, *words)
    assert done.code == code, done.err
    return done.err


def rows_of(path):
    """(where it was seen, what it says), in the order of the file."""
    return [(name, payload) for name, payload in tshark(path, "frame.interface_name", "udp.payload")]


def times_of(path):
    return [row[0] for row in tshark(path, "frame.time_epoch")]


def seen(sent):
    """An exchange as both ends have seen it: the question at the client, then at web; and back."""
    return [(APART[2 * (not to_web) + end], data.hex()) for to_web, data in sent for end in (0, 1)]


def is_recorded(ksniff, name, path, port, count):
    """Waits until so many packets of a port can be fetched: a recorder writes what it has a little later."""
    def is_there():
        fetch(ksniff, name, path, "-f", f"udp port {port}")
        return len(rows_of(path)) >= count
    wait_until(is_there, f"{count} packets in {name}")


def recorded_exchange(box, ksniff, name, path, port, rounds=ROUNDS, ends=2):
    sent = exchange_in(box, port, rounds)
    is_recorded(ksniff, name, path, port, (4 if ends == 2 else 2) * rounds)
    return sent


def moment(epoch):
    """A packet's time, "1790000000.123456789", as RFC 3339."""
    seconds, parts = epoch.split(".")
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + parts + "Z"


# ---- a known exchange ----

def test_every_packet_once_in_order_while_it_goes_on_recording(box, ksniff, shop, tmp_path):
    path = str(tmp_path / "x.pcapng")
    sent = recorded_exchange(box, ksniff, shop, path, 5700)
    err = fetch(ksniff, shop, path, "-f", "udp port 5700")
    assert rows_of(path) == seen(sent)
    times = [float(time) for time in times_of(path)]
    assert times == sorted(times)
    assert f"{4 * ROUNDS} packets captured" in err and "0 dropped" in err and f"written to '{path}'" in err
    told = capinfos(path)
    # Each device is one interface, of however many segments; and who wrote the file says what it is.
    assert told.count("Name = default/web:eth0") == 1 and told.count("Name = default/client:eth0") == 1
    assert "recording: shop" in told and "2 of 2 targets are being fetched" in err
    assert names_of(box) == {"shop"} and box.helpers()


def test_fetching_twice_gives_the_same_packets(box, ksniff, shop, tmp_path):
    paths = [str(tmp_path / name) for name in ("a.pcapng", "b.pcapng")]
    recorded_exchange(box, ksniff, shop, paths[0], 5701)
    for path in paths:
        fetch(ksniff, shop, path, "-f", "udp port 5701")
    fields = "frame.interface_name", "frame.time_epoch", "udp.payload", "frame.comment"
    assert tshark(paths[0], *fields) == tshark(paths[1], *fields)


def test_to_standard_output_as_pcap_and_a_file_each(box, ksniff, shop, tmp_path):
    path = str(tmp_path / "x.pcap")
    sent = recorded_exchange(box, ksniff, shop, path, 5702)
    done = ksniff.run("--fetch", shop, "-f", "udp port 5702", "-o", "-", "--format", "pcap", "--summary", str(tmp_path / "sum"))
    assert done.code == 0, done.err
    (tmp_path / "y.pcap").write_bytes(done.out)
    assert [row[0] for row in tshark(str(tmp_path / "y.pcap"), "udp.payload")] == [data for _, data in seen(sent)]
    summary = json.loads((tmp_path / "sum").read_text())
    assert [row["packets"] for row in summary["targets"]] == [2 * ROUNDS, 2 * ROUNDS]
    fetch(ksniff, shop, str(tmp_path / "%p.pcapng"), "-f", "udp port 5702")
    assert rows_of(str(tmp_path / "web.pcapng")) == [row for row in seen(sent) if "/web:" in row[0]]


def test_names_of_services_and_pods_in_the_filter(box, ksniff, shop, tmp_path):
    path = str(tmp_path / "x.pcapng")
    recorded_exchange(box, ksniff, shop, path, 5703)
    fetch(ksniff, shop, path, "-f", "src host web.default.pod and udp port 5703")
    assert [name for name, _ in rows_of(path)] == ["default/web:eth0", "default/client:eth0"] * ROUNDS


def test_since_and_until_are_exact(box, ksniff, shop, tmp_path):
    path, part = str(tmp_path / "x.pcapng"), str(tmp_path / "y.pcapng")
    recorded_exchange(box, ksniff, shop, path, 5704)
    times, rows = times_of(path), rows_of(path)
    fetch(ksniff, shop, part, "-f", "udp port 5704", "--since", moment(times[17]), "--until", moment(times[101]))
    assert times_of(part) == times[17:102] and rows_of(part) == rows[17:102]
    fetch(ksniff, shop, part, "-f", "udp port 5704", "--since", "1h")
    assert rows_of(part) == rows
    # What ended before is nothing, and that is what the file says.
    err = fetch(ksniff, shop, part, "-f", "udp port 5704", "--until", "1h")
    assert rows_of(part) == [] and "0 packets captured" in err


def test_live_goes_on_without_a_gap(box, ksniff, shop, tmp_path):
    path = str(tmp_path / "x.pcapng")
    before = recorded_exchange(box, ksniff, shop, path, 5705)
    with ksniff.capturing("--fetch", shop, "--live", "-f", "udp port 5705", "-o", path) as process:
        after = exchange_in(box, 5705, ROUNDS)
        wait_until(lambda: len(whole_rows(path)) == 8 * ROUNDS, "all packets")
        more = exchange_in(box, 5705, ROUNDS)
        wait_until(lambda: len(whole_rows(path)) == 12 * ROUNDS, "what came live")
        ksniff.stop(process)
    # What comes live is in order as far as the window reaches; what was recorded before it is.
    assert rows_of(path)[:4 * ROUNDS] == seen(before)
    assert sorted(rows_of(path)) == sorted(seen(before + after + more))


def whole_rows(path):
    """Of a file that is being written."""
    done = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.number"], env=LARGE_PAGES, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.splitlines()


# ---- cuts ----

@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_fetch_that_is_cut_goes_on_where_it_was(box, ksniff, shop, tmp_path, transport):
    """No packet twice, none missing: it is cut amid what it fetches, more than once."""
    path, port = str(tmp_path / "x.pcapng"), 5706 + TRANSPORTS.index(transport)
    sent = recorded_exchange(box, ksniff, shop, path, port, 500)
    with box.over(transport):
        box.set_faults(exec_bytes_per_second=SLOW)
        process = ksniff.start("--fetch", shop, "-f", f"udp port {port}", "-o", path, "-v")
        process.head = "\n"
        try:
            Ksniff.read_until(process, "fetching what was recorded;")
            for _ in range(2):
                size = len(whole_rows(path))
                wait_until(lambda: len(whole_rows(path)) > size + 100, "some of it")
                box.set_faults(exec_bytes_per_second=SLOW, drop_exec_connections=True)
                Ksniff.read_until(process, "fetching again, where it was cut")
            box.set_faults()
            err = Ksniff.stop_by_itself(process)
        finally:
            process.kill()
            process.wait()
    assert rows_of(path) == seen(sent)
    assert re.search(r"the fetch was cut \d+ times, and taken up where it was", err)
    assert "missing" not in err and not [row for row in tshark(path, "frame.comment") if row[0]]


def test_an_interrupt_ends_it_and_says_so(box, ksniff, shop, tmp_path):
    path = str(tmp_path / "x.pcapng")
    recorded_exchange(box, ksniff, shop, path, 5708, 200)
    with box.faults(exec_bytes_per_second=50000):
        process = ksniff.start("--fetch", shop, "-o", path)
        process.head = "\n"
        Ksniff.read_until(process, "fetching what was recorded;")
        process.send_signal(signal.SIGINT)
        box.set_faults()
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 130, err
    assert "interrupted before all that was recorded had come" in err
    tshark(path, "frame.number")  # what had come is a whole file


def test_the_role_to_list_is_enough(box, ksniff, shop, tmp_path):
    """docs/rbac/recordings.yaml: no pod is got, and none is made; also after a cut."""
    path = str(tmp_path / "x.pcapng")
    sent = recorded_exchange(box, ksniff, shop, path, 5709, 300)
    config = box.kubeconfig_for("fetcher", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
                                            {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}])
    box.set_faults(exec_bytes_per_second=SLOW)
    process = ksniff.start("--fetch", shop, "-f", "udp port 5709", "-o", path, env={"KUBECONFIG": config})
    process.head = "\n"
    try:
        Ksniff.read_until(process, "fetching what was recorded;")
        box.set_faults(drop_exec_connections=True)
        Ksniff.stop_by_itself(process)
    finally:
        box.set_faults()
        process.kill()
        process.wait()
    assert rows_of(path) == seen(sent)


# ---- what is gone ----

def test_what_pods_that_are_gone_have_said(box, ksniff, tmp_path):
    """By the names and addresses that they had."""
    path = str(tmp_path / "x.pcapng")
    with box.running_pod("short", containers=[{"name": "app", "image": "busybox", "command": ["sleep", "3600"]}]):
        context = recording(ksniff, "gone", "short", "-f", "udp port 5720")
        name = context.__enter__()
        box.datagrams("short", 5720, 5)
        is_recorded(ksniff, name, path, 5720, 5)
    try:
        fetch(ksniff, name, path)
        assert [row[1] for row in rows_of(path)] == [(b"number %d" % number).hex() for number in range(5)]
        assert {row[0] for row in rows_of(path)} == {"default/short:lo"}
    finally:
        context.__exit__(None, None, None)


def test_a_node_whose_recorder_is_gone(box, ksniff, tmp_path):
    """What the others have is fetched; and that the rest is lost is told, also when it is ended then."""
    path = str(tmp_path / "x.pcapng")
    with recording(ksniff, "half", "client", "web", "-f", "udp port 5721"):
        sent = recorded_exchange(box, ksniff, "half", path, 5721)
        lost, = (pod for pod in box.helpers() if pod["metadata"]["labels"].get("kubectl-sniff/recording") == "half"
                 and pod["spec"]["nodeName"] == box.node_of("client"))
        where = box.path("pods", lost["metadata"]["name"])
        box.call("PATCH", where, {"spec": {"activeDeadlineSeconds": 1}})
        wait_until(lambda: box.get(where)["status"]["phase"] == "Failed", "the end of a recorder")
        told = (f"the recorder '{lost['metadata']['name']}' on node '{box.node_of('client')}' has ended, and what it had kept is "
                "gone: DeadlineExceeded: Pod was active on the node longer than the specified deadline")
        err = fetch(ksniff, "half", path, "--summary", str(tmp_path / "sum"), code=3)
        assert rows_of(path) == [row for row in seen(sent) if "/web:" in row[0]]
        assert told in err and "1 of 2 recorders had ended: all has come that is left" in err
        assert json.loads((tmp_path / "sum").read_text())["exitCode"] == 3
        # Whose node cannot be asked may have it still.
        with box.faults(kubelet_down="early"):
            assert ksniff.run("--end", "half", "--fetch", "-o", path).code == 1 and "half" in names_of(box)
        done = ksniff.run("--end", "half", "--fetch", "-o", path)
        assert done.code == 3 and told in done.err and "recording 'half' has ended: 2 pods are removed" in done.err
        assert rows_of(path) == [row for row in seen(sent) if "/web:" in row[0]]
        assert "half" not in names_of(box)


def test_a_recorder_that_is_being_deleted(box, ksniff, tmp_path):
    """By a drain, or on a node that nobody reaches: it is named as long as it is there, and --end waits for it."""
    path = str(tmp_path / "x.pcapng")
    with recording(ksniff, "drained", "client", "web", "-f", "udp port 5726"):
        sent = recorded_exchange(box, ksniff, "drained", path, 5726)
        def left():
            return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in box.helpers()
                    if pod["metadata"]["labels"].get("kubectl-sniff/recording") == "drained"}
        pod, = (name for name, node in left().items() if node == box.node_of("client"))
        where = box.path("pods", pod)
        box.call("PATCH", where, {"metadata": {"finalizers": ["example.com/later"]}})
        box.call("DELETE", where)
        told = f"the recorder '{pod}' on node '{box.node_of('client')}' is being deleted, and left out: what it has kept goes with it"
        assert told in fetch(ksniff, "drained", path)
        assert rows_of(path) == [row for row in seen(sent) if "/web:" in row[0]]
        entry, = [one for one in json.loads(ksniff.run("--recordings=json").out) if one["name"] == "drained"]
        assert {(pod["state"], pod["reason"]) for pod in entry["pods"]} == {("ended", "it is being deleted"), ("recording", None)}
        # What it has recorded is recorded anew, by another.
        assert 'recording "drained": 1 target, until' in ksniff.run("client", "--record=drained").out.decode()
        process = ksniff.start("--end", "drained")
        process.head = ""
        wait_until(lambda: list(left()) == [pod], "the others' end")
        box.call("PATCH", where, {"metadata": {"finalizers": None}})
        assert "3 pods are removed" in Ksniff.stop_by_itself(process)
        assert "drained" not in names_of(box)


@contextlib.contextmanager
def evicted(box, name, message):
    """A recorder that ended long ago."""
    what = {"metadata": {"name": "ksniff-evicted", "labels": {
        "kubectl-sniff/recording": name, "app.kubernetes.io/name": "ksniff", "app.kubernetes.io/managed-by": "kubectl-sniff"},
        "annotations": {"kubectl-sniff/recorded": json.dumps({"started": "2026-01-01T00:00:00Z", "targets": [
            {"namespace": "default", "name": "old", "uid": "u", "container": "app", "node": "node1"}]})}},
        "spec": {"nodeName": "node1", "containers": [{"name": "ksniff", "image": "busybox"}]},
        "status": {"phase": "Failed", "reason": "Evicted", "message": message, "containerStatuses": [{
            "name": "ksniff", "state": {"terminated": {"exitCode": 137, "finishedAt": "2026-01-02T00:00:00Z"}}}]}}
    code, answer = box.call("POST", "/sandbox/objects", {"resource": "pods", "namespace": "default", "object": what})
    assert code == 201, answer
    try:
        yield
    finally:
        box.call("DELETE", box.path("pods", "ksniff-evicted"))


def test_what_ended_before_is_not_missed(box, ksniff, shop, tmp_path):
    """Only who wants what an evicted recorder had is told that he has lost it."""
    path = str(tmp_path / "x.pcapng")
    sent = recorded_exchange(box, ksniff, shop, path, 5725, 5)
    with evicted(box, shop, "The node was low on resource:\x1b[31m ephemeral-storage."):
        err = fetch(ksniff, shop, path, "-f", "udp port 5725", code=3)
        assert rows_of(path) == seen(sent)
        assert r"the recorder 'ksniff-evicted' on node 'node1' has ended, and what it had kept is gone: Evicted: The node was" in err
        assert "\x1b" not in err
        err = fetch(ksniff, shop, path, "-f", "udp port 5725", "--since", "1h")
        assert rows_of(path) == seen(sent) and "is left out: it has ended, and had nothing of the time that is wanted" in err
        assert ksniff.run("--fetch", shop, "-o", path, "--until", "2026-01-01T12:00:00Z").code == 3
        assert ksniff.run("--fetch", shop, "-o", path, "--until", "2025-01-01T12:00:00Z").code == 0


def test_all_have_ended(box, ksniff, tmp_path):
    """There is nothing to fetch, and --end does not insist on it."""
    with evicted(box, "over", "The node was low on resource: memory."):
        path = str(tmp_path / "x.pcapng")
        told = 'every recorder of "over" has ended, and what they had kept is gone'
        assert ksniff.fail("--fetch", "over", "-o", path, code=3) == told + " (kubectl sniff --end over removes what is left of them)"
        assert "over" in names_of(box)
        assert ksniff.fail("--end", "over", "--fetch", "-o", path, code=3) == told
        assert "over" not in names_of(box)


def test_a_pod_that_says_nonsense(box, ksniff, shop, tmp_path):
    """Whoever may make pods can make one that looks like a recorder: it is left out, and named."""
    path = str(tmp_path / "x.pcapng")
    sent = recorded_exchange(box, ksniff, shop, path, 5724, 5)
    with box.running_pod("nonsense", containers=[{"name": "ksniff", "image": "busybox", "command": ["sleep", "1000"]}], metadata={
            "labels": {"kubectl-sniff/recording": shop, "app.kubernetes.io/name": "ksniff",
                       "app.kubernetes.io/managed-by": "kubectl-sniff"},
            "annotations": {"kubectl-sniff/recorded": json.dumps({"targets": [{"namespace": 5}]})}}):
        err = fetch(ksniff, shop, path, "-f", "udp port 5724")
    assert rows_of(path) == seen(sent)
    assert 'pod "nonsense" does not say well what it records as number 0, which is left out: ' in err


def test_no_such_recording(ksniff, shop):
    for words in (["--fetch", "shoop"], ["--wait-for", "shoop"], ["--end", "shoop", "--fetch"]):
        text = ksniff.fail(*words, "-o", "/dev/null")
        assert text.startswith('there is no recording "shoop"') and f'"{shop}"' in text  # which there are


def test_two_recordings_side_by_side(box, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with recording(ksniff, "one", "client", "web", "-f", "udp port 5722"), \
            recording(ksniff, "other", "web", "-f", "udp port 5723"):
        one = recorded_exchange(box, ksniff, "one", path, 5722)
        other = exchange_in(box, 5723, 5)
        is_recorded(ksniff, "other", path, 5723, 10)
        fetch(ksniff, "one", path)
        assert rows_of(path) == seen(one)
        fetch(ksniff, "other", path)
        assert rows_of(path) == [row for row in seen(other) if "/web:" in row[0]]


# ---- triggers ----

def state_of(ksniff, name):
    """What the list says of it, as text."""
    return json.dumps([one for one in json.loads(ksniff.run("--recordings=json").out) if one["name"] == name])


@contextlib.contextmanager
def trap(ksniff, name, port, *more):
    words = "client", "web", "-f", f"udp portrange {port}-{port + 1}", "--stop-when", f"udp port {port + 1} and udp[8:4] = 0x626f6f6d"
    with recording(ksniff, name, *words, *more):
        yield name


def spring(box, port):
    """The packet that the trigger waits for, in web alone."""
    with in_netns(box.netns("web")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"boom", ("127.0.0.1", port + 1))


def test_a_trigger_freezes_and_waiting_for_it_fetches(box, ksniff, tmp_path):
    """It is waited for, whatever is cut meanwhile; what came before is there, what came behind it is not."""
    path = str(tmp_path / "x.pcapng")
    with trap(ksniff, "trap", 5730):
        before = recorded_exchange(box, ksniff, "trap", path, 5730)
        process = ksniff.start("--wait-for", "trap", "-o", path)
        process.head = "\n"
        Ksniff.read_until(process, "waiting for the trigger of 'trap' on 2 nodes")
        box.drop_streams()
        box.call("POST", "/sandbox/restart", {"seconds": 1})
        spring(box, 5730)
        Ksniff.read_until(process, "is frozen: its trigger has fired")
        Ksniff.read_until(process, "fetching the recording 'trap'")
        exchange_in(box, 5730, 5)  # nobody records it any more
        err = Ksniff.stop_by_itself(process)
        rows = [row for row in rows_of(path) if row[1] != b"boom".hex()]
        assert rows == seen(before), err
        assert ("default/web:lo", b"boom".hex()) in rows_of(path)
        # Fetched again, without waiting: it is the same, and stays.
        again = str(tmp_path / "y.pcapng")
        done = ksniff.run("--wait-for", "trap", "-o", again)
        assert done.code == 0 and rows_of(again) == rows_of(path), done.err
        assert fetch(ksniff, "trap", again) and rows_of(again) == rows_of(path)
        assert state_of(ksniff, "trap").count("frozen") >= 2


def test_live_of_what_is_frozen(box, ksniff, tmp_path):
    """Of a node that is frozen nothing new comes, which is told; where all are, the fetch ends."""
    path = str(tmp_path / "x.pcapng")
    with trap(ksniff, "still", 5736):
        sent = recorded_exchange(box, ksniff, "still", path, 5736)
        spring(box, 5736)
        wait_until(lambda: "frozen" in state_of(ksniff, "still"), "the trigger")
        frozen = f"what node '{box.node_of('web')}' records is frozen: nothing new will come of it"
        with ksniff.capturing("--fetch", "still", "--live", "-f", "udp port 5736", "-o", path) as process:
            more = exchange_in(box, 5736, 5)
            wait_until(lambda: len(whole_rows(path)) == 4 * ROUNDS + 10, "what the other has recorded since")
            err = ksniff.stop(process)
        assert frozen in err and "all of the recording" not in err
        assert sorted(rows_of(path)) == sorted(seen(sent) + [row for row in seen(more) if "/client:" in row[0]])
        assert ksniff.run("--wait-for", "still", "-o", path).code == 0
        err = fetch(ksniff, "still", path, "--live", "-f", "udp port 5736")
        assert frozen in err and "all of the recording 'still' is frozen: the fetch ends with what is there" in err
        assert len(rows_of(path)) == 4 * ROUNDS + 10


def test_live_of_what_freezes_meanwhile(box, ksniff, tmp_path):
    """The target that is frozen is told, and its last packets come; the others go on until they are, which ends it."""
    path = str(tmp_path / "x.pcapng")
    with trap(ksniff, "caught", 5738):
        sent = recorded_exchange(box, ksniff, "caught", path, 5738)
        with ksniff.capturing("--fetch", "caught", "--live", "-f", "udp port 5738", "-o", path) as process:
            spring(box, 5738)
            Ksniff.read_until(process, 'pod "web": its recording is frozen: nothing new will come of it')
            more = exchange_in(box, 5738, 5)
            wait_until(lambda: len(whole_rows(path)) == 4 * ROUNDS + 10, "what the other has recorded since")
            assert ksniff.run("--wait-for", "caught", "-o", str(tmp_path / "y.pcapng")).code == 0
            assert process.wait(timeout=GUARD) == 0
        assert sorted(rows_of(path)) == sorted(seen(sent) + [row for row in seen(more) if "/client:" in row[0]])


def nanoseconds(time):
    """Of an RFC 3339 time with nine digits behind the point, or a packet's "1790000000.123456789"."""
    if "T" in time:
        whole, parts = time.rstrip("Z").split(".")
        time = f"{int(datetime.datetime.fromisoformat(whole + '+00:00').timestamp())}.{parts}"
    return int(time.replace(".", ""))


def test_a_time_back_is_from_what_has_fired(box, ksniff, tmp_path):
    """However long ago that was."""
    path = str(tmp_path / "x.pcapng")
    with trap(ksniff, "back", 5734):
        recorded_exchange(box, ksniff, "back", path, 5734)
        sleep(0.1)
        exchange_in(box, 5734, ROUNDS)
        sleep(0.1)
        spring(box, 5734)
        wait_until(lambda: "frozen" in state_of(ksniff, "back"), "the trigger")
        fetch(ksniff, "back", path)
        times = [nanoseconds(time) for time in times_of(path)]
        fired, = {nanoseconds(pod["trigger"]["time"]) for one in json.loads(ksniff.run("--recordings=json").out)
                  if one["name"] == "back" for pod in one["pods"] if pod["trigger"]}
        # The second exchange alone, by milliseconds amid the pauses before it and behind it.
        first, last = (fired // 10**6 - (times[at - 1] + times[at]) // 2 // 10**6 for at in (4 * ROUNDS, 8 * ROUNDS))
        part = str(tmp_path / "y.pcapng")
        done = ksniff.run("--wait-for", "back", "-o", part, "--since", f"{first}ms", "--until", f"{last}ms")
        assert done.code == 0, done.err
        assert [nanoseconds(time) for time in times_of(part)] == times[4 * ROUNDS:8 * ROUNDS]


def test_what_waiting_refuses(box, ksniff, shop, tmp_path):
    text = ksniff.fail("--wait-for", shop, "-o", "/dev/null")
    assert text.startswith('the recording "shop" has no trigger to wait for')
    with trap(ksniff, "never", 5732):
        text = ksniff.fail("--wait-for", "never", "--wait=1s", "-o", str(tmp_path / "x"))
        assert text.startswith('the trigger of "never" has not fired')
        process = ksniff.start("--wait-for", "never", "-o", str(tmp_path / "x"))
        process.head = "\n"
        Ksniff.read_until(process, "waiting for the trigger")
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
        assert process.wait(timeout=GUARD) == 130 and "interrupted while waiting for the trigger" in err


# ---- the end ----

def test_the_end_with_the_last_that_there_is(box, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with recording(ksniff, "last", "client", "web", "-f", "udp port 5740"):
        sent = exchange_in(box, 5740, ROUNDS)
        done = ksniff.run("--end", "last", "--fetch", "-o", path)
        assert done.code == 0, done.err
        assert rows_of(path) == seen(sent)
        assert "last" not in names_of(box)


def test_a_freeze_whose_end_nobody_tells(box, ksniff, tmp_path):
    """What the recorder says of itself counts."""
    path = str(tmp_path / "x.pcapng")
    with recording(ksniff, "mute", "client", "web", "-f", "udp port 5743"):
        sent = exchange_in(box, 5743, ROUNDS)
        with box.faults(hang_exec_of="freeze"):
            done = ksniff.run("--end", "mute", "--fetch", "-o", path)
        assert done.code == 0, done.err
        assert rows_of(path) == seen(sent) and "mute" not in names_of(box)


def test_a_recorder_that_does_not_freeze(box, ksniff, tmp_path):
    """It hangs: what is known of it is said, and nothing is removed."""
    path = str(tmp_path / "x.pcapng")
    with recording(ksniff, "stuck", "web", "-f", "udp port 5744"):
        pod, = (pod["metadata"]["name"] for pod in box.helpers()
                if pod["metadata"]["labels"].get("kubectl-sniff/recording") == "stuck")
        process = box.pod(pod)["containers"]["ksniff"]["pid"]
        os.kill(process, signal.SIGSTOP)
        try:
            error = ksniff.fail("--end", "stuck", "--fetch", "-o", path)
        finally:
            os.kill(process, signal.SIGCONT)
        assert error == (f'the recorder of node "{box.node_of("web")}" could not be frozen: it was told to 20 s ago, and is still recording')
        assert "stuck" in names_of(box)


def test_what_is_added_meanwhile_goes_on(box, ksniff, tmp_path):
    """What is removed is what was fetched: somebody takes a pod into the recording while it is being ended."""
    path = str(tmp_path / "x.pcapng")
    with recording(ksniff, "grows", "client", "-f", "udp port 5742"):
        sent = recorded_exchange(box, ksniff, "grows", path, 5742, 200, ends=1)
        box.set_faults(exec_bytes_per_second=SLOW)
        process = ksniff.start("--end", "grows", "--fetch", "-o", path)
        process.head = "\n"
        try:
            Ksniff.read_until(process, "fetching what was recorded;")
            done = ksniff.run("web", "--record=grows", "--keep", "64M", "-f", "udp port 5742")
            assert done.code == 0, done.err
            box.set_faults()
            err = Ksniff.stop_by_itself(process)
        finally:
            box.set_faults()
            process.kill()
            process.wait()
        assert rows_of(path) == [row for row in seen(sent) if "/client:" in row[0]]
        assert "recording 'grows' has ended: 1 pod is removed" in err
        assert "pods of the recording 'grows' that were added meanwhile go on recording: 1" in err
        left, = (pod for pod in box.helpers() if pod["metadata"]["labels"].get("kubectl-sniff/recording") == "grows")
        assert left["spec"]["nodeName"] == box.node_of("web")


def test_nothing_is_removed_if_not_all_was_fetched(box, ksniff, tmp_path):
    path = str(tmp_path / "x.pcapng")
    with recording(ksniff, "kept", "client", "web", "-f", "udp port 5741"):
        sent = recorded_exchange(box, ksniff, "kept", path, 5741, 200)
        # Nowhere to write it.
        done = ksniff.run("--end", "kept", "--fetch", "-o", str(tmp_path / "no" / "x"))
        assert done.code == 1 and "kept" in names_of(box)
        # The user does not want the rest.
        with box.faults(exec_bytes_per_second=50000):
            process = ksniff.start("--end", "kept", "--fetch", "-o", path)
            process.head = "\n"
            Ksniff.read_until(process, "fetching what was recorded;")
            process.send_signal(signal.SIGINT)
            box.set_faults()
            err = process.stderr.read().decode()
            assert process.wait(timeout=GUARD) == 130, err
        assert "nothing of the recording 'kept' is removed" in err and "kept" in names_of(box)
        # Nobody can be asked.
        with box.faults(kubelet_down="early"):
            err = ksniff.run("--end", "kept", "--fetch", "-o", path)
            assert err.code == 1 and "could not be frozen" in err.err and "kept" in names_of(box)
        # And all that was there still is.
        fetch(ksniff, "kept", path)
        assert rows_of(path) == seen(sent)
