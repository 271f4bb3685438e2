"""Files of a data folder that were cut, lost, put back from elsewhere or written by a newer
version: what a start then finds is what was there, or it says what is in the way.
"""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from support.damaged_folder import MAP_SIZE_BYTES, PAGE, identity_of, make_folder
from support.durable_server import (
    BEGAN,
    CALLED,
    TWO,
    history,
    killed,
    refusal_of,
    send,
    state_of,
    take_snapshot,
)
from support.recovering_process import Found, Recovering, recovering
from support.server_process import peer_of, serving

from ringfence.engine.snapshot import format as snapshot_format
from ringfence.engine.snapshot import list_snapshots
from ringfence.server.journal import journal
from ringfence.server.journal.lmdb_journal import open_journal

pytestmark = pytest.mark.slow

JOURNALS = ("keeper", "worker-0", "worker-1")
OF_ANOTHER = "or the journal is that of another data folder or has another's name"
MEND = ("put it back, or restore a backup",)
CUTS = ("nothing left", "one page", "somewhere", "one byte short")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of two installations, `one` and `other`, with snapshots, and `plain` without."""
    folder = tmp_path_factory.mktemp("lost")
    make_folder(folder / "one", seed=1)
    make_folder(folder / "other", seed=2)
    make_folder(folder / "plain", seed=3, snapshots=0)
    return folder


@pytest.fixture(scope="module")
def process() -> Iterator[Recovering]:
    """The process that looks."""
    with recovering() as running:
        yield running


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of `one` to damage."""
    return Path(shutil.copytree(made / "one", tmp_path / "data"))


@pytest.fixture
def plain(made: Path, tmp_path: Path) -> Path:
    """A copy of `plain` to damage."""
    return Path(shutil.copytree(made / "plain", tmp_path / "plain"))


def whole(made: Path, process: Recovering, name: str = "one") -> Found:
    """What a start finds in the undamaged folder."""
    found = process.look(made / name)
    assert found.state and not found.problems
    return found


def refused(found: Found, *words: object) -> None:
    """Fails unless it was refused, by name, and verify finds something as well."""
    assert not found.crash, found.crash
    for word in words:
        assert str(word) in found.refusal, found
    assert found.refusal and found.problems


def cut(path: Path, how: str) -> int:
    """Cuts a file; to how many bytes."""
    size = path.stat().st_size
    chance = random.Random(seed := random.randrange(10**6))
    left = {
        "nothing left": 0,
        "one page": PAGE,
        "somewhere": chance.randrange(PAGE, size - 1),
        "one byte short": size - 1,
    }[how]
    print(f"seed {seed}: {path} cut from {size} to {left} bytes")
    os.truncate(path, left)
    return left


@pytest.mark.parametrize("name", JOURNALS)
@pytest.mark.parametrize("how", CUTS)
def test_journal_that_was_cut_is_refused_by_name(made, data, process, name, how):
    path = data / "journal" / name / "data.mdb"
    left = cut(path, how)
    found = process.look(data)
    if left > PAGE and not found.refusal:  # what was cut off was free
        assert found == whole(made, process)
        return
    refused(found, path.parent)


@pytest.mark.parametrize("how", CUTS)
def test_snapshot_that_was_cut_is_passed_over(made, data, process, how):
    newest = list_snapshots(data / "snapshots")[0]
    cut(newest, how)
    found = process.look(data)
    assert not found.crash
    assert found.source == "snapshot-0000000000000001"
    assert found.state == whole(made, process).state
    assert any(str(newest) in problem for problem in found.problems)


@pytest.mark.parametrize("name", JOURNALS)
def test_missing_journal_is_refused_by_name(data, process, name):
    shutil.rmtree(data / "journal" / name)
    refused(process.look(data), data / "journal" / name, "missing", *MEND)


@pytest.mark.parametrize("name", JOURNALS)
def test_missing_journal_is_refused_although_no_snapshot_counts_on_it(plain, process, name):
    shutil.rmtree(plain / "journal" / name)
    refused(process.look(plain), f"{plain}/journal/{name}: missing", *MEND)


@pytest.mark.parametrize("name", JOURNALS)
def test_missing_journal_is_refused_although_the_segment_outlived_the_server(tmp_path, name):
    data = tmp_path / "data"
    with killed(data, *TWO, reboot=False) as server, peer_of(server, 0) as one:
        one.quarantine(CALLED, quarantined_at=[BEGAN])
        send(one, history(1)[:2])
        with peer_of(server, 1) as other:
            send(other, history(2)[:2])
    shutil.rmtree(data / "journal" / name)
    refusal = refusal_of(data)
    for words in (f"cannot serve: {data}/journal/{name}: missing: ", *MEND):
        assert words in refusal


def test_missing_folder_of_all_journals_is_refused(plain, process):
    shutil.rmtree(plain / "journal")
    refused(process.look(plain), *(f"{plain}/journal/{name}: missing" for name in JOURNALS), *MEND)
    for name in ("folder_id", "caller_key"):
        (plain / name).unlink()
    refused(process.look(plain), f"{plain}/folder_id: missing: ")


def test_list_of_journals_that_is_lost_or_damaged_is_made_anew(made, plain, process):
    path = plain / "journals"
    listed = path.read_bytes()
    for damaged in (None, b"", listed.replace(b"worker-1", b"worker-3")):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        assert process.look(plain) == whole(made, process, "plain")
        assert path.read_bytes() == listed


@pytest.mark.parametrize("name", JOURNALS)
def test_older_copy_of_a_journal_is_refused_with_both_positions(plain, process, name):
    path = plain / "journal" / name / "data.mdb"
    before = path.read_bytes()
    with killed(plain, *TWO) as server:
        for worker in (0, 1):
            with peer_of(server, worker) as peer:
                peer.quarantine([447700900990 + worker])
                send(peer, [{"called": [447700900990 + worker]}])
    path.write_bytes(before)
    refused(process.look(plain), path.parent, "ends too early: last position=", "noted=")


def test_swapped_journals_of_workers_are_refused(plain, process):
    _swap(plain / "journal" / "worker-0", plain / "journal" / "worker-1")
    found = process.look(plain)
    refused(found, plain / "journal" / "worker-0", "position=", OF_ANOTHER)
    for name in ("worker-0", "worker-1"):
        assert any(f"{plain}/journal/{name}: " in problem for problem in found.problems)


def test_swapped_journals_of_workers_are_refused_when_a_snapshot_counts_on_them(tmp_path, process):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as one, peer_of(server, 1) as other:
        one.quarantine(CALLED, quarantined_at=[BEGAN])
        send(one, history(1)[:10])
        take_snapshot(server)
        send(other, history(2)[:20])
    _swap(data / "journal" / "worker-0", data / "journal" / "worker-1")
    refused(process.look(data), data / "journal" / "worker-0", OF_ANOTHER)


@pytest.mark.parametrize("name", JOURNALS)
def test_journal_of_another_installation_is_refused(made, plain, process, name):
    shutil.rmtree(plain / "journal" / name)
    shutil.copytree(made / "other" / "journal" / name, plain / "journal" / name)
    refused(process.look(plain), plain / "journal" / name, OF_ANOTHER)


def test_journal_of_a_worker_under_the_name_of_one_that_is_no_more_is_refused(plain, process):
    (plain / "journals").unlink()  # as in a copy
    (plain / "journal" / "worker-1").rename(plain / "journal" / "worker-11")
    refused(process.look(plain), plain / "journal" / "worker-11", OF_ANOTHER)


def test_journal_without_values_of_another_installation_is_refused(made, plain, process):
    for name, data in (("mine", plain), ("theirs", made / "other")):
        folder = data / "journal" / "worker-0"
        path = plain / "journal" / "worker-7"
        identity = identity_of(folder)[: -len("worker-0")] + b"worker-7"
        open_journal(path, identity=identity, map_size_bytes=MAP_SIZE_BYTES).close()
        found = process.look(plain)
        if name == "mine":
            assert found == whole(made, process, "plain")
        else:
            refused(found, path / "last", OF_ANOTHER)
        shutil.rmtree(path)


@pytest.mark.parametrize("name", ["folder_id", "caller_key"])
def test_lost_small_file_is_refused_and_not_made_anew(data, process, name):
    (data / name).unlink()
    found = process.look(data)
    refused(found, f"{data}/{name}: missing: ", "put the file back from a backup")
    assert found.refusal in found.problems
    assert not (data / name).exists()


@pytest.mark.parametrize("name", JOURNALS)
def test_cut_journal_is_refused_by_name_although_the_segment_outlived_the_server(tmp_path, name):
    data = tmp_path / "data"
    with killed(data, *TWO, reboot=False) as server, peer_of(server, 0) as one:
        one.quarantine(CALLED, quarantined_at=[BEGAN])
        send(one, history(1))
        with peer_of(server, 1) as other:
            send(other, history(2))
        segment = server.run_folder / "segment"
    path = data / "journal" / name / "data.mdb"
    os.truncate(path, 3 * PAGE)
    assert segment.exists()
    refusal = refusal_of(data)
    assert f"cannot serve: {path}: " in refusal
    assert refusal.count(str(path)) == 1


def test_snapshot_of_another_installation_is_refused_by_name(made, data, process):
    path = data / "snapshots" / "snapshot-0000000000000003.rfs"
    shutil.copy(list_snapshots(made / "other" / "snapshots")[0], path)
    found = process.look(data)
    assert f"{path}: snapshot of another data folder: folder_id=" in found.refusal
    assert "snapshot of another data folder" in refusal_of(data)


@pytest.mark.parametrize("name", JOURNALS)
def test_journal_of_a_newer_version_is_refused_with_both_versions(
    plain, process, monkeypatch, name
):
    path = plain / "journal" / name
    _append_newer(path, monkeypatch)
    text = f"{path}: written by a newer version: position="
    versions = f"format={journal.FORMAT + 1}, newest known={journal.FORMAT}"
    refused(process.look(plain), text, versions)
    refusal = refusal_of(plain)
    assert text in refusal and versions in refusal


def test_snapshot_of_a_newer_version_is_refused_and_not_passed_over(made, data, process):
    newest = list_snapshots(data / "snapshots")[0]
    content = bytearray(newest.read_bytes())
    file_id = snapshot_format.decode_preamble(bytes(content[:32]))[1]
    newer = snapshot_format.VERSION + 1
    content[:32] = snapshot_format.encode_preamble(newer, file_id)
    newest.write_bytes(content)
    text = f"{newest}: snapshot of a newer format: version={newer}, limit={newer - 1}"
    refused(process.look(data), text)
    assert text in refusal_of(data)
    assert newest.exists()


def test_cut_journal_and_snapshot_are_said_at_the_start_of_a_server(made, data, process):
    os.truncate(list_snapshots(data / "snapshots")[0], 100_000)
    with serving(data, *TWO) as server:
        assert state_of(server).hex() == _digest(whole(made, process))
        assert "cut short" in server.log or "length of the file" in server.log
    path = data / "journal" / "worker-1" / "data.mdb"
    os.truncate(path, 3 * PAGE)
    refusal = refusal_of(data)
    assert f"cannot serve: {path.parent}" in refusal
    assert f"`ringfence data verify {data}` says more" in refusal


def _digest(found: Found) -> str:
    return found.state.partition("\n")[0]


def _swap(one: Path, other: Path) -> None:
    away = one.with_name("away")
    one.rename(away)
    other.rename(one)
    away.rename(other)


def _append_newer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds a value to a journal as the next version of the program would."""
    done: SimpleQueue[object] = SimpleQueue()
    with monkeypatch.context() as next_version:
        next_version.setattr(journal, "FORMAT", journal.FORMAT + 1)
        opened = open_journal(folder, identity=identity_of(folder), map_size_bytes=MAP_SIZE_BYTES)
        opened.append(b"", done.put)
        opened.close()
    assert isinstance(done.get(), int)
