"""The keeper's book of reservations: as all decided commands leave them.

Ended ones are kept for a while, and so are the request ids by which their makers may ask again.
Everything here is bounded, and in memory alone: the journal and the snapshots have it durable.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from ringfence.server.journal.keeper_value_pb2 import KeptReservation
from ringfence.server.link.refusal import no_such, over_quota
from ringfence.v1 import types_pb2

RESERVATIONS_MAX = 1_000_000  # kept at a time, live and ended
LIVE_NUMBERS_MAX = 2_000_000  # in live reservations at a time
NUMBERS_MAX = 10_000_000  # in all that are kept, with those that they refused

ACTIVE = types_pb2.RESERVATION_STATE_ACTIVE
EXPIRED = types_pb2.RESERVATION_STATE_EXPIRED
CONFIRMED = types_pb2.RESERVATION_STATE_CONFIRMED
CANCELLED = types_pb2.RESERVATION_STATE_CANCELLED


class ReservationBook:
    """Reservations by id, by request and by number. Ids ascend with the time they were made."""

    def __init__(self, *, ended_kept_s: int) -> None:
        self._ended_kept_s = ended_kept_s
        self._kept: dict[str, KeptReservation] = {}
        self._ids: list[str] = []  # ascending
        self._by_request: dict[tuple[str, str], str] = {}
        self._holders: dict[int, str] = {}
        self._leases: list[tuple[int, str]] = []  # heap; entries may be outdated
        self._ended: list[tuple[int, str]] = []  # heap
        self._numbers = 0  # in all reservations
        self.made = 0
        """How many were ever made."""

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[KeptReservation]:
        return iter(self._kept.values())

    def get(self, reservation_id: str) -> KeptReservation:
        """A reservation by id; raises a refusal."""
        try:
            return self._kept[reservation_id]
        except KeyError:
            raise no_such("reservation", reservation_id) from None

    def asked_before(self, actor: str, request_id: str) -> KeptReservation | None:
        """The reservation that the same request made."""
        made = self._by_request.get((actor, request_id)) if request_id else None
        return None if made is None else self._kept[made]

    def holder(self, number: int) -> str:
        """The live reservation that has a number; "" = none."""
        return self._holders.get(number, "")

    def following(self, last: str, pools: set[int], states: set[int]) -> Iterator[KeptReservation]:
        """Reservations behind an id, oldest first."""
        for position in range(bisect_right(self._ids, last), len(self._ids)):
            kept = self._kept[self._ids[position]]
            if (not pools or kept.pool in pools) and (not states or kept.state in states):
                yield kept

    def due(self, now: int, most: int) -> list[KeptReservation]:
        """Some of the live reservations whose lease is over, oldest lease first."""
        found: dict[str, KeptReservation] = {}
        while self._leases and self._leases[0][0] <= now and len(found) < most:
            expires_at, reservation_id = heapq.heappop(self._leases)
            kept = self._kept.get(reservation_id)
            if kept is not None and kept.state == ACTIVE and kept.expires_at == expires_at:
                found[kept.id] = kept
        for kept in found.values():  # until a command has placed it as EXPIRED
            heapq.heappush(self._leases, (kept.expires_at, kept.id))
        return list(found.values())

    def check_room(self, numbers: int) -> None:
        """Raises a refusal when there is no room for a reservation of so many numbers."""
        if len(self._kept) >= RESERVATIONS_MAX:
            raise over_quota("reservations", f"value={len(self) + 1}, bound={RESERVATIONS_MAX}")
        live = len(self._holders) + numbers
        if live > LIVE_NUMBERS_MAX:
            raise over_quota("reserved numbers", f"value={live}, bound={LIVE_NUMBERS_MAX}")
        kept = self._numbers + numbers
        if kept > NUMBERS_MAX:
            raise over_quota("numbers of reservations", f"value={kept}, bound={NUMBERS_MAX}")

    def place(self, reservations: Iterable[KeptReservation], now: int) -> None:
        """Puts reservations as a command leaves them, and lets go of those that ended long ago."""
        for kept in reservations:
            self._place(kept)
        while self._ended and self._ended[0][0] <= now - self._ended_kept_s:
            self._forget(heapq.heappop(self._ended)[1])

    def load(self, reservations: Sequence[KeptReservation], made: int) -> None:
        """Takes over all reservations of a snapshot."""
        for kept in reservations:
            self._place(kept)
        self.made = made

    def _place(self, kept: KeptReservation) -> None:
        before = self._kept.get(kept.id)
        if before is None:
            self.made += 1
            self._ids.append(kept.id)
            if kept.request_id:
                self._by_request[kept.actor, kept.request_id] = kept.id
        elif before.state == ACTIVE:
            for number in before.numbers:
                self._holders.pop(number, None)
        if before is not None:
            self._numbers -= _numbers(before)
        self._numbers += _numbers(kept)
        self._kept[kept.id] = kept
        if kept.state == ACTIVE:
            self._holders.update(dict.fromkeys(kept.numbers, kept.id))
            heapq.heappush(self._leases, (kept.expires_at, kept.id))
        else:
            heapq.heappush(self._ended, (kept.ended_at, kept.id))

    def _forget(self, reservation_id: str) -> None:
        kept = self._kept.pop(reservation_id)
        self._numbers -= _numbers(kept)
        self._by_request.pop((kept.actor, kept.request_id), None)
        position = bisect_right(self._ids, reservation_id) - 1
        del self._ids[position]


def _numbers(kept: KeptReservation) -> int:
    return len(kept.numbers) + len(kept.refused)
