"""What a command finds of its numbers: headers as they are, verdicts before and after.

A bulk command is looked at in slices, in a thread beside the keeper's loop; the verdicts are those
of the time at which it began.

Thread safety: the thread reads headers of numbers that no other command is about to change, but
for those that are reserved: `renew` looks at these again, on the loop, where they have changed.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.engine.table.header_rows import Headers, Mask, Numbers, states_of
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import State
from ringfence.server.link.turns import Turns

NUMBERS_A_SLICE = 4_096


class Found(NamedTuple):
    """Of each number; zeros where there is none."""

    headers: Headers
    verdicts: npt.NDArray[np.uint8]
    clean_at: npt.NDArray[np.uint32]


class Left(NamedTuple):
    """What a command leaves."""

    headers: Headers
    changed: Mask
    done: Mask
    """Those that it changes, and those that were so already."""


Effect = Callable[[Found, int], Left]
"""What a command does to numbers at a time; headers that it does not change may be anything."""


class Looked(NamedTuple):
    """What was found of all numbers, and the verdicts of those that change as they are left."""

    found: Found
    current: npt.NDArray[np.uint8]


class Sight(NamedTuple):
    """With what one thread looks."""

    verdicts: VerdictReader
    writer: TableWriter


def look(sight: Sight, effect: Effect, numbers: Numbers, at: int) -> tuple[Looked, Left]:
    """Looks at numbers at once, and at what the command leaves of them."""
    verdicts, clean_at = sight.verdicts.check(numbers, now=at)
    found = Found(sight.writer.header_rows(numbers), verdicts, clean_at)
    left = effect(found, at)
    current = np.zeros(len(numbers), np.uint8)
    current[left.changed] = sight.verdicts.check_as(left.headers[left.changed], now=at)[0]
    return Looked(found, current), left


async def look_ahead(
    turns: Turns, sight: Sight, effect: Effect, numbers: Numbers, at: int
) -> Looked:
    """Looks at numbers in slices, in the thread of `turns`, which `sight` is for."""
    parts = []
    for begin in range(0, len(numbers), NUMBERS_A_SLICE):
        part = numbers[begin : begin + NUMBERS_A_SLICE]
        looked, _ = await turns.take(partial(look, sight, effect, part, at))
        parts.append(looked)
    found = Found(
        np.concatenate([part.found.headers for part in parts]),
        np.concatenate([part.found.verdicts for part in parts]),
        np.concatenate([part.found.clean_at for part in parts]),
    )
    return Looked(found, np.concatenate([part.current for part in parts]))


def renew(looked: Looked, sight: Sight, effect: Effect, numbers: Numbers, at: int) -> None:
    """Looks again at reserved numbers whose reservation has changed since they were looked at."""
    found, current = looked
    reserved = np.flatnonzero(states_of(found.headers) == State.RESERVED)
    controls = sight.writer.header_rows(numbers[reserved])["control"]
    changed = reserved[controls != found.headers["control"][reserved]]
    if len(changed):
        again, _ = look(sight, effect, numbers[changed], at)
        found.headers[changed] = again.found.headers
        found.verdicts[changed] = again.found.verdicts
        found.clean_at[changed] = again.found.clean_at
        current[changed] = again.current
