"""Hours of the day and days of the week: time that runs fast when people call much.

Traffic is drawn in busy time, in which nothing depends on the hour, and then brought to the clock
by a shape: a week's cumulative weights, hour by hour. Weeks begin and end together in both, so
rates over whole weeks are what they were.
"""

from collections.abc import Sequence

import numpy as np

from ringfence.simulation.traffic.events import DAY_S, HOUR_S, WEEK_S, Floats

HOURS = 168


class WeeklyShape:
    """Maps busy time to the clock and back, both in seconds since a Monday's midnight."""

    def __init__(self, weights: Sequence[float]) -> None:
        """Weights of the hours of a week, from Monday 00:00 UTC; 168, not all 0."""
        hours = np.asarray(weights, np.float64)
        if hours.shape != (HOURS,):
            raise ValueError(f"weights: value={hours.size}, bound={HOURS}")
        self._clock = np.arange(HOURS + 1) * float(HOUR_S)
        self._busy = np.concatenate(([0.0], np.cumsum(hours))) / hours.sum() * WEEK_S
        self._busy[-1] = WEEK_S

    def clock(self, busy_s: Floats) -> Floats:
        """The time on the clock."""
        weeks = np.floor(busy_s / WEEK_S) * WEEK_S
        clock: Floats = weeks + np.interp(busy_s - weeks, self._busy, self._clock)
        return clock

    def busy(self, clock_s: Floats) -> Floats:
        """The busy time."""
        weeks = np.floor(clock_s / WEEK_S) * WEEK_S
        busy: Floats = weeks + np.interp(clock_s - weeks, self._clock, self._busy)
        return busy

    def busy_at(self, clock_s: float) -> float:
        """The busy time of one moment."""
        return float(self.busy(np.array([clock_s]))[0])


def _week(hours: Sequence[float], days: Sequence[float]) -> list[float]:
    """Weights of a week: the same day, more or less of it."""
    return [day * hour for day in days for hour in hours]


def _day(*spans: tuple[int, int, float], otherwise: float) -> list[float]:
    """Weights of a day: first hour, last hour and weight of each span."""
    hours = [otherwise] * (DAY_S // HOUR_S)
    for first, last, weight in spans:
        hours[first : last + 1] = [weight] * (last + 1 - first)
    return hours


# complaints: from 8 to 21 h with a plateau from 10 to 15 h, most on Tuesdays, little on Fridays, a
# quarter at weekends; robots at any hour.
COMMERCIAL = WeeklyShape(
    _week(
        _day((8, 9, 0.7), (10, 14, 1.0), (15, 20, 0.6), otherwise=0.05),
        (1.0, 1.2, 1.0, 1.0, 0.7, 0.25, 0.25),
    )
)
# Assumed: people call in the evening and at weekends.
PRIVATE = WeeklyShape(
    _week(_day((8, 16, 0.6), (17, 20, 1.5), (21, 22, 0.7), otherwise=0.05), (1,) * 5 + (1.3, 1.3))
)
# Assumed: 9 to 18 h on working days.
OFFICE = WeeklyShape(_week(_day((9, 17, 1.0), otherwise=0.0), (1,) * 5 + (0, 0)))
