# SPDX-License-Identifier: Apache-2.0
"""The way of an exec's bytes from the API server to the kubelet and back: one TCP connection each, to port
10250 of the node, in the node's network namespace, where a capture of the node's interfaces sees them.

On it go messages of a channel, a length and that many bytes; the channels are those of exec_ws.py.
"""
import asyncio
import concurrent.futures
import contextlib
import ctypes
import os
import socket
import struct

ADDRESS = ("10.244.0.1", 10250)
CLONE_NEWNET = 0x40000000
HEAD = struct.Struct("!BI")
BUFFER = 256 << 10  # bytes on the way before the writer waits


def enter(path):
    """This thread is in another network namespace from now on."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


class KubeletPort:
    def __init__(self, netns):
        self.thread = concurrent.futures.ThreadPoolExecutor(1, "kubelet-port", enter, (netns,))
        self.listener = self.thread.submit(self.listen).result()

    @staticmethod
    def listen():
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # those who are accepted inherit them
            listener.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        listener.bind(ADDRESS)
        listener.listen(64)
        return listener

    def pair(self):
        """A connection. Returns the API server's end and the kubelet's."""
        near = socket.create_connection(ADDRESS)
        while True:
            far, address = self.listener.accept()
            if address == near.getsockname():
                break
            far.close()  # somebody else's: a kubelet takes nobody without a certificate
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return near, far

    async def connect(self):
        near, far = await asyncio.get_running_loop().run_in_executor(self.thread, self.pair)
        return End(near), End(far)

    def close(self):
        self.listener.close()
        self.thread.shutdown()


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
