"""Former lives are forgotten once no start can read of them any more."""

import asyncio
from collections.abc import Callable

from ringfence.server.state.former_lives import FormerLives

PERIOD_S = 10.0


async def keep_forgetting(lives: FormerLives, kept_since: Callable[[], int]) -> None:
    """Asks now and then, in a thread, when the older of the kept snapshots was taken (0 = there are
    not two) and lets go of what lies behind; never returns.
    """
    while True:
        lives.forget(await asyncio.to_thread(kept_since))
        await asyncio.sleep(PERIOD_S)
