"""Operators' commands of QuarantineService, each described once for both clients."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.protobuf.message import Message

from ringfence import model
from ringfence.calls import Ask, Method, Series, method
from ringfence.columns import Column, NextValues, Numbers, integers, take
from ringfence.messages import timestamp, unix_seconds
from ringfence.number_messages import refusals
from ringfence.v1 import quarantine_service_pb2 as quarantine_v1

MESSAGE_NUMBERS_MAX = 65_536

_SERVICE = (quarantine_v1.DESCRIPTOR, "QuarantineService")

QUARANTINE_NUMBERS = method(*_SERVICE, "QuarantineNumbers")
HOLD_NUMBERS = method(*_SERVICE, "HoldNumbers", repeatable=True)
UNHOLD_NUMBERS = method(*_SERVICE, "UnholdNumbers", repeatable=True)
# Not repeated: a number that was restored is unknown afterwards, and would be refused.
RESTORE_NUMBERS = method(*_SERVICE, "RestoreNumbers")
RETIRE_NUMBERS = method(*_SERVICE, "RetireNumbers", repeatable=True)
# Not repeated: an event may have come in between, which nobody has overridden.
OVERRIDE_NUMBERS = method(*_SERVICE, "OverrideNumbers")
MOVE_NUMBERS = method(*_SERVICE, "MoveNumbers", repeatable=True)
# Not repeated: it would count twice.
REPORT_COMPLAINT = method(*_SERVICE, "ReportComplaint")


def quarantine_numbers(
    numbers: Numbers,
    *,
    pool: str,
    quarantined_at: Column[model.Moment],
    reason: Column[int],
    observed_since: Column[model.Moment],
    progress: Callable[[int], None] | None,
) -> Iterator[Message]:
    """The requests of the stream, of 65,536 numbers at most."""
    source, sent = integers(numbers), 0
    began = NextValues("quarantined_at", quarantined_at, unix_seconds)
    reasons = NextValues("reason", reason, int)
    observed = NextValues("observed_since", observed_since, unix_seconds)
    while part := take(source, MESSAGE_NUMBERS_MAX):
        yield quarantine_v1.QuarantineNumbersRequest(
            numbers=part,
            pool=pool,
            quarantined_at=began.take(len(part)),
            reason=reasons.take(len(part)),
            observed_since=observed.take(len(part)),
        )
        sent += len(part)
        if progress is not None:
            progress(sent)
    for values in (began, reasons, observed):
        values.end()


def quarantine_result(message: quarantine_v1.QuarantineNumbersResponse) -> model.QuarantineResult:
    """What became of the numbers of a stream."""
    return model.QuarantineResult(
        accepted=message.accepted,
        already_quarantined=message.already_quarantined,
        rejected=message.rejected,
        rejections=tuple(model.NumberRejection(r.number, r.reason) for r in message.rejections),
    )


def hold_numbers(numbers: Numbers, *, note: str = "") -> Series[model.CommandResult]:
    """Keeps quarantined or reserved numbers back; a reserved one leaves its reservation.

    Any count of numbers, in messages of 65,536: after an error those before it may be done. `note`
    says why, in at most 500 characters; so do the other commands.
    """
    return _command(HOLD_NUMBERS, quarantine_v1.HoldNumbersRequest, numbers, note=note)


def unhold_numbers(numbers: Numbers, *, note: str = "") -> Series[model.CommandResult]:
    """Returns held numbers to quarantine; see `hold_numbers`."""
    return _command(UNHOLD_NUMBERS, quarantine_v1.UnholdNumbersRequest, numbers, note=note)


def restore_numbers(numbers: Numbers, *, note: str = "") -> Series[model.CommandResult]:
    """Gives quarantined, held or retired numbers back to their former owners: they are forgotten.

    See `hold_numbers`. Not repeated by itself when the outcome is open.
    """
    return _command(RESTORE_NUMBERS, quarantine_v1.RestoreNumbersRequest, numbers, note=note)


def retire_numbers(numbers: Numbers, *, note: str) -> Series[model.CommandResult]:
    """Takes quarantined or held numbers out of use for good; see `hold_numbers`."""
    return _command(RETIRE_NUMBERS, quarantine_v1.RetireNumbersRequest, numbers, note=note)


def override_numbers(numbers: Numbers, *, note: str) -> Series[model.CommandResult]:
    """Declares quarantined numbers clean, whatever their traffic was, until the next event.

    See `hold_numbers`. Not repeated by itself when the outcome is open.
    """
    return _command(OVERRIDE_NUMBERS, quarantine_v1.OverrideNumbersRequest, numbers, note=note)


def move_numbers(numbers: Numbers, pool: str, *, note: str = "") -> Series[model.CommandResult]:
    """Moves quarantined or held numbers to another pool; see `hold_numbers`."""
    request = quarantine_v1.MoveNumbersRequest
    return _command(MOVE_NUMBERS, request, numbers, note=note, pool=pool)


def report_complaint(
    number: int, *, note: str = "", received_at: model.Moment | None = None
) -> Ask[None]:
    """Records that the owner of an assigned number complained of calls for somebody else.

    The number is assigned now or was within 400 days; `received_at` is now if not given. Not
    repeated by itself when the outcome is open, as it would count twice.
    """
    request = quarantine_v1.ReportComplaintRequest(
        number=number, note=note, received_at=timestamp(received_at)
    )
    return Ask(REPORT_COMPLAINT, request, lambda _: None)


def _command(
    method: Method, request: Callable[..., Message], numbers: Numbers, **fields: str
) -> Series[model.CommandResult]:
    source = integers(numbers)
    parts = iter(lambda: take(source, MESSAGE_NUMBERS_MAX), [])
    return Series(
        (Ask(method, request(numbers=part, **fields), _command_result) for part in parts),
        _joined,
    )


def _command_result(message: Any) -> model.CommandResult:
    return model.CommandResult(tuple(message.changed), refusals(message.refused))


def _joined(parts: Sequence[model.CommandResult]) -> model.CommandResult:
    return model.CommandResult(
        tuple(number for part in parts for number in part.changed),
        tuple(refusal for part in parts for refusal in part.refused),
    )
