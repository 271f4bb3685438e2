"""The contract's Reservation from the one that the keeper keeps, and what its requests may ask."""

import hashlib

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.settings.policy import check_name
from ringfence.server.journal.keeper_value_pb2 import KeptReservation
from ringfence.server.link.refusal import bad_field
from ringfence.server.state.book_entry import BookEntry
from ringfence.v1 import number_service_pb2 as pb

COUNT_MAX = 10_000
LEASE_S = 30 * 60
LEASE_S_MAX = 30 * 86_400
REQUEST_ID_CHARS_MAX = 64


def reservation_message(kept: KeptReservation, pool: str) -> pb.Reservation:
    """A reservation as the contract shows it."""
    return pb.Reservation(
        id=kept.id,
        pool=pool,
        state=kept.state,
        numbers=kept.numbers,
        expires_at=Timestamp(seconds=kept.expires_at),
        refused=kept.refused,
        count=len(kept.numbers),
        created_at=Timestamp(seconds=kept.created_at),
        actor=kept.actor,
    )


def brief_message(entry: BookEntry, pool: str) -> pb.Reservation:
    """A reservation as the contract lists it: without its numbers."""
    return pb.Reservation(
        id=entry.id,
        pool=pool,
        state=entry.state,
        expires_at=Timestamp(seconds=entry.expires_at),
        count=entry.count,
        created_at=Timestamp(seconds=entry.created_at),
        actor=entry.actor,
    )


def check_reserve_request(request: pb.ReserveNumbersRequest) -> None:
    """Raises a refusal for the first field out of its bounds."""
    check_name("pool", request.pool)
    if len(request.request_id) > REQUEST_ID_CHARS_MAX:
        raise bad_field(
            "request_id",
            f"value={len(request.request_id)} characters, bound={REQUEST_ID_CHARS_MAX}",
        )
    if request.numbers:
        for field, given in (("count", request.count), ("prefix", request.prefix)):
            if given:
                raise bad_field(field, f"value={given}, bound=none beside numbers")
    elif not 1 <= request.count <= COUNT_MAX:
        raise bad_field("count", f"value={request.count}, bound=1 to {COUNT_MAX}")
    prefix = request.prefix
    if prefix and not (
        prefix.isascii() and prefix.isdigit() and len(prefix) <= 15 and prefix[0] != "0"
    ):
        raise bad_field(
            "prefix", f"value={prefix[:40]!r}, bound=1 to 15 digits, no +, no leading 0"
        )


def lease_s(request: pb.ReserveNumbersRequest | pb.ExtendReservationRequest) -> int:
    """The lease that is asked for, in whole seconds; raises a refusal."""
    if not request.HasField("lease"):
        return LEASE_S
    lease: Duration = request.lease
    seconds = lease.seconds + (lease.nanos > 0)  # up to the next one
    if lease.nanos < 0 or not 1 <= lease.seconds <= seconds <= LEASE_S_MAX:
        given: int | str = lease.seconds
        if lease.nanos:
            given = f"{lease.seconds + lease.nanos / 1e9:.9f}".rstrip("0")
        raise bad_field("lease", f"value={given} s, bound=1 to {LEASE_S_MAX} s")
    return seconds


def request_digest(request: pb.ReserveNumbersRequest) -> bytes:
    """What tells whether a repetition asks the same."""
    asked: Message = pb.ReserveNumbersRequest()
    asked.CopyFrom(request)
    asked.ClearField("request_id")
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).digest()
