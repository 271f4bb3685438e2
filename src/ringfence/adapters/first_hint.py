"""What to look at when an adapter has run for a while and nothing came of it.

A port that nobody sends to and a switch without calls look alike, and neither fails. Whoever sets
an adapter up is told once, while still there, what did not happen and where that is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ringfence.adapters.base import Tally

WAIT_S = 45.0

_READ = (
    *("event", "repeat", "reply", "other_method", "in_dialog", "not_a_message", "keepalive"),
    *("heard", "called_not_a_number"),
)
_CAUSES = {
    "hep_magic": "it is not HEP: set the protocol, and version 3, where it is sent",
    "hep_agent": "it is from no agent that --agent names",
    "hep_auth_key": "its key is not the one of --auth-key, or it has none",
    "hep_type": "it holds neither SIP nor log lines",
    "log_unreadable": "its log lines are not JSON with ev, called and caller",
}
_NOTHING = "nothing has arrived: is the switch sending here, and may it, on UDP or TCP?"


def hint_of(tally: Tally, nothing: str = _NOTHING) -> str:
    """What is wrong with what has arrived so far; "" when something came of it. `nothing` is said
    when nothing has.
    """
    outcomes = {name: count for name, count in tally.items() if not name.startswith("note_")}
    total = sum(outcomes.values())
    if not total:
        return nothing
    if not any(outcomes.get(name) for name in _READ):
        reason = max(outcomes, key=lambda name: outcomes[name])
        cause = _CAUSES.get(reason, "see what the reason means in the adapter's page")
        return f"nothing of what arrived was understood: {reason}={outcomes[reason]}: {cause}"
    strange = outcomes.get("called_not_a_number", 0)
    if strange and not outcomes.get("event"):
        return (
            f"calls arrive, and none to a number: called_not_a_number={strange}: is --country the"
            " one that the switch writes national numbers of?"
        )
    return ""


async def hint_after_a_while(
    tally: Tally,
    say: Callable[[str], None],
    *,
    more: Callable[[], str] = str,
    nothing: str = _NOTHING,
    wait_s: float = WAIT_S,
) -> None:
    """Says after `wait_s` that nothing came of it, if so, or else what `more` says; once."""
    await say_after_a_while(lambda: hint_of(tally, nothing) or more(), say, wait_s=wait_s)


async def say_after_a_while(
    hint: Callable[[], str], say: Callable[[str], None], *, wait_s: float = WAIT_S
) -> None:
    """Says after `wait_s` what is wrong then, unless it is ""; once."""
    await asyncio.sleep(wait_s)
    if found := hint():
        say(f"after {wait_s:g} s {found}")
