"""Whatever reading a capture file ends with, who waits for it learns so."""

import io
from contextlib import closing
from pathlib import Path

import pytest
from support.core_captures import BRITISH, LATEST, Turned

from ringfence.adapters.tap.capture_files import CaptureFiles
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.tshark import Tshark


class Broken(io.RawIOBase):
    """A file that a fault in a program reads."""

    name = "broken.pcap"

    def readable(self) -> bool:
        return True

    def readinto(self, _: object) -> int:
        raise ZeroDivisionError("a fault")


def test_a_fault_is_told_and_nobody_waits_for_the_end() -> None:
    with closing(Relay(Tshark)) as relay:
        reads = CaptureFiles([Path("broken.pcap")], relay, TapReader(BRITISH), latest=LATEST)
        with pytest.raises(ZeroDivisionError):
            list(reads(Broken(), Turned(), 0))  # type: ignore[arg-type]
