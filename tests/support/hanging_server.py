"""A server whose processes can be made to hang: `hanging_server.py serve ...`.

SIGUSR2 has the event loop of a worker, the keeper or the history process call what never returns.
"""

import asyncio
import signal
import threading

from ringfence.cli import main
from ringfence.server.link.signs_of_life import SignsOfLife

follow = SignsOfLife.follow


def follow_what_may_hang(signs: SignsOfLife, loop: asyncio.AbstractEventLoop) -> None:
    """Follows the loop as the server does."""
    loop.add_signal_handler(signal.SIGUSR2, wait_for_oneself)
    follow(signs, loop)


def wait_for_oneself() -> None:
    """Takes a lock twice, which it waits for without end."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


if __name__ == "__main__":
    SignsOfLife.follow = follow_what_may_hang  # type: ignore[method-assign]
    main()
