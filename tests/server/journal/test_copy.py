"""A journal is copied while its owner writes it: the copy is whole, and the owner goes on."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.journal_answers import IDENTITY, append, value_of
from support.places import SUPPORT

from ringfence.server.journal.journal import Journal, JournalDown, JournalInUse
from ringfence.server.journal.lmdb_journal import (
    LOCK,
    check_journal,
    copy_bytes,
    copy_journal,
    open_for_replay,
    open_journal,
)
from ringfence.server.journal.note import NOTE

pytestmark = pytest.mark.slow

APPENDING = SUPPORT / "appending_process.py"
KEEP = 60
COPIES = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    """A journal with values 1 to 100, of which the first 40 are gone."""
    opened = open_journal(folder, identity=IDENTITY)
    append(opened, *map(value_of, range(1, 101)))
    opened.truncate(40)
    opened.append(value_of(101), lambda _: None)
    yield opened
    opened.close()  # a second time does nothing


def held(folder: Path) -> list[tuple[int, bytes]]:
    """All positions and values of a journal."""
    reader = open_for_replay(folder, identity=IDENTITY)
    try:
        return list(reader.replay(reader.first - 1))
    finally:
        reader.close()


def test_copies_beside_a_writer_that_also_truncates_are_whole(tmp_path: Path, folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, APPENDING, folder, str(KEEP)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        acknowledged = 0
        for number in range(COPIES):
            for _ in range(5 * KEEP):
                acknowledged = int(process.stdout.readline())
            target = tmp_path / f"copy-{number}"
            last = copy_journal(folder, target, identity=IDENTITY)
            assert last >= acknowledged
            assert check_journal(target, identity=IDENTITY) == []
            values = held(target)
            assert values == [(n, value_of(n)) for n in range(last - len(values) + 1, last + 1)]
            assert int.from_bytes((target / NOTE).read_bytes()[-8:], "little") == last
        assert len(values) < last  # some were let go
        assert int(process.stdout.readline()) > acknowledged
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_copy_is_as_large_as_was_said(tmp_path: Path, folder: Path, journal: Journal) -> None:
    append(journal, b"x" * 100_000)
    journal.close()
    size_bytes = copy_bytes(folder)
    assert copy_journal(folder, tmp_path / "copy", identity=IDENTITY) == 102
    assert (tmp_path / "copy" / "data.mdb").stat().st_size == size_bytes


def test_copied_journal_goes_on_with_the_next_position(
    tmp_path: Path, folder: Path, journal: Journal
) -> None:
    append(journal, b"a", b"b")
    journal.truncate(103)
    append(journal, b"c")
    journal.close()
    copy_journal(folder, tmp_path / "copy", identity=IDENTITY)
    copied = open_journal(tmp_path / "copy", identity=IDENTITY)
    try:
        assert append(copied, b"d") == [105]
    finally:
        copied.close()


def test_journal_that_never_had_a_value_is_copied(tmp_path: Path, folder: Path) -> None:
    open_journal(folder, identity=IDENTITY).close()
    assert copy_journal(folder, tmp_path / "copy", identity=IDENTITY) == 0
    assert check_journal(tmp_path / "copy", identity=IDENTITY) == []
    assert held(tmp_path / "copy") == []


def test_killed_copy_is_not_in_the_owners_way(folder: Path, journal: Journal) -> None:
    code = (
        "import sys; from pathlib import Path; from ringfence.server.journal import lmdb_journal\n"
        "with lmdb_journal._beside_owner(Path(sys.argv[1])) as e, e.begin():\n"
        "    print('reading', flush=True); sys.stdin.read()\n"
    )
    reading = subprocess.Popen(
        [sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert reading.stdout is not None
    assert reading.stdin is not None
    with reading.stdin, reading.stdout:
        assert reading.stdout.readline() == b"reading\n"
        file = journal._file  # type: ignore[attr-defined]
        file.check_readers()
        assert str(reading.pid) in file._opened().readers()  # alive: its pages are kept
        reading.send_signal(signal.SIGKILL)
        reading.wait()
        file.check_readers()
        assert str(reading.pid) not in file._opened().readers()
    assert append(journal, b"x") == [102]


def test_copying_a_copy_adds_nothing_to_it_and_keeps_owners_away(
    tmp_path: Path, folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.close()
    first, second = tmp_path / "first", tmp_path / "second"
    copy_journal(folder, first, identity=IDENTITY)
    before = sorted(path.name for path in first.iterdir())
    assert LOCK not in before
    mkdir = Path.mkdir

    def mkdir_and_open(path: Path, mode: int) -> None:
        mkdir(path, mode)
        with pytest.raises(JournalInUse):
            open_journal(first, identity=IDENTITY)

    monkeypatch.setattr(Path, "mkdir", mkdir_and_open)
    copy_journal(first, second, identity=IDENTITY)
    assert sorted(path.name for path in first.iterdir()) == before
    assert (second / "data.mdb").read_bytes() == (first / "data.mdb").read_bytes()


def test_copy_to_a_place_that_is_taken_is_refused(folder: Path, journal: Journal) -> None:
    journal.close()
    with pytest.raises(JournalDown, match="File exists"):
        copy_journal(folder, folder, identity=IDENTITY)
    assert len(held(folder)) >= 61
