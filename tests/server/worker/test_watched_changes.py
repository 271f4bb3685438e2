"""What a watcher is told is what it asks for, whatever pools and verdicts there are."""

import random

import numpy as np
import pytest

from ringfence.engine.memory.layout import NUMBER_BITS
from ringfence.server.link.keeper_service_pb2 import WatchChangesResponse
from ringfence.server.worker.watched_changes import (
    WatchQuestion,
    changed_verdicts,
    message_for,
)
from ringfence.v1 import number_service_pb2 as numbers

AT = 1_750_000_000
POOLS = {0: "default", 7: "p", 1_023: "x" * 63, 5: ""}


def rows_of(count):
    """Changes as rows: number, index of the pool, previous, current."""
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    return [
        (
            chance.choice((4_477_009, 447700900000 + row, 10**14)),
            chance.choice(list(POOLS)),
            chance.randrange(1, 10),
            chance.randrange(1, 10),
        )
        for row in range(count)
    ]


def told(rows):
    keys = [number | pool << NUMBER_BITS for number, pool, _, _ in rows]
    response = WatchChangesResponse(
        position=1,
        changed_at=AT,
        keys=np.array(keys, "<u8").tobytes(),
        previous=bytes(row[2] for row in rows),
        current=bytes(row[3] for row in rows),
        pools=POOLS,
    )
    return changed_verdicts(response.SerializeToString())


@pytest.mark.parametrize("pool", ["", "default", "p", "x" * 63, "nowhere"])
@pytest.mark.parametrize("verdicts", [(), (1,), (2, 9)])
def test_message_has_the_changes_that_are_asked_for_in_their_order_in_each_pool(pool, verdicts):
    rows = rows_of(400)
    message = message_for(WatchQuestion(pool, frozenset(verdicts)), told(rows))
    found = numbers.WatchNumbersResponse.FromString(message).changes
    expected = [
        (number, POOLS[index], previous, current, AT)
        for index in sorted(POOLS)
        for number, of, previous, current in rows
        if of == index
        and pool in ("", POOLS[index])
        and (not verdicts or {previous, current} & set(verdicts))
    ]
    assert expected or pool == "nowhere"
    assert [
        (each.number, each.pool, each.previous, each.current, each.changed_at.seconds)
        for each in found
    ] == expected


def test_there_is_no_message_for_no_change():
    rows = [(447700900000, 0, 1, 5)]
    assert message_for(WatchQuestion("", frozenset({7})), told(rows)) == b""
    assert message_for(WatchQuestion("", frozenset()), told([])) == b""
