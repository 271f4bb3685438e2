"""The workload as a whole: seeds, order, memory, delivery, whose numbers, who calls."""

import math
import re
import subprocess
import sys
import tracemalloc
from hashlib import sha256
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from support.places import BENCHMARKS
from support.workload_seen import (
    AT_ONCE,
    SEED,
    SIGMAS,
    assert_share,
    make_workload,
    ncsu_weeks,
)

from ringfence.engine.words import DisconnectReason, EventKind
from ringfence.simulation.traffic.delivery import Switches
from ringfence.simulation.traffic.events import (
    BACKGROUND,
    CALLER_RANGES,
    DAY_S,
    FIRST_NUMBER,
    HOUR_S,
    START,
    TrueClass,
    make_attempts,
    text_caller,
)
from ringfence.simulation.traffic.numbers import background_only, make_numbers
from ringfence.simulation.traffic.parameters import CLIMATES, Delivery, Departures, Traffic
from ringfence.simulation.traffic.workload import Workload


def digest(workload: Workload) -> str:
    """Over all fields; the gaps between them hold anything."""
    state = sha256()
    for chunk in workload.chunks():
        for name in chunk.dtype.names or ():
            state.update(chunk[name].tobytes())
    return state.hexdigest()


def test_same_seed_gives_the_same_events() -> None:
    workload = make_workload()
    assert digest(workload) == digest(workload) == digest(make_workload())


def test_another_seed_gives_others() -> None:
    one, other = make_workload(), make_workload(seed=SEED + 1)
    assert digest(one) != digest(other)
    assert (one.numbers != other.numbers).any()


def test_chunks_are_days_of_arrivals_in_order() -> None:
    traffic = Traffic(
        CLIMATES["phoneypot"],
        departures=Departures(entry_days=14),
        delivery=Delivery(late_share=0.05, delay_s=3_600.0),
    )
    workload = Workload(traffic, numbers=2_000, days=21, seed=SEED)
    chunks = list(workload.chunks())
    assert len(chunks) > 21  # what happened late on the last day comes on the next
    for day, chunk in enumerate(chunks):
        arrived = chunk["arrived_at"].astype(np.int64) - START
        assert (np.diff(arrived) >= 0).all()
        assert (arrived // DAY_S == day).all()
    events = np.concatenate(chunks)
    entered = workload.numbers["quarantined_at"][events["called"] - np.uint64(FIRST_NUMBER)]
    assert np.ptp(workload.numbers["quarantined_at"]) > 13 * DAY_S
    assert (events["occurred_at"] >= entered).all()
    assert (events["occurred_at"] <= events["arrived_at"]).all()
    assert events["occurred_at"].max() < START + 21 * DAY_S


@pytest.mark.slow
def test_memory_does_not_grow_with_the_days() -> None:
    peaks, made = [], 0
    for days in (21, 84):
        workload = make_workload("phoneypot", numbers=10_000, days=days)
        tracemalloc.start()
        made = sum(chunk.nbytes for chunk in workload.chunks())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.25 * peaks[0]  # not four times
    assert peaks[1] < made / 2  # nor are all events kept


def test_sender_that_is_text_is_the_contracts_integer() -> None:
    first = int.from_bytes(sha256(b"bank").digest()[:8]) | 1 << 63
    assert text_caller(" BANK ") == first


@pytest.mark.slow
def test_numbers_never_assigned_get_background_only() -> None:
    workload, events = ncsu_weeks()
    never = workload.numbers["reason"] == DisconnectReason.NEVER_ASSIGNED
    alone = background_only(workload.numbers)
    assert alone[never].all()
    assert not alone[~never].all()
    place = (events["called"] - np.uint64(FIRST_NUMBER)).astype(int)
    background = np.isin(events["true_class"], list(BACKGROUND))
    assert background[alone[place]].all()
    assert np.isin(TrueClass.SPRAY_FRESH, events["true_class"][never[place]])
    assert not background.all()


def test_departures_have_the_shares_that_were_asked_for() -> None:
    departures = Departures()
    numbers = make_numbers(np.random.default_rng(SEED), departures, 400_000, days=365)
    reason = numbers["reason"]
    never = np.count_nonzero(reason == DisconnectReason.NEVER_ASSIGNED)
    assert_share(never, numbers.size, departures.never_assigned_share)
    had = numbers[reason != DisconnectReason.NEVER_ASSIGNED]
    unpaid = had[had["reason"] == DisconnectReason.NON_PAYMENT]
    paid = had[had["reason"] != DisconnectReason.NON_PAYMENT]
    for rows, name, share in (
        (had, "personal", departures.personal_share),
        (had, "applications", departures.applications_share),
        (had, "institutions", departures.institutions_share),
        (unpaid, "debts", departures.debts_non_payment_share),
        (paid, "debts", departures.debts_share),
    ):
        assert_share(np.count_nonzero(rows[name]), rows.size, share)
    assert_share(unpaid.size, had.size, departures.non_payment_share)
    callers = had["personal"][had["personal"] > 0]
    # Whole callers: 3 holds what is drawn from 2.5 to 3.5, and 20 from 19.5.
    sigma = math.log(20 / 3) / NormalDist().inv_cdf(0.95)
    drawn = NormalDist(math.log(3), sigma)
    for least in (4, 20):
        share = 1 - drawn.cdf(math.log(least - 0.5))
        assert_share(np.count_nonzero(callers >= least), callers.size, share)
    day = (numbers["quarantined_at"] - START) // DAY_S
    assert day.max() == departures.entry_days - 1
    assert_share(np.count_nonzero(day < 90), numbers.size, 90 / departures.entry_days)


@pytest.mark.slow
def test_copies_equal_their_originals_but_for_the_arrival() -> None:
    workload, events = ncsu_weeks()
    copies = events[events["copy"]]
    share = workload.traffic.delivery.copies_share
    assert_share(copies.size, events.size - copies.size, share)
    fields = ("called", "caller", "occurred_at", "kind", "true_class")
    order = np.lexsort((events["copy"], *(events[name] for name in fields)))
    ordered = events[order]
    again = np.flatnonzero(ordered["copy"])
    for name in fields:
        assert (ordered[name][again] == ordered[name][again - 1]).all()


def test_switch_sends_late_for_its_share_of_the_time() -> None:
    days, numbers = 5_000, make_numbers(np.random.default_rng(SEED), AT_ONCE, 8, days=1)
    delivery = Delivery(copies_share=0.0, late_share=0.03, shuffled_share=0.02)
    switches = Switches(np.random.default_rng(SEED), delivery, days)
    at_s = np.repeat(np.arange(0, days * DAY_S, 1_200.0), 4)  # every 20 minutes at each switch
    place = np.arange(at_s.size) % 4
    callers = np.zeros(at_s.size, np.uint64)
    attempts = make_attempts(
        place, callers, at_s, kind=EventKind.CALL, true_class=TrueClass.PERSONAL
    )
    events = switches.deliver(attempts, numbers)
    delay_s = events["arrived_at"].astype(np.int64) - events["occurred_at"]
    assert 5 * HOUR_S < delay_s.max() <= 6 * HOUR_S
    # What is left of a batch is evenly drawn, so all but 340 s in 3.5 hours of it shows as late.
    late = delay_s > 340  # more than being out of order and a slow line explain
    hidden = 340 / (3.5 * HOUR_S)
    batches = days * 24 * 4 * delivery.late_share / 3.5
    expected = delivery.late_share * (1 - hidden)
    square = 1 + (5**2 / 12) / 3.5**2  # of the length of a batch, in its mean
    seen = np.count_nonzero(late) / events.size
    assert abs(seen - expected) <= SIGMAS * expected * math.sqrt(2 * square / batches)
    for switch in range(4):
        its = events[late & (events["called"] % np.uint64(4) == switch)]
        assert np.unique(its["arrived_at"]).size <= batches / 4 * 1.2  # all at once, at the end
    shuffled = np.count_nonzero((delay_s > 60) & ~late)
    # Out of order by 60 to 300 s, or (rarer) the last minutes of a late batch.
    least = events.size * 0.02 * 0.8
    most = least + events.size * delivery.late_share * hidden
    assert least - SIGMAS * math.sqrt(least) <= shuffled <= most + SIGMAS * math.sqrt(most)


@pytest.mark.parametrize(
    ("numbers", "days", "message"),
    [
        (0, 1, "numbers: value=0, bound=1 to 100000000"),
        (10**8 + 1, 1, "numbers: value=100000001, bound=1 to 100000000"),
        (1, 0, "days: value=0, bound=1 or more"),
    ],
)
def test_impossible_size_is_refused(numbers: int, days: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_workload(numbers=numbers, days=days)


@pytest.mark.slow
def test_callers_belong_to_nobody_and_to_one_class() -> None:
    _, events = ncsu_weeks()
    for true_class, (first, end) in CALLER_RANGES.items():
        caller = events["caller"][events["true_class"] == true_class]
        caller = caller[caller > 0]
        if true_class is TrueClass.STUCK:  # too rare to be in here
            continue
        assert caller.size
        assert first <= caller.min() <= caller.max() < end
    edges = sorted(CALLER_RANGES.values())
    assert all(end <= first for (_, end), (first, _) in pairwise(edges))
    assert edges[0][0] > events["called"].max()
    assert edges[-1][1] < 10**12


@pytest.mark.slow
def test_command_prints_what_it_made() -> None:
    command = ["--climate", "quiet", "--numbers", "2000", "--days", "14", "--seed", "3"]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "workload.py", *command],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress bar without a terminal
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| ([\d,]+) \|", done.stdout, re.MULTILINE))
    assert set(rows) == set(TrueClass.__members__)
    total = sum(int(events.replace(",", "")) for events in rows.values())
    assert f"\n{total:,} events, " in done.stdout
    assert "events/s" in done.stdout
