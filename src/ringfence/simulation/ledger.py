"""When a candidate released each number, and what still came to the number afterwards."""

import numpy as np
import numpy.typing as npt

from ringfence.engine.settings.policy import DAY_S
from ringfence.simulation.history import (
    APPLICATION,
    COLLECTOR,
    PERSONAL,
    Numbers,
    Truth,
)

AFTER_RELEASE_S = 30 * DAY_S
NEVER = np.uint32(2**32 - 1)


class Ledger:
    """By place of each number; 9 bytes a number."""

    def __init__(self, numbers: Numbers) -> None:
        count = numbers.number.size
        self.released_at = np.full(count, NEVER)
        """Unix seconds; NEVER = still in quarantine."""
        self.noisy_when_due = np.zeros(count, np.bool_)
        """NOISY at the first check at or after the minimum age."""
        self.came = np.zeros(count, np.uint8)
        """The bits of what came within AFTER_RELEASE_S of the release."""

    def release(self, places: npt.NDArray[np.int64], at: int) -> None:
        """These leave quarantine now."""
        self.released_at[places] = at

    def look(self, truth: Truth) -> None:
        """Takes in what arrived, after the releases of the days before.

        An event that happened before a release and arrives after it did not come to the new owner.
        """
        released_at = self.released_at[truth.place]
        came = truth.occurred_at >= released_at
        came &= truth.occurred_at - released_at < AFTER_RELEASE_S
        place, was = truth.place[came], truth.was[came]
        for bit in (PERSONAL, APPLICATION, COLLECTOR):
            self.came[place[was == bit]] |= bit
