"""The journal keeps values in order, forgets only what it may, and says why it refuses."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.journal_answers import IDENTITY, Answers, Gate, append, until, value_of

from ringfence.server.journal import group_commit as journal_commit
from ringfence.server.journal import journal as framing
from ringfence.server.journal import lmdb_journal as journal_lmdb
from ringfence.server.journal.journal import (
    Journal,
    JournalDamaged,
    JournalDown,
    JournalError,
    JournalInUse,
    JournalTooNew,
    JournalTruncated,
    seal,
    unseal,
)
from ringfence.server.journal.lmdb_journal import check_journal, open_for_replay, open_journal

CHECK = """
import pathlib, sys
from ringfence.server.journal.lmdb_journal import check_journal
print(check_journal(pathlib.Path(sys.argv[1]), identity=sys.argv[2].encode()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journals" / "3"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    opened = open_journal(folder, identity=IDENTITY)
    yield opened
    opened.close()


def test_sealed_value_is_known_again(folder: Path) -> None:
    for value in (b"", b"x", bytes(100_000)):
        assert (
            unseal(folder, 7, memoryview(seal(7, value, identity=IDENTITY)), identity=IDENTITY)
            == value
        )


def test_every_flipped_bit_of_a_sealed_value_is_damage(folder: Path) -> None:
    sealed = seal(7, b"value", identity=IDENTITY)
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(JournalDamaged, match=f"{folder}.*position=7"):
            unseal(folder, 7, memoryview(flipped), identity=IDENTITY)


def test_value_at_another_position_is_damage(folder: Path) -> None:
    with pytest.raises(JournalDamaged, match="value of another position: position=8, sealed for=7"):
        unseal(folder, 8, memoryview(seal(7, b"value", identity=IDENTITY)), identity=IDENTITY)


@pytest.mark.parametrize("size", range(framing.HEAD.size))
def test_short_value_is_damage(folder: Path, size: int) -> None:
    with pytest.raises(JournalDamaged, match=f"too short: position=7, bytes={size}, least=16"):
        unseal(
            folder, 7, memoryview(seal(7, b"value", identity=IDENTITY)[:size]), identity=IDENTITY
        )


def test_newer_format_is_refused_and_an_older_one_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = open_journal(folder, identity=IDENTITY)
    append(older, b"older")
    older.close()
    with monkeypatch.context() as newer:
        newer.setattr(framing, "FORMAT", framing.FORMAT + 1)
        journal = open_journal(folder, identity=IDENTITY)
        append(journal, b"newer")
        assert list(journal.replay(0)) == [(1, b"older"), (2, b"newer")]
        journal.close()
    for refuses in (open_journal, open_for_replay):
        with pytest.raises(JournalTooNew, match="position=2, format=2, newest known=1"):
            refuses(folder, identity=IDENTITY)
    assert "newer version" in check_journal(folder, identity=IDENTITY)[0]


def test_positions_start_at_one(journal: Journal) -> None:
    assert (journal.first, journal.last) == (1, 0)
    assert list(journal.replay(0)) == []
    assert append(journal, b"a", b"b") == [1, 2]
    assert (journal.first, journal.last) == (1, 2)
    assert list(journal.replay(0)) == [(1, b"a"), (2, b"b")]
    assert list(journal.replay(1)) == [(2, b"b")]
    assert list(journal.replay(2)) == []


def test_positions_go_on_after_everything_was_truncated(folder: Path) -> None:
    journal = open_journal(folder, identity=IDENTITY)
    append(journal, b"a", b"b", b"c")
    journal.truncate(1_000)
    until(lambda: journal.first == 3)
    assert list(journal.replay(2)) == [(3, b"c")]
    journal.close()
    again = open_journal(folder, identity=IDENTITY)
    assert (again.first, again.last) == (3, 3)
    assert append(again, b"d") == [4]
    again.close()


def test_truncation_keeps_what_was_appended_later(journal: Journal) -> None:
    append(journal, b"a")
    journal.truncate(1_000)
    assert append(journal, b"b", b"c") == [2, 3]
    until(lambda: journal.first == 2)
    append(journal, b"d")
    assert journal.first == 2


def test_truncated_positions_are_not_a_hole_and_not_silence(journal: Journal) -> None:
    append(journal, *(b"%d" % n for n in range(10)))
    journal.truncate(4)
    until(lambda: journal.first == 5)
    with pytest.raises(JournalTruncated, match="asked after position=3, oldest=5"):
        next(journal.replay(3))
    assert next(journal.replay(4)) == (5, b"4")


def test_journal_that_ends_before_the_asked_position_is_damage(journal: Journal) -> None:
    append(journal, b"a")
    with pytest.raises(JournalDamaged, match="asked after position=2, last=1"):
        next(journal.replay(2))


def test_hole_is_damage(folder: Path) -> None:
    journal = open_journal(folder, identity=IDENTITY)
    append(journal, *(value_of(n) for n in range(1, 1_000)))
    journal.close()
    file = journal_lmdb.LmdbFile(folder, map_size_bytes=1 << 30, identity=IDENTITY)
    environment = file._opened()
    with environment.begin(write=True) as txn:
        assert txn.delete((600).to_bytes(8, "big"))
    file.close()
    expected = f"{folder}: value missing: position=600, next=601"
    assert check_journal(folder, identity=IDENTITY) == [expected]
    reader = open_for_replay(folder, identity=IDENTITY)
    for after in (0, 598, 599):
        with pytest.raises(JournalDamaged) as caught:
            list(reader.replay(after))
        assert str(caught.value) == expected
    assert len(list(reader.replay(600))) == 399
    reader.close()


def test_replay_sees_all_values_of_many_reads(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_lmdb, "READ_MAX_BYTES", 50_000)
    values = [value_of(number) for number in range(1, 1_500)]
    append(journal, *values)
    assert list(journal.replay(0)) == list(enumerate(values, 1))


def test_replay_holds_no_pages_between_values(journal: Journal) -> None:
    append(journal, *(value_of(number) for number in range(1, 600)))
    replay = journal.replay(0)
    assert next(replay) == (1, value_of(1))
    readers = journal._file._opened().readers()  # type: ignore[attr-defined]
    assert readers.splitlines() == ["(no active readers)"]


def test_second_opener_is_refused(folder: Path, journal: Journal) -> None:
    for opens in (open_journal, open_for_replay, check_journal):
        with pytest.raises(JournalInUse, match=f"{folder}: journal in use"):
            opens(folder, identity=IDENTITY)


def test_readers_share_a_journal_and_keep_writers_out(folder: Path) -> None:
    open_journal(folder, identity=IDENTITY).close()
    reader = open_for_replay(folder, identity=IDENTITY)
    checked = subprocess.run(
        [sys.executable, "-c", CHECK, folder, IDENTITY.decode()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout == "[]\n", checked.stderr
    for opens in (open_journal, open_for_replay):  # LMDB allows a process to open it once
        with pytest.raises(JournalError, match=r"in use|already open in this process"):
            opens(folder, identity=IDENTITY)
    reader.close()
    open_journal(folder, identity=IDENTITY).close()


def test_reading_and_checking_touch_nothing(folder: Path) -> None:
    journal = open_journal(folder, identity=IDENTITY)
    append(journal, *(value_of(number) for number in range(50)))
    journal.close()
    (folder / "lock.mdb").unlink()
    before = [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()]
    reader = open_for_replay(folder, identity=IDENTITY)
    assert len(list(reader.replay(0))) == 50
    reader.close()
    assert check_journal(folder, identity=IDENTITY) == []
    after = [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()]
    assert after == before


def test_journal_that_was_half_made_is_made_again(folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}.new")
    draft.mkdir(parents=True)
    (draft / "data.mdb").write_bytes(bytes(5_000))
    journal = open_journal(folder, identity=IDENTITY)
    assert append(journal, b"a") == [1]
    journal.close()
    assert not draft.exists()


def test_journal_that_is_no_journal_is_damage(folder: Path) -> None:
    folder.mkdir(parents=True)
    for content in (b"", b"text", b"text" * 5_000):
        (folder / "data.mdb").write_bytes(content)
        assert len(check_journal(folder, identity=IDENTITY)) == 1
        for opens in (open_journal, open_for_replay):
            with pytest.raises(JournalDamaged, match=str(folder)):
                opens(folder, identity=IDENTITY)


def test_missing_journal_cannot_be_read(folder: Path) -> None:
    for opens in (open_for_replay, check_journal):
        with pytest.raises(JournalError, match=r"data\.mdb: No such file"):
            opens(folder, identity=IDENTITY)


def test_positions_are_known_while_a_journal_is_opened_again(
    folder: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(journal, b"a", b"b")
    file = journal._file  # type: ignore[attr-defined]
    seen = []
    unsealed = file._unseal

    def look(position: int, sealed: memoryview) -> bytes:
        seen.append((journal.first, journal.last))
        return bytes(unsealed(position, sealed))

    monkeypatch.setattr(file, "_unseal", look)
    file.reopen()
    assert seen == [(1, 2)]


def test_everything_that_waits_becomes_durable_in_one_commit(journal: Journal) -> None:
    gate, answers = Gate(journal), Answers()
    for _ in range(1_000):
        journal.append(b"waits", answers)
    gate.open()
    assert answers.wait(1_000) == list(range(2, 1_002))
    assert journal.commits_total == 2


def test_commit_is_bounded(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_commit, "COMMIT_MAX_BYTES", 1_000)
    gate, answers = Gate(journal), Answers()
    for _ in range(20):
        journal.append(bytes(500), answers)
    gate.open()
    answers.wait(20)
    assert journal.commits_total == 11


def test_too_much_that_waits_is_refused_with_both_figures(folder: Path) -> None:
    journal = open_journal(folder, pending_max_bytes=10_000, identity=IDENTITY)
    gate, answers = Gate(journal), Answers()
    journal.append(bytes(9_000), answers)
    with pytest.raises(JournalDown, match="bytes=11024, limit=10000"):
        journal.append(bytes(1_000), answers)
    gate.open()
    assert answers.wait(1) == [2]
    assert append(journal, bytes(9_000)) == [3]
    assert journal.writable
    journal.close()


def test_closing_makes_durable_what_was_appended(folder: Path) -> None:
    journal = open_journal(folder, identity=IDENTITY)
    answers = Answers()
    for number in range(500):
        journal.append(b"%d" % number, answers)
    journal.close()
    assert answers.wait(500) == list(range(1, 501))
    assert not journal.writable
    with pytest.raises(JournalDown, match="closed"):
        journal.append(b"late", answers)
    reader = open_for_replay(folder, identity=IDENTITY)
    assert list(reader.replay(0)) == [(n + 1, b"%d" % n) for n in range(500)]
    reader.close()


def test_answer_that_raises_stops_nobody(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(outcome: int | JournalError) -> None:
        raise ValueError(outcome)

    journal.append(b"a", broken)
    assert append(journal, b"b") == [2]
    assert "the answer to a journalled value failed" in caplog.text


def test_threads_that_append_at_once_keep_their_order(journal: Journal) -> None:
    threads, each = 8, 400
    answers = [Answers() for _ in range(threads)]

    def feed(thread: int) -> None:
        for number in range(each):
            journal.append(b"%d %d" % (thread, number), answers[thread])

    running = [threading.Thread(target=feed, args=(thread,)) for thread in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    told = [answer.wait(each) for answer in answers]
    held: dict[int | JournalError, bytes] = dict(journal.replay(0))
    assert {position for positions in told for position in positions} == held.keys()
    for thread, positions in enumerate(told):
        values = [held[position] for position in positions]
        assert values == [b"%d %d" % (thread, number) for number in range(each)]
    assert journal.commits_total < threads * each


@pytest.mark.slow
def test_truncation_while_appending_and_reading_loses_nothing(journal: Journal) -> None:
    total, keep = 6_000, 500
    answers = Answers()
    wrong: list[object] = []

    def read() -> None:
        while journal.last < total:
            try:
                for position, value in journal.replay(journal.first - 1):
                    if value != value_of(position):
                        wrong.append(position)
            except JournalTruncated:
                continue
            except JournalError as error:
                wrong.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    for number in range(1, total + 1):
        journal.append(value_of(number), answers)
        if number % 50 == 0:
            answers.wait(number)
            journal.truncate(number - keep)
    assert answers.wait(total) == list(range(1, total + 1))
    reading.join()
    until(lambda: journal.first == total - keep + 1)
    assert wrong == []
    held = list(journal.replay(total - keep))
    assert held == [(n, value_of(n)) for n in range(total - keep + 1, total + 1)]


def test_space_of_truncated_values_is_used_again(folder: Path, journal: Journal) -> None:
    for _ in range(40):
        append(journal, *(value_of(number) for number in range(200)))
        journal.truncate(journal.last)
        until(lambda: journal.first == journal.last)
    written = 40 * sum(len(value_of(number)) for number in range(200))
    assert (folder / "data.mdb").stat().st_size < written / 8
