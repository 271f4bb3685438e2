"""A history that the workload's generator makes: every class is known, the seed decides all."""

from collections.abc import Iterator

import numpy as np

from ringfence.engine.settings.policy import DAY_S
from ringfence.simulation.history import (
    APPLICATION,
    COLLECTOR,
    PERSONAL,
    Day,
    Heard,
    Numbers,
    Truth,
)
from ringfence.simulation.traffic.events import FIRST_NUMBER, START, Records, TrueClass
from ringfence.simulation.traffic.numbers import background_only
from ringfence.simulation.traffic.parameters import Traffic
from ringfence.simulation.traffic.workload import Workload

WAS = np.zeros(len(TrueClass) + 1, np.uint8)
"""What the events of a true class were."""
WAS[TrueClass.PERSONAL] = PERSONAL
WAS[[TrueClass.APPLICATION, TrueClass.INSTITUTION]] = APPLICATION
WAS[TrueClass.COLLECTOR] = COLLECTOR


class GeneratedHistory:
    """A workload, played from its START to the end of its last day."""

    knows_classes = True

    def __init__(self, traffic: Traffic, *, numbers: int, days: int, seed: int) -> None:
        """Raises ValueError for a size that a workload cannot have."""
        self._workload = Workload(traffic, numbers=numbers, days=days, seed=seed)
        made = self._workload.numbers
        quarantined_at = np.ascontiguousarray(made["quarantined_at"])
        self.numbers = Numbers(
            np.ascontiguousarray(made["number"]),
            quarantined_at,
            quarantined_at,
            np.ascontiguousarray(made["reason"]),
            background_only(made),
        )
        self.begins_at = START
        self.ends_at = START + days * DAY_S

    def days(self) -> Iterator[Day]:
        """The workload's chunks."""
        for day, events in enumerate(self._workload.chunks(), 1):
            yield Day(START + day * DAY_S, _heard(events), _truth(events))


def _heard(events: Records) -> Heard:
    return Heard(
        np.ascontiguousarray(events["called"]),
        np.ascontiguousarray(events["caller"]),
        np.ascontiguousarray(events["occurred_at"]),
        np.ascontiguousarray(events["kind"]),
    )


def _truth(events: Records) -> Truth:
    once = events[~events["copy"]]
    return Truth(
        (once["called"] - np.uint64(FIRST_NUMBER)).astype(np.int64),
        np.ascontiguousarray(once["occurred_at"]),
        WAS[once["true_class"]],
    )
