"""Messages that come again because their answer did not reach who sent them.

A message is answered when its event is safe. When a connection is gone before that, or so soon
after that the answer may have been on its way, the message comes again with another sequence
number: it is known by its addresses and its text, of which a digest of 64 bits is kept. Its key is
drawn at random and never leaves the process, so nobody else can tell a text by it. Beside it are
the events that the message stands for: if the server does not take them, it is new when it comes.
"""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from ringfence.adapters.smpp.answers import Event
from ringfence.adapters.smpp.body import Message

WINDOW_S = 3_600
KEYS_MAX = 65_536

_BEGUN = blake2b(key=os.urandom(32), digest_size=8)
"""The digest of nothing yet: a copy has the key in it, which is a third of the work."""


def key_of(message: Message) -> bytes:
    """The same for the same text between the same, and nothing that says what it was."""
    # An address has no zero but in its first two octets: no two messages are written alike here.
    head = bytes((message.esm_class, len(message.destinations))) + message.source
    octets = b"\0".join((head, *message.destinations, message.text))
    digest = _BEGUN.copy()
    digest.update(octets)
    return digest.digest()


class Repeats:
    """Of which messages it is not known whether they were answered; times are unix seconds."""

    def __init__(self, *, window_s: float = WINDOW_S, keys_max: int = KEYS_MAX) -> None:
        self._keys: defaultdict[bytes, deque[Sequence[Event]]] = defaultdict(deque)
        self._order: deque[tuple[float, bytes]] = deque()
        self._window_s = window_s
        self._keys_max = keys_max

    def remember(self, keys: Iterable[tuple[bytes, Sequence[Event]]], now: float) -> None:
        """These may come again, each with the events that it stands for."""
        for key, events in keys:
            self._keys[key].append(events)
            self._order.append((now, key))
        self._forget(now)

    def take(self, key: bytes, now: float) -> Sequence[Event] | None:
        """The events of one of them, come again; None = it is none. Each comes once."""
        if not self._keys:
            return None
        self._forget(now)
        return self._drop(key) if key in self._keys else None

    def lose(self, key: bytes, events: Sequence[Event]) -> None:
        """The server did not take the events of one of them, so it is new when it comes again."""
        if events in self._keys.get(key, ()):
            self._keys[key].remove(events)
            if not self._keys[key]:
                del self._keys[key]

    def _forget(self, now: float) -> None:
        while self._order and (
            now - self._order[0][0] > self._window_s or len(self._order) > self._keys_max
        ):
            self._drop(self._order.popleft()[1])

    def _drop(self, key: bytes) -> Sequence[Event] | None:
        # What came again stays in the order until its time is over: then its key may stand for
        # another one, which is forgotten early. That counts one message twice, and loses none.
        if key not in self._keys:
            return None
        events = self._keys[key].popleft()
        if not self._keys[key]:
            del self._keys[key]
        return events
