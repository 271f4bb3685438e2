"""What is remembered of calls is not looked through again and again."""

import gc

from ringfence.adapters.calls import Calls, Sighting
from ringfence.adapters.pauses import keep_pauses_short

CALLS = 60_000


def full_collections_while_calls_come() -> int:
    before = gc.get_stats()[2]["collections"]
    calls = Calls()
    for n in range(CALLS):
        name = b"c:%d" % n
        assert calls.is_first(Sighting(447700900000 + n % 1_000, n, n // 1_000, (name,), leg=n))
    return gc.get_stats()[2]["collections"] - before


def test_full_collections_are_rare_while_calls_are_remembered() -> None:
    thresholds = gc.get_threshold()
    try:
        keep_pauses_short()
        assert full_collections_while_calls_come() == 0
        gc.set_threshold(700, 10, 10)  # Python's own
        assert full_collections_while_calls_come() > 0, "so it is without"
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
