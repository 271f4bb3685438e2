"""How slots are given on, as plain programs: each yields before each access to shared memory.

What `engine/table/index.pxd`, `slots.pyx`, `writer.pyx`, `table.pxd`, `events/inserter.pyx`,
`events/insert.pxd` and `verdict/evaluate.pxd` do, access by access, for a handful of numbers that
are 1, 2, 3 ... A ring has one slot, and the event in it is the number that it is of. Entries of the
index have no tags: these only spare looks. What the keeper alone writes it sees without a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from support.interleavings import (
    FENCE,
    Fault,
    Memory,
    Part,
    Steps,
    late_store,
    load,
    see,
    store,
    swap,
)

EMPTY, TRACKED, FREE = 0, 1, 2
STATE_MASK, ODD, GENERATION_ONE = 3, 4, 4
MOVES, HOLE, EPOCH, WRITTEN, APPLIED = range(5)  # cells of the segment's header
INSERTING = 5  # and of each worker
WORKERS = 2
INDEX = INSERTING + WORKERS
KEY, CONTROL, RING = range(3)  # cells of a record
RECORD_CELLS = 3

Leaving = tuple[tuple[int, int], ...]
"""Epochs and records that left the index in them."""


class Rule(Enum):
    """What the protocol rests on; a model can do without one of these."""

    COPY_BEFORE_OVERWRITING = auto()
    """An entry is at its new place before the old one is written over."""
    MOVES_RAISED_BEFORE_OVERWRITING = auto()
    """index_moves is raised before the old place is written over."""
    MOVES_LOOKED_AT_AGAIN = auto()
    """A search that finds nothing looks whether index_moves has changed."""
    HOLE_KEPT = auto()
    """index_hole says which place is being closed."""
    HOME_ASKED = auto()
    """Only an entry whose search passes the hole goes there."""
    EPOCH_RAISED_AFTER_LEAVING = auto()
    """The epoch ends once numbers have left the index."""
    INSERTS_WAITED_FOR = auto()
    """A slot is emptied when no insert of its epoch or before is under way."""
    INSERTER_FENCE = auto()
    """An insert's epoch is in memory before it reads the index."""
    KEEPER_FENCE = auto()
    """Numbers are out of the index in memory before the keeper reads who inserts."""
    INSERTING_TO_THE_END = auto()
    """An insert is under way until its last access to a ring."""
    NUMBER_COMPARED = auto()
    """A reader compares the number in the header with the one that it asked for."""
    HEADER_READ_AGAIN = auto()
    """A reader looks at the control word again after the ring."""
    GENERATION_RAISED = auto()
    """A control word never comes again."""
    RING_EMPTIED = auto()
    """What dead inserts left is wiped before a slot is EMPTY."""
    INDEXED_WHEN_WHOLE = auto()
    """A number is in the index once its record is whole."""
    HEADER_SETTLED = auto()
    """A repair makes an odd header even."""
    HALF_GIVEN_SLOT_EMPTIED = auto()
    """A repair makes a slot EMPTY that was being given to a number, or taken from it."""
    WHOLE_RECORD_INDEXED = auto()
    """A repair puts a number into the index whose record is whole."""
    LOST_RECORDS_WAITED_FOR = auto()
    """A new keeper waits anew for inserts that may hold what left the index before it."""


@dataclass(frozen=True)
class Model:
    """A table: its places, its records, where searches begin, and which rule it does without."""

    homes: tuple[int, ...]
    """Of the numbers 1, 2, 3 ..."""
    places: int
    records: int
    without: Rule | None = None

    def begin(self, *numbers: int, free: int = 0) -> Memory:
        """The table with numbers that came in this order, and with EMPTY records behind them."""
        index, records = [0] * self.places, []
        for at, number in enumerate(numbers):
            place = self.home(number)
            while index[place]:
                place = self.next(place)
            index[place] = at + 1
            records += [number, TRACKED, 0]
        records += [0, EMPTY, 0] * free
        return (0, 0, 1, 0, 0, *[0] * WORKERS, *index, *records)

    def home(self, number: int) -> int:
        return self.homes[number - 1]

    def next(self, place: int) -> int:
        return (place + 1) % self.places

    def steps(self, first: int, last: int) -> int:
        return (last - first) % self.places

    def place(self, place: int) -> int:
        """The cell of a place of the index."""
        return INDEX + place

    def cell(self, record: int, which: int) -> int:
        """A cell of a record."""
        return INDEX + self.places + RECORD_CELLS * record + which

    def find(self, memory: Memory, number: int) -> int:
        """What a search finds while nobody else writes; -1 = nothing."""
        place = self.home(number)
        while entry := memory[INDEX + place]:
            if memory[self.cell(entry - 1, KEY)] == number:
                return entry - 1
            place = self.next(place)
        return -1

    # What must hold

    def check_rings(self, memory: Memory) -> None:
        """No event of a number stands in another's ring, nor in that of nobody."""
        for record in range(self.records):
            key, ring = memory[self.cell(record, KEY)], memory[self.cell(record, RING)]
            if ring not in (0, key):
                raise Fault(f"an event of {ring} in the ring of {key}")

    def check_whole(self, memory: Memory) -> None:
        """What holds between two commands, and after a repair: the invariants of index.pxd."""
        entries = [memory[self.place(place)] for place in range(self.places)]
        indexed = [entry - 1 for entry in entries if entry]
        if len(indexed) != len(set(indexed)):
            raise Fault(f"a record is in the index twice: {entries}")
        for place, entry in enumerate(entries):
            key = memory[self.cell(entry - 1, KEY)] if entry else 0
            if entry and not key:
                raise Fault(f"an entry leads to a record without a number: {entries}")
            at = self.home(key) if entry else place
            while at != place:
                if not entries[at]:
                    raise Fault(f"a hole before an entry: {entries}")
                at = self.next(at)
        if memory[HOLE]:
            raise Fault("a hole is being closed")
        numbers = []
        for record in range(self.records):
            key, control = memory[self.cell(record, KEY)], memory[self.cell(record, CONTROL)]
            if control & ODD:
                raise Fault("a header is odd")
            if (key == 0) != (control & STATE_MASK == EMPTY):
                raise Fault(f"a record of {key} in state {control & STATE_MASK}")
            if control & STATE_MASK == TRACKED:
                numbers.append(key)
                if self.find(memory, key) != record:
                    raise Fault(f"{key} is not found")
        if len(numbers) != len(set(numbers)):
            raise Fault(f"a number has two slots: {numbers}")

    # table.pxd, header.pxd, evaluate.pxd: searches and looks

    def search(self, number: int) -> Part:
        """`table_find`: the record of a number; -1 = it has none."""
        while True:
            moves = yield load(MOVES)
            at = self.home(number)
            while entry := (yield load(self.place(at))):
                if (yield load(self.cell(entry - 1, KEY))) == number:
                    return entry - 1
                at = self.next(at)
            if self.without is Rule.MOVES_LOOKED_AT_AGAIN or (yield load(MOVES)) == moves:
                return -1

    def header_read(self, record: int) -> Part:
        """A settled look: control word and number; (0, 0) at once where it is odd, for a look at
        which nobody goes on may be the last one.
        """
        while True:
            control = yield load(self.cell(record, CONTROL))
            if control & ODD:
                return 0, 0
            key = yield load(self.cell(record, KEY))
            if (yield load(self.cell(record, CONTROL))) == control:
                return control, key

    def reader(self, asked: int, *, throughout: bool) -> Steps:
        """`number_look` at a number, which may be there throughout."""
        while True:
            record = yield from self.search(asked)
            if record < 0:
                if throughout:
                    raise Fault(f"{asked} was not found")
                return
            while True:
                control, key = yield from self.header_read(record)
                ring = yield load(self.cell(record, RING))
                if not control:
                    return  # it is unsettled, and nothing is told
                if self.without is Rule.HEADER_READ_AGAIN:
                    break
                if (yield load(self.cell(record, CONTROL))) == control:
                    break
            if key == asked or self.without is Rule.NUMBER_COMPARED:
                if ring not in (0, asked):
                    raise Fault(f"the ring of {ring} was told of {asked}")
                if throughout and control & STATE_MASK != TRACKED:
                    raise Fault(f"{asked} is there and was told to be gone")
                return

    # inserter.pyx, insert.pxd

    def inserter(self, worker: int, number: int, *, replaces: bool = False) -> Steps:
        """An insert of one event by a worker, which may be the one that replaces a dead one."""
        if replaces:
            yield store(INSERTING + worker, 0)
        epoch = yield load(EPOCH)
        yield late_store(INSERTING + worker, epoch)
        if self.without is not Rule.INSERTER_FENCE:
            yield FENCE
        record = yield from self.search(number)
        if self.without is Rule.INSERTING_TO_THE_END:
            yield store(INSERTING + worker, 0)
        if record >= 0:
            yield from self._insert(record, number)
        yield store(INSERTING + worker, 0)

    def dying_inserter(self) -> Steps:
        """A worker that dies in the middle of an insert, where nobody replaces it."""
        epoch = yield load(EPOCH)
        yield store(INSERTING, epoch)

    def _insert(self, record: int, number: int) -> Part:
        """`event_is_tracked` and `entry_insert`: an event counts as tracked under an odd header."""
        control, _ = yield from self.header_read(record)
        if control and control & STATE_MASK != TRACKED:
            return
        if not (yield swap(self.cell(record, RING), 0, number)):
            return
        if (yield load(self.cell(record, CONTROL))) == control:
            return
        control, _ = yield from self.header_read(record)
        if control and control & STATE_MASK != TRACKED:
            yield swap(self.cell(record, RING), number, 0)

    # writer.pyx, slots.pyx, index.pxd: the keeper

    def keeper(self, commands: Sequence[tuple[str, int]], *, replaces: bool = False) -> Steps:
        """The commands that the last keeper has not applied: numbers come and leave, and "room"
        takes what is FREE out of the index, with as much of the way to others as there is.
        """
        if replaces:
            yield from self._repair()
        yield see(self._check)
        free, empty, leaving = yield see(self._look_at_all)
        if leaving and self.without is Rule.LOST_RECORDS_WAITED_FOR:
            for record in leaving:
                yield from self._clear(record)
            empty, leaving = (*empty, *leaving), ()
        if leaving:
            epoch = yield from self._raise_epoch()
            leaving = tuple((epoch, record) for record in leaving)
        applied = yield see(lambda memory: memory[APPLIED])
        while applied < len(commands):
            what, number = commands[applied]
            if what == "room":
                free, empty, leaving = yield from self._room(free, empty, leaving)
            else:
                record = yield see(lambda memory, number=number: self.find(memory, number))
                if what == "leave" and record >= 0:
                    yield from self._write(record, number, FREE)
                    free = tuple({*free, record})
                elif what == "come" and record >= 0:
                    yield from self._write(record, number, TRACKED)
                    free = tuple({*free} - {record})
                elif what == "come":
                    while not empty:
                        free, empty, leaving = yield from self._room(free, empty, leaving)
                    yield from self._give_slot(empty[-1], number)
                    empty = empty[:-1]
            applied += 1
            yield store(APPLIED, applied)
            yield see(self._check)

    def _check(self, memory: Memory) -> int:
        self.check_whole(memory)
        return 0

    def _look_at_all(self, memory: Memory) -> tuple[tuple[int, ...], ...]:
        """FREE records that are found, EMPTY ones, FREE ones that left the index."""
        found: tuple[list[int], ...] = ([], [], [])
        for record in range(self.records):
            state = memory[self.cell(record, CONTROL)] & STATE_MASK
            if state == EMPTY:
                found[1].append(record)
            elif state == FREE:
                key = memory[self.cell(record, KEY)]
                found[0 if self.find(memory, key) == record else 2].append(record)
        return tuple(tuple(each) for each in found)

    def _room(self, free: tuple[int, ...], empty: tuple[int, ...], leaving: Leaving) -> Part:
        """`part` and `empty`: brings slots on their way."""
        if free:
            raised = 0
            if self.without is Rule.EPOCH_RAISED_AFTER_LEAVING:
                raised = yield from self._raise_epoch()
            for record in free:
                yield from self._index_remove(record)
            epoch = raised or (yield from self._raise_epoch())
            leaving = (*leaving, *((epoch, record) for record in free))
        if leaving and (yield from self._is_free_of_inserts(leaving[0][0])):
            yield from self._clear(leaving[0][1])
            empty, leaving = (*empty, leaving[0][1]), leaving[1:]
        return (), empty, leaving

    def _raise_epoch(self) -> Part:
        epoch = yield see(lambda memory: memory[EPOCH])
        if self.without is not Rule.KEEPER_FENCE:
            yield FENCE
        yield late_store(EPOCH, epoch + 1)
        return epoch

    def _is_free_of_inserts(self, epoch: int) -> Part:
        """Whether no insert is under way that began in an epoch or before."""
        for worker in range(WORKERS):
            if 0 < (yield load(INSERTING + worker)) <= epoch:
                return self.without is Rule.INSERTS_WAITED_FOR
        return True

    def _clear(self, record: int) -> Part:
        """Makes a FREE record EMPTY."""
        yield from self._make_odd(record)
        if self.without is not Rule.RING_EMPTIED:
            yield store(self.cell(record, RING), 0)
        yield store(self.cell(record, KEY), 0)
        yield from self._settle(record, EMPTY)

    def _give_slot(self, record: int, number: int) -> Part:
        if self.without is Rule.INDEXED_WHEN_WHOLE:
            yield from self._index_add(record, number)
        yield from self._write(record, number, TRACKED)
        if self.without is not Rule.INDEXED_WHEN_WHOLE:
            yield from self._index_add(record, number)

    def _write(self, record: int, number: int, state: int) -> Part:
        """A header; a number that begins or ends being tracked has an empty ring."""
        before = yield see(lambda memory: memory[self.cell(record, CONTROL)] & STATE_MASK)
        yield from self._make_odd(record)
        if state == TRACKED and before != TRACKED:
            yield store(self.cell(record, RING), 0)
        yield store(self.cell(record, KEY), number)
        yield from self._settle(record, state)
        if state != TRACKED:
            yield store(self.cell(record, RING), 0)

    def _make_odd(self, record: int) -> Part:
        yield store(WRITTEN, record + 1)
        control = yield see(lambda memory: memory[self.cell(record, CONTROL)])
        yield store(self.cell(record, CONTROL), control + GENERATION_ONE)

    def _settle(self, record: int, state: int) -> Part:
        """The header is even again, in a state."""
        control = yield see(lambda memory: memory[self.cell(record, CONTROL)])
        generation = (control & ~STATE_MASK) + GENERATION_ONE
        if self.without is Rule.GENERATION_RAISED:
            generation = 0
        yield store(self.cell(record, CONTROL), generation | state)

    def _index_add(self, record: int, number: int) -> Part:
        place = yield see(lambda memory: self._hole_of(memory, number))
        yield store(self.place(place), record + 1)

    def _hole_of(self, memory: Memory, number: int) -> int:
        place = self.home(number)
        while memory[self.place(place)]:
            place = self.next(place)
        return place

    def _index_remove(self, record: int) -> Part:
        index = yield see(lambda memory: memory[INDEX : INDEX + self.places])
        yield from self._index_close(index.index(record + 1))

    def _index_close(self, hole: int) -> Part:
        """Closes the hole at a place whose entry is to go."""
        while True:
            if self.without is not Rule.HOLE_KEPT:
                yield late_store(HOLE, hole + 1)
            at, entry = yield see(lambda memory, hole=hole: self._next_to_move(memory, hole))
            if entry == 0:
                yield late_store(self.place(hole), 0)
                yield late_store(HOLE, 0)
                return
            moves = yield see(lambda memory: memory[MOVES])
            if self.without is Rule.COPY_BEFORE_OVERWRITING:
                yield late_store(self.place(hole), 0)
                yield late_store(MOVES, moves + 1)
                yield late_store(self.place(hole), entry)
            elif self.without is Rule.MOVES_RAISED_BEFORE_OVERWRITING:
                yield late_store(self.place(hole), entry)
                yield late_store(self.place(at), 0)
                yield late_store(MOVES, moves + 1)
            else:
                yield late_store(self.place(hole), entry)
                yield late_store(MOVES, moves + 1)
            hole = at

    def _next_to_move(self, memory: Memory, hole: int) -> tuple[int, int]:
        """The next entry behind a hole whose search passes it, and its place; 0 = none does."""
        at = hole
        while True:
            at = self.next(at)
            entry = memory[self.place(at)]
            if entry == 0:
                return at, 0
            home = self.home(memory[self.cell(entry - 1, KEY)])
            if self.steps(hole, at) <= self.steps(home, at) or self.without is Rule.HOME_ASKED:
                return at, entry

    def _repair(self) -> Part:
        """Finishes what a keeper left that died in mid-change."""
        hole = yield see(lambda memory: memory[HOLE])
        if hole and (yield see(lambda memory: memory[self.place(hole - 1)])):
            yield from self._index_close(hole - 1)
        yield store(HOLE, 0)
        record = (yield see(lambda memory: memory[WRITTEN])) - 1
        if record < 0:
            return
        key = yield see(lambda memory: memory[self.cell(record, KEY)])
        control = yield see(lambda memory: memory[self.cell(record, CONTROL)])
        state = control & STATE_MASK
        if self.without is not Rule.HALF_GIVEN_SLOT_EMPTIED and (state == EMPTY or key == 0):
            state = EMPTY
            yield store(self.cell(record, KEY), 0)
        if control & ODD and self.without is not Rule.HEADER_SETTLED:
            control += GENERATION_ONE
        yield store(self.cell(record, CONTROL), control & ~STATE_MASK | state)
        if state != TRACKED or self.without is Rule.WHOLE_RECORD_INDEXED:
            return
        if (yield see(lambda memory: self.find(memory, key))) != record:
            yield from self._index_add(record, key)
