"""An event loop waits for the journal, and is woken once a commit."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.journal_answers import IDENTITY, Gate

from ringfence.server.journal.awaited_journal import AwaitedJournal
from ringfence.server.journal.journal import Journal, JournalDown
from ringfence.server.journal.lmdb_journal import open_journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(tmp_path / "0", pending_max_bytes=1 << 20, identity=IDENTITY)
    yield opened
    opened.close()


def test_appends_wait_until_they_are_durable(journal: Journal) -> None:
    async def work() -> list[int]:
        durable = AwaitedJournal(journal)
        return await asyncio.gather(*(durable.append(b"%d" % n) for n in range(500)))

    assert asyncio.run(work()) == list(range(1, 501))
    assert list(journal.replay(0)) == [(n + 1, b"%d" % n) for n in range(500)]


def test_one_commit_wakes_the_loop_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    woken = 0

    async def work() -> None:
        nonlocal woken
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def counted(call: Callable[..., object], *arguments: Any) -> asyncio.Handle:
            nonlocal woken
            woken += 1
            return wake(call, *arguments)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        durable = AwaitedJournal(journal)
        await asyncio.gather(*(durable.append(b"%d" % n) for n in range(1_000)))

    asyncio.run(work())
    assert woken == journal.commits_total < 1_000


def test_refusals_reach_the_caller(journal: Journal) -> None:
    async def work() -> None:
        durable = AwaitedJournal(journal)
        with pytest.raises(JournalDown, match="limit=1048576"):
            await durable.append(bytes(2 << 20))
        with journal._file._opened().begin(write=True) as txn:  # type: ignore[attr-defined]
            txn.put((9).to_bytes(8, "big"), b"")
        outcomes = await asyncio.gather(
            *(durable.append(b"x") for _ in range(3)), return_exceptions=True
        )
        assert ["taken already" in str(outcome) for outcome in outcomes] == [True] * 3

    asyncio.run(work())


def test_cancelled_caller_and_closed_loop_harm_nobody(journal: Journal) -> None:
    gate = Gate(journal)

    async def work(cancelled: bool) -> None:
        durable = AwaitedJournal(journal)
        waiting = asyncio.create_task(durable.append(b"cancelled"))
        await asyncio.sleep(0)
        waiting.cancel()
        if cancelled:
            gate.open()
            assert await durable.append(b"other") == 3 + 1

    asyncio.run(work(cancelled=False))
    asyncio.run(work(cancelled=True))
    assert [value for _, value in journal.replay(0)] == [
        b"first",
        b"cancelled",
        b"cancelled",
        b"other",
    ]
