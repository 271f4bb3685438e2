"""The rows of `changes` that a value of the keeper's journal stands for, as columns."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.header_rows import HEADER, key_numbers, key_pools, reasons_of, states_of
from ringfence.server.followers.history.database import HistoryError
from ringfence.server.journal.keeper_value_pb2 import KeeperValue

Columns = tuple[Sequence[object], ...]
"""Position, row, number, pool, previous, current, state, quarantined_at, reason, reservation."""


def change_columns(position: int, value: KeeperValue, pools: Mapping[int, int]) -> Columns:
    """Columns of `changes` in their order; `pools` has the id of the pool at each index.

    Raises HistoryError for a value whose columns do not fit together.
    """
    if value.headers:
        headers = np.frombuffer(value.headers, HEADER)
        key = headers["key"]
        settings: Columns = (
            states_of(headers).tolist(),
            headers["quarantined_at"].tolist(),
            reasons_of(headers).tolist(),
        )
    else:
        key = np.fromiter(value.keys, np.uint64, len(value.keys))
        settings = ([None] * len(key),) * 3
    count = len(key)
    indexes: list[int] = key_pools(key).tolist()
    return (
        [position] * count,
        range(count),
        key_numbers(key).tolist(),
        [pools.get(index) for index in indexes],
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
