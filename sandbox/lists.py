# SPDX-License-Identifier: Apache-2.0
"""Lists, page by page, and watches."""
import asyncio
import base64
import json

from aiohttp import web

from .failures import HEADERS, Failure
from .store import KINDS, Watch

BOOKMARKS = 1.25  # seconds of silence before one
TOO_OLD = ("The provided continue parameter is too old to display a consistent list result. You can start a new list without "
           "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
           "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
           "deleted between the time the first chunk was returned and now may show up in the list.")


def key_of(obj):
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def token(version, key):
    """Of the next page: what comes behind this key, as things were at a version."""
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": key}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class Lists:
    def __init__(self, store, faults):
        """faults: a function"""
        self.store, self.faults = store, faults
        self.watches = set()  # those of clients

    def place(self, text):
        """Where a page begins, by the token of the one before."""
        try:
            found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            version, key = int(found["rv"]), tuple(found["start"])
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(400, "BadRequest", "continue key is not valid: illegal base64 data at input byte 0") from error
        if 0 <= version < self.store.oldest:
            failure = Failure(410, "Expired", TOO_OLD)
            failure.status["metadata"] = {"continue": token(-1, key)}
            raise failure
        return key

    def list(self, request, resource, namespace, labels, fields):
        start, limit = request.query.get("continue"), int(request.query.get("limit") or 0)
        items = list(self.store.list(resource, namespace, labels, fields))
        if start:
            behind = self.place(start)
            items = [item for item in items if key_of(item) > behind]
        page = items[:limit] if limit else items
        metadata = {"resourceVersion": str(self.store.version)}
        if len(page) < len(items):
            metadata["continue"] = token(self.store.version, key_of(page[-1]))
            if not request.query.get("labelSelector") and not request.query.get("fieldSelector"):  # else nobody has counted
                metadata["remainingItemCount"] = len(items) - len(page)
        kind, api_version, _ = KINDS[resource]
        return {"kind": kind + "List", "apiVersion": api_version, "metadata": metadata,
                "items": [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in page]}

    def cut(self):
        """Every watch ends, as where a server is busy, or a proxy has waited long enough."""
        for watch in list(self.watches):
            watch.queue.put_nowait(None)

    async def watch(self, request, resource, namespace, labels, fields):
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "application/json"})
        await response.prepare(request)

        async def send(event):
            await response.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")

        version = request.query.get("resourceVersion", "")
        if version and 0 < int(version) < self.store.oldest:
            message = f"too old resource version: {version} ({self.store.oldest})"
            await send({"type": "ERROR", "object": Failure(410, "Expired", message).status})
            return response
        bookmarks = request.query.get("allowWatchBookmarks") in ("true", "1")
        watch = Watch(self.store, resource, namespace, labels, fields)
        self.watches.add(watch)
        try:
            if not version or version == "0":
                for item in self.store.list(resource, namespace, labels, fields):
                    await send({"type": "ADDED", "object": item})
                if bookmarks:
                    await send(self.bookmark(resource, initial=True))
            else:
                watch.catch_up(int(version))
            await self.go_on(watch, send, float(request.query.get("timeoutSeconds") or 1800), bookmarks and resource)
            return response
        except ConnectionError:
            return response
        finally:
            self.watches.discard(watch)
            watch.close()

    async def go_on(self, watch, send, seconds, bookmarks):
        """bookmarks: of which resource they are wanted"""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while clock() < end or not watch.queue.empty():
            try:
                event = await asyncio.wait_for(watch.queue.get(), max(min(end - clock(), BOOKMARKS), 0.01))
                if event is None:
                    return
                while self.faults().get("hold_watches"):
                    await asyncio.sleep(0.02)
                await send(event)
            except asyncio.TimeoutError:
                if bookmarks and clock() < end:
                    await send(self.bookmark(bookmarks))

    def bookmark(self, resource, initial=False):
        kind, api_version, _ = KINDS[resource]
        metadata = {"resourceVersion": str(self.store.version)}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
        if resource == "pods":
            obj.update(spec={"containers": None}, status={})
        return {"type": "BOOKMARK", "object": obj}
