"""The keeper's book of reservations: as all decided commands leave them.

Ended ones are kept for a while, and so are the request ids by which their makers may ask again.
Everything here is bounded, and in memory alone: the journal and the snapshots have it durable. Live
ones have their room whatever has ended: when that is short, ended ones go before their time, first
those of the actor that takes it.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from ringfence.server.journal.keeper_value_pb2 import KeptReservation
from ringfence.server.link.refusal import no_such, over_quota
from ringfence.server.state.ascending_ids import AscendingIds
from ringfence.server.state.book_entry import BookEntry, book_entry, read_row, row_data
from ringfence.server.state.ended_reservations import EndedReservations
from ringfence.server.state.lease_ends import LeaseEnds
from ringfence.server.state.parted_dict import PartedDict, PartedNumbers
from ringfence.server.state.reservation_moment import ReservationMoment
from ringfence.v1 import types_pb2

RESERVATIONS_MAX = 1_000_000  # kept at a time, live and ended
LIVE_NUMBERS_MAX = 2_000_000  # in live reservations at a time
NUMBERS_MAX = 10_000_000  # in all that are kept, with those that they refused
ACTOR_NUMBERS_MAX = 5_000_000  # in live ones of one actor, with those that they refused
LOOKED_AT_MAX = 2_000  # for one page of a list
FORGOTTEN_A_COMMAND = 128  # of those that ended long ago: more than one command ends

ACTIVE = types_pb2.RESERVATION_STATE_ACTIVE
EXPIRED = types_pb2.RESERVATION_STATE_EXPIRED
CONFIRMED = types_pb2.RESERVATION_STATE_CONFIRMED
CANCELLED = types_pb2.RESERVATION_STATE_CANCELLED


class ReservationBook:
    """Reservations by id, by request and by number. Ids ascend with the time they were made."""

    def __init__(self, *, ended_kept_s: int) -> None:
        self._ended_kept_s = ended_kept_s
        self._kept: PartedDict[str, bytes] = PartedDict()
        self._ids = AscendingIds()
        self._by_request: PartedDict[str, str] = PartedDict()
        self._holders: PartedNumbers[str] = PartedNumbers()
        self._leases = LeaseEnds()
        self._ended = EndedReservations()
        self._moments: list[ReservationMoment] = []
        self._size = 0  # of all reservations: their numbers and those that they refused
        self._live_size = 0  # of live ones
        self._live_sizes: PartedDict[str, int] = PartedDict()  # by actor
        self.made = 0
        """How many were ever made."""

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[KeptReservation]:
        return (_whole(self._kept[reservation_id]) for reservation_id in self._ids)

    def get(self, reservation_id: str) -> KeptReservation:
        """A reservation by id; raises a refusal."""
        try:
            return _whole(self._kept[reservation_id])
        except KeyError:
            raise no_such("reservation", reservation_id) from None

    def asked_before(self, actor: str, request_id: str) -> KeptReservation | None:
        """The reservation that the same request made."""
        made = self._by_request.get(_request_key(actor, request_id)) if request_id else None
        return None if made is None else _whole(self._kept[made])

    def holder(self, number: int) -> str:
        """The live reservation that has a number; "" = none."""
        return self._holders.get(number, "")

    def page(
        self, last: str, pools: set[int], states: set[int], most: int
    ) -> tuple[list[BookEntry], str]:
        """Up to `most` reservations behind an id, oldest first, and the id behind which the next
        page begins; "" = there is none. A page may be short, or empty: only so many are looked at.
        """
        found: list[BookEntry] = []
        behind = self._ids.behind(last)
        looked_at = list(islice(behind, most + LOOKED_AT_MAX))
        for reservation_id in looked_at:
            entry = self._entry(reservation_id)
            if (pools and entry.pool not in pools) or (states and entry.state not in states):
                continue
            if len(found) == most:
                return found, found[-1].id
            found.append(entry)
        more = next(behind, None) is not None
        return found, looked_at[-1] if more else ""

    def due(self, now: int, most: int, numbers_most: int = NUMBERS_MAX) -> list[KeptReservation]:
        """Some of the live reservations whose lease is over, oldest lease first, until a command
        has placed them as EXPIRED: up to so many, and unless it is one alone with no more than so
        many numbers.
        """
        found: list[BookEntry] = []
        for reservation_id in self._leases.due(now, most):
            entry = self._entry(reservation_id)
            numbers_most -= entry.count
            if found and numbers_most < 0:
                break
            found.append(entry)
        return [entry.whole() for entry in found]

    def check_room(self, actor: str, numbers: int, refused: int = 0) -> None:
        """Raises a refusal when there is no room for a live reservation of an actor with so many
        numbers and so many that it refused.
        """
        size = numbers + refused
        for subject, value, bound in (
            ("reservations", len(self) - len(self._ended) + 1, RESERVATIONS_MAX),
            ("reserved numbers", len(self._holders) + numbers, LIVE_NUMBERS_MAX),
            ("numbers of reservations", self._live_size + size, NUMBERS_MAX),
            ("numbers of an actor", self._live_sizes.get(actor, 0) + size, ACTOR_NUMBERS_MAX),
        ):
            if value > bound:
                raise over_quota(subject, f"value={value}, bound={bound}")

    def place(self, reservations: Iterable[KeptReservation], now: int) -> None:
        """Puts reservations as a command leaves them, and lets go of some of those that ended long
        ago, and of those for which there is no room.
        """
        for kept in reservations:
            self._place(book_entry(kept))
            while len(self) > RESERVATIONS_MAX or self._size > NUMBERS_MAX:
                oldest = self._ended.oldest_of(kept.actor)
                if oldest is None:
                    break
                self._forget(oldest)
        for _ in range(FORGOTTEN_A_COMMAND):
            oldest = self._ended.oldest()
            if oldest is None or self._entry(oldest).ended_at > now - self._ended_kept_s:
                break
            self._forget(oldest)

    def moment(self) -> ReservationMoment:
        """The book as it is now, to be read while it goes on; to be closed."""
        moment = ReservationMoment(self._ids, self._kept, self._moments.remove)
        self._moments.append(moment)
        return moment

    def load(self, entries: Iterable[BookEntry], made: int) -> None:
        """Takes over all reservations of a snapshot."""
        for entry in sorted(entries, key=lambda entry: (entry.ended_at, entry.id)):
            self._place(entry)
        self._ids = AscendingIds(sorted(self._kept))
        self.made = made

    def _place(self, entry: BookEntry) -> None:
        before = self._kept.get(entry.id)
        for moment in self._moments:
            moment.changes(entry.id, before)
        if before is None:
            self.made += 1
            self._ids.append(entry.id)
            if entry.request_id:
                self._by_request[_request_key(entry.actor, entry.request_id)] = entry.id
        else:
            self._leave(read_row(entry.id, before))
        self._size += entry.size
        self._kept[entry.id] = entry.row
        if entry.state == ACTIVE:
            self._live_size += entry.size
            self._live_sizes[entry.actor] = self._live_sizes.get(entry.actor, 0) + entry.size
            self._holders.set_all(entry.whole().numbers, entry.id)
            self._leases.add(entry)
        else:
            self._ended.add(entry)

    def _leave(self, entry: BookEntry) -> None:
        """A reservation is not any more what it was."""
        self._size -= entry.size
        if entry.state != ACTIVE:
            self._ended.drop(entry)
            return
        self._leases.drop(entry)
        self._holders.drop_all(entry.whole().numbers)
        self._live_size -= entry.size
        self._live_sizes[entry.actor] -= entry.size
        if not self._live_sizes[entry.actor]:
            del self._live_sizes[entry.actor]

    def _entry(self, reservation_id: str) -> BookEntry:
        return read_row(reservation_id, self._kept[reservation_id])

    def _forget(self, reservation_id: str) -> None:
        row = self._kept.pop(reservation_id)
        for moment in self._moments:
            moment.changes(reservation_id, row)
        entry = read_row(reservation_id, row)
        self._leave(entry)
        request_key = _request_key(entry.actor, entry.request_id)
        if self._by_request.get(request_key) == entry.id:
            del self._by_request[request_key]
        self._ids.remove(reservation_id)


def _whole(row: bytes) -> KeptReservation:
    return KeptReservation.FromString(row_data(row))


def _request_key(actor: str, request_id: str) -> str:
    return f"{len(actor)} {actor} {request_id}"
