"""Whether what calls itself one agent has one clock.

Agents are often left with the id that they came with, and then several have one name. A clock goes
on; where the times under one name go back, they are of several, and how far apart two reports of
it were seen can be told by the time of receipt only.
"""

from __future__ import annotations

from collections import OrderedDict

BACK_MAX_S = 8
"""How far times may go back for other reasons: agents have several processes, UDP has no order."""
NAMES_MAX = 1_024


class Clocks:
    """The clocks of the agents heard of late; not shared between threads."""

    def __init__(self, *, names_max: int = NAMES_MAX) -> None:
        self._latest: OrderedDict[bytes, int] = OrderedDict()
        """By agent, the one not heard for longest first; 0 = of several clocks."""
        self._names_max = names_max

    def is_one(self, agent: bytes, at: int) -> bool:
        """Whether this agent has only one, so far as its times say; `at` is its time just now."""
        latest = self._latest.get(agent)
        if latest is None:
            self._latest[agent] = at
            if len(self._latest) > self._names_max:
                self._latest.popitem(last=False)
            return True
        self._latest.move_to_end(agent)
        if latest == 0:
            return False
        if at < latest - BACK_MAX_S:
            self._latest[agent] = 0
            return False
        if at > latest:
            self._latest[agent] = at
        return True
