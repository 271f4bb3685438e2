"""The clock that tests give to processes: the wall clock moves in them, and nothing else does."""

import ast
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.places import TESTS
from support.wall_clock import CLOCK_FILE, SteppingClock

pytestmark = pytest.mark.slow

YEAR_S = 365 * 86_400
NEAR_S = 60
AWAY = [5 * YEAR_S, -20 * YEAR_S]

Ask = Callable[[str], Any]


@pytest.fixture
def clock(tmp_path: Path) -> SteppingClock:
    """A clock that is right until it is set."""
    return SteppingClock(tmp_path / "offset")


@pytest.fixture
def ask(clock: SteppingClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Asks a process that runs with the clock."""
    with clock.preloaded(monkeypatch):
        process = start(os.environ.copy())
    with process:
        yield lambda question: answer(process, question)


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process that answers questions."""
    return subprocess.Popen(
        [sys.executable, "-m", "support.asked_process"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str], question: str) -> Any:
    """The value of an expression there."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(question + "\n")
    process.stdin.flush()
    return ast.literal_eval(process.stdout.readline())


def test_every_way_to_ask_for_the_time_tells_the_moved_one(clock: SteppingClock, ask: Ask) -> None:
    for offset_s in (0, *AWAY):
        clock.set_offset(offset_s)
        told = ask("wall_clocks()")
        assert len(told) == 7
        assert {way: at for way, at in told.items() if abs(at - clock.now()) > NEAR_S} == {}


def test_step_shows_at_once_in_a_running_process(clock: SteppingClock, ask: Ask) -> None:
    for offset_s in range(-1_000_000, 1_000_000, 20_000):
        clock.set_offset(offset_s)
        assert abs(ask("time.time()") - clock.now()) < NEAR_S


@pytest.mark.parametrize("offset_s", AWAY)
def test_monotonic_clocks_stay_true(clock: SteppingClock, ask: Ask, offset_s: int) -> None:
    clock.set_offset(offset_s)
    for name in ("CLOCK_MONOTONIC", "CLOCK_BOOTTIME"):
        before = time.clock_gettime(getattr(time, name))
        told = ask(f"time.clock_gettime(time.{name})")
        assert before <= told <= time.clock_gettime(getattr(time, name))


@pytest.mark.parametrize("offset_s", AWAY)
def test_thread_sleeps_and_goes_on(clock: SteppingClock, ask: Ask, offset_s: int) -> None:
    clock.set_offset(offset_s)
    assert ask("slept_in_thread(0.01)")


@pytest.mark.parametrize("waited", ["waited_on_semaphore", "waited_on_futex"])
@pytest.mark.parametrize("offset_s", [*AWAY, -100 * YEAR_S])
def test_wait_until_a_moment_takes_as_long_as_by_a_true_clock(
    clock: SteppingClock, ask: Ask, offset_s: int, waited: str
) -> None:
    clock.set_offset(offset_s)
    assert 0.2 <= ask(f"{waited}(0.25)") < NEAR_S


def test_clock_is_the_true_one_where_the_file_cannot_be_read(
    clock: SteppingClock, tmp_path: Path
) -> None:
    clock.set_offset(YEAR_S)
    short = tmp_path / "short"
    short.write_bytes(b"\1\0\0\0")
    for file in (tmp_path / "none", short):
        with start(os.environ | clock.environment() | {CLOCK_FILE: str(file)}) as process:
            told = answer(process, "time.time()")
        outer_s = SteppingClock(tmp_path / "other").outer_s
        assert abs(told - (time.time() - outer_s)) < NEAR_S


def test_clock_in_a_process_with_a_moved_one_adds_to_it(clock: SteppingClock) -> None:
    clock.set_offset(YEAR_S)
    program = (
        "import os, pathlib, subprocess, sys; from support.wall_clock import SteppingClock;"
        "clock = SteppingClock(pathlib.Path(sys.argv[1])); clock.set_offset(-1_000_000);"
        "command = [sys.executable, '-c', 'import time; print(time.time())'];"
        "told = float(subprocess.check_output(command, env=os.environ | clock.environment()));"
        "print(told, clock.now())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(clock.file.with_name("inner"))],
        env=os.environ | clock.environment() | {"PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = time.time() + YEAR_S - 1_000_000
    assert [abs(float(word) - wanted) < NEAR_S for word in done.stdout.split()] == [True, True]
