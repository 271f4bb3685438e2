"""The one time of all processes, as the keeper keeps it: judged, published, and what is logged."""

import asyncio
import logging
from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.memory.one_time import OneTime
from ringfence.engine.memory.segment import Segment
from ringfence.server.keeper.clock.clock import Clock, S
from ringfence.server.keeper.clock.machine import Machine, Reading

LOOK_S = 0.5
STEP_LOGGED_NS = S

_log = logging.getLogger(__name__)


class KeptTime:
    """Used on the keeper's loop. Once it is made all processes know what time it is."""

    def __init__(self, segment: Segment, machine: Machine, greatest: Callable[[], int]) -> None:
        """`greatest` is the time of the newest command, unix seconds, 0 = there was none. A segment
        of which a keeper has said the time goes on from there: the machine has not been down.
        """
        self._segment = segment
        self._machine = machine
        self._greatest = greatest
        self._one_time = OneTime(segment, machine.boot_ns)
        reading = machine.read()
        if not greatest() and not reading.synchronised:
            _log.warning(
                "this is a first start, and the clock of this machine is not synchronised: what it"
                " shows, %s, is taken for the time, which never goes back; see `ringfence clock`",
                rfc_3339(reading.wall_ns // S),
            )
        self._clock = Clock(reading, greatest(), booted_at_ns=segment.booted_at_ns)
        self._segment.publish_time(self._clock.booted_at_ns)
        if self._clock.disputed:
            self._tell_dispute()

    def now(self) -> int:
        """The time of a decision, unix seconds."""
        return max(self._one_time(), self._greatest())

    @property
    def dispute(self) -> str:
        """Why time is disputed; "" = it is not."""
        return self._dispute() if self._clock.disputed else ""

    def read(self) -> Reading:
        """What the clocks of the machine show."""
        return self._machine.read()

    def look(self) -> None:
        """Compares the wall clock with the time."""
        reading, before = self.read(), self._clock.disputed
        self._judge(reading, lambda: self._clock.look(reading, self._greatest()))
        if self._clock.disputed and not before:
            self._tell_dispute()

    def accept(self) -> int:
        """Believes the wall clock; the time of decisions from now on, unix seconds."""
        reading = self.read()
        self._judge(reading, lambda: self._clock.accept(reading, self._greatest()))
        if self._clock.disputed:
            self._tell_dispute()
        return self.now()

    async def watch(self) -> None:
        """Looks twice a second; never returns."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def _judge(self, reading: Reading, judge: Callable[[], None]) -> None:
        """Publishes what comes of it, and says what has changed."""
        disputed, before = self._clock.disputed, self._clock.booted_at_ns
        judge()
        moved = self._clock.booted_at_ns - before
        if moved:
            self._segment.publish_time(self._clock.booted_at_ns)
        if abs(moved) >= STEP_LOGGED_NS:
            time_ns = self._clock.time_ns(reading.boot_ns)
            _log.warning(
                "the time follows the wall clock: from %s to %s",
                rfc_3339((time_ns - moved) // S),
                rfc_3339(time_ns // S),
            )
        if disputed and not self._clock.disputed:
            _log.warning("time is not disputed any more")

    def _tell_dispute(self) -> None:
        _log.warning("time is disputed: %s", self._dispute())

    def _dispute(self) -> str:
        seconds = round(self._clock.ahead_ns / S)
        if seconds > 0:
            return (
                f"the wall clock is {seconds} s ahead, and time goes on without it; if the wall"
                " clock is right: `ringfence clock accept`"
            )
        return (
            f"the wall clock is {-seconds} s behind, and time never goes back to before the newest"
            " command; if the wall clock is right, the time was too far ahead:"
            " `ringfence clock accept` goes as far back as that, and what was journalled too far"
            " ahead is cured by restoring a backup"
        )


def rfc_3339(moment: int) -> str:
    """Unix seconds in words."""
    return Timestamp(seconds=moment).ToJsonString()
