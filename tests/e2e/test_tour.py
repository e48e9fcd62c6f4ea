# SPDX-License-Identifier: Apache-2.0
"""Both ends of a flow through a Service, on two nodes whose clocks differ: with names, in the order of time."""
import os
import struct
import subprocess
import zlib

import pytest

from conftest import BUILD, GUARD, ROOT, Ksniff, running_sandbox, tshark, wait_until

CLIENT, WEB = "default/client:eth0", "default/web:eth0"


def whole(path):
    """Whether there is an exchange that both have seen from its beginning."""
    done = subprocess.run(["tshark", "-n", "-r", path, "-Y", "http.response", "-T", "fields", "-e", "frame.interface_name"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.split().count(CLIENT) >= 4 and done.stdout.split().count(WEB) >= 4


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """A capture of what client asks web, once a second."""
    path = str(tmp_path_factory.mktemp("tour") / "x.pcapng")
    with running_sandbox("--nodes", "2", "--service", "--clock-error", "node1=50", "--clock-error", "node2=-50") as box:
        nodes = {name: box.pod_object(name)["spec"]["nodeName"] for name in ("client", "web")}
        assert nodes["client"] != nodes["web"]
        ksniff = Ksniff(box)
        with ksniff.capturing("client", "web", "-f", "tcp port 8080", "-o", path) as process:
            wait_until(lambda: whole(path), "exchanges at both ends")
            ksniff.stop(process)
        yield path, {name: box.pod(name)["ip"] for name in ("client", "web")}


def test_a_service_is_its_address_at_the_client_and_the_pod_at_the_server(tour):
    """The same packet, with its sequence number: only the Service's address is rewritten, both ways."""
    path, ip = tour
    rows = tshark(path, "frame.interface_name", "ip.src", "ip.dst", "tcp.seq_raw", display="http")
    requests = {name: [row for row in rows if row[0] == name and row[1] == ip["client"]] for name in (CLIENT, WEB)}
    answers = {name: [row for row in rows if row[0] == name and row[2] == ip["client"]] for name in (CLIENT, WEB)}
    assert {row[2] for row in requests[CLIENT]} == {row[1] for row in answers[CLIENT]} == {"10.90.0.80"}
    assert {row[2] for row in requests[WEB]} == {row[1] for row in answers[WEB]} == {ip["web"]}
    for some in (requests, answers):
        assert len({row[3] for row in some[CLIENT]} & {row[3] for row in some[WEB]}) >= 3


def test_each_exchange_is_in_order(tour):
    """The request at client, then at web, the answer at web, then at client."""
    path, ip = tour
    streams = {}
    for name, source, port, other in tshark(path, "frame.interface_name", "ip.src", "tcp.srcport", "tcp.dstport", display="http"):
        streams.setdefault(port if source == ip["client"] else other, []).append((name, source == ip["client"]))
    complete = [steps for steps in streams.values() if len(steps) == 4]
    assert len(complete) >= 3
    assert all(steps == [(CLIENT, True), (WEB, True), (WEB, False), (CLIENT, False)] for steps in complete)
    times = [float(time) for time, in tshark(path, "frame.time_epoch")]
    assert times == sorted(times)


def test_both_ends_have_names(tour):
    done = subprocess.run(["tshark", "-N", "dn", "-r", tour[0], "-Y", "http.request", "-T", "fields", "-e",
                           "frame.interface_name", "-e", "ip.src_host", "-e", "ip.dst_host"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    assert {tuple(line.split("\t")) for line in done.stdout.splitlines()} == {
        (CLIENT, "client.default", "web.default.svc"), (WEB, "client.default", "web.default")}


def rows_of(png):
    """The rows of a picture as docs/picture writes it: bytes of RGB."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    start = png.index(b"IDAT")
    lines = zlib.decompress(png[start + 4:start + 4 + struct.unpack(">I", png[start - 4:start])[0]])
    return [lines[y * (width * 3 + 1) + 1:(y + 1) * (width * 3 + 1)] for y in range(height)]


def test_the_picture_can_be_made_again(tmp_path):
    """A window with HTTP in it, which Wireshark paints green, in the size of the picture that is there."""
    made = tmp_path / "tour.png"
    subprocess.run([os.path.join(ROOT, "docs", "picture"), made], env={**os.environ, "BUILD": BUILD}, check=True, timeout=3 * GUARD)
    with open(os.path.join(ROOT, "docs", "tour.png"), "rb") as file:
        there = rows_of(file.read())
    rows = rows_of(made.read_bytes())
    assert (len(rows), len(rows[0])) == (len(there), len(there[0]))
    for picture in (rows, there):
        green = [y for y, row in enumerate(picture) if row.count(bytes((228, 255, 199))) > len(row) // 12]
        assert len(green) > len(picture) // 3 and max(green) == len(picture) - 1
