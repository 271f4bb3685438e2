"""A process of the server tells the supervisor that it is ready, and now and then that it lives.

Each sign is a byte in the pipe that joins them. A thread gives them from the beginning on, whatever
the process works at: what is noticed is one that is stopped, and not one that has much to do.
"""

import os
import threading
import time
from contextlib import suppress

READY = b"r"
ALIVE = b"a"
PAUSE_S = 1.0


class SignsOfLife:
    """What one process tells its supervisor."""

    def __init__(self, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self._pipe = pipe
        threading.Thread(target=self._keep_giving, name="signs of life", daemon=True).start()

    def ready(self) -> None:
        """Says that the process does what it is for."""
        self._give(READY)

    def _keep_giving(self) -> None:
        while True:
            time.sleep(PAUSE_S)
            self._give(ALIVE)

    def _give(self, sign: bytes) -> None:
        # Nobody has read for long, as the supervisor is stopped; or nobody will, as it is gone.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._pipe, sign)
