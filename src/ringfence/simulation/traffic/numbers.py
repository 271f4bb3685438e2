"""The numbers of a workload: when each came into quarantine, why, and what still looks for it."""

import math

import numpy as np
import numpy.typing as npt

from ringfence.engine.words import DisconnectReason
from ringfence.simulation.traffic.events import DAY_S, FIRST_NUMBER, NUMBER, START, Records
from ringfence.simulation.traffic.parameters import Departures

P95_SIGMAS = 1.6448536269514722  # of the normal distribution


def make_numbers(
    random: np.random.Generator, departures: Departures, count: int, days: int
) -> Records:
    """Numbers (dtype NUMBER) one after the other, in quarantine from some second of the entry."""
    numbers = np.zeros(count, NUMBER)
    numbers["number"] = np.arange(FIRST_NUMBER, FIRST_NUMBER + count, dtype=np.uint64)
    entry_s = min(departures.entry_days, days) * DAY_S
    numbers["quarantined_at"] = START + (random.random(count) * entry_s).astype(np.uint32)
    numbers["reason"] = _reasons(random, departures, count)
    had_subscriber = numbers["reason"] != DisconnectReason.NEVER_ASSIGNED

    def chosen(share: float | npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        drawn: npt.NDArray[np.bool_] = (random.random(count) < share) & had_subscriber
        return drawn

    sigma = math.log(departures.personal_callers_p95 / departures.personal_callers_median)
    sigma /= P95_SIGMAS
    callers = random.lognormal(math.log(departures.personal_callers_median), sigma, count)
    numbers["personal"] = np.clip(np.rint(callers), 1, 65_535) * chosen(departures.personal_share)
    applications = 1 + random.poisson(departures.further_applications, count)
    numbers["applications"] = applications * chosen(departures.applications_share)
    numbers["institutions"] = chosen(departures.institutions_share)
    indebted = chosen(
        np.where(
            numbers["reason"] == DisconnectReason.NON_PAYMENT,
            departures.debts_non_payment_share,
            departures.debts_share,
        )
    )
    weights = departures.debts_weights
    debts = 1 + random.choice(len(weights), count, p=weights)
    numbers["debts"] = debts * indebted
    return numbers


def _reasons(
    random: np.random.Generator, departures: Departures, count: int
) -> npt.NDArray[np.uint8]:
    drawn = random.random(count)
    reasons = np.full(count, DisconnectReason.CUSTOMER_REQUEST, np.uint8)
    reasons[drawn < departures.non_payment_share + departures.inactivity_share] = (
        DisconnectReason.INACTIVITY
    )
    reasons[drawn < departures.non_payment_share] = DisconnectReason.NON_PAYMENT
    never = random.random(count) < departures.never_assigned_share
    reasons[never] = DisconnectReason.NEVER_ASSIGNED
    return reasons


def background_only(numbers: Records) -> npt.NDArray[np.bool_]:
    """Which numbers nobody looks for: whatever comes to them is background."""
    wanted = ("personal", "applications", "institutions", "debts")
    sought: npt.NDArray[np.bool_] = np.any([numbers[each] > 0 for each in wanted], axis=0)
    return ~sought
