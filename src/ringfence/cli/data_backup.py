"""`ringfence data backup` and `ringfence data restore`: a data folder, copied there and back."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ringfence.cli.options import Failed, json_option
from ringfence.cli.output import print_facts, print_json
from ringfence.engine.snapshot import read_header
from ringfence.engine.wrong_path import wrong_path
from ringfence.server.tools.backup import back_up
from ringfence.server.tools.data_copy import CopyDamaged, CopyError, DataCopy, WrongFolder
from ringfence.server.tools.restore import restore as restore_folder
from ringfence.wording.times import format_time

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_FOLDER = click.Path(path_type=Path)


class NotWhole(click.ClickException):
    """What was to be copied is damaged."""

    exit_code = 1


@click.command()
@click.argument("data", type=_FOLDER)
@click.argument("target", type=_NEW_FOLDER)
@click.option("--no-verify", is_flag=True, help="Do not read the copy again to check it.")
@json_option
def backup(data: Path, target: Path, no_verify: bool, as_json: bool) -> None:
    """Copy the data folder DATA to TARGET while its server runs.

    TARGET must not exist; it appears when the copy is whole. Whatever was acknowledged before the
    backup began is in it. Exit code 1: the copy is not whole, and was removed.
    """
    began = time.monotonic()
    with _told(), _bar("copying") as bar:
        copied = back_up(
            data, target, verify=not no_verify, progress=_shown_on(bar), say=_said_on(bar)
        )
    duration_s = time.monotonic() - began
    if as_json:
        _print_copy(target, copied, duration_s=round(duration_s, 3), verified=not no_verify)
        return
    click.echo(
        f"backup made: {target}: snapshots={len(copied.snapshots)} journals={len(copied.journals)}"
        f" bytes={copied.size_bytes} in {duration_s:.1f}s, {'not ' * no_verify}verified"
    )


@click.command()
@click.argument("backup", type=_FOLDER)
@click.argument("data", type=_NEW_FOLDER)
@json_option
def restore(backup: Path, data: Path, as_json: bool) -> None:
    """Make the data folder DATA from BACKUP; no server may run on either.

    BACKUP is checked first, byte by byte. DATA must not exist or be empty; it appears when it is
    whole. Exit code 1: BACKUP is damaged.
    """
    with _told(), _bar("copying") as bar:
        copied = restore_folder(backup, data, progress=_shown_on(bar), say=_said_on(bar))
    newest = None
    if copied.snapshots:
        taken_at = read_header(data / "snapshots" / copied.snapshots[0]).taken_at
        newest = format_time(datetime.fromtimestamp(taken_at, UTC))
    if as_json:
        _print_copy(data, copied, snapshot_at=newest)
        return
    print_facts(
        {
            "restored": str(data),
            "snapshot": f"{copied.snapshots[0]}, taken at {newest}" if copied.snapshots else "none",
            **{f"journal {name}": f"last={last}" for name, last in copied.journals.items()},
        }
    )
    click.echo(
        "Whatever was acknowledged after the backup is not in it: numbers that were handed out"
        f" since may be handed out again.\nThen: ringfence serve --data {data} --config FILE"
    )


def _print_copy(path: Path, copied: DataCopy, **more: object) -> None:
    print_json(
        {
            "path": str(path),
            "snapshots": copied.snapshots,
            "journals": copied.journals,
            "size_bytes": copied.size_bytes,
            **more,
        }
    )


@contextmanager
def _told() -> Iterator[None]:
    """Turns what a copy may fail with into messages and exit codes."""
    try:
        yield
    except WrongFolder as error:
        raise click.UsageError(str(error)) from None
    except CopyDamaged as error:
        raise NotWhole(str(error)) from None
    except CopyError as error:
        raise Failed(str(error)) from None
    except OSError as error:
        raise Failed(wrong_path(error)) from None


def _bar(description: str) -> Progress:
    """A bar of bytes on standard error, if that is a terminal; its one task is numbered 0."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    bar.add_task(description, total=None)
    return bar


def _shown_on(bar: Progress) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        bar.update(bar.task_ids[0], description="copying", completed=done, total=total)

    return show


def _said_on(bar: Progress) -> Callable[[str], None]:
    return lambda text: bar.update(bar.task_ids[0], description=text)
