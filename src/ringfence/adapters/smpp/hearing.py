"""Until when everything was heard, as far as connections tell.

Who bound proves with each PDU, and with its answer to enquire_link, that it is there and that all
it sent before has arrived. So everything was heard until the time at which the least recently heard
of all that should be bound last said something. While one is missing nothing is claimed: what it
has for us waits there. When it is back, the time in between is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Hearing:
    """Who is heard; times are unix seconds. `lose` learns of [began, ended)."""

    def __init__(
        self, names: Iterable[str], lose: Callable[[int, int], None], began_at: float
    ) -> None:
        self._lose = lose
        self._until = {name: began_at for name in names}
        self._bound = {name: 0 for name in self._until}

    @property
    def until(self) -> float:
        """Until when all were heard, or the time was told to be lost."""
        return min(self._until.values())

    @property
    def missing(self) -> list[str]:
        """Who is not bound."""
        return [name for name, bound in self._bound.items() if not bound]

    def bound(self, name: str, now: float) -> None:
        """Somebody has bound."""
        if not self._bound[name]:
            self._lose(int(self._until[name]), int(now) + 1)
            self._until[name] = now
        self._bound[name] += 1

    def heard(self, name: str, now: float) -> None:
        """A whole PDU came from somebody who is bound."""
        self._until[name] = max(now, self._until[name])

    def left(self, name: str, last_heard: float, now: float) -> None:
        """A connection of somebody is gone, last heard at a time."""
        self._bound[name] -= 1
        if self._bound[name]:  # what was on its way on that one may come on another, later
            self._lose(int(last_heard), int(now) + 1)
