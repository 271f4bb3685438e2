"""What a run writes down for the next one: where that may begin to claim, and not before."""

from dataclasses import replace
from datetime import UTC, datetime

from ringfence import EventStreamStats
from ringfence.adapters.kamailio.heard import Mark
from ringfence.adapters.kamailio.progress import Progress
from ringfence.adapters.kamailio.state import State

NOW = 1_790_000_000
NOTHING = EventStreamStats(
    **dict.fromkeys(
        (
            *("accepted", "untracked", "rejected", "dropped", "late", "resent", "unanswered"),
            *("refused", "refused_batches", "reconnects"),
        ),
        0,
    ),
    rejections=(),
    watermark=None,
)


class Stream:
    """Takes what is lost."""

    def __init__(self) -> None:
        self.stats = NOTHING
        self.lost: list[tuple[int, int]] = []

    def lose(self, began_at: int, ended_at: int) -> None:
        self.lost.append((began_at, ended_at))


def begun(left: State | None = None) -> tuple[Progress, Stream]:
    progress = Progress("sip-1", left, margin_s=5.0, clock=lambda: NOW + 0.5)
    stream = Stream()
    progress.begin(stream)
    return progress, stream


LEFT = State("sip-1", boot=7, seq=40, heard=NOW - 600.0, claimed=NOW - 605)


def test_first_run_claims_nothing_of_the_time_before_it() -> None:
    progress, _ = begun()
    assert progress.present() == State("sip-1", 0, 0, NOW + 0.5, NOW + 1)


def test_later_run_goes_on_where_the_one_before_left_off() -> None:
    progress, stream = begun(LEFT)
    assert progress.present() == LEFT
    progress.heard.mark(Mark(7, 40, NOW - 1.0), NOW)
    stream.stats = replace(NOTHING, watermark=datetime.fromtimestamp(NOW - 6, UTC))
    assert progress.present() == State("sip-1", 7, 40, NOW - 1.0, NOW - 6)
    assert stream.lost == []


def test_time_that_is_lost_is_not_claimed_by_the_next_run_either() -> None:
    progress, stream = begun(LEFT)
    progress.heard.mark(Mark(8, 0, NOW - 1.0), NOW)  # the switch has begun to count again
    assert stream.lost == [(NOW - 605, NOW + 1)]
    assert progress.present() == State("sip-1", 8, 0, NOW - 1.0, NOW + 1)


def test_what_the_server_did_not_take_ends_what_may_be_claimed() -> None:
    for stats in (replace(NOTHING, refused=1), replace(NOTHING, dropped=1)):
        progress, stream = begun(LEFT)
        stream.stats = stats
        assert progress.count() == (stats.refused, stats.refused)
        assert progress.present().claimed == NOW + 1


def test_events_taken_over_are_those_that_wait_and_those_that_were_answered() -> None:
    progress, stream = begun(LEFT)
    stream.stats = replace(NOTHING, accepted=3, untracked=4, rejected=5, unanswered=6)
    assert progress.count() == (18, 12)
    assert progress.present().claimed == LEFT.claimed
