"""The rows of `changes` that a value of the keeper's journal stands for, as columns."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.control import HEADER
from ringfence.engine.verdict.core import NUMBER_MASK
from ringfence.server.followers.history.database import HistoryError
from ringfence.server.journal.keeper_value_pb2 import KeeperValue

POOL_SHIFT = np.uint64(50)  # of a key: record.h
STATE_MASK = np.uint64(0xFF)  # of a control word
REASON_MASK = np.uint32(0xFF)  # of an origin

Columns = tuple[Sequence[object], ...]
"""Position, row, number, pool, previous, current, state, quarantined_at, reason, reservation."""


def change_columns(position: int, value: KeeperValue, pools: Mapping[int, int]) -> Columns:
    """Columns of `changes` in their order; `pools` has the id of each place's pool.

    Raises HistoryError for a value whose columns do not fit together.
    """
    if value.headers:
        headers = np.frombuffer(value.headers, HEADER)
        key = headers["key"]
        settings: Columns = (
            (headers["control"] & STATE_MASK).tolist(),
            headers["quarantined_at"].tolist(),
            (headers["origin"] & REASON_MASK).tolist(),
        )
    else:
        key = np.fromiter(value.keys, np.uint64, len(value.keys))
        settings = ([None] * len(key),) * 3
    count = len(key)
    places: list[int] = (key >> POOL_SHIFT).tolist()
    return (
        [position] * count,
        range(count),
        (key & np.uint64(NUMBER_MASK)).tolist(),
        [pools.get(place) for place in places],
        _verdicts(position, "previous", value.previous, count),
        _verdicts(position, "current", value.current, count),
        *settings,
        _reservations(position, value, count),
    )


def joined(columns: Sequence[Columns]) -> Columns:
    """The rows of several values behind each other."""
    return tuple(list(chain.from_iterable(parts)) for parts in zip(*columns, strict=True))


def _verdicts(position: int, name: str, verdicts: bytes, count: int) -> list[int]:
    if len(verdicts) not in (0, count):
        raise _misfit(position, name, len(verdicts), count)
    return list(verdicts) or [0] * count


def _reservations(position: int, value: KeeperValue, count: int) -> list[str | None]:
    whose: npt.NDArray[np.uint32] = np.fromiter(
        value.row_reservations, np.uint32, len(value.row_reservations)
    )
    if not len(whose):
        return [None] * count
    if len(whose) != count or int(whose.max(initial=0)) > len(value.reservations):
        raise _misfit(position, "row_reservations", len(whose), count)
    ids = [None, *(reservation.id for reservation in value.reservations)]
    return [ids[index] for index in whose.tolist()]


def _misfit(position: int, name: str, actual: int, count: int) -> HistoryError:
    return HistoryError(
        f"the journal's value cannot be read: position={position},"
        f" {name} has {actual} entries, expected={count}"
    )
