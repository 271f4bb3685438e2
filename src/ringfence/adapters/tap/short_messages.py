"""SMPP 3.4 seen from beside: requests that bring a message, each number once."""

from __future__ import annotations

from collections.abc import Iterator

from ringfence.adapters.smpp.body import Address
from ringfence.adapters.smpp.meaning import called_number, sender
from ringfence.adapters.tap.packets import SignallingMessage, whole_of
from ringfence.adapters.tap.seen import Nothing, Seen, Told
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_COMMANDS = frozenset((0x4, 0x5, 0x21, 0x103))  # submit_sm, deliver_sm, submit_multi, data_sm


def read_smpp(message: SignallingMessage, plan: DialPlan, withheld: Withheld) -> Iterator[Seen]:
    """What a PDU tells of; raises Nothing."""
    if message.whole("smpp.command_id") not in _COMMANDS:
        raise Nothing("other_command")
    if message.whole("smpp.esm.submit.msg_type") > 0:
        raise Nothing("receipt")
    source = _address(
        message.whole("smpp.source_addr_ton"),
        message.whole("smpp.source_addr_npi"),
        message.get("smpp.source_addr") or "",
    )
    caller = sender(source, plan, withheld)
    part = message.get("gsm_sms.udh.mm.msg_id") or message.get("smpp.sar_msg_ref_num")
    names = (b"p:%d %s" % (caller.value, part.encode()),) if part else ()
    sequence = message.get("smpp.sequence_number")
    found, ton, npi = False, 0, 0
    for name, value in message.fields:
        if name == "smpp.dest_addr_ton":
            ton = whole_of(value)
        elif name == "smpp.dest_addr_npi":
            npi = whole_of(value)
        elif name == "smpp.destination_addr":
            called = called_number(_address(ton, npi, value), plan)
            if called is not None:
                found = True
                request = hash((message.link, sequence, called)) or 1
                yield Seen(Told.MESSAGE, called, caller, names, leg=message.link, request=request)
    if not found:
        raise Nothing("called_not_a_number")


def _address(ton: int, npi: int, text: str) -> Address:
    return bytes((ton & 0xFF, npi & 0xFF)) + text.encode()
