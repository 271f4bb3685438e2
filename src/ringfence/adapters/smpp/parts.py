"""A long message comes in parts, and is one event: which part is the first of its message.

Parts say so in a user data header (3GPP TS 23.040 9.2.3.24.1 and .8: a reference of 8 or 16 bits)
or in the optional parameters sar_*. They come in any order, those of several messages mixed.

References are used again, soon where they have 8 bits. So the parts of each number are counted: a
message is a new one when one of its parts was seen more often than there were messages so far.

What the standard tells a receiver to ignore (a part 0, a part beyond the total) makes no part of a
message, and a message of one part is one like any other.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import NamedTuple

from ringfence.adapters.base import Unreadable
from ringfence.adapters.smpp.body import Message

WINDOW_S = 900
"""Longest silence between two parts; a gateway may keep them while nobody is bound."""
MESSAGES_MAX = 65_536
PARTS_MAX = 262_144
"""Of all messages: one may say that it has 255."""

_UDHI = 0x40
_CONCATENATED_8, _CONCATENATED_16 = 0x00, 0x08
_SAR_REFERENCE, _SAR_TOTAL, _SAR_NUMBER = 0x020C, 0x020E, 0x020F


class Part(NamedTuple):
    """One part of a message of several."""

    form: int
    """References of different forms have nothing to do with each other."""
    reference: int
    total: int
    number: int


def part_of(message: Message) -> Part | None:
    """Which part a message is; None = it is whole. Raises Unreadable for a header that is cut."""
    part = None
    if message.esm_class & _UDHI:
        part = _in_header(message.text)
    if part is None and _SAR_REFERENCE in message.tlvs:
        part = _in_tlvs(message.tlvs)
    if part is None or part.total < 2 or not 1 <= part.number <= part.total:
        return None
    return part


def _in_header(text: bytes) -> Part | None:
    end = 1 + text[0] if text else 1
    if end > len(text):
        raise Unreadable("note_header_unreadable")
    part, at = None, 1
    while at + 1 < end:
        name, length = text[at], text[at + 1]
        value = text[at + 2 : min(at + 2 + length, end)]
        if len(value) < length:
            raise Unreadable("note_header_unreadable")
        if name == _CONCATENATED_8 and length == 3:
            part = Part(name, *value)
        elif name == _CONCATENATED_16 and length == 4:
            part = Part(name, *struct.unpack(">HBB", value))
        at += 2 + length
    return part


def _in_tlvs(tlvs: dict[int, bytes]) -> Part | None:
    reference, total = tlvs[_SAR_REFERENCE], tlvs.get(_SAR_TOTAL, b"")
    number = tlvs.get(_SAR_NUMBER, b"")
    if len(reference) != 2 or len(total) != 1 or len(number) != 1:
        raise Unreadable("note_header_unreadable")
    return Part(_SAR_REFERENCE, int.from_bytes(reference, "big"), total[0], number[0])


class _Series:
    """Messages of one pair with one reference, of which parts are missing."""

    __slots__ = ("counts", "messages", "seen_at")

    def __init__(self, seen_at: float) -> None:
        self.counts: dict[int, int] = {}
        self.messages = 0
        self.seen_at = seen_at


class Parts:
    """The messages of which parts came of late; not for several threads."""

    def __init__(
        self,
        *,
        window_s: float = WINDOW_S,
        messages_max: int = MESSAGES_MAX,
        parts_max: int = PARTS_MAX,
    ) -> None:
        self._series: OrderedDict[tuple[int, int, int, int, int], _Series] = OrderedDict()
        self._window_s = window_s
        self._messages_max = messages_max
        self._parts_max = parts_max
        self._parts = 0
        self.forgotten_early = 0
        """Messages that had to go for want of room while parts of them could still come."""

    def __len__(self) -> int:
        return len(self._series)

    def is_first(self, called: int, caller: int, part: Part, now: float) -> bool:
        """Whether this part is the first that comes of its message; `now` in unix seconds."""
        key = called, caller, part.form, part.reference, part.total
        series = self._series.get(key)
        if series is None or now - series.seen_at > self._window_s:
            self._parts -= len(series.counts) if series else 0
            series = self._series[key] = _Series(now)
            self._make_room(now)
        self._series.move_to_end(key)
        series.seen_at = max(now, series.seen_at)
        count = series.counts[part.number] = series.counts.get(part.number, 0) + 1
        if count == 1:
            self._parts += 1
            if self._parts > self._parts_max:  # this one is the last that would go
                self._make_room(now)
        first = count > series.messages
        series.messages += first
        if len(series.counts) == part.total and min(series.counts.values()) == series.messages:
            self._let_go(key)
        return first

    def _let_go(self, key: tuple[int, int, int, int, int]) -> None:
        self._parts -= len(self._series.pop(key).counts)

    def _make_room(self, now: float) -> None:
        while self._series:
            key, oldest = next(iter(self._series.items()))
            late = now - oldest.seen_at > self._window_s
            few = len(self._series) <= self._messages_max and self._parts <= self._parts_max
            if not late and few:
                return
            self.forgotten_early += not late
            self._let_go(key)
