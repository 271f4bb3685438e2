"""From attempts to events as they come in: delays, copies, late batches; chunks by arrival."""

import numpy as np
import numpy.typing as npt

from ringfence.simulation.traffic.events import (
    DAY_S,
    EVENT,
    HOUR_S,
    START,
    Attempts,
    Floats,
    Records,
)
from ringfence.simulation.traffic.parameters import Delivery


class Switches:
    """What stands between an attempt and its event; knows when each switch sends late."""

    def __init__(self, random: np.random.Generator, delivery: Delivery, days: int) -> None:
        self._random, self._delivery = random, delivery
        self._late = [self._late_batches(days) for _ in range(delivery.switches)]

    def _late_batches(self, days: int) -> tuple[Floats, Floats]:
        """When a switch keeps everything, from and until: its late share of the time."""
        delivery, random = self._delivery, self._random
        if delivery.late_share == 0:
            return np.empty(0), np.empty(0)
        mean_s = (delivery.late_hours_min + delivery.late_hours_max) / 2 * HOUR_S
        apart_s = mean_s * (1 - delivery.late_share) / delivery.late_share
        begins, ends, at_s = [], [], 0.0
        while (at_s := at_s + random.exponential(apart_s)) < days * DAY_S:
            begins.append(at_s)
            at_s += random.uniform(delivery.late_hours_min, delivery.late_hours_max) * HOUR_S
            ends.append(at_s)
        return np.array(begins), np.array(ends)

    def deliver(self, attempts: Attempts, numbers: Records) -> Records:
        """The events of attempts, with copies."""
        events = np.empty(attempts.place.size, EVENT)
        called = numbers["number"][attempts.place]
        events["called"], events["caller"] = called, attempts.caller
        events["kind"], events["true_class"] = attempts.kind, attempts.true_class
        events["occurred_at"] = START + attempts.at_s.astype(np.int64)
        events["copy"] = False
        arrived_s = attempts.at_s + self._delays(events.size)
        again = np.flatnonzero(self._random.random(events.size) < self._delivery.copies_share)
        copies = events[again]
        copies["copy"] = True
        within_s = self._random.random(again.size) * self._delivery.copies_within_s
        arrived_s = np.concatenate((arrived_s, arrived_s[again] + within_s))
        at_s = np.concatenate((attempts.at_s, attempts.at_s[again]))
        events = np.concatenate((events, copies))
        switch = events["called"] % np.uint64(self._delivery.switches)
        arrived_s = np.maximum(arrived_s, self._sent_late(at_s, switch))
        events["arrived_at"] = START + arrived_s.astype(np.int64)
        return events

    def _delays(self, count: int) -> Floats:
        delays = self._random.standard_exponential(count) * self._delivery.delay_s
        shuffled = np.flatnonzero(self._random.random(count) < self._delivery.shuffled_share)
        delays[shuffled] += self._random.random(shuffled.size) * self._delivery.shuffled_within_s
        return delays

    def _sent_late(self, at_s: Floats, switch: npt.NDArray[np.uint64]) -> Floats:
        """When a switch that kept them sends events; 0 for all others."""
        sent_s = np.zeros(at_s.size)
        if not at_s.size:
            return sent_s
        for index, (begins, ends) in enumerate(self._late):
            if not np.any((begins <= at_s.max()) & (ends > at_s.min())):
                continue
            its = np.flatnonzero(switch == index)
            batch = np.searchsorted(ends, at_s[its], side="right")  # the first that ends later
            kept = np.append(begins, np.inf)[batch] <= at_s[its]
            sent_s[its[kept]] = ends[batch[kept]]
        return sent_s


class Arrivals:
    """Events that are still to arrive, by the day on which they do."""

    def __init__(self) -> None:
        self._days: dict[int, list[Records]] = {}

    def __len__(self) -> int:
        return sum(events.size for parts in self._days.values() for events in parts)

    @property
    def days(self) -> list[int]:
        """Days on which something is still to arrive."""
        return sorted(self._days)

    def add(self, events: Records) -> None:
        """Keeps events until their day comes."""
        day = (events["arrived_at"].astype(np.int64) - START) // DAY_S
        order = np.argsort(day, kind="stable")
        sorted_day = day[order]
        cuts = np.flatnonzero(np.diff(sorted_day)) + 1
        for part in np.split(order, cuts):
            if part.size:
                self._days.setdefault(int(day[part[0]]), []).append(events[part])

    def pop(self, day: int) -> Records:
        """The events that arrive on a day, in the order in which they do."""
        parts = self._days.pop(day, [])
        events = np.concatenate(parts) if parts else np.empty(0, EVENT)
        return events[np.argsort(events["arrived_at"], kind="stable")]
