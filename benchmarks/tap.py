"""How many frames a second a tap reads from a capture, beside tshark alone on the same file.

    python benchmarks/tap.py --frames 200000

The captures of the tests, one after the other and again and again, with times that go on and in
other networks. tshark alone dissects every frame and prints nothing; the tap splits the file into
frames, gives them to its tshark in the sandbox, reads what that prints and makes attempts of it.

Not measured: sending to a server; an interface. Numbers of one protocol come again with each round,
so that fewer attempts are new than in a core.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from rich.console import Console
from server_processes import machine

from ringfence.adapters.event_table import Passed
from ringfence.adapters.tap.capture_files import CaptureFiles
from ringfence.adapters.tap.frames import Frame, frames_of
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.tshark import SETTINGS, Tshark
from ringfence.adapters.tap.written_frames import WrittenFrames
from ringfence.wording.dialled import DialPlan

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests/data/core"
KINDS = {
    "ISUP": ("isup_m3ua.pcap",),
    "MAP": ("map_calls.pcap", "map_sms.pcap"),
    "CAP": ("camel.pcap",),
    "Diameter": ("diameter.pcap",),
    "SIP": ("sip.pcap",),
    "SMPP": ("smpp.pcap",),
    "all": ("mixed.pcap",),
}
GAP_NS = 20 * 10**9  # no attempt of one round is one of the next


def frames_again(names: tuple[str, ...], count: int, *, gap_ns: int = GAP_NS) -> Iterator[Frame]:
    """So many frames of captures, whose times go on, with a gap between two rounds."""
    frames = []
    for name in names:
        with open(DATA / name, "rb") as file:
            frames += list(frames_of(file))
    later = turn = 0
    while True:
        for frame in frames:
            if count == 0:
                return
            count -= 1
            octets = bytearray(frame.octets)
            if octets[12:14] == b"\x08\0":  # connections of its own: other networks of IPv4
                octets[27] = octets[31] = turn & 0xFF
                octets[28] = octets[32] = turn >> 8 & 0xFF
            yield frame._replace(at_ns=frame.at_ns + later, octets=bytes(octets))
        turn += 1
        later += max(frame.at_ns for frame in frames) - frames[0].at_ns + gap_ns


def tshark_alone(path: Path) -> float:
    """Seconds of tshark that prints no packet."""
    began = time.perf_counter()
    signalling = "isup or bicc or tcap or diameter or smpp or sip"
    subprocess.run(
        ["tshark", "-n", "-Q", "-r", str(path), "-Y", signalling, *SETTINGS],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


class NoRejects:
    def add(self, *_: object) -> None:
        """Garbage is in some captures."""


def tap(path: Path) -> tuple[float, int]:
    """Seconds of the tap, and how many attempts it found."""
    events = 0
    with closing(Relay(Tshark)) as relay, open(path, "rb") as file:
        reads = CaptureFiles([path], relay, TapReader(DialPlan.of_country(44)), latest=2**40)
        began = time.perf_counter()
        for _, outcome in reads(file, NoRejects(), 0):
            events += outcome is not None and not isinstance(outcome, Passed)
        taken = time.perf_counter() - began
    return taken, events


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    asked = parser.parse_args()
    console = Console(stderr=True)
    rows = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for kind, names in KINDS.items():
            console.print(f"{kind}: {asked.frames:,} frames")
            path = Path(folder, "capture.pcapng")
            written = WrittenFrames()
            with open(path, "wb") as file:
                file.write(written.begin())
                for frame in frames_again(names, asked.frames):
                    file.write(written.frame(frame))
            alone = tshark_alone(path)
            taken, events = tap(path)
            rows.append((kind, asked.frames / alone, asked.frames / taken, events))
    print(f"command: python {shlex.join(sys.argv)}\nmachine: {machine()}\n")
    print("| signalling | tshark alone, frames/s | the tap, frames/s | ratio | attempts |")
    print("|---|---|---|---|---|")
    for kind, alone, taken, events in rows:
        print(f"| {kind} | {alone:,.0f} | {taken:,.0f} | {taken / alone:.2f} | {events:,} |")


if __name__ == "__main__":
    main()
