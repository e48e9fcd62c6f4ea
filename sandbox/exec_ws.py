# SPDX-License-Identifier: Apache-2.0
"""exec and attach over WebSocket (v5.channel.k8s.io and v4.channel.k8s.io), frame by frame as a real API
server, and behind SPDY (spdy.py), whose connection gives and takes the same frames. An exec's bytes take
the way over the kubelet's port (kubelet_port.py) between the client's connection and the process.

What was measured there and is kept here: a process whose client has gone is not killed. Its stdin is
closed, its stdout stays open and is read no more.
"""
import asyncio
import contextlib
import fcntl
import json
import os
import struct
import termios

from aiohttp import WSMsgType, web

from . import containers, spdy

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
CHUNK = 32768


def success():
    return {"metadata": {}, "status": "Success"}


def non_zero(code):
    return {"metadata": {}, "status": "Failure",
            "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]}}


def not_started(container, message):
    inner = ("error executing command in container: failed to exec in container: failed to start exec "
             f"\"{container.id}\": OCI runtime exec failed: {message}")
    return {"metadata": {}, "status": "Failure",
            "message": f"Internal error occurred: Internal error occurred: {inner}", "reason": "InternalError",
            "details": {"causes": [{"message": f"Internal error occurred: {inner}"}]}, "code": 500}


# Elsewhere than with containerd a program that is not there is no failure of the exec: the runtime's words stand in the
# output of the command, whose exit code is the runtime's.
NOT_THERE = {"cri-o": (STDERR, "ERRO[0000] {}\n", 255), "docker": (STDOUT, "OCI runtime exec failed: {}: unknown\r\n", 127)}


def unreached(request, address):
    """What an API server says of a kubelet that does not listen, with all that was asked of it."""
    match = request.match_info
    inner = (f'error sending request: Post "https://{address}:10250/exec/{match["namespace"]}/{match["name"]}/'
             f'{request.query.get("container")}?{request.rel_url.raw_query_string}": dial tcp {address}:10250: connect: connection refused')
    return {"metadata": {}, "status": "Failure", "message": f"Internal error occurred: {inner}", "reason": "InternalError",
            "details": {"causes": [{"message": inner}]}, "code": 500}


async def answer_of_kubelet(request, code, text):
    """A kubelet's own answer to an exec that it does not pass to the runtime: plain text, which goes through as it is
    by SPDY, and comes as a Status behind the upgrade by WebSocket."""
    if request.headers["Upgrade"].lower() != "websocket":
        return web.Response(status=code, text=text)
    socket = web.WebSocketResponse(protocols=PROTOCOLS, compress=False)
    await socket.prepare(request)
    inner = "unable to upgrade connection: " + text
    await socket.send_bytes(bytes([STATUS]) + compact({
        "metadata": {}, "status": "Failure", "message": "Internal error occurred: " + inner, "reason": "InternalError",
        "details": {"causes": [{"message": inner}]}, "code": 500}))
    await socket.close()
    return socket


def compact(obj):
    return json.dumps(obj, separators=(",", ":")).encode()


class ExecSession:
    def __init__(self, sandbox, container, query):
        self.sandbox, self.container = sandbox, container
        self.node = container.pod.kubelet.node
        self.command = query.getall("command", [])
        self.wants = {name: query.get(name) in ("true", "1") for name in ("stdin", "stdout", "stderr", "tty")}
        self.socket = None
        self.server = self.kubelet = None  # the two ends of the connection to the kubelet
        self.child = None
        self.stdin = None    # our end of the process's stdin
        self.fds = {}        # our ends of stdout and stderr
        self.gone = False    # the client is
        self.ending = None   # what is sent when the kubelet is
        self.unread = False  # stdin bytes were left unread by the process

    async def start(self):
        await (self.start_on_terminal() if self.wants["tty"] else self.start_on_pipes())
        if self.stdin is not None:
            os.set_blocking(self.stdin, False)

    async def start_on_terminal(self):
        """On a pseudo-terminal, which has one output."""
        master, slave = os.openpty()
        self.child = await self.node.runc.exec(self.container, self.command, slave, slave, slave, terminal=True)
        os.close(slave)
        self.fds[STDOUT] = master
        if self.wants["stdin"]:
            self.stdin = os.dup(master)

    async def start_on_pipes(self):
        pipes = {name: os.pipe() if self.wants[name] else None for name in ("stdin", "stdout", "stderr")}
        null = os.open(os.devnull, os.O_RDWR)
        theirs = [pipes["stdin"][0] if pipes["stdin"] else null,
                  pipes["stdout"][1] if pipes["stdout"] else null,
                  pipes["stderr"][1] if pipes["stderr"] else null]
        self.child = await self.node.runc.exec(self.container, self.command, *theirs)
        for fd in set(theirs) | {null}:
            os.close(fd)
        if pipes["stdin"]:
            self.stdin = pipes["stdin"][1]
        for name, channel in (("stdout", STDOUT), ("stderr", STDERR)):
            if pipes[name]:
                self.fds[channel] = pipes[name][0]

    async def send(self, channel, data):
        if self.gone:
            return
        try:
            await self.socket.send_bytes(bytes([channel]) + data)
        except (ConnectionError, RuntimeError):
            self.gone = True

    async def pump(self, channel):
        """From the process to the kubelet's connection, as fast as the client takes it and no faster. When the
        client has gone the pipe stays open, and is read no more."""
        fd = self.fds[channel]
        os.set_blocking(fd, False)
        while not self.gone:
            try:
                data = os.read(fd, CHUNK)
            except BlockingIOError:
                await containers.readable(fd)
                continue
            except OSError:  # what a terminal says at its end
                return
            if not data:
                return
            # runc's own complaint is no output of the command: it goes into the Status.
            error = channel == STDERR and data.startswith(b"exec failed:") and containers.start_error(self.child.log)
            if error and self.container.runtime in NOT_THERE:
                channel, words, _ = NOT_THERE[self.container.runtime]
                data = words.format(error).encode()
            elif error:
                continue
            try:
                await self.kubelet.send(channel, data)
            except OSError:
                return
            await asyncio.sleep(0)  # the others have their turn, however fast this client is

    async def forward(self):
        """From the kubelet's connection to the client, until the status has gone there."""
        tail = bytearray()
        async for channel, data in self.server.messages():
            while self.sandbox.faults.get("freeze_exec"):
                await asyncio.sleep(0.1)
            if channel == STDOUT:
                tail += data
                whole = max(0, len(tail) - self.sandbox.faults.get("truncate_tail", 0))
                data = bytes(tail[:whole])
                del tail[:whole]
            await self.send(channel, data)
            await self.take_time(len(data))
            if channel == STATUS or self.gone:
                return

    async def take_time(self, length):
        """A slow way to the client. What it cannot take waits on the kubelet's connection, as far as there is room."""
        rate = self.sandbox.faults.get("exec_bytes_per_second")
        if rate:
            await asyncio.sleep(length / rate)

    async def obey(self):
        """From the kubelet's connection to the process."""
        async for channel, data in self.kubelet.messages():
            if channel == STDIN:
                await self.feed(data)
            elif channel == RESIZE and self.wants["tty"]:
                self.resize(data)
            elif channel == CLOSE:
                self.close_stdin()
        self.close_stdin()

    async def feed(self, data):
        """From the client to the process, as fast as the process takes it."""
        while data and self.stdin is not None:
            try:
                data = data[os.write(self.stdin, data):]
            except BlockingIOError:
                await asyncio.sleep(0.002)
            except OSError:
                self.unread = True
                self.close_stdin()

    def close_stdin(self):
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def resize(self, data):
        try:
            size = json.loads(data)
            fcntl.ioctl(self.stdin if self.stdin is not None else self.fds[STDOUT], termios.TIOCSWINSZ,
                        struct.pack("HHHH", size["Height"], size["Width"], 0, 0))
        except (ValueError, KeyError, TypeError, struct.error, OSError):
            pass  # a size that is none changes nothing

    async def relay(self):
        async for message in self.socket:
            if self.sandbox.faults.get("freeze_exec"):
                continue
            if message.type != WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == CLOSE and (self.socket.ws_protocol != PROTOCOLS[0] or data != b"\x00"):
                continue
            if channel in (STDIN, RESIZE, CLOSE):
                try:
                    await self.server.send(channel, data)
                except OSError:
                    break

    async def receive(self):
        with contextlib.suppress(ConnectionError):  # also a ping's answer may find nobody there
            await self.relay()
        self.gone = True
        while self.sandbox.faults.get("freeze_exec"):
            await asyncio.sleep(0.1)
        self.server.finish()

    def status(self, code):
        error = containers.start_error(self.child.log)
        if error and self.container.runtime in NOT_THERE:
            return non_zero(NOT_THERE[self.container.runtime][2])
        if error:
            return not_started(self.container, error)
        if code < 0:
            code = 128 - code
        return non_zero(code) if code else success()

    def lose_kubelet(self):
        """The API server takes the end of its stream of errors for a good end of the command (kubernetes/kubectl#1726)."""
        async def end():
            await self.send(STATUS, compact(success()))
            await self.socket.close()
        self.ending = asyncio.ensure_future(end())

    def hangs(self):
        """Does nobody hear of its end?"""
        faults = self.sandbox.faults
        return self.unread if faults.get("hang_exec_without_stdin_read") else faults.get("hang_exec_of") in self.command

    async def run(self, socket):
        self.socket = socket
        self.sandbox.execs.add(self)
        await self.send(STDOUT, b"")
        self.server, self.kubelet = await self.node.port.connect()
        await self.start()
        receiver, forwarder, obeyer = (asyncio.ensure_future(task) for task in (self.receive(), self.forward(), self.obey()))
        pumps = [asyncio.ensure_future(self.pump(channel)) for channel in self.fds]
        try:
            code = await self.child.wait()
            # Also what the process left behind may hold the output open: a real runtime waits for its end.
            while not self.gone and not all(pump.done() for pump in pumps):
                await asyncio.wait([task for task in (*pumps, receiver) if not task.done()],
                                   return_when=asyncio.FIRST_COMPLETED)
            if not self.gone and not self.hangs():
                await self.kubelet.send(STATUS, compact(self.status(code)))
                await asyncio.wait([forwarder, receiver], return_when=asyncio.FIRST_COMPLETED)
                if not self.gone:
                    await socket.close()
            elif not self.gone:
                await receiver
        except OSError:
            pass  # the connection between server and kubelet has gone: with the client
        finally:
            self.sandbox.execs.discard(self)
            tasks = (receiver, forwarder, obeyer, *pumps)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.close_stdin()
            for fd in self.fds.values():
                os.close(fd)
            self.server.close()
            self.kubelet.close()
        return socket


async def drain(socket):
    """Until the client goes. A main process without stdin takes nothing of what it sends."""
    async for _ in socket:
        pass


async def attach(socket, container):
    """What the main process writes from now on: containerd keeps it in the container's log as well."""
    await socket.send_bytes(bytes([STDOUT]))
    receiver = asyncio.ensure_future(drain(socket))
    try:
        with open(container.log, "rb") as log:
            log.seek(0, os.SEEK_END)
            while not receiver.done():
                data = log.read(CHUNK)
                if data:
                    await socket.send_bytes(bytes([STDOUT]) + data)
                elif not container.running:
                    await socket.send_bytes(bytes([STATUS]) + compact(success()))
                    await socket.close()
                    break
                else:
                    await asyncio.wait([receiver], timeout=0.05)
    except (ConnectionError, RuntimeError):
        pass  # the client went between two looks
    finally:
        receiver.cancel()


async def serve(sandbox, request, container, sub, socket):
    transport = request.transport
    sandbox.exec_sockets.add(transport)
    try:
        if sub == "attach":
            await attach(socket, container)
        else:
            await ExecSession(sandbox, container, request.query).run(socket)
    finally:
        sandbox.exec_sockets.discard(transport)


async def handle(sandbox, request, container, sub):
    """Answers a request for an upgrade to WebSocket."""
    offered = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    known = sandbox.faults.get("exec_protocols") or PROTOCOLS
    if not any(protocol in known for protocol in offered):
        response = web.Response(status=403)
        response.force_close()
        return response
    await asyncio.sleep(sandbox.faults.get("exec_delay_ms", 0) / 1000)
    if request.transport is None:
        return web.Response(status=499)  # the client has gone: nobody reads this
    socket = web.WebSocketResponse(protocols=[p for p in PROTOCOLS if p in known], max_msg_size=0, compress=False)
    await socket.prepare(request)
    if sandbox.faults.get("kubelet_down") == "late":
        await socket.send_bytes(bytes([STATUS]) + compact(unreached(request, container.pod.kubelet.node.address)))
        await socket.close()
        return socket
    await serve(sandbox, request, container, sub, socket)
    return socket


async def handle_spdy(sandbox, request, container, sub):
    """Answers a request for an upgrade to SPDY/3.1."""
    offered = spdy.offers(request)
    if spdy.STREAM_PROTOCOL not in offered:
        return web.Response(status=403, text="unable to upgrade: unable to negotiate protocol: client supports "
                            f"{offered}, server accepts [{spdy.STREAM_PROTOCOL}]")
    await asyncio.sleep(sandbox.faults.get("exec_delay_ms", 0) / 1000)
    if request.transport is None:
        return web.Response(status=499)
    tty = request.query.get("tty") in ("true", "1")
    wanted = {spdy.ERROR} | ({spdy.RESIZE} if tty else set())
    wanted |= {spdy.CHANNELS[name] for name in ("stdin", "stdout", "stderr")
               if request.query.get(name) in ("true", "1") and not (tty and name == "stderr")}
    connection = await spdy.accept(request, wanted, sandbox.faults.get("spdy_windows"))
    if connection:
        await serve(sandbox, request, container, sub, connection)
    return spdy.Upgraded()
