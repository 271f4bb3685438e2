"""Reports that wait in Kamailio's `mqueue` until they are fetched, over JSON-RPC.

They wait while no adapter runs. What is asked in each round: the newest number, how many wait, and
so many of them, one by one; then all up to that number is here, or missing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from ringfence.adapters.base import Unreadable
from ringfence.adapters.kamailio.heard import Mark
from ringfence.adapters.kamailio.report import Report, count
from ringfence.adapters.kamailio.rpc import NoAnswer, Refused, Rpc
from ringfence.adapters.kamailio.source import Reports
from ringfence.backoff import backoff_s

ROUND_S = 0.2
AT_ONCE = 256
"""Reports that are fetched before the first of them is handed on: a killed adapter loses those."""
FETCH_S = 1.0
"""A switch that is slow to answer does not keep those that came, nor the end, waiting."""
PAUSE_S_MAX = 2.0
EMPTY = 404


class Mqueue:
    """A way in which reports come: the queue and the htable of one name.

    `say` learns, once each, that the switch does not answer and that it does again.
    """

    def __init__(
        self,
        rpc: Rpc,
        name: str,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rpc = rpc
        self._name = name
        self._say = say
        self._clock = clock

    async def run(self, reports: Reports, stop: asyncio.Event) -> None:
        """Hands on what comes until it is told to stop; what was fetched by then is handed on."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    await self._round(reports, stop)
                    if failures:
                        self._say("the switch answers again")
                    failures = 0
                    pause_s = ROUND_S
                except (NoAnswer, Refused, Unreadable) as error:
                    failures += 1
                    if failures == 1:
                        self._say(f"the switch does not answer as it should: {error}")
                    reports.count("note_mqueue_no_answer")
                    pause_s = backoff_s(failures, PAUSE_S_MAX)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
        finally:
            self._rpc.close()

    async def _round(self, reports: Reports, stop: asyncio.Event) -> None:
        mark, waiting = await asyncio.to_thread(self._begin)
        while waiting > 0:
            fetched = await asyncio.to_thread(self._fetch, min(waiting, AT_ONCE))
            for octets in fetched:
                read = reports.read(octets)
                if isinstance(read, Report):
                    await reports.hand_on(read)
            if stop.is_set():
                return  # the others wait there
            waiting = waiting - len(fetched) if fetched else 0
        reports.mark(mark)

    def _begin(self) -> tuple[Mark, int]:
        at = self._clock()
        boot, number = self._count("boot"), self._count("seq")
        size = self._rpc.call("mqueue.get_size", self._name).get("size")
        return Mark(boot, number, at), count(size)

    def _count(self, key: str) -> int:
        item = self._rpc.call("htable.get", self._name, key).get("item")
        return count(item.get("value") if isinstance(item, dict) else None)

    def _fetch(self, many: int) -> list[bytes]:
        """So many reports, fewer where the queue ends or the switch is slow; raises only if there
        is none to give.
        """
        fetched: list[bytes] = []
        until = self._clock() + FETCH_S
        try:
            for _ in range(many):
                value = self._rpc.call("mqueue.fetch", self._name).get("val")
                fetched.append(str(value).encode("utf-8", "replace"))
                if self._clock() >= until:
                    break
        except Refused as refused:
            if refused.code != EMPTY and not fetched:
                raise
        except NoAnswer:
            if not fetched:
                raise
        return fetched
