"""Which messages of SMPP are attempts, whose, and at which number."""

import csv
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import smpp_pdus as made
from support.places import DATA, TESTS

from ringfence import EventKind, caller_of_text
from ringfence.adapters.base import Unreadable
from ringfence.adapters.smpp.body import Message, read_message
from ringfence.adapters.smpp.parts import Part, Parts
from ringfence.adapters.smpp.pdu import DATA_SM, DELIVER_SM, SUBMIT_MULTI, SUBMIT_SM, Pdu
from ringfence.adapters.smpp.reader import MESSAGES, SmppReader
from ringfence.adapters.smpp.repeats import key_of
from ringfence.wording.dialled import DialPlan

AT = 1_790_000_000
CALLED, CALLER = int(made.CALLED), int(made.CALLER)
FOLDER = DATA / "switch" / "smpp"


def read(*pdus: Pdu, country: int = 44) -> tuple[list[tuple[int, int, EventKind]], Counter[str]]:
    """Called, caller and kind of each event, and the outcomes."""
    reader = SmppReader(DialPlan.of_country(country))
    taken = [reader.read(pdu, AT) for pdu in pdus]
    return [(called, *each.sender) for each in taken for called in each.called], reader.tally


def bodies(*texts: bytes, **more: object) -> list[Pdu]:
    more["esm_class"] = 0x40
    return [made.pdu(made.message(text, **more)) for text in texts]  # type: ignore[arg-type]


def test_every_row_of_the_truth_of_kannel_is_one_event_and_nothing_else_is() -> None:
    with (FOLDER / "kannel_expected.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    reader = SmppReader(DialPlan.of_country(44))
    found = []
    for at, pdu in made.captured(FOLDER / "kannel.pcap", 12775):
        if pdu.command in MESSAGES:
            taken = reader.read(pdu, at)
            caller, kind = taken.sender
            found += [(f"1:{pdu.sequence}", called, caller, kind.name) for called in taken.called]
    assert found == [
        (
            row["call_id"],
            int(row["called_e164"]),
            int(row["caller_e164"] or caller_of_text(row["source_addr"])),
            "SMS" if row["caller_e164"] else "A2P_SMS",
        )
        for row in rows
    ]
    assert reader.tally == {"event": 33, "part": 6}
    assert len(reader.parts) == 0, "all parts came"


@pytest.mark.parametrize(
    "called",
    [
        (1, 1, made.CALLED),
        (1, 1, "+" + made.CALLED),
        (1, 1, "00" + made.CALLED),
        (2, 1, made.CALLED),
        (2, 1, "00" + made.CALLED),
        (2, 1, "07700900123"),
        (2, 8, "7700900123"),
        (0, 0, "+" + made.CALLED),
        (0, 1, "07700900123"),
        (3, 9, "07700900123"),
    ],
)
def test_a_number_is_one_however_it_is_written(called: made.Written) -> None:
    assert read(made.pdu(made.message(called=called)))[0] == [(CALLED, CALLER, EventKind.SMS)]


@pytest.mark.parametrize(
    "called",
    [(6, 1, "61234"), (5, 0, "BANKNAME"), (1, 6, "999000000123"), (0, 0, ""), (1, 1, "112")],
)
def test_what_is_no_number_is_no_event(called: made.Written) -> None:
    assert read(made.pdu(made.message(called=called))) == ([], {"called_not_a_number": 1})


@pytest.mark.parametrize("text", ["BANKNAME", "4U2WIN", "24HELP", "Taxi Co", "Bücher"])
def test_a_name_is_an_application(text: str) -> None:
    for ton in (5, 0):
        sent, _ = read(made.pdu(made.message(caller=(ton, 0, text))))
        assert sent == [(CALLED, caller_of_text(text), EventKind.A2P_SMS)]


@pytest.mark.parametrize("text", ["", "anonymous", "Unknown", "0", "266696687"])
def test_who_sends_without_a_number_is_withheld(text: str) -> None:
    assert read(made.pdu(made.message(caller=(0, 0, text))))[0] == [(CALLED, 0, EventKind.SMS)]


def test_a_short_code_is_an_application() -> None:
    for ton in (0, 1, 3, 6):
        sent, _ = read(made.pdu(made.message(caller=(ton, 0, "61234"))))
        assert sent == [(CALLED, 61234, EventKind.A2P_SMS)]


@pytest.mark.parametrize("command", [SUBMIT_SM, DELIVER_SM])
@pytest.mark.parametrize("kind", [0x04, 0x08, 0x10, 0x18, 0x20])
def test_receipts_and_acknowledgements_are_none(command: int, kind: int) -> None:
    pdu = made.pdu(made.message(esm_class=kind), command)
    assert read(pdu) == ([], {"receipt": 1})


def test_receipts_that_do_not_say_so_are_none() -> None:
    text = b"id:1a sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:0"
    by_text = made.pdu(made.message(text), DELIVER_SM)
    by_name = made.pdu(made.data(tlvs=made.tlv(0x1E, b"1a\0")), DATA_SM)
    assert read(by_text, by_name) == ([], {"receipt": 2})


@pytest.mark.parametrize("mode", [0x00, 0x02, 0x03])
def test_how_it_is_to_be_sent_makes_it_no_receipt(mode: int) -> None:
    assert read(made.pdu(made.message(esm_class=mode)))[1] == {"event": 1}


def test_a_data_sm_is_an_event() -> None:
    pdu = made.pdu(made.data(tlvs=made.tlv(0x424, b"hello")), DATA_SM)
    assert read(pdu)[0] == [(CALLED, CALLER, EventKind.SMS)]


def test_a_submit_multi_is_an_event_at_each_number() -> None:
    body = made.multi((1, 1, made.CALLED), (2, 1, "07700900124"))
    sent, tally = read(made.pdu(body, SUBMIT_MULTI))
    assert [called for called, *_ in sent] == [CALLED, CALLED + 1]
    assert tally["event"] == 2


@pytest.mark.parametrize("beside", [(), ((1, 1, made.CALLED),)], ids=["alone", "beside a number"])
def test_a_message_to_a_list_cannot_be_read(beside: tuple[tuple[int, int, str], ...]) -> None:
    with pytest.raises(Unreadable, match="smpp_distribution_list"):
        read(made.pdu(made.multi(*beside, lists=(b"all",)), SUBMIT_MULTI))


def parts_in_header(wide: bool) -> list[bytes]:
    header = made.udh16 if wide else made.udh8
    return [header(7, 3, number) + b"text" for number in (1, 2, 3)]


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_parts_are_one_event_in_any_order(wide: bool, order: tuple[int, ...]) -> None:
    texts = parts_in_header(wide)
    assert read(*bodies(*(texts[n] for n in order)))[1] == {"event": 1, "part": 2}


def test_parts_by_parameters_are_one_event() -> None:
    pdus = [made.pdu(made.message(tlvs=made.sar(9, 2, number))) for number in (2, 1)]
    assert read(*pdus)[1] == {"event": 1, "part": 1}


def test_parts_in_a_payload_are_one_event() -> None:
    payloads = [made.tlv(0x424, text) for text in parts_in_header(False)]
    pdus = [made.pdu(made.message(b"", esm_class=0x40, tlvs=each)) for each in payloads]
    pdus += [made.pdu(made.data(esm_class=0x40, tlvs=each), DATA_SM) for each in payloads]
    assert read(*pdus)[1] == {"event": 2, "part": 4}


def test_parts_of_different_pairs_and_forms_are_different_messages() -> None:
    one, two = made.udh8(7, 2, 1), made.udh16(7, 2, 2)
    others = bodies(one, caller=(1, 1, "442079460001")) + bodies(one, called=(1, 1, "447700900124"))
    pdus = bodies(one, two) + others
    assert read(*pdus)[1] == {"event": 4}


def test_a_reference_that_is_used_again_is_another_message() -> None:
    one, two = made.udh8(7, 2, 1), made.udh8(7, 2, 2)
    assert read(*bodies(one, two, one, two))[1] == {"event": 2, "part": 2}
    assert read(*bodies(one, one, two, two))[1] == {"event": 2, "part": 2}


@pytest.mark.parametrize("header", [made.udh8(7, 1, 1), made.udh8(7, 2, 0), made.udh8(7, 2, 3)])
def test_what_cannot_be_a_part_is_a_message(header: bytes) -> None:
    assert read(*bodies(header, header))[1] == {"event": 2}


@pytest.mark.parametrize("header", [b"", b"\x09\0\3", b"\x05\0\x09\1\2\1"])
def test_a_header_that_cannot_be_read_is_still_an_attempt(header: bytes) -> None:
    assert read(*bodies(header))[1] == {"event": 1, "note_header_unreadable": 1}


def test_other_elements_in_front_hide_no_part() -> None:
    port = b"\x05\x04\x0b\x84\x23\xf0"
    texts = [b"\x0b" + port + made.udh8(7, 2, number)[1:] for number in (1, 2)]
    assert read(*bodies(*texts))[1] == {"event": 1, "part": 1}


@given(st.permutations([(message, number) for message in range(3) for number in (1, 2, 3, 4)]))
def test_messages_with_one_reference_are_counted_however_they_are_mixed(
    order: list[tuple[int, int]],
) -> None:
    parts = Parts()
    assert sum(parts.is_first(1, 2, Part(0, 7, 4, number), 0) for _, number in order) >= 1
    apart = Parts()
    firsts = sum(apart.is_first(1, 2, Part(0, which, 4, number), 0) for which, number in order)
    assert (firsts, len(apart)) == (3, 0)


def test_the_parts_of_all_messages_together_are_bounded() -> None:
    parts = Parts(parts_max=300)
    for message in range(4):
        for number in range(1, 101):
            first = parts.is_first(1, 2, Part(8, message, 255, number), 0)
            assert first == (number == 1)
    assert (len(parts), parts.forgotten_early) == (3, 1)
    assert not parts.is_first(1, 2, Part(8, 3, 255, 101), 0)
    assert (len(parts), parts.forgotten_early) == (2, 2)
    for number in range(1, 256):  # whole messages give their room back
        parts.is_first(1, 2, Part(8, 9, 255, number), 0)
    assert len(parts) == 0


def test_parts_are_forgotten_after_their_time_and_early_only_for_want_of_room() -> None:
    parts = Parts(window_s=60, messages_max=2)
    assert parts.is_first(1, 2, Part(0, 1, 2, 1), 0)
    assert not parts.is_first(1, 2, Part(0, 1, 2, 2), 60)
    assert parts.is_first(1, 2, Part(0, 1, 2, 1), 100)
    assert parts.is_first(1, 2, Part(0, 1, 2, 2), 161), "too late"
    for reference in range(2, 5):
        parts.is_first(1, 2, Part(0, reference, 2, 1), 161)
    assert (len(parts), parts.forgotten_early) == (2, 2)


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=120), st.integers(0, 255))
def test_whatever_a_body_holds_has_outcomes(command: int, text: bytes, esm_class: int) -> None:
    reader = SmppReader(DialPlan.of_country(44))
    try:
        reader.read(Pdu(command, 0, 1, made.message(text, esm_class=esm_class) + text), AT)
    except Unreadable as unreadable:
        assert reader.tally[unreadable.reason] == 1
    assert sum(count for name, count in reader.tally.items() if not name.startswith("note_")) >= 1


def test_what_stands_for_a_text_can_be_computed_by_this_process_alone() -> None:
    program = (
        "from support import smpp_pdus as made\n"
        "from ringfence.adapters.smpp.body import read_message\n"
        "from ringfence.adapters.smpp.repeats import key_of\n"
        "print(key_of(read_message(4, made.message())).hex())\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(TESTS)}
    one, other = (
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            env=environment,
            text=True,
        ).stdout
        for _ in range(2)
    )
    assert len(one) == len("0123456789abcdef\n")
    assert one != other


@given(st.data())
def test_two_messages_stand_for_the_same_only_if_they_are(data: st.DataObject) -> None:
    digits, texts = (
        st.sampled_from(["", "0", "00", "447"]),
        st.sampled_from([b"", b"\0", b"\0\0\0"]),
    )
    numbers = st.tuples(st.integers(0, 1), st.integers(0, 1), digits)

    def drawn() -> Message:
        called = data.draw(st.lists(numbers, min_size=1, max_size=3))
        message = read_message(SUBMIT_MULTI, made.multi(*called, caller=data.draw(numbers)))
        return message._replace(esm_class=data.draw(st.integers(0, 1)), text=data.draw(texts))

    one, other = drawn(), drawn()
    assert (key_of(one) == key_of(other)) == (one == other)
