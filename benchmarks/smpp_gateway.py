"""A gateway for benchmarks: PDUs made beforehand, so many of them without an answer.

Written from the standard alone: nothing here is what is measured.
"""

import random
import socket
import struct

from feeds import FIRST_NUMBER

MIXES = ("plain", "mixed")
NAMES = (b"BANKNAME", b"Parcel24", b"InfoLine", b"61234")

_BIND_TRANSCEIVER, _SUBMIT_SM, _UNBIND, _SUBMIT_MULTI, _DATA_SM = 0x9, 0x4, 0x6, 0x21, 0x103
_RESPONSE = 0x8000_0000
_HEADER = struct.Struct(">4I")


def make_stream(mix: str, count: int, numbers: int, chance: random.Random) -> list[bytes]:
    """So many messages, to numbers from the first on."""
    return [
        _message(sequence, mix == "mixed" and chance.random(), numbers, chance)
        for sequence in range(1, count + 1)
    ]


def _message(sequence: int, kind: float, numbers: int, chance: random.Random) -> bytes:
    called = _address(FIRST_NUMBER + chance.randrange(numbers))
    if chance.random() < 0.2:
        caller = b"\5\0" + chance.choice(NAMES) + b"\0"
    else:
        caller = _address(447700900000 + chance.randrange(1_000))
    text = bytes(chance.choices(range(32, 127), k=chance.randint(20, 140)))
    esm_class, command = 0, _SUBMIT_SM
    if 0 < kind < 0.1:
        esm_class = 0x40
        text = bytes((5, 0, 3, sequence // 2 % 256, 2, 1 + sequence % 2)) + text[:134]
    elif 0.1 <= kind < 0.15:
        esm_class = 4
    elif 0.15 <= kind < 0.2:
        command = _DATA_SM
    elif 0.2 <= kind < 0.25:
        command = _SUBMIT_MULTI
        called = b"\3" + b"".join(
            b"\1" + _address(FIRST_NUMBER + chance.randrange(numbers)) for _ in range(3)
        )
    head = b"\0" + caller + called + bytes((esm_class, 0, 0))
    if command == _DATA_SM:
        body = head + struct.pack(">HH", 0x0424, len(text)) + text
    else:
        body = head + b"\0\0" + bytes((0, 0, 0, 0, len(text))) + text
    return _HEADER.pack(16 + len(body), command, 0, sequence) + body


def _address(number: int) -> bytes:
    return b"\1\1%d\0" % number


class Gateway:
    """A bound connection."""

    def __init__(self, connection: socket.socket, name: str, password: str) -> None:
        self._connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""
        body = b"%b\0%b\0\0\x34\0\0\0" % (name.encode(), password.encode())
        connection.sendall(_HEADER.pack(16 + len(body), _BIND_TRANSCEIVER, 0, 1) + body)
        self._answers()

    def run(self, pdus: list[bytes], count: int, window: int) -> None:
        """Sends so many, over and over the same, and returns when all are answered."""
        twice = pdus + pdus[:window]
        sent = answered = 0
        while answered < count:
            room = min(window - (sent - answered), count - sent)
            if room:
                at = sent % len(pdus)
                self._connection.sendall(b"".join(twice[at : at + room]))
                sent += room
            answered += self._answers()

    def unbind(self) -> None:
        """Says goodbye, and waits for the answer."""
        self._connection.sendall(_HEADER.pack(16, _UNBIND, 0, 1))
        self._answers()

    def _answers(self) -> int:
        """Waits for answers, and counts them."""
        count = 0
        while not count:
            octets = self._connection.recv(1 << 16)
            if not octets:
                raise SystemExit("the adapter has closed the connection")
            self._left += octets
            at = 0
            while len(self._left) - at >= _HEADER.size:
                length, command, status, _ = _HEADER.unpack_from(self._left, at)
                if len(self._left) - at < length:
                    break
                if status or not command & _RESPONSE:
                    raise SystemExit(f"not an answer: command={command:#x}, status={status:#x}")
                count += 1
                at += length
            self._left = self._left[at:]
        return count
