"""A process of the server tells the supervisor that it is ready, and now and then that it lives.

Each sign is a byte in the pipe that joins them. A thread gives them from the beginning on, whatever
the process works at: what is noticed is one that is stopped, and not one that has much to do. Where
an event loop does the work the thread looks after it: a loop that does not come round for long
hangs, and then no more signs are given.
"""

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from contextlib import suppress

READY = b"r"
ALIVE = b"a"
PAUSE_S = 1.0
HUNG_LOOKS = 30
"""So often in a row the thread looks, with PAUSE_S between, and the loop has not come round. They
are counted and not seconds: where a machine was paused, the loop has time to come round."""

_log = logging.getLogger(__name__)


class SignsOfLife:
    """What one process tells its supervisor."""

    def __init__(self, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self._pipe = pipe
        self._followed = 0  # the thread of the loop; 0 = there is none
        self._looks = 0  # since the loop came round
        threading.Thread(target=self._keep_giving, name="signs of life", daemon=True).start()

    def ready(self) -> None:
        """Says that the process does what it is for."""
        self._give(READY)

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on there are signs only as long as this loop comes round, which calls this."""
        self._followed = threading.get_ident()
        self._come_round(loop)

    def _come_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looks = 0
        loop.call_later(PAUSE_S, self._come_round, loop)

    def _keep_giving(self) -> None:
        while True:
            time.sleep(PAUSE_S)
            self._look()

    def _look(self) -> None:
        """One look of the thread: a sign, unless the loop hangs, which is said once."""
        if self._followed:
            self._looks += 1
        if self._looks <= HUNG_LOOKS:
            self._give(ALIVE)
        elif self._looks == HUNG_LOOKS + 1:
            _log.critical("the event loop hangs at %s", _place(self._followed))

    def _give(self, sign: bytes) -> None:
        # Nobody has read for long, as the supervisor is stopped; or nobody will, as it is gone.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._pipe, sign)


def _place(thread: int) -> str:
    """Where a thread is just now."""
    frames = traceback.extract_stack(sys._current_frames().get(thread))
    return "; ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-3:])
