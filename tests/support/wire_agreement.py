"""The decoder and the protobuf library read one message: they must agree on all of it.

What a decoder holds shows in what it inserts: one engine takes the decoded batch, its twin takes
the columns that the protobuf library read. Shared by the property tests and the fuzz target.
"""

from contextlib import suppress

import numpy as np
from google.protobuf.message import DecodeError

from ringfence.engine.events.wire import (
    CHECK_NUMBERS_MAX,
    EVENTS_MAX,
    EventDecoder,
    WireError,
    decode_check,
    split_numbers,
)
from ringfence.v1.event_service_pb2 import StreamEventsRequest
from ringfence.v1.number_service_pb2 import CheckNumbersRequest
from support.small_table import START, SmallTable, make_table


class WireTwins:
    """Two equal tables, one fed by the decoder and one by the protobuf library."""

    def __init__(self) -> None:
        self.decoder = EventDecoder()
        self.ours: SmallTable = make_table(ring_entries=60)
        self.theirs: SmallTable = make_table(ring_entries=60)

    def compare_events(self, message: bytes) -> bool:
        """Whether the message is good; raises AssertionError when the two do not agree."""
        request = StreamEventsRequest()
        try:
            request.ParseFromString(message)
        except DecodeError:
            assert self._refused_as(message) == ""
            return False
        columns = (request.called, request.caller, request.occurred_at, request.kind)
        lengths = {len(column) for column in columns}
        if len(lengths) > 1 or max(lengths) > EVENTS_MAX:
            assert self._refused_as(message) != ""
            return False
        self.decoder.decode(message)
        assert self.decoder.feed == request.feed
        assert self.decoder.sequence == request.sequence
        assert self.decoder.watermark == request.watermark
        assert self.decoder.complete_from == request.complete_from
        assert self.decoder.events == len(request.called)
        self._compare_inserted(request)
        return True

    def _refused_as(self, message: bytes) -> str:
        """The field of the decoder's refusal; it then holds nothing."""
        try:
            self.decoder.decode(message)
        except WireError as error:
            assert (self.decoder.events, self.decoder.feed, self.decoder.sequence) == (0, "", 0)
            assert (self.decoder.watermark, self.decoder.complete_from) == (0, 0)
            return error.field
        raise AssertionError("the decoder took what the protobuf library refused")

    def _compare_inserted(self, request: StreamEventsRequest) -> None:
        now = START + 1000
        ours = self.ours.engine.insert_decoded(self.decoder, now=now)
        theirs = self.theirs.engine.insert(
            np.array(request.called, np.uint64),
            np.array(request.caller, np.uint64),
            np.array(request.occurred_at, np.uint32),
            np.array(request.kind, np.int32),
            now=now,
        )
        for name in ("accepted", "untracked", "rejected", "rejections"):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert self.ours.rings() == self.theirs.rings()


def compare_check(message: bytes) -> bool:
    """Whether a CheckNumbersRequest is good; raises AssertionError when the two do not agree."""
    request = CheckNumbersRequest()
    _compare_split(message)
    try:
        request.ParseFromString(message)
    except DecodeError:
        _expect_refusal(message, "")
        return False
    if not 1 <= len(request.numbers) <= CHECK_NUMBERS_MAX:
        _expect_refusal(message, "numbers")
        return False
    numbers, at = decode_check(message)
    assert numbers.tolist() == list(request.numbers)
    assert at == request.at
    return True


def _compare_split(message: bytes) -> None:
    """Its first field and the rest are what protobuf makes of the whole."""
    whole, without = CheckNumbersRequest(), CheckNumbersRequest()
    try:
        whole.ParseFromString(message)
    except DecodeError:
        with suppress(WireError, DecodeError):
            without.ParseFromString(split_numbers(message)[1])
            raise AssertionError("the split took what must be refused") from None
        return
    numbers, rest = split_numbers(message)
    assert numbers.tolist() == list(whole.numbers)
    without.ParseFromString(rest)
    whole.ClearField("numbers")
    assert without == whole


def _expect_refusal(message: bytes, field: str) -> None:
    try:
        decode_check(message)
    except WireError as error:
        assert error.field == field
    else:
        raise AssertionError("the decoder took what must be refused")
