"""Diameter: S6c and SGd (TS 29.338), Cx (TS 29.229), Ro and Rf (TS 32.299)."""

from __future__ import annotations

from collections.abc import Iterator

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.adapters.callers import read_caller
from ringfence.adapters.sip_address import read_uri
from ringfence.adapters.tap.mobile import submitted
from ringfence.adapters.tap.packets import SignallingMessage
from ringfence.adapters.tap.seen import Nothing, Seen, Told
from ringfence.adapters.tap.written import called_of, caller_of, sender_of, tbcd
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_SEND_ROUTING, _FROM_MOBILE, _LOCATION, _CREDIT, _ACCOUNTING = 8388647, 8388645, 302, 272, 271
_STATUS_REPORT = 1
_INITIAL, _EVENT, _DIRECT_DEBITING = 1, 4, 0
_ACCOUNTED = frozenset((1, 2))  # event, start
_METHODS = {"INVITE": Told.CALL, "MESSAGE": Told.MESSAGE}
_E164 = 0
_DELIVERY_REPORT = 1  # of SM-Message-Type; 0 is a submission
_MESSAGES_CONTEXT = "32274@3gpp.org"


def read_diameter(message: SignallingMessage, plan: DialPlan, withheld: Withheld) -> Iterator[Seen]:
    """What a request tells of; raises Nothing."""
    if message.get("diameter.flags.request") not in ("true", "1", "True"):
        raise Nothing("answer")
    command = message.whole("diameter.cmd.code")
    read = _COMMANDS.get(command)
    if read is None:
        raise Nothing("other_command")
    found = [each for each in read(message, plan, withheld) if each is not None]
    if not found:
        raise Nothing("called_not_a_number")
    for each in found:
        each.leg = (*message.link, str(command))
        each.names += tuple(_names(message))
    yield from found


def _names(message: SignallingMessage) -> Iterator[bytes]:
    origin = message.get("diameter.Origin-Host") or ""
    if (hop := message.get("diameter.endtoendid")) is not None:
        yield f"e:{origin.lower()} {hop}".encode()
    if session := message.get("diameter.Session-Id"):
        yield b"d:" + session.encode()
    if charging := message.get("diameter.IMS-Charging-Identifier"):
        yield b"i:" + charging.encode()


def _send_routing(
    message: SignallingMessage, plan: DialPlan, withheld: Withheld
) -> Iterator[Seen | None]:
    if message.get("diameter.SM-Delivery-Not-Intended") is not None:
        raise Nothing("look_up")
    if message.whole("diameter.SM-RP-MTI") == _STATUS_REPORT:
        raise Nothing("receipt")
    called = called_of("+" + tbcd(message.get("diameter.MSISDN") or ""), plan)
    sender = message.get("diameter.SM-RP-SMEA")
    if called is not None:
        yield Seen(
            Told.MESSAGE, called, None if sender is None else sender_of(sender, plan, withheld)
        )


def _from_mobile(
    message: SignallingMessage, plan: DialPlan, withheld: Withheld
) -> Iterator[Seen | None]:
    digits = tbcd(message.get("diameter.MSISDN") or "")
    caller = caller_of(f"+{digits}", digits, plan, withheld)
    yield submitted(message, caller, plan, withheld)


def _location(
    message: SignallingMessage, plan: DialPlan, withheld: Withheld
) -> Iterator[Seen | None]:
    if message.whole("diameter.Originating-Request") >= 0:
        raise Nothing("about_the_caller")
    called = called_of(_user(message.get("diameter.Public-Identity")), plan)
    if called is not None:
        yield Seen(Told.ASKED, called, None, kind=EventKind.CALL)


def _credit(
    message: SignallingMessage, plan: DialPlan, withheld: Withheld
) -> Iterator[Seen | None]:
    what = message.whole("diameter.CC-Request-Type")
    debits = message.whole("diameter.Requested-Action") == _DIRECT_DEBITING
    if what != _INITIAL and not (what == _EVENT and debits):
        raise Nothing("within_a_session")
    yield from _charged(message, plan, withheld)


def _accounting(
    message: SignallingMessage, plan: DialPlan, withheld: Withheld
) -> Iterator[Seen | None]:
    if message.whole("diameter.Accounting-Record-Type") not in _ACCOUNTED:
        raise Nothing("within_a_session")
    yield from _charged(message, plan, withheld)


def _charged(
    message: SignallingMessage, plan: DialPlan, withheld: Withheld
) -> Iterator[Seen | None]:
    if message.get("diameter.Service-Context-Id") == _MESSAGES_CONTEXT:
        yield from _short_message(message, plan, withheld)
        return
    told = _METHODS.get(message.get("diameter.3GPP-SIP-Method") or "INVITE")
    if told is None:
        raise Nothing("other_method")
    called = called_of(_user(message.get("diameter.Called-Party-Address")), plan)
    if called is not None:
        caller = read_caller(_user(message.get("diameter.Calling-Party-Address")), plan, withheld)
        yield Seen(told, called, caller, kind=EventKind.CALL if told is Told.CALL else None)


def _short_message(
    message: SignallingMessage, plan: DialPlan, withheld: Withheld
) -> Iterator[Seen | None]:
    if message.whole("diameter.SM-Message-Type") == _DELIVERY_REPORT:
        raise Nothing("receipt")
    # Whom the operator charges for a submission is who sends, where no address says so.
    sender, recipients, whose = "", [], ""
    charged = message.get("diameter.Subscription-Id-Data") or ""
    if message.whole("diameter.Subscription-Id-Type") != _E164:
        charged = ""
    for name, value in message.fields:
        if name.endswith("-Address") and name in _WHOSE:
            whose = _WHOSE[name]
        elif name == "diameter.Address-Data":
            if whose == "recipient":
                recipients.append(value)
            elif whose == "originator":
                sender = sender or value
    caller = read_caller(_international(sender or charged), plan, withheld)
    for recipient in recipients:
        called = called_of(_international(recipient), plan)
        if called is not None:
            yield Seen(Told.MESSAGE, called, caller)


def _international(text: str) -> str:
    """Address-Data of type MSISDN are the digits alone (TS 32.299 7.2.8)."""
    return f"+{text}" if text.isascii() and text.isdigit() and len(text) > 6 else text


def _user(identity: str | None) -> str:
    """The number or the name in a SIP or tel URI."""
    if not identity:
        return ""
    try:
        uri = read_uri(identity.encode("utf-8", "replace"))
    except Unreadable:
        return ""
    return uri.user if not (uri.host or "").endswith("anonymous.invalid") else ""


_WHOSE = {
    "diameter.Recipient-Address": "recipient",
    "diameter.Originator-Received-Address": "originator",
    "diameter.Originator-Address": "originator",
}
_COMMANDS = {
    _SEND_ROUTING: _send_routing,
    _FROM_MOBILE: _from_mobile,
    _LOCATION: _location,
    _CREDIT: _credit,
    _ACCOUNTING: _accounting,
}
