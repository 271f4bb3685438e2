"""Ctrl-C while modules are being imported: the process is gone at once, without a traceback.

An exception would not do: it may come up inside a library that is half imported, and some swallow
it or make another one of it. This module imports next to nothing, as Ctrl-C does not wait for it.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # typing's own takes longer to load than all else here
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class EndsQuietly:
    """While it is entered SIGINT ends the process with 130, unless somebody else has a say in it.

    What a shell starts in the background ignores SIGINT, and goes on doing so; nothing happens in
    other threads than the main one.
    """

    def __enter__(self) -> None:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:
            _handle(_end)

    def __exit__(self, *_: object) -> None:
        if self._before is signal.default_int_handler:
            raise_again()


def raise_again() -> None:
    """From now on SIGINT is a KeyboardInterrupt, as it is where nobody said otherwise."""
    if signal.getsignal(signal.SIGINT) is _end:
        _handle(signal.default_int_handler)


def _handle(handler: Callable[[int, FrameType | None], object]) -> None:
    try:
        signal.signal(signal.SIGINT, handler)
    except ValueError:  # not the main thread, which has this to itself
        return


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)
