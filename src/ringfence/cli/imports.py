"""`ringfence import events`: history that lies in files, as events of a feed."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

import click
from rich.progress import Progress

from ringfence import Client, EventKind, EventStream, RingfenceError, Tls
from ringfence.adapters.event_files import PART_ROWS, Note, Sent, send_files
from ringfence.adapters.event_table import AHEAD_S_MAX, COLUMNS, EventForms
from ringfence.adapters.run import NotAnswered
from ringfence.cli.again import AGAIN, again_helps
from ringfence.cli.claim_reach import reach_text
from ringfence.cli.import_text import Claim, doubt_of, say_claim, sent_json, show_sent
from ringfence.cli.number_input import InputError
from ringfence.cli.options import (
    Failed,
    Moment,
    NotReached,
    Timeout,
    check_columns,
    columns_option,
    connection_options,
    country_option,
    date_format_option,
    feed_option,
    json_option,
    login_name,
    told,
)
from ringfence.cli.output import print_json, progress_bars
from ringfence.cli.reject_file import RejectFile, TurnedAway, check_not_there, rejects_option
from ringfence.cli.withheld_option import withheld_option
from ringfence.errors import DeadlineExceeded, Unreachable
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.tables import TableError
from ringfence.wording.times import time_reader, unix_text
from ringfence.wording.withheld import Withheld

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_KINDS = [kind.name for kind in EventKind if kind]


@click.group("import")
def import_() -> None:
    """Bring in what lies in files."""


@import_.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@feed_option
@click.option(
    "--complete-from",
    type=Moment(),
    metavar="TIME",
    help="With --complete-to: the files hold everything that came from then on, so silence counts.",
)
@click.option("--complete-to", type=Moment(), metavar="TIME", help="Up to then, itself not in it.")
@click.option(
    "--kind",
    type=click.Choice(_KINDS, case_sensitive=False),
    help="The kind of the events whose rows name none.",
)
@country_option
@columns_option
@date_format_option
@rejects_option
@withheld_option
@click.option(
    "--yes", is_flag=True, help="Claim that time though a file has no row, as nothing came."
)
@click.option("--restart", is_flag=True, help="Begin anew, and not where the last run was cut off.")
@json_option
@connection_options
@click.option(
    "--timeout",
    type=Timeout(),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long to wait for any answer.",
)
@click.option(
    "--actor",
    metavar="NAME",
    envvar="RINGFENCE_ACTOR",
    show_envvar=True,
    help="Who sends, where no certificate says so; else the login name.",
)
@click.pass_context
def events(
    ctx: click.Context,
    *,
    files: tuple[Path, ...],
    feed: str,
    complete_from: int | None,
    complete_to: int | None,
    kind: str | None,
    written: WrittenNumbers,
    columns: dict[str, str],
    date_format: str | None,
    withheld: Withheld,
    rejects: Path | None,
    yes: bool,
    restart: bool,
    as_json: bool,
    server: str,
    tls: Tls | None,
    timeout: float,
    actor: str | None,
) -> None:
    """Send the events of files, and say what they cover.

    CSV, also in gzip, with the columns called, caller (empty = withheld), occurred_at (or at) and
    kind. To import a file twice does no harm, and a run that was cut off goes on where it was.
    Lines that are no events go to a file that can be mended and imported. With --complete-from and
    --complete-to the feed claims that time, if every line was read and every event taken, and no
    file is without a row: that is asked about. The exit code is 1 if nothing is claimed then.
    """
    now = int(time.time())
    claim = _claim(complete_from, complete_to, now)
    if rejects is not None and len(files) > 1:
        raise click.UsageError("--rejects goes with one file")
    columns = _columns(columns)
    default_kind = EventKind[kind.upper()] if kind else None
    read_time = time_reader(date_format)
    forms = EventForms(now + AHEAD_S_MAX, written, read_time, default_kind, columns, withheld)
    asked = [server, str(written.country), str(date_format), str(kind), *map(str, columns.items())]
    asked += withheld.more
    actor = actor or login_name()
    with told(server), Client(server, tls=tls, timeout_s=timeout, actor=actor) as client:
        try:
            stream = EventStream(
                server, feed, buffer_events=PART_ROWS, claims=False, tls=tls, actor=actor
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        _look(client, server, feed)
        run = _Run(Note(files, feed, asked), rejects, restart=restart)
        sent = run.send(files, forms, stream, patience_s=timeout)
        whole = not (sent.bad_rows or sent.rejected)
        made = claim is not None and whole and _sure(sent, yes=yes)
        reach = ""
        if claim is not None and made:
            client.record_events(feed, [], complete_from=claim[0], watermark=claim[1])
            reach = reach_text(client, feed, claim)
        run.note.remove()
    if as_json:
        print_json(sent_json(sent, claim if made else None))
    else:
        show_sent(sent)
    say_claim(feed, claim, sent, made=made)
    if reach:
        click.echo(reach, err=True)
    if not whole or (claim is not None and not made):
        ctx.exit(1)


def _columns(given: dict[str, str]) -> dict[str, str]:
    """What the files call our columns; `at` is another word for `occurred_at`."""
    check_columns(given, (*COLUMNS, "at"))
    if {"at", "occurred_at"} <= given.keys():
        raise click.UsageError("--column: at and occurred_at are the same column")
    return {("occurred_at" if ours == "at" else ours): theirs for ours, theirs in given.items()}


def _sure(sent: Sent, *, yes: bool) -> bool:
    """Whether the files hold all that came; asks where one is empty, and somebody can be asked."""
    doubt = doubt_of(sent)
    if yes or not doubt:
        return True
    return sys.stdin.isatty() and click.confirm(
        f"{doubt}. Claim all the same that nothing came which is not in the files?", err=True
    )


def _claim(begin: int | None, end: int | None, now: int) -> Claim | None:
    if begin is None and end is None:
        return None
    if begin is None or end is None:
        raise click.UsageError("--complete-from and --complete-to go together")
    if not begin < end <= now:
        raise click.UsageError(
            f"--complete-from, --complete-to: value={unix_text(begin)} to {unix_text(end)},"
            f" bound=the first before the second, and neither after now, {unix_text(now)}"
        )
    return begin, end


def _look(client: Client, server: str, feed: str) -> None:
    """Refuses a feed that is not registered, before a month of lines is read."""
    try:
        known = {status.feed.name for status in client.list_feeds()}
    except (Unreachable, DeadlineExceeded):
        raise
    except RingfenceError:  # one that may send events may not be allowed to ask
        return
    if feed not in known:
        raise Failed(
            f"feed {feed} is not registered at {server}: what it claims would not count."
            " `ringfence feeds put FILE.toml` registers it; nothing was sent"
        )


def _absolute(path: Path | None) -> str:
    """The same file for a run in another folder."""
    return "" if path is None else str(path.absolute())


class _Run:
    """Sends files, says how far it came when it is cut off, and goes on there the next time."""

    def __init__(self, note: Note, rejects: Path | None, *, restart: bool) -> None:
        self.note = note
        self._rejects = rejects
        self._noted = True
        self._reject_file: RejectFile | None = None
        self._last = (None if restart else note.read()) or Sent()
        check_not_there(rejects, self._last.rejects)
        if self._last.rows:
            click.echo(
                f"going on behind row {self._last.rows:,}, as noted in {note.path}", err=True
            )

    def send(
        self, files: Sequence[Path], forms: EventForms, stream: EventStream, *, patience_s: float
    ) -> Sent:
        """Sends all that is left; raises what told() and click turn into exit codes."""
        begin = self._last
        try:
            with progress_bars() as bars:
                return asyncio.run(
                    send_files(
                        files,
                        forms,
                        stream,
                        begin=begin,
                        opens=partial(self._opened, bars),
                        done=self._done,
                        patience_s=patience_s,
                    )
                )
        except NotAnswered as error:
            self._say_cut_off(error)
            raise NotReached(str(error)) from None
        except TableError as error:
            self._say_cut_off(error)
            raise InputError(str(error)) from None
        except (KeyboardInterrupt, RingfenceError) as error:
            self._say_cut_off(error)
            raise

    def _done(self, sent: Sent) -> None:
        if self._reject_file is not None:  # before the note, or rows of this part could be lost
            self._reject_file.write()
            sent.rejects = _absolute(self._reject_file.path)
        self._write_down(replace(sent))

    def _made(self, reject_file: Path) -> None:
        """Bad rows have a file: whoever goes on here goes on in that."""
        self._write_down(replace(self._last, rejects=_absolute(reject_file)))

    def _write_down(self, sent: Sent) -> None:
        self._last = sent
        try:
            if self._noted:
                self.note.write(sent)
        except OSError as error:
            self._noted = False
            click.echo(
                f"{self.note.path}: {error.strerror}; a run that is cut off begins anew", err=True
            )

    def _say_cut_off(self, error: BaseException) -> None:
        if not self._last.rows:
            click.echo("no row was answered, and nothing is claimed", err=True)
            return
        text = f"before that: {self._last.rows:,} rows done, accepted {self._last.accepted:,};"
        text += " nothing is claimed"
        click.echo(f"{text}. {AGAIN}" if again_helps(error) else text, err=True)

    @contextmanager
    def _opened(self, bars: Progress, path: Path) -> Iterator[tuple[IO[bytes], TurnedAway]]:
        begun = Path(self._last.rejects) if self._last.rejects else None
        with (
            RejectFile(self._rejects, path, begun=begun, made=self._made) as reject_file,
            bars.open(path, "rb", description=f"importing {path.name}, bytes") as file,
        ):
            bad = TurnedAway(reject_file, str(path))
            self._reject_file = reject_file
            try:
                yield file, bad
            finally:
                self._reject_file = None
                if reject_file.rows:
                    click.echo(bad.text, err=True)
