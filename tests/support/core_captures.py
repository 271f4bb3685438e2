"""Captures of a core network, read as an import reads them, and one that is made here."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ringfence.adapters.event_table import Passed
from ringfence.adapters.tap.capture_files import CaptureFiles
from ringfence.adapters.tap.frames import Frame
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import FRAMES_MAX, Relay
from ringfence.adapters.tap.tshark import Tshark
from ringfence.wording.dialled import DialPlan

BRITISH = DialPlan.of_country(44)
LATEST = 2**32 - 1
Event = tuple[int, int, int, int]


class Turned:
    """Takes what was turned away: frames and reasons."""

    def __init__(self) -> None:
        self.rows: list[tuple[int | str, str]] = []

    def add(self, table: Any, line: int, cells: Any, reason: str) -> None:
        self.rows.append((line, reason))


def read(
    paths: Sequence[Path], *, frames_max: int = FRAMES_MAX
) -> tuple[list[Event], Counter[str], list[tuple[int | str, str]]]:
    """The events of files, the outcomes of what is none, and what was turned away."""
    turned = Turned()
    events, passed = [], Counter[str]()
    with closing(Relay(Tshark, frames_max=frames_max)) as relay:
        reads = CaptureFiles(paths, relay, TapReader(BRITISH), latest=LATEST)
        for path in paths:
            with open(path, "rb") as file:
                for _, outcome in reads(file, turned, 0):
                    if isinstance(outcome, Passed):
                        passed[outcome.reason] += 1
                    elif outcome is not None:
                        events.append(outcome)
    return events, passed, turned.rows


def request(sequence: int, number: int, at_s: float) -> Frame:
    """A Diameter request that asks for a user (Cx LIR), alone in a TCP segment."""
    identity = b"tel:+4477009%05d" % number
    avps = avp(263, b"s;%d" % number, 0) + avp(264, b"icscf.example", 0) + avp(601, identity, 10415)
    diameter = b"\x01" + (20 + len(avps)).to_bytes(3, "big") + b"\xc0" + (302).to_bytes(3, "big")
    diameter += (16777216).to_bytes(4, "big") + number.to_bytes(4, "big") * 2 + avps
    tcp = (40_000).to_bytes(2, "big") + (3_868).to_bytes(2, "big") + sequence.to_bytes(4, "big")
    tcp += (1).to_bytes(4, "big") + b"\x50\x18\x20\0\0\0\0\0" + diameter
    ip = b"\x45\0" + (20 + len(tcp)).to_bytes(2, "big") + bytes(4) + b"\x40\x06\0\0"
    octets = bytes(12) + b"\x08\0" + ip + bytes((192, 0, 2, 1, 192, 0, 2, 2)) + tcp
    return Frame(int(at_s * 10**9), 1, octets, len(octets))


def avp(code: int, data: bytes, vendor: int) -> bytes:
    flags = b"\xc0" if vendor else b"\x40"
    owner = vendor.to_bytes(4, "big") if vendor else b""
    length = 8 + len(owner) + len(data)
    head = code.to_bytes(4, "big") + flags + length.to_bytes(3, "big") + owner
    return head + data + bytes(-length % 4)


def connection(missing: int) -> Iterator[Frame]:
    """A request a second, of which one was not captured."""
    sequence = 1_000
    for number in range(100, 200):
        frame = request(sequence, number, 1_796_000_000 + number)
        sequence += len(frame.octets) - 54
        if number != missing:
            yield frame
