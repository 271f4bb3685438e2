"""How many events feeds have sent lately, and which names send that nobody has registered.

In memory only: after a restart it begins at 0. Bounded by the number of feeds that were ever
registered at one time.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping

from ringfence.engine.memory.layout import FEEDS_MAX

MINUTE_S = 60
DAY_S = 86_400
NAMES_MAX = 2 * FEEDS_MAX  # of those that were deleted the longest silent are forgotten
UNREGISTERED_MAX = 16


class _Window:
    """Counts within a span of time, to one of 1/60 or less of it."""

    def __init__(self, span_s: int, step_s: int) -> None:
        self._span_s = span_s
        self._step_s = step_s
        self._steps: deque[tuple[int, int]] = deque()  # when a step began, and its count
        self._total = 0

    def add(self, count: int, now: int) -> None:
        step = now - now % self._step_s
        if self._steps and self._steps[-1][0] >= step:
            began, before = self._steps.pop()
            self._steps.append((began, before + count))
        else:
            self._steps.append((step, count))
        self._total += count
        self.total(now)

    def total(self, now: int) -> int:
        while self._steps and self._steps[0][0] <= now - self._span_s:
            self._total -= self._steps.popleft()[1]
        return self._total


class FeedTraffic:
    """Told by the workers' reports, about once a second each."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._feeds: OrderedDict[str, tuple[_Window, _Window]] = OrderedDict()
        self._unregistered: OrderedDict[str, None] = OrderedDict()

    def count(self, events: Mapping[str, int], unregistered: Iterable[str]) -> None:
        """Feeds have sent so many events; names have sent that no registered feed has."""
        now = self._clock()
        for feed, count in events.items():
            if feed not in self._feeds:
                self._feeds[feed] = _Window(MINUTE_S, 1), _Window(DAY_S, MINUTE_S)
            self._feeds.move_to_end(feed)
            for window in self._feeds[feed]:
                window.add(count, now)
        while len(self._feeds) > NAMES_MAX:
            self._feeds.popitem(last=False)
        for name in unregistered:
            self._unregistered[name] = None
            self._unregistered.move_to_end(name)
        while len(self._unregistered) > UNREGISTERED_MAX:
            self._unregistered.popitem(last=False)

    def events(self, feed: str) -> tuple[int, int]:
        """Of the last minute and of the last day."""
        if feed not in self._feeds:
            return 0, 0
        now = self._clock()
        minute, day = self._feeds[feed]
        return minute.total(now), day.total(now)

    def unregistered(self, registered: Callable[[str], bool]) -> list[str]:
        """Names that send and are still not registered, newest first."""
        return [name for name in reversed(self._unregistered) if not registered(name)]
