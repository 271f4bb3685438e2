"""What `ringfence quarantine` says before it sends: what is there, and what nothing was said of."""

import time

import click
import numpy as np
import numpy.typing as npt

from ringfence import Verdict
from ringfence.cli.number_rows import Numbers
from ringfence.cli.stock import Filled, Known, Twice
from ringfence.engine.number import format_number
from ringfence.wording.times import unix_text


def say_twice(twice: Twice) -> None:
    """Of which numbers more than one row was read, and where these do not agree."""
    if not twice.count:
        return
    click.echo(
        f"{_count(twice.count)} there again: of each the latest quarantined_at counts, of equal"
        " ones the first",
        err=True,
    )
    for number, counts, other in twice.shown:
        click.echo(
            f"  {format_number(number)}: line {other} says another time, reason or pool than line"
            f" {counts}, which counts",
            err=True,
        )
    if (more := twice.differing - len(twice.shown)) > 0:
        click.echo(f"  and {more:,} more that differ", err=True)


def say_known(numbers: Numbers, known: Known) -> None:
    """What the server has of the numbers, and from when to when their quarantines began."""
    told = {
        "new": known.count(Verdict.UNTRACKED),
        "in quarantine already": int(np.count_nonzero(known.staying)),
        "handed out (ASSIGNED)": known.count(Verdict.ASSIGNED),
        "out of use (RETIRED)": known.count(Verdict.RETIRED),
    }
    counts = ", ".join(f"{count:,} {words}" for words, count in told.items() if count)
    click.echo(f"numbers: {len(numbers):,}, of these {counts}", err=True)
    began = numbers.quarantined_at[numbers.quarantined_at != 0]
    if len(began):
        first, last = unix_text(int(began.min())), unix_text(int(began.max()))
        click.echo(f"quarantined_at from {first} to {last}", err=True)
        if ahead := int((began > time.time()).sum()):
            click.echo(
                f"{ahead:,} of these times are still to come: no server takes them", err=True
            )


def say_times(filled: Filled, known: Known) -> None:
    """Which times are now because nobody gave them, and which do not count."""
    numbers, coming = filled.numbers, ~known.staying
    began, observed = numbers.quarantined_at != 0, numbers.observed_since != 0
    _say(coming & ~began, "quarantined_at: not given, so now for {}")
    _say(
        coming & began & ~observed,
        "observed_since: not given, so now for {}: their past does not count as listened to, which"
        " cannot be changed later (--observed-since says from when their traffic is imported)",
    )
    _say(
        coming & filled.moved,
        "observed_since before quarantined_at: {}, which count as observed since their own"
        " quarantined_at",
    )
    _say(
        known.staying & (began | observed | filled.moved),
        "in quarantine already: {}, which keep the times they have; those that are given now do not"
        " count for them",
    )


def _say(rows: npt.NDArray[np.bool_], text: str) -> None:
    if count := int(np.count_nonzero(rows)):
        click.echo(text.format(f"{count:,} number{'' if count == 1 else 's'}"), err=True)


def _count(rows: int) -> str:
    return f"{rows:,} number{' stands' if rows == 1 else 's stand'}"
