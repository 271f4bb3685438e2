"""How much all requests together may hold: whoever comes on top is told to come again."""

from __future__ import annotations

from http import HTTPStatus

from ringfence.adapters.http.problem import later

REQUESTS_MAX = 64
OCTETS_MAX = 32 << 20
"""Of bodies; the events in so many, and those without an answer, have room in a stream's buffer."""
AGAIN_S = 1


class Room:
    """Shared by all requests."""

    def __init__(self, *, requests_max: int = REQUESTS_MAX, octets_max: int = OCTETS_MAX) -> None:
        self._requests_max = requests_max
        self._octets_max = octets_max
        self._requests = 0
        self._octets = 0

    def enter(self) -> Seat:
        """Room for a request; raises Problem, 429."""
        if self._requests >= self._requests_max:
            raise later(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"requests at once: value=more, bound={self._requests_max}",
                AGAIN_S,
            )
        self._requests += 1
        return Seat(self)

    def take(self, octets: int) -> None:
        """Room for what a request holds; raises Problem, 429."""
        if self._octets + octets > self._octets_max:
            raise later(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"octets of all requests: value=more, bound={self._octets_max}",
                AGAIN_S,
            )
        self._octets += octets

    def give_back(self, octets: int) -> None:
        """A request is over."""
        self._octets -= octets
        self._requests -= 1


class Seat:
    """What one request holds, until the end of a `with` block."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._octets = 0

    def take(self, octets: int) -> None:
        """Holds more; raises Problem, 429."""
        self._room.take(octets)
        self._octets += octets

    def __enter__(self) -> Seat:
        return self

    def __exit__(self, *_: object) -> None:
        self._room.give_back(self._octets)
