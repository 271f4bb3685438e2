"""Inserts, checks and looks through the table for each size of the rings (K).

    python benchmarks/rings.py
    python benchmarks/rings.py --against ../other-checkout

For each K a table is filled, once so that every ring is full (5/4 K events a number) and once so
that it is nearly empty (two), in one process. Events come nearly in order: one in 16 late, after up
to three others, one in 16 a second time. A check asks for verdicts of numbers all over the table,
under a policy of three rules; a look is the scanner's, at one number after the other. With
`--against` the build of another checkout does the same with the same events, turn by turn in the
same run, where it knows the K. Each figure is the best of several turns, of a second of the
processor's time.

Not measured: the caller table (spray.py), several processes (engine.py), the wire, the journal.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from ringfence.engine.memory.segment import RING_ENTRIES

HERE = Path(__file__).resolve().parent
WHAT = ("insert", "check", "scan")
FEW = 2  # events in a ring that is nearly empty


class Build:
    """A table in a process of its own, of one checkout."""

    def __init__(self, checkout: Path, ring_entries: int, numbers: int, rounds: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "rings_process.py", *map(str, (ring_entries, numbers, rounds))],
            env={**os.environ, "PYTHONPATH": str(checkout / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.bytes_a_number: float | None = self._answer()
        """None = it does not know this K."""
        self.best = dict.fromkeys(WHAT, 0.0)

    def measure(self, times: int) -> None:
        """Measures all, and keeps the best."""
        assert self._process.stdin is not None
        for what in WHAT:
            self._process.stdin.write(json.dumps([what, times]) + "\n")
            self._process.stdin.flush()
            self.best[what] = max(self.best[what], self._answer() or 0.0)

    def _answer(self) -> float | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"a table ended: exit code={self._process.wait()}")
        value: float | None = json.loads(line)
        return value

    def end(self) -> None:
        self._process.communicate()


def row(ring_entries: int, rings: str, rounds: int, asked: argparse.Namespace) -> str:
    """One row of the table."""
    checkouts = [HERE.parent] + ([asked.against.resolve()] if asked.against else [])
    builds = [Build(checkout, ring_entries, asked.numbers, rounds) for checkout in checkouts]
    ours, *others = builds
    known = [build for build in builds if build.bytes_a_number is not None]
    for _ in range(asked.turns):
        for build in known:
            build.measure(asked.times)
        known.reverse()  # each is first in turn
    cells = [str(ring_entries), f"{ours.bytes_a_number or 0:,.0f}", rings]
    cells += [f"{ours.best[what] / 1e6:.2f} M" for what in WHAT]
    for other in others:
        cells += [
            f"{ours.best[what] / other.best[what]:.2f}" if other in known else "-" for what in WHAT
        ]
    for build in builds:
        build.end()
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--ring-entries", type=int, nargs="+", default=list(RING_ENTRIES))
    parser.add_argument("--numbers", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=1_000_000, help="inserts or checks a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout, built")
    parser.add_argument("--smoke", action="store_true", help="so small that figures mean nothing")
    asked = parser.parse_args()
    if asked.smoke:
        asked.numbers, asked.times, asked.turns = 1_000, 2_000, 2
    print(f"command   {shlex.join(['python', *sys.argv])}\n")
    more = " inserts to the other's | checks | looks |" if asked.against else ""
    print(f"| K | bytes a number | rings | inserts/s | checks/s | looks/s |{more}")
    print("|---|---|---|---|---|---|" + "---|" * (3 if asked.against else 0))
    for ring_entries in asked.ring_entries:
        for rings, rounds in ("full", ring_entries * 5 // 4), ("nearly empty", FEW):
            print(row(ring_entries, rings, rounds, asked), flush=True)


if __name__ == "__main__":
    main()
