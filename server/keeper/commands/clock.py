"""The time of decisions."""

import time
from collections.abc import Callable


class Clock:
    """The wall clock, except that it never goes back, not even to before what was journalled."""

    def __init__(self, wall_clock: Callable[[], float] = time.time, *, greatest: int = 0) -> None:
        self._wall_clock = wall_clock
        self._greatest = greatest

    def now(self) -> int:
        """Unix seconds."""
        self._greatest = max(self._greatest, int(self._wall_clock()))
        return self._greatest
