"""Whether a tap on an interface loses frames that come at a rate, and notices that.

    python benchmarks/tap_loss.py --rate 24000 --seconds 12

Needs root, ip, tcpreplay, tcpdump, tshark and bwrap. A network namespace and a pair of virtual
interfaces are made and taken away; tcpreplay sends the tests' mixed capture again and again, and a
tap with its tsharks listens at the other end until it has caught up. Printed are how many frames
were sent, what was dropped, the seconds that are said to be lost, and how far behind it was.

Not measured: sending to a server. Attempts are few, as all rounds are alike: tshark's work and the
relay's is the same. tcpreplay takes a share of the cores.
"""

import argparse
import asyncio
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from server_processes import machine

from ringfence.adapters.tap.capture import Capture
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.shares import shares
from ringfence.adapters.tap.source import TapSource
from ringfence.adapters.tap.tshark import Tshark
from ringfence.wording.dialled import DialPlan

CAPTURE = Path(__file__).parent.parent / "tests/data/core/mixed.pcap"
CATCHES_UP_S = 90.0


class Sink:
    """Counts events, and keeps what is lost."""

    def __init__(self) -> None:
        self.events = 0
        self.lost: set[int] = set()

    def send(self, *_: int) -> bool:
        self.events += 1
        return True

    async def send_wait(self, *event: int) -> None:
        self.send(*event)

    def lose(self, began_at: int, ended_at: int) -> None:
        self.lost.update(range(began_at, ended_at))


def run(command: str) -> None:
    """Runs a command that must do well."""
    subprocess.run(command.split(), check=True, capture_output=True)


async def listen(near: str, send: list[str], taps: int) -> tuple[str, float, TapSource, Sink]:
    """Listens while frames are sent, until all of them were read."""
    sink = Sink()
    captures = [partial(Capture, near, each) for each in shares("", taps)]
    reader = TapReader(DialPlan.of_country(44))
    source = TapSource(captures, partial(Relay, Tshark), reader, sink)
    await source.open()
    await source.start()
    sending = asyncio.create_task(
        asyncio.to_thread(subprocess.run, send, check=True, capture_output=True, text=True)
    )
    behind_s, sent_at, until = 0.0, 0.0, time.time() + 3_600
    while not sent_at or (source.heard_until < sent_at and time.time() < until):
        source.look()
        await asyncio.sleep(1.0)
        behind_s = max(behind_s, time.time() - source.heard_until)
        if sending.done() and not sent_at:
            sent_at = time.time()
            until = sent_at + CATCHES_UP_S
    await source.close()
    return (await sending).stdout, behind_s, source, sink


def main() -> None:
    """Prints one row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--taps", type=int, default=1)
    asked = parser.parse_args()
    name = f"rf{os.getpid() % 1_000_000}"
    near, far = f"{name}a", f"{name}b"
    with ExitStack() as stack:
        run(f"ip netns add {name}")
        stack.callback(run, f"ip netns del {name}")
        run(f"ip link add {near} type veth peer name {far} netns {name}")
        run(f"ip link set {near} up")
        run(f"ip -n {name} link set {far} up")
        send = f"ip netns exec {name} tcpreplay -q -K -i {far} --loop=100000000"
        send += f" --duration={asked.seconds} --pps={asked.rate} {CAPTURE}"
        said, behind_s, source, sink = asyncio.run(listen(near, send.split(), asked.taps))
    sent = re.search(r"Actual: (\d+) packets", said)
    rate = re.search(r"([\d.]+) pps", said)
    assert sent and rate, said
    notes = {name: n for name, n in sorted(source.tally.items()) if name.startswith("note_")}
    print(f"command: python {shlex.join(sys.argv)}\nmachine: {machine()}\n")
    print("| taps | frames | frames/s | dropped by the kernel | lost, s | behind, at most, s |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {asked.taps} | {int(sent[1]):,} | {float(rate[1]):,.0f} |"
        f" {notes.pop('note_dropped_by_kernel', 0):,} | {len(sink.lost)} | {behind_s:.0f} |"
    )
    if notes:
        print("\n" + " ".join(f"{name}={count}" for name, count in notes.items()))


if __name__ == "__main__":
    main()
