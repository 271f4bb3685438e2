"""The bytes of a snapshot file: preamble, blocks, header. FORMATS.md draws them.

No input or output here: values become bytes and bytes become values.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from crc32c import crc32c

from ringfence.engine.memory.segment import RING_ENTRIES
from ringfence.engine.settings.policy import NO_SPRAY, Spray
from ringfence.engine.snapshot.record_blocks import SPRAY_MAP_BYTES, callers_bytes

MAGIC = b"RNGFSNAP"
VERSION = 4  # since 4 records may be EMPTY, and a number may be there twice
OLDEST_VERSION = 1
PARTS_VERSION = 3
"""Since which the keeper's state is in parts; before, all of it is one."""
BLOCK_BYTES = 1 << 22
"""Of a block's payload, as this program writes it; a whole number of records for every K."""
BLOCK_BYTES_MAX = 1 << 26
FILE_ID_BYTES = 16
COUNT_MOST = 2**64 - 1

PREAMBLE = struct.Struct("<8sII16s")
"""Magic, version, CRC-32C of the rest of the preamble, file id."""
FRAME = struct.Struct("<IIQ")
"""In front of each block's payload: checksum, kind, bytes of the payload."""
PART = struct.Struct("<I")
"""In front of each part of the keeper's state: its bytes."""
TRAILER = struct.Struct("<QQ")
"""Payload of the last block: how many blocks, with this one, and how many bytes the file has."""

_FRAME_REST = struct.Struct("<IQ")
_PLACE = struct.Struct("<16sQ")


class Kind(IntEnum):
    """What a block holds."""

    HEADER = 1
    KEEPER_STATE = 2
    RECORDS = 3
    SPRAY_MAP = 4
    TRAILER = 5
    CALLERS = 6
    HAND_OUTS = 7


class Block(NamedTuple):
    """Where a block is."""

    number: int
    """Of the block in its file, from 0."""
    kind: Kind
    offset: int
    """Of its frame in the file."""
    size_bytes: int
    """Of its payload."""
    first_byte: int
    """Of its payload among all bytes of its kind."""


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """What a snapshot says of itself."""

    number: int
    folder_id: bytes
    """16 bytes: the data folder that it was taken in."""
    ring_entries: int
    record_bytes: int
    numbers: int
    """Records in the file, FREE ones too."""
    taken_at: int
    """Unix seconds."""
    positions: Mapping[str, int]
    """By name of a worker's journal: what is at or before it is in the records."""
    keeper_position: int
    """Applied when the copy began: headers need what is behind it in the keeper's journal."""
    keeper_state_position: int
    """What the keeper's state and the hand-outs stand for, exactly."""
    keeper_state_bytes: int
    block_bytes: int = BLOCK_BYTES
    spray: Spray = NO_SPRAY  # version 1 has none
    """Under which the spray map was made; its `callers` are those of the file."""
    hand_outs_bytes: int = 0  # versions 1 and 2 have none

    def encode(self) -> bytes:
        """The header as JSON, for the payload of block 0.

        As long as it is with the largest sizes: it is written when they are known, and has its
        place before.
        """
        largest = replace(self, keeper_state_bytes=COUNT_MOST, hand_outs_bytes=COUNT_MOST)
        return self._json().ljust(len(largest._json()))

    def _json(self) -> bytes:
        fields = asdict(self)
        fields["folder_id"] = self.folder_id.hex()
        return json.dumps(fields, sort_keys=True).encode()

    @classmethod
    def decode(cls, payload: bytes) -> "SnapshotHeader":
        """The header of such a payload; raises ValueError for one that no program wrote."""
        fields = json.loads(payload)
        try:
            fields["folder_id"] = bytes.fromhex(fields["folder_id"])
            if "spray" in fields:
                fields["spray"] = Spray(**fields["spray"])
            header = cls(**fields)
            header.check()
        except (KeyError, TypeError) as error:
            raise ValueError(f"header fields: {error}") from error
        return header

    def check(self) -> None:
        """Raises ValueError, with field, value and bound, for what cannot be."""
        if not isinstance(self.positions, Mapping):
            raise ValueError(f"positions: value={self.positions}, bound=journals by name")
        for field in ("number", "numbers", "taken_at", "keeper_position", "keeper_state_position"):
            _check_count(field, getattr(self, field))
        _check_count("keeper_state_bytes", self.keeper_state_bytes)
        _check_count("hand_outs_bytes", self.hand_outs_bytes)
        _check_count("block_bytes", self.block_bytes)
        for name, position in self.positions.items():
            _check_count(f"positions[{name}]", position)
        self.spray.check()
        if len(self.folder_id) != FILE_ID_BYTES:
            raise ValueError(f"folder_id: bytes={len(self.folder_id)}, bound={FILE_ID_BYTES}")
        if self.ring_entries not in RING_ENTRIES:
            raise ValueError(f"ring_entries: value={self.ring_entries}, bound={RING_ENTRIES}")
        if self.record_bytes != 32 + 8 * self.ring_entries:
            raise ValueError(
                f"record_bytes: value={self.record_bytes}, bound={32 + 8 * self.ring_entries}"
            )
        if not 0 < self.block_bytes <= BLOCK_BYTES_MAX or self.block_bytes % self.record_bytes:
            raise ValueError(
                f"block_bytes: value={self.block_bytes}, "
                f"bound=whole records, 1 to {BLOCK_BYTES_MAX}"
            )

    @property
    def records_bytes(self) -> int:
        """Of all records together."""
        return self.numbers * self.record_bytes


def _check_count(field: str, value: object) -> None:
    if not isinstance(value, int) or not 0 <= value <= COUNT_MOST:
        raise ValueError(f"{field}: value={value}, bound=0 to 2**64 - 1")


def encode_preamble(version: int, file_id: bytes) -> bytes:
    """The first bytes of a file; every version begins like this."""
    return PREAMBLE.pack(MAGIC, version, _preamble_checksum(version, file_id), file_id)


def decode_preamble(preamble: bytes) -> tuple[int, bytes]:
    """Version and file id; raises ValueError when it is not a whole preamble."""
    if len(preamble) < PREAMBLE.size:
        raise ValueError(f"preamble cut short: bytes={len(preamble)}, expected={PREAMBLE.size}")
    magic, version, checksum, file_id = PREAMBLE.unpack(preamble)
    if magic != MAGIC:
        raise ValueError(f"not a snapshot: magic={magic.hex()}, expected={MAGIC.hex()}")
    expected = _preamble_checksum(version, file_id)
    if checksum != expected:
        raise ValueError(f"preamble checksum={checksum:#010x}, expected={expected:#010x}")
    return version, file_id


def _preamble_checksum(version: int, file_id: bytes) -> int:
    return crc32c(MAGIC + version.to_bytes(4, "little") + file_id)


def encode_frame(file_id: bytes, number: int, kind: Kind, payload: memoryview) -> bytes:
    """The frame in front of a block's payload."""
    rest = _FRAME_REST.pack(kind, len(payload))
    return FRAME.pack(_block_checksum(file_id, number, rest, payload), kind, len(payload))


def check_frame(file_id: bytes, block: Block, frame: bytes, payload: memoryview) -> None:
    """Raises ValueError unless frame and payload are those of this place of this file."""
    checksum, kind, size_bytes = FRAME.unpack(frame)
    expected = _block_checksum(file_id, block.number, frame[4:], payload)
    if checksum != expected:
        raise ValueError(f"checksum={checksum:#010x}, expected={expected:#010x}")
    if (kind, size_bytes) != (block.kind, block.size_bytes):
        raise ValueError(
            f"kind={kind}, bytes={size_bytes}, expected={block.kind}, {block.size_bytes}"
        )


def _block_checksum(file_id: bytes, number: int, rest: bytes, payload: memoryview) -> int:
    """Of the block and of its place, so that a whole block from elsewhere does not fit."""
    return crc32c(payload, crc32c(_PLACE.pack(file_id, number) + rest))


def layout(header: SnapshotHeader, header_bytes: int) -> Iterator[Block]:
    """All blocks of a file in their order; the trailer's end is the file's."""
    sections = [
        (Kind.HEADER, header_bytes),
        (Kind.KEEPER_STATE, header.keeper_state_bytes),
        (Kind.HAND_OUTS, header.hand_outs_bytes),
        (Kind.RECORDS, header.records_bytes),
        (Kind.SPRAY_MAP, SPRAY_MAP_BYTES),
        (Kind.CALLERS, callers_bytes(header.spray.callers)),
        (Kind.TRAILER, TRAILER.size),
    ]
    number, offset = 0, PREAMBLE.size
    for kind, section_bytes in sections:
        cut = kind not in (Kind.HEADER, Kind.SPRAY_MAP, Kind.TRAILER)
        most = header.block_bytes if cut else section_bytes
        for first_byte in range(0, section_bytes, most):
            size_bytes = min(most, section_bytes - first_byte)
            yield Block(number, kind, offset, size_bytes, first_byte)
            number += 1
            offset += FRAME.size + size_bytes
