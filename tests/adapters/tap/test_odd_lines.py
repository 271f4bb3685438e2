"""Whatever stands in the fields of a packet, each message has an outcome, and no caller is told."""

import threading
from contextlib import closing
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from support.places import ROOT

from ringfence.adapters.base import Attempt, Unreadable
from ringfence.adapters.tap.frames import frames_of
from ringfence.adapters.tap.packets import Packet, packet_of
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.tshark import Tshark
from ringfence.wording.dialled import DialPlan

DATA = ROOT / "tests/data/core"
BRITISH = DialPlan.of_country(44)


@cache
def packets() -> list[Packet]:
    """One of each twenty of all captures."""
    with closing(Relay(Tshark)) as relay:

        def give() -> None:
            for path in sorted(DATA.glob("*.pcap*")):
                with open(path, "rb") as file:
                    for frame in frames_of(file):
                        relay.give(frame)
            relay.end()

        giving = threading.Thread(target=give)
        giving.start()
        found = [printed for printed in relay.lines() if isinstance(printed, Packet)]
        giving.join()
    return found[::20]


VALUES = st.one_of(
    st.text(max_size=40),
    st.text("0123456789ABCDEFabcdef+-", max_size=40),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["", "sip:", "<sip:+441632960321@h>;tag=a", "tel:+447700900123", "F" * 30]),
)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 2**16),  # which packet
        st.floats(0, 20),  # how much later
        st.lists(st.tuples(st.integers(0, 2**16), st.none() | VALUES), max_size=4),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)  # the first one starts tshark
@given(changes=CHANGES)
def test_every_message_has_an_outcome(
    changes: list[tuple[int, float, list[tuple[int, str | None]]]],
) -> None:
    reader = TapReader(BRITISH)
    at = 1_700_000_000.0
    for which, gap, edits in changes:
        packet = packets()[which % len(packets())]
        fields = list(packet.fields)
        for place, value in edits:
            name, _ = fields[place % len(fields)]
            if value is not None:
                fields[place % len(fields)] = (name, value)
            elif len(fields) > 1:
                del fields[place % len(fields)]
        at += gap
        for outcome in reader.read(packet._replace(at=at, fields=fields)):
            assert isinstance(outcome, Attempt | str | Unreadable)
            assert "441632960" not in str(outcome) or isinstance(outcome, Attempt)
    for outcome in reader.due(float("inf")):
        assert outcome == "repeat" or isinstance(outcome, Attempt)
        assert outcome == "repeat" or 10**6 <= outcome.called < 10**15


@given(st.text(max_size=200))
def test_a_line_of_something_else_is_refused(text: str) -> None:
    for line in (text, f"packet\t{text}", f"packet\t1\t{text}"):
        try:
            packet = packet_of(line)
        except ValueError:
            continue
        assert packet.number >= 0
