"""SIP beside the core: INVITE and MESSAGE outside a dialogue, as in the HEP adapter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.adapters.callers import NOBODY, Caller, read_caller
from ringfence.adapters.calls import digest
from ringfence.adapters.sip import shown_caller
from ringfence.adapters.sip_address import read_uri
from ringfence.adapters.sip_body import is_signal
from ringfence.adapters.sip_names import names_of
from ringfence.adapters.tap.mobile import submitted
from ringfence.adapters.tap.packets import SignallingMessage
from ringfence.adapters.tap.seen import Nothing, Seen, Told
from ringfence.adapters.tap.written import called_of
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_SHORT_MESSAGE = "application/vnd.3gpp.sms"
_VIDEO = re.compile(r"video [1-9]", re.IGNORECASE)


def read_sip(message: SignallingMessage, plan: DialPlan, withheld: Withheld) -> Iterator[Seen]:
    """What a request tells of; raises Nothing and Unreadable."""
    method = message.get("sip.Method")
    if message.get("sip.to.tag") is not None:
        raise Nothing("in_dialog")
    call_id = _octets(message.get("sip.Call-ID"))
    if not call_id:
        raise Unreadable("header_missing")
    uri = _octets(message.get("sip.r-uri"))
    sender = _caller(message.get("sip.From"), message.all("sip.Privacy"), plan, withheld)
    if method == "MESSAGE":
        found = _message(message, uri, sender, plan, withheld)
    elif method == "INVITE":
        video = any(_VIDEO.match(media) for media in message.all("sdp.media"))
        kind = EventKind.VIDEO if video else EventKind.CALL
        called = called_of(read_uri(uri).user, plan)
        found = None if called is None else Seen(Told.CALL, called, sender, kind=kind)
    else:
        called = called_of(read_uri(uri).user, plan)
        found = None if called is None else Seen(Told.OTHER, called, None)
    if found is None:
        raise Nothing("called_not_a_number")
    charging = [b"icid-value=" + _octets(each) for each in message.all("sip.icid_value")]
    found.names += names_of(call_id, {b"p-charging-vector": charging})
    found.leg = (*message.link, uri.partition(b"@")[2].decode("utf-8", "replace"))
    found.sequence = max(0, message.whole("sip.CSeq.seq"))
    found.dialogue = digest(call_id)
    yield found


def _message(
    message: SignallingMessage, uri: bytes, sender: Caller, plan: DialPlan, withheld: Withheld
) -> Seen | None:
    content = _octets(message.get("sip.Content-Type"))
    if content.partition(b";")[0].strip().lower() == _SHORT_MESSAGE.encode():
        asserted = message.get("sip.P-Asserted-Identity")
        if asserted and not message.all("sip.Privacy"):
            sender = _caller(asserted, [], plan, withheld)
        return submitted(message, sender, plan, withheld)
    if is_signal(content, b"", b""):
        raise Nothing("not_a_message")
    called = called_of(read_uri(uri).user, plan)
    return None if called is None else Seen(Told.MESSAGE, called, sender)


def _caller(header: str | None, privacy: list[str], plan: DialPlan, withheld: Withheld) -> Caller:
    text = shown_caller(_octets(header), [_octets(each) for each in privacy])
    return NOBODY if not text else read_caller(text, plan, withheld)


def _octets(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "replace")
