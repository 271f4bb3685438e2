"""Candidates played side by side over one history, which is made or read only once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ringfence.engine.settings.policy import DAY_S
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.history import Day, History, Truth
from ringfence.simulation.outcome import Background, Outcome, last_check, outcome_of
from ringfence.simulation.player import CalendarPlayer, EnginePlayer, Player


def play(
    history: History,
    candidates: Sequence[Candidate | Calendar],
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Outcome]:
    """The outcome of each candidate, in their order; the same for any number of `threads`.

    Each candidate has a table of its own in memory, see README.md. `threads` are as many as cores
    unless given. `progress` is told days done and in all. Raises SettingError for a candidate out
    of bounds, SegmentError when there is too little memory.
    """
    players = [_player(history, candidate) for candidate in candidates]
    background = Background(history)
    total = (last_check(history) - history.begins_at) // DAY_S
    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)), "simulation") as pool:
        playing: list[Future[None]] = []
        for done, day in enumerate(history.days()):  # the next is made while one is played
            _finish(playing)
            progress(min(done, total), total)
            background.look(day.truth.place)
            meant = Day(day.ends_at, day.evidence, _of_subscribers(day.truth))
            playing = [pool.submit(player.play, meant) for player in players]
        _finish(playing)
    progress(total, total)
    return [
        outcome_of(history, candidate, player.ledger, background)
        for candidate, player in zip(candidates, players, strict=True)
    ]


def _player(history: History, candidate: Candidate | Calendar) -> Player:
    if isinstance(candidate, Calendar):
        return CalendarPlayer(history, candidate)
    return EnginePlayer(history, candidate)


def _finish(playing: Sequence[Future[None]]) -> None:
    """Waits for all, and raises what went wrong in any."""
    for done in wait(playing).done:
        done.result()


def _of_subscribers(truth: Truth) -> Truth:
    """Without the background, which no ledger counts."""
    meant = truth.was != 0
    return Truth(truth.place[meant], truth.occurred_at[meant], truth.was[meant])
