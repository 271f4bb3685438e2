"""The history's backlog slows bulk changes from half of its bound on, and nothing below that."""

import asyncio

import pytest
from support.keeper_inside import journal, run, segment

from ringfence.server.journal.journal import Journal
from ringfence.server.keeper.changes import history_backlog
from ringfence.server.keeper.changes.history_backlog import HistoryBacklog

__all__ = ["journal", "segment"]  # fixtures

LIMIT = 1_000_000
BULK = 65_536
TIMEOUT_S = 30.0
IN_VAIN_S = 0.3


@pytest.mark.parametrize(("share", "pressed"), [(0.2, False), (0.49, False), (0.6, True)])
def test_bulk_changes_pause_from_half_of_the_bound_on(
    journal: Journal, share: float, pressed: bool
) -> None:
    backlog = HistoryBacklog(journal, LIMIT)
    backlog.appended(1, int(share * LIMIT))
    assert (backlog.pause_s(BULK) > 0) == pressed
    backlog.confirm(1)
    assert backlog.pause_s(BULK) == 0


def test_pause_grows_with_the_numbers_and_with_the_backlog_and_has_a_bound(
    journal: Journal,
) -> None:
    backlog = HistoryBacklog(journal, LIMIT)
    pauses = []
    for position in range(1, 21):
        backlog.appended(position, LIMIT // 10)
        pauses.append(backlog.pause_s(BULK))
        assert backlog.pause_s(BULK // 2) == pauses[-1] / 2
    assert pauses[4] == 0
    assert pauses[4:10] == sorted(set(pauses))
    assert pauses[9:] == [2.75] * 11


def test_small_commands_go_on_while_bulk_commands_pause(segment, journal, monkeypatch):
    monkeypatch.setattr(history_backlog, "PACE_BYTES", 1)  # a pause of which nobody sees the end

    async def use(inside):
        inside.keeper.backlog.appended(journal.last, int(0.99 * inside.keeper.backlog._limit_bytes))

        async def hold(count):
            numbers = range(447700900000, 447700900000 + count)
            return await inside.ask("HoldNumbers", numbers=numbers)

        await hold(BULK)
        paused = asyncio.create_task(hold(BULK))
        for _ in range(5):
            await hold(1)
        await asyncio.wait([paused], timeout=IN_VAIN_S)
        assert not paused.done()
        paused.cancel()

    async def bounded(inside):
        await asyncio.wait_for(use(inside), TIMEOUT_S)

    run(segment, journal, bounded)
