"""SMPP from the wire: whatever comes, PDUs, or a reason why not, and nothing else."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import smpp_pdus as made

from ringfence.adapters.base import Unreadable
from ringfence.adapters.smpp.body import bind_body, read_bind, read_message, read_tlvs
from ringfence.adapters.smpp.pdu import (
    DATA_SM,
    DELIVER_SM,
    PDU_MAX,
    SUBMIT_MULTI,
    SUBMIT_SM,
    Framing,
    Pdu,
)

MESSAGES = (SUBMIT_SM, DELIVER_SM, SUBMIT_MULTI, DATA_SM)


def reason(command: int, body: bytes) -> str:
    with pytest.raises(Unreadable) as raised:
        read_message(command, body)
    return raised.value.reason


@given(st.data())
def test_pdus_are_the_same_however_the_stream_is_cut(data: st.DataObject) -> None:
    bodies = data.draw(st.lists(st.binary(max_size=40), max_size=6))
    stream = b"".join(made.octets(body, sequence=n) for n, body in enumerate(bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    framing = Framing()
    found = [
        pdu
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for pdu in framing.feed(stream[begin:end])
    ]
    assert found == [Pdu(SUBMIT_SM, 0, n, body) for n, body in enumerate(bodies)]
    assert not framing.inside


@pytest.mark.parametrize("length", [0, 8, 15, PDU_MAX + 1, 2**31, 2**32 - 1])
def test_a_length_that_cannot_be_ends_the_stream_after_what_was_whole(length: int) -> None:
    found = []
    with pytest.raises(Unreadable, match="smpp_length"):
        for pdu in Framing().feed(made.octets(b"") + struct.pack(">4I", length, 4, 0, 1)):
            found.append(pdu)
    assert found == [Pdu(SUBMIT_SM, 0, 1, b"")]


def test_who_has_not_bound_is_given_less_room() -> None:
    with pytest.raises(Unreadable, match="smpp_length"):
        list(Framing(limit=100).feed(made.octets(bytes(85))))


def test_a_pdu_of_the_greatest_length_is_one() -> None:
    whole = made.octets(bytes(PDU_MAX - 16))
    framing = Framing()
    assert [p for n in range(0, PDU_MAX, 1000) for p in framing.feed(whole[n : n + 1000])] == [
        Pdu(SUBMIT_SM, 0, 1, bytes(PDU_MAX - 16))
    ]


@given(st.binary(max_size=300))
@example(struct.pack(">4I", 8, 4, 0, 1))
@example(struct.pack(">4I", 2**31, 4, 0, 1))
def test_octets_at_random_are_pdus_or_unreadable(octets: bytes) -> None:
    framing = Framing()
    try:
        bodies = [pdu.body for pdu in framing.feed(octets)]
    except Unreadable as unreadable:
        assert unreadable.reason == "smpp_length"
    else:
        assert sum(16 + len(body) for body in bodies) <= len(octets)


@given(st.sampled_from(MESSAGES), st.binary(max_size=200))
def test_bodies_at_random_are_read_or_unreadable(command: int, body: bytes) -> None:
    try:
        message = read_message(command, body)
    except Unreadable as unreadable:
        assert unreadable.reason.startswith("smpp_")
    else:
        assert 0 <= message.esm_class <= 255


@given(st.sampled_from(MESSAGES), st.data())
def test_a_body_with_anything_changed_is_read_or_unreadable(
    command: int, data: st.DataObject
) -> None:
    whole = bytearray(
        {
            SUBMIT_MULTI: made.multi((1, 1, made.CALLED), lists=(b"all",)),
            DATA_SM: made.data(tlvs=made.tlv(0x424, b"hello")),
        }.get(command, made.message(tlvs=made.sar(1, 2, 1)))
    )
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        assert read_message(command, cut).lists >= 0
    except Unreadable as unreadable:
        assert unreadable.reason.startswith("smpp_")


@given(st.binary(max_size=100))
def test_binds_at_random_are_read_or_unreadable(body: bytes) -> None:
    try:
        bind = read_bind(body)
    except Unreadable as unreadable:
        assert unreadable.reason == "smpp_bind_cut"
        assert body.count(0) < 2
    else:
        assert body.startswith(b"%b\0%b\0" % bind)


@pytest.mark.parametrize(("at", "why"), [(-1, "smpp_text_cut"), (-7, "smpp_body_cut"), (3, "_")])
def test_what_is_cut_says_where(at: int, why: str) -> None:
    assert why in reason(SUBMIT_SM, made.message()[:at])


def test_optional_parameters_that_are_cut_say_so() -> None:
    body = made.message(tlvs=made.tlv(0x424, b"hello")[:-1])
    assert reason(SUBMIT_SM, body) == "smpp_tlv_cut"
    assert reason(SUBMIT_SM, made.message(tlvs=b"\0\1")) == "smpp_tlv_cut"
    assert read_tlvs(b"\0\0", 0) == {}, "zeros at the end are nothing"


def test_a_destination_that_is_neither_a_number_nor_a_list_says_so() -> None:
    body = made.multi((1, 1, made.CALLED))
    assert reason(SUBMIT_MULTI, body.replace(b"\1\1\1", b"\3\1\1")) == "smpp_destination_flag"


def test_a_message_is_what_was_written() -> None:
    message = read_message(SUBMIT_SM, made.message(b"hi", esm_class=3, tlvs=made.tlv(5, b"x")))
    assert message.source == b"\1\1" + made.CALLER.encode()
    assert message.destinations == [b"\1\1" + made.CALLED.encode()]
    assert (message.esm_class, message.text, message.tlvs) == (3, b"hi", {5: b"x"})


def test_a_message_shows_nobody_what_it_says_nor_who_does() -> None:
    shown = repr(read_message(SUBMIT_SM, made.message(b"secret", tlvs=made.tlv(5, b"secret"))))
    assert "secret" not in shown
    assert made.CALLER not in shown


def test_a_bind_is_what_was_written() -> None:
    assert read_bind(bind_body(b"gateway", b"password")) == (b"gateway", b"password")
