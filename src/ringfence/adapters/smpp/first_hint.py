"""What to look at when an adapter has run for a while and not everybody has bound.

A gateway that nobody has pointed here, one that is refused and one that speaks TLS to a port
without it look alike from outside: no message comes, and no time is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ringfence.adapters.base import Tally

_NAMES_MAX = 5


def hint_of(tally: Tally, missing: Sequence[str], *, listens: bool) -> str:
    """What is wrong so far, `missing` being who is not bound; "" when everybody is, and what they
    send goes to numbers.
    """
    if not tally["note_bound"]:
        return _of_nobody(tally, listens)
    if missing:
        names = ", ".join([*missing[:_NAMES_MAX], *(["..."] if missing[_NAMES_MAX:] else [])])
        return (
            f"not bound: {names}: no time is claimed before they are; --accounts should have"
            " nobody who is not used"
        )
    strange = tally["called_not_a_number"]
    if strange and not tally["event"]:
        return (
            f"messages arrive, and none to a number: called_not_a_number={strange}: is --country"
            " the one that the gateway writes national numbers of?"
        )
    return ""


def _of_nobody(tally: Tally, listens: bool) -> str:
    nobody = "nobody has bound" if listens else "the centre has not taken our bind"
    if refused := tally["note_bind_refused"]:
        return (
            f"{nobody}: note_bind_refused={refused}: are system_id and password those of"
            " --accounts, on both sides?"
        )
    if not listens:
        return f"{nobody}: is its address that of --connect, and does it want TLS?"
    if tally["note_never_bound"] or tally["smpp_length"] or tally["smpp_not_bound"]:
        return f"{nobody}, and somebody connects: is it SMPP 3.4, and both with TLS or without?"
    return f"{nobody}, nor connected: is a gateway's host and port that of --listen?"
