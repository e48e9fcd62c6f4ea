# SPDX-License-Identifier: Apache-2.0
"""Several targets in one capture."""
import subprocess

from conftest import capinfos, tshark


def test_two_pods(sandbox, ksniff, tmp_path):
    """Each packet stands at both ends, with the pod that it was seen at."""
    path = str(tmp_path / "x.pcapng")
    with ksniff.capturing("client", "web", "-f", "udp port 4701", "-o", path) as process:
        sent = sandbox.exchange(4701, rounds=5)
        head = ksniff.stop(process)
    rows = tshark(path, "udp.payload", "frame.interface_name")
    assert len(rows) == 2 * len(sent)
    for end in ("default/client:eth0", "default/web:eth0"):
        assert [row[0] for row in rows if row[1] == end] == [data.hex() for _, data in sent]
    assert capinfos(path).count("Name = default/web:eth0") == 1
    assert f"{len(rows)} packets captured" in head
