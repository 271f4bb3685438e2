"""Does the tshark that is installed say what the adapter must know?

Another version may call a field something else, or read a message another way: then nothing would
be heard, and nobody told. So at the start a capture of a message of each kind, which comes with the
adapter, goes through it.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from importlib.resources import files

from ringfence import EventKind
from ringfence.adapters.base import Attempt
from ringfence.adapters.event_table import Event
from ringfence.adapters.tap.frames import frames_of
from ringfence.adapters.tap.packets import packet_of
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.tshark import NoTshark, Tshark
from ringfence.wording.dialled import DialPlan

_COUNTRY = 44  # of the numbers in the capture
CHECK_S = 60.0
"""A tshark that has not read the capture by then is ended, and will not do."""


def check_tshark(start: Callable[[], Tshark]) -> None:
    """Raises NoTshark, with what is missing."""
    reader = TapReader(DialPlan.of_country(_COUNTRY))
    found: set[Event] = set()
    with ExitStack() as stack:
        tshark = stack.enter_context(closing(start()))
        late = threading.Timer(CHECK_S, tshark.kill)
        late.start()
        stack.callback(late.cancel)
        file = stack.enter_context((files(__package__) / "check.pcapng").open("rb"))
        with suppress(BrokenPipeError):  # it has ended: why, is told below
            for frame in frames_of(file):
                tshark.give(frame)
            tshark.end()
        for line in tshark.lines:
            what, *cells = line.decode("utf-8", "replace").rstrip("\n").split("\t")
            if what == "missing":
                raise NoTshark(f"tshark does not know what is needed: {', '.join(cells)}")
            if what == "packet":
                for outcome in reader.read(packet_of("\t".join((what, *cells)))):
                    if isinstance(outcome, Attempt):
                        found.add(_event(outcome))
        why = tshark.why_ended()
    found.update(_event(each) for each in reader.due(float("inf")) if isinstance(each, Attempt))
    lacking = {event: protocol for event, protocol in _wanted().items() if event not in found}
    if lacking:
        raise NoTshark(
            f"tshark reads other than version 4.0 does: {', '.join(sorted(set(lacking.values())))}"
            + ("" if found else f": {why}")
        )


def _event(attempt: Attempt) -> Event:
    return attempt.called, attempt.caller, attempt.occurred_at, int(attempt.kind)


def _wanted() -> dict[Event, str]:
    """The events of the capture, and the protocol that tells of each."""
    with (files(__package__) / "check.csv").open("r", encoding="utf-8") as file:
        return {
            (
                int(row["called"]),
                int(row["caller"] or 0),
                int(row["occurred_at"]),
                int(EventKind[row["kind"]]),
            ): row["protocol"]
            for row in csv.DictReader(file)
        }
