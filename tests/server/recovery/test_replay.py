"""Journals of workers come into a segment whole, whichever threads read and insert them."""

import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from rich.progress import Progress
from support.small_table import NUMBERS, START, SmallTable, make_table

from ringfence.engine.words import EventKind
from ringfence.server.journal.event_value import EventValue, encode_event_value
from ringfence.server.journal.journal import JournalDamaged, JournalReader
from ringfence.server.journal.lmdb_journal import open_for_replay, open_journal
from ringfence.server.recovery import replay as replay_module
from ringfence.server.recovery.replay import Replay, ReplayBase

JOURNALS = 3
VALUES = 7
EVENTS = 5  # of a value


def taken(journal: int, value: int) -> bytes:
    """Events that no other value has."""
    first = (journal * VALUES + value) * EVENTS
    return b"".join(
        struct.pack(
            "<QQ", NUMBERS[event % len(NUMBERS)], START + event << 32 | event << 8 | EventKind.CALL
        )
        for event in range(first + 1, first + EVENTS + 1)
    )


def write(folder: Path, values: list[bytes]) -> None:
    """A journal that holds these as the values of batches."""
    with closing(open_journal(folder, identity=b"a test")) as journal:
        for value in values:
            durable = threading.Event()
            data = encode_event_value(EventValue("feed", None, value))
            journal.append(data, lambda _, durable=durable: durable.set())
            assert durable.wait(10)


@contextmanager
def opened(data: Path) -> Iterator[list[JournalReader]]:
    with ExitStack() as held:
        yield [
            held.enter_context(closing(open_for_replay(path, identity=b"a test")))
            for path in sorted(data.iterdir())
        ]


def replayed(data: Path, start: ReplayBase, threads: int) -> tuple[SmallTable, int, int]:
    """A table after the replay, and how many values and events there were."""
    table = make_table()
    with opened(data) as journals:
        replay = Replay(table.segment, start, journals, Progress(disable=True))
        events = replay.events(journals, threads)
        return table, replay.values, events


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("step_bytes", [1, 200, 1 << 20])
def test_all_events_are_replayed_by_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, step_bytes: int
) -> None:
    monkeypatch.setattr(replay_module, "STEP_BYTES", step_bytes)
    for journal in range(JOURNALS):
        write(tmp_path / f"worker-{journal}", [taken(journal, i) for i in range(VALUES)])
    table, values, events = replayed(tmp_path, ReplayBase(), threads)
    assert (values, events) == (JOURNALS * VALUES, JOURNALS * VALUES * EVENTS)
    expected = make_table()
    for journal in range(JOURNALS):
        expected.engine.repeat(b"".join(taken(journal, i) for i in range(VALUES)))
    assert table.rings() == expected.rings()
    journalled = [counted.journalled for counted in table.segment.counters()]
    assert journalled[: JOURNALS + 1] == [VALUES] * JOURNALS + [0]


def test_only_what_is_behind_the_snapshot_is_replayed(tmp_path: Path) -> None:
    for journal in range(2):
        write(tmp_path / f"worker-{journal}", [taken(journal, i) for i in range(VALUES)])
    start = ReplayBase("snapshot", {"worker-0": VALUES, "worker-1": VALUES - 2})
    table, values, events = replayed(tmp_path, start, 2)
    assert (values, events) == (2, 2 * EVENTS)
    assert table.segment.counters()[0].journalled == VALUES


def test_half_an_event_is_refused_though_the_next_value_has_the_other_half(tmp_path: Path) -> None:
    whole = taken(0, 0)
    write(tmp_path / "worker-0", [whole, whole[:24], whole[24:]])
    with pytest.raises(JournalDamaged, match=r"worker-0: not whole events: .*position=2$"):
        replayed(tmp_path, ReplayBase(), 2)


def test_replay_without_journals_does_nothing(tmp_path: Path) -> None:
    assert replayed(tmp_path, ReplayBase(), 4)[1:] == (0, 0)
