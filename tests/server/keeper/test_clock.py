"""What time it is, where the wall clock steps, leaps, is put right, or is nobody's."""

import pytest
from support.told_machine import S, ToldClocks

from ringfence.server.keeper.clock.clock import Clock

NOW = 1_750_000_000
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400


class Judged:
    """A clock over told ones, looked at again and again while time passes."""

    def __init__(self, clocks: ToldClocks, greatest_s: int = NOW, *, booted_at_ns: int = 0) -> None:
        self.clocks = clocks
        self.greatest_s = greatest_s
        self.clock = Clock(clocks.reading(), greatest_s, booted_at_ns=booted_at_ns)

    def look(self) -> None:
        self.clock.look(self.clocks.reading(), self.greatest_s)

    def accept(self) -> None:
        self.clock.accept(self.clocks.reading(), self.greatest_s)

    def go(self, seconds: int) -> None:
        pause_s = 0.5 if seconds <= 60 else 10
        for _ in range(int(seconds / pause_s)):
            self.clocks.go(pause_s)
            self.look()

    def leap(self, seconds: float) -> None:
        self.clocks.wall_s += seconds
        self.look()

    @property
    def time_s(self) -> float:
        return self.clock.time_ns(self.clocks.reading().boot_ns) / S

    @property
    def ahead_s(self) -> float:
        """How far the wall clock is ahead of the time."""
        return self.clocks.wall_s - self.time_s

    @property
    def disputed(self) -> bool:
        return self.clock.disputed


def judged(*, synchronised: bool = False) -> Judged:
    """A clock that has agreed with the wall clock, some time after the newest command."""
    running = Judged(ToldClocks(NOW, synchronised=synchronised))
    running.go(10 * MINUTE_S)
    assert running.ahead_s == 0
    return running


def agrees(running: Judged) -> bool:
    return not running.disputed and abs(running.ahead_s) < 0.01


@pytest.mark.parametrize("synchronised", [False, True])
def test_leap_of_a_hundred_days_for_two_seconds_changes_nothing(synchronised: bool) -> None:
    running = judged(synchronised=synchronised)
    before = running.time_s
    running.leap(100 * DAY_S)
    running.go(2)
    assert running.disputed
    assert running.time_s == before + 2
    running.leap(-100 * DAY_S)
    assert agrees(running)
    assert running.time_s == before + 2


@pytest.mark.parametrize("step_s", [299, -299])
def test_small_step_is_followed_at_once(step_s: int) -> None:
    running = judged()
    running.leap(step_s)
    assert agrees(running)


@pytest.mark.parametrize("sign", [1, -1])
def test_steps_of_299_s_one_after_the_other_are_followed_once_an_hour(sign: int) -> None:
    running = judged()
    running.greatest_s -= HOUR_S
    running.leap(sign * 299)
    assert agrees(running)
    running.leap(sign * 299)
    assert running.disputed
    assert running.ahead_s == sign * 299
    running.go(HOUR_S - MINUTE_S)
    assert running.disputed
    running.go(2 * MINUTE_S)
    assert agrees(running)
    running.leap(sign * 299)
    assert running.disputed


def test_sum_of_many_small_steps_is_bounded_forth_and_back() -> None:
    running = judged()
    for _ in range(150):
        running.leap(1)
        running.leap(-1)
        assert agrees(running)
    running.leap(1)
    assert running.disputed


def test_leap_of_a_day_is_believed_when_it_has_stood_for_a_minute_synchronised() -> None:
    running = judged(synchronised=True)
    running.leap(DAY_S)
    running.go(59)
    assert running.disputed
    running.go(1)
    assert agrees(running)


def test_minute_begins_anew_when_the_clock_leaps_again_or_loses_synchronisation() -> None:
    running = judged(synchronised=True)
    running.leap(2 * HOUR_S)
    running.go(50)
    running.leap(-HOUR_S)
    running.go(50)
    assert running.disputed
    running.clocks.synchronised = False
    running.go(1)
    running.clocks.synchronised = True
    running.go(50)
    assert running.disputed
    running.go(11)
    assert agrees(running)


def test_leap_that_nobody_answers_for_stays_disputed_until_it_is_accepted() -> None:
    running = judged()
    running.leap(301)
    running.go(2 * HOUR_S)
    assert running.disputed
    assert running.ahead_s == 301
    running.accept()
    assert agrees(running)


def test_leap_of_more_than_a_day_stays_disputed_though_synchronised() -> None:
    running = judged(synchronised=True)
    running.leap(DAY_S + 1)
    running.go(HOUR_S)
    assert running.disputed
    running.accept()
    assert agrees(running)


def test_paused_machine_whose_boottime_ran_has_lost_nothing() -> None:
    running = judged()
    running.clocks.go(3 * DAY_S)
    running.look()
    assert agrees(running)


@pytest.mark.parametrize(
    ("paused_s", "synchronised", "believed_after_s"),
    [(200, False, 0), (3 * HOUR_S, True, 60), (3 * HOUR_S, False, None), (2 * DAY_S, True, None)],
)
def test_paused_machine_whose_boottime_stood_is_behind_as_by_a_leap(
    paused_s: int, synchronised: bool, believed_after_s: int | None
) -> None:
    running = judged(synchronised=synchronised)
    running.leap(paused_s)
    if believed_after_s is None:
        running.go(10 * MINUTE_S)
        assert running.disputed
        running.accept()
    else:
        running.go(believed_after_s)
    assert agrees(running)


def test_small_step_back_stays_behind_no_command_and_is_followed_as_time_goes_on() -> None:
    running = judged()
    running.greatest_s = int(running.time_s)
    running.leap(-200)
    assert not running.disputed
    assert running.time_s >= running.greatest_s
    running.go(100)
    assert running.time_s == running.greatest_s
    running.go(100)
    assert agrees(running)


def test_busy_server_comes_back_to_the_wall_clock_without_a_second_twice() -> None:
    running = judged()
    running.leap(-100)
    for _ in range(250):
        running.greatest_s = max(running.greatest_s, int(running.time_s))  # a command
        running.clocks.go(0.5)
        running.look()
        assert running.time_s >= running.greatest_s
    assert abs(running.ahead_s) < 1
    assert not running.disputed


def test_leap_back_is_not_followed_and_accepted_no_further_than_the_newest_command() -> None:
    running = judged()
    running.greatest_s = int(running.time_s) - MINUTE_S
    before = running.time_s
    running.leap(-HOUR_S)
    running.go(10)
    assert running.disputed
    assert running.time_s == before + 10
    running.accept()
    assert running.time_s == running.greatest_s
    assert running.disputed
    running.go(10)
    assert running.time_s == running.greatest_s + 10


@pytest.mark.parametrize(
    ("ahead_s", "synchronised", "believed"),
    [
        (0, False, True),
        (7 * DAY_S, False, True),
        (7 * DAY_S + 1, False, False),
        (400 * DAY_S, True, True),
        (-300, True, True),
        (-301, True, False),
        (-20 * 365 * DAY_S, False, False),
    ],
)
def test_start_believes_a_week_and_more_if_synchronised_and_nothing_before_the_journal(
    ahead_s: int, synchronised: bool, believed: bool
) -> None:
    started = Judged(ToldClocks(NOW + ahead_s, synchronised=synchronised))
    assert started.disputed is not believed
    assert started.time_s == max(NOW, NOW + ahead_s if believed else NOW)


def test_what_a_start_believed_is_no_step() -> None:
    started = Judged(ToldClocks(NOW + 250))
    started.leap(299)
    assert agrees(started)


@pytest.mark.parametrize("synchronised", [False, True])
def test_boot_with_a_wrong_clock_goes_on_from_the_journal_until_ntp_puts_it_right(
    synchronised: bool,
) -> None:
    started = Judged(ToldClocks(100.0))  # 1970: no battery
    started.go(30)
    assert started.disputed
    assert started.time_s == NOW + 30
    started.clocks.wall_s = NOW + 2 * DAY_S  # for so long it was off
    started.clocks.synchronised = synchronised
    started.look()
    assert agrees(started)


def test_start_far_ahead_of_the_journal_is_believed_when_ntp_says_so() -> None:
    started = Judged(ToldClocks(NOW + 30 * DAY_S))
    started.go(30)
    assert started.disputed
    started.clocks.synchronised = True
    started.look()
    assert agrees(started)
    started.leap(30 * DAY_S)  # it is no start any more
    started.go(2 * MINUTE_S)
    assert started.disputed


def test_first_start_takes_the_wall_clock_and_a_year_ahead_stays_ahead() -> None:
    year_s = 365 * DAY_S
    started = Judged(ToldClocks(NOW + year_s), greatest_s=0)
    assert agrees(started)
    started.greatest_s = NOW + year_s
    started.go(10)
    started.leap(-year_s)
    assert started.disputed
    started.accept()
    started.go(10)
    assert started.disputed
    assert started.time_s == NOW + year_s + 10


def test_keeper_that_replaces_another_goes_on_with_its_time() -> None:
    before = judged()
    before.leap(2 * DAY_S)
    before.clocks.go(20)
    after = Judged(before.clocks, booted_at_ns=before.clock.booted_at_ns)
    assert after.disputed
    assert after.ahead_s == 2 * DAY_S


def test_clock_before_1970_is_none_and_raises_nothing() -> None:
    started = Judged(ToldClocks(-5_000.0, boot_s=1.0), greatest_s=0)
    assert started.clock.booted_at_ns >= 1
    started.look()
    started.accept()
    assert started.time_s > 0


def test_wall_clock_behind_the_end_of_time_is_not_believed_at_a_start() -> None:
    started = Judged(ToldClocks(2**32 + NOW, synchronised=True))
    assert started.disputed
