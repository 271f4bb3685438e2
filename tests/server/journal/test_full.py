"""A journal that cannot be written says so, takes nothing, and heals when it can be again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.journal_answers import IDENTITY, Answers, append, until, value_of
from support.small_disk import cut_off, fill, small_disk, small_memory

from ringfence.server.journal import group_commit as journal_commit
from ringfence.server.journal.journal import Journal, JournalDown, JournalError
from ringfence.server.journal.lmdb_journal import check_journal, open_for_replay, open_journal

DISK_BYTES = 16 << 20


@pytest.fixture(autouse=True)
def heal_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_commit, "HEAL_S", 0.01)


def append_until_down(journal: Journal) -> dict[int, bytes]:
    """Appends until a value is refused; what was acknowledged until then."""
    told: dict[int, bytes] = {}
    while True:
        value = value_of(journal.last + 1) * 5
        try:
            outcomes = append(journal, value)
        except JournalDown:
            return told
        if isinstance(outcomes[0], JournalError):
            assert isinstance(outcomes[0], JournalDown), outcomes
            assert str(journal.folder) in str(outcomes[0])
            return told
        told[outcomes[0]] = value


def in_memory(tmp_path: Path) -> AbstractContextManager[None]:
    return small_memory(tmp_path / "disk", DISK_BYTES)


def on_ext4(tmp_path: Path) -> AbstractContextManager[None]:
    return small_disk(tmp_path / "image", tmp_path / "disk", DISK_BYTES)


@pytest.mark.parametrize("disk", [in_memory, on_ext4])
def test_full_disk_refuses_values_and_heals_when_there_is_room(
    tmp_path: Path, disk: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with disk(tmp_path):
        folder = tmp_path / "disk" / "0"
        journal = open_journal(folder, identity=IDENTITY)
        acknowledged = {}
        for number in range(1, 50):
            acknowledged[number] = value_of(number)
            assert append(journal, value_of(number)) == [number]
        fill(tmp_path / "disk" / "filler")
        acknowledged |= append_until_down(journal)
        assert not journal.writable
        with pytest.raises(JournalDown, match=str(folder)):
            journal.append(b"refused", lambda _: None)
        assert dict(journal.replay(0)).items() >= acknowledged.items()  # reading goes on
        (tmp_path / "disk" / "filler").unlink()
        until(lambda: journal.writable)
        before = journal.last
        assert append(journal, b"after") == [before + 1]
        acknowledged[before + 1] = b"after"
        assert dict(journal.replay(0)).items() >= acknowledged.items()
        journal.close()
        assert check_journal(folder, identity=IDENTITY) == []


def test_journal_opens_on_a_full_disk_and_heals(tmp_path: Path) -> None:
    with in_memory(tmp_path):
        folder = tmp_path / "disk" / "0"
        journal = open_journal(folder, identity=IDENTITY)
        append(journal, b"a")
        fill(tmp_path / "disk" / "filler")
        append_until_down(journal)
        journal.close()
        fill(tmp_path / "disk" / "rest")
        journal = open_journal(folder, identity=IDENTITY)
        assert next(journal.replay(0)) == (1, b"a")
        (tmp_path / "disk" / "filler").unlink()
        until(lambda: journal.writable)
        assert append(journal, b"b") == [journal.last]
        journal.close()
        assert check_journal(folder, identity=IDENTITY) == []


def test_journal_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with in_memory(tmp_path):
        fill(tmp_path / "disk" / "filler")
        with pytest.raises(JournalDown, match="No space left on device: journal cannot be") as told:
            open_journal(tmp_path / "disk" / "0", identity=IDENTITY)
        assert str(told.value).count(str(tmp_path)) == 1
        (tmp_path / "disk" / "filler").unlink()
        open_journal(tmp_path / "disk" / "0", identity=IDENTITY).close()


def test_full_disk_without_a_lock_file_is_no_crash(tmp_path: Path) -> None:
    with in_memory(tmp_path):
        folder = tmp_path / "disk" / "0"
        open_journal(folder, identity=IDENTITY).close()
        (folder / "lock.mdb").unlink()
        fill(tmp_path / "disk" / "filler")
        with pytest.raises(JournalDown, match="No space left"):
            open_journal(folder, identity=IDENTITY)


@pytest.mark.parametrize(
    ("size", "at_once"), [(0, 1_600), (100, 20), (3_000, 1), (20_000, 1), (70_000, 1)]
)
@pytest.mark.slow
def test_full_map_heals_by_truncation(tmp_path: Path, size: int, at_once: int) -> None:
    folder = tmp_path / "0"
    journal = open_journal(folder, map_size_bytes=2 << 20, identity=IDENTITY)
    for _ in range(3):
        answers = Answers()
        count = 0
        while journal.writable:
            try:
                journal.append(bytes(size), answers)
            except JournalDown:
                break
            count += 1
            if count % at_once == 0:
                answers.wait(count)
        outcomes = answers.wait(count)
        until(lambda: not journal.writable)
        told = [outcome for outcome in outcomes if isinstance(outcome, int)]
        last = journal.last
        assert told == list(range(last - len(told) + 1, last + 1))  # none, if all failed at once
        journal.truncate(last)
        until(lambda: journal.writable and journal.first == journal.last)
        assert journal.last == last
    assert append(journal, b"after") == [journal.last]
    journal.close()
    assert check_journal(folder, identity=IDENTITY) == []
    assert (folder / "data.mdb").stat().st_size <= (2 << 20) + (4 << 20)


def test_larger_map_heals_at_the_next_start(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "0", map_size_bytes=1 << 20, identity=IDENTITY)
    acknowledged = append_until_down(journal)
    journal.close()
    journal = open_journal(tmp_path / "0", map_size_bytes=4 << 20, identity=IDENTITY)
    assert append(journal, b"after") == [len(acknowledged) + 1]
    assert dict(journal.replay(0)) == {**acknowledged, len(acknowledged) + 1: b"after"}
    journal.close()


def test_lost_disk_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    with on_ext4(tmp_path):
        folder = tmp_path / "disk" / "0"
        journal = open_journal(folder, identity=IDENTITY)
        acknowledged = {}
        for number in range(1, 200):
            assert append(journal, value_of(number)) == [number]
            acknowledged[number] = value_of(number)
        cut_off(tmp_path / "disk")
        outcomes = append(journal, b"into the void")
        assert isinstance(outcomes[0], JournalDown)
        assert "Input/output error" in str(outcomes[0])
        assert not journal.writable
        with pytest.raises(JournalDown):
            journal.append(b"refused", lambda _: None)
        journal.close()
    with on_ext4(tmp_path):
        assert check_journal(folder, identity=IDENTITY) == []
        reader = open_for_replay(folder, identity=IDENTITY)
        assert dict(reader.replay(0)) == acknowledged
        reader.close()
