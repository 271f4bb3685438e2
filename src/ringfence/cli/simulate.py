"""`ringfence simulate`: what policies would have made of a history, side by side."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import TypeVar

import click

from ringfence.cli.options import (
    Duration,
    Failed,
    check_columns,
    columns_option,
    country_option,
    date_format_option,
    json_option,
)
from ringfence.cli.output import print_json, progress, progress_bars
from ringfence.cli.settings import read_setting
from ringfence.cli.simulation_text import Source, outcome_json, print_outcomes
from ringfence.engine.memory.segment import RING_ENTRIES, SegmentError
from ringfence.engine.settings.policy import NO_SPRAY, Policy, SettingError
from ringfence.engine.snapshot import SnapshotError
from ringfence.server.config.config import Config, SprayTable, load_config, load_policy
from ringfence.server.config.duration import format_duration
from ringfence.server.folder.secret_file import SecretDamaged
from ringfence.server.journal.journal import JournalDown, JournalError
from ringfence.server.tools.data_copy import WrongFolder
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.generated import GeneratedHistory
from ringfence.simulation.history import History, HistoryError
from ringfence.simulation.imported import COLUMNS, Forms, LeftOut, imported_history
from ringfence.simulation.journalled import journalled_history
from ringfence.simulation.play import play
from ringfence.simulation.recorded import RecordedHistory
from ringfence.simulation.ring_sizes import ring_sizes
from ringfence.simulation.traffic.events import NUMBERS_MAX
from ringfence.simulation.traffic.parameters import CLIMATES, Traffic
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.times import time_reader

DAYS_MAX = 3_650
T = TypeVar("T")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_GENERATED = ("climate", "numbers", "days", "seed")
_SPRAY = ("spray_numbers", "spray_window")


@click.command()
@click.option(
    "--policy",
    "policies",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE.toml",
    help="A policy as `policies put` reads it, for the numbers of all pools; again for each other"
    " one. Without: the default one, as shipped.",
)
@click.option(
    "--climate",
    type=click.Choice(list(CLIMATES)),
    default="ncsu",
    show_default=True,
    help="How much background there is in a history that is made up.",
)
@click.option(
    "--numbers",
    type=click.IntRange(1, NUMBERS_MAX),
    default=100_000,
    show_default=True,
    help="Numbers in it.",
)
@click.option(
    "--days", type=click.IntRange(1, DAYS_MAX), default=365, show_default=True, help="Its length."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What it is made from."
)
@click.option(
    "--data", type=_FOLDER, metavar="DIR", help="A server's data folder, and not a made-up history."
)
@click.option(
    "--events", type=_FILE, metavar="FILE.csv", help="Events from a file: called, caller, ..."
)
@click.option(
    "--numbers-file", type=_FILE, metavar="FILE.csv", help="Their numbers: number, quarantined_at."
)
@country_option
@columns_option
@date_format_option
@click.option(
    "--ring-entries",
    type=click.Choice([str(entries) for entries in RING_ENTRIES]),
    help="K, the events kept of a number; as the folder or `serve` has it, if not given.",
)
@click.option(
    "--spray-numbers",
    type=int,
    help="A caller of so many numbers is a robot, 0 = none is; as `serve` has it, if not given.",
)
@click.option(
    "--spray-window",
    type=Duration(),
    help="If it called them within so long; likewise.",
)
@click.option(
    "--calendar",
    type=Duration(),
    default="90d",
    show_default=True,
    help="The age at which a calendar releases numbers, to compare with.",
)
@json_option
@click.pass_context
def simulate(
    context: click.Context,
    *,
    policies: Sequence[Path],
    climate: str,
    numbers: int,
    days: int,
    seed: int,
    data: Path | None,
    events: Path | None,
    numbers_file: Path | None,
    written: WrittenNumbers,
    columns: dict[str, str],
    date_format: str | None,
    ring_entries: str | None,
    spray_numbers: int | None,
    spray_window: timedelta | None,
    calendar: timedelta,
    as_json: bool,
) -> None:
    """Play a history against policies.

    Says what each would have handed out when, and who then still looked for the previous owner. The
    history is made up from published figures, unless --data or --events and --numbers-file are
    given. The last line is what a calendar would have done. For --data it also says which number of
    ring entries is enough for the traffic there.
    """
    _refuse_together(context, data, events, numbers_file)
    check_columns(columns, COLUMNS)
    config = load_config()
    entries = int(ring_entries or config.server.ring_entries)
    spray = _spray(config.spray, spray_numbers, spray_window)
    history: History
    if data is not None:
        history, source = _recorded(data)
        entries = _entries_of(history, ring_entries, entries)
    elif events is not None and numbers_file is not None:
        history, source = _imported(
            numbers_file, events, Forms(written, time_reader(date_format), columns)
        )
    else:
        history, source = _generated(climate, numbers, days, seed)
    chosen = _policies(policies, config, entries)
    if data is not None:
        sizes = ring_sizes(history, [policy for _, policy in chosen])
        source = replace(source, ring_sizes=sizes)
    # The journal of a server says who was a robot.
    settings = NO_SPRAY if data is not None else spray.settings(history.numbers.number.size)
    age_s = int(calendar.total_seconds())
    rows: list[Candidate | Calendar] = [
        *(Candidate(name, each, entries, settings) for name, each in chosen),
        Calendar(f"calendar {format_duration(age_s)}", age_s),
    ]
    with progress("days", 0) as bar:
        outcomes = _told(
            lambda: play(
                history,
                rows,
                progress=lambda done, total: bar.update(
                    bar.task_ids[0], completed=done, total=total
                ),
            ),
            data,
        )
    if as_json:
        for outcome in outcomes:
            print_json(outcome_json(outcome, history, source))
    else:
        print_outcomes(outcomes, history, source)


def _refuse_together(
    context: click.Context, data: Path | None, events: Path | None, numbers_file: Path | None
) -> None:
    """One source of history, and only its own options."""
    if (events is None) != (numbers_file is None):
        raise click.UsageError("--events and --numbers-file go together")
    if data is not None and events is not None:
        raise click.UsageError("one history: --data, or --events and --numbers-file")
    default = click.core.ParameterSource.DEFAULT
    given = {name for name in context.params if context.get_parameter_source(name) is not default}
    refused = [name for name in _GENERATED if data is not None or events is not None]
    refused += [name for name in _SPRAY if data is not None]
    for name in refused:
        if name in given:
            source = "--data" if data is not None else "--events"
            raise click.UsageError(f"--{name.replace('_', '-')} means nothing with {source}")


def _entries_of(history: RecordedHistory, asked: str | None, default: int) -> int:
    """K for events that come from rings: theirs, if not asked for less."""
    most = history.ring_entries_most
    if most is None:
        return default
    if asked is not None and int(asked) > most:
        raise click.UsageError(
            f"--ring-entries: value={asked}, bound={most}, as the rings of this folder: what these"
            " have displaced is no silence"
        )
    return int(asked or most)


def _policies(files: Sequence[Path], config: Config, ring_entries: int) -> list[tuple[str, Policy]]:
    """The policies by their names, with their files where two have the same name."""
    for file in files:
        if files.count(file) > 1:
            raise click.UsageError(f"--policy: {file} is given twice")
    loaded = [(str(file), read_setting(load_policy, file).policy()) for file in files]
    if not loaded:
        loaded = [("the default policy", config.policies[0])]
    for source, policy in loaded:
        try:
            policy.check(ring_entries)
        except SettingError as error:
            raise click.UsageError(f"{source}: {error} (--ring-entries {ring_entries})") from None
    names = [policy.name for _, policy in loaded]
    return [
        (policy.name if names.count(policy.name) == 1 else f"{policy.name} ({source})", policy)
        for source, policy in loaded
    ]


def _spray(spray: SprayTable, numbers: int | None, window: timedelta | None) -> SprayTable:
    """The settings of the configuration, or those of the command line."""
    changed = {} if numbers is None else {"numbers": numbers}
    if window is not None:
        changed["window"] = int(window.total_seconds())
    spray = spray.model_copy(update=changed)
    try:
        spray.settings(1).check()
    except SettingError as error:
        raise click.UsageError(f"--spray-{error.field}: {error.text}") from None
    return spray


def _generated(climate: str, numbers: int, days: int, seed: int) -> tuple[GeneratedHistory, Source]:
    try:
        history = GeneratedHistory(
            Traffic(CLIMATES[climate]), numbers=numbers, days=days, seed=seed
        )
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None
    made = {"climate": climate, "numbers": numbers, "days": days, "seed": seed}
    text = f"made up, climate {climate}, seed {seed}"
    return history, Source(text, {"source": "made up", **made})


def _recorded(data: Path) -> tuple[RecordedHistory, Source]:
    history = _told(lambda: journalled_history(data, _waiting), data)
    fields = {"source": "data", "data": str(data), "robots": history.robots}
    return history, Source(str(data), fields, history.robots)


def _imported(numbers_file: Path, events: Path, forms: Forms) -> tuple[RecordedHistory, Source]:
    now = int(time.time())
    with progress_bars() as bars:
        history, left_out = _told(
            lambda: imported_history(
                numbers_file, events, now=now, not_read=_not_read, progress=bars, forms=forms
            ),
            None,
        )
    _tell_left_out(left_out, numbers_file)
    fields = {"source": "files", "events": str(events), "numbers_file": str(numbers_file)}
    return history, Source(f"{events}, {numbers_file}", fields)


def _tell_left_out(left_out: LeftOut, numbers_file: Path) -> None:
    for count, one, more in (
        (
            left_out.unknown_events,
            f"event is of a number that {numbers_file} does not have",
            f"events are of numbers that {numbers_file} does not have",
        ),
        (
            left_out.early_events,
            "event came before its number was in quarantine",
            "events came before their numbers were in quarantine",
        ),
        (
            left_out.late_numbers,
            "number comes into quarantine after the last day with an event",
            "numbers come into quarantine after the last day with an event",
        ),
    ):
        if count:
            click.echo(f"left out: {count} {one if count == 1 else more}", err=True)


def _not_read(file: Path, columns: Sequence[str]) -> None:
    click.echo(f"{file}: columns not read: {', '.join(columns)}", err=True)


def _told(make: Callable[[], T], data: Path | None) -> T:
    """Turns what a history or a table may fail with into messages and exit codes."""
    try:
        with _unwound_by_sigterm():
            return make()
    except (HistoryError, WrongFolder) as error:
        raise click.UsageError(str(error)) from None
    except JournalDown as error:  # the journal is not damaged: its copy finds no room
        raise Failed(f"{error}; journals are copied to TMPDIR, {gettempdir()}") from None
    except (JournalError, SnapshotError, SecretDamaged) as error:
        raise Failed(f"{error}; `ringfence data verify {data}` says more") from None
    except (SegmentError, OSError) as error:
        raise Failed(str(error)) from None


@contextmanager
def _unwound_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the process as Ctrl-C does: no copy of a journal is left behind."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _waiting() -> None:
    click.echo("waiting for a snapshot that is being taken", err=True)
