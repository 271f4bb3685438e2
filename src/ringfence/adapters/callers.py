"""Who calls, as the contract wants it: withheld, a number, or a name.

A caller is only ever compared with callers, so what matters is that one caller stays one caller:
+44..., 0044... and 0... become the same number, and a number that no plan reads (an extension, a
foreign number without its +) is still the integer of its digits.

A sender of a message is an application when it is a name, and also when it is a number of fewer
than 7 digits that is none of the country's: short codes are leased to applications, no person has
one. It decides between SMS and A2P_SMS, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ringfence import EventKind, caller_of_text
from ringfence.wording.dialled import DIGITS_MIN, DialPlan, digits_of
from ringfence.wording.withheld import USUAL, Withheld

WITHHELD = 0
CALLER_LIMIT = 10**15


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller as an integer of the contract (never shown) and whether it is an application."""

    value: int = field(repr=False)
    application: bool = False

    @property
    def message_kind(self) -> EventKind:
        """The kind of a short message that this caller sends."""
        return EventKind.A2P_SMS if self.application else EventKind.SMS


NOBODY = Caller(WITHHELD)


def read_caller(text: str, plan: DialPlan, withheld: Withheld = USUAL) -> Caller:
    """The caller that `text` (the user part of a URI, or a sender as written) stands for."""
    name = text.strip()
    if withheld.covers(name):
        return NOBODY
    number = plan.number(name)
    if number is not None:
        return Caller(number)
    written = digits_of(name)
    if not written:
        return Caller(caller_of_text(name.partition(";")[0]), application=True)
    value = int(written) if len(written) <= 32 else CALLER_LIMIT
    if value >= CALLER_LIMIT:  # too long to be a number, yet somebody's
        value = caller_of_text(written)
    short = len(written.removeprefix("+")) < DIGITS_MIN
    return Caller(value, application=short and value != WITHHELD)
