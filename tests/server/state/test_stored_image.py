"""What a snapshot has of the keeper comes back, run by run; damage is found and passed over."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.keeper_inside import NOW, KeeperInside, journal, run, segment
from support.kept_image import whole
from support.places import DATA

from ringfence.engine.memory.segment import Segment
from ringfence.engine.snapshot import SnapshotDamaged, check_snapshot, load_snapshot, write_snapshot
from ringfence.engine.snapshot import format as snapshot_format
from ringfence.engine.snapshot.format import FRAME, Kind
from ringfence.engine.snapshot.read import SnapshotFile
from ringfence.server.journal.keeper_value_pb2 import KeeperImage
from ringfence.server.state import hand_out_runs
from ringfence.server.state.hand_out_book import HandOutBook
from ringfence.server.state.hand_out_runs import HAND_OUT
from ringfence.server.state.keeper_image import (
    StoredImage,
    newest_image,
    read_image,
    read_settings,
)

__all__ = ["journal", "segment"]  # fixtures

FIRST = 447700900000
VERSION_2 = DATA / "snapshot-version-2.rfs.gz"
BLOCK_BYTES = 256  # 16 hand-outs


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of many chunks in many blocks."""
    monkeypatch.setattr(snapshot_format, "BLOCK_BYTES", BLOCK_BYTES)
    monkeypatch.setattr(hand_out_runs, "CHUNK_ROWS", 7)


def hand_outs(*counts: int) -> list[bytes]:
    """Runs of so many rows."""
    runs = []
    for place, count in enumerate(counts):
        rows = np.zeros(count, HAND_OUT)
        rows["number"] = FIRST + place + 10 * np.arange(count)
        rows["assigned_at"] = NOW + place
        runs.append(rows.tobytes())
    return runs


def snapshot(folder: Path, number: int, runs: list[bytes], *lengths: int, more: int = 0) -> Path:
    """A snapshot of no numbers, with so many parts more."""
    head = KeeperImage(position=number, decided_at=NOW, hand_out_runs=lengths)
    parts = [KeeperImage(assigned_total=[place]) for place in range(more)]
    return write_snapshot(
        Segment.create(None, capacity_numbers=10),
        folder,
        number=number,
        positions={},
        keeper_position=number,
        keeper_state=[part.SerializeToString() for part in (head, *parts)],
        hand_outs=runs,
        taken_at=NOW,
    )


def flip(path: Path, kind: Kind, place: int = 0) -> None:
    """Changes a bit of a block."""
    with SnapshotFile(path) as file:
        block = file.blocks_of(kind)[place]
    content = bytearray(path.read_bytes())
    content[block.offset + FRAME.size + block.size_bytes // 2] ^= 8
    path.write_bytes(content)


@pytest.mark.parametrize("counts", [(), (1,), (7,), (16, 16), (100, 50, 3, 1), (5, 33)])
def test_runs_come_back_as_they_were(tmp_path: Path, counts: tuple[int, ...]) -> None:
    written = hand_outs(*counts)
    path = snapshot(tmp_path, 1, written, *counts, more=40)
    image = read_image(path)
    assert [b"".join(map(np.ndarray.tobytes, run.chunks)) for run in image.runs] == written
    assert [len(chunk) for run in image.runs for chunk in run.chunks[:-1]] == [
        7 for count in counts for _ in range((count - 1) // 7)
    ]
    assert len(list(image.parts)) == 41
    assert list(whole(image).assigned_total) == list(range(40))
    book = HandOutBook(most=1_000)
    book.load(image.runs)
    for place, count in enumerate(counts):
        assert book.find(FIRST + place + 10 * (count - 1), NOW) == (NOW + place, 0, 0)


@pytest.mark.parametrize("lengths", [(99,), (100, 1), ()])
def test_hand_outs_that_are_not_as_many_as_was_said_are_damage(
    tmp_path: Path, lengths: tuple[int, ...]
) -> None:
    path = snapshot(tmp_path, 1, hand_outs(100), *lengths)
    with pytest.raises(SnapshotDamaged, match=f"bytes=1600, expected={16 * sum(lengths)}"):
        read_image(path)


@pytest.mark.parametrize("kind", [Kind.HAND_OUTS, Kind.KEEPER_STATE])
@pytest.mark.parametrize("place", [0, -1])
def test_damage_is_found_by_everybody_and_the_older_one_used(
    tmp_path: Path, kind: Kind, place: int
) -> None:
    older = snapshot(tmp_path, 1, hand_outs(90), 90, more=300)
    newer = snapshot(tmp_path, 2, hand_outs(80, 20), 80, 20, more=300)
    assert whole(newest_image(tmp_path)).position == 2
    flip(newer, kind, place)
    empty = Segment.create(None, capacity_numbers=10)
    finders: list[Callable[[], object]] = [
        lambda: check_snapshot(newer),
        lambda: load_snapshot(newer, empty, threads=1),
        lambda: read_image(newer),
    ]
    for find in finders:
        with pytest.raises(SnapshotDamaged, match="checksum"):
            find()
    image = newest_image(tmp_path)
    assert whole(image).position == 1
    assert [run.rows for run in image.runs] == [90]
    flip(older, kind, place)
    assert list(newest_image(tmp_path).parts) == []


def test_part_that_is_no_message_is_damage(tmp_path: Path) -> None:
    path = write_snapshot(
        Segment.create(None, capacity_numbers=10),
        tmp_path,
        number=1,
        positions={},
        keeper_position=1,
        keeper_state=[KeeperImage(position=1).SerializeToString(), b"\xff"],
        taken_at=NOW,
    )
    check_snapshot(path)
    with pytest.raises(SnapshotDamaged, match="not a keeper's state"):
        read_image(path)


def test_settings_are_read_without_the_reservations(tmp_path: Path) -> None:
    parts = [
        KeeperImage(position=3, journals=[{"name": "worker-0", "position": 9}]),
        KeeperImage(claims=[{"feed": 1, "bounds": [1, 2]}]),
        KeeperImage(reservations=[b"one"]),
        KeeperImage(reservations=[b"other"]),
    ]
    path = write_snapshot(
        Segment.create(None, capacity_numbers=10),
        tmp_path,
        number=1,
        positions={},
        keeper_position=1,
        keeper_state=[part.SerializeToString() for part in parts],
        taken_at=NOW,
    )
    assert read_settings(path) == whole(StoredImage(parts[:2]))


def test_snapshot_of_version_2_is_read(tmp_path: Path, journal) -> None:
    """The file was written by the program that wrote this version."""
    path = tmp_path / "snapshot-0000000000000001.rfs"
    with gzip.open(VERSION_2) as packed, path.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    header = check_snapshot(path)
    assert (header.numbers, header.hand_outs_bytes, header.keeper_position) == (8, 0, 10)
    loaded = Segment.create(None, capacity_numbers=100)
    load_snapshot(path, loaded, threads=1)
    settings = read_settings(path)
    assert [placed.pool.name for placed in settings.pools] == ["default"]
    assert [list(claims.bounds) for claims in settings.claims] == [[NOW - 90, NOW - 30]]
    assert {at.name: at.position for at in settings.journals} == {"worker-0": 7}
    assert not settings.reservations and not settings.hand_outs
    image = newest_image(tmp_path)

    async def use(inside: KeeperInside) -> None:
        state = inside.keeper.state
        assert [state.hand_outs.find(FIRST + place, NOW) for place in range(4)] == [
            *[(NOW, 0, 0)] * 3,
            None,
        ]
        assert [(len(each.numbers), each.state) for each in state.reservations] == [
            (3, 2), (2, 3), (1, 1),
        ]  # fmt: skip
        assert (state.reservations.made, state.assigned_total[0], state.complaints[0]) == (3, 3, 1)
        again = await inside.ask(
            "ReserveNumbers", pool="default", count=1, actor="bss", request_id="r1"
        )
        assert again.id == f"{2:012x}-8e1e67c5"
        assert list(again.numbers) == [FIRST + 5]
        assert inside.keeper.reports.held("worker-0") == 7

    run(loaded, journal, use, image=image)
