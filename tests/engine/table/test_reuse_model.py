"""Slots that are given on, in every order of the steps of those who share them.

A model: `support/reuse_model.py` says what the keeper, workers and readers do, access by access.
Each may stop at any of these for ever, as the others go on without it in some order; keepers and
workers are killed anywhere too, and replaced. Real processes do the same in
`verdict/test_reborn.py` and `events/test_leaving.py`, in the orders that happen.
"""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from support.interleavings import Exploration, Explored, Fault, Steps
from support.reuse_model import Model, Rule

pytestmark = pytest.mark.slow

Programs = Sequence[Callable[[], Steps]]

GIVEN_ON = (("leave", 1), ("room", 0), ("come", 3))
COMES_BACK = (("leave", 1), ("room", 0), ("come", 1), ("leave", 1), ("come", 4))


def pair(without: Rule | None = None) -> Model:
    """Two records for numbers that are looked for at the last place, so round the index."""
    return Model(homes=(3, 3, 0), places=4, records=2, without=without)


def keeper(model: Model, commands: Sequence[tuple[str, int]], deaths: int = 0) -> Programs:
    first = partial(model.keeper, commands)
    return first, *[partial(model.keeper, commands, replaces=True)] * deaths


def inserter(model: Model, worker: int, number: int, deaths: int = 0) -> Programs:
    first = partial(model.inserter, worker, number)
    return first, *[partial(model.inserter, worker, number, replaces=True)] * deaths


def reader(model: Model, asked: int, *, throughout: bool = False) -> Programs:
    return (partial(model.reader, asked, throughout=throughout),)


def looked_for(without: Rule | None = None, *, asked: int = 3, deaths: int = 0) -> Explored:
    """The number 1 leaves; the entries of 2 and 3 stand behind its own and go to earlier places,
    while somebody looks for one of them; that of 5 stands behind these, and is where it belongs.
    """
    model = Model(homes=(7, 7, 0, 7, 2), places=8, records=4, without=without)
    commands = (("leave", 1), ("room", 0), ("come", 4))
    return Exploration(
        keeper(model, commands, deaths),
        reader(model, asked, throughout=True),
        always=model.check_rings,
    ).run(model.begin(1, 2, 3, 5))


def told(without: Rule | None = None, *, asked: int = 1, called: int = 3) -> Explored:
    """Somebody asks for a number, and somebody calls one, while its slot is given on."""
    model = pair(without)
    return Exploration(
        keeper(model, GIVEN_ON),
        reader(model, asked),
        inserter(model, 0, called),
        always=model.check_rings,
    ).run(model.begin(1, 2))


def inserted(without: Rule | None = None) -> Explored:
    """The old number and the new one of a slot are called, by two workers."""
    model = pair(without)
    return Exploration(
        keeper(model, GIVEN_ON),
        inserter(model, 0, 1),
        inserter(model, 1, 3),
        always=model.check_rings,
    ).run(model.begin(1, 2))


def killed(without: Rule | None = None, *, called: int = 1) -> Explored:
    """A worker that inserts is killed, and the keeper too."""
    model = pair(without)
    return Exploration(
        keeper(model, GIVEN_ON, deaths=1),
        inserter(model, 0, called, deaths=1),
        always=model.check_rings,
    ).run(model.begin(1, 2))


def come_back(*, called: int, deaths: int) -> Explored:
    """A number comes back while its slot is on its way, to another one, and leaves once more."""
    model = Model(homes=(5, 5, 0, 5), places=6, records=3)
    return Exploration(
        keeper(model, COMES_BACK, deaths), inserter(model, 0, called), always=model.check_rings
    ).run(model.begin(1, 2, free=1))


def test_keepers_that_die_anywhere_also_in_a_repair_leave_what_the_next_one_can_mend() -> None:
    model = Model(homes=(7, 7, 0, 7, 2), places=8, records=4)
    commands = (("leave", 1), ("room", 0), ("come", 4), ("leave", 2), ("leave", 4), ("come", 1))
    programs = keeper(model, commands, deaths=3)
    explored = Exploration(programs, always=model.check_rings).run(model.begin(1, 2, 3, 5))
    assert explored.stuck == 0


@pytest.mark.parametrize("asked", [2, 3, 5])
def test_number_that_is_there_throughout_is_always_found(asked: int) -> None:
    assert looked_for(asked=asked, deaths=1).stuck == 0


@pytest.mark.parametrize(("asked", "called"), [(1, 3), (3, 1)])
def test_nobody_is_told_the_ring_of_another_number(asked: int, called: int) -> None:
    assert told(asked=asked, called=called).stuck == 0


def test_no_event_comes_into_the_ring_of_another_number() -> None:
    assert inserted().stuck == 0


@pytest.mark.parametrize("called", [1, 3])
def test_workers_and_keepers_that_die_are_replaced_and_nothing_is_stuck(called: int) -> None:
    assert killed(called=called).stuck == 0


@pytest.mark.parametrize("called", [1, 4])
def test_number_that_comes_back_before_its_slot_is_given_on_has_its_own_events(called: int) -> None:
    assert come_back(called=called, deaths=1).stuck == 0


NOT_FOUND = "3 was not found"
FOREIGN_EVENT = "an event of 1 in the ring of 0"
FOREIGN_RING = "the ring of 3 was told of 1"
killed_keeper = partial(looked_for, deaths=1)


@pytest.mark.parametrize(
    ("rule", "explore", "fault"),
    [
        (Rule.COPY_BEFORE_OVERWRITING, looked_for, NOT_FOUND),
        (Rule.MOVES_RAISED_BEFORE_OVERWRITING, looked_for, NOT_FOUND),
        (Rule.MOVES_LOOKED_AT_AGAIN, looked_for, NOT_FOUND),
        (Rule.HOME_ASKED, looked_for, "a hole before an entry"),
        (Rule.HOLE_KEPT, killed_keeper, "a record is in the index twice"),
        (Rule.INDEXED_WHEN_WHOLE, killed_keeper, "an entry leads to a record without a number"),
        (Rule.HEADER_SETTLED, killed_keeper, "a header is odd"),
        (Rule.HALF_GIVEN_SLOT_EMPTIED, killed_keeper, "a record of 0 in state 2"),
        (Rule.WHOLE_RECORD_INDEXED, killed_keeper, "4 is not found"),
        (Rule.NUMBER_COMPARED, told, FOREIGN_RING),
        (Rule.HEADER_READ_AGAIN, told, FOREIGN_RING),
        (Rule.GENERATION_RAISED, told, FOREIGN_RING),
        (Rule.INSERTS_WAITED_FOR, inserted, FOREIGN_EVENT),
        (Rule.INSERTING_TO_THE_END, inserted, FOREIGN_EVENT),
        (Rule.EPOCH_RAISED_AFTER_LEAVING, inserted, FOREIGN_EVENT),
        (Rule.INSERTER_FENCE, inserted, FOREIGN_EVENT),
        (Rule.KEEPER_FENCE, inserted, FOREIGN_EVENT),
        (Rule.RING_EMPTIED, killed, FOREIGN_EVENT),
        (Rule.LOST_RECORDS_WAITED_FOR, killed, FOREIGN_EVENT),
    ],
)
def test_without_any_one_of_the_rules_something_goes_wrong(
    rule: Rule, explore: Callable[[Rule], Explored], fault: str
) -> None:
    with pytest.raises(Fault, match=fault):
        explore(rule)


def test_worker_that_is_never_replaced_holds_slots_up_for_ever() -> None:
    model = pair()
    dead = Exploration(
        keeper(model, GIVEN_ON), (model.dying_inserter,), always=model.check_rings
    ).run(model.begin(1, 2))
    assert dead.stuck > 0
