"""Reads on in files while somebody writes them, until SIGTERM: what each `--follow` shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import click

from ringfence import EventStream, Tls
from ringfence.adapters.cdr.follow.files import Files
from ringfence.adapters.cdr.follow.listing import Watched
from ringfence.adapters.cdr.follow.looking import Looking, default_state
from ringfence.adapters.cdr.follow.state import State, read_state
from ringfence.adapters.first_hint import hint_after_a_while
from ringfence.adapters.run import run_live
from ringfence.adapters.state_keeper import StateError, StateKeeper, check_writable
from ringfence.cli.adapter_run import Say, run_beside_look, summed_up
from ringfence.cli.options import Failed
from ringfence.engine.wrong_path import wrong_path

follow_option = click.option(
    "--follow", is_flag=True, help="Read on while files are written, until SIGTERM."
)
state_option = click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --follow: where to write down how far one has got. A hidden file beside what is"
    " read, if not given.",
)
pattern_option = click.option(
    "--pattern",
    metavar="GLOB",
    default="*",
    show_default=True,
    help="With --follow: which files of a directory, such as '*.cdr.json' or '*.pcapng'; also those"
    " that such a file was rotated to.",
)


@dataclass(frozen=True)
class Following:
    """What is to be followed, and how."""

    adapter: str
    """Its name."""
    paths: Sequence[Path]
    format: str
    feed: str
    lateness_s: float
    state: Path | None
    pattern: str
    restart: bool
    server: str
    tls: Tls | None
    timeout: float
    late: str
    """What is said when an event is earlier than what was claimed."""
    nothing: str
    """What is said when nothing comes."""
    say: Say


class Begun(NamedTuple):
    """What a follower gets."""

    files: Files
    stream: EventStream
    heard: float
    """Unix seconds: what came before is in the state, or is not claimed."""
    resumed: bool
    lose: Callable[[int, int], None]


class MakesFollower(Protocol):
    """Makes what reads the files."""

    def __call__(self, begun: Begun) -> Looking:
        """It is not started yet."""


def run_follow(wanted: Following, make: MakesFollower) -> None:
    """Follows until SIGTERM or Ctrl-C; raises what click turns into exit codes."""
    feed, say, began_at = wanted.feed, wanted.say, time.time()
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
        say,
        restored=left.followed() if left else (),
        looked_at=left.looked if left else 0.0,
        read_before=left.read_before if left else 0,
        folders=left.folders if left else None,
    )
    try:
        stream = EventStream(
            wanted.server,
            feed,
            lateness_s=wanted.lateness_s,
            since=left.claimed if left else None,
            heard_until=lambda: follower.heard_until,
            tls=wanted.tls,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    heard = left.looked if left else began_at
    follower = make(Begun(files, stream, heard, left is not None, lose))

    def progress() -> tuple[int, int]:
        nonlocal lost_until, late_told
        stats = stream.stats
        if stats.late and not late_told:
            late_told = True
            say(wanted.late)
        if stats.refused or stats.dropped:  # what the server did not take is lost, up to now
            lost_until = max(lost_until, int(time.time()) + 1)
        return stats.answered + stats.unanswered, stats.answered

    def present() -> State:
        watermark = stream.stats.watermark
        claimed = max(lost_until, int(watermark.timestamp()) if watermark else 0)
        kept = follower.kept
        return State(feed, wanted.format, kept.looked, claimed, *kept[1:])

    keeper = follower.keeper = StateKeeper(at, progress, present, say)
    with summed_up(wanted.server, follower.tally, stream, say):
        running = run_live(
            follower,
            stream,
            patience_s=wanted.timeout,
            say_ready=lambda _: click.echo(
                f"ringfence adapter {wanted.adapter} ready follow={len(wanted.paths)} state={at}"
                f" feed={feed} server={wanted.server}"
            ),
            say=say,
        )
        hints = () if left else (hint_after_a_while(follower.tally, say, nothing=wanted.nothing),)
        run_beside_look(running, wanted.server, feed, wanted.tls, say, *hints)
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
