"""Rows of headers: what commands leave of numbers. The one place that knows their bits in Python.

A row has the fields that commands set of a header in `memory/record.h`. The functions take rows of
HEADER, or records (`records.py`), which have all of these fields and more.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ringfence.engine.memory.layout import (
    NUMBER_BITS,
    NUMBER_MASK,
    OBSERVED_HOURS_SHIFT,
    POOLS_MAX,
    REASON_MASK,
    SINCE_SHIFT,
    STATE_MASK,
)
from ringfence.engine.words import State

HOUR_S = 3_600

HEADER = np.dtype(
    [
        ("key", "<u8"),
        ("control", "<u8"),
        ("quarantined_at", "<u4"),
        ("override_at", "<u4"),
        ("origin", "<u4"),
        ("spare", "<u4"),
    ]
)
"""The fields of a header that commands set, as a record has them; the generation of its control
word is 0."""

Headers = npt.NDArray[np.void]
Numbers = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
StateTable = npt.NDArray[np.bool_]
"""By state."""


def key_numbers(keys: Numbers) -> Numbers:
    """The numbers of keys."""
    numbers: Numbers = keys & np.uint64(NUMBER_MASK)
    return numbers


def key_pools(keys: Numbers) -> Numbers:
    """The indexes of the pools of keys."""
    pools: Numbers = keys >> np.uint64(NUMBER_BITS)
    return pools


def make_keys(numbers: Numbers, pool: int) -> Numbers:
    """The keys of numbers in a pool; raises ValueError."""
    if not 0 <= pool < POOLS_MAX:
        raise ValueError(f"pool: value={pool}, bound=0 to {POOLS_MAX - 1}")
    keys: Numbers = numbers | np.uint64(pool << NUMBER_BITS)
    return keys


def numbers_of(rows: Headers) -> Numbers:
    """The numbers, row by row."""
    return key_numbers(rows["key"])


def pools_of(rows: Headers) -> Numbers:
    """The indexes of the pools, row by row."""
    return key_pools(rows["key"])


def state_table(*states: State) -> StateTable:
    """By state whether it is one of these."""
    table = np.zeros(STATE_MASK + 1, np.bool_)
    table[list(states)] = True
    return table


def states_of(rows: Headers) -> Numbers:
    """The states, row by row, as integers of `State`."""
    states: Numbers = rows["control"] & np.uint64(STATE_MASK)
    return states


def since_of(rows: Headers) -> Numbers:
    """Unix seconds: the end of a RESERVED number's lease, else when its state began."""
    since: Numbers = rows["control"] >> np.uint64(SINCE_SHIFT)
    return since


def reasons_of(rows: Headers) -> npt.NDArray[np.uint32]:
    """Why the last subscribers left, as integers of `DisconnectReason`."""
    reasons: npt.NDArray[np.uint32] = rows["origin"] & np.uint32(REASON_MASK)
    return reasons


def observed_since_of(rows: Headers) -> Numbers:
    """Unix seconds from which the numbers' events are known."""
    hours: Numbers = (rows["origin"] >> np.uint32(OBSERVED_HOURS_SHIFT)).astype(np.uint64)
    since: Numbers = rows["quarantined_at"] + hours * np.uint64(HOUR_S)
    return since


def set_state(rows: Headers, state: State, since: int | Numbers, where: Mask | None = None) -> None:
    """Gives rows a state that began, or a lease that ends, at `since`, a time for all or one a row;
    all rows or those marked. ASSIGNED, RETIRED and FREE begin when the number was last tracked: one
    that goes from one of these to another keeps its `since`.
    """
    control = np.asarray(since, np.uint64) << np.uint64(SINCE_SHIFT) | np.uint64(state)
    marked = slice(None) if where is None else where
    rows["control"][marked] = np.broadcast_to(control, len(rows))[marked]


def distinct(numbers: Numbers) -> Numbers:
    """The numbers ascending, each once; they themselves where they are that already.
    (`np.unique` hashes them, and takes 30 times as long.)
    """
    if (numbers[1:] > numbers[:-1]).all():
        return numbers
    ascending = np.sort(numbers)
    first = np.ones(len(ascending), np.bool_)
    first[1:] = ascending[1:] != ascending[:-1]
    once: Numbers = ascending[first]
    return once


def latest_rows(rows: Headers) -> Headers:
    """The last row of each number, by number."""
    numbers = numbers_of(rows)[::-1]
    latest: Headers = rows[::-1][np.unique(numbers, return_index=True)[1]]
    return latest


def quarantine_headers(
    numbers: Numbers,
    *,
    pool: int,
    quarantined_at: npt.NDArray[np.uint32],
    observed_since: npt.NDArray[np.uint32],
    reason: npt.NDArray[np.uint8],
    now: int,
) -> Headers:
    """Headers of numbers that go into quarantine; all arrays have one length, else ValueError.

    observed_since is kept as hours from quarantined_at, rounded up.
    """
    columns: tuple[npt.NDArray[Any], ...] = (numbers, quarantined_at, observed_since, reason)
    if len({len(column) for column in columns}) > 1:
        raise ValueError("numbers, quarantined_at, observed_since, reason: lengths differ")
    headers = np.zeros(len(numbers), HEADER)
    headers["key"] = make_keys(numbers, pool)
    set_state(headers, State.QUARANTINED, now)
    headers["quarantined_at"] = quarantined_at
    hours = (observed_since.astype(np.uint64) - quarantined_at + (HOUR_S - 1)) // HOUR_S
    headers["origin"] = hours << np.uint64(OBSERVED_HOURS_SHIFT) | reason
    return headers
