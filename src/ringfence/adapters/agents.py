"""Whose reports are read: everybody's, or those of the agents that were named.

A HEP agent is named by the id that it gives itself (chunk 12), by the address that it sends from,
or by both. Whoever is not named is a stranger: nothing that a stranger sends is believed, neither
as a call nor as something that may have been one.

The id's octets are turned round by some agents: sngrep and OpenSIPS put 16 bits in front of 32.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, Self

ID_MAX = 2**32 - 1
STRANGER = -1
_SENDERS_MAX = 1_024

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Agent(NamedTuple):
    """An agent as it was named; None = whichever."""

    id: int | None
    network: _Network | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ID, ADDRESS, or ID=ADDRESS; raises ValueError."""
        name, both, address = text.partition("=")
        try:
            if both:
                return cls(_id_of(name), ipaddress.ip_network(address))
            if name.isdecimal():
                return cls(_id_of(name), None)
            return cls(None, ipaddress.ip_network(name))
        except ValueError:
            raise ValueError(
                f"not an agent: {text[:80]!r}, allowed: a capture id of 0 to {ID_MAX}, an address"
                " or network such as 192.0.2.4, or both as in 2001=192.0.2.4"
            ) from None

    def __str__(self) -> str:
        return "=".join(str(part) for part in self if part is not None)

    def may_send_from(self, sender: _Address | None) -> bool:
        """Whether it may be at this address; None = not known, as of a capture."""
        return self.network is None or sender is None or sender in self.network

    def may_be(self, capture_id: bytes | None) -> bool:
        """Whether it may have this id, as on the wire; b"" = it has none, None = not known."""
        return self.id is None or capture_id is None or self.id in _ids_of(capture_id)


class Agents:
    """The agents that were named; none = everybody. Not shared between threads."""

    def __init__(self, named: Iterable[Agent] = ()) -> None:
        self._named = tuple(named)
        self._understood: set[int] = set()
        self._at = lru_cache(_SENDERS_MAX)(self._at_address)

    def __bool__(self) -> bool:
        """Whether any were named."""
        return bool(self._named)

    def may_send_from(self, sender: str) -> bool:
        """Whether any of them may be at this address; "" = not known."""
        return not self._named or bool(self._at(sender))

    def are_at(self, sender: str) -> bool:
        """Whether one was named by an address that is this one."""
        return any(self._named[index].network for index in self._at(sender)) and bool(sender)

    def which(self, sender: str, capture_id: bytes | None) -> int:
        """Which of them may have sent this, in their order; STRANGER if none."""
        for index in self._at(sender):
            if self._named[index].may_be(capture_id):
                return index
        return STRANGER

    def understand(self, which: int) -> None:
        """Something that it sent was understood."""
        self._understood.add(which)

    def is_understood(self, which: int) -> bool:
        """Whether anything that it sent was understood before."""
        return which in self._understood

    def understood(self) -> list[int]:
        """Which of them were understood."""
        return sorted(self._understood)

    def hint(self) -> str:
        """Which of them were never understood; "" when there are none."""
        never = [str(each) for n, each in enumerate(self._named) if n not in self._understood]
        if not never:
            return ""
        return (
            f"nothing was understood of --agent {', '.join(never)}: what it sends, if anything, is"
            " not of this id or address, or cannot be read"
        )

    def _at_address(self, sender: str) -> tuple[int, ...]:
        address = _address_of(sender)
        named = enumerate(self._named)
        return tuple(index for index, agent in named if agent.may_send_from(address))


def _id_of(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= ID_MAX):
        raise ValueError(text)
    return int(text)


def _address_of(sender: str) -> _Address | None:
    if not sender:
        return None
    address = ipaddress.ip_address(sender.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped  # an IPv4 sender, as a socket for both sees it
    return address


def _ids_of(octets: bytes) -> tuple[int, ...]:
    if not octets:
        return ()
    ids = int.from_bytes(octets), int.from_bytes(octets, "little")
    if len(octets) == 4 and octets[2:] == b"\0\0":
        return *ids, int.from_bytes(octets[:2])
    return ids
