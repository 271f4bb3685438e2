"""What the commands that read finished files share: the run that can be gone on with, the claim."""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

import click
from rich.progress import Progress

from ringfence import Client, EventStream, RingfenceError, Tls
from ringfence.adapters.event_files import PART_ROWS, Note, Sent, send_files
from ringfence.adapters.event_table import Reads
from ringfence.adapters.run import NotAnswered
from ringfence.cli.again import AGAIN, again_helps
from ringfence.cli.claim_reach import reach_text
from ringfence.cli.import_options import ImportOptions
from ringfence.cli.import_text import Claim, doubt_of, say_claim, sent_json, show_sent
from ringfence.cli.number_input import InputError
from ringfence.cli.options import Failed, NotReached, login_name, told
from ringfence.cli.output import print_json, progress_bars
from ringfence.cli.reject_file import RejectFile, TurnedAway, check_not_there
from ringfence.errors import DeadlineExceeded, Unreachable
from ringfence.wording.tables import TableError
from ringfence.wording.times import unix_text

_OBJECTS = 100_000
"""New objects between looks for rubbish that refers to itself: there is hardly any, and to look at
all that is remembered of calls takes a seventh of the time.
"""


@dataclass(frozen=True)
class Import:
    """What is to be imported, and how."""

    files: Sequence[Path]
    feed: str
    asked: Sequence[str]
    """All that makes another run of the same files a different one."""
    given: ImportOptions
    claim: Claim | None
    server: str
    tls: Tls | None
    timeout: float
    actor: str | None = None


def run_import(
    wanted: Import, reads: Reads, remember: Callable[[IO[bytes]], None] | None = None
) -> bool:
    """Sends what the files have, claims, and says both; whether all is as it was asked for.

    `remember` reads files again that an earlier run has sent, see `send_files`.
    """
    feed, server, claim = wanted.feed, wanted.server, wanted.claim
    given = wanted.given
    gc.set_threshold(_OBJECTS)
    if given.rejects is not None and len(wanted.files) > 1:
        raise click.UsageError("--rejects goes with one file")
    actor = wanted.actor or login_name()
    timeout, tls = wanted.timeout, wanted.tls
    with told(server), Client(server, tls=tls, timeout_s=timeout, actor=actor) as client:
        try:
            stream = EventStream(
                server, feed, buffer_events=PART_ROWS, claims=False, tls=tls, actor=actor
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        _look(client, server, feed)
        note = Note(wanted.files, feed, wanted.asked)
        run = _Run(note, given.rejects, remember, restart=given.restart)
        sent = run.send(wanted.files, reads, stream, patience_s=timeout)
        whole = not (sent.bad_rows or sent.rejected)
        made = claim is not None and whole and _sure(sent, yes=given.yes)
        reach = ""
        if claim is not None and made:
            client.record_events(feed, [], complete_from=claim[0], watermark=claim[1])
            reach = reach_text(client, feed, claim)
        run.note.remove()
    if given.as_json:
        print_json(sent_json(sent, claim if made else None))
    else:
        show_sent(sent)
    say_claim(feed, claim, sent, made=made)
    if reach:
        click.echo(reach, err=True)
    return whole and (claim is None or made)


def _sure(sent: Sent, *, yes: bool) -> bool:
    """Whether the files hold all that came; asks where one is empty, and somebody can be asked."""
    doubt = doubt_of(sent)
    if yes or not doubt:
        return True
    return sys.stdin.isatty() and click.confirm(
        f"{doubt}. Claim all the same that nothing came which is not in the files?", err=True
    )


def claim_of(given: ImportOptions, now: int) -> Claim | None:
    """The time that --complete-from and --complete-to claim."""
    begin, end = given.complete_from, given.complete_to
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

    def __init__(
        self,
        note: Note,
        rejects: Path | None,
        remember: Callable[[IO[bytes]], None] | None,
        *,
        restart: bool,
    ) -> None:
        self.note = note
        self._remember = remember
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
        self, files: Sequence[Path], reads: Reads, stream: EventStream, *, patience_s: float
    ) -> Sent:
        """Sends all that is left; raises what told() and click turn into exit codes."""
        begin = self._last
        try:
            with progress_bars() as bars:
                return asyncio.run(
                    send_files(
                        files,
                        reads,
                        stream,
                        begin=begin,
                        opens=partial(self._opened, bars),
                        done=self._done,
                        patience_s=patience_s,
                        remember=self._remember,
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
                if bad.text:
                    click.echo(bad.text, err=True)
