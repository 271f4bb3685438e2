"""Captures of a core network become the events of their truth files, and nothing else does.

The captures are read by the tshark that is installed, in its sandbox.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from support.core_captures import BRITISH, LATEST, Event, Turned, read
from support.places import ROOT

from ringfence import EventKind, caller_of_text
from ringfence.adapters.event_table import Passed
from ringfence.adapters.tap.capture_files import CaptureFiles
from ringfence.adapters.tap.frames import Frame, frames_of
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import FRAMES_MAX, Relay
from ringfence.adapters.tap.tshark import Tshark
from ringfence.adapters.tap.written_frames import WrittenFrames

DATA = ROOT / "tests/data/core"
NAMES = sorted(path.stem.removesuffix("_expected") for path in DATA.glob("*_expected.csv"))


def capture(name: str) -> Path:
    (path,) = (each for each in DATA.glob(f"{name}.pcap*"))
    return path


def truth(name: str) -> Counter[Event]:
    """The events that a truth file asks for; names of senders are any name."""
    wanted = Counter[Event]()
    for row in csv.DictReader((DATA / f"{name}_expected.csv").read_text("utf-8").splitlines()):
        kind = EventKind[row["kind"]]
        caller = int(row["caller_e164"] or 0)
        wanted[int(row["called_e164"]), caller, int(row["occurred_at_s"]), int(kind)] += 1
    return wanted


def without_names(events: list[Event]) -> Counter[Event]:
    """Events whose senders that are no numbers are as in a truth file: empty."""
    return Counter(
        (called, 0 if kind == EventKind.A2P_SMS else caller, at, kind)
        for called, caller, at, kind in events
    )


@pytest.mark.parametrize("frames_max", [FRAMES_MAX, 200], ids=["one run", "every 200 frames"])
@pytest.mark.parametrize("name", NAMES)
def test_a_truth_file_is_met_exactly(name: str, frames_max: int) -> None:
    events, _, _ = read([capture(name)], frames_max=frames_max)
    assert without_names(events) == truth(name)
    assert len(events) >= 40


@pytest.fixture
def pieces(tmp_path: Path) -> list[Path]:
    """One capture in several files."""
    with open(capture("mixed"), "rb") as file:
        frames = list(frames_of(file))
    paths = []
    for begin in range(0, len(frames), 200):
        paths.append(tmp_path / f"{begin:05}.pcapng")
        paths[-1].write_bytes(written(frames[begin : begin + 200]))
    return paths


def test_a_run_that_goes_on_knows_the_files_before(pieces: list[Path]) -> None:
    made = []
    for stop in (3, len(pieces)):  # the first one is cut off behind three files
        with closing(Relay(Tshark)) as relay:
            reads = CaptureFiles(pieces, relay, TapReader(BRITISH), latest=LATEST)
            for index, path in enumerate(pieces[:stop]):
                with open(path, "rb") as file:
                    if stop > 3 > index:
                        reads.remember(file)
                        continue
                    made += [found for _, found in reads(file, Turned(), 0) if found]
    events = [each for each in made if not isinstance(each, Passed)]
    assert without_names(events) == truth("mixed")


def test_files_of_one_run_are_one_stream_of_frames(pieces: list[Path]) -> None:
    events, _, _ = read(pieces)
    assert without_names(events) == truth("mixed")
    apart = Counter[Event]()
    for path in pieces:
        apart += without_names(read([path])[0])
    assert apart != truth("mixed")  # or the test would say nothing


def test_all_links_go_through_one_tshark() -> None:
    events, _, turned = read([capture(name) for name in NAMES])
    assert without_names(events) == sum(map(truth, NAMES), Counter[Event]())
    assert [reason for _, reason in turned] == ["malformed", "malformed"]


def test_a_sender_by_name_is_somebody() -> None:
    events, _, _ = read([capture("smpp")])
    senders = {caller for _, caller, _, kind in events if kind == EventKind.A2P_SMS}
    assert caller_of_text("TAXOFFICE") in senders


def test_no_text_of_a_message_leaves_tshark() -> None:
    said = b"ringfencetextofamessage"
    sip = (
        b"MESSAGE sip:+447700900123@example.org SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n"
        b"From: <sip:+441632960321@example.org>;tag=a\r\nTo: <sip:+447700900123@example.org>\r\n"
        b"Call-ID: a@h\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(said), said)
    )
    udp = (5060).to_bytes(2, "big") * 2 + (8 + len(sip)).to_bytes(2, "big") + b"\0\0" + sip
    ip = b"\x45\0" + (20 + len(udp)).to_bytes(2, "big") + bytes(4) + b"\x40\x11\0\0"
    octets = bytes(12) + b"\x08\0" + ip + bytes((192, 0, 2, 1, 192, 0, 2, 2)) + udp
    with closing(Tshark()) as tshark:
        tshark.give(Frame(10**18, 1, octets, len(octets)))
        tshark.mark(1, 10**18)
        tshark.end()
        printed = tshark.lines.read()
    assert b"sip.Method=MESSAGE" in printed
    assert said not in printed


def written(frames: Sequence[Frame]) -> bytes:
    """A file of frames."""
    made = WrittenFrames()
    return made.begin() + b"".join(map(made.frame, frames))


def test_what_is_written_is_what_was_read() -> None:
    for name in NAMES:
        with open(capture(name), "rb") as file:
            frames = list(frames_of(file))
        assert list(frames_of(io.BytesIO(written(frames)))) == frames
