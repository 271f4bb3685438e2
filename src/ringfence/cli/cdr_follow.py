"""`ringfence adapter cdr --follow`: reads on in files while the switch writes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ringfence import EventStream, Tls
from ringfence.adapters.cdr.follow.files import Files
from ringfence.adapters.cdr.follow.follower import Follower, default_state
from ringfence.adapters.cdr.follow.listing import Watched
from ringfence.adapters.cdr.follow.state import State, read_state
from ringfence.adapters.cdr.follow.whole import SHAPES
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.first_hint import hint_after_a_while
from ringfence.adapters.run import run_live
from ringfence.adapters.state_keeper import StateError, StateKeeper, check_writable
from ringfence.cli.adapter_run import run_beside_look, said_by, summed_up
from ringfence.cli.options import Failed
from ringfence.engine.wrong_path import wrong_path

LONGEST_CALL_S = 14_400
_say = said_by("cdr")
_NOTHING = (
    "no record was written: is this the file, and does the switch write calls that nobody answers?"
)
_OPTIONS = (
    click.option("--follow", is_flag=True, help="Read on while the switch writes, until SIGTERM."),
    click.option(
        "--longest-call",
        type=click.IntRange(0, 604_800),
        metavar="SECONDS",
        default=LONGEST_CALL_S,
        show_default=True,
        help="With --follow: what no call exceeds. A record comes when its call has ended, so a"
        " time is claimed so much later.",
    ),
    click.option(
        "--state",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="With --follow: where to write down how far one has got. A hidden file beside the"
        " records, if not given.",
    ),
    click.option(
        "--pattern",
        metavar="GLOB",
        default="*",
        show_default=True,
        help="With --follow: which files of a directory, such as '*.cdr.json'; also those that such"
        " a file was rotated to.",
    ),
)


def follow_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of following."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class Following:
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


def run_follow(wanted: Following, reader: CdrReader) -> None:
    """Follows until SIGTERM or Ctrl-C; raises what click turns into exit codes."""
    feed, began_at = wanted.feed, time.time()
    shape = SHAPES.get(wanted.format)
    if shape is None:
        raise click.UsageError(f"--follow goes with --format {', '.join(sorted(SHAPES))}")
    for path in wanted.paths:
        if not path.exists() and not path.parent.is_dir():
            raise click.UsageError(f"{path.parent} is no folder: nothing to follow there")
    at = wanted.state or default_state(wanted.paths[0], feed)
    left = _left(at, wanted)
    lost_until = left.claimed if left else int(began_at) + 1
    late_told = False

    def lose(began: int, ended: int) -> None:
        nonlocal lost_until
        lost_until = max(lost_until, ended)
        stream.lose(began, ended)

    watched = [Watched(path, wanted.pattern) for path in wanted.paths]
    files = Files(
        watched,
        _say,
        restored=left.followed() if left else (),
        looked_at=left.looked if left else 0.0,
        read_before=left.read_before if left else 0,
        folders=left.folders if left else None,
    )
    try:
        stream = EventStream(
            wanted.server,
            feed,
            lateness_s=float(wanted.longest_call_s),
            since=left.claimed if left else None,
            heard_until=lambda: follower.heard_until,
            tls=wanted.tls,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    follower = Follower(
        files,
        shape,
        reader,
        stream,
        _say,
        longest_call_s=wanted.longest_call_s,
        heard=left.looked if left else began_at,
        resumed=left is not None,
        lose=lose,
    )

    def progress() -> tuple[int, int]:
        nonlocal lost_until, late_told
        stats = stream.stats
        if stats.late and not late_told:
            late_told = True
            _say(
                "a call began before what was claimed already: it was longer than --longest-call,"
                f" {wanted.longest_call_s:,} s, or its record was held up"
            )
        if stats.refused or stats.dropped:  # what the server did not take is lost, up to now
            lost_until = max(lost_until, int(time.time()) + 1)
        return stats.answered + stats.unanswered, stats.answered

    def present() -> State:
        watermark = stream.stats.watermark
        claimed = max(lost_until, int(watermark.timestamp()) if watermark else 0)
        kept = follower.kept
        return State(feed, wanted.format, kept.looked, claimed, *kept[1:])

    keeper = follower.keeper = StateKeeper(at, progress, present, _say)
    with summed_up(wanted.server, follower.tally, stream, _say):
        running = run_live(
            follower,
            stream,
            patience_s=wanted.timeout,
            say_ready=lambda _: click.echo(
                f"ringfence adapter cdr ready follow={len(wanted.paths)} state={at} feed={feed}"
                f" server={wanted.server}"
            ),
            say=_say,
        )
        hints = () if left else (hint_after_a_while(follower.tally, _say, nothing=_NOTHING),)
        run_beside_look(running, wanted.server, feed, wanted.tls, _say, *hints)
        keeper.look()  # all is answered now
        keeper.look()


def _left(at: Path, wanted: Following) -> State | None:
    try:
        check_writable(at)
        return None if wanted.restart else read_state(at, wanted.feed, wanted.format)
    except StateError as error:
        raise Failed(str(error)) from None
    except OSError as error:
        words = wrong_path(error, at)
        raise Failed(words if wanted.state else f"{words}; --state says another file") from None
