"""The decoder reads what the protobuf library reads and refuses what it refuses.

RINGFENCE_EXAMPLES asks for a longer run.
"""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.small_table import NUMBERS, START
from support.wire_agreement import WireTwins, compare_check
from support.wire_encodings import (
    BYTES,
    FIELD_MAX,
    FIXED32,
    FIXED64,
    GROUP_BEGIN,
    GROUP_END,
    VARINT,
    batches,
    checks,
    spoiled,
    varint,
)

from ringfence.engine.events.wire import (
    CHECK_NUMBERS_MAX,
    EVENTS_MAX,
    EventDecoder,
    WireError,
    decode_check,
    encode_changed,
    encode_check,
    encode_events_answer,
)
from ringfence.engine.words import EventKind
from ringfence.v1.event_service_pb2 import (
    RecordEventsRequest,
    RecordEventsResponse,
    StreamEventsRequest,
    StreamEventsResponse,
)
from ringfence.v1.number_service_pb2 import CheckNumbersRequest, CheckNumbersResponse
from ringfence.v1.quarantine_service_pb2 import HoldNumbersResponse

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "20"))
slow = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)


def tag(field: int, wire: int) -> bytes:
    return varint(field << 3 | wire)


@slow
@given(batches())
@pytest.mark.slow
def test_every_valid_encoding_is_read_as_protobuf_reads_it(message: bytes) -> None:
    assert WireTwins().compare_events(message)


@slow
@given(spoiled(batches()))
@pytest.mark.slow
def test_spoiled_batch_is_taken_or_refused_as_protobuf_does_it(message: bytes) -> None:
    WireTwins().compare_events(message)


@slow
@given(st.binary(max_size=60))
@pytest.mark.slow
def test_random_bytes_are_taken_or_refused_as_protobuf_does_it(message: bytes) -> None:
    WireTwins().compare_events(message)
    compare_check(message)


@slow
@given(batches(), batches())
@pytest.mark.slow
def test_batches_one_after_the_other_are_one_batch(first: bytes, second: bytes) -> None:
    assert WireTwins().compare_events(first + second)


@slow
@given(batches())
@pytest.mark.slow
def test_every_truncation_is_taken_or_refused_as_protobuf_does_it(message: bytes) -> None:
    twins = WireTwins()
    for end in range(len(message)):
        twins.compare_events(message[:end])


@slow
@given(checks())
@pytest.mark.slow
def test_every_valid_check_is_read_as_protobuf_reads_it(message: bytes) -> None:
    assert compare_check(message) == bool(CheckNumbersRequest.FromString(message).numbers)


@slow
@given(spoiled(checks()))
@pytest.mark.slow
def test_spoiled_check_is_taken_or_refused_as_protobuf_does_it(message: bytes) -> None:
    compare_check(message)


@pytest.mark.parametrize("message", [
    tag(0, VARINT) + b"\x01",
    tag(9, 6) + b"\x01",
    tag(9, 7) + b"\x01",
    tag(9, GROUP_END),
    tag(9, GROUP_BEGIN),
    tag(9, GROUP_BEGIN) + tag(10, GROUP_END),
    tag(9, GROUP_BEGIN) + tag(0, GROUP_END),
    tag(4, BYTES) + varint(7) + bytes(7),
    tag(6, BYTES) + varint(5) + bytes(5),
    tag(7, BYTES) + varint(1) + b"\x80",
    tag(4, FIXED64) + bytes(7),
    tag(3, FIXED32) + bytes(3),
    tag(2, VARINT) + b"\x80" * 10 + b"\x01",
    tag(1, BYTES) + varint(2) + b"\xc3\x28",
    tag(1, BYTES) + varint(3) + b"\xed\xa0\x80",
    tag(1, BYTES) + b"\xff\xff\xff\xff\x0f",
    tag(1, BYTES) + b"\x80\x80\x80\x80\x80\x00",
    b"\xff\xff\xff\xff\x7f\x00",
    b"\x90\x80\x80\x80\x80\x00\x01",
])  # fmt: skip
def test_what_protobuf_refuses_is_refused(message: bytes) -> None:
    assert not WireTwins().compare_events(message)
    with pytest.raises(WireError, match="not a protobuf message") as caught:
        EventDecoder().decode(message)
    assert caught.value.field == ""


@pytest.mark.parametrize("message", [
    b"",
    tag(4, BYTES) + varint(0),
    tag(FIELD_MAX, VARINT) + b"\x01",
    tag(2, VARINT) + b"\xff" * 9 + b"\x01",
    tag(2, VARINT) + b"\xff" * 9 + b"\x02",
    tag(9, GROUP_BEGIN) + b"\x00\x00" + tag(9, GROUP_END),
    tag(9, GROUP_BEGIN) + tag(0, GROUP_BEGIN) + tag(0, GROUP_END) + tag(9, GROUP_END),
    tag(9, VARINT) + b"\xff" * 9 + b"\x7e",
    tag(2, VARINT) + b"\x80" * 9 + b"\x00",
    tag(1, BYTES) + varint(2) + b"\xc3\xa9",
    tag(9, GROUP_BEGIN) + tag(4, FIXED64) + bytes(8) + tag(9, GROUP_END),
])  # fmt: skip
def test_odd_but_valid_encodings_are_taken(message: bytes) -> None:
    assert WireTwins().compare_events(message)


@pytest.mark.parametrize("depth", [1, 50, 98, 99, 100, 101, 102, 5000])
def test_groups_are_followed_as_deep_as_protobuf_follows_them(depth: int) -> None:
    message = tag(9, GROUP_BEGIN) * depth + tag(9, GROUP_END) * depth
    assert WireTwins().compare_events(message) == (depth <= 100)


def test_both_requests_have_one_wire_format() -> None:
    one = StreamEventsRequest(feed="a", sequence=5, watermark=7, called=[NUMBERS[0]], caller=[0])
    other = RecordEventsRequest(feed="a", sequence=5, watermark=7, called=[NUMBERS[0]], caller=[0])
    assert one.SerializeToString() == other.SerializeToString()


@pytest.mark.parametrize(
    ("column", "lengths"),
    [
        ("called", "2, 3, 3, 3"),
        ("caller", "3, 2, 3, 3"),
        ("occurred_at", "3, 3, 2, 3"),
        ("kind", "3, 3, 3, 2"),
    ],
)
def test_unequal_columns_are_refused_with_their_lengths(column: str, lengths: str) -> None:
    request = StreamEventsRequest.FromString(batch_of(3))
    getattr(request, column).pop()
    decoder = EventDecoder()
    with pytest.raises(WireError) as caught:
        decoder.decode(request.SerializeToString())
    assert caught.value.field == "called, caller, occurred_at, kind"
    assert caught.value.text == f"lengths={lengths}, bound=equal"
    assert decoder.events == 0


def batch_of(events: int) -> bytes:
    """A good batch of that many events, packed."""
    return StreamEventsRequest(
        called=[NUMBERS[0]] * events,
        caller=[0] * events,
        occurred_at=[START] * events,
        kind=[EventKind.CALL] * events,  # type: ignore[list-item]
    ).SerializeToString()


def test_greatest_batch_is_taken_and_one_event_more_is_not() -> None:
    decoder = EventDecoder()
    decoder.decode(batch_of(EVENTS_MAX))
    assert decoder.events == EVENTS_MAX == 65_536
    with pytest.raises(WireError) as caught:
        decoder.decode(batch_of(65_537))
    assert (caught.value.field, caught.value.text) == ("called", "events=65537, limit=65536")
    assert decoder.events == 0


def test_one_event_more_is_refused_unpacked_too() -> None:
    unpacked = (
        (tag(4, FIXED64) + bytes(8)) * 65_537
        + (tag(5, FIXED64) + bytes(8)) * 65_537
        + (tag(6, FIXED32) + bytes(4)) * 65_537
        + (tag(7, VARINT) + b"\x01") * 65_537
    )
    with pytest.raises(WireError, match="events=65537, limit=65536"):
        EventDecoder().decode(unpacked)


def test_decoder_forgets_the_batch_before() -> None:
    decoder = EventDecoder()
    decoder.decode(StreamEventsRequest(feed="a", sequence=1, watermark=2).SerializeToString())
    decoder.decode(b"")
    assert (decoder.feed, decoder.sequence, decoder.watermark, decoder.events) == ("", 0, 0, 0)


@pytest.mark.parametrize("count", [0, 100_001])
def test_check_of_too_few_or_too_many_numbers_is_refused(count: int) -> None:
    message = tag(1, BYTES) + varint(8 * count) + bytes(8 * count)
    with pytest.raises(WireError, match=f"numbers: count={count}, bound=1 to 100000"):
        decode_check(message)


def test_greatest_check_is_taken() -> None:
    message = tag(1, BYTES) + varint(8 * CHECK_NUMBERS_MAX) + bytes(8 * CHECK_NUMBERS_MAX)
    numbers, at = decode_check(message)
    assert (numbers.size, at) == (100_000, 0)


u32 = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(st.integers(1, 9), u32, u32), max_size=300))
def test_check_answer_is_what_protobuf_reads(rows: list[tuple[int, int, int]]) -> None:
    verdicts = np.array([verdict for verdict, *_ in rows], np.uint8)
    clean_at, expected_at = (np.array([row[at] for row in rows], np.uint32) for at in (1, 2))
    answer = CheckNumbersResponse.FromString(encode_check(verdicts, clean_at, expected_at))
    assert list(zip(answer.verdicts, answer.clean_at, answer.expected_at, strict=True)) == rows


u64 = st.integers(0, 2**64 - 1)


@given(st.lists(u64, max_size=300), st.lists(st.tuples(u64, st.integers(1, 9)), max_size=300))
def test_changed_answer_is_what_protobuf_reads(
    changed: list[int], refused: list[tuple[int, int]]
) -> None:
    verdicts = np.array([verdict for _, verdict in refused], np.uint8)
    left_out = np.array([number for number, _ in refused], np.uint64)
    encoded = encode_changed(np.array(changed, np.uint64), left_out, verdicts)
    answer = HoldNumbersResponse.FromString(encoded)
    assert list(answer.changed) == changed
    assert [(each.number, each.verdict) for each in answer.refused] == refused


answers = st.fixed_dictionaries(
    {
        "sequence": st.integers(0, 2**64 - 1),
        "accepted": u32,
        "untracked": u32,
        "rejected": u32,
        "rejections": st.lists(st.tuples(u32, st.text()), max_size=10),
        "watermark": u32,
    }
)


@given(answers)
@pytest.mark.slow
def test_events_answer_is_what_protobuf_reads(fields: dict[str, Any]) -> None:
    coded = encode_events_answer(**fields)
    for answer in (StreamEventsResponse.FromString(coded), RecordEventsResponse.FromString(coded)):
        got = {name: getattr(answer, name) for name in fields}
        got["rejections"] = [(each.index, each.reason) for each in answer.rejections]
        assert got == fields
