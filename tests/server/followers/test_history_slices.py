"""Pages of the history are read in slices, and a short page waits for no long one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine
from support import history_values as values
from support.history_values import NUMBERS, START

from ringfence.server.followers.history.database import open_writer
from ringfence.server.followers.history.process import HistoryAnswers
from ringfence.server.followers.history.reader import HistoryPage
from ringfence.server.followers.history.schema import bring_up_to_date
from ringfence.server.followers.history.writer import HistoryWriter
from ringfence.v1.number_service_pb2 import ListHistoryRequest, ListHistoryResponse

SLICE_ENTRIES_MAX = 256
NOTE = "n" * 500


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database with a thousand changes of one command, and as many of another."""
    folder: Path = tmp_path_factory.mktemp("history")
    opened = open_writer(f"sqlite:///{folder / 'history.db'}")
    bring_up_to_date(opened)
    writer = HistoryWriter(opened, bytes(16))
    writer.load_progress(shared=False)
    lives = [values.settings(), *(values.quarantined(NUMBERS, START + at) for at in (1, 2))]
    lives[1].note = NOTE
    writer.write([(at, value.SerializeToString()) for at, value in enumerate(lives, 1)])
    yield opened
    opened.dispose()


@pytest.mark.parametrize("size", [1, 127, 128, 129, 999, 1_000, 10_000])
def test_pages_have_each_entry_once_and_no_slice_is_long(engine: Engine, size: int) -> None:
    expected = [(START + at, number) for at in (2, 1) for number in reversed(NUMBERS)]
    found: list[tuple[int, int]] = []
    token = ""
    for _ in range(20):
        page = HistoryPage(engine, ListHistoryRequest(page_size=size, page_token=token))
        slices = 1
        while not page.read():
            slices += 1
        read = ListHistoryResponse.FromString(page.encoded)
        assert len(read.entries) == min(size, len(expected) - len(found))
        assert len(read.entries) <= slices * SLICE_ENTRIES_MAX
        found += [(entry.changed_at.seconds, entry.number) for entry in read.entries]
        token = read.next_page_token
        if not token:
            break
    assert found == expected[: len(found)]
    assert token or found == expected


def test_a_page_ends_before_it_has_too_many_bytes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 250_000
    monkeypatch.setattr("ringfence.server.followers.history.reader.PAGE_BYTES_MAX", limit)
    found: list[int] = []
    token = ""
    while True:
        page = HistoryPage(engine, ListHistoryRequest(page_size=10_000, page_token=token))
        while not page.read():
            pass
        assert len(page.encoded) <= limit + 1_000
        read = ListHistoryResponse.FromString(page.encoded)
        found += [entry.number for entry in read.entries]
        token = read.next_page_token
        if not token:
            break
        assert len(page.encoded) > limit * 0.9
    assert found == list(reversed(NUMBERS)) * 2


@pytest.mark.slow
def test_a_short_page_is_answered_before_the_long_ones_that_were_asked_for_earlier(
    engine: Engine,
) -> None:
    async def test() -> None:
        follower: Any = SimpleNamespace(trouble=None)
        answers = HistoryAnswers(follower, engine)
        context: Any = None

        def ask(size: int) -> asyncio.Task[bytes]:
            request = ListHistoryRequest(page_size=size).SerializeToString()
            return asyncio.create_task(answers.list_history(request, context))

        long = [ask(10_000) for _ in range(8)]
        await asyncio.sleep(0)
        short = ListHistoryResponse.FromString(await ask(1))
        assert len(short.entries) == 1
        assert not any(page.done() for page in long)
        assert {len(ListHistoryResponse.FromString(await page).entries) for page in long} == {2_000}

    asyncio.run(asyncio.wait_for(test(), 60))
