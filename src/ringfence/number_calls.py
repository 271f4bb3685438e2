"""The operations of NumberService, each described once for both clients."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import chain
from uuid import uuid4

from ringfence import model
from ringfence import number_messages as read
from ringfence.calls import Ask, Listing, Series, method
from ringfence.columns import Numbers, integers, take
from ringfence.messages import duration_message, enums, timestamp, unix_seconds
from ringfence.v1 import number_service_pb2 as number_v1
from ringfence.words import ReservationState, Verdict

CHECK_NUMBERS_MAX = 100_000

_SERVICE = (number_v1.DESCRIPTOR, "NumberService")

CHECK_NUMBERS = method(*_SERVICE, "CheckNumbers", repeatable=True)
GET_NUMBER = method(*_SERVICE, "GetNumber", repeatable=True)
LIST_NUMBERS = method(*_SERVICE, "ListNumbers", repeatable=True)
RESERVE_NUMBERS = method(*_SERVICE, "ReserveNumbers", repeatable=True)  # it has a request_id
CONFIRM_RESERVATION = method(*_SERVICE, "ConfirmReservation", repeatable=True)
EXTEND_RESERVATION = method(*_SERVICE, "ExtendReservation", repeatable=True)
CANCEL_RESERVATION = method(*_SERVICE, "CancelReservation", repeatable=True)
GET_RESERVATION = method(*_SERVICE, "GetReservation", repeatable=True)
LIST_RESERVATIONS = method(*_SERVICE, "ListReservations", repeatable=True)
LIST_HISTORY = method(*_SERVICE, "ListHistory", repeatable=True)
WATCH_NUMBERS = method(*_SERVICE, "WatchNumbers")


def check_numbers(
    numbers: Numbers, at: model.Moment | None = None
) -> Series[list[model.CheckedNumber]]:
    """Says of each number, in order, whether it is clean; now, or at another time.

    Any count of numbers, also as an array; raises BadField for an impossible one.
    """

    def asks() -> Iterator[Ask[list[model.CheckedNumber]]]:
        source = integers(numbers)
        while part := take(source, CHECK_NUMBERS_MAX):
            request = number_v1.CheckNumbersRequest(numbers=part, at=unix_seconds(at))
            yield Ask(CHECK_NUMBERS, request, partial(read.checked, part))

    return Series(asks(), lambda parts: list(chain.from_iterable(parts)))


def get_number(number: int, at: model.Moment | None = None) -> Ask[model.Number]:
    """Says everything known of a number; an unknown one is UNTRACKED."""
    request = number_v1.GetNumberRequest(number=number, at=unix_seconds(at))
    return Ask(GET_NUMBER, request, read.number)


def list_numbers(
    *,
    pool: str = "",
    verdicts: Iterable[Verdict] = (),
    overdue_only: bool = False,
    prefix: str = "",
    page_size: int = 0,
) -> Listing[model.Number]:
    """Gives all numbers that match, asking for page after page (0 = 1,000 numbers each).

    Empty = any pool, any verdict; `prefix` is digits without +.
    """
    request = number_v1.ListNumbersRequest(
        pool=pool,
        verdicts=enums(verdicts),
        overdue_only=overdue_only,
        prefix=prefix,
        page_size=page_size,
    )
    return Listing(LIST_NUMBERS, request, lambda page: [read.number(n) for n in page.numbers])


def reserve_numbers(
    pool: str,
    count: int = 0,
    *,
    numbers: Iterable[int] = (),
    prefix: str = "",
    lease: timedelta | None = None,
    request_id: str = "",
    allow_partial: bool = False,
) -> Ask[model.Reservation]:
    """Leases clean numbers of a pool, those that have been clean for longest first.

    Either `count` numbers (1 to 10,000), only those that begin with `prefix` (digits without +) if
    it is given; or exactly `numbers` (at most 10,000). `lease` is 1 s to 30 d; None = 30 min.
    All or nothing, and then TooFewClean, unless `allow_partial`: see `count` and `refused` of the
    answer. `request_id` (at most 64 characters) makes it safe to repeat: the first answer comes
    again. It is made when absent and stays the same over the attempts of this call; a program that
    wants to repeat the call after an error whose outcome is open gives its own.
    """
    request = number_v1.ReserveNumbersRequest(
        pool=pool,
        count=count,
        lease=None if lease is None else duration_message(lease),
        request_id=request_id or uuid4().hex,
        allow_partial=allow_partial,
        prefix=prefix,
        numbers=numbers,
    )
    return Ask(RESERVE_NUMBERS, request, read.reservation)


def confirm_reservation(id: str, *, allow_partial: bool = False) -> Ask[model.Reservation]:
    """Assigns the numbers of a reservation, if they are still clean; may be repeated.

    Raises NotClean, and nothing changes, when one of them is not: `get_reservation` then has them
    all in `refused`. With `allow_partial` these go back to quarantine and the rest is assigned.
    """
    request = number_v1.ConfirmReservationRequest(id=id, allow_partial=allow_partial)
    return Ask(CONFIRM_RESERVATION, request, read.reservation)


def extend_reservation(id: str, lease: timedelta) -> Ask[model.Reservation]:
    """Makes the lease of an active reservation end `lease` (1 s to 30 d) from now."""
    request = number_v1.ExtendReservationRequest(id=id, lease=duration_message(lease))
    return Ask(EXTEND_RESERVATION, request, read.reservation)


def cancel_reservation(id: str) -> Ask[model.Reservation]:
    """Gives the numbers of a reservation back to quarantine; may be repeated."""
    request = number_v1.CancelReservationRequest(id=id)
    return Ask(CANCEL_RESERVATION, request, read.reservation)


def get_reservation(id: str) -> Ask[model.Reservation]:
    """Says what has become of a reservation; NoSuchReservation some time after its end."""
    return Ask(GET_RESERVATION, number_v1.GetReservationRequest(id=id), read.reservation)


def list_reservations(
    *, pool: str = "", states: Iterable[ReservationState] = (), page_size: int = 0
) -> Listing[model.Reservation]:
    """Gives active reservations and those that ended lately, without their numbers.

    Empty = any pool, any state; pages of `page_size` (0 = 1,000).
    """
    request = number_v1.ListReservationsRequest(
        pool=pool, states=enums(states), page_size=page_size
    )
    return Listing(
        LIST_RESERVATIONS, request, lambda page: [read.reservation(r) for r in page.reservations]
    )


def list_history(
    number: int = 0,
    *,
    pool: str = "",
    since: model.Moment | None = None,
    until: model.Moment | None = None,
    page_size: int = 0,
) -> Listing[model.HistoryEntry]:
    """Gives the changes of numbers' verdicts, newest first.

    Of one number (0 = all), in one pool (empty = all), at `since` or later and before `until`;
    pages of `page_size` (0 = 1,000).
    """
    request = number_v1.ListHistoryRequest(
        number=number,
        pool=pool,
        since=timestamp(since),
        until=timestamp(until),
        page_size=page_size,
    )
    return Listing(
        LIST_HISTORY, request, lambda page: [read.history_entry(e) for e in page.entries]
    )


def watch_numbers(
    *, pool: str = "", verdicts: Iterable[Verdict] = ()
) -> Ask[Sequence[model.NumberChange]]:
    """What a watch asks for, and the changes in one of its messages."""
    request = number_v1.WatchNumbersRequest(pool=pool, verdicts=enums(verdicts))
    return Ask(
        WATCH_NUMBERS, request, lambda answer: [read.number_change(c) for c in answer.changes]
    )
