"""What counts as heard of a switch that numbers its reports: never a time that lacks one."""

from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringfence.adapters.kamailio.heard import AHEAD_MAX, Heard, Mark

NOW = 1_790_000_000
MARGIN_S = 5
PATIENCE_S = 5

Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.integers(0, MARGIN_S)),  # so long before its number
        st.tuples(st.just("deliver"), st.integers(0, 7)),  # this one of those on their way
        st.tuples(st.just("vanish"), st.integers(0, 7)),
        st.tuples(st.sampled_from(["mark", "ask"]), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 8)),
        st.tuples(st.just("restart"), st.integers(0, 1)),  # 1 = with what was on its way
        st.tuples(st.just("forget"), st.just(0)),  # an adapter anew, which begins where one was
    ),
    max_size=60,
)


@dataclass
class World:
    """A switch, reports on their way from it, and what the adapter makes of them."""

    now: float = NOW
    boot: int = 1
    number: int = 0
    on_their_way: list[tuple[int, int, int]] = field(default_factory=list)
    happened: list[tuple[int, int, int]] = field(default_factory=list)
    here: set[tuple[int, int, int]] = field(default_factory=set)
    lost: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.heard = self.begun(None)
        self.step("mark", 0)
        self.step("wait", 20)

    def begun(self, mark: Mark | None) -> Heard:
        return Heard(
            lambda begin, end: self.lost.append((begin, end)),
            began_at=self.now,
            margin_s=MARGIN_S,
            patience_s=PATIENCE_S,
            mark=mark,
        )

    def step(self, what: str, how: int) -> None:
        if what == "report":
            self.number += 1
            report = (self.boot, self.number, int(self.now) - how)
            self.happened.append(report)
            self.on_their_way.append(report)
        elif what == "deliver" and how < len(self.on_their_way):
            boot, number, at = self.on_their_way.pop(how)
            self.here.add((boot, number, at))
            self.heard.report(boot, number, self.now)
        elif what == "vanish" and how < len(self.on_their_way):
            self.on_their_way.pop(how)
        elif what == "mark":
            self.heard.mark(Mark(self.boot, self.number, self.now), self.now)
        elif what == "ask":  # what is on its way comes before what was answered
            mark = Mark(self.boot, self.number, self.now)
            self.step("report", 0)
            while self.on_their_way:
                self.step("deliver", 0)
            self.heard.mark(mark, self.now)
        elif what == "wait":
            self.now += how
            self.heard.look(self.now)
        elif what == "restart":
            self.boot, self.number = self.boot + 1, 0
            self.now += 1  # a start takes a moment
            if how:
                self.on_their_way.clear()
        elif what == "forget":
            self.heard = self.begun(self.heard.whole)

    def unheard(self) -> list[tuple[int, int, int]]:
        """Reports that are neither here nor in lost time, of a time that could be claimed."""
        claimed = range(NOW, int(self.heard.until - MARGIN_S))
        return [
            report
            for report in self.happened
            if report[2] in claimed
            and report not in self.here
            and not any(begin <= report[2] < end for begin, end in self.lost)
        ]


@settings(max_examples=1_000)
@given(steps)
@example([("mark", 0), ("report", 0), ("restart", 1), ("wait", 8), ("mark", 0), ("wait", 8)])
def test_no_time_counts_as_heard_in_which_a_report_is_missing(history: list[Step]) -> None:
    world = World()
    for what, how in history:
        world.step(what, how)
        assert world.unheard() == []


def told(*marks: tuple[int, int]) -> tuple[Heard, list[tuple[int, int]]]:
    """One that was told marks, of (number, seconds later)."""
    lost: list[tuple[int, int]] = []
    heard = Heard(
        lambda begin, end: lost.append((begin, end)),
        began_at=NOW,
        margin_s=MARGIN_S,
        patience_s=PATIENCE_S,
        mark=Mark(1, 0, NOW),
    )
    for number, later in marks:
        heard.mark(Mark(1, number, NOW + later), NOW + later)
    return heard, lost


def test_a_connection_that_was_away_loses_nothing_if_nothing_is_missing() -> None:
    heard, lost = told((0, 3_600))
    assert (heard.until, lost) == (NOW + 3_600, [])


def test_reports_that_came_after_the_question_and_before_the_answer_are_no_new_count() -> None:
    heard, lost = told((1, 1))
    for number in (1, 2, 3):
        heard.report(1, number, NOW + 9)
    heard.mark(Mark(1, 2, NOW + 8), NOW + 9)
    assert (heard.until, lost) == (NOW + 8, [])


def test_reports_in_another_order_are_not_missing() -> None:
    heard, lost = told((3, 10))
    for number in (3, 1):
        heard.report(1, number, NOW + 11)
    assert heard.until == NOW
    heard.report(1, 2, NOW + 11)
    heard.look(NOW + 100)
    assert (heard.until, lost, heard.missed) == (NOW + 10, [], 0)


def test_one_report_that_is_missing_holds_everything_up_until_it_is_given_up() -> None:
    heard, lost = told((1, 20))
    assert (heard.until, lost) == (NOW, [])
    heard.look(NOW + 26)
    assert (heard.until, lost) == (NOW + 20, [(NOW - MARGIN_S, NOW + 27)])


def test_what_is_missing_costs_the_time_since_all_was_here() -> None:
    heard, lost = told((1, 1), (3, 10))
    heard.report(1, 1, NOW + 1)
    heard.report(1, 3, NOW + 10)
    heard.look(NOW + 15)
    assert heard.until == NOW + 1
    heard.look(NOW + 16)
    assert (heard.until, heard.missed) == (NOW + 10, 1)
    assert lost == [(NOW + 1 - MARGIN_S, NOW + 17)]


def test_memory_for_reports_that_came_too_early_is_bounded() -> None:
    heard, lost = told()
    for number in range(2, AHEAD_MAX + 3):
        heard.report(1, number, NOW + 1)
    assert heard.missed == 1
    assert lost == [(NOW - MARGIN_S, NOW + 2)]
