"""One SMPP connection, whoever opened it: what it is told, and what it answers.

A message is answered when its event is safe, see `answers.py`; all else at once. Beyond `window`
messages without an answer further ones are refused with THROTTLED, to be sent again later.
Who has not bound is taken nothing from, and costs no time.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from itertools import chain
from typing import cast

from ringfence import EventKind
from ringfence.adapters.base import Unreadable
from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp.answers import Event
from ringfence.adapters.smpp.desk import Desk
from ringfence.adapters.smpp.pdu import RESPONSE, Framing, Pdu, written
from ringfence.adapters.smpp.reader import MESSAGES, Taken, status_of

ENQUIRE_S = 5.0
"""After so long a silence the other side is asked whether it is there."""
SILENCE_S = 30.0
BIND_S = 10.0
DOUBT_S = 5.0
"""How long before the end of a connection an answer may have been sent and not have arrived."""
RECENT_MAX = 4_096
UNSENT_BYTES_MAX = 4 << 20
LEAVE_S = 1.0

_READ_BYTES = 65_536
_BINDS = (smpp.BIND_RECEIVER, smpp.BIND_TRANSMITTER, smpp.BIND_TRANSCEIVER)
_REFUSED = {
    smpp.QUERY_SM: smpp.QUERY_FAILED,
    smpp.CANCEL_SM: smpp.CANCEL_FAILED,
    smpp.REPLACE_SM: smpp.REPLACE_FAILED,
}
_HARMLESS = frozenset((smpp.OUTBIND, smpp.ALERT, *range(0x111, 0x114)))


class Session:
    """A connection. `bind` is given binds and the answers to them, and says what to send."""

    def __init__(
        self,
        desk: Desk,
        stream: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        bind: Callable[[Session, Pdu], bytes],
    ) -> None:
        self._desk = desk
        self._stream = stream
        self._writer = writer
        self._bind = bind
        self._framing = Framing(smpp.BIND_MAX)
        self._sequence = 0
        self._waiting: deque[tuple[float, bytes | None, Sequence[Event]]] = deque()
        """When each message without an answer came, its key, None = an unbind, and its events."""
        self._recent: deque[tuple[float, bytes, Sequence[Event]]] = deque(maxlen=RECENT_MAX)
        self._asked = False
        self._silence_s = SILENCE_S
        self._heard_at = self._opened_at = self._desk.stopwatch()
        self.last_heard = desk.clock()
        """Unix seconds."""
        self.name: str | None = None
        """Who bound; None = nobody has."""
        self.sends = False
        """Whether the other side may send messages."""
        self.tries = 0
        self._ended = self._clean = self._unbinds = False

    @property
    def is_stranger(self) -> bool:
        """Whether the connection is open, and nobody has bound on it."""
        return self.name is None and not self._writer.is_closing()

    def become(self, name: str, *, sends: bool) -> None:
        """The other side is bound."""
        self.name, self.sends = name, sends
        self._framing.limit = smpp.PDU_MAX
        if sends:
            self._desk.hearing.bound(name, self._desk.clock())

    async def run(self) -> None:
        """Reads until the connection ends, for `end` to follow; raises what stops the events."""
        try:
            while octets := await self._stream.read(_READ_BYTES):
                await self._take(octets)
            if self._framing.inside and self.name:
                self._desk.lose("note_cut", self.last_heard)
        except Unreadable as unreadable:
            self._write(written(smpp.GENERIC_NACK, smpp.INVALID_COMMAND_LENGTH, 0))
            self._unreadable(unreadable.reason)
        except OSError:
            self._desk.tally["note_connection_lost"] += 1

    async def _take(self, octets: bytes) -> None:
        self._heard_at = self._desk.stopwatch()
        self._silence_s, self._asked = SILENCE_S, False
        now = self._desk.clock()
        at = int(now)
        messages: list[tuple[Pdu, Taken]] = []
        try:
            for pdu in self._framing.feed(octets):
                if pdu.command in MESSAGES and self.sends:
                    if taken := self._message(pdu, at, len(messages)):
                        messages.append((pdu, taken))
                    continue
                if messages:
                    await self._hand_over(messages, now)
                    messages = []
                if out := self._other(pdu):
                    self._write(out)
        finally:  # those before a length that cannot be are taken all the same
            if messages:
                await self._hand_over(messages, now)
        if self.name and not self._framing.inside:
            self.last_heard = now
            if self.sends:
                self._desk.hearing.heard(self.name, now)

    def _message(self, pdu: Pdu, at: int, before: int) -> Taken | None:
        """What a message is, with so many before it that are not handed over; None = refused."""
        desk = self._desk
        if len(self._waiting) + before >= desk.window:
            desk.lose("note_throttled")
            self._write(_answer(pdu, smpp.THROTTLED, b""))
            return None
        try:
            return desk.reader.read(pdu, at, desk.repeats)
        except Unreadable as unreadable:
            desk.lose("note_unread", self.last_heard)
            self._write(_answer(pdu, status_of(unreadable), b""))
            return None

    async def _hand_over(self, messages: list[tuple[Pdu, Taken]], now: float) -> None:
        """Sends the events of messages, and has these answered when their events are safe."""
        at = int(now)
        events: list[list[Event]] = []
        for _, (called, (caller, kind), _, _) in messages:
            events.append([(number, caller, at, kind) for number in called])
        if self._desk.sink.send_all([*chain.from_iterable(events)]):
            self._accept(messages, events, now)
            return
        send_wait = self._desk.sink.send_wait
        for message, of_message in zip(messages, events, strict=True):  # as room comes
            for event in of_message:
                await send_wait(*event[:3], EventKind(event[3]))
            self._accept([message], [of_message], now)

    def _accept(
        self, messages: list[tuple[Pdu, Taken]], events: list[list[Event]], now: float
    ) -> None:
        """Has messages answered when their events are safe."""
        desk, waiting = self._desk, self._waiting
        answers: list[tuple[bytes, Sequence[Event]]] = []
        status = desk.status
        for (pdu, (_, _, key, before)), own in zip(messages, events, strict=True):
            accepted = status == smpp.OK and pdu.command != smpp.DELIVER_SM
            octets = _answer(pdu, status, desk.message_id() if accepted else b"")
            stands_for = own or before
            waiting.append((now, key, stands_for))
            answers.append((octets, stands_for))
        desk.answers.put_all(self, answers)

    def _other(self, pdu: Pdu) -> bytes:
        command, sequence = pdu.command, pdu.sequence
        if command == smpp.ENQUIRE_LINK:
            return written(command | RESPONSE, smpp.OK, sequence)
        if command in _BINDS:
            if self.name:
                return written(command | RESPONSE, smpp.ALREADY_BOUND, sequence, b"\0")
            return self._bind(self, pdu)
        if command & RESPONSE:
            return self._bind(self, pdu) if command & ~RESPONSE in _BINDS else b""
        return self._unusual(pdu)

    def _unusual(self, pdu: Pdu) -> bytes:
        command, sequence = pdu.command, pdu.sequence
        if command == smpp.UNBIND:
            self._unbinds = True
            self._waiting.append((self._desk.clock(), None, ()))
            self._desk.answers.put(self, written(command | RESPONSE, smpp.OK, sequence))
            return b""
        if command in MESSAGES or (command in _REFUSED and not self.name):
            self._desk.tally["smpp_not_bound"] += 1
            return _answer(pdu, smpp.WRONG_BIND_STATUS, b"")
        if command in _REFUSED:
            self._desk.tally["other_command"] += 1
            return written(command | RESPONSE, _REFUSED[command], sequence)
        if command in _HARMLESS:
            self._desk.tally["other_command"] += 1
        else:
            self._unreadable("smpp_command")
        return written(smpp.GENERIC_NACK, smpp.INVALID_COMMAND, sequence)

    def _unreadable(self, reason: str) -> None:
        if self.name:
            self._desk.lose(reason, self.last_heard)
        else:
            self._desk.tally[reason] += 1

    def answer(self, octets: list[bytes], lost: Set[int] = frozenset()) -> None:
        """Sends answers to the oldest messages; those that are lost are to come again, as new."""
        if not self._ended:
            for at in lost:
                octets[at] = _refusal(octets[at])
            self._write(b"".join(octets))
        now = self._desk.clock()
        if not (lost or self._ended or self._unbinds):
            next_one = self._waiting.popleft
            for _ in octets:
                _, key, events = next_one()
                self._recent.append((now, cast(bytes, key), events))
            return
        for at in range(len(octets)):
            _, key, events = self._waiting.popleft()
            if at in lost:
                self._desk.lose("note_not_taken")
                if key and self._ended:
                    self._desk.repeats.lose(key, events)
            elif self._ended:
                continue
            elif key is None:
                self._clean = True
                self._writer.close()
                return
            else:
                self._recent.append((now, key, events))

    def _write(self, octets: bytes) -> None:
        if self._writer.is_closing():
            return
        self._writer.write(octets)
        if self._writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self.abort("note_answers_not_read")

    def send(self, command: int, body: bytes = b"") -> None:
        """Sends a request of ours."""
        self._sequence += 1
        self._write(written(command, smpp.OK, self._sequence, body))

    def probe(self, within_s: float) -> None:
        """Asks whether the other side is there, which it must say within a time."""
        if not self._asked or within_s < self._silence_s:
            self._asked = True
            self._silence_s = self._desk.stopwatch() - self._heard_at + within_s
            self.send(smpp.ENQUIRE_LINK)

    def look(self) -> None:
        """Called every second: asks who is silent, and ends who is too silent."""
        at = self._desk.stopwatch()
        if self.name is None:
            if at - self._opened_at > BIND_S:
                self._desk.tally["note_never_bound"] += 1
                self._writer.close()
            return
        if at - self._heard_at > self._silence_s:
            self.abort("note_silent")
        elif at - self._heard_at > ENQUIRE_S and not self._asked:
            self._asked = True
            self.send(smpp.ENQUIRE_LINK)
        if self._waiting and self._desk.clock() - self._waiting[0][0] > 1:
            # What the other side has beside these waits there for their answers.
            now = self._desk.clock()
            self._desk.sink.lose(int(self._waiting[0][0]), int(now) + 1)

    def refuse(self, octets: bytes) -> None:
        """Sends this, and closes."""
        self._write(octets)
        self._writer.close()

    def close(self) -> None:
        """Closes the connection; what was read is still worked off."""
        self._writer.close()

    def abort(self, reason: str) -> None:
        """Ends the connection at once, and counts why."""
        self._desk.tally[reason] += 1
        self._writer.transport.abort()

    async def leave(self) -> None:
        """Unbinds when nothing is read any more, and ends.

        What comes meanwhile is thrown away, to come again elsewhere: would it lie unread when the
        connection is closed, the kernel would throw away answers of ours as well.
        """
        self.send(smpp.UNBIND)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                while await self._stream.read(_READ_BYTES):
                    pass
        self.end()

    def end(self) -> None:
        """Notes what may come again, and that nobody is heard here any more."""
        if self._ended:
            return
        self._ended = True
        self._writer.close()
        now = self._desk.clock()
        keys = [(key, events) for _, key, events in self._waiting if key is not None]
        if not self._clean:
            keys += [(key, events) for at, key, events in self._recent if now - at <= DOUBT_S]
        self._desk.repeats.remember(keys, now)
        if self.name and self.sends:
            self._desk.hearing.left(self.name, self.last_heard, now)


def _refusal(octets: bytes) -> bytes:
    """What is sent instead of an answer, for the message to be kept and sent again."""
    _, command, _, sequence = struct.unpack_from(">4I", octets)
    failed = b"\0" if command == smpp.SUBMIT_MULTI | RESPONSE else b""
    return written(command, smpp.THROTTLED, sequence, b"\0" + failed)


def _answer(pdu: Pdu, status: int, message_id: bytes) -> bytes:
    command = pdu.command
    failed = b"\0\0" if command == smpp.SUBMIT_MULTI else b"\0"  # so many destinations
    return written(command | RESPONSE, status, pdu.sequence, message_id + failed)
