"""The journal of one process: what it has acknowledged, in order, on disk.

`Journal` is the interface; `journal_lmdb.py` opens the embedded one. A value is durable when
`append` has told its `done`, and not before. The bytes are drawn in `FORMATS.md`. A journal has an
identity, bytes that its owner chooses and that are in the checksum of every value: the values of
another journal do not fit.

    JournalError
     ├─ JournalDown       cannot be written just now; heals by itself
     ├─ JournalDamaged    does not hold what was written
     ├─ JournalTruncated  the values asked for were let go
     ├─ JournalTooNew     written by a newer version
     └─ JournalInUse      another process has it
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from crc32c import crc32c

FORMAT = 1
HEAD = struct.Struct("<IB3xQ")  # CRC-32C of all that follows, format, position
_CRC = struct.Struct("<I")


class JournalError(Exception):
    """A journal cannot do what was asked; the text says which journal and why."""


class JournalDown(JournalError):
    """The journal takes no values now. It heals by itself when the reason is gone.

    Raised by `append`: the value was not written. Told to `done`: nobody knows; the value may be
    there after the journal has healed, or after a restart, so sending it again must be harmless.
    """


class JournalDamaged(JournalError):
    """What the journal holds is not what was written; the text names folder and position."""


class JournalTruncated(JournalError):
    """Values behind the asked position were let go; a snapshot has to stand for them."""


class JournalTooNew(JournalError):
    """The journal was written by a version that this one cannot read."""


class JournalInUse(JournalError):
    """Another process has the journal open."""


Done = Callable[[int | JournalError], None]


class JournalReader(Protocol):
    """A sequence of values, each at a position that is never used again."""

    @property
    def folder(self) -> Path:
        """Where the journal is."""

    @property
    def first(self) -> int:
        """The position of the oldest value still there; 1 = none was ever let go."""

    @property
    def last(self) -> int:
        """The position of the newest durable value; 0 = there never was one."""

    def replay(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Positions and values behind a position, in order and without a hole.

        Raises JournalDamaged, also for a journal that ends before `after`; JournalTruncated;
        JournalTooNew; JournalDown while a journal that failed is being opened again.
        """

    def close(self) -> None:
        """Lets go of the files."""


class Journal(JournalReader, Protocol):
    """A journal that takes values. `append`, `truncate` and `replay` from any thread."""

    @property
    def writable(self) -> bool:
        """Whether values are taken; False from a failure until it has healed."""

    @property
    def commits_total(self) -> int:
        """How many commits have put values on disk since the journal was opened."""

    def has_room(self, size: int) -> bool:
        """Whether what waits for the disk leaves room for a value of this size; True also when none
        is taken at all, as `append` says why. After a commit there may be more room.
        """

    def append(self, value: bytes, done: Done) -> None:
        """Makes a value durable, then calls `done` with its position, or with what went wrong.

        Values become durable in the order of the calls, several in one commit. The journal's own
        thread calls `done`, which must not wait. Raises JournalDown or JournalDamaged, and then
        the value is not written and `done` is not called.
        """

    def after_commit(self, call: Callable[[], None]) -> None:
        """Has `call` called whenever the `done` of all values of one commit were called."""

    def truncate(self, upto: int) -> None:
        """Lets go of the values up to a position, little by little, never of the last one."""

    def close(self) -> None:
        """Makes durable what was appended, calls its `done` and lets go of the files."""


def seal(position: int, value: bytes, *, identity: bytes) -> bytes:
    """The bytes that stand in the journal of that identity for a value at a position."""
    covered = HEAD.pack(0, FORMAT, position)[_CRC.size :]
    checksum = crc32c(value, crc32c(covered, crc32c(identity)))
    return b"".join((_CRC.pack(checksum), covered, value))


def unseal(folder: Path, position: int, sealed: memoryview, *, identity: bytes) -> bytes:
    """The value; raises JournalDamaged unless these are the bytes sealed for that position."""
    if len(sealed) < HEAD.size:
        raise JournalDamaged(
            f"{folder}: value too short: position={position}, bytes={len(sealed)},"
            f" least={HEAD.size}"
        )
    expected, form, sealed_for = HEAD.unpack_from(sealed)
    actual = crc32c(sealed[_CRC.size :], crc32c(identity))
    if actual != expected:
        raise JournalDamaged(
            f"{folder}: checksum does not match: position={position},"
            f" stored={expected:08x}, actual={actual:08x}; it is damaged, or the journal is that of"
            " another data folder or has another's name"
        )
    if form > FORMAT:
        raise JournalTooNew(
            f"{folder}: written by a newer version: position={position}, format={form},"
            f" newest known={FORMAT}"
        )
    if sealed_for != position:
        raise JournalDamaged(
            f"{folder}: value of another position: position={position}, sealed for={sealed_for}"
        )
    return bytes(sealed[HEAD.size :])
