"""How much memory a tap takes over millions of frames, for as long as one likes to wait.

    python benchmarks/tap_memory.py --frames 10000000 --every 1000000

Frames of the tests' captures, made while they are read, so that no disk fills: again and again,
with times that go on and in other networks, through one tshark after another in its sandbox and
through the adapter's reader. The most that this process had resident so far, and all tsharks
together since the row before, is printed behind each so many frames; tsharks are looked at every
`LOOK_S`.

Not measured: a server, an interface. The frames are made in the adapter's process.
"""

import argparse
import resource
import shlex
import sys
import threading
import time
from contextlib import closing

from server_processes import machine
from tap import KINDS, frames_again

from ringfence.adapters.base import Attempt
from ringfence.adapters.tap.packets import Packet
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Lost, Relay, resident_bytes
from ringfence.adapters.tap.tshark import Tshark
from ringfence.wording.dialled import DialPlan

GAP_NS = 300 * 10**9  # what names an attempt is remembered for 240 s: each round has new ones
LOOK_S = 0.2
TSHARKS_MAX = 4  # one takes over from another: there are two for a moment


class Tsharks:
    """Starts tsharks, and looks at how much memory they take together."""

    def __init__(self) -> None:
        self._pids: list[int] = []
        self.peak = 0
        """Octets, since this was set to 0."""
        self._done = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def __call__(self) -> Tshark:
        tshark = Tshark()
        self._pids = [*self._pids, tshark.pid][-TSHARKS_MAX:]
        return tshark

    def _look(self) -> None:
        while not self._done.wait(LOOK_S):
            self.peak = max(self.peak, sum(map(resident_bytes, self._pids)))

    def close(self) -> None:
        """Looks no more."""
        self._done.set()


def give(relay: Relay, names: tuple[str, ...], frames: int, every: int) -> None:
    """Hands on so many frames, and a mark behind each `every`."""
    for count, frame in enumerate(frames_again(names, frames, gap_ns=GAP_NS), 1):
        relay.give(frame)
        if count % every == 0 or count == frames:
            relay.mark(-(-count // every))
    relay.end()


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=10_000_000)
    parser.add_argument("--every", type=int, default=1_000_000)
    parser.add_argument("--signalling", choices=KINDS, default="all")
    asked = parser.parse_args()
    print(f"command: python {shlex.join(sys.argv)}\nmachine: {machine()}\n")
    print("| frames | the adapter, at most, MB | tshark, at most, MB | tsharks | attempts | lost |")
    print("|---|---|---|---|---|---|", flush=True)
    reader = TapReader(DialPlan.of_country(44))
    began = time.perf_counter()
    attempts = lost = 0
    with closing(Tsharks()) as tsharks, closing(Relay(tsharks)) as relay:
        told = (relay, KINDS[asked.signalling], asked.frames, asked.every)
        giving = threading.Thread(target=give, args=told, daemon=True)
        giving.start()
        for printed in relay.lines():
            if isinstance(printed, Packet):
                attempts += sum(isinstance(each, Attempt) for each in reader.read(printed))
            elif isinstance(printed, Lost):
                lost += 1
            else:
                frames = min(printed.number * asked.every, asked.frames)
                adapter = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
                print(
                    f"| {frames:,} | {adapter / 1e6:,.0f} | {tsharks.peak / 1e6:,.0f} |"
                    f" {relay.replaced + 1} | {attempts:,} | {lost} |",
                    flush=True,
                )
                tsharks.peak = 0
        giving.join()
    print(f"\n{asked.frames / (time.perf_counter() - began):,.0f} frames/s")


if __name__ == "__main__":
    main()
