"""Each class of events comes at the rates and in the form that its parameters say."""

import math
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from support.workload_seen import (
    AT_ONCE,
    DAYS,
    NUMBERS,
    SEED,
    SIGMAS,
    all_events,
    assert_mean,
    assert_share,
    make_workload,
    ncsu_weeks,
    originals,
    per_number,
)

from ringfence.engine.words import EventKind
from ringfence.simulation.traffic.events import (
    CALLER_RANGES,
    DAY_S,
    HOUR_S,
    NEIGHBOUR_OFFSET,
    START,
    WEEK_S,
    Records,
    TrueClass,
    text_caller,
)
from ringfence.simulation.traffic.parameters import CLIMATES, Departures, Traffic
from ringfence.simulation.traffic.personal import PersonalSource
from ringfence.simulation.traffic.recurring import DebtSource, ScheduleSource
from ringfence.simulation.traffic.spray import lognormal_of
from ringfence.simulation.traffic.workload import Workload

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", CLIMATES)
def test_background_comes_at_the_rate_of_its_climate(name: str) -> None:
    workload = make_workload(name, numbers=NUMBERS, days=28)
    climate, campaigns = CLIMATES[name], workload.traffic.campaigns
    events = all_events(workload)
    spray = originals(events, TrueClass.SPRAY_FRESH, TrueClass.SPRAY_REUSED)
    _, sigma = lognormal_of(campaigns.calls_mean, campaigns.calls_p95)
    # Campaigns are a Poisson process: variance = campaigns x mean square of their calls.
    mean_square = campaigns.calls_mean**2 * math.exp(sigma**2)
    for share, true_class in (
        (climate.fresh_share, TrueClass.SPRAY_FRESH),
        (1 - climate.fresh_share, TrueClass.SPRAY_REUSED),
    ):
        expected = share * climate.calls_per_number_day * NUMBERS * 28
        bound = SIGMAS * math.sqrt(expected / campaigns.calls_mean * mean_square)
        seen = np.count_nonzero(spray["true_class"] == true_class)
        assert abs(seen - expected) <= bound, (true_class.name, seen, expected)

    storms = workload.traffic.storms
    spoofed = climate.fresh_share * climate.calls_per_number_day * NUMBERS * 28
    begun = spoofed * storms.per_spoofed_call
    log_ratio = math.log(storms.calls_max / storms.calls_min)
    mean = (storms.calls_max - storms.calls_min) / log_ratio
    square = (storms.calls_max**2 - storms.calls_min**2) / 2 / log_ratio
    calls = originals(events, TrueClass.STORM).size
    assert abs(calls - begun * mean) <= SIGMAS * math.sqrt(begun * square), (calls, begun * mean)


def test_lognormal_has_the_mean_and_the_percentile_asked_for() -> None:
    mu, sigma = lognormal_of(13, 27)
    assert math.exp(mu + sigma**2 / 2) == pytest.approx(13)
    assert math.exp(NormalDist(mu, sigma).inv_cdf(0.95)) == pytest.approx(27)


def test_as_many_numbers_get_no_background_as_the_gamma_says() -> None:
    workload = make_workload(numbers=NUMBERS, days=28)
    campaigns = replace(workload.traffic.campaigns, sweep_share=0.0)
    workload.traffic = replace(workload.traffic, campaigns=campaigns)
    events = originals(all_events(workload), TrueClass.SPRAY_FRESH, TrueClass.SPRAY_REUSED)
    shape, mean = campaigns.exposure_shape, events.size / NUMBERS
    silent = np.count_nonzero(per_number(events) == 0)
    assert_share(silent, NUMBERS, (1 + mean / shape) ** -shape)


def test_campaign_that_does_not_sweep_dials_all_over_the_pool() -> None:
    workload = make_workload(numbers=NUMBERS, days=28)
    campaigns = replace(workload.traffic.campaigns, sweep_share=0.0, withheld_share=0.0)
    workload.traffic = replace(workload.traffic, campaigns=campaigns)
    events = originals(all_events(workload), TrueClass.SPRAY_REUSED)
    events = events[np.lexsort((events["occurred_at"], events["caller"]))]
    same = np.diff(events["caller"]) == 0
    steps = np.abs(np.diff(events["called"].astype(np.int64)))[same]
    near = np.count_nonzero(steps < NUMBERS // 10)
    assert_share(near, steps.size, 0.2 - 0.1**2)  # of two places anywhere


def test_storm_is_hundreds_of_callers_at_one_number_within_hours() -> None:
    workload = make_workload(numbers=NUMBERS, days=28)
    storms = workload.traffic.storms
    more = replace(storms, per_spoofed_call=20 * storms.per_spoofed_call, withheld_share=0.0)
    workload.traffic = replace(workload.traffic, storms=more)
    events = originals(all_events(workload), TrueClass.STORM)
    events = events[np.lexsort((events["occurred_at"], events["called"]))]
    _, first, calls = np.unique(events["called"], return_index=True, return_counts=True)
    began = events["occurred_at"][first].astype(np.int64) - START
    lasted = events["occurred_at"][first + calls - 1].astype(np.int64) - START - began
    # One storm, which the first and the last day do not cut off.
    alone = (lasted <= 8 * HOUR_S) & (began >= DAY_S) & (began < 27 * DAY_S)
    sizes = calls[alone].astype(float)
    assert sizes.size > 600
    assert 200 <= sizes.min() <= sizes.max() <= 2_000
    assert_mean(sizes, (2_000 - 200) / math.log(10))
    assert np.unique(events["caller"]).size > 0.98 * events.size


def test_campaign_that_keeps_its_caller_dials_as_many_numbers_as_campaigns_do() -> None:
    workload, events = ncsu_weeks()
    reused = originals(events, TrueClass.SPRAY_REUSED)
    order = np.lexsort((reused["occurred_at"], reused["caller"]))
    reused = reused[order]
    withheld = np.count_nonzero(reused["caller"] == 0)
    assert 0 < withheld < reused.size / 5
    reused = reused[withheld:]
    _, first, calls = np.unique(reused["caller"], return_index=True, return_counts=True)
    began = reused["occurred_at"][first].astype(np.int64) - START
    ended = reused["occurred_at"][first + calls - 1].astype(np.int64) - START
    whole = (began >= WEEK_S) & (began < (DAYS - 14) * DAY_S)  # nothing of these is cut off
    sizes = calls[whole]
    assert sizes.size > 4_000
    assert (ended - began)[whole].max() <= WEEK_S
    campaigns = workload.traffic.campaigns
    assert_mean(sizes.astype(float), campaigns.calls_mean)
    mu, sigma = lognormal_of(campaigns.calls_mean, campaigns.calls_p95)
    below = NormalDist(mu, sigma).cdf(math.log(campaigns.calls_p95 - 0.5))
    assert_share(np.count_nonzero(sizes < campaigns.calls_p95), sizes.size, below)


def test_fresh_callers_hardly_come_back_and_some_look_like_neighbours() -> None:
    workload, events = ncsu_weeks()
    fresh = originals(events, TrueClass.SPRAY_FRESH)
    fresh = fresh[fresh["caller"] > 0]
    near = fresh["called"].astype(np.int64) + NEIGHBOUR_OFFSET
    same_block = fresh["caller"].astype(np.int64) // 10**4 == near // 10**4
    same_area = fresh["caller"].astype(np.int64) // 10**7 == near // 10**7
    campaigns = workload.traffic.campaigns
    in_block, in_area = campaigns.neighbour_block_share, campaigns.neighbour_area_share
    assert_share(same_area.sum(), fresh.size, in_area)
    assert_share(same_block.sum(), fresh.size, in_block + (in_area - in_block) * 1e-3)
    strangers = fresh["caller"][~same_area]
    pairs = strangers.size**2 / 2 / 10**8  # that meet by chance among 10^8
    assert strangers.size - np.unique(strangers).size <= pairs + SIGMAS * math.sqrt(pairs)


def test_sweep_dials_number_after_number() -> None:
    workload = make_workload(numbers=NUMBERS, days=14)
    climate = replace(workload.traffic.climate, fresh_share=0.0)
    campaigns = replace(workload.traffic.campaigns, sweep_share=1.0, withheld_share=0.0)
    workload.traffic = replace(workload.traffic, climate=climate, campaigns=campaigns)
    events = originals(all_events(workload), TrueClass.SPRAY_REUSED)
    events = events[np.lexsort((events["occurred_at"], events["caller"]))]
    same = np.diff(events["caller"]) == 0
    steps = np.diff(events["called"].astype(np.int64))[same] % NUMBERS
    assert same.any()
    assert (steps == 1).all()


def expected_bursts(workload: Workload, begin_day: float, end_day: float) -> float:
    """Of one caller, on average, between two ages."""
    personal = workload.traffic.personal
    mean_rate = personal.bursts_per_day * math.exp(personal.bursts_sigma**2 / 2)
    bursts = 0.0
    for share, half_life in (
        (1 - personal.slow_share, personal.half_life_days),
        (personal.slow_share, personal.slow_half_life_days),
    ):
        lasts = half_life / math.log(2)
        passed = math.exp(-begin_day / lasts) - math.exp(-end_day / lasts)
        bursts += share * mean_rate * lasts * passed
    return bursts


@pytest.mark.parametrize("begin_day", [0, 28, 56])
def test_personal_callers_decay_by_their_half_lives(begin_day: int) -> None:
    workload, events = ncsu_weeks()
    personal = originals(events, TrueClass.PERSONAL)
    day = (personal["occurred_at"] - START) / DAY_S
    seen = per_number(personal[(day >= begin_day) & (day < begin_day + 28)])
    redial = workload.traffic.personal.redial_share
    attempts = expected_bursts(workload, begin_day, begin_day + 28) * (1 + redial + redial**2)
    assert_mean(seen.astype(float), workload.numbers["personal"] * attempts)


def test_personal_caller_calls_one_number_again_and_again() -> None:
    _, events = ncsu_weeks()
    personal = originals(events, TrueClass.PERSONAL)
    personal = personal[personal["caller"] > 0]
    personal = personal[np.lexsort((personal["occurred_at"], personal["caller"]))]
    same = np.diff(personal["caller"]) == 0
    assert (np.diff(personal["called"])[same] == 0).all()
    gaps = np.diff(personal["occurred_at"].astype(np.int64))[same]
    # Of all attempts 0.4 / 1.56 are second ones, within 10 minutes; some of the third ones are too.
    redialled = np.count_nonzero(gaps <= 600) / personal.size
    assert 0.4 / 1.56 <= redialled <= 0.56 / 1.56
    kinds = np.bincount(personal["kind"], minlength=7) / personal.size
    for kind, share in (("CALL", 0.8), ("SMS", 0.15), ("MMS", 0.03), ("VIDEO", 0.02)):
        assert_share(int(kinds[EventKind[kind]] * personal.size), personal.size, share)


def survived_days(workload: Workload, days: int) -> float:
    """Days that a sender keeps on, on average, of the first so many."""
    schedules = workload.traffic.schedules
    lasts = NormalDist(math.log(schedules.pruned_median_days), schedules.pruned_sigma)
    return sum(1 - lasts.cdf(math.log(day + 0.5)) for day in range(days))


def test_applications_and_institutions_keep_their_periods() -> None:
    workload, events = ncsu_weeks()
    schedules, days = workload.traffic.schedules, survived_days(workload, DAYS)
    monthly_share = 1 - schedules.code_share - schedules.weekly_share
    codes = (schedules.codes_min + schedules.codes_max) / 2
    a_day = schedules.code_share * codes / schedules.code_gap_days
    a_day += schedules.weekly_share / 7 + monthly_share / 28
    messages = originals(events, TrueClass.APPLICATION)
    seen = per_number(messages).astype(float)
    assert_mean(seen, workload.numbers["applications"] * a_day * days)
    assert (messages["kind"] == EventKind.A2P_SMS).all()
    senders = {text_caller(f"sender {turn}") for turn in range(schedules.senders)}
    assert set(messages["caller"].tolist()) <= senders
    calls = originals(events, TrueClass.INSTITUTION)
    seen = per_number(calls).astype(float)
    assert_mean(seen, workload.numbers["institutions"] * days / 28)
    assert (calls["kind"] == EventKind.CALL).all()


def make_debts(**changes: Any) -> tuple[Workload, Records]:
    """Numbers that all have one debt, and the collectors' calls in twelve weeks."""
    departures = replace(
        AT_ONCE,
        never_assigned_share=0.0,
        debts_share=1.0,
        debts_non_payment_share=1.0,
        debts_weights=(1.0,),
    )
    traffic = Traffic(CLIMATES["quiet"], departures=departures)
    traffic = replace(traffic, debts=replace(traffic.debts, **changes))
    workload = Workload(traffic, numbers=5_000, days=DAYS, seed=SEED)
    assert (workload.numbers["debts"] == 1).all()
    events = originals(all_events(workload), TrueClass.COLLECTOR)
    return workload, events[np.lexsort((events["occurred_at"], events["called"]))]


def test_collectors_call_in_office_hours_and_seven_times_a_week_at_most() -> None:
    _, events = make_debts(worked_median_days=1e5, worked_sigma=0.0)
    at_s = events["occurred_at"].astype(np.int64) - START
    assert (at_s % WEEK_S < 5 * DAY_S).all()
    assert ((at_s % DAY_S >= 9 * HOUR_S) & (at_s % DAY_S < 18 * HOUR_S)).all()
    eighth = events["called"][7:] == events["called"][:-7]
    assert eighth.any()
    assert (at_s[7:] - at_s[:-7])[eighth].min() >= WEEK_S - 1  # times are whole seconds
    settled = events[at_s >= 4 * WEEK_S]
    assert_mean(per_number(settled, 5_000).astype(float), 8 * (1 + 7) / 2)  # 1 to 7 a week


def test_debt_is_worked_by_one_agency_from_a_few_callers_until_it_is_sold() -> None:
    workload, events = make_debts(worked_median_days=20.0, dormant_days=5.0, resold_share=1.0)
    first, end = CALLER_RANGES[TrueClass.COLLECTOR]
    assert ((events["caller"] >= first) & (events["caller"] < end)).all()
    agency = (events["caller"].astype(np.int64) - first) // workload.traffic.debts.callers_max
    callers = [np.unique(events["caller"][agency == each]).size for each in range(300)]
    assert (min(callers), max(callers)) == (2, 10)
    same = np.diff(events["called"]) == 0
    changes = np.count_nonzero(np.diff(agency)[same])
    assert changes > 5_000  # 84 days are some three agencies a debt
    _, kept_events = make_debts(worked_median_days=20.0, resold_share=0.0)
    kept_agency = (kept_events["caller"].astype(np.int64) - first) // 10
    assert (np.diff(kept_agency)[np.diff(kept_events["called"]) == 0] == 0).all()
    late = kept_events["occurred_at"] >= START + 80 * DAY_S
    # 20 days' median, sigma 0.7: of the debts, 2.4 % are still worked after 80 days.
    working = 1 - NormalDist(math.log(20), 0.7).cdf(math.log(80))
    reached = np.unique(kept_events["called"][late]).size
    assert reached <= working * 5_000 + SIGMAS * math.sqrt(working * 5_000)


@pytest.mark.parametrize("make_source", [PersonalSource, ScheduleSource, DebtSource])
def test_nobody_looks_for_a_subscriber_who_has_not_left(make_source: type[Any]) -> None:
    traffic = Traffic(CLIMATES["quiet"], departures=Departures(entry_days=14))
    numbers = Workload(traffic, numbers=20_000, days=21, seed=SEED).numbers
    parameters: Any = {
        PersonalSource: traffic.personal,
        ScheduleSource: traffic.schedules,
        DebtSource: traffic.debts,
    }[make_source]
    source = make_source(np.random.default_rng(SEED), numbers, parameters)
    attempts = source.until(21 * DAY_S)
    entered_s = (numbers["quarantined_at"] - np.uint32(START))[attempts.place]
    assert attempts.at_s.size > 500
    assert (attempts.at_s - entered_s).min() >= -1e-3  # of rounding
    assert (source.until(22 * DAY_S).at_s >= 21 * DAY_S - 1e-3).all()


def test_stuck_machine_calls_at_its_own_pace() -> None:
    workload = make_workload(numbers=NUMBERS, days=28)
    workload.traffic = replace(
        workload.traffic, stuck=replace(workload.traffic.stuck, share=1e-3, within_days=14)
    )
    events = originals(all_events(workload), TrueClass.STUCK)
    callers = np.unique(events["caller"])
    first, end = CALLER_RANGES[TrueClass.STUCK]
    assert first <= callers.min() <= callers.max() < end
    assert_share(callers.size, NUMBERS, 1e-3)
    assert np.unique(events["called"]).size == callers.size
    for caller in callers:
        times = np.sort(events["occurred_at"][events["caller"] == caller].astype(np.int64))
        gaps = np.diff(times)
        assert np.ptp(gaps) <= 1  # whole seconds of a gap that never changes
        assert 29 <= gaps.min() <= gaps.max() <= 301
        assert DAY_S - 301 <= times[-1] - times[0] <= 5 * DAY_S
