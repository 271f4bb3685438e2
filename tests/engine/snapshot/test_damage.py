"""A snapshot that is not what was written is found out, named by file and place, never applied."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.run_seed import run_seed
from support.snapshot_files import KEEPER_PARTS, Taken, busy_table, empty_segment, small_blocks

from ringfence.engine.snapshot import (
    SnapshotDamaged,
    SnapshotError,
    SnapshotNewer,
    check_snapshot,
    load_snapshot,
    read_header,
    read_keeper_state,
)
from ringfence.engine.snapshot import format as snapshot_format
from ringfence.engine.snapshot.format import FRAME, PREAMBLE, Block, Kind
from ringfence.engine.snapshot.read import SnapshotFile

__all__ = ["small_blocks"]
pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A snapshot of 100 numbers, which is four blocks of records."""
    return Taken(busy_table(numbers=100), tmp_path).take()


def blocks_of(path: Path) -> list[Block]:
    with SnapshotFile(path) as file:
        return file.blocks


FLIPS = 250  # of a run, others each time


def end_of(block: Block) -> int:
    return block.offset + FRAME.size + block.size_bytes


def refusal(path: Path) -> SnapshotDamaged:
    """How the file is refused: by the check and by loading, in the same words."""
    with pytest.raises(SnapshotDamaged) as checked:
        check_snapshot(path)
    segment = empty_segment()
    with pytest.raises(SnapshotDamaged) as taken:
        load_snapshot(path, segment, threads=2)
    assert segment.numbers == 0
    assert str(taken.value).split(": ")[:2] == [str(path), "damaged snapshot"]
    assert checked.value.path == path
    assert str(path) in str(checked.value) and f"offset={checked.value.offset}" in str(
        checked.value
    )
    return checked.value


def places_of(blocks: list[Block]) -> Iterator[tuple[Block, int]]:
    """Every byte of the frames, the header and the trailer, and some of all that is long."""
    chance = random.Random(1)
    for block in blocks:
        begin, end = block.offset + FRAME.size, end_of(block)
        short = block.size_bytes < 1000
        payload = (
            range(begin, end) if short else [begin, *chance.choices(range(begin, end)), end - 1]
        )
        for at in [*range(block.offset, begin), *payload]:
            yield block, at


def test_snapshot_has_blocks_of_every_kind(path: Path) -> None:
    blocks = blocks_of(path)
    kinds = [block.kind for block in blocks]
    assert kinds == [
        Kind.HEADER, *[Kind.KEEPER_STATE] * 3, *[Kind.HAND_OUTS] * 2, *[Kind.RECORDS] * 4,
        Kind.SPRAY_MAP,
        *[Kind.CALLERS] * 18, Kind.TRAILER,
    ]  # fmt: skip
    assert [block.number for block in blocks] == list(range(len(blocks)))
    assert end_of(blocks[-1]) == path.stat().st_size


@pytest.mark.slow
def test_any_flipped_bit_is_found_and_its_block_named(path: Path) -> None:
    seed = run_seed()
    print(f"seed={seed}")
    chance = random.Random(seed)
    whole = path.read_bytes()
    places = list(places_of(blocks_of(path)))
    with path.open("r+b", buffering=0) as file:
        for block, at in chance.sample(places, min(len(places), FLIPS)):
            os.pwrite(file.fileno(), bytes([whole[at] ^ 1 << chance.randrange(8)]), at)
            error = refusal(path)
            assert (error.block, error.offset) == (block.number, block.offset), at
            os.pwrite(file.fileno(), whole[at : at + 1], at)
    check_snapshot(path)


@pytest.mark.parametrize("at", range(PREAMBLE.size))
def test_flipped_bit_in_the_preamble_is_damage_and_no_other_format(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    for bit in range(8):
        content[at] ^= 1 << bit
        path.write_bytes(content)
        error = refusal(path)
        assert (error.block, error.offset) == (None, 0)
        content[at] ^= 1 << bit


@pytest.mark.slow
def test_file_cut_anywhere_is_found_before_its_records_are_read(path: Path, tmp_path: Path) -> None:
    cuts = {0, 1, PREAMBLE.size - 1, PREAMBLE.size, path.stat().st_size - 1}
    for block in blocks_of(path):
        cuts |= {block.offset, block.offset + 7, block.offset + FRAME.size, end_of(block) - 1}
    for cut in sorted(cuts):
        short = Path(shutil.copy(path, tmp_path / "short"))
        os.truncate(short, cut)
        assert refusal(short).offset <= cut
        with pytest.raises(SnapshotDamaged):
            read_header(short)


def test_longer_file_is_found(path: Path) -> None:
    size_bytes = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\0")
    assert f"bytes={size_bytes + 1}, expected={size_bytes}" in str(refusal(path))


@pytest.mark.slow
def test_hole_of_zeros_is_found(path: Path) -> None:
    for block in blocks_of(path):
        content = bytearray(path.read_bytes())
        content[block.offset : end_of(block)] = bytes(end_of(block) - block.offset)
        hole = path.with_name("hole")
        hole.write_bytes(content)
        assert refusal(hole).block == block.number


def test_whole_block_from_another_place_is_found(path: Path) -> None:
    first, second = (b for b in blocks_of(path) if b.kind is Kind.RECORDS and b.first_byte < 8192)
    content = bytearray(path.read_bytes())
    content[second.offset : end_of(second)] = content[first.offset : end_of(first)]
    path.write_bytes(content)
    assert refusal(path).block == second.number


@pytest.mark.slow
def test_whole_block_of_an_equal_snapshot_is_found(tmp_path: Path) -> None:
    taken = Taken(busy_table(numbers=100), tmp_path)
    one, other = taken.take(1), taken.take(2)
    for block in blocks_of(one):
        content = bytearray(one.read_bytes())
        content[block.offset : end_of(block)] = other.read_bytes()[block.offset : end_of(block)]
        mixed = tmp_path / "mixed"
        mixed.write_bytes(content)
        assert refusal(mixed).block == block.number


def test_damaged_keepers_state_is_not_given_out(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(KEEPER_PARTS[0][:1000]) + 500] ^= 4
    path.write_bytes(content)
    with pytest.raises(SnapshotDamaged):
        list(read_keeper_state(path))


def with_version(path: Path, version: int) -> Path:
    """The file as if another version had written it."""
    content = bytearray(path.read_bytes())
    _, file_id = snapshot_format.decode_preamble(bytes(content[: PREAMBLE.size]))
    content[: PREAMBLE.size] = snapshot_format.encode_preamble(version, file_id)
    path.write_bytes(content)
    return path


def test_newer_format_is_refused_by_name(path: Path) -> None:
    newer = with_version(path, snapshot_format.VERSION + 1)
    for refuse in (check_snapshot, read_header, lambda path: list(read_keeper_state(path))):
        with pytest.raises(SnapshotNewer, match="newer format: version=5, limit=4") as caught:
            refuse(newer)
        assert str(newer) in str(caught.value)
    segment = empty_segment()
    with pytest.raises(SnapshotNewer):
        load_snapshot(newer, segment, threads=1)
    assert segment.numbers == 0


def test_older_format_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_format, "VERSION", snapshot_format.VERSION + 1)
    assert check_snapshot(path).numbers == 100


def test_format_that_never_was_is_refused(path: Path) -> None:
    with pytest.raises(SnapshotError, match="version=0, limit=1"):
        read_header(with_version(path, 0))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ring_entries", 13), ("record_bytes", 64), ("block_bytes", 100), ("block_bytes", 0),
        ("block_bytes", 2**40), ("numbers", -1), ("numbers", 2**64), ("folder_id", "00"),
        ("folder_id", "zz"), ("positions", {"worker-0": -1}), ("positions", 5), ("surprise", 1),
        ("spray", 5), ("spray", {"numbers": 1}), ("spray", {"callers": 17}),
        ("spray", {"surprise": 1}),
    ],
)  # fmt: skip
def test_header_that_no_program_wrote_is_refused(path: Path, field: str, value: object) -> None:
    header = read_header(path)
    fields = json.loads(header.encode())
    payload = json.dumps({**fields, field: value}).encode()
    content = path.read_bytes()
    _, file_id = snapshot_format.decode_preamble(content[: PREAMBLE.size])
    frame = snapshot_format.encode_frame(file_id, 0, Kind.HEADER, memoryview(payload))
    path.write_bytes(
        content[: PREAMBLE.size] + frame + payload + content[blocks_of(path)[1].offset :]
    )
    assert refusal(path).block == 0


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="nothing"):
        read_header(tmp_path / "nothing")
