"""The clocks of a machine as tests tell them."""

from collections.abc import Callable
from dataclasses import dataclass

from ringfence.server.keeper.clock.machine import Machine, Reading

S = 1_000_000_000
BOOTED_S = 1_000_000_000  # when every machine was started, unix seconds
UP_S = 5_000.0


def told_machine(now: Callable[[], float]) -> Machine:
    """One whose wall clock is right, and shows what it is told."""
    return Machine(
        wall_ns=lambda: int(now() * S),
        boot_ns=lambda: int((now() - BOOTED_S) * S),
        is_synchronised=lambda: True,
    )


@dataclass
class ToldClocks:
    """Two clocks that go at one rate, and each can be moved."""

    wall_s: float
    boot_s: float = UP_S
    synchronised: bool = False

    def go(self, seconds: float) -> None:
        """Time passes."""
        self.wall_s += seconds
        self.boot_s += seconds

    def reading(self) -> Reading:
        """What they show."""
        return Reading(int(self.wall_s * S), int(self.boot_s * S), self.synchronised)

    def machine(self) -> Machine:
        """The machine that has them."""
        return Machine(
            wall_ns=lambda: int(self.wall_s * S),
            boot_ns=lambda: int(self.boot_s * S),
            is_synchronised=lambda: self.synchronised,
        )
