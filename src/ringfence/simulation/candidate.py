"""What is tried on a history: a policy with the settings of an installation, or a calendar."""

from dataclasses import dataclass

from ringfence.engine.settings.policy import NO_SPRAY, Policy, Spray


@dataclass(frozen=True)
class Candidate:
    """A policy, the size of the rings and what makes a spray caller."""

    name: str
    policy: Policy
    ring_entries: int = 12
    spray: Spray = NO_SPRAY

    @property
    def minimum_age_s(self) -> int:
        """Before this age no number is clean."""
        return self.policy.minimum_age_s

    def check(self) -> None:
        """Raises SettingError for the first field out of bounds."""
        self.policy.check(self.ring_entries)
        self.spray.check()


@dataclass(frozen=True)
class Calendar:
    """Every number is released when it is old enough: nothing is looked at."""

    name: str
    age_s: int

    @property
    def minimum_age_s(self) -> int:
        """Before this age no number is released."""
        return self.age_s
