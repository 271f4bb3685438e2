"""Event batches and checks straight off the wire: one pass over the bytes, no objects."""

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

EVENTS_MAX: int
CHECK_NUMBERS_MAX: int

class WireError(ValueError):
    """A message cannot be taken: `field` ("" = the message itself), and `text` says why."""

    def __init__(self, field: str, text: str) -> None: ...
    field: str
    text: str

@disjoint_base
class EventDecoder:
    """Decodes {Stream,Record}EventsRequest into memory that it owns and uses again.

    Right for every valid protobuf encoding of the message: packed, unpacked, split, unknown
    fields, any order; what protobuf refuses, it refuses.
    """

    def decode(self, message: bytes) -> None:
        """Takes over a message. Raises WireError for what protobuf cannot read, for unequal
        lengths of the four event fields and for more than 65,536 events; then it holds nothing.
        """
    def drop_events(self) -> None:
        """Wipes the callers, who do not outlive their batch; it holds no event any more."""
    @property
    def feed(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def watermark(self) -> int: ...
    @property
    def complete_from(self) -> int: ...
    @property
    def events(self) -> int:
        """How many events the message holds."""

def decode_check(message: bytes) -> tuple[npt.NDArray[np.uint64], int]:
    """The numbers and `at` of a CheckNumbersRequest; raises WireError (1 to 100,000 numbers)."""

def split_numbers(message: bytes) -> tuple[npt.NDArray[np.uint64], bytes]:
    """The field 1 of a message, repeated fixed64, and the rest: the message without that field.

    Right for every valid protobuf encoding. Raises WireError where fields cannot be told apart;
    what is in the rest is for the protobuf library to judge.
    """

def encode_check(
    verdicts: npt.NDArray[np.uint8],
    clean_at: npt.NDArray[np.uint32],
    expected_at: npt.NDArray[np.uint32],
) -> bytes:
    """A CheckNumbersResponse."""

def encode_changed(
    changed: npt.NDArray[np.uint64],
    refused: npt.NDArray[np.uint64],
    verdicts: npt.NDArray[np.uint8],
) -> bytes:
    """A {Hold,Unhold,Restore,Retire,Override,Move}NumbersResponse; `verdicts` are those of the
    refused numbers, none of them 0.
    """

def encode_events_answer(
    sequence: int,
    accepted: int,
    untracked: int,
    rejected: int,
    rejections: list[tuple[int, str]],
    watermark: int,
) -> bytes:
    """A {Stream,Record}EventsResponse."""
