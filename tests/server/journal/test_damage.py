"""A journal whose bytes changed on the disk is found out; it never gives a value not written."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.journal_answers import IDENTITY, append, until, value_of
from support.places import SUPPORT

from ringfence.server.journal import group_commit as journal_commit
from ringfence.server.journal.journal import JournalDamaged, seal
from ringfence.server.journal.lmdb_journal import (
    check_journal,
    copy_journal,
    open_for_replay,
    open_journal,
)
from ringfence.server.journal.lmdb_pages import is_cut_short

FLIPS_A_REGION = 8
PAGE = 4_096
SEED = 20
TRANSACTION_AT = (144, 4_096 + 144)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal with small and large values, pages that are free, and a few levels of pages."""
    folder = tmp_path / "7"
    journal = open_journal(folder, identity=IDENTITY)
    for begin in range(1, 240, 40):
        append(journal, *(value_of(number) for number in range(begin, begin + 40)))
    journal.truncate(100)
    until(lambda: journal.first == 101)
    append(journal, b"last one")
    journal.close()
    return folder


@pytest.mark.slow
def test_flipped_bits_are_refused_or_change_nothing(folder: Path) -> None:
    print("seed", SEED)
    flipping = SUPPORT / "flipping_process.py"
    done = subprocess.run(
        [sys.executable, flipping, folder, str(SEED), str(FLIPS_A_REGION)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout)
    print(ends)
    refused = "replay refused, check refused"
    whole = "replay same, check same"  # bytes that mean nothing, or of free pages
    assert {end for region in ends.values() for end in region} <= {refused, whole}
    assert ends["value"] == ends["value header"] == {refused: FLIPS_A_REGION}
    for region in ("meta page", "page header", "page body"):
        assert sum(ends[region].values()) - ends[region].get(whole, 0) > FLIPS_A_REGION // 10


@pytest.mark.parametrize("offset", TRANSACTION_AT)
def test_flipped_transaction_number_does_not_hide_the_last_commit(
    folder: Path, offset: int
) -> None:
    path = folder / "data.mdb"
    whole = path.read_bytes()
    for bit in range(64):
        flipped = bytearray(whole)
        flipped[offset + bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        for opens in (open_journal, open_for_replay):
            with pytest.raises(JournalDamaged, match=r"neighbouring|ends too early"):
                opens(folder, identity=IDENTITY)
        assert re.search("neighbouring|ends too early", check_journal(folder, identity=IDENTITY)[0])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_file_that_was_cut_short_is_found_out_without_a_crash(folder: Path, share: float) -> None:
    path = folder / "data.mdb"
    with open(path, "r+b") as file:
        file.truncate(int(path.stat().st_size * share))
    problems = check_journal(folder, identity=IDENTITY)
    assert problems
    assert all(problem.startswith(str(folder)) for problem in problems)


@pytest.mark.slow
def test_cut_file_is_walked_also_by_who_only_asks_where_it_ends(folder: Path) -> None:
    path = folder / "data.mdb"
    whole = path.read_bytes()
    refused = 0
    for pages in range(2, len(whole) // PAGE):
        path.write_bytes(whole[: pages * PAGE])
        if problems := check_journal(folder, identity=IDENTITY):
            refused += 1
            assert problems[0].count(str(folder)) == 1
            with pytest.raises(JournalDamaged, match=re.escape(problems[0])):
                open_for_replay(folder, identity=IDENTITY, walk=False)
    assert refused > 100


def test_free_pages_that_were_never_written_are_no_damage(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    journal = open_journal(folder, identity=IDENTITY)
    append(journal, b"first", bytes(1 << 20))
    journal.truncate(2)
    append(journal, b"small")
    journal.truncate(3)
    append(journal, b"smaller")
    until(lambda: journal.first == 4)
    last = journal.last
    journal.close()
    path = folder / "data.mdb"
    while not check_journal(folder, identity=IDENTITY):
        whole = path.read_bytes()
        os.truncate(path, len(whole) - PAGE)
    path.write_bytes(whole)
    assert is_cut_short(path)
    reader = open_for_replay(folder, identity=IDENTITY, walk=False)
    assert reader.last == last
    reader.close()


@pytest.mark.parametrize("size", [0, 100, PAGE, 2 * PAGE - 1])
def test_file_too_short_to_be_a_journal_says_how_short(folder: Path, size: int) -> None:
    path = folder / "data.mdb"
    os.truncate(path, size)
    expected = f"{path}: too short to be a journal: bytes={size}, least={2 * PAGE}"
    assert check_journal(folder, identity=IDENTITY) == [expected]
    for walk in (True, False):
        with pytest.raises(JournalDamaged) as caught:
            open_for_replay(folder, identity=IDENTITY, walk=walk)
        assert str(caught.value) == expected


@pytest.mark.parametrize("other", [b"", b"a tesT", b"a test0", bytes(22)])
def test_values_do_not_fit_a_journal_of_another_identity(folder: Path, other: bytes) -> None:
    last = f"{folder}: checksum does not match: position=241, "
    assert check_journal(folder, identity=other)[0].startswith(last)
    for opens in (open_journal, open_for_replay):
        with pytest.raises(JournalDamaged, match="the journal is that of another data folder"):
            opens(folder, identity=other)
    with pytest.raises(JournalDamaged):
        copy_journal(folder, folder.with_name("copy"), identity=other)


def test_note_of_another_identity_does_not_fit_an_empty_journal(tmp_path: Path) -> None:
    open_journal(tmp_path / "0", identity=IDENTITY).close()
    expected = f"{tmp_path}/0/last: checksum does not match: position=0, "
    assert check_journal(tmp_path / "0", identity=b"other")[0].startswith(expected)


def test_check_names_every_damaged_value(folder: Path) -> None:
    path = folder / "data.mdb"
    content = path.read_bytes()
    for position in (120, 200):
        content = content.replace(value_of(position), value_of(position)[:-1] + b"?")
    path.write_bytes(content)
    problems = check_journal(folder, identity=IDENTITY)
    assert len(problems) == 2
    for position, problem in zip((120, 200), problems, strict=True):
        assert problem.startswith(f"{folder}: checksum does not match: position={position}, ")


def test_value_that_changes_on_the_disk_is_refused_while_the_journal_is_open(
    folder: Path,
) -> None:
    path = folder / "data.mdb"
    journal = open_journal(folder, identity=IDENTITY)
    content = path.read_bytes().replace(value_of(101), value_of(101)[:-1] + b"?")
    with open(path, "r+b") as file:
        file.write(content)
    with pytest.raises(JournalDamaged, match=f"{folder}.*position=101"):
        list(journal.replay(100))
    journal.close()


def test_journal_takes_nothing_more_once_writing_met_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_commit, "HEAL_S", 0.001)
    journal = open_journal(folder, identity=IDENTITY)
    last = journal.last
    with journal._file._opened().begin(write=True) as txn:  # type: ignore[attr-defined]
        txn.put(
            (last + 1).to_bytes(8, "big"), seal(last + 1, b"somebody else's", identity=IDENTITY)
        )
    answers = append(journal, b"a")
    assert isinstance(answers[0], JournalDamaged)
    assert str(answers[0]) == f"{folder}: taken already: position={last + 1}"
    time.sleep(0.1)  # a hundred times as long as healing would take
    assert not journal.writable
    with pytest.raises(JournalDamaged, match="taken already"):
        journal.append(b"b", lambda _: None)
    journal.close()


def test_older_copy_of_the_data_is_refused(folder: Path) -> None:
    before = (folder / "data.mdb").read_bytes()
    journal = open_journal(folder, identity=IDENTITY)
    append(journal, b"newer")
    last = journal.last
    journal.close()
    (folder / "data.mdb").write_bytes(before)
    expected = f"{folder}: ends too early: last position={last - 1}, noted={last}"
    for opens in (open_journal, open_for_replay):
        with pytest.raises(JournalDamaged, match=expected):
            opens(folder, identity=IDENTITY)
    assert check_journal(folder, identity=IDENTITY) == [expected]
    (folder / "last").unlink()  # as in a backup, which is read as it is
    assert check_journal(folder, identity=IDENTITY) == []
