"""How a HEP reader is set up, in this process or in another."""

from __future__ import annotations

from dataclasses import dataclass, field

from ringfence.adapters.agents import Agent, Agents
from ringfence.adapters.hep_memory import Memory
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """The same for all processes that read one port."""

    plan: DialPlan
    auth_key: str = field(repr=False)
    agents: tuple[Agent, ...]
    withheld: Withheld
    lateness_s: int

    def reader(self, memory: Memory | None = None) -> HepReader:
        """A reader with nothing read; raises ValueError."""
        return HepReader(
            self.plan,
            auth_key=self.auth_key,
            agents=Agents(self.agents),
            withheld=self.withheld,
            lateness_s=self.lateness_s,
            memory=memory,
        )
