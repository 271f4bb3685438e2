"""Whether commands are taken: health of QuarantineService says it, and the log why not.

And whether time is disputed, which health says under a name of its own: commands go on then. A
worker that has not heard the keeper yet knows neither and promises nothing.
"""

import asyncio
import logging
import time

from grpc_health.v1 import health, health_pb2

from ringfence.server.link.keeper_link import GLANCE_S, KeeperLink
from ringfence.server.link.keeper_service_pb2 import DESCRIPTOR, GetReadinessResponse
from ringfence.server.link.keeper_silence import WAIT_S

READINESS = DESCRIPTOR.services_by_name["KeeperService"].methods_by_name["GetReadiness"]
PAUSE_S = 0.5
UNHEARD_PAUSE_S = 0.05
TIME = "ringfence.time"
"""What health calls the time: SERVING = the wall clock is believed. The keeper logs why not."""
STATUS = health_pb2.HealthCheckResponse

_log = logging.getLogger(__name__)


class CommandHealth:
    """What the keeper said last of whether it takes commands; times in monotonic seconds.

    A keeper is away when it has answered none of these questions for as long as a command waits
    for it; one that is being replaced is not. What it answers to others is not heard here.
    """

    def __init__(self, now: float) -> None:
        self._heard_at = now
        self.held_up: str | None = None
        """Why no command is taken, "" = they are, None = it was not heard yet."""

    def hear(self, held_up: str | None, now: float, heard_at: float = 0.0) -> bool:
        """Takes what the keeper answered, None = nothing; whether there is something new to say:
        another reason is, other figures of the same one (what follows its colon) are not. It may
        have answered others, at `heard_at` for the last time.
        """
        if held_up is not None:
            self._heard_at = now
        elif now - max(self._heard_at, heard_at) < WAIT_S:
            return False
        else:
            held_up = "the keeper does not answer"
        told, self.held_up = self.held_up, held_up
        return told is None or told.partition(":")[0] != held_up.partition(":")[0]


class CommandWatch:
    """Keeps the health of the service that takes commands, and logs what is new; commands do not
    wait any longer for a keeper that is away.
    """

    def __init__(self, service: str, link: KeeperLink, healthy: health.aio.HealthServicer) -> None:
        self._service = service
        self._link = link
        self._healthy = healthy
        self._commands = CommandHealth(time.monotonic())
        self._disputed: bool | None = None  # nobody knows

    async def begin(self) -> None:
        """Says that nothing is known, and what is once the keeper answers; waits for that, but not
        for long: events are taken without it.
        """
        await self._healthy.set(self._service, STATUS.NOT_SERVING)
        await self._healthy.set(TIME, STATUS.SERVICE_UNKNOWN)
        await self._look()

    async def keep_looking(self) -> None:
        """Goes on for the life of the process."""
        while True:
            await asyncio.sleep(UNHEARD_PAUSE_S if self._commands.held_up is None else PAUSE_S)
            await self._look()

    async def _look(self) -> None:
        link = self._link
        # One that is busy may be heard late, but who is not silent is to be looked at often.
        patience_s = WAIT_S if link.silence.lasts else GLANCE_S
        answer = await link.listen(READINESS, b"", patience_s)
        await link.give_up_silent()
        readiness = None if answer is None else GetReadinessResponse.FromString(answer)
        if readiness is not None and bool(readiness.dispute) != self._disputed:
            self._disputed = bool(readiness.dispute)
            await self._healthy.set(TIME, STATUS.NOT_SERVING if self._disputed else STATUS.SERVING)
        before = self._commands.held_up
        held_up = None if readiness is None else readiness.held_up
        if not self._commands.hear(held_up, time.monotonic(), link.silence.heard_at):
            return
        if self._commands.held_up:
            await self._healthy.set(self._service, STATUS.NOT_SERVING)
            _log.warning("commands are refused: %s", self._commands.held_up)
        else:
            await self._healthy.set(self._service, STATUS.SERVING)
            if before is not None:
                _log.warning("commands are taken again")
