"""Values of a keeper's journal, as commands on numbers leave them: for tests of the history."""

from collections.abc import Sequence

import numpy as np

from ringfence.engine.table.header_rows import HEADER, quarantine_headers
from ringfence.engine.words import DisconnectReason, State, Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue

START = 1_700_000_000
NUMBERS = [447700900000 + i for i in range(1_000)]
POOLS = ("default", "nl-mobile")


def settings(*names: str, decided_at: int = START) -> KeeperValue:
    """Pools at places 0, 1, ..."""
    value = KeeperValue(decided_at=decided_at, command="config")
    for index, name in enumerate(names or POOLS):
        value.pools.add(index=index).pool.name = name
    return value


def quarantined(
    numbers: Sequence[int],
    decided_at: int,
    *,
    pool: int = 0,
    quarantined_at: int = 0,
    reason: DisconnectReason = DisconnectReason.CUSTOMER_REQUEST,
    previous: Verdict = Verdict.UNTRACKED,
) -> KeeperValue:
    """Numbers that go into quarantine."""
    times = np.full(len(numbers), quarantined_at or decided_at, np.uint32)
    headers = quarantine_headers(
        np.array(numbers, np.uint64),
        pool=pool,
        quarantined_at=times,
        observed_since=np.full(len(numbers), decided_at, np.uint32),
        reason=np.full(len(numbers), reason, np.uint8),
        now=decided_at,
    )
    return KeeperValue(
        decided_at=decided_at,
        command="QuarantineNumbers",
        actor="bss",
        headers=headers.tobytes(),
        previous=bytes([previous]) * len(numbers),
        current=bytes([Verdict.AGING]) * len(numbers),
    )


def changed(
    value: KeeperValue,
    command: str,
    decided_at: int,
    state: State,
    verdict: Verdict,
    *,
    pool: int | None = None,
    note: str = "",
) -> KeeperValue:
    """The numbers of a value in another state, and perhaps another pool."""
    headers = np.frombuffer(value.headers, HEADER).copy()
    headers["control"] = np.uint64(int(state) | decided_at << 32)
    if pool is not None:
        headers["key"] = headers["key"] & np.uint64(2**50 - 1) | np.uint64(pool << 50)
    return KeeperValue(
        decided_at=decided_at,
        command=command,
        actor="operator",
        note=note,
        headers=headers.tobytes(),
        previous=value.current,
        current=bytes([verdict]) * len(headers),
    )


def reserved(value: KeeperValue, reservation: str, decided_at: int, lease_s: int) -> KeeperValue:
    """The numbers of a value in a reservation."""
    made = changed(value, "ReserveNumbers", decided_at, State.RESERVED, Verdict.RESERVED)
    kept = made.reservations.add(
        id=reservation,
        state=1,
        created_at=decided_at,
        expires_at=decided_at + lease_s,
        actor="shop",
    )
    keys = np.frombuffer(made.headers, HEADER)["key"]
    kept.numbers.extend((keys & np.uint64(2**50 - 1)).tolist())
    made.row_reservations.extend([1] * len(keys))
    return made


def transition(
    numbers: Sequence[int], decided_at: int, previous: Verdict, current: Verdict, pool: int = 0
) -> KeeperValue:
    """Numbers whose verdict time or events have changed."""
    return KeeperValue(
        decided_at=decided_at,
        keys=[pool << 50 | number for number in numbers],
        previous=bytes([previous]) * len(numbers),
        current=bytes([current]) * len(numbers),
    )
