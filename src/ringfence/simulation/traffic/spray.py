"""Background: campaigns that dial whatever number exists, and what follows from them."""

import math

import numpy as np
import numpy.typing as npt

from ringfence.engine.words import EventKind
from ringfence.simulation.traffic.clock import COMMERCIAL
from ringfence.simulation.traffic.events import (
    CALLER_RANGES,
    DAY_S,
    FIRST_NUMBER,
    FIRST_STRANGER,
    HOUR_S,
    NEIGHBOUR_OFFSET,
    START,
    Attempts,
    Callers,
    Floats,
    Places,
    Records,
    TrueClass,
    make_attempts,
)
from ringfence.simulation.traffic.numbers import P95_SIGMAS
from ringfence.simulation.traffic.parameters import Campaigns, Climate, Storms, Stuck

AREA = 10**7  # numbers that share all but their last seven digits
BLOCK = 10**4


def lognormal_of(mean: float, p95: float) -> tuple[float, float]:
    """Mu and sigma of the lognormal distribution with this mean and 95th percentile."""
    sigma = P95_SIGMAS - math.sqrt(P95_SIGMAS**2 - 2 * math.log(p95 / mean))
    return math.log(mean) - sigma**2 / 2, sigma


def random_callers(random: np.random.Generator, true_class: TrueClass, count: int) -> Callers:
    """Callers from anywhere in the range of a class."""
    first, end = CALLER_RANGES[true_class]
    return random.integers(first, end, count, np.uint64)


class CampaignSource:
    """Campaigns, begun at random in busy time; each dials numbers by their exposure."""

    def __init__(
        self, random: np.random.Generator, numbers: Records, climate: Climate, campaigns: Campaigns
    ) -> None:
        self._random = random
        self._climate, self._campaigns = climate, campaigns
        self._mu, self._sigma = lognormal_of(campaigns.calls_mean, campaigns.calls_p95)
        exposure = random.standard_gamma(campaigns.exposure_shape, numbers.size)
        self._exposure = np.cumsum(exposure / exposure.sum())
        self._exposure[-1] = 1.0
        calls_per_s = climate.calls_per_number_day * numbers.size / DAY_S
        self._begun_per_s = calls_per_s / campaigns.calls_mean
        self._busy_s = -campaigns.days_max * DAY_S  # those that are under way at the start
        self._made = 0

    def until(self, end_s: float) -> Attempts:
        """All calls of the campaigns that begin from the last end on and before this one."""
        random, campaigns = self._random, self._campaigns
        began_s, self._busy_s = self._busy_s, COMMERCIAL.busy_at(end_s)
        count = int(random.poisson(self._begun_per_s * (self._busy_s - began_s)))
        begins = random.uniform(began_s, self._busy_s, count)
        lasts = random.uniform(0, campaigns.days_max * DAY_S, count)
        calls = np.rint(random.lognormal(self._mu, self._sigma, count)).astype(np.int64)
        calls = np.maximum(calls, 1)
        fresh = random.random(count) < self._climate.fresh_share
        sweeps = random.random(count) < campaigns.sweep_share
        withheld = random.random(count) < campaigns.withheld_share

        of = np.repeat(np.arange(count), calls)
        busy = begins[of] + lasts[of] * random.random(of.size)
        place = self._dialled(of.size)
        swept = np.flatnonzero(sweeps[of])
        turn = swept - (np.cumsum(calls) - calls)[of[swept]]  # 0 for the first call of a campaign
        place[swept] = (place[swept - turn] + turn) % self._exposure.size
        busy[swept] = begins[of[swept]] + turn * campaigns.sweep_gap_s
        caller = np.where(fresh[of], self._fresh(place), self._reused(count)[of])
        caller[withheld[of]] = 0
        true_class = np.where(fresh, TrueClass.SPRAY_FRESH, TrueClass.SPRAY_REUSED)[of]
        at_s = COMMERCIAL.clock(busy)
        return make_attempts(place, caller, at_s, kind=EventKind.CALL, true_class=true_class)

    def _dialled(self, count: int) -> Places:
        """Numbers by their exposure: sorted draws keep the search in the cache."""
        drawn = np.sort(self._random.random(count))
        place = np.searchsorted(self._exposure, drawn, side="right")
        self._random.shuffle(place)
        return place

    def _reused(self, count: int) -> Callers:
        """One caller for each campaign, like no other's."""
        first, end = CALLER_RANGES[TrueClass.SPRAY_REUSED]
        made = np.arange(self._made, self._made + count) % (end - first)
        self._made += count
        return (made + first).astype(np.uint64)

    def _fresh(self, place: Places) -> Callers:
        """A caller for each call: nobody in particular, or a neighbour of the number called."""
        _, end = CALLER_RANGES[TrueClass.SPRAY_FRESH]
        caller = self._random.integers(FIRST_STRANGER, end, place.size, np.uint64)
        kind_of = self._random.random(place.size)
        in_block = self._campaigns.neighbour_block_share
        spans = (0.0, in_block, BLOCK), (in_block, self._campaigns.neighbour_area_share, AREA)
        for least, most, span in spans:
            near = np.flatnonzero((kind_of >= least) & (kind_of < most))
            first = place[near] // span * span + FIRST_NUMBER + NEIGHBOUR_OFFSET
            caller[near] = first + self._random.integers(0, span, near.size)
        return caller


class StormSource:
    """Storms: hundreds of people return a call that this number never made."""

    def __init__(
        self, random: np.random.Generator, numbers: Records, climate: Climate, storms: Storms
    ) -> None:
        self._random, self._storms, self._numbers = random, storms, numbers.size
        spoofed = climate.calls_per_number_day * climate.fresh_share
        self._per_s = storms.per_spoofed_call * spoofed * numbers.size / DAY_S
        self._busy_s = -storms.hours_max * HOUR_S

    def until(self, end_s: float) -> Attempts:
        """All calls of the storms that begin from the last end on and before this one."""
        random, storms = self._random, self._storms
        began_s, self._busy_s = self._busy_s, COMMERCIAL.busy_at(end_s)
        count = int(random.poisson(self._per_s * (self._busy_s - began_s)))
        begins = COMMERCIAL.clock(random.uniform(began_s, self._busy_s, count))
        lasts = random.uniform(storms.hours_min, storms.hours_max, count) * HOUR_S
        log_calls = random.uniform(math.log(storms.calls_min), math.log(storms.calls_max), count)
        of = np.repeat(np.arange(count), np.rint(np.exp(log_calls)).astype(np.int64))
        place = random.integers(0, self._numbers, count)[of]
        caller = random_callers(random, TrueClass.STORM, of.size)
        caller[random.random(of.size) < storms.withheld_share] = 0
        at_s = begins[of] + lasts[of] * random.random(of.size)
        return make_attempts(place, caller, at_s, kind=EventKind.CALL, true_class=TrueClass.STORM)


class StuckSource:
    """Machines that dial one number for days."""

    def __init__(self, random: np.random.Generator, numbers: Records, stuck: Stuck) -> None:
        self._place = np.flatnonzero(random.random(numbers.size) < stuck.share)
        count = self._place.size
        entered = numbers["quarantined_at"][self._place].astype(np.float64) - START
        self._begin = entered + random.uniform(0, stuck.within_days, count) * DAY_S
        days: npt.NDArray[np.float64] = random.uniform(stuck.days_min, stuck.days_max, count)
        self._end: Floats = self._begin + days * DAY_S
        log_gap = random.uniform(math.log(stuck.gap_min_s), math.log(stuck.gap_max_s), count)
        self._gap: Floats = np.exp(log_gap)
        self._dialled = np.zeros(count, np.int64)

    def until(self, end_s: float) -> Attempts:
        """All calls from the last end on and before this one."""
        last_s = np.minimum(self._end, end_s)
        reached = np.ceil(np.maximum(last_s - self._begin, 0) / self._gap).astype(np.int64)
        calls = reached - self._dialled
        of = np.repeat(np.arange(calls.size), calls)
        turn = np.arange(of.size) - np.repeat(np.cumsum(calls) - reached, calls)
        self._dialled = reached
        at_s = self._begin[of] + turn * self._gap[of]
        first, _ = CALLER_RANGES[TrueClass.STUCK]
        return make_attempts(
            self._place[of],
            (of + first).astype(np.uint64),
            at_s,
            kind=EventKind.CALL,
            true_class=TrueClass.STUCK,
        )
