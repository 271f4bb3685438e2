"""The caller table as a plain program: what `engine/events/callers.pxd` must do, slot by slot."""

from dataclasses import dataclass, field

from ringfence.engine.settings.policy import Spray
from ringfence.engine.words import EventKind

BUCKET_CALLERS, CALLER_ENTRIES, MARK_BITS = 16, 8, 24
SPRAY_KINDS = {EventKind.CALL, EventKind.SMS, EventKind.VOICEMAIL, EventKind.VIDEO}


@dataclass
class Call:
    """A call that is kept. What a caller that went left in its slot is still there, and its own."""

    time: int
    number: int
    mark: int


@dataclass
class Slot:
    """Room for one caller: whose it is, when that caller called last, and eight calls."""

    newest: int = 0
    mark: int = 0
    calls: list[Call | None] = field(default_factory=lambda: [None] * CALLER_ENTRIES)


def number_mix(number: int) -> int:
    """The mixed number: its high bits stand for it in the caller table."""
    full = 2**64 - 1
    number ^= number >> 33
    number = number * 0xFF51AFD7ED558CCD & full
    number ^= number >> 33
    number = number * 0xC4CEB9FE1A85EC53 & full
    return number ^ number >> 33


class CallerModel:
    """Buckets of slots, and the marks of all spray callers."""

    def __init__(self, spray: Spray) -> None:
        self.spray = spray
        count = spray.callers // BUCKET_CALLERS
        self.buckets = [[Slot() for _ in range(BUCKET_CALLERS)] for _ in range(count)]
        self.robots: set[int] = set()

    def accept(self, mark: int, number: int, time: int, kind: int) -> bool:
        """Takes note of an accepted event; whether it is a spray caller's."""
        if mark == 0 or kind not in SPRAY_KINDS:
            return False
        slot = self.slot_of(mark, time) if self.spray.numbers else None
        if slot is not None and mark not in self.robots:
            self.keep(slot, Call(time, number, mark))
            if self.is_robot(slot, mark):
                self.robots.add(mark)
        return mark in self.robots

    def slot_of(self, mark: int, time: int) -> Slot | None:
        """The caller's slot, or that of the caller who was silent for longest, if it was longer."""
        bucket = self.buckets[mark % len(self.buckets)]
        own = next((slot for slot in bucket if slot.mark == mark), None)
        slot = own or min(bucket, key=lambda slot: (slot.newest, slot.mark))
        slot.newest, slot.mark = max((slot.newest, slot.mark), (time, mark))
        return slot if slot.mark == mark else None

    def keep(self, slot: Slot, call: Call) -> None:
        """The newest call to each number, of the eight numbers that were called last."""
        same = [c for c in slot.calls if c and (c.mark, c.number) == (call.mark, call.number)]
        if same:
            same[0].time = max(same[0].time, call.time)
            return

        def worth(kept: Call | None) -> tuple[int, int]:
            if kept is None or kept.mark != call.mark:
                return 0, 0
            return kept.time, number_mix(kept.number)

        least = min(slot.calls, key=worth)
        if worth(least) < worth(call):
            slot.calls[slot.calls.index(least)] = call

    def is_robot(self, slot: Slot, mark: int) -> bool:
        """Whether enough of the kept calls lie within less than the window."""
        times = sorted(call.time for call in slot.calls if call and call.mark == mark)
        spans = zip(times, times[self.spray.numbers - 1 :], strict=False)
        return any(last - first < self.spray.window_s for first, last in spans)
