# SPDX-License-Identifier: Apache-2.0
"""The server's connections: its two ports, its restart, and a firewall that swallows everything.

The second port ("admin" in the ready file) serves the same, and is never touched: by it a test looks and
steers while the first is down.
"""
import asyncio
import ctypes
import socket
import struct

from aiohttp import web

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
HELD = 1 << 16  # bytes that a connection's writer may leave behind in the hole before it is told to wait


class Hole:
    """Holds one connection: what comes is dropped in the kernel, unanswered, and what goes stays here."""

    def __init__(self, transport):
        # Under TLS lies the transport of the socket itself.
        self.raw = transport._ssl_protocol._transport
        self.sock = self.raw._sock
        self.held, self.end = bytearray(), None
        self.names = {"write": self.write, "writelines": lambda parts: self.write(b"".join(parts)),
                      "pause_reading": lambda: None, "resume_reading": lambda: None,
                      "close": lambda: self.close("close"), "abort": lambda: self.close("abort")}

    def open(self):
        swallow(self.sock)
        self.raw.pause_reading()
        loop = asyncio.get_running_loop()
        loop._remove_writer(self.raw._sock_fd)
        for name, function in self.names.items():
            setattr(self.raw, name, function)

    def write(self, data):
        self.held += data
        if len(self.held) > HELD and not self.raw._protocol_paused:
            self.raw._protocol_paused = True
            self.raw._protocol.pause_writing()

    def close(self, how):
        self.end = self.end or how

    def restore(self):
        for name in self.names:
            self.raw.__dict__.pop(name, None)

    def clear(self):
        self.restore()
        if self.raw._sock is None:
            return
        self.sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, struct.pack("i", 0))
        if self.raw._buffer:  # what it was about to send before
            asyncio.get_running_loop()._add_writer(self.raw._sock_fd, self.raw._write_ready)
        self.raw.write(bytes(self.held))
        self.raw._maybe_resume_protocol()
        self.raw.resume_reading()
        if self.end:
            getattr(self.raw, self.end)()


def swallow(sock):
    """A socket filter that lets nothing through: TCP behaves as if the other side had vanished."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # return 0
    program = struct.pack("HL", 1, ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


class Front:
    def __init__(self, app, context):
        self.runner, self.context = web.AppRunner(app), context
        self.listener = self.admin = None
        self.port = self.admin_port = 0
        self.holes = None  # while the firewall is up: {transport: Hole}

    async def open(self, port):
        await self.runner.setup()
        self.listener = await self.listen(port)
        self.admin = await self.listen(0)
        self.port, self.admin_port = (s.sockets[0].getsockname()[1] for s in (self.listener, self.admin))

    async def listen(self, port):
        return await asyncio.get_running_loop().create_server(self.factory, "127.0.0.1", port, ssl=self.context,
                                                              reuse_address=True)

    def factory(self):
        return self.runner.server()

    def connections(self):
        """The transports of the first port."""
        for handler in list(self.runner.server.connections):
            transport = handler.transport
            if transport and not (transport._ssl_protocol and transport._ssl_protocol._transport):
                continue  # it is just being closed, or lost
            name = transport and transport.get_extra_info("sockname")
            if name and name[1] == self.port:
                yield transport

    async def restart(self, seconds):
        """The server goes, with all of its connections, and comes back later. The pods do not notice."""
        self.blackhole(False)
        self.listener.close()
        for transport in self.connections():
            transport.abort()
        await asyncio.sleep(seconds)
        self.listener = await self.listen(self.port)

    def blackhole(self, on):
        if on and self.holes is None:
            self.holes = {}
            for listening in self.listener.sockets:
                swallow(listening._sock)
            for transport in self.connections():
                self.holes[transport] = Hole(transport)
                self.holes[transport].open()
        elif not on and self.holes is not None:
            holes, self.holes = self.holes, None
            for listening in self.listener.sockets:
                listening._sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, struct.pack("i", 0))
            for hole in holes.values():
                hole.clear()

    async def close(self):
        for hole in (self.holes or {}).values():
            hole.restore()
        self.holes = None
        self.listener.close()
        self.admin.close()
        await self.runner.server.shutdown(0.1)
        await self.runner.cleanup()
