"""Copies records out of a table that changes meanwhile, and makes a table of copied records."""

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.segment import Segment

SPRAY_MAP_BYTES: int

def copy_records(segment: Segment, first: int, into: npt.NDArray[np.uint64]) -> None:
    """Copies records from position `first` on, as many as fill `into`, each of one moment as to
    its number and its life.

    Releases the GIL. Raises ValueError when they are not whole records inside the table, and
    RuntimeError when one kept changing.
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

def index_records(segment: Segment, first: int, count: int) -> npt.NDArray[np.uint64]:
    """Makes records findable that lie in place, and settles headers copied in mid-change.

    Releases the GIL; several threads may do it at once, each with other records. Returns the
    positions of those whose number another record has too: a number that left while it was copied
    and came back to another slot. They are for `settle_doubles`, once all are indexed. Raises
    ValueError for a record that is not EMPTY and has no number.
    """

def settle_doubles(segment: Segment, doubles: npt.NDArray[np.uint64]) -> None:
    """Keeps of two records with one number that of the later life; the other one is EMPTY."""

def set_numbers(segment: Segment, numbers: int) -> None:
    """Says how many records belong to a number, after they are indexed."""
