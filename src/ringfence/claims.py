"""What a sender may claim: the intervals of time for which it has handed everything on.

Each batch gets the interval from the end of the one before to its own watermark, so intervals lie
side by side and each event that is handed over in time lies in the interval of its own batch or of
a later one. The claim of a batch is its interval less what was lost, taken when it is sent, and
again when it is resent: something may have been lost in between.
"""

from typing import TypeAlias

Interval: TypeAlias = tuple[int, int]
"""[begin, end) in unix seconds; empty when both are equal."""


class Claims:
    """The intervals of one sender that began to listen at `since`, and what it has lost.

    Of what was lost one interval is remembered, wide enough for all of it: that claims less than
    could be claimed when losses lie apart, and never more.
    """

    def __init__(self, since: int) -> None:
        self._since = since
        self._drawn_until = since
        self._lost: Interval = (0, 0)

    @property
    def drawn_until(self) -> int:
        """The end of the last interval drawn, where the next one begins."""
        return self._drawn_until

    def draw(self, watermark: int) -> Interval:
        """The interval of the next batch; empty while the watermark does not move on."""
        begin, self._drawn_until = self._drawn_until, max(self._drawn_until, watermark)
        return begin, self._drawn_until

    def is_late(self, occurred_at: int) -> bool:
        """Whether the time lies in an interval that an earlier batch has: it is too late for it."""
        return self._since <= occurred_at < self._drawn_until

    def lose(self, lost: Interval, oldest: int) -> None:
        """Takes an interval out of all claims still to be sent.

        `oldest` is where the intervals of the batches not yet answered begin. An earlier loss that
        ends before it concerns no claim any more and is forgotten.
        """
        if self._lost[1] > oldest:
            lost = min(self._lost[0], lost[0]), max(self._lost[1], lost[1])
        self._lost = lost

    def claim(self, interval: Interval) -> Interval | None:
        """What may be claimed of a batch's interval; None = nothing."""
        begin, end = interval
        if self._lost[0] < end and begin < self._lost[1]:
            if self._lost[1] < end:
                begin = self._lost[1]
            else:
                end = self._lost[0]
        return (begin, end) if begin < end else None
