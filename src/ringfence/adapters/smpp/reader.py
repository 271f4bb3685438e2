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

from functools import lru_cache

from ringfence.adapters.base import Attempt, Tally, Unreadable
from ringfence.adapters.callers import Caller
from ringfence.adapters.smpp.body import Address, Message, read_message
from ringfence.adapters.smpp.meaning import called_number, is_receipt, sender
from ringfence.adapters.smpp.parts import Part, Parts, part_of
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
from ringfence.adapters.smpp.repeats import Repeats
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import USUAL, Withheld

MESSAGES = frozenset((SUBMIT_SM, SUBMIT_MULTI, DATA_SM, DELIVER_SM))
STATUS = {
    "smpp_distribution_list": INVALID_DISTRIBUTION_LIST,
    "smpp_destination_flag": INVALID_DESTINATION,
    "smpp_tlv_cut": INVALID_TLVS,
}
"""What is answered to what cannot be read, where it is not INVALID_MESSAGE_LENGTH."""
_ADDRESSES_MAX = 16_384


class SmppReader:
    """Reads the messages of one feed; `tally` has their outcomes. Not for several threads."""

    def __init__(self, plan: DialPlan, *, withheld: Withheld = USUAL) -> None:
        self.tally = Tally()
        self.parts = Parts()
        # A few senders send most messages; what an address means never changes.
        self._sender = lru_cache(_ADDRESSES_MAX)(lambda address: sender(address, plan, withheld))
        self._plan = plan

    def read(self, pdu: Pdu, now: int, repeats: Repeats | None = None) -> tuple[list[Attempt], int]:
        """The attempts of a PDU in MESSAGES, none if it is in `repeats`, and its key there: the
        same for the same text between the same two. `now` is unix seconds.

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
        key = hash((message.source, *message.destinations, message.esm_class, message.text))
        if is_receipt(pdu.command, message):
            self.tally["receipt"] += 1
            return [], key
        if repeats is not None and repeats.is_one(key, now):
            self.tally["repeat"] += 1
            return [], key
        return self._attempts(message, now), key

    def _attempts(self, message: Message, now: int) -> list[Attempt]:
        caller = self._sender(message.source)
        part = self._part(message)
        attempts = []
        for destination in message.destinations:
            outcome, called = self._outcome(destination, caller, part, now)
            self.tally[outcome] += 1
            if outcome == "event":
                attempts.append(Attempt(called, caller.value, now, caller.message_kind))
        return attempts

    def _part(self, message: Message) -> Part | None:
        try:
            return part_of(message)
        except Unreadable as unreadable:  # an attempt all the same
            self.tally[unreadable.reason] += 1
            return None

    def _outcome(
        self, destination: Address, caller: Caller, part: Part | None, now: int
    ) -> tuple[str, int]:
        called = called_number(destination, self._plan)
        if called is None:
            return "called_not_a_number", 0
        if part is not None and not self.parts.is_first(called, caller.value, part, now):
            return "part", called
        return "event", called


def status_of(unreadable: Unreadable) -> int:
    """What is answered to a message that cannot be read."""
    return STATUS.get(unreadable.reason, INVALID_MESSAGE_LENGTH)
