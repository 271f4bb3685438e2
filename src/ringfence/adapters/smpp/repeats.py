"""Messages that come again because their answer did not reach who sent them.

A message is answered when its event is safe. When a connection is gone before that, or so soon
after that the answer may have been on its way, the message comes again with another sequence
number: it is known by its addresses and its text, of which a digest of 64 bits is kept. Its key is
drawn at random and never leaves the process, so nobody else can tell a text by it.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable
from hashlib import blake2b

from ringfence.adapters.smpp.body import Message

WINDOW_S = 3_600
KEYS_MAX = 65_536

_SECRET = os.urandom(32)


def key_of(message: Message) -> bytes:
    """The same for the same text between the same, and nothing that says what it was."""
    # An address has no zero but in its first two octets: no two messages are written alike here.
    head = bytes((message.esm_class, len(message.destinations))) + message.source
    octets = b"\0".join((head, *message.destinations, message.text))
    return blake2b(octets, key=_SECRET, digest_size=8).digest()


class Repeats:
    """Of which messages it is not known whether they were answered; times are unix seconds."""

    def __init__(self, *, window_s: float = WINDOW_S, keys_max: int = KEYS_MAX) -> None:
        self._keys: Counter[bytes] = Counter()
        self._order: deque[tuple[float, bytes]] = deque()
        self._window_s = window_s
        self._keys_max = keys_max

    def remember(self, keys: Iterable[bytes], now: float) -> None:
        """These may come again."""
        for key in keys:
            self._keys[key] += 1
            self._order.append((now, key))
        self._forget(now)

    def is_one(self, key: bytes, now: float) -> bool:
        """Whether this is one of them, come again; each comes once."""
        if not self._keys:
            return False
        self._forget(now)
        if not self._keys[key]:
            del self._keys[key]
            return False
        self._drop(key)
        return True

    def _forget(self, now: float) -> None:
        while self._order and (
            now - self._order[0][0] > self._window_s or len(self._order) > self._keys_max
        ):
            self._drop(self._order.popleft()[1])

    def _drop(self, key: bytes) -> None:
        # What came again stays in the order until its time is over: then its key may stand for
        # another one, which is forgotten early. That counts one message twice, and loses none.
        if self._keys[key] > 1:
            self._keys[key] -= 1
        else:
            del self._keys[key]
