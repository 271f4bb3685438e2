"""Which size of the rings (K) is enough for how much background.

    python benchmarks/ring_sizes.py --numbers 20000

For each rate the generated workload is made once, with the callers of the climate `ncsu`, and
played under the default policy with each K. A figure is the share of the numbers with background
only that were released by their minimum age of 90 days: BACKGROUND IN TIME of `ringfence simulate`.
What the released numbers still get is in frontier.py. The same seed gives the same figures.
"""

import argparse
import shlex
import sys
from dataclasses import replace

from frontier import percent
from frontier_candidates import shipped
from rich.console import Console
from rich.progress import Progress

from ringfence.engine.memory.segment import RING_ENTRIES
from ringfence.simulation.generated import GeneratedHistory
from ringfence.simulation.play import play
from ringfence.simulation.ring_sizes import bytes_a_number
from ringfence.simulation.traffic.parameters import CLIMATES, Traffic

RATES = (0.02, 0.035, 0.08, 0.12, 0.17, 0.35, 0.67, 1.0)


def main() -> None:
    """Plays every rate and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--numbers", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"command   python {shlex.join(sys.argv)}\n")
    print(f"| calls a number a day | {' | '.join(f'K = {k}' for k in RING_ENTRIES)} |")
    print("|---" * (1 + len(RING_ENTRIES)) + "|")
    print(f"| bytes a number | {' | '.join(f'{bytes_a_number(k):,}' for k in RING_ENTRIES)} |")
    default = shipped(asked.numbers)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        for rate in progress.track(asked.rates, description="rates"):
            climate = replace(CLIMATES["ncsu"], calls_per_number_day=rate)
            history = GeneratedHistory(
                Traffic(climate), numbers=asked.numbers, days=asked.days, seed=asked.seed
            )
            candidates = [replace(default, ring_entries=k) for k in RING_ENTRIES]
            outcomes = play(history, candidates)
            cells = [percent(outcome.background_by_minimum_age) for outcome in outcomes]
            print(f"| {rate} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
