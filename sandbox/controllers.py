# SPDX-License-Identifier: Apache-2.0
"""Runs the controllers whenever something has changed."""
import asyncio
import contextlib

from .endpoints import Endpoints
from .workloads import Workloads

EVERY = 1.0  # seconds between two looks while nothing changes
CALM = 0.02  # seconds after a look: what comes meanwhile is looked at together


class Controllers:
    def __init__(self, sandbox):
        self.workloads, self.endpoints = Workloads(sandbox), Endpoints(sandbox)
        self.changed = asyncio.Event()
        sandbox.store.watches.add(self)

    def offer(self, *_):
        self.changed.set()

    async def run(self):
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.changed.wait(), EVERY)
            self.changed.clear()
            self.workloads.look()
            self.endpoints.look()
            await asyncio.sleep(CALM)
