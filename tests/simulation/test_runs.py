"""A simulation's figures follow from the seed, and from nothing else."""

import re
import subprocess
import sys

import pytest
from support.places import ROOT, TESTS
from support.robots import week_spray

from ringfence.engine.settings.policy import DAY_S, Policy, Rule
from ringfence.engine.words import DisconnectReason, EventKind, Measure
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.generated import WAS, GeneratedHistory
from ringfence.simulation.history import APPLICATION, COLLECTOR, PERSONAL
from ringfence.simulation.outcome import Outcome
from ringfence.simulation.play import play
from ringfence.simulation.traffic.events import BACKGROUND, TrueClass
from ringfence.simulation.traffic.numbers import background_only
from ringfence.simulation.traffic.parameters import CLIMATES, Departures, Traffic
from ringfence.simulation.traffic.workload import Workload

pytestmark = pytest.mark.slow

SEED = 20_260_102
NUMBERS, DAYS = 2_000, 100
MANY = Policy(
    "many",
    (
        Rule(Measure.REPEAT_CALLERS, 30 * DAY_S, 0),
        Rule(Measure.EVENTS, 30 * DAY_S, 0, frozenset({EventKind.A2P_SMS})),
        Rule(Measure.EVENTS, 30 * DAY_S, 10),
    ),
    minimum_age_s=45 * DAY_S,
)
FEW = Policy("few", (Rule(Measure.EVENTS, 30 * DAY_S, 3),), minimum_age_s=30 * DAY_S)
CANDIDATES = [
    Candidate("many", MANY),
    Candidate("few", FEW),
    Candidate("many-28", MANY, 28),
    Candidate("spray", MANY, spray=week_spray(callers=1 << 12)),
    Calendar("calendar", 45 * DAY_S),
]


def history(seed: int = SEED, entry_days: float = 20.0) -> GeneratedHistory:
    print(f"seed {seed}")
    traffic = Traffic(CLIMATES["phoneypot"], departures=Departures(entry_days=entry_days))
    return GeneratedHistory(traffic, numbers=NUMBERS, days=DAYS, seed=seed)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return play(history(), CANDIDATES, threads=1)


def test_same_seed_gives_the_same_figures_for_any_number_of_threads(
    outcomes: list[Outcome],
) -> None:
    assert play(history(), CANDIDATES, threads=4) == outcomes
    again = history()
    assert play(again, CANDIDATES) == play(again, CANDIDATES) == outcomes


def test_events_become_the_same_entries_in_every_process() -> None:
    """With their marks of callers, which decide who leaves a caller table that is full."""
    program = """
from ringfence.engine.table.records import state_hash
from support.small_history import *
calls = [Call(NUMBERS[0], at(3 + i), robot) for i, robot in enumerate(ROBOTS[:5])]
history = make_history([Quarantined(NUMBERS[0])], calls, days=9)
player = played(history, Candidate("silent", rule_policy(Measure.EVENTS, window_days=30)))
print(state_hash(player.segment).hex())
"""
    command, folder = [sys.executable, "-c", program], TESTS
    once, again = (subprocess.check_output(command, cwd=folder, text=True) for _ in range(2))
    assert once == again


def test_another_seed_gives_others(outcomes: list[Outcome]) -> None:
    others = play(history(seed=SEED + 1), CANDIDATES)
    assert all(one != other for one, other in zip(outcomes, others, strict=True))


def test_candidate_does_not_notice_the_others(outcomes: list[Outcome]) -> None:
    for candidate, outcome in zip(CANDIDATES, outcomes, strict=True):
        assert play(history(), [candidate]) == [outcome]


def test_policies_differ_in_what_they_let_through(outcomes: list[Outcome]) -> None:
    by_name = {outcome.candidate.name: outcome for outcome in outcomes}
    calendar = by_name["calendar"]
    assert calendar.released == NUMBERS
    assert calendar.residual.of == by_name["calendar"].released  # by day 66, of 100
    for name in ("many", "few", "many-28", "spray"):
        assert 0 < by_name[name].released < NUMBERS
        assert (by_name[name].residual.share or 1) < (calendar.residual.share or 0)
    assert by_name["spray"].released > by_name["many"].released


def test_calendar_lets_through_what_the_generator_made(outcomes: list[Outcome]) -> None:
    """Counted once more, from the workload itself."""
    workload = Workload(history()._workload.traffic, numbers=NUMBERS, days=DAYS, seed=SEED)
    begins_at = history().begins_at
    entered = workload.numbers["quarantined_at"].astype(int)
    due = entered + 45 * DAY_S
    released = begins_at - (begins_at - due) // DAY_S * DAY_S
    came: dict[int, set[int]] = {bit: set() for bit in (PERSONAL, APPLICATION, COLLECTOR)}
    events = 0
    never = workload.numbers["reason"] == DisconnectReason.NEVER_ASSIGNED
    first = int(workload.numbers["number"][0])
    for chunk in workload.chunks():
        for row in chunk:
            place = int(row["called"]) - first
            events += bool(never[place]) and not row["copy"]
            since_s = int(row["occurred_at"]) - released[place]
            if 0 <= since_s < 30 * DAY_S and row["true_class"] not in BACKGROUND:
                came[int(WAS[row["true_class"]])].add(place)
    (calendar,) = (each for each in outcomes if isinstance(each.candidate, Calendar))
    assert calendar.personal.count == len(came[PERSONAL])
    assert calendar.application.count == len(came[APPLICATION])
    assert calendar.collector is not None
    assert calendar.collector.count == len(came[COLLECTOR])
    assert calendar.residual.count == len(set().union(*came.values()))
    assert calendar.never_assigned.events == events
    assert calendar.background_by_minimum_age is not None
    assert calendar.background_by_minimum_age.of == background_only(workload.numbers).sum()
    assert min(len(each) for each in came.values()) > 5  # there was something to count


def test_every_true_class_is_something() -> None:
    assert {TrueClass(each) for each in range(1, WAS.size) if not WAS[each]} == BACKGROUND
    assert WAS[TrueClass.INSTITUTION] == WAS[TrueClass.APPLICATION] == APPLICATION
    assert WAS[TrueClass.PERSONAL] == PERSONAL
    assert WAS[TrueClass.COLLECTOR] == COLLECTOR


def test_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "src/ringfence/simulation/README.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(compile(example, str(page), "exec"), {})
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["K=28", "K=60", "calendar"]


def test_every_file_that_the_page_names_exists() -> None:
    folder = ROOT / "src/ringfence/simulation"
    table = (folder / "README.md").read_text().rpartition("| file | idea |")[2]
    names = set(re.findall(r"`(\w+\.py)`", table))
    assert names == {path.name for path in folder.glob("*.py")} - {"__init__.py"}
