"""Lines of `core.lua`, and the messages in them.

A packet may hold several messages, and a message several operations (MAP and CAP), each of which is
a message here: what was before it, of addresses and of its transaction, is known of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

Fields = list[tuple[str, str]]

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"t": "\t", "n": "\n", "r": "\r"}
_PLACES = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport")
_POINTS = ("mtp3.opc", "mtp3.dpc")
_PROTOCOLS = frozenset(("isup", "bicc", "tcap", "diameter", "sip", "smpp"))
MALFORMED = "_ws.malformed"
_OPERATIONS = frozenset(("gsm_map.old.Component", "camel.invoke_element"))


@dataclass(slots=True)
class SignallingMessage:
    """One message, or one operation of a transaction, with its fields in their order."""

    protocol: str
    at: float
    """Unix seconds."""
    link: tuple[str, ...]
    """Between whom it travels: addresses, and point codes where there are some."""
    fields: Fields = field(default_factory=list, repr=False)
    transaction: Fields = field(default_factory=list, repr=False)
    """Fields of its transaction, which it shares with the others in it."""

    def get(self, name: str) -> str | None:
        """The first value of a field, None where it does not occur."""
        return next((value for known, value in self.fields if known == name), None)

    def all(self, name: str) -> list[str]:
        """All values of a field, in their order."""
        return [value for known, value in self.fields if known == name]

    def whole(self, name: str) -> int:
        """The first value as an integer, -1 where there is none."""
        return whole_of(self.get(name) or "")


def whole_of(value: str) -> int:
    """A value as an integer, -1 if it is none."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else -1


class Packet(NamedTuple):
    """What tshark printed of a packet."""

    number: int
    """Of the frame, from 1 on in each run of tshark."""
    at: float
    """Unix seconds."""
    fields: Fields


def packet_of(line: str) -> Packet:
    """The packet of a line; raises ValueError for what is none."""
    what, number, at, *cells = line.rstrip("\n").split("\t")
    if what != "packet" or not number.isdigit():
        raise ValueError("not a line of a packet")
    fields = []
    for cell in cells:
        name, sign, value = cell.partition("=")
        if not sign:
            raise ValueError("not a field")
        if "\\" in value:
            value = _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), value)
        fields.append((name, value))
    return Packet(int(number), float(at), fields)


def messages_of(packet: Packet) -> Iterator[SignallingMessage]:
    """The messages of a packet."""
    at = packet.at
    places: dict[str, str] = {}
    points: dict[str, str] = {}
    message: SignallingMessage | None = None
    for name, value in packet.fields:
        if name in _PLACES:
            places[name] = value
        elif name in _POINTS:
            if message is not None:
                yield message
                message = None
            points[name] = value
        elif name in _PROTOCOLS:
            if message is not None and message.protocol == "sip" and name in ("isup", "bicc"):
                continue  # an IAM that an INVITE carries is the INVITE's
            if message is not None:
                yield message
            message = SignallingMessage(name, at, (*places.values(), *points.values()))
        elif message is None:
            continue
        elif name in _OPERATIONS and message.protocol == "tcap":
            begun = message.transaction or message.fields
            if message.transaction:
                yield message
            message = SignallingMessage("tcap", at, message.link, [(name, value)], begun)
        else:
            message.fields.append((name, value))
    if message is not None:
        yield message
