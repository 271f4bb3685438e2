"""`engine/table/stretch.pxd` as a plain program that stops before each access to shared memory.

Rings here have stretches of two slots, and an entry is a small integer whose tens are its time.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

STRETCH_SLOTS = 2
ENDLESS = 10**9

Span = tuple[int, int]
"""Not before, not later."""


def time_of(entry: int) -> int:
    return entry // 10


@dataclass
class Ring:
    """What inserts share."""

    slots: list[int]
    spans: list[Span]

    @classmethod
    def of(cls, slots: Sequence[int], *, wide: bool) -> "Ring":
        """A ring with the narrowest spans, or with some that killed inserts have left wide."""
        times = [
            [time_of(slot) for slot in slots[at : at + STRETCH_SLOTS]]
            for at in range(0, len(slots), STRETCH_SLOTS)
        ]
        spans = [(min(each), max(each)) for each in times]
        if wide:
            spans = [(least // 2, greatest + 1) for least, greatest in spans]
        return cls(list(slots), spans)

    def holds_its_bounds(self) -> bool:
        spans = [span for span in self.spans for _ in range(STRETCH_SLOTS)]
        return all(
            least <= time_of(slot) <= greatest
            for slot, (least, greatest) in zip(self.slots, spans, strict=True)
        )


@dataclass
class Seen:
    """What an insert knows of one stretch."""

    span: Span
    least: int
    slot: int | None = None


def insert(ring: Ring, entry: int, *, late_raise: bool = False) -> Iterator[None]:
    """The steps of one insert. With `late_raise` a wrong one: the span follows the entry."""
    while True:
        seen = []
        for at in range(len(ring.spans)):
            yield
            span = ring.spans[at]
            seen.append(Seen(span, span[0] * 10))
        at = yield from _smallest(ring, entry, seen)
        if at < 0 or entry < seen[at].least or (yield from _is_there(ring, entry, seen, at)):
            return
        if not late_raise and not (yield from _raise(ring, at, seen[at], time_of(entry))):
            continue
        yield
        slot = seen[at].slot
        assert slot is not None
        if ring.slots[slot] == seen[at].least:
            ring.slots[slot] = entry
            if late_raise:
                yield from _raise(ring, at, seen[at], time_of(entry))
            return


def _smallest(ring: Ring, entry: int, seen: Sequence[Seen]) -> Generator[None, None, int]:
    """The stretch with the smallest slot; -1 = the entry was seen on the way."""
    while True:
        at = min(range(len(seen)), key=lambda stretch: seen[stretch].least)
        if seen[at].slot is not None:
            return at
        if (yield from _look(ring, at, entry, seen[at])):
            return -1


def _is_there(
    ring: Ring, entry: int, seen: Sequence[Seen], smallest: int
) -> Generator[None, None, bool]:
    """Whether the entry is in a stretch that can hold it; narrows spans of those looked at."""
    for at, stretch in enumerate(seen):
        if stretch.slot is not None:
            if at != smallest:
                yield from _raise(ring, at, stretch, 0)
        elif stretch.span[0] <= time_of(entry) <= stretch.span[1] and (
            yield from _look(ring, at, entry, stretch)
        ):
            return True
    return False


def _look(ring: Ring, at: int, entry: int, seen: Seen) -> Generator[None, None, bool]:
    """Looks at all slots of a stretch; whether the entry is there."""
    seen.least, found = ENDLESS, False
    for slot in range(STRETCH_SLOTS * at, STRETCH_SLOTS * (at + 1)):
        yield
        value = ring.slots[slot]
        found |= value == entry
        if value < seen.least:
            seen.least, seen.slot = value, slot
    return found


def _raise(ring: Ring, at: int, seen: Seen, greatest: int) -> Generator[None, None, bool]:
    """Raises a span to what a look has found; False when somebody else raised it."""
    least = max(seen.span[0], time_of(seen.least)) if seen.span[1] else seen.span[0]
    after = least, max(seen.span[1], greatest)
    if after == seen.span:
        return True
    yield
    if ring.spans[at] != seen.span:
        return False
    ring.spans[at] = after
    return True


def run(inserts: Sequence[Iterator[None]], turns: Sequence[tuple[int, int]]) -> None:
    """Lets inserts take turns: which one, how many steps; who has finished is passed over."""
    for which, steps in turns:
        for _ in islice(inserts[which], steps):
            pass
