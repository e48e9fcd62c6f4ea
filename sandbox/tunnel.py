# SPDX-License-Identifier: Apache-2.0
"""An API server that reaches its own node through a tunnel, as with an overlay network or WireGuard between nodes: in a
namespace of its own, joined to the node's by a cable, with VXLAN over it. What the server and the kubelet say to each
other is seen on the node twice: as TCP on the tunnel's device, and inside UDP on the cable's.
"""
from .network import path, run

OUTSIDE, INSIDE = "10.97.0", "10.98.0"  # the cable's network, the tunnel's
PORT = 8472
KUBELET = (f"{INSIDE}.1", 10250)


def make(network):
    """Returns the name of the server's namespace. It goes with the network's others."""
    far = network.prefix + "-far"
    run("ip", "netns", "add", far)
    network.in_node("ip", "link", "add", "under0", "type", "veth", "peer", "name", "under0", "netns", far)
    for number, name in ((1, network.node), (2, far)):
        for words in (("addr", "add", f"{OUTSIDE}.{number}/24", "dev", "under0"), ("link", "set", "under0", "up"),
                      ("link", "add", "over0", "type", "vxlan", "id", "42", "dev", "under0", "dstport", str(PORT),
                       "local", f"{OUTSIDE}.{number}", "remote", f"{OUTSIDE}.{3 - number}"),
                      ("addr", "add", f"{INSIDE}.{number}/24", "dev", "over0"), ("link", "set", "over0", "up"),
                      ("link", "set", "lo", "up")):
            run("ip", "-n", name, *words)
    return path(far)
