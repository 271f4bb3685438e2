"""Copies records out of a table that changes meanwhile, and makes a table of copied records."""

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.segment import Segment

SPRAY_MAP_BYTES: int

def copy_records(segment: Segment, first: int, into: npt.NDArray[np.uint64]) -> None:
    """Copies records from position `first` on, as many as fill `into`, word by word.

    Releases the GIL. Raises ValueError when they are not whole records inside the table.
    """

def copy_spray_map(segment: Segment, into: npt.NDArray[np.uint64]) -> None:
    """Copies the spray map, word by word; `into` has its size."""

def callers_bytes(callers: int) -> int:
    """The bytes of a caller table of that size."""

def copy_callers(segment: Segment, first_byte: int, into: npt.NDArray[np.uint64]) -> None:
    """Copies a part of the caller table, word by word."""

def callers_memory(segment: Segment, first_byte: int, size_bytes: int) -> memoryview:
    """The memory of a part of the caller table, writable: for a segment not yet in use."""

def records_memory(segment: Segment, first: int, size_bytes: int) -> memoryview:
    """The memory of records from position `first` on, writable: for a segment not yet in use."""

def spray_map_memory(segment: Segment) -> memoryview:
    """The memory of the spray map, writable: for a segment not yet in use."""

def index_records(segment: Segment, first: int, count: int) -> int | None:
    """Makes records findable that lie in place, and settles headers copied in mid-change.

    Releases the GIL; several threads may do it at once, each with other records. Returns the
    position of the first record that has no number or another record's, None when all is well.
    """

def set_numbers(segment: Segment, numbers: int) -> None:
    """Says how many records belong to a number, after they are indexed."""
