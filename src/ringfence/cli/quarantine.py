"""`ringfence quarantine`: puts numbers into quarantine, from one to millions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np

from ringfence import Client, DisconnectReason
from ringfence.cli.again import AGAIN, again_helps
from ringfence.cli.completion import complete_pool
from ringfence.cli.error_text import in_words
from ringfence.cli.number_input import (
    InputError,
    NumberFile,
    NumberInput,
    read_rows,
)
from ringfence.cli.number_rows import Numbers
from ringfence.cli.options import (
    Failed,
    Moment,
    ask_first,
    client_options,
    date_format_option,
    json_option,
    numbers_input,
    yes_option,
)
from ringfence.cli.output import print_facts, print_json, progress, progress_bars
from ringfence.cli.quarantine_text import say_known, say_times, say_twice
from ringfence.cli.reject_file import (
    RejectFile,
    RejectsThere,
    TurnedAway,
    check_not_there,
    rejects_option,
)
from ringfence.cli.stock import Known, Sending, chosen, filled, look_up, once
from ringfence.engine.number import format_number
from ringfence.errors import RingfenceError
from ringfence.wording.times import time_reader

REJECTIONS_SHOWN_MAX = 100
_REASONS = [reason.name for reason in DisconnectReason if reason]


@click.command()
@numbers_input
@date_format_option
@click.option(
    "--pool",
    default="default",
    show_default=True,
    metavar="NAME",
    shell_complete=complete_pool,
    help="The pool to put them in.",
)
@click.option(
    "--quarantined-at",
    type=Moment(),
    metavar="TIME",
    help="When the quarantine began: when the last subscriber left. Now, if not given.",
)
@click.option(
    "--observed-since",
    type=Moment(),
    metavar="TIME",
    help="From when their traffic is or will be imported, but of each number not before its own"
    " quarantine. Now, if not given.",
)
@click.option(
    "--reason",
    type=click.Choice(_REASONS, case_sensitive=False),
    metavar="REASON",
    help=f"Why the last subscriber left: {', '.join(_REASONS)}.",
)
@click.option("--dry-run", is_flag=True, help="Read, check and look everything up; send nothing.")
@click.option(
    "--assigned",
    type=click.Choice(["include", "skip"]),
    help="Numbers that were handed out or retired and would come back: also these, or not. Asked,"
    " if not given.",
)
@rejects_option
@yes_option
@json_option
@client_options
@click.pass_context
def quarantine(
    ctx: click.Context,
    *,
    given: NumberInput,
    date_format: str | None,
    pool: str,
    quarantined_at: int | None,
    observed_since: int | None,
    reason: str | None,
    dry_run: bool,
    assigned: str | None,
    rejects: Path | None,
    yes: bool,
    as_json: bool,
    client: Client,
) -> None:
    """Put numbers into quarantine.

    NUMBERS are written with +, or as in --country, ranges as +A-+B; - reads them from standard
    input. A CSV file may also have the columns quarantined_at, observed_since, reason and pool;
    where a cell is empty the option counts. All is read and looked up before anything is sent.
    Lines that cannot be used, and those that the server refuses, go to a file that can be mended
    and sent again. So can the whole file: numbers already in quarantine stay as they are. The exit
    code is 1 if a line or a number was not used.
    """
    check_not_there(rejects)
    with RejectFile(rejects, _beside(given)) as turned_away, given.opened() as file:
        numbers = given.read() if file is None else _read(file, given, date_format, turned_away)
        if numbers.ignored_columns:
            click.echo(f"columns not read: {', '.join(numbers.ignored_columns)}", err=True)
        _check_pools(client, numbers)
        numbers, twice = once(numbers, quarantined_at)
        say_twice(twice)
        whole = filled(numbers, quarantined_at, observed_since, reason)
        numbers = whole.numbers
        with progress("looking up", len(numbers)) as bar:
            known = look_up(client, numbers, lambda n: bar.update(bar.task_ids[0], completed=n))
        bad_lines = turned_away.rows
        if file is not None or known.returning.any() or dry_run:
            say_known(numbers, known)
        say_times(whole, known)
        left_out = 0
        if not dry_run and known.returning.any() and not _come_back(known, assigned, yes):
            left_out = int(known.returning.sum())
            numbers = chosen(numbers, ~known.returning)
        sending = Sending(client, numbers, pool)
        try:
            if not dry_run:
                with _counted(sending), progress("quarantining", len(numbers)) as bar:
                    sending.run(lambda sent: bar.update(bar.task_ids[0], completed=sent))
        finally:
            if file is not None and sending.refused:
                try:
                    _turn_away(sending, file, turned_away)
                except (OSError, RejectsThere) as error:  # they are shown below, at least the first
                    click.echo(f"no file for what the server refused: {error}", err=True)
    if dry_run:
        click.echo("dry run: nothing was sent", err=True)
    more = {"twice": twice.count, "bad_lines": bad_lines, "left_out": left_out}
    _show(sending, as_json, more, dry_run=dry_run)
    if sending.rejected or bad_lines:
        ctx.exit(1)


def _beside(given: NumberInput) -> Path | None:
    return None if given.file is None or str(given.file) == "-" else given.file


def _read(
    file: NumberFile, given: NumberInput, date_format: str | None, turned_away: RejectFile
) -> Numbers:
    """The numbers of the good lines; raises InputError when there is none."""
    bad = TurnedAway(turned_away, file.source)
    try:
        with progress_bars() as bars:
            numbers = read_rows(
                file, given.written, bad, read_time=time_reader(date_format), bars=bars
            )
    except KeyboardInterrupt:
        click.echo("nothing was sent", err=True)
        raise
    if not len(numbers):
        bad.refuse()
        raise InputError(f"{file.source}: no number in it")
    if turned_away.rows:
        click.echo(bad.text, err=True)
    return numbers


def _check_pools(client: Client, numbers: Numbers) -> None:
    """Refuses a file with an unknown pool before any of its numbers is sent."""
    named = set(numbers.pool_names) - {""}
    if named and (unknown := named - {status.pool.name for status in client.list_pools()}):
        raise Failed(f"no such pool: {', '.join(sorted(unknown))}; nothing was sent")


def _come_back(known: Known, assigned: str | None, yes: bool) -> bool:
    """Whether numbers that are handed out or retired go into quarantine; asks, if need be."""
    if assigned is not None:
        return assigned == "include"
    count = int(known.returning.sum())
    ask_first(
        yes,
        f"{count:,} {'is' if count == 1 else 'are'} handed out or out of use. Have the owners left,"
        " and shall they go into quarantine too?",
        f"{count:,} {'is' if count == 1 else 'are'} handed out or out of use; --assigned include"
        " (or --yes) puts these into quarantine too, --assigned skip leaves them out",
    )
    return True


@contextmanager
def _counted(sending: Sending) -> Iterator[None]:
    """Says what was done when it ends before the end."""
    try:
        yield
    except (RingfenceError, KeyboardInterrupt) as error:
        if sending.answered:
            again = f". {AGAIN}: numbers that are in quarantine already stay as they are"
            click.echo(
                f"before that: accepted {sending.accepted:,}, already quarantined"
                f" {sending.already_quarantined:,}, rejected {sending.rejected:,}, of"
                f" {len(sending.numbers):,}{again if again_helps(error) else ''}",
                err=True,
            )
        else:
            click.echo(f"no number was answered, of {len(sending.numbers):,}", err=True)
        raise


def _turn_away(sending: Sending, file: NumberFile, turned_away: RejectFile) -> None:
    """Writes the rows of the numbers that the server refused; of a range each number by itself."""
    numbers = sending.numbers
    by_line: dict[int, list[tuple[int, str]]] = {}
    for row, refused in sending.refused.items():
        by_line.setdefault(int(numbers.line[row]), []).append(refused)
    lines, counts = np.unique(numbers.line, return_counts=True)
    ranges = set(lines[counts > 1].tolist())
    with file.rows() as (table, rows):
        place = 0 if table is None else table.places["number"]
        for line, cells in rows:
            for number, reason in by_line.get(line, ()):
                if line in ranges:
                    cells[place] = format_number(number)
                turned_away.add(table, line, cells, in_words(reason))


def _show(sending: Sending, as_json: bool, more: dict[str, int], *, dry_run: bool) -> None:
    rejections = [(number, in_words(reason)) for number, reason in sending.refused.values()]
    if as_json:
        result = {
            "accepted": sending.accepted,
            "already_quarantined": sending.already_quarantined,
            "rejected": sending.rejected,
        }
        shown = [
            {"number": number, "reason": reason}
            for number, reason in list(sending.refused.values())[:REJECTIONS_SHOWN_MAX]
        ]
        print_json(result | more, rejections=shown, dry_run=dry_run)
        return
    facts = {
        "accepted": sending.accepted,
        "already quarantined": sending.already_quarantined,
        "rejected": sending.rejected,
        **{name.replace("_", " "): count for name, count in more.items()},
    }
    always = () if dry_run else ("accepted", "already quarantined", "rejected")
    if shown_facts := {n: f"{c:,}" for n, c in facts.items() if c or n in always}:
        print_facts(shown_facts)
    for number, reason in rejections[:REJECTIONS_SHOWN_MAX]:
        click.echo(f"  {format_number(number)}  {reason}")
    if len(rejections) > REJECTIONS_SHOWN_MAX:
        click.echo(f"  and {len(rejections) - REJECTIONS_SHOWN_MAX:,} more")
