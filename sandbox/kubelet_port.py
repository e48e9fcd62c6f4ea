# SPDX-License-Identifier: Apache-2.0
"""The way of an exec's bytes from the API server to the container and back, in the node's network namespace,
where a capture of the node's interfaces sees them. As on a real node there are two legs, of one TCP connection
each: from the API server to the kubelet's port 10250, and from the kubelet to the container runtime's streaming
server, which listens on the loopback device at a port chosen when it starts, and speaks without TLS.

On both go messages of a channel, a length and that many bytes; the channels are those of exec_ws.py. The kubelet
passes them on as they come.
"""
import asyncio
import concurrent.futures
import contextlib
import ctypes
import os
import socket
import struct

from . import tunnel as tunnels
from .network import path

PORT = 10250
RUNTIME = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
CLONE_NEWNET = 0x40000000
HEAD = struct.Struct("!BI")
BUFFER = 256 << 10  # bytes on the way before the writer waits


def enter(namespace):
    """This thread is in another network namespace from now on."""
    fd = os.open(namespace, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


def listen(family, address):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # those who are accepted inherit them
        listener.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    listener.bind(address)
    listener.listen(64)
    return listener


def dial(address):
    return socket.create_connection(address[:2])


def pair(listener, near):
    """A connection to a listener, from the end that has called. Returns both ends, the listener's last."""
    while True:
        far, address = listener.accept()
        if address == near.getsockname():
            break
        far.close()  # somebody else's: a kubelet takes nobody without a certificate
    for end in (near, far):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


async def pass_on(source, sink):
    """The kubelet's part: what comes on one leg goes on to the other, then its end."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(source, BUFFER):
            await loop.sock_sendall(sink, data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def thread_in(netns):
    """A thread that makes its sockets in a network namespace."""
    return concurrent.futures.ThreadPoolExecutor(1, "kubelet-port", enter, (netns,))


class KubeletPort:
    def __init__(self, network, faults, server):
        """faults: a function; server: the thread that is where the API server is, None when it is on this node"""
        self.network, self.faults = network, faults
        self.thread = thread_in(path(network.node))
        self.far = self.tunnel = None  # a thread where the API server is, the kubelet's listener towards it
        self.server = server or self.thread
        self.kubelet = self.thread.submit(listen, socket.AF_INET, (network.address, PORT)).result()
        self.runtime = {family: self.thread.submit(listen, family, (address, 0)).result()
                        for family, address in RUNTIME.items()}
        self.tasks = set()  # one for each exec: the kubelet's part

    async def connect(self):
        """Returns the API server's end of one leg, and the runtime's end of the other."""
        tunnel = self.faults().get("tunnel") and self.server is self.thread
        runtime = self.runtime[socket.AF_INET6 if self.faults().get("runtime_ipv6") else socket.AF_INET]
        if tunnel and not self.far:
            self.far = thread_in(tunnels.make(self.network))
            self.tunnel = self.thread.submit(listen, socket.AF_INET, tunnels.KUBELET).result()
        kubelet, where = (self.tunnel, self.far) if tunnel else (self.kubelet, self.server)
        loop = asyncio.get_running_loop()
        near = await loop.run_in_executor(where, dial, kubelet.getsockname())
        server, front = await loop.run_in_executor(self.thread, pair, kubelet, near)
        back, runtime = await loop.run_in_executor(
            self.thread, lambda: pair(runtime, dial(runtime.getsockname())))
        task = asyncio.ensure_future(self.serve(front, back))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return End(server), End(runtime)

    @staticmethod
    async def serve(front, back):
        try:
            await asyncio.gather(pass_on(front, back), pass_on(back, front))
        finally:
            front.close()
            back.close()

    async def close(self):
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for listener in (self.kubelet, self.tunnel, *self.runtime.values()):
            if listener:
                listener.close()
        for thread in (self.thread, self.far):
            if thread:
                thread.shutdown()


class End:
    """One end of a connection."""

    def __init__(self, sock):
        self.sock = sock
        self.lock = asyncio.Lock()
        self.loop = asyncio.get_running_loop()

    async def send(self, channel, data):
        """Returns when it is on its way, so a full connection holds the sender back."""
        async with self.lock:
            await self.loop.sock_sendall(self.sock, HEAD.pack(channel, len(data)) + data)

    async def messages(self):
        """What comes, until the other end is closed."""
        buffer = bytearray()
        while True:
            try:
                data = await self.loop.sock_recv(self.sock, BUFFER)
            except OSError:
                return
            if not data:
                return
            buffer += data
            at = 0
            while len(buffer) - at >= HEAD.size:
                channel, length = HEAD.unpack_from(buffer, at)
                if len(buffer) - at - HEAD.size < length:
                    break
                at += HEAD.size + length
                yield channel, bytes(memoryview(buffer)[at - length:at])
            del buffer[:at]

    def finish(self):
        """The other end sees the end, and so does who reads here."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.sock.close()
