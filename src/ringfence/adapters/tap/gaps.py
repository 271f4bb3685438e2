"""Connections that tshark is deaf on: a segment is missing, and what follows waits for it."""

from __future__ import annotations

LATE_S = 2.0
"""A segment that only took another way is there by then."""
_CONNECTIONS_MAX = 65_536


class Gaps:
    """The gaps of one tshark; times are those of the frames, unix seconds."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, float]] = {}
        """Segments that are missing of each connection, and since when."""

    def take(self, what: str, cells: str) -> None:
        """A line of `core.lua`: `gap` or `late`; a frame's number, its time and a connection."""
        _, at, connection = cells.rstrip("\n").split("\t")
        if what == "gap":
            self.miss(connection, float(at))
        else:
            self.fill(connection)

    def miss(self, connection: str, at: float) -> None:
        """A segment is missing before one that is there."""
        count, since = self._open.get(connection, (0, at))
        if connection in self._open or len(self._open) < _CONNECTIONS_MAX:
            self._open[connection] = count + 1, since

    def fill(self, connection: str) -> None:
        """A segment has come late."""
        if connection in self._open:
            count, since = self._open[connection]
            if count == 1:
                del self._open[connection]
            else:
                self._open[connection] = count - 1, since

    @property
    def since(self) -> float | None:
        """When the earliest of them was seen."""
        return min((since for _, since in self._open.values()), default=None)

    def are_there(self, now: float, for_s: float = LATE_S) -> bool:
        """Whether a segment is missing for so long that it does not only come late."""
        return any(now - since >= for_s for _, since in self._open.values())
