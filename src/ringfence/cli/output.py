"""What commands print: tables for people, or one JSON object per line for programs.

JSON has the fields of the contract: enums without prefix, numbers with +, times as RFC 3339,
durations as seconds such as "7776000s", null for what is unset.
"""

import dataclasses
import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ringfence.cli.row_layout import RowLayout, folded, terminal_width
from ringfence.engine.number import format_number
from ringfence.wording.times import format_time

_ROWS_AT_ONCE = 1_000
_NUMBER_LISTS = {"numbers", "changed"}


class _Terminal(Console):
    """A console that leaves a closed pipe to the command, like everything else that writes."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def terminal() -> Console:
    """Standard output for rich text: coloured on a terminal, plain and 100 wide elsewhere."""
    return _Terminal(highlight=False, width=None if sys.stdout.isatty() else 100)


def print_json(value: object, *, without: Collection[str] = (), **instead: object) -> None:
    """Prints a dataclass or dictionary as one line of JSON, without or with other fields."""
    fields = (value if isinstance(value, dict) else _fields(value)) | instead
    shown = {name: field for name, field in fields.items() if name not in without}
    click.echo(json.dumps(_plain(shown), ensure_ascii=False))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table as the rows come; the first thousand decide how the columns are laid out.

    Columns of figures only stand to the right.
    """
    rows = iter(rows)
    block = list(islice(rows, _ROWS_AT_ONCE))
    cells = list(zip(columns, *block, strict=True))
    widths = [
        max(map(len, texts)) * (1 if all(map(str.isdigit, texts[1:])) and block else -1)
        for texts in cells
    ]
    layout = RowLayout(widths, terminal_width())
    click.echo(layout.row(columns, bold=True))
    while block:
        click.echo("\n".join(map(layout.row, block)))
        block = list(islice(rows, _ROWS_AT_ONCE))


def print_facts(facts: Mapping[str, str]) -> None:
    """Prints names and values, one to a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        lines = folded(value, terminal_width(), width + 2)
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {lines}")


def progress(description: str, total: int) -> Progress:
    """A progress bar on standard error, if that is a terminal; its one task is numbered 0."""
    bar = progress_bars()
    bar.add_task(description, total=total)
    return bar


def progress_bars() -> Progress:
    """Room for progress bars on standard error, if that is a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _fields(value: object) -> dict[str, object]:
    if not dataclasses.is_dataclass(value):
        raise TypeError(f"cannot be shown as JSON: {type(value).__name__}")
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _plain(value: Any, name: str = "") -> Any:
    """The value as JSON has it; `name` is the field it stands in."""
    if dataclasses.is_dataclass(value):
        value = _fields(value)
    if isinstance(value, dict):
        return {key: _plain(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if name in _NUMBER_LISTS:
            return [format_number(number) for number in value]
        return [_plain(item, name) for item in value]
    return _scalar(value, name)


def _scalar(value: Any, name: str) -> Any:
    match value:
        case Enum():
            return value.name
        case datetime():
            return format_time(value)
        case timedelta():
            return f"{value.total_seconds():.0f}s"
        case int() if name == "number" and not isinstance(value, bool):
            return format_number(value)
    return value
