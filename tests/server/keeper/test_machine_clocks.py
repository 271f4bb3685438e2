"""The clocks of this machine, read at one moment."""

import time
from itertools import accumulate

import pytest
from support.told_machine import S

from ringfence.server.keeper.clock import machine
from ringfence.server.keeper.clock.machine import READS_MAX, Machine, is_synchronised


def test_clocks_of_this_machine_are_read() -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    reading = Machine().read()
    assert before <= reading.boot_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert abs(reading.wall_ns - time.time_ns()) < 60 * S
    assert reading.synchronised == is_synchronised()


def test_reading_is_the_one_with_least_time_between_the_clocks() -> None:
    passing = iter([*accumulate([S, 3_000_000, S, 50_000, S, 40_000, *([S, 70_000] * 9)])])
    walls = iter(range(100))
    told = Machine(lambda: next(walls), lambda: next(passing), lambda: False)
    reading = told.read()
    assert reading.wall_ns == 2
    assert next(walls) == READS_MAX


def test_machine_without_adjtimex_is_not_synchronised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_libc", object())
    assert not is_synchronised()


@pytest.mark.parametrize(("state", "synchronised"), [(0, True), (4, True), (5, False), (-1, False)])
def test_state_of_adjtimex_says_whether_the_clock_is_synchronised(
    monkeypatch: pytest.MonkeyPatch, state: int, synchronised: bool
) -> None:
    class Libc:
        def adjtimex(self, timex: object) -> int:
            assert bytes(timex)[:4] == bytes(4)  # type: ignore[call-overload]  # sets nothing
            return state

    monkeypatch.setattr(machine, "_libc", Libc())
    assert is_synchronised() is synchronised
