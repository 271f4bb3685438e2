"""How far a file was read, so that it is found again under another name, or packed.

A name says nothing after a rotation, and an inode may be given to another file as soon as it is
free. So a place knows what stands at the beginning of its file and in front of where it ends.
Files that agree in both hold the same records up to there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import IO

HEAD_MAX = 1_024
TAIL_MAX = 256
BACK_STEP = 1 << 20
BACK_MAX = 8


def fingerprint(octets: bytes) -> str:
    """What stands for octets."""
    return hashlib.blake2b(octets, digest_size=16).hexdigest()


NOTHING = fingerprint(b"")


@dataclass(slots=True)
class Place:
    """So many octets of a file, unpacked, were read and handed on."""

    offset: int = 0
    head_octets: int = 0
    head: str = NOTHING
    """Fingerprint of the first octets."""
    tail_octets: int = 0
    tail: str = NOTHING
    """Fingerprint of the last octets before the offset."""
    back: list[int] = field(default_factory=lambda: [0])
    """Where records begin, some way back: to remember which calls were seen."""

    def go_on(self, octets: bytes, offset: int) -> None:
        """More was read, up to `offset`."""
        tail = octets[-TAIL_MAX:]
        self.tail_octets, self.tail = len(tail), fingerprint(tail)
        if self.offset - self.back[-1] >= BACK_STEP:
            self.back.append(self.offset)
            del self.back[:-BACK_MAX]
        self.offset = offset

    def see_head(self, octets: bytes) -> None:
        """The first octets, as far as they are written."""
        octets = octets[:HEAD_MAX]
        if len(octets) > self.head_octets:
            self.head_octets, self.head = len(octets), fingerprint(octets)

    def copy(self) -> Place:
        """The same place, for another file."""
        return Place(
            *(self.offset, self.head_octets, self.head, self.tail_octets, self.tail),
            list(self.back),
        )

    def begins(self, head: bytes) -> bool:
        """Whether a file with these first octets may be the one."""
        return fingerprint(head[: self.head_octets]) == self.head

    def ends_in(self, file: IO[bytes]) -> bool:
        """Whether what stands before the offset is the same; the file is at the offset then."""
        file.seek(self.offset - self.tail_octets)
        return fingerprint(read_all(file, self.tail_octets)) == self.tail


def read_all(file: IO[bytes], count: int) -> bytes:
    """So many octets, fewer only where the file ends."""
    octets = b""
    while len(octets) < count and (more := file.read(count - len(octets))):
        octets += more
    return octets
