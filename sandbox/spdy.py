# SPDX-License-Identifier: Apache-2.0
"""exec and attach over SPDY/3.1, which kubectl spoke alone until 1.30 and still falls back to.

Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ and k8s.io/apimachinery
pkg/util/httpstream/spdy. One stream each for error, stdin, stdout and stderr, told by its header
"streamtype"; the error stream carries the Status.
"""
import asyncio
import struct
import zlib

from aiohttp import WSMessage, WSMsgType, web

WORDS = ("options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age "
         "allow authorization cache-control connection content-base content-encoding content-language content-length "
         "content-location content-md5 content-range content-type date etag expect expires from host if-match "
         "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
         "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
         "user-agent vary via warning www-authenticate method get status").split()
TAIL = ("100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
        "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
        "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
        "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
        "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
        "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.")
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in
                      WORDS + ["200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"])
DICTIONARY += TAIL.encode()

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1


class Connection:
    """Frames in (as aiohttp's parser of an upgraded connection) and out."""

    def __init__(self, transport):
        self.transport = transport
        self.buffer = b""
        self.inflate = zlib.decompressobj(zdict=DICTIONARY)
        self.deflate = zlib.compressobj(zdict=DICTIONARY)
        self.streams = {}   # streamtype: id
        self.types = {}     # id: streamtype
        self.stdin = asyncio.Queue()
        self.opened = asyncio.Event()
        self.wanted = set()

    # ---- what aiohttp calls ----

    def feed_data(self, data, *_):
        self.buffer += data
        while len(self.buffer) >= 8:
            first, second = struct.unpack_from(">II", self.buffer)
            length = second & 0xffffff
            if len(self.buffer) < 8 + length:
                break
            payload, self.buffer = self.buffer[8:8 + length], self.buffer[8 + length:]
            self.take(first, second >> 24, payload)
        return False, b""

    def feed_eof(self):
        self.stdin.put_nowait(None)
        self.opened.set()

    # ---- frames ----

    def take(self, first, flags, payload):
        if not first & 0x80000000:
            if self.types.get(first) == "stdin":
                if payload:
                    self.stdin.put_nowait(payload)
                    self.control(WINDOW_UPDATE, 0, struct.pack(">II", first, len(payload)))
                if flags & FIN:
                    self.stdin.put_nowait(None)
            return
        kind = first & 0xffff
        if kind == SYN_STREAM:
            stream = struct.unpack_from(">I", payload)[0]
            headers = self.read_headers(payload[10:])
            name = headers.get(b"streamtype", b"").decode()
            self.streams[name], self.types[stream] = stream, name
            empty = self.deflate.compress(struct.pack(">I", 0)) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
            self.control(SYN_REPLY, 0, struct.pack(">I", stream) + empty)
            if self.wanted <= set(self.streams):
                self.opened.set()
        elif kind == PING:
            self.control(PING, 0, payload)

    def read_headers(self, data):
        text = self.inflate.decompress(data)
        count, at, result = struct.unpack_from(">I", text)[0], 4, {}
        for _ in range(count):
            pair = []
            for _ in range(2):
                length = struct.unpack_from(">I", text, at)[0]
                pair.append(text[at + 4:at + 4 + length])
                at += 4 + length
            result[pair[0].lower()] = pair[1]
        return result

    def control(self, kind, flags, payload):
        self.transport.write(struct.pack(">II", 0x80030000 | kind, flags << 24 | len(payload)) + payload)

    def data(self, name, payload, fin=False):
        self.transport.write(struct.pack(">II", self.streams[name], (FIN if fin else 0) << 24 | len(payload)) + payload)


class Socket:
    """Looks to an exec session as the WebSocket does: channels out, messages in."""
    NAMES = {0: "stdin", 1: "stdout", 2: "stderr", 3: "error"}
    ws_protocol = "v5.channel.k8s.io"  # it can end stdin by itself

    def __init__(self, connection):
        self.connection = connection

    async def send_bytes(self, message):
        transport = self.connection.transport
        if transport.is_closing():
            raise ConnectionResetError
        name = self.NAMES[message[0]]
        if name in self.connection.streams and len(message) > 1:
            # A successful exec says so by an empty error stream.
            if name != "error" or b'"status":"Failure"' in message:
                self.connection.data(name, message[1:])
        while transport.get_write_buffer_size() > 1 << 18 and not transport.is_closing():
            await asyncio.sleep(0.002)

    async def close(self):
        for name in self.connection.streams:
            if name not in ("stdin", "resize"):
                self.connection.data(name, b"", fin=True)
        await asyncio.sleep(0.05)
        self.connection.transport.close()

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.connection is None:
            raise StopAsyncIteration
        payload = await self.connection.stdin.get()
        if payload is None:
            if self.connection.transport.is_closing():
                raise StopAsyncIteration
            return WSMessage(WSMsgType.BINARY, b"\xff\x00", None)
        return WSMessage(WSMsgType.BINARY, b"\x00" + payload, None)

    async def receive(self):
        return await self.__anext__()


async def upgrade(request):
    """Takes the connection over. Returns a Socket when the client has opened the streams it asked for."""
    response = web.StreamResponse(status=101, headers={
        "Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"})
    connection = Connection(request.transport)
    connection.wanted = {"error"} | {name for name in ("stdin", "stdout", "stderr") if request.query.get(name) in
                                     ("true", "1")}
    request.protocol.set_parser(connection)
    await response.prepare(request)
    await asyncio.wait_for(connection.opened.wait(), 30)
    return Socket(connection), response
