# SPDX-License-Identifier: Apache-2.0
"""exec and attach over SPDY/3.1, which kubectl spoke alone until 1.31 and falls back to since.

Frames: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/. The client opens one stream
each for error, stdin, stdout and stderr, named by the header "streamtype" (stream protocol
v4.channel.k8s.io). What runs behind it thinks in the frames of v5.channel.k8s.io, so that SPDY and
WebSocket have one exec between them.

As on real servers (moby/spdystream) there are no windows: none is announced, those of the client are not
heeded, and TCP's own back-pressure is all there is. What its reader of frames does not take ends the
connection here as well. With windows (the fault "spdy_windows": the bytes of each at first) the server
keeps them to the letter: it says so by SETTINGS, sends no more than it may, gives back what the process has
been given, and resets a stream that is sent more.
"""
import asyncio
import struct
import zlib
from collections import namedtuple

from aiohttp import WSMsgType, web

STREAM_PROTOCOL = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHANNELS = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
PROTOCOL_ERROR, CANCEL, FLOW_CONTROL_ERROR = 1, 5, 7  # why a stream is reset
SIZES = {RST_STREAM: 8, PING: 4, GOAWAY: 8, WINDOW_UPDATE: 8}  # of payloads
INITIAL_WINDOW = 7  # the id of a setting
WINDOW = 64 << 10   # bytes of each before anything else is said
NOT_IN_REQUESTS = {"connection", "host", "keep-alive", "proxy-connection", "transfer-encoding"}
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

    def __init__(self, transport, before, windows=None):
        self.transport, self.before = transport, before
        self.buffer = bytearray()
        self.streams = {}   # stream id: channel
        self.ids = {}       # channel: stream id
        self.next_id = 1    # no smaller one may be opened any more
        self.ended = set()  # ids of streams on which the client sends no more
        self.messages, self.queued = asyncio.Queue(), 0
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.opened = asyncio.Event()  # set again with each stream
        self.lost = self.closing = self.gone_away = False
        self.inflate = zlib.decompressobj(zdict=DICTIONARY)
        self.deflate = zlib.compressobj(zdict=DICTIONARY)
        self.windows = windows  # bytes of each of ours at first; None: there are none
        self.taken = {}         # stream id (0: the session): bytes that came and were not given back
        self.sent = {}          # bytes that went, less what the client has given back
        self.theirs = WINDOW    # a window of the client's at first
        self.moved = asyncio.Event()  # set again when a window of the client's grows

    def greet(self):
        if self.windows is not None:
            self.send_control(SETTINGS, struct.pack("!III", 1, INITIAL_WINDOW, self.windows))

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
        elif not first:
            raise ValueError("data of no stream")
        else:
            self.data_of(first, flags, payload)
        return True

    def control(self, version, kind, flags, payload):
        take = {SYN_STREAM: self.on_syn_stream, RST_STREAM: self.on_reset, SETTINGS: self.on_settings, PING: self.on_ping,
                GOAWAY: self.on_goaway, HEADERS: lambda _, payload: self.headers(payload[4:]),
                WINDOW_UPDATE: self.on_window_update}[kind]
        if version != 3 or len(payload) != SIZES.get(kind, len(payload)) or (kind in (PING, GOAWAY, WINDOW_UPDATE) and flags):
            raise ValueError("not SPDY/3")
        take(flags, payload)

    def on_syn_stream(self, flags, payload):
        stream = struct.unpack_from("!I", payload)[0] & 0x7fffffff
        headers = self.headers(payload[10:])
        if not stream or NOT_IN_REQUESTS & set(headers):
            raise ValueError("a stream that may not be")
        if self.gone_away:
            return
        if stream % 2 == 0 or stream < self.next_id:
            self.send_control(RST_STREAM, struct.pack("!II", stream, PROTOCOL_ERROR))
            return
        self.next_id = stream + 2
        channel = CHANNELS[headers["streamtype"]]
        self.streams[stream], self.ids[channel] = channel, stream
        self.send_control(SYN_REPLY, struct.pack("!I", stream) + self.deflate.compress(struct.pack("!I", 0)) +
                          self.deflate.flush(zlib.Z_SYNC_FLUSH))
        self.opened.set()
        if flags & FIN:
            self.end_of(stream)

    def on_reset(self, _, payload):
        stream, status = struct.unpack("!II", payload)
        if not stream or not status:
            raise ValueError("a reset of nothing")
        self.end_of(stream & 0x7fffffff)

    def on_settings(self, _, payload):
        count, = struct.unpack_from("!I", payload)
        if len(payload) != 4 + 8 * count:
            raise ValueError("settings cut off")
        for at in range(4, len(payload), 8):
            name, value = struct.unpack_from("!II", payload, at)
            if name & 0xffffff == INITIAL_WINDOW:
                self.theirs = value
                self.moved.set()

    def on_ping(self, _, payload):
        number, = struct.unpack("!I", payload)
        if not number:
            raise ValueError("a ping without a number")
        if number % 2:  # the client's own; the others would be answers
            self.send_control(PING, payload)

    def on_goaway(self, *_):
        self.gone_away = True

    def on_window_update(self, _, payload):
        stream, more = struct.unpack("!II", payload)
        self.sent[stream] = self.sent.get(stream, 0) - more
        self.moved.set()

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
        names = words[::2]
        if self.inflate.unconsumed_tail or at != len(text) or len(set(names)) < count or any(name != name.lower() for name in names):
            raise ValueError("not a name/value block")
        return dict(zip(names, words[1::2]))

    def data_of(self, stream, flags, payload):
        """Of the client's streams only stdin and resize say anything."""
        channel = self.streams.get(stream)
        if channel is None or stream in self.ended:
            return
        if self.windows is not None:
            for one, most in ((stream, self.windows), (0, WINDOW)):
                self.taken[one] = self.taken.get(one, 0) + len(payload)
                if self.taken[one] > most:
                    self.send_control(RST_STREAM, struct.pack("!II", stream, FLOW_CONTROL_ERROR))
                    self.ended.add(stream)
                    return
        if channel in (STDIN, RESIZE) and payload:
            self.queue(bytes([channel]) + payload)
        if flags & FIN:
            self.end_of(stream)

    def end_of(self, stream):
        """The client sends no more on it."""
        if self.streams.get(stream) == STDIN and stream not in self.ended:
            self.queue(bytes([CLOSE, STDIN]))
        self.ended.add(stream)

    def give_back(self, channel, length):
        """The process has been given what came."""
        for stream in (self.ids[channel], 0):
            self.taken[stream] -= length
            self.send_control(WINDOW_UPDATE, struct.pack("!II", stream, length))

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
        self.moved.set()
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
        if self.windows is not None and message.data[0] != CLOSE:
            self.give_back(message.data[0], len(message.data) - 1)
        return message

    async def receive(self):
        """The next message, or the end of the connection."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            return Message(WSMsgType.CLOSED, None)

    async def send_bytes(self, data):
        channel, data = data[0], data[1:]
        stream = self.ids.get(channel)
        if channel == ERROR:
            self.finish(STDERR)
            self.finish(STDOUT)
        while stream and data:
            room = await self.room(stream, len(data))
            await self.may_write.wait()
            if self.lost or self.transport.is_closing():
                break
            self.transport.write(struct.pack("!II", stream, room) + data[:room])
            data = data[room:]
        if self.lost or self.transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if channel == ERROR:
            self.send_control(RST_STREAM, struct.pack("!II", stream, CANCEL))

    async def room(self, stream, wanted):
        """How much of it may go now; waits until it is something."""
        if self.windows is None:
            return wanted
        while not self.lost:
            self.moved.clear()
            most = min(wanted, self.theirs - self.sent.get(stream, 0), WINDOW - self.sent.get(0, 0))
            if most > 0:
                for one in (stream, 0):
                    self.sent[one] = self.sent.get(one, 0) + most
                return most
            await self.moved.wait()
        return 0

    def finish(self, channel):
        """A stream of ours ends."""
        if channel in self.ids and not self.lost:
            self.transport.write(struct.pack("!II", self.ids[channel], FIN << 24))

    async def close(self):
        """What is open is reset, and the connection ends."""
        if not self.lost and not self.closing:
            self.closing = True
            if STDIN in self.ids and self.ids[STDIN] not in self.ended:
                self.send_control(RST_STREAM, struct.pack("!II", self.ids[STDIN], CANCEL))
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


async def accept(request, wanted, windows=None):
    """Turns a request into SPDY and waits for its streams. wanted: the set of their channels. windows: of the server.
    Returns the connection; None when the client has not opened them."""
    transport = request.transport
    # Nothing of the client's can be on the way: it speaks SPDY only when it has seen the 101.
    connection = Connection(transport, request.protocol, windows)
    transport.set_protocol(connection)
    transport.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                    b"X-Stream-Protocol-Version: " + STREAM_PROTOCOL.encode() + b"\r\n\r\n")
    connection.greet()
    if await connection.streams_opened(wanted):
        return connection
    transport.abort()
    return None


def offers(request):
    """The stream protocols that the client names; a request may carry the header several times."""
    lines = request.headers.getall("X-Stream-Protocol-Version", [])
    return [word.strip() for line in lines for word in line.split(",")]
