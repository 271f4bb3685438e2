"""The clocks of the machine: what they show at one moment, and whether one is synchronised."""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ringfence.engine.memory.one_time import boottime_ns

READS_MAX = 8
NEAR_NS = 20_000  # between two readings of CLOCK_BOOTTIME: nothing has come between
TIMEX_BYTES = 512  # more than `struct timex` has anywhere
TIME_ERROR = 5  # adjtimex: the clock is not synchronised

_libc = ctypes.CDLL(None)


class Reading(NamedTuple):
    """What the clocks show at one moment."""

    wall_ns: int
    """Unix time, as the machine has it."""
    boot_ns: int
    """CLOCK_BOOTTIME."""
    synchronised: bool
    """Whether somebody, such as an NTP client, says that the wall clock is right."""


def is_synchronised() -> bool:
    """Whether adjtimex says so; False where it cannot be asked. It changes nothing."""
    try:
        state: int = _libc.adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except AttributeError:
        return False
    return 0 <= state < TIME_ERROR


@dataclass(frozen=True)
class Machine:
    """Where the time comes from; tests have clocks of their own."""

    wall_ns: Callable[[], int] = time.time_ns
    boot_ns: Callable[[], int] = boottime_ns
    is_synchronised: Callable[[], bool] = is_synchronised

    def read(self) -> Reading:
        """The two clocks at one moment: of several attempts that with least time between."""
        shortest = None
        for _ in range(READS_MAX):
            before, wall, after = self.boot_ns(), self.wall_ns(), self.boot_ns()
            if shortest is None or after - before < shortest[0]:
                shortest = after - before, wall, before
            if shortest[0] <= NEAR_NS:
                break
        assert shortest is not None
        return Reading(shortest[1], shortest[2], self.is_synchronised())
