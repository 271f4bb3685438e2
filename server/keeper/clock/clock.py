"""What time it is, where the wall clock may be wrong, and may leap.

Time runs by CLOCK_BOOTTIME, which does neither. The wall clock is compared with it again and again;
what a difference means is decided here, of readings alone: nothing is asked, nothing is told.
"""

from collections import deque

from ringfence.server.keeper.clock.machine import Reading

S = 1_000_000_000
MINUTE_NS = 60 * S
READING_NS = 1_000_000  # two clocks that are read one after the other differ by less
STEPS_NS_MAX = 300 * S  # followed, in sum
STEPS_WITHIN_NS = 3_600 * S  # and up to a minute more
LEAP_NS_MAX = 86_400 * S  # ahead, believed
LEAP_AFTER_NS = 60 * S  # of standing where it is, synchronised
LEAP_NS_AGREED = S  # that is the same leap
START_NS_MAX = 7 * 86_400 * S  # ahead of the journal, believed at a start
LATEST_NS = 2**32 * S  # the table has 32 bits for seconds


class Clock:
    """The time, and whether it is disputed; times in nanoseconds.

    Two differences of the wall clock are told apart. A *step*, of at most 300 s in sum an hour, is
    followed. A *leap* is believed when it goes ahead by a day at most and stands for a minute, with
    the wall clock synchronised; until then, or for ever, time is disputed and runs on as it did.

    At a start the time is the journal's greatest, and the first wall clock that is no more than
    7 days ahead of it, or synchronised, is believed at once. One that is behind is not: it stays a
    start until the wall clock is put right.

    Time never goes back to before `greatest_s`, the greatest time of any command.
    """

    def __init__(self, reading: Reading, greatest_s: int, *, booted_at_ns: int = 0) -> None:
        """`booted_at_ns` is what the keeper before has said; 0 = this is a start. A first start,
        with no command ever, takes the wall clock for right.
        """
        self._starting = not booted_at_ns
        self._steps: deque[tuple[int, int]] = deque()  # a minute of CLOCK_BOOTTIME, and how far
        self._leap_ns: int | None = None  # ahead, while it was synchronised
        self._leap_since = 0  # by CLOCK_BOOTTIME
        self.ahead_ns = 0
        """How far the wall clock is ahead of the time, at the last look; less than 0 = behind."""
        self.disputed = False
        """Whether that is more than can be followed or believed."""
        self.booted_at_ns = booted_at_ns or 1
        """Unix time less CLOCK_BOOTTIME, at least 1."""
        if self._starting and not greatest_s:
            self._set(reading, reading.wall_ns)
        self.look(reading, greatest_s)

    def time_ns(self, boot_ns: int) -> int:
        """Unix time when CLOCK_BOOTTIME shows this."""
        return self.booted_at_ns + boot_ns

    def look(self, reading: Reading, greatest_s: int) -> None:
        """Compares the wall clock with the time, and follows it as far as it may."""
        self._not_before(reading, greatest_s)
        ahead = self.ahead_ns = reading.wall_ns - self.time_ns(reading.boot_ns)
        if self._starting and ahead > 0 and self._may_start(reading, ahead):
            self._set(reading, reading.wall_ns)
        elif abs(ahead) <= self._steps_left(reading.boot_ns):
            self._step(reading, greatest_s)
        elif self._stands(reading, ahead) and 0 < ahead <= LEAP_NS_MAX:
            self._set(reading, reading.wall_ns)
        else:
            self.disputed = True
            return
        self._agree()

    def accept(self, reading: Reading, greatest_s: int) -> None:
        """Believes the wall clock, whatever it shows: somebody has looked. It cannot take the time
        back to before `greatest_s` either; then the two still differ.
        """
        self._set(reading, max(reading.wall_ns, greatest_s * S))
        self._agree()
        self.look(reading, greatest_s)

    def _step(self, reading: Reading, greatest_s: int) -> None:
        before = self.time_ns(reading.boot_ns)
        step = max(reading.wall_ns, greatest_s * S) - before
        if abs(step) <= READING_NS:
            return
        self._set(reading, before + step)
        minute = reading.boot_ns // MINUTE_NS
        if self._steps and self._steps[-1][0] == minute:
            step = abs(step) + self._steps.pop()[1]
        self._steps.append((minute, abs(step)))

    def _may_start(self, reading: Reading, ahead: int) -> bool:
        return ahead <= START_NS_MAX or (reading.synchronised and reading.wall_ns < LATEST_NS)

    def _steps_left(self, boot_ns: int) -> int:
        while self._steps and (self._steps[0][0] + 1) * MINUTE_NS <= boot_ns - STEPS_WITHIN_NS:
            self._steps.popleft()
        return max(READING_NS, STEPS_NS_MAX - sum(step for _, step in self._steps))

    def _stands(self, reading: Reading, ahead: int) -> bool:
        """Whether the wall clock has long been where it is, and synchronised all the time."""
        if not reading.synchronised:
            self._leap_ns = None
        elif self._leap_ns is None or abs(ahead - self._leap_ns) > LEAP_NS_AGREED:
            self._leap_ns, self._leap_since = ahead, reading.boot_ns
        return self._leap_ns is not None and reading.boot_ns - self._leap_since >= LEAP_AFTER_NS

    def _not_before(self, reading: Reading, greatest_s: int) -> None:
        if self.time_ns(reading.boot_ns) < greatest_s * S:
            self._set(reading, greatest_s * S)

    def _set(self, reading: Reading, time_ns: int) -> None:
        self.booted_at_ns = max(1, time_ns - reading.boot_ns)

    def _agree(self) -> None:
        self.disputed = self._starting = False
        self._leap_ns = None
