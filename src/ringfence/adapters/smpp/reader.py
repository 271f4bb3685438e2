"""From a PDU with a message to its attempts, with the outcome of each counted.

event                       an attempt; of a submit_multi one for each destination
part                        a further part of a long message
repeat                      what was taken before, and whose answer never reached the gateway
receipt                     a delivery receipt or acknowledgement
called_not_a_number         an attempt to reach something else
smpp_*                      a PDU that cannot be read, by reason
note_*                      not an outcome: something worth knowing beside them
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ringfence import EventKind
from ringfence.adapters.base import Tally, Unreadable
from ringfence.adapters.smpp.answers import Event
from ringfence.adapters.smpp.body import Address, Message, read_message
from ringfence.adapters.smpp.meaning import called_number, is_receipt
from ringfence.adapters.smpp.meaning import sender as read_sender
from ringfence.adapters.smpp.parts import Parts, part_of
from ringfence.adapters.smpp.pdu import (
    DATA_SM,
    DELIVER_SM,
    INVALID_DESTINATION,
    INVALID_DISTRIBUTION_LIST,
    INVALID_MESSAGE_LENGTH,
    INVALID_TLVS,
    SUBMIT_MULTI,
    SUBMIT_SM,
    Pdu,
)
from ringfence.adapters.smpp.repeats import Repeats, key_of
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import USUAL, Withheld

MESSAGES = frozenset((SUBMIT_SM, SUBMIT_MULTI, DATA_SM, DELIVER_SM))
STATUS = {
    "smpp_distribution_list": INVALID_DISTRIBUTION_LIST,
    "smpp_destination_flag": INVALID_DESTINATION,
    "smpp_tlv_cut": INVALID_TLVS,
}
"""What is answered to what cannot be read, where it is not INVALID_MESSAGE_LENGTH."""
_SENDERS_MAX = 16_384
_NUMBERS_MAX = 65_536
_ADDRESS_BYTES_MAX = 64
"""Of what is remembered; three times what the standard lets anybody write."""


class Sender(NamedTuple):
    """Who sends, as the contract wants it; never shown."""

    caller: int
    kind: EventKind

    def __repr__(self) -> str:
        return f"Sender({self.kind!r})"


class Taken(NamedTuple):
    """What a message is: an event at each number of `called`."""

    called: list[int]
    sender: Sender
    key: bytes
    """The same for the same text between the same."""
    before: Sequence[Event] = ()
    """Of a repeat: the events that it stands for, which were handed over before."""


_new = tuple.__new__  # what a NamedTuple does by way of a function of Python
_NOBODY = Sender(0, EventKind.SMS)


class SmppReader:
    """Reads the messages of one feed; `tally` has their outcomes. Not for several threads."""

    def __init__(self, plan: DialPlan, *, withheld: Withheld = USUAL) -> None:
        self.tally = Tally()
        self.parts = Parts()
        self._plan = plan
        self._withheld = withheld
        # A few senders send most messages, to numbers that get several; what an address means
        # never changes.
        self._known_sender = lru_cache(_SENDERS_MAX)(self._sender)
        self._known_number = lru_cache(_NUMBERS_MAX)(self._number)

    def read(self, pdu: Pdu, now: int, repeats: Repeats | None = None) -> Taken:
        """What a PDU in MESSAGES is; no event if it is in `repeats`. `now` is unix seconds.

        Raises Unreadable, counted: an attempt may be in it, and the time is lost.
        """
        try:
            message = read_message(pdu.command, pdu.body)
            if message.lists:  # who is on it, only the gateway knows
                raise Unreadable("smpp_distribution_list")
            if not message.destinations:
                raise Unreadable("smpp_body_cut")
        except Unreadable as unreadable:
            self.tally[unreadable.reason] += 1
            raise
        key = key_of(message)
        if is_receipt(pdu.command, message):
            self.tally["receipt"] += 1
            return Taken([], _NOBODY, key)
        before = None if repeats is None else repeats.take(key, now)
        if before is not None:
            self.tally["repeat"] += 1
            return Taken([], _NOBODY, key, before)
        short = len(message.source) <= _ADDRESS_BYTES_MAX
        sender = (self._known_sender if short else self._sender)(message.source)
        return _new(Taken, (self._numbers(message, sender.caller, now), sender, key, ()))

    def _number(self, address: Address) -> int | None:
        return called_number(address, self._plan)

    def _sender(self, address: Address) -> Sender:
        caller = read_sender(address, self._plan, self._withheld)
        return Sender(caller.value, caller.message_kind)

    def _numbers(self, message: Message, caller: int, now: int) -> list[int]:
        """The numbers at which the message is an event, with the outcome of each counted."""
        tally = self.tally
        part = None
        if message.esm_class or message.tlvs:  # else it cannot be one
            try:
                part = part_of(message)
            except Unreadable as unreadable:  # an attempt all the same
                tally[unreadable.reason] += 1
        numbers = []
        for destination in message.destinations:
            short = len(destination) <= _ADDRESS_BYTES_MAX
            called = (self._known_number if short else self._number)(destination)
            if called is None:
                tally["called_not_a_number"] += 1
            elif part is not None and not self.parts.is_first(called, caller, part, now):
                tally["part"] += 1
            else:
                tally["event"] += 1
                numbers.append(called)
        return numbers


def status_of(unreadable: Unreadable) -> int:
    """What is answered to a message that cannot be read."""
    return STATUS.get(unreadable.reason, INVALID_MESSAGE_LENGTH)
