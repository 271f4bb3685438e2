"""Until when everything was heard, as whoever writes the lines says.

Nobody but the writer knows whether a silent hour had no calls, or whether what it reads from has
died. So only `heard_from` and `heard_to` claim time, and an event claims none. What lies between
two of these intervals nobody heard: it is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ringfence.adapters.ndjson.line import Heard


class Hearing:
    """Times are unix seconds. `lose` learns of [began, ended)."""

    def __init__(self, lose: Callable[[int, int], None], began_at: float) -> None:
        self._lose = lose
        self._until = math.ceil(began_at)
        self.said = False
        """Whether anybody has said so much as once what was heard."""

    @property
    def until(self) -> int:
        """Until when everything was heard, or the time was told to be lost."""
        return self._until

    def heard(self, heard: Heard, now: float) -> None:
        """The writer heard everything of an interval, and has handed it over."""
        self.said = True
        until = min(heard.until, int(now))
        if until <= self._until:
            return
        if heard.since > self._until:
            self._lose(self._until, min(heard.since, until))
        self._until = until

    def missed(self, occurred_at: int, now: float) -> None:
        """Something came that was not read; `occurred_at` 0 = it does not say when it was."""
        if occurred_at:
            self._lose(occurred_at, occurred_at + 1)
        else:
            self._lose(self._until, max(int(now), self._until) + 1)
