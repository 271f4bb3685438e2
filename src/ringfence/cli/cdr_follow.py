"""`ringfence adapter cdr --follow`: reads on in files while the switch writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ringfence import Tls
from ringfence.adapters.cdr.follow.follower import Follower
from ringfence.adapters.cdr.follow.whole import SHAPES
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.cli.adapter_run import said_by
from ringfence.cli.follow_run import (
    Begun,
    Following,
    follow_option,
    pattern_option,
    run_follow,
    state_option,
)

LONGEST_CALL_S = 14_400
_say = said_by("cdr")
_NOTHING = (
    "no record was written: is this the file, and does the switch write calls that nobody answers?"
)
_OPTIONS = (
    follow_option,
    click.option(
        "--longest-call",
        type=click.IntRange(0, 604_800),
        metavar="SECONDS",
        default=LONGEST_CALL_S,
        show_default=True,
        help="With --follow: what no call exceeds. A record comes when its call has ended, so a"
        " time is claimed so much later.",
    ),
    state_option,
    pattern_option,
)


def follow_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of following."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class FollowedRecords:
    """What is to be followed, and how."""

    paths: Sequence[Path]
    format: str
    feed: str
    longest_call_s: int
    state: Path | None
    pattern: str
    restart: bool
    server: str
    tls: Tls | None
    timeout: float


def follow_records(wanted: FollowedRecords, reader: CdrReader) -> None:
    """Follows until SIGTERM or Ctrl-C; raises what click turns into exit codes."""
    shape = SHAPES.get(wanted.format)
    if shape is None:
        raise click.UsageError(f"--follow goes with --format {', '.join(sorted(SHAPES))}")

    def make(begun: Begun) -> Follower:
        return Follower(
            begun.files,
            shape,
            reader,
            begun.stream,
            _say,
            longest_call_s=wanted.longest_call_s,
            heard=begun.heard,
            resumed=begun.resumed,
            lose=begun.lose,
        )

    following = Following(
        adapter="cdr",
        paths=wanted.paths,
        format=wanted.format,
        feed=wanted.feed,
        lateness_s=float(wanted.longest_call_s),
        state=wanted.state,
        pattern=wanted.pattern,
        restart=wanted.restart,
        server=wanted.server,
        tls=wanted.tls,
        timeout=wanted.timeout,
        late="a call began before what was claimed already: it was longer than --longest-call,"
        f" {wanted.longest_call_s:,} s, or its record was held up",
        nothing=_NOTHING,
        say=_say,
    )
    run_follow(following, make)
