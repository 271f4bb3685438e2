"""The bytes of one journalled batch: written and read, and read as they were written before."""

import pytest

from ringfence.server.journal.event_value import (
    Claim,
    EventValue,
    decode_event_value,
    encode_event_value,
)

T = 1_750_000_000


@pytest.mark.parametrize("claim", [None, Claim(0, 1, T, T + 9), Claim(255, 2**32 - 1, T, T)])
def test_value_is_read_as_it_was_written(claim):
    value = EventValue("west", claim, bytes(32))
    assert decode_event_value(encode_event_value(value)) == value


def test_claim_of_a_value_from_before_registrations_has_none():
    head = bytes([1, 4, 8, 0]) + T.to_bytes(4, "little") + (T + 9).to_bytes(4, "little") + bytes(4)
    value = EventValue("west", Claim(7, 0, T, T + 9), bytes(16))
    assert decode_event_value(head + b"west" + bytes(16)) == value
