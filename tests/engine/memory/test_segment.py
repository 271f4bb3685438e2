"""The shared segment: what is made can be opened, what is not one is refused with both figures."""

import gc
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from support.engine import Engine
from support.small_table import ALICE, KEY, NUMBERS, START, a_call, insert, make_table

from ringfence.engine.memory.segment import VERSION, Segment, SegmentError
from ringfence.engine.settings.reading import read_feeds, read_policies, read_pools
from ringfence.engine.verdict.scan import TableScan
from ringfence.engine.words import Verdict

FOLDER = bytes(range(16))
# Where the fields of the header are; `record.h` draws it.
MAGIC_AT, VERSION_AT = 0, 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed segment of 100 numbers."""
    path = tmp_path / "segment"
    Segment.create(path, capacity_numbers=100, folder_id=FOLDER).close()
    return path


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def refusal(path: Path, **expected: int | bytes) -> str:
    """The text with which a segment is refused."""
    with pytest.raises(SegmentError) as caught:
        Segment.open(path, **expected)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("ring_entries", "record_bytes"),
    [(12, 128), (28, 256), (60, 512), (124, 1_024), (252, 2_048)],
)
def test_segment_opens_with_the_geometry_it_was_made_with(
    tmp_path: Path, ring_entries: int, record_bytes: int
) -> None:
    path = tmp_path / "segment"
    made = Segment.create(path, capacity_numbers=100, ring_entries=ring_entries, folder_id=FOLDER)
    opened = Segment.open(path, capacity_numbers=100, ring_entries=ring_entries, folder_id=FOLDER)
    for segment in (made, opened):
        assert segment.capacity_numbers == 100
        assert (segment.ring_entries, segment.record_bytes) == (ring_entries, record_bytes)
        assert segment.folder_id == FOLDER
        assert segment.numbers == 0
        assert segment.size_bytes == path.stat().st_size
        assert segment.size_bytes == Segment.bytes_needed(100, ring_entries)
        segment.close()


def test_every_page_of_the_file_is_reserved(path: Path) -> None:
    assert path.stat().st_blocks * 512 >= path.stat().st_size


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("ring_entries", "bytes_a_number"),
    [  # record, index, and 8 bytes for each stretch of a large record
        (12, 128 + 16),
        (28, 256 + 16),
        (60, 512 + 16),
        (124, 1_024 + 16 + 64),
        (252, 2_048 + 16 + 128),
    ],
)
def test_bytes_per_number_follow_the_capacity(ring_entries: int, bytes_a_number: int) -> None:
    sizes = [Segment.bytes_needed(numbers, ring_entries) for numbers in (1, 10_000_001)]
    assert (sizes[1] - sizes[0]) / 10_000_000 == pytest.approx(bytes_a_number, rel=0.01)


def test_wrong_magic_is_refused(path: Path) -> None:
    overwrite(path, MAGIC_AT, b"SOMEBODY")
    text = refusal(path)
    assert "not a segment" in text
    assert hex(int.from_bytes(b"SOMEBODY", "little")) in text
    assert hex(int.from_bytes(b"RNGFENCE", "little")) in text


def test_half_made_segment_is_refused(path: Path) -> None:
    overwrite(path, MAGIC_AT, bytes(8))
    assert "magic=0x0" in refusal(path)


def test_other_version_is_refused(path: Path) -> None:
    overwrite(path, VERSION_AT, (VERSION + 1).to_bytes(4, "little"))
    assert f"version={VERSION + 1}, expected={VERSION}" in refusal(path)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ({"capacity_numbers": 99}, "capacity_numbers=100, expected=99"),
        ({"ring_entries": 28}, "ring_entries=12, expected=28"),
        ({"folder_id": bytes(16)}, f"folder_id={FOLDER.hex()}, expected={'00' * 16}"),
    ],
)
def test_segment_other_than_asked_for_is_refused(
    path: Path, expected: dict[str, int | bytes], text: str
) -> None:
    assert text in refusal(path, **expected)


@pytest.mark.parametrize("grow_by", [-4096, -1, 1, 4096])
def test_file_of_another_size_is_refused(path: Path, grow_by: int) -> None:
    size = path.stat().st_size
    os.truncate(path, size + grow_by)
    text = refusal(path)
    assert f"bytes={size + grow_by}," in text
    assert f"expected={size}" in text


@pytest.mark.parametrize("size", [0, 1, 4095])
def test_file_shorter_than_a_header_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "segment"
    path.write_bytes(bytes(size))
    assert f"bytes={size}, least=4096" in refusal(path)


@pytest.mark.parametrize("at", range(32))
def test_header_with_any_wrong_byte_is_refused(path: Path, at: int) -> None:
    right = path.read_bytes()[at]
    for wrong in (right ^ 0x80, right ^ 0xFF):
        overwrite(path, at, bytes([wrong]))
        assert str(path) in refusal(path)


@pytest.mark.parametrize("capacity_numbers", [0, -1, 1_000_000_001])
def test_impossible_capacity_is_refused(tmp_path: Path, capacity_numbers: int) -> None:
    path = tmp_path / "segment"
    with pytest.raises(SegmentError, match=f"value={capacity_numbers}, bound=1 to"):
        Segment.create(path, capacity_numbers=capacity_numbers)
    assert not path.exists()


@pytest.mark.parametrize("ring_entries", [0, 11, 13, 61, 123, 253])
def test_ring_of_another_length_is_refused(tmp_path: Path, ring_entries: int) -> None:
    path = tmp_path / "segment"
    with pytest.raises(SegmentError, match=f"value={ring_entries}, bound=12, 28, 60, 124 or 252"):
        Segment.create(path, capacity_numbers=10, ring_entries=ring_entries)
    assert not path.exists()


@pytest.mark.parametrize("size", [0, 15, 17])
def test_folder_id_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "segment"
    with pytest.raises(SegmentError, match=f"bytes={size}, bound=16"):
        Segment.create(path, capacity_numbers=10, folder_id=bytes(size))
    assert not path.exists()


def test_too_little_room_is_refused_with_both_figures_and_leaves_no_file() -> None:
    room = os.statvfs("/dev/shm")
    capacity_numbers = room.f_blocks * room.f_frsize // 512 + 1  # more than the whole of it
    path = Path("/dev/shm") / f"ringfence-test-{os.getpid()}"
    with pytest.raises(SegmentError) as caught:
        Segment.create(path, capacity_numbers=capacity_numbers, ring_entries=60)
    assert f"bytes={Segment.bytes_needed(capacity_numbers, 60)}" in str(caught.value)
    assert "free=" in str(caught.value)
    assert not path.exists()


def test_existing_file_is_not_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        Segment.create(path, capacity_numbers=10)
    assert path.read_bytes() == before


def test_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Segment.open(tmp_path / "nothing")


def test_zero_bytes_are_a_table_of_empty_records(path: Path) -> None:
    segment = Segment.open(path)
    engine = Engine(segment)
    assert not engine.records()["key"].any()
    assert path.read_bytes()[4096:] == bytes(segment.size_bytes - 4096)
    verdicts, clean_at = engine.check(np.array(NUMBERS, np.uint64), now=START)
    assert verdicts.tolist() == [Verdict.UNTRACKED] * len(NUMBERS)
    assert not clean_at.any()
    assert engine.explain(NUMBERS[0], now=START) is None
    assert not TableScan(segment).count(now=START).by_verdict.any()
    assert not read_policies(segment) and not read_pools(segment) and not read_feeds(segment)


def test_two_mappings_of_one_file_are_one_table(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    table = make_table(path)
    other = Engine(Segment.open(path), caller_key=KEY)
    insert(other, [a_call()])
    insert(table.engine, [a_call(after_s=1)])
    assert other.state_hash() == table.engine.state_hash()
    assert len(table.rings()[NUMBERS[0]]) == 2


@pytest.mark.slow
def test_segment_does_not_close_under_an_engine_or_an_array() -> None:
    segment = Segment.create(None, capacity_numbers=10)
    engine = Engine(segment)
    with pytest.raises(BufferError):
        segment.close()
    records = engine.records()
    del engine
    gc.collect()
    with pytest.raises(BufferError):
        segment.close()
    del records
    gc.collect()
    segment.close()


def test_closed_segment_is_not_used() -> None:
    segment = Segment.create(None, capacity_numbers=10)
    segment.close()
    segment.close()
    with pytest.raises(ValueError, match="closed"):
        Engine(segment)
    with pytest.raises(ValueError, match="closed"):
        _ = segment.numbers


def test_no_caller_is_written_to_the_segment(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    table = make_table(path)
    callers = [ALICE, 2**63 | 0x0123_4567_89AB_CDEF]
    for caller in callers:
        assert insert(table.engine, [a_call(number, 1, caller) for number in NUMBERS]).accepted
    content = path.read_bytes()
    assert int(table.rings()[NUMBERS[0]][0]).to_bytes(8, "little") in content
    for caller in callers:
        assert caller.to_bytes(8, "little") not in content
        assert caller.to_bytes(8, "big") not in content
        assert str(caller).encode() not in content
