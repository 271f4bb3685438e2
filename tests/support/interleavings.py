"""Programs that share memory, in every order of their steps.

A program is a generator that yields each access to memory and is sent what it reads. What it does
next depends on where it stands alone: on its frames and their locals. So these are hashable, and
nothing is held from one access to the next but in locals. Where programs can stand is found once;
then states of memory and of all programs are explored, each once, the nearest first.

A late store waits in the store buffer of its program, which goes on. It gets to memory in a step
of its own, at the latest when the program comes to a fence, a swap or another store, or is killed.
"""

from array import array
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, TypeVar

Each = TypeVar("Each")

Memory = tuple[int, ...]
Late = tuple[tuple[int, int], ...]
"""What waits in a store buffer: cells and values."""


class Kind(Enum):
    """What an access does."""

    LOAD = auto()
    STORE = auto()
    LATE_STORE = auto()
    SWAP = auto()
    FENCE = auto()
    SEE = auto()
    END = auto()


class Access(NamedTuple):
    """One step of a program, at one cell mostly."""

    kind: Kind
    cell: int = 0
    value: int = 0
    before: int = 0
    see: Callable[[Memory], Hashable] = hash


Steps = Generator[Access, Any, None]
Part = Generator[Access, Any, Any]
FENCE = Access(Kind.FENCE)
END = Access(Kind.END)


class Fault(Exception):
    """Something is wrong that a program has seen, or that is in memory."""


def load(cell: int) -> Access:
    """Reads a cell that others write."""
    return Access(Kind.LOAD, cell)


def store(cell: int, value: int) -> Access:
    """Writes a cell, at once."""
    return Access(Kind.STORE, cell, value)


def late_store(cell: int, value: int) -> Access:
    """Writes a cell, by way of the store buffer."""
    return Access(Kind.LATE_STORE, cell, value)


def swap(cell: int, before: int, value: int) -> Access:
    """Writes a cell if it has a value still; whether it had."""
    return Access(Kind.SWAP, cell, value, before)


def see(what: Callable[[Memory], Hashable]) -> Access:
    """Looks at what nobody else writes: that is no step, as it makes no difference when it is."""
    return Access(Kind.SEE, see=what)


class _Thread:
    """Programs of which each begins when the one before it is killed, and where they can stand."""

    def __init__(self, programs: Sequence[Callable[[], Steps]]) -> None:
        self._programs = programs
        self._places: dict[Hashable, int] = {}
        self._ways: list[tuple[int, tuple[Hashable, ...]]] = []
        self._after: dict[tuple[int, Hashable], int] = {}
        self.accesses: list[Access] = []
        self.begins = [self._enter(which, ()) for which in range(len(programs))]
        """Where each program begins."""

    def replacement(self, place: int) -> int | None:
        """Where the program begins that replaces one that is killed."""
        later = self._ways[place][0] + 1
        return self.begins[later] if later < len(self.begins) else None

    def after(self, place: int, read: Hashable) -> int:
        """Where it stands after its access has read something."""
        found = self._after.get((place, read))
        if found is None:
            which, way = self._ways[place]
            found = self._after[place, read] = self._enter(which, (*way, read))
        return found

    def _enter(self, which: int, way: tuple[Hashable, ...]) -> int:
        steps = self._programs[which]()
        access = END
        try:
            access = next(steps)
            for read in way:
                access = steps.send(read)
            key: Hashable = (which, tuple(_frames(steps)))
        except StopIteration:
            access, key = END, (which, "end")
        place = self._places.setdefault(key, len(self._places))
        if place == len(self.accesses):
            self.accesses.append(access)
            self._ways.append((which, way))
        return place


def _frames(steps: Generator[Access, Any, Any] | None) -> Iterator[Hashable]:
    while steps is not None:
        frame = steps.gi_frame
        assert frame is not None
        yield frame.f_code, frame.f_lasti, tuple(frame.f_locals.items())
        steps = steps.gi_yieldfrom


State = tuple[Memory, tuple[int, ...], tuple[Late, ...]]
"""Memory, where each thread stands, and what waits in its store buffer."""


@dataclass
class Explored:
    """What there is to say of all states."""

    states: int
    stuck: int
    """States from which no order of steps leads to the end of all programs."""


class Exploration:
    """All orders in which threads can go: each is a program, and those that replace it."""

    def __init__(
        self, *threads: Sequence[Callable[[], Steps]], always: Callable[[Memory], None]
    ) -> None:
        self._threads = [_Thread(programs) for programs in threads]
        self._always = always

    def run(self, memory: Memory) -> Explored:
        """Goes to every state; raises the first fault that there is."""
        first: State = memory, tuple(each.begins[0] for each in self._threads), ((),) * self._count
        for which in range(self._count):
            first = self._seen(*first, which)
        numbers = {first: 0}
        waiting = deque([first])
        before, after, ends = array("I"), array("I"), []
        while waiting:
            state = waiting.popleft()
            self._always(state[0])
            here = numbers[state]
            is_end = True
            for following in self._following(*state):
                is_end = False
                there = numbers.get(following)
                if there is None:
                    there = numbers[following] = len(numbers)
                    waiting.append(following)
                before.append(here)
                after.append(there)
            if is_end:
                ends.append(here)
        return Explored(len(numbers), len(numbers) - _leading_to(ends, before, after))

    @property
    def _count(self) -> int:
        return len(self._threads)

    def _following(
        self, memory: Memory, places: tuple[int, ...], late: tuple[Late, ...]
    ) -> Iterator[State]:
        """The states after one step of one thread."""
        for which, thread in enumerate(self._threads):
            place, waits = places[which], late[which]
            access = thread.accesses[place]
            if waits:
                yield _with(memory, waits[0]), places, _put(late, which, waits[1:])
            if access.kind is not Kind.END:
                then, still, read = _done(access, memory, waits)
                there = _put(places, which, thread.after(place, read))
                yield self._seen(then, there, _put(late, which, still), which)
            begin = thread.replacement(place)
            if begin is not None:  # killed: what was stored is stored
                there = _put(places, which, begin)
                yield self._seen(_with(memory, *waits), there, _put(late, which, ()), which)

    def _seen(
        self, memory: Memory, places: tuple[int, ...], late: tuple[Late, ...], which: int
    ) -> State:
        """A thread has seen what it wants to see next."""
        thread, place = self._threads[which], places[which]
        while (access := thread.accesses[place]).kind is Kind.SEE:
            place = thread.after(place, access.see(_with(memory, *late[which])))
        return memory, _put(places, which, place), late


def _done(access: Access, memory: Memory, late: Late) -> tuple[Memory, Late, int]:
    """Memory and store buffer after an access, and what it reads."""
    if access.kind is Kind.LOAD:
        return memory, late, memory[access.cell]
    if access.kind is Kind.LATE_STORE:
        return memory, (*late, (access.cell, access.value)), 0
    memory = _with(memory, *late)
    if access.kind is Kind.FENCE:
        return memory, (), 0
    if access.kind is Kind.SWAP and memory[access.cell] != access.before:
        return memory, (), 0
    return _with(memory, (access.cell, access.value)), (), 1


def _with(memory: Memory, *stores: tuple[int, int]) -> Memory:
    for cell, value in stores:
        memory = (*memory[:cell], value, *memory[cell + 1 :])
    return memory


def _put(those: tuple[Each, ...], which: int, this: Each) -> tuple[Each, ...]:
    return (*those[:which], this, *those[which + 1 :])


def _leading_to(ends: Sequence[int], before: Sequence[int], after: Sequence[int]) -> int:
    """How many states there are from which steps lead to one of the ends."""
    into: dict[int, list[int]] = {}
    for here, there in zip(before, after, strict=True):
        into.setdefault(there, []).append(here)
    found, waiting = set(ends), list(ends)
    while waiting:
        for here in into.get(waiting.pop(), ()):
            if here not in found:
                found.add(here)
                waiting.append(here)
    return len(found)
