"""The benchmarks of the simulation still run, at a size at which their figures mean nothing."""

import re
from collections.abc import Sequence
from dataclasses import replace

import frontier
import pytest
from frontier_candidates import (
    CALENDAR,
    COUNT_LIMITS,
    WEEK,
    WINDOWS_DAYS,
    shipped,
)
from frontier_points import default_window_s, line_of, point_of
from sensitivity import VARIED, holds, varied
from support.benchmark_run import run

from ringfence.engine.memory.segment import RING_ENTRIES
from ringfence.engine.settings.policy import DAY_S
from ringfence.simulation.generated import GeneratedHistory
from ringfence.simulation.outcome import Outcome, Share
from ringfence.simulation.play import play
from ringfence.simulation.traffic.parameters import CLIMATES, Traffic

pytestmark = pytest.mark.slow

NCSU = Traffic(CLIMATES["ncsu"])


def tables(printed: str) -> list[list[dict[str, str]]]:
    """The rows of each table, by column; of two columns of one name the later has a 2 after it."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", printed, re.MULTILINE):
        names, _, *rows = (line.strip("| \n").split(" | ") for line in table.splitlines())
        names = [f"{name}{names[:at].count(name) + 1}" for at, name in enumerate(names)]
        names = [name.removesuffix("1") for name in names]
        found.append([dict(zip(names, row, strict=True)) for row in rows])
    return found


def percent(cell: str) -> float:
    """A share that is printed, 0 to 100."""
    share = float(cell.removesuffix("%"))
    assert 0 <= share <= 100
    return share


@pytest.fixture(scope="module")
def played() -> list[Outcome]:
    """What the README's table and the picture show, of a few numbers."""
    history = GeneratedHistory(NCSU, numbers=200, days=200, seed=1)
    return play(history, [*frontier.rows_of(200), *frontier.lines_of(200)])


def test_frontier_has_the_same_rows_in_each_climate_and_the_same_figures_again() -> None:
    command = "frontier.py", "--numbers", "200", "--days", "200"
    first = tables(run(*command))
    assert len(first) == len(CLIMATES)
    for rows in first:
        assert [row["policy"] for row in rows] == [row.name for row in frontier.rows_of(200)]
        calendar, *others = rows
        assert (calendar["median days"], calendar["background in time"]) == ("90.9", "100.0 %")
        assert all(percent(row["released"]) <= percent(calendar["released"]) for row in others)
    last = list(CLIMATES)[-1]
    assert tables(run(*command, "--climates", last)) == first[-1:]
    assert tables(run(*command, "--climates", last, "--seed", "2")) != first[-1:]


def test_table_shows_every_size_of_the_rings_with_its_memory(played: Sequence[Outcome]) -> None:
    (rows,) = tables(frontier.table(played[: len(frontier.rows_of(200))]) + "\n")
    memory = {
        row["policy"].partition("K = ")[2].partition(";")[0]: row["bytes a number"]
        for row in rows
        if "150 d; K" in row["policy"] or "default" in row["policy"]
    }
    assert list(map(int, memory)) == [12, 28, 124, 252, 60]
    assert list(memory.values()) == ["144", "272", "1,104", "2,192", "528"]


def test_larger_rings_release_more_in_time_and_louder_traffic_fewer() -> None:
    command = "ring_sizes.py", "--numbers", "300", "--days", "200", "--rates", "0.1", "0.9"
    ((memory, *rows),) = tables(run(*command))
    sizes = [f"K = {entries}" for entries in RING_ENTRIES]
    assert [memory[size] for size in sizes] == ["144", "272", "528", "1,104", "2,192"]
    in_time = [[percent(row[size]) for size in sizes] for row in rows]
    assert all(shares == sorted(shares) for shares in in_time)
    assert all(loud < quiet for quiet, loud in zip(*in_time, strict=True))


def test_fewer_background_calls_leave_more_numbers_in_time() -> None:
    in_time = [
        [percent(row["background in time"]) for row in rows]
        for rows in tables(run("frontier.py", "--numbers", "500", "--days", "200"))
    ]
    quiet, ncsu, phoneypot = map(sum, in_time)
    assert quiet > ncsu > phoneypot


def test_picture_has_a_point_for_each_policy(played: Sequence[Outcome]) -> None:
    hour = default_window_s(played)
    assert hour == 3_600
    for ring_entries in RING_ENTRIES:
        line = line_of(played, "repeat-", ring_entries, hour)
        assert [name for _, _, name in line] == [f"{days}d" for days in WINDOWS_DAYS]
        released = [released for released, _, _ in line]
        assert released == sorted(released, reverse=True)  # a longer window keeps back more
    week = line_of(played, "repeat-", 60, WEEK)
    assert [name for _, _, name in week] == [f"{days}d" for days in WINDOWS_DAYS]
    count = line_of(played, "count-", 60, 0)
    assert [name for _, _, name in count] == [str(limit) for limit in COUNT_LIMITS]


def test_point_of_the_picture_is_released_and_residual(played: Sequence[Outcome]) -> None:
    made = replace(played[0], numbers=400, released=100, residual=Share(3, 60))
    assert point_of(made) == pytest.approx((25.0, 5.0))


def test_sensitivity_changes_what_its_rows_say() -> None:
    (as_it_is, unchanged), *rows = varied(NCSU)
    assert (as_it_is, unchanged) == ("as it is", NCSU)
    assert len({name for name, _ in rows}) == len(VARIED)
    for (name, changed), parts in zip(rows, VARIED, strict=True):
        restored = changed
        for part, change in parts.items():
            before, after = getattr(NCSU, part), getattr(changed, part)
            assert part in name
            assert all(getattr(after, each) == value for each, value in change.items())
            assert all(getattr(before, each) != value for each, value in change.items())
            restored = replace(restored, **{part: before})
        assert restored == NCSU  # nothing else was changed


def test_sensitivity_plays_the_rows_that_are_asked_for_and_takes_days() -> None:
    only = "as it is", "days_max = 0.05"
    options = [option for text in only for option in ("--only", text)]
    (rows,) = tables(run("sensitivity.py", "--numbers", "100", "--days", "200", *options))
    wanted = [name for name, _ in varied(NCSU) if any(text in name for text in only)]
    assert [row["workload"] for row in rows] == wanted
    assert all(row["missed"] for row in rows)
    as_it_is, *_, sweeping = rows
    # Robots that come back to a number within the hour: there the discount decides.
    assert percent(sweeping["background in time"]) > percent(sweeping["background in time2"]) + 20
    assert percent(as_it_is["residual, default"]) < percent(as_it_is["residual, calendar"])


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, "all hold"),
        ({"background_by_minimum_age": Share(949, 1000)}, "background in time"),
        ({"residual": Share(251, 4000)}, "residual"),
        ({"median_days": 100.6}, "median"),
        ({"median_days": None}, "median"),
        ({"residual": Share(1, 1), "median_days": None}, "residual, median"),
    ],
)
def test_goals_are_missed_just_beyond_their_limits(
    played: Sequence[Outcome], changed: dict[str, object], missed: str
) -> None:
    calendar = replace(played[0], residual=Share(250, 1000), median_days=90.5)
    limit = replace(
        played[0],
        background_by_minimum_age=Share(950, 1000),
        residual=Share(250, 4000),
        median_days=100.5,
    )
    assert holds(calendar, replace(limit, **changed)) == missed  # type: ignore[arg-type]


def test_default_without_robots_differs_in_nothing_else() -> None:
    with_robots, without = shipped(1_000), shipped(1_000, robots=False)
    assert (without.policy, without.ring_entries) == (with_robots.policy, with_robots.ring_entries)
    assert (with_robots.spray.numbers, without.spray.numbers) == (8, 0)
    assert CALENDAR.age_s == with_robots.policy.minimum_age_s == 90 * DAY_S


def test_calibration_draws_fewer_silent_numbers_from_an_evener_exposure() -> None:
    shapes, weeks = tables(run("calibration.py", "--numbers", "2000", "--days", "100"))
    silent = [percent(row["without a call"]) for row in shapes]
    swept, unswept = silent[1::2], silent[::2]
    assert unswept == sorted(unswept, reverse=True)
    assert swept == sorted(swept, reverse=True)
    assert all(fewer < more for fewer, more in zip(swept, unswept, strict=True))
    assert all(
        float(row["calls a number a day"]) == pytest.approx(0.14, abs=0.03) for row in shapes
    )
    assert [row["week from day"] for row in weeks] == ["0", "60", "180"]
    assert 5 < percent(weeks[0]["applications wrote to"]) < 10


def test_spray_benchmark_compares_on_the_same_events() -> None:
    command = "spray.py", "--numbers", "2000", "--events", "65536", "--days", "20"
    printed = run(*command, "--callers", "1024")
    row = r"^ +(workload|any) +([\d,]+) +([\d,]+)/s +([\d,]+)/s +([\d.]+) +([\d,]+)$"
    workload, worst = re.findall(row, printed, re.MULTILINE)
    assert worst[:2] == ("any", "65,536")
    assert int(workload[5]) > 0  # the traffic has robots, and they are found
    for case in (workload, worst):
        without, beside = (float(rate.replace(",", "")) for rate in case[2:4])
        assert float(case[4]) == pytest.approx(beside / without, abs=0.011)
