"""Changes of verdicts as watchers are told of them: what each asks for, as bytes of a message."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.header_rows import Numbers, key_numbers, key_pools
from ringfence.server.link.keeper_service_pb2 import WatchChangesResponse
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import types_pb2

_NUMBER_AT = 3  # behind the change's tag, its length, and the number's tag

Verdicts = npt.NDArray[np.uint8]


class WatchQuestion(NamedTuple):
    """What a watcher asks for."""

    pool: str
    """Empty = every pool."""
    verdicts: frozenset[int]
    """Before or after a change; none = any."""


class ChangedVerdicts(NamedTuple):
    """Changes that one value of the keeper's journal made, as columns of one length."""

    position: int
    """Of the value; the segment has applied it."""
    keys: Numbers
    previous: Verdicts
    current: Verdicts
    pools: dict[int, str]
    """Names of the pools in `keys`, by index."""
    changed_at: int
    """Unix seconds."""


def changed_verdicts(data: bytes) -> ChangedVerdicts:
    """Changes as the keeper tells of them."""
    told = WatchChangesResponse.FromString(data)
    return ChangedVerdicts(
        told.position,
        np.frombuffer(told.keys, "<u8"),
        np.frombuffer(told.previous, np.uint8),
        np.frombuffer(told.current, np.uint8),
        dict(told.pools),
        told.changed_at,
    )


def message_for(question: WatchQuestion, changes: ChangedVerdicts) -> bytes:
    """A WatchNumbersResponse with the changes that answer a question, pool by pool; empty for none.

    No longer than what the keeper told in one message.
    """
    pools = key_pools(changes.keys).astype(np.uint16)  # which sort fast
    answering = np.ones(len(pools), np.bool_)
    if question.verdicts:
        asked = np.zeros(256, np.bool_)
        asked[list(question.verdicts)] = True
        answering = asked[changes.previous] | asked[changes.current]
    if question.pool:
        named = [index for index, name in changes.pools.items() if name == question.pool]
        answering &= np.isin(pools, named)
    rows = np.flatnonzero(answering)
    rows = rows[np.argsort(pools[rows], kind="stable")]
    of_rows = pools[rows]
    edges = [0, *(np.flatnonzero(of_rows[1:] != of_rows[:-1]) + 1).tolist(), len(rows)]
    return b"".join(
        _of_one_pool(changes, rows[begin:end], changes.pools[int(of_rows[begin])])
        for begin, end in pairwise(edges)
        if end
    )


def _of_one_pool(changes: ChangedVerdicts, rows: npt.NDArray[np.intp], pool: str) -> bytes:
    """Changes of one pool at one time have one form, in which three fields differ."""
    verdict = types_pb2.VERDICT_CLEAN  # any: each takes one byte
    change = pb.NumberChange(number=1, pool=pool, previous=verdict, current=verdict)
    change.changed_at.seconds = changes.changed_at
    form = pb.WatchNumbersResponse(changes=[change]).SerializeToString()
    previous_at = _NUMBER_AT + 8 + (2 + len(pool) if pool else 0) + 1
    differing = np.dtype(
        {
            "names": ["number", "previous", "current"],
            "formats": ["<u8", "u1", "u1"],
            "offsets": [_NUMBER_AT, previous_at, previous_at + 2],
            "itemsize": len(form),
        }
    )
    encoded = bytearray(form * len(rows))
    fields = np.frombuffer(encoded, differing)
    fields["number"] = key_numbers(changes.keys[rows])
    fields["previous"] = changes.previous[rows]
    fields["current"] = changes.current[rows]
    return bytes(encoded)
