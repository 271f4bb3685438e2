"""MAP and CAP (TS 29.002, TS 29.078): a core asks where a user is, or is asked what to do with a
call or a message.
"""

from __future__ import annotations

from collections.abc import Iterator

from ringfence import EventKind
from ringfence.adapters.callers import Caller
from ringfence.adapters.tap.isup import calling_party
from ringfence.adapters.tap.packets import SignallingMessage
from ringfence.adapters.tap.seen import Nothing, Seen, Told
from ringfence.adapters.tap.written import (
    address_text,
    called_of,
    caller_of,
    isup_text,
    sender_of,
    tbcd,
    ton_text,
)
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_INVOKE = 1
_ROUTING, _ROUTING_FOR_MESSAGE, _MESSAGE_FROM, _MESSAGE_TO = 22, 45, 46, 44
_SUBMIT = 1  # SMS-SUBMIT of TS 23.040; 0 on the way to a mobile is SMS-DELIVER
_STATUS_REPORT = 1
_INITIAL_DP, _INITIAL_DP_SMS = 0, 60
_CALL_STARTS = frozenset((2, 3, 12))  # collected information, analysed information, terminating
_MESSAGE_STARTS = 1


def read_operation(
    message: SignallingMessage, plan: DialPlan, withheld: Withheld
) -> Iterator[Seen]:
    """What an operation tells of; raises Nothing."""
    if message.get("gsm_map.old.Component") == str(_INVOKE):
        found = _read_map(message, plan, withheld)
    elif message.get("camel.invoke_element") is not None:
        found = _read_cap(message, plan, withheld)
    else:
        raise Nothing("other_operation")
    if found is None:
        raise Nothing("called_not_a_number")
    operation = message.get("gsm_old.localValue") or message.get("camel.local") or ""
    found.leg = (*message.link[-2:], message.fields[0][0], operation)
    found.names += _names(message)
    yield found


def _names(message: SignallingMessage) -> tuple[bytes, ...]:
    names = [b"o:" + value.encode() for name, value in message.transaction if name == "tcap.otid"]
    references = message.all("gsm_map.ch.callReferenceNumber")
    references += message.all("camel.callReferenceNumber")
    return (*names, *(b"r:" + reference.upper().encode() for reference in references))


def _read_map(message: SignallingMessage, plan: DialPlan, withheld: Withheld) -> Seen | None:
    operation = message.whole("gsm_old.localValue")
    if operation == _ROUTING:
        asked = message.get("gsm_map.ch.msisdn") or message.get("gsm_old.msisdn") or ""
        called = called_of(address_text(asked, plan), plan)
        if called is None:
            return None
        return Seen(Told.CALL, called, None, kind=EventKind.CALL)
    if operation == _ROUTING_FOR_MESSAGE:
        if message.get("gsm_map.sm.sm_deliveryNotIntended") is not None:
            raise Nothing("look_up")
        if message.whole("gsm_map.sm.sm_RP_MTI") == _STATUS_REPORT:
            raise Nothing("receipt")
        asked = message.get("gsm_map.sm.msisdn") or message.get("gsm_old.msisdn") or ""
        called = called_of(address_text(asked, plan), plan)
        sender = message.get("gsm_map.sm.sm_RP_SMEA")
        if called is None:
            return None
        return Seen(
            Told.MESSAGE, called, None if sender is None else sender_of(sender, plan, withheld)
        )
    if operation in (_MESSAGE_FROM, _MESSAGE_TO):
        own = message.get("gsm_map.sm.msisdn") or message.get("gsm_old.msisdn") or ""
        caller = caller_of(address_text(own, plan), tbcd(own[2:]), plan, withheld)
        return submitted(message, caller, plan, withheld)
    raise Nothing("other_operation")


def submitted(
    message: SignallingMessage, caller: Caller, plan: DialPlan, withheld: Withheld
) -> Seen | None:
    """The SMS-SUBMIT that a message carries, None if to no number; raises Nothing for others."""
    if message.whole("gsm_sms.tp-mti") != _SUBMIT:
        raise Nothing("not_a_message")
    digits = message.get("gsm_sms.tp-da") or ""
    ton = message.whole("gsm_sms.dis_field_addr.num_type")
    called = called_of(ton_text(digits, ton, plan), plan)
    if called is None:
        return None
    part = message.get("gsm_sms.udh.mm.msg_id")
    names = (b"p:%d %s" % (caller.value, part.encode()),) if part else ()
    return Seen(Told.MESSAGE, called, caller, names)


def _read_cap(message: SignallingMessage, plan: DialPlan, withheld: Withheld) -> Seen | None:
    operation = message.whole("camel.local")
    if operation == _INITIAL_DP:
        if message.whole("camel.eventTypeBCSM") not in _CALL_STARTS:
            raise Nothing("within_a_call")
        octets = message.get("camel.calledPartyBCDNumber")
        if octets is not None:
            text = address_text(octets, plan)
        else:
            nature = message.whole("isup.called_party_nature_of_address_indicator")
            text = isup_text(message.get("isup.called") or "", nature, plan)
        called = called_of(text, plan)
        if called is None:
            return None
        return Seen(
            Told.CALL, called, calling_party(message.fields, plan, withheld), kind=EventKind.CALL
        )
    if operation == _INITIAL_DP_SMS:
        if message.whole("camel.eventTypeSMS") != _MESSAGE_STARTS:
            raise Nothing("within_a_message")
        called = called_of(
            address_text(message.get("camel.destinationSubscriberNumber") or "", plan), plan
        )
        own = message.get("camel.callingPartyNumber") or ""
        if called is None:
            return None
        return Seen(
            Told.MESSAGE, called, caller_of(address_text(own, plan), tbcd(own[2:]), plan, withheld)
        )
    raise Nothing("other_operation")
