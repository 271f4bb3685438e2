"""What a process tells of itself: as long as its loop comes round, if it has one."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from ringfence.server.link.signs_of_life import ALIVE, HUNG_LOOKS, READY, SignsOfLife


class Told(SignsOfLife):
    """Signs that are given when a test looks, and not by a thread."""

    def __init__(self, pipe: int, reading: int) -> None:
        self.reading = reading
        super().__init__(pipe)

    def _keep_giving(self) -> None:
        pass

    def looks(self, often: int) -> bytes:
        """What is told when the thread looks so often."""
        for _ in range(often):
            self._look()
        os.set_blocking(self.reading, False)
        try:
            return os.read(self.reading, 1_000)
        except BlockingIOError:
            return b""


@pytest.fixture
def signs() -> Iterator[Told]:
    reading, writing = os.pipe()
    yield Told(writing, reading)
    os.close(reading)
    os.close(writing)


def test_process_without_a_loop_gives_signs_whatever_it_does(signs):
    signs.ready()
    assert signs.looks(2 * HUNG_LOOKS) == READY + ALIVE * 2 * HUNG_LOOKS


def test_loop_that_does_not_come_round_gives_no_signs_after_a_while_and_says_where_it_is(
    signs, caplog
):
    async def hang():
        signs.follow(asyncio.get_running_loop())
        assert signs.looks(HUNG_LOOKS) == ALIVE * HUNG_LOOKS
        assert signs.looks(2 * HUNG_LOOKS) == b""

    asyncio.run(hang())
    (said,) = caplog.messages
    assert said.startswith("the event loop hangs at ")
    assert " hang" in said


def test_loop_that_comes_round_again_gives_signs_again(signs, monkeypatch):
    monkeypatch.setattr("ringfence.server.link.signs_of_life.PAUSE_S", 0.0)

    async def wait():
        signs.follow(asyncio.get_running_loop())
        assert signs.looks(HUNG_LOOKS + 1) == ALIVE * HUNG_LOOKS
        await asyncio.sleep(0.01)
        assert signs.looks(1) == ALIVE

    asyncio.run(wait())
