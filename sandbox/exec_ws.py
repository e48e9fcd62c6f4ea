# SPDX-License-Identifier: Apache-2.0
"""exec over WebSocket: v5.channel.k8s.io and v4.channel.k8s.io, frame by frame as a real API server.

What was measured there and is kept here: a process whose client has gone is not killed. Its stdin is
closed, its stdout stays open and is read no more.
"""
import asyncio
import json
import os

from aiohttp import WSMsgType, web

from . import containers, spdy

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
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


def compact(obj):
    return json.dumps(obj, separators=(",", ":")).encode()


class ExecSession:
    def __init__(self, sandbox, container, query):
        self.sandbox, self.container = sandbox, container
        self.command = query.getall("command", [])
        self.wants = {name: query.get(name) in ("true", "1") for name in ("stdin", "stdout", "stderr")}
        self.socket = None
        self.child = None
        self.stdin = None    # our end of the process's stdin
        self.fds = {}        # our ends of stdout and stderr
        self.gone = False    # the client is
        self.unread = False  # stdin bytes were left unread by the process

    async def start(self):
        pipes = {name: os.pipe() if wanted else None for name, wanted in self.wants.items()}
        null = os.open(os.devnull, os.O_RDWR)
        theirs = [pipes["stdin"][0] if pipes["stdin"] else null,
                  pipes["stdout"][1] if pipes["stdout"] else null,
                  pipes["stderr"][1] if pipes["stderr"] else null]
        self.child = await self.sandbox.runc.exec(self.container, self.command, *theirs)
        for fd in set(theirs) | {null}:
            os.close(fd)
        if pipes["stdin"]:
            self.stdin = pipes["stdin"][1]
            os.set_blocking(self.stdin, False)
        for name, channel in (("stdout", STDOUT), ("stderr", STDERR)):
            if pipes[name]:
                self.fds[channel] = pipes[name][0]

    async def send(self, channel, data):
        if self.gone or self.sandbox.faults.get("freeze_exec"):
            return
        try:
            await self.socket.send_bytes(bytes([channel]) + data)
        except (ConnectionError, RuntimeError):
            self.gone = True

    async def pump(self, channel):
        """From the process to the client, as fast as the client takes it and no faster."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2 * CHUNK)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader),
                                                    os.fdopen(self.fds[channel], "rb", 0))
        while not self.gone:
            data = await reader.read(CHUNK)
            if not data:
                transport.close()
                return
            while self.sandbox.faults.get("freeze_exec"):
                await asyncio.sleep(0.1)
            # runc's own complaint is no output of the command: it goes into the Status.
            if channel == STDERR and data.startswith(b"exec failed:") and containers.start_error(self.child.log):
                continue
            await self.send(channel, data)
        transport.pause_reading()  # the pipe stays, and is read no more
        self.sandbox.stuck.append(transport)

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

    async def receive(self):
        async for message in self.socket:
            if self.sandbox.faults.get("freeze_exec"):
                continue
            if message.type != WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == STDIN:
                await self.feed(data)
            elif channel == CLOSE and self.socket.ws_protocol == PROTOCOLS[0] and data == b"\x00":
                self.close_stdin()
        self.gone = True
        while self.sandbox.faults.get("freeze_exec"):
            await asyncio.sleep(0.1)
        self.close_stdin()

    def status(self, code):
        error = containers.start_error(self.child.log)
        if error:
            return not_started(self.container, error)
        if code < 0:
            code = 128 - code
        return non_zero(code) if code else success()

    async def run(self, socket):
        self.socket = socket
        await self.send(STDOUT, b"")
        await self.start()
        receiver = asyncio.ensure_future(self.receive())
        pumps = [asyncio.ensure_future(self.pump(channel)) for channel in self.fds]
        code = await self.child.wait()
        if not self.gone:
            # What a process left behind holds open is not waited for.
            await asyncio.wait(pumps, timeout=None if not pumps else 5) if pumps else None
        if not self.gone and not (self.sandbox.faults.get("hang_exec_without_stdin_read") and self.unread):
            await self.send(STATUS, compact(self.status(code)))
            if not self.gone:
                await socket.close()
        elif not self.gone:
            await receiver
        receiver.cancel()
        self.close_stdin()
        return socket


async def attach(sandbox, socket, container):
    """What the main process writes from now on: containerd keeps it in the container's log as well."""
    await socket.send_bytes(bytes([STDOUT]))
    receiver = asyncio.ensure_future(socket.receive())
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
    receiver.cancel()
    return socket


async def handle_spdy(sandbox, request, container, sub):
    socket, response = await spdy.upgrade(request)
    if sub == "attach":
        await attach(sandbox, socket, container)
    else:
        await ExecSession(sandbox, container, request.query).run(socket)
    return response


async def handle(sandbox, request, container, sub):
    offered = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    known = sandbox.faults.get("exec_protocols") or PROTOCOLS
    if not any(protocol in known for protocol in offered):
        response = web.Response(status=403)
        response.force_close()
        return response
    await asyncio.sleep(sandbox.faults.get("exec_delay_ms", 0) / 1000)
    socket = web.WebSocketResponse(protocols=[p for p in PROTOCOLS if p in known], max_msg_size=0, compress=False)
    await socket.prepare(request)
    if sub == "attach":
        return await attach(sandbox, socket, container)
    session = ExecSession(sandbox, container, request.query)
    sandbox.exec_sockets.add(request.transport)
    try:
        return await session.run(socket)
    finally:
        sandbox.exec_sockets.discard(request.transport)
