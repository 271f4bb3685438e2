"""Whether a process that answers others has fallen silent: it hangs, or is away for too long.

Then nobody waits for it any more, until it is heard again. Who waits while it is only slow, or is
being replaced, goes on waiting. Times are monotonic seconds.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ringfence.server.link.refusal import Refusal, keeper_away

WAIT_S = 5.0  # so long nothing is heard, then it is silent


class KeeperSilence:
    """What was last heard, and who waits. Used on one loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.heard_at = clock()
        """When it last was heard."""
        self.lasts = False
        """Whether it is silent."""
        self._waiting: set[asyncio.Timeout] = set()

    def end(self) -> None:
        """It was heard: it answered, or its connection ended."""
        self.heard_at = self._clock()
        self.lasts = False

    def begins(self) -> bool:
        """Whether it has just fallen silent, which ends what waits; to be called now and then by
        who asks it now and then.
        """
        if self.lasts or self._clock() - self.heard_at < WAIT_S:
            return False
        self.lasts = True
        now = asyncio.get_running_loop().time()
        for patience in self._waiting:
            patience.reschedule(now)
        return True

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """A time of waiting, which ends with a refusal when it falls silent, or is so already."""
        if self.lasts:
            raise self._refusal()
        try:
            async with asyncio.timeout(None) as patience:
                self._waiting.add(patience)
                try:
                    yield
                finally:
                    self._waiting.remove(patience)
        except TimeoutError:
            raise self._refusal() from None

    def _refusal(self) -> Refusal:
        silent_s = self._clock() - self.heard_at
        return keeper_away(
            f"the keeper does not answer: silent_s={silent_s:.0f}, limit={WAIT_S:.0f}"
        )
