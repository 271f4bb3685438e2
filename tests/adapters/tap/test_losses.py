"""What is lost with a tshark that dies: all that it had in hands, and what waited for that."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import cast

from support.core_captures import BRITISH
from support.places import ROOT
from support.server_process import wait_until

from ringfence.adapters.tap.capture import Capture, Heard
from ringfence.adapters.tap.frames import Frame, frames_of
from ringfence.adapters.tap.one_tap import BEHIND_S
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Mark, Relay
from ringfence.adapters.tap.source import TapSource
from ringfence.adapters.tap.tshark import Tshark

BEGAN = 1_796_000_000.0
WAIT_S = 0.02
with open(ROOT / "tests/data/core/map_calls.pcap", "rb") as _file:
    ASKED = list(frames_of(_file))[8]
    """A question for a user's place (SRI), which carries no caller."""


class Played:
    """Frames as a test puts them in, in the place of tcpdump; `None` ends them."""

    def __init__(self) -> None:
        self.put: SimpleQueue[Frame | None] = SimpleQueue()
        self.heard: Heard | None = None
        self.answered_at = time.time()
        self.found_empty = 0
        self.when_empty: Callable[[], None] = lambda: None

    def frames(self, idle: Callable[[], None]) -> Iterator[Frame]:
        while True:
            try:
                frame = self.put.get(timeout=WAIT_S)
            except Empty:
                self.when_empty()
                idle()
                self.found_empty += 1
                continue
            if frame is None:
                return
            yield frame

    def see(self, at: float) -> None:
        """Puts a frame in, and waits until it was handed on."""
        self.put.put(ASKED._replace(at_ns=int(at * 10**9)))
        count = self.found_empty
        wait_until(lambda: self.found_empty > count + 1)

    def stop(self) -> None:
        self.put.put(None)

    def close(self) -> None:
        """Nothing is open."""


class Sink:
    """Takes what a source hands on."""

    def __init__(self) -> None:
        self.lost: list[tuple[int, int]] = []

    def send(self, *_: int) -> bool:
        return True

    async def send_wait(self, *_: int) -> None:
        """Nobody waits."""

    def lose(self, began_at: int, ended_at: int) -> None:
        self.lost.append((began_at, ended_at))


def lost_with_tshark(before: Callable[[Played, TapSource], None], *, now: float) -> tuple[int, int]:
    """What a tshark costs that dies at `now`, when this has happened."""
    played, sink, runs = Played(), Sink(), list[Tshark]()
    clock = [BEGAN]

    def started() -> Tshark:
        runs.append(Tshark())
        return runs[-1]

    source = TapSource(
        [lambda: cast(Capture, played)], lambda: Relay(started), TapReader(BRITISH), sink,
        clock=lambda: clock[0],
    )  # fmt: skip

    def die() -> None:
        clock[0] = now
        before(played, source)
        os.kill(runs[0].pid, signal.SIGKILL)
        wait_until(lambda: sink.lost)

    async def run() -> None:
        await source.open()
        await source.start()
        await asyncio.to_thread(die)
        await source.close()

    asyncio.run(run())
    return sink.lost[0]


def test_what_waits_for_a_caller_is_lost_with_what_may_have_carried_it() -> None:
    def asked_and_heard(played: Played, source: TapSource) -> None:
        played.see(BEGAN + 1)
        played.heard = Heard(BEGAN + 5, 0)
        wait_until(lambda: source.heard_until == BEGAN + 1)

    began, ended = lost_with_tshark(asked_and_heard, now=BEGAN + 7)
    assert began == BEGAN + 1
    assert ended == BEGAN + 7 + BEHIND_S + 1


def test_a_frame_that_came_late_is_lost_when_it_was() -> None:
    def heard_and_then_asked(played: Played, source: TapSource) -> None:
        played.heard = Heard(BEGAN + 5, 0)
        wait_until(lambda: source.heard_until == BEGAN + 5)
        played.see(BEGAN + 2)

    began, _ = lost_with_tshark(heard_and_then_asked, now=BEGAN + 7)
    assert began == BEGAN + 2


class Order:
    """Writes down what a relay is given, in its order."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self._ended = threading.Event()

    def give(self, _: Frame) -> None:
        self.given.append("frame")

    def mark(self, _: int) -> None:
        self.given.append("mark")

    def end(self) -> None:
        self._ended.set()

    def lines(self) -> Iterator[Mark]:
        self._ended.wait()
        yield from ()

    def close(self) -> None:
        """Nothing is open."""


def test_an_answer_says_nothing_of_a_pipe_that_was_empty_before_it_came() -> None:
    played, order = Played(), Order()

    def both_come() -> None:
        if played.heard is None:
            played.put.put(ASKED._replace(at_ns=int((BEGAN + 1) * 10**9)))
            played.heard = Heard(BEGAN + 5, 0)

    played.when_empty = both_come
    source = TapSource(
        [lambda: cast(Capture, played)], lambda: cast(Relay, order), TapReader(BRITISH), Sink(),
        clock=lambda: BEGAN + 7,
    )  # fmt: skip

    async def run() -> None:
        await source.open()
        await source.start()
        await asyncio.to_thread(wait_until, lambda: "frame" in order.given)
        await source.close()

    asyncio.run(run())
    assert order.given[0] == "frame"
