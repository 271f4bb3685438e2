"""A million numbers with a long past do not become clean because nobody recorded their traffic."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from support.server_process import DEADLINE_S, Peer, peer_of, serving
from support.told_claims import claim, put_feed, wait_for_watermark

from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow

MANY = 1_000_000
FIRST = 999_000_000_000
IMPORTED = range(FIRST + MANY, FIRST + MANY + 100_000)
FEW = range(IMPORTED.stop, IMPORTED.stop + 20)
AT_ONCE = 65_536
DAY_S = 86_400
WINDOW_S = 90 * DAY_S
QUARANTINED_AGO_S = 200 * DAY_S
HOUR_S = 3_600  # observed_since is kept to the next hour
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    data = tmp_path_factory.mktemp("observed") / "data"
    options = ("--workers", "2", "--capacity", str(FEW.stop - FIRST))
    with serving(data, *options) as running, peer_of(running) as connected:
        policy = commands.Policy(name="watchful", minimum_coverage=0.95)
        policy.minimum_age.seconds = 90 * DAY_S
        policy.rules.add(measure=types.MEASURE_EVENTS, limit=0).window.seconds = WINDOW_S
        connected.commands.PutPolicy(commands.PutPolicyRequest(policy=policy), timeout=DEADLINE_S)
        put_feed(connected, "msc")
        for pool, feeds in (("feedless", []), ("heard", ["msc"])):
            wanted = commands.Pool(name=pool, policy="watchful", required_feeds=feeds)
            connected.commands.PutPool(commands.PutPoolRequest(pool=wanted), timeout=DEADLINE_S)
        yield connected


def quarantine(peer: Peer, called: range, pool: str, **fields: list[int]) -> None:
    """Quarantines them in as few messages as the contract allows."""
    requests = (
        commands.QuarantineNumbersRequest(
            numbers=called[first : first + AT_ONCE], pool=pool, **fields
        )
        for first in range(0, len(called), AT_ONCE)
    )
    answer = peer.commands.QuarantineNumbers(requests, timeout=PATIENCE_S)
    assert answer.accepted == len(called)


def verdicts(peer: Peer, called: range, at: int = 0) -> dict[str, int]:
    """How many of them have which verdict."""
    found: Counter[int] = Counter()
    for first in range(0, len(called), 100_000):
        request = numbers.CheckNumbersRequest(numbers=called[first : first + 100_000], at=at)
        found.update(peer.numbers.CheckNumbers(request, timeout=PATIENCE_S).verdicts)
    return {types.Verdict.Name(each).removeprefix("VERDICT_"): n for each, n in found.items()}


def enough(observed_since: int) -> int:
    """When 95 % of a window have been observed since then."""
    return observed_since + -(-95 * WINDOW_S // 100)


def test_numbers_with_true_dates_are_unobserved_until_observed_time_has_grown(peer: Peer) -> None:
    called = range(FIRST, FIRST + MANY)
    now = int(time.time())
    quarantine(peer, called, "feedless", quarantined_at=[now - QUARANTINED_AGO_S])
    assert verdicts(peer, called) == {"UNOBSERVED": MANY}
    assert verdicts(peer, called, now - 100 * DAY_S) == {"UNOBSERVED": MANY}
    # From today everything is observed: when that is enough they are clean, if nobody calls.
    some = called[:1_000]
    assert verdicts(peer, some, enough(now) - 1) == {"UNOBSERVED": 1_000}
    assert verdicts(peer, some, enough(now + 2 * HOUR_S)) == {"CLEAN": 1_000}


def test_numbers_whose_history_is_imported_become_clean_as_it_grows(peer: Peer) -> None:
    called = IMPORTED
    now = int(time.time())
    since = now - QUARANTINED_AGO_S
    known = since + 48 * HOUR_S
    quarantine(peer, called, "feedless", quarantined_at=[since], observed_since=[known])
    assert verdicts(peer, called) == {"CLEAN": len(called)}
    some = called[:1_000]
    age = since + 90 * DAY_S
    assert verdicts(peer, some, since - 1) == {"UNTRACKED": 1_000}
    assert verdicts(peer, some, age - 1) == {"AGING": 1_000}
    # 48 of 2,160 hours are missing at that age: 97.8 % were observed.
    assert verdicts(peer, some, age) == {"CLEAN": 1_000}


def test_imported_history_counts_from_where_it_begins_and_to_the_second(peer: Peer) -> None:
    called = FEW[:10]
    now = int(time.time())
    since = now - QUARANTINED_AGO_S
    known = since + 100 * 24 * HOUR_S
    quarantine(peer, called, "feedless", quarantined_at=[since], observed_since=[known])
    turn = enough(known)
    assert verdicts(peer, called, turn - 1) == {"UNOBSERVED": 10}
    assert verdicts(peer, called, turn) == {"CLEAN": 10}


def test_imported_history_in_a_pool_with_feeds_needs_their_claims_too(peer: Peer) -> None:
    called = FEW[10:]
    now = int(time.time())
    since = now - QUARANTINED_AGO_S
    quarantine(peer, called, "heard", quarantined_at=[since], observed_since=[since])
    assert verdicts(peer, called) == {"UNOBSERVED": 10}
    heard_from = since + 60 * DAY_S
    claim(peer, "msc", heard_from, now)
    wait_for_watermark(peer, "msc", now)
    turn = enough(heard_from)
    assert verdicts(peer, called, turn - 1) == {"UNOBSERVED": 10}
    assert verdicts(peer, called, turn) == {"CLEAN": 10}
    assert verdicts(peer, called) == {"CLEAN": 10}
