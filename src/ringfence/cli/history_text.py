"""The history of a number in plain words, for the employee at the counter."""

from collections.abc import Iterator, Sequence

from ringfence import HistoryEntry, Verdict
from ringfence.wording.times import time_text

_DONE = {
    "QuarantineNumbers": "put into quarantine",
    "ReserveNumbers": "reserved for an allocator",
    "ConfirmReservation": "handed out to a new owner",
    "ExtendReservation": "its reservation got another end",
    "CancelReservation": "given back by the allocator",
    "HoldNumbers": "held by an operator",
    "UnholdNumbers": "back in quarantine after a hold",
    "RestoreNumbers": "given back to its former owner",
    "RetireNumbers": "retired",
    "OverrideNumbers": "declared clean by an operator",
    "ReportComplaint": "complaint of its new owner",
}


def history_lines(entries: Sequence[HistoryEntry], *, more: bool) -> Iterator[str]:
    """One line a change, newest first; `more`: there are earlier ones, which are not shown."""
    yield "History, newest first:" if entries else "No change of it is recorded."
    for entry in entries:
        yield f"  {time_text(entry.changed_at)}  {_change(entry)}"
    if more:
        yield "  earlier changes: ringfence history NUMBER"


def _change(entry: HistoryEntry) -> str:
    """What happened, to which verdict it led, who did it and why."""
    text = _what(entry)
    if entry.command and entry.current and entry.current != entry.previous:
        text += f" ({entry.current.name})"
    if entry.reservation:
        text += f", reservation {entry.reservation}"
    if entry.actor:
        text += f", by {entry.actor}"
    return text + (f": {entry.note}" if entry.note else "")


def _what(entry: HistoryEntry) -> str:
    match entry.command:
        case "":
            if entry.previous == Verdict.RESERVED:
                return f"reservation ran out, {_name(entry.current)}"
            return f"became {_name(entry.current)}"
        case "ConfirmReservation" if entry.current != Verdict.ASSIGNED:
            return "no longer clean when it was to be handed out"
        case "MoveNumbers":
            return f"moved to pool {entry.pool}"
        case command:
            return _DONE.get(command, command)


def _name(verdict: Verdict | None) -> str:
    return "unknown" if verdict is None else verdict.name
