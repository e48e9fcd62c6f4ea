# SPDX-License-Identifier: Apache-2.0
"""exec and attach over SPDY/3.1, which kubectl spoke alone until 1.31 and falls back to since.

Frames: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/. The client opens one stream
each for error, stdin, stdout and stderr, named by the header "streamtype" (stream protocol
v4.channel.k8s.io). What runs behind it thinks in the frames of v5.channel.k8s.io, so that SPDY and
WebSocket have one exec between them. A real server keeps no flow control windows either: TCP's own
back-pressure is all there is.
"""
import asyncio
import struct
import zlib
from collections import namedtuple

from aiohttp import WSMsgType, web

STREAM_PROTOCOL = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHANNELS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 1
MAX_FRAME = 1 << 20    # bytes; what Go sends is 32 KiB at most
MAX_QUEUED = 256 << 10  # bytes of stdin that wait for the process before no more is read
OPENING = 30           # seconds for the client to open its streams, as on a real server

WORDS = """options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges
age allow authorization cache-control connection content-base content-encoding content-language content-length
content-location content-md5 content-range content-type date etag expect expires from host if-match
if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma
proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade
user-agent vary via warning www-authenticate method get status""".split() + [
    "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"]
TAIL = (b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
        b"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
        b"403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
        b"Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
        b"chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
        b"text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.")
# Section 2.6.10.1 of the draft: the dictionary that both sides compress headers with.
DICTIONARY = b"".join(struct.pack("!I", len(word)) + word.encode() for word in WORDS) + TAIL

Message = namedtuple("Message", "type data")


class Connection(asyncio.Protocol):
    """The frames of one connection, behind the interface of aiohttp's WebSocketResponse."""

    ws_protocol = "v5.channel.k8s.io"  # whose frames it gives and takes

    def __init__(self, transport, before):
        self.transport, self.before = transport, before
        self.buffer = bytearray()
        self.streams = {}   # stream id: channel
        self.ids = {}       # channel: stream id
        self.messages, self.queued = asyncio.Queue(), 0
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.opened = asyncio.Event()  # set again with each stream
        self.lost = self.closing = False
        self.inflate = zlib.decompressobj(zdict=DICTIONARY)
        self.deflate = zlib.compressobj(zdict=DICTIONARY)

    # ---- from the transport ----

    def data_received(self, data):
        self.buffer += data
        try:
            while len(self.buffer) >= 8 and self.take_frame():
                pass
        except (ValueError, KeyError, zlib.error, struct.error, UnicodeDecodeError):
            self.transport.abort()

    def take_frame(self):
        first, second = struct.unpack_from("!II", self.buffer)
        flags, length = second >> 24, second & 0xffffff
        if length > MAX_FRAME:
            raise ValueError("frame too long")
        if len(self.buffer) < 8 + length:
            return False
        payload = bytes(memoryview(self.buffer)[8:8 + length])
        del self.buffer[:8 + length]
        if first >> 31:
            self.control(first >> 16 & 0x7fff, first & 0xffff, flags, payload)
        else:
            self.data(self.streams.get(first), flags, payload)
        return True

    def control(self, version, kind, flags, payload):
        if version != 3:
            raise ValueError("not SPDY/3")
        if kind == SYN_STREAM:
            stream = struct.unpack_from("!I", payload)[0] & 0x7fffffff
            channel = CHANNELS[self.headers(payload[10:])["streamtype"]]
            self.streams[stream], self.ids[channel] = channel, stream
            self.send_control(SYN_REPLY, struct.pack("!I", stream) + self.deflate.compress(struct.pack("!I", 0)) +
                              self.deflate.flush(zlib.Z_SYNC_FLUSH))
            self.opened.set()
            if flags & FIN:
                self.data(channel, flags, b"")
        elif kind == PING:
            self.send_control(PING, payload)
        elif kind == RST_STREAM:
            self.data(self.streams.get(struct.unpack_from("!I", payload)[0] & 0x7fffffff), FIN, b"")

    def headers(self, block):
        """A name/value block. Raises ValueError when it is no such thing."""
        text = self.inflate.decompress(block, MAX_FRAME)
        count, at, words = struct.unpack_from("!I", text)[0], 4, []
        for _ in range(2 * count):
            size = struct.unpack_from("!I", text, at)[0]
            if at + 4 + size > len(text):
                raise ValueError("name/value block cut off")
            words.append(text[at + 4:at + 4 + size].decode())
            at += 4 + size
        return {name.lower(): value for name, value in zip(words[::2], words[1::2])}

    def data(self, channel, flags, payload):
        """Of the client's streams only stdin and resize say anything."""
        if channel in (STDIN, RESIZE) and payload:
            self.queue(bytes([channel]) + payload)
        if channel == STDIN and flags & FIN:
            self.queue(bytes([CLOSE, STDIN]))

    def queue(self, data):
        self.messages.put_nowait(Message(WSMsgType.BINARY, data))
        self.queued += len(data)
        if self.queued > MAX_QUEUED:
            self.transport.pause_reading()

    def pause_writing(self):
        self.may_write.clear()

    def resume_writing(self):
        self.may_write.set()

    def connection_lost(self, exc):
        self.lost = True
        self.may_write.set()
        self.opened.set()
        self.messages.put_nowait(None)
        self.before.connection_lost(exc)

    # ---- to the exec ----

    async def streams_opened(self, wanted):
        """Waits for the client's streams. Returns whether it opened all of them."""
        while not self.lost and not wanted <= set(self.ids):
            self.opened.clear()
            try:
                await asyncio.wait_for(self.opened.wait(), OPENING)
            except asyncio.TimeoutError:
                return False
        return not self.lost

    def __aiter__(self):
        return self

    async def __anext__(self):
        message = await self.messages.get()
        if message is None:
            self.messages.put_nowait(None)  # every later look sees the end as well
            raise StopAsyncIteration
        self.queued -= len(message.data)
        if self.queued <= MAX_QUEUED and not self.lost:
            self.transport.resume_reading()
        return message

    async def receive(self):
        """The next message, or the end of the connection."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            return Message(WSMsgType.CLOSED, None)

    async def send_bytes(self, data):
        await self.may_write.wait()
        if self.lost or self.transport.is_closing():
            raise ConnectionResetError("the client is gone")
        stream = self.ids.get(data[0])
        if stream and len(data) > 1:
            self.transport.write(struct.pack("!II", stream, len(data) - 1) + data[1:])

    async def close(self):
        """Every stream ends, then the connection."""
        if not self.lost and not self.closing:
            self.closing = True
            for stream in self.streams:
                self.transport.write(struct.pack("!II", stream, FIN << 24))
            self.send_control(GOAWAY, struct.pack("!II", max(self.streams, default=0), 0))
            self.transport.close()

    def send_control(self, kind, payload):
        if not self.lost:
            self.transport.write(struct.pack("!HHI", 0x8003, kind, len(payload)) + payload)


class Upgraded(web.StreamResponse):
    """What a handler returns whose connection is no longer HTTP: nothing more is to be written."""

    async def prepare(self, request):
        return None

    async def write_eof(self, data=b""):
        return None


async def accept(request, wanted):
    """Turns a request into SPDY and waits for its streams. wanted: the set of their channels.
    Returns the connection; None when the client has not opened them."""
    transport = request.transport
    # Nothing of the client's can be on the way: it speaks SPDY only when it has seen the 101.
    connection = Connection(transport, request.protocol)
    transport.set_protocol(connection)
    transport.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                    b"X-Stream-Protocol-Version: " + STREAM_PROTOCOL.encode() + b"\r\n\r\n")
    if await connection.streams_opened(wanted):
        return connection
    transport.abort()
    return None


def offers(request):
    """The stream protocols that the client names; a request may carry the header several times."""
    lines = request.headers.getall("X-Stream-Protocol-Version", [])
    return [word.strip() for line in lines for word in line.split(",")]
