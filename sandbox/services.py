# SPDX-License-Identifier: Apache-2.0
"""What kube-proxy does: on each node, packets to a Service's address go to one of its ready endpoints instead."""
import asyncio
import subprocess

WATCHED = ("services", "endpointslices", "pods")


def selected(store, service):
    """Ready pods of a Service's selector, for one that has no EndpointSlice: (address, pod)."""
    wanted = service["spec"].get("selector")
    for pod in store.list("pods", service["metadata"]["namespace"]) if wanted else ():
        labels, status = pod["metadata"].get("labels") or {}, pod.get("status") or {}
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
        if wanted.items() <= labels.items() and status.get("podIP") and ready and "deletionTimestamp" not in pod["metadata"]:
            yield status["podIP"], pod


def named_port(pod, name):
    return next((port["containerPort"] for container in pod["spec"]["containers"] for port in container.get("ports") or []
                 if port.get("name") == name), None)


def endpoints(store, service, port):
    """Where a packet to this port of a Service may go: [(address, port)]."""
    metadata = service["metadata"]
    slices = [s for s in store.list("endpointslices", metadata["namespace"])
              if (s["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == metadata["name"]]
    if not slices:
        target = port.get("targetPort") or port["port"]
        found = ((address, target if isinstance(target, int) else named_port(pod, target))
                 for address, pod in selected(store, service))
        return [one for one in found if one[1]]
    return [(address, other["port"]) for s in slices if s.get("addressType") == "IPv4"
            for other in s.get("ports") or [] if other.get("port") and (other.get("name") or "") == (port.get("name") or "")
            for endpoint in s.get("endpoints") or []
            if (endpoint.get("conditions") or {}).get("ready") is not False for address in endpoint["addresses"][:1]]


def rules(store, hardware):
    """A node's rules, for nft. Answers pass through the node too, or its bridge would give them to a pod of its own as
    they are: hardware is the bridge's address."""
    there, refused, back = [], [], []
    for service in store.list("services", ""):
        address = service["spec"].get("clusterIP") or "None"
        for port in service["spec"].get("ports") or [] if "." in address else ():
            protocol = port.get("protocol", "TCP").lower()
            to = endpoints(store, service, port) if protocol in ("tcp", "udp") else []
            choice = ", ".join(f"{n} : {a} . {p}" for n, (a, p) in enumerate(to))
            if to:
                there.append(f"ip daddr {address} {protocol} dport {port['port']} "
                             f"dnat ip addr . port to numgen inc mod {len(to)} map {{ {choice} }}")
            else:
                refused.append(f"ip daddr {address} {protocol} dport {port['port']} reject")
            back += [f"ip saddr {a} {protocol} sport {p} ether daddr set {hardware} meta pkttype set host" for a, p in to]
    chains = "".join(f"chain {hook} {{ type nat hook {hook} priority -100;\n" + "\n".join(there) + "\n}\n"
                     for hook in ("prerouting", "output"))
    chains += "".join(f"chain refuse_{hook} {{ type filter hook {hook} priority 0;\n" + "\n".join(refused) + "\n}\n"
                      for hook in ("forward", "output"))
    return (f"table ip services\ndelete table ip services\ntable ip services {{\n{chains}}}\n"
            "table bridge services\ndelete table bridge services\ntable bridge services {\n"
            "chain prerouting { type filter hook prerouting priority -300;\n" + "\n".join(back) + "\n}\n}\n")


class Services:
    def __init__(self, sandbox):
        self.sandbox, self.store = sandbox, sandbox.store
        self.changed = asyncio.Event()
        self.known = {}  # by the name of a node: its rules
        self.store.watches.add(self)

    def offer(self, _event, resource, *_):
        if resource in WATCHED:
            self.changed.set()

    async def run(self):
        self.changed.set()
        while True:
            await self.changed.wait()
            self.changed.clear()
            for node in self.sandbox.nodes:
                wanted = rules(self.store, node.network.hardware)
                if self.known.get(node.name) != wanted:
                    self.known[node.name] = wanted
                    await self.apply(node, wanted)

    @staticmethod
    async def apply(node, wanted):
        process = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", node.network.node, "nft", "-f", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        _, complaint = await process.communicate(wanted.encode())
        if process.returncode:
            raise RuntimeError("nft: " + complaint.decode(errors="replace"))
