"""`ringfence data export`: what regulators ask for, from the history database, which it only reads.

The server may run meanwhile, or not.
"""

import csv
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ringfence.cli.options import Command, Failed, Moment, NotReached, json_option
from ringfence.engine.number import format_number
from ringfence.server.config.config import HISTORY_URL, load_config
from ringfence.server.config.config_problems import ConfigError
from ringfence.wording.times import format_time

if TYPE_CHECKING:
    from sqlalchemy import Connection

Row = tuple[str | int, ...]


@click.group()
def export() -> None:
    """Lists from the history: what was in quarantine, what was disconnected, how long.

    CSV with a header, or JSON lines. A DATE is RFC 3339 or a day, which means its beginning, UTC.
    """


def history_options(function: Command) -> Command:
    """Adds where the history is, which pool, and how to write; the command gets a `history`."""

    @click.option(
        "--data",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="The data folder, with history.db in it.",
    )
    @click.option(
        "--config",
        "config_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The server's configuration, which says where the history is.",
    )
    @click.option(
        "--url",
        metavar="URL",
        envvar="RINGFENCE_HISTORY_URL",
        show_envvar=True,
        help=f"The history database itself: {HISTORY_URL}USER@HOST/DATABASE.",
    )
    @click.option("--pool", default="", metavar="NAME", help="Only numbers of this pool.")
    @click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
        metavar="FILE",
        default="-",
        help="Where to write; the file appears when it is whole.",
    )
    @json_option
    @wraps(function)
    def command(
        *args: Any,
        data: Path | None,
        config_file: Path | None,
        url: str | None,
        output: Path,
        as_json: bool,
        **kwargs: Any,
    ) -> Any:
        with _history(_url(data, config_file, url)) as connection:
            columns, rows = function(*args, history=connection, **kwargs)
            with click.open_file(str(output), "w", encoding="utf-8", atomic=True) as file:
                _write(file, columns, rows, as_json=as_json)

    return command


Export = tuple[Sequence[str], Iterator[Row]]


@export.command()
@click.option("--on", "at", type=Moment(), metavar="DATE", help="When; now, if not given.")
@history_options
def quarantined(history: "Connection", at: int | None, pool: str) -> Export:
    """List the numbers in quarantine on a date: pool, since when, reason, state.

    Numbers that are held or reserved are in quarantine too.
    """
    from ringfence.server.followers.history.exports import quarantined_numbers

    rows = quarantined_numbers(history, at or int(time.time()), pool)
    return ("number", "pool", "quarantined_at", "reason", "state"), (
        (
            format_number(row.number),
            row.pool,
            _time(row.quarantined_at),
            row.reason.name,
            row.state.name,
        )
        for row in rows
    )


@export.command()
@click.option("--since", type=Moment(), required=True, metavar="DATE", help="From when on.")
@click.option("--until", type=Moment(), metavar="DATE", help="Before when; now, if not given.")
@history_options
def disconnected(history: "Connection", since: int, until: int | None, pool: str) -> Export:
    """List numbers that were permanently disconnected, each with the last such date, UTC.

    Left out: numbers that were restored to that subscriber, and those that never had one.
    """
    from ringfence.server.followers.history.exports import disconnected_numbers

    rows = disconnected_numbers(history, since, until or int(time.time()) + 1, pool)
    return ("number", "disconnected_on"), (
        (format_number(row.number), _time(row.disconnected_at)[:10]) for row in rows
    )


@export.command()
@click.option("--since", type=Moment(), metavar="DATE", help="From when on; all, if not given.")
@click.option("--until", type=Moment(), metavar="DATE", help="Before when; now, if not given.")
@history_options
def complaints(history: "Connection", since: int | None, until: int | None, pool: str) -> Export:
    """Count complaints by the pool and the policy under which their numbers were handed out."""
    from ringfence.server.followers.history.exports import complaints as counted

    rows = counted(history, since or 0, until or int(time.time()) + 1, pool)
    return ("pool", "policy", "complaints"), (
        (row.pool, row.policy, row.complaints) for row in rows
    )


@export.command("aging-report")
@click.option("--on", "at", type=Moment(), metavar="DATE", help="When; now, if not given.")
@history_options
def aging_report(history: "Connection", at: int | None, pool: str) -> Export:
    """Count the numbers in quarantine on a date, by pool and by how long they had been in it."""
    from ringfence.server.followers.history.exports import AGES_DAYS, ages

    at = at or int(time.time())
    edges = (0, *AGES_DAYS)
    columns = (
        "pool",
        "numbers",
        *(f"days_{low}_to_{high}" for low, high in pairwise(edges)),
        f"days_{edges[-1]}_and_more",
        "oldest",
    )
    return columns, (
        (row.pool, row.numbers, *row.counts, _time(row.oldest)) for row in ages(history, at, pool)
    )


def _url(data: Path | None, config_file: Path | None, url: str | None) -> str:
    from ringfence.server.followers.history.database import FILE, history_url

    if url is not None:
        if not url.startswith(HISTORY_URL):
            raise click.UsageError(f"--url begins with {HISTORY_URL}")
        return url
    try:
        config = load_config(config_file).history
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    if not config.url and data is None:
        raise click.UsageError("where is the history? --data DIR, --config FILE or --url URL")
    if not config.url and data is not None:
        if not (data / FILE).exists():
            raise click.UsageError(f"no {FILE} in {data}: is it a data folder?")
        (data / FILE).open("rb").close()  # SQLite would not say what is wrong with it
    return history_url(config, data or Path())


@contextmanager
def _history(url: str) -> Iterator["Connection"]:
    """A connection to the history database, in one transaction; its errors become ours."""
    from sqlalchemy.exc import SQLAlchemyError

    from ringfence.server.followers.history.database import HistoryError, open_reader, told
    from ringfence.server.followers.history.exports import holes
    from ringfence.server.followers.history.schema import check_up_to_date

    try:
        with ExitStack() as opened:
            engine = open_reader(url)
            opened.callback(engine.dispose)
            connection = opened.enter_context(engine.begin())
            check_up_to_date(connection)
            for after, before in holes(connection):
                click.echo(
                    "the history has a hole: the journal's values between positions"
                    f" {after} and {before} were lost",
                    err=True,
                )
            yield connection
    except HistoryError as error:
        raise Failed(str(error)) from None
    except SQLAlchemyError as error:
        raise NotReached(f"the history database cannot be read: {told(error)}") from None


def _write(file: IO[str], columns: Sequence[str], rows: Iterator[Row], *, as_json: bool) -> None:
    put: Callable[[Row], object]
    if as_json:

        def put(row: Row) -> object:
            return file.write(json.dumps(dict(zip(columns, row, strict=True))) + "\n")
    else:
        put = csv.writer(file, lineterminator="\n").writerow
        put(tuple(columns))
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.completed:.0f} rows"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty() or file.isatty(),
    ) as progress:
        task = progress.add_task("", total=None)
        for row in rows:
            put(row)
            progress.advance(task)


def _time(moment: int) -> str:
    text = format_time(datetime.fromtimestamp(moment, UTC))
    assert text is not None
    return text
