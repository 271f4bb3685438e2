"""Inserts into a large ring at once, in every order of their steps that a few turns make.

A model: `support/stretch_model.py` says what `engine/table/stretch.pxd` does, access by access.
Real processes do the same in `events/test_concurrency.py`, in the orders that happen.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import product

import pytest
from oracle import greatest
from support.stretch_model import ENDLESS, Ring, insert, run

STEPS_MOST = 16  # of an insert that need not begin again
RINGS = [
    (0, 0, 0, 0),
    (51, 0, 0, 0),
    (51, 52, 53, 0),
    (51, 52, 0, 53),
    (51, 61, 71, 81),
    (71, 81, 51, 61),  # filled once and a half
    (51, 52, 53, 54),  # all in one second
    (51, 91, 52, 92),
]
PAIRS = [(91, 91), (91, 93), (93, 55), (55, 55), (61, 81), (54, 55), (11, 12)]


def turns_of_two() -> Iterator[list[tuple[int, int]]]:
    """Both inserts in three turns each, the first two of them of any length."""
    for lengths in product(range(0, STEPS_MOST, 2), range(1, STEPS_MOST), range(STEPS_MOST)):
        yield [*zip((0, 1, 0), lengths, strict=True), (1, ENDLESS), (0, ENDLESS)]


def left_by(
    slots: Sequence[int],
    entries: Sequence[int],
    turns: Sequence[tuple[int, int]],
    *,
    wide: bool,
    late_raise: bool = False,
) -> Ring:
    """The ring after all these have been inserted in turns."""
    ring = Ring.of(slots, wide=wide)
    run([insert(ring, entry, late_raise=late_raise) for entry in entries], turns)
    return ring


def is_right(ring: Ring, entries: Sequence[int]) -> bool:
    """It holds the greatest distinct ones, and its spans are true."""
    kept = sorted(greatest({entry for entry in entries if entry}, len(ring.slots)))
    return sorted(slot for slot in ring.slots if slot) == kept and ring.holds_its_bounds()


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("slots", RINGS)
def test_two_inserts_in_any_turns_leave_the_greatest_entries(
    slots: tuple[int, ...], wide: bool
) -> None:
    for entries in PAIRS:
        for turns in turns_of_two():
            ring = left_by(slots, entries, turns, wide=wide)
            assert is_right(ring, [*slots, *entries]), (entries, turns, ring)


@pytest.mark.slow
@pytest.mark.parametrize("slots", RINGS)
def test_three_inserts_in_random_turns_leave_the_greatest_entries(slots: tuple[int, ...]) -> None:
    seed = random.randrange(2**32)
    print(f"seed={seed}")
    chance = random.Random(seed)
    for _ in range(3_000):
        entries = [chance.choice([91, 92, 55, 56, 81]) for _ in range(3)]
        turns = [(chance.randrange(3), chance.randrange(1, 9)) for _ in range(12)]
        turns += [(which, ENDLESS) for which in range(3)]
        ring = left_by(slots, entries, turns, wide=chance.random() < 0.5)
        assert is_right(ring, [*slots, *entries]), (entries, turns, ring)


@pytest.mark.parametrize("slots", RINGS)
def test_insert_that_is_killed_at_any_step_leaves_a_ring_for_the_others(
    slots: tuple[int, ...],
) -> None:
    for steps in range(STEPS_MOST):
        ring = left_by(slots, [91, 92], [(0, steps), (1, ENDLESS)], wide=False)
        assert ring.holds_its_bounds()
        run([insert(ring, 91)], [(0, ENDLESS)])  # it is sent again
        assert is_right(ring, [*slots, 91, 92]), (steps, ring)


@pytest.mark.parametrize("late_raise", [False, True])
def test_span_that_is_raised_after_the_entry_would_let_it_in_twice(late_raise: bool) -> None:
    """The model tells a wrong order of steps from the right one: here the span is narrowed."""
    slots, entries = (51, 85, 61, 71), (91, 92, 91)
    rings = [
        left_by(
            slots,
            entries,
            [(0, steps), (1, ENDLESS), (2, ENDLESS), (0, ENDLESS)],
            wide=False,
            late_raise=late_raise,
        )
        for steps in range(STEPS_MOST)
    ]
    assert all(is_right(ring, [*slots, *entries]) for ring in rings) == (not late_raise)
