"""`put` of a policy, pool or feed: shows what it changes, and asks before anything is lost."""

import difflib
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import click

from ringfence import Feed, Policy, Pool
from ringfence.cli.options import ask_first
from ringfence.cli.output import print_json
from ringfence.cli.setting_toml import SettingToml

Setting = TypeVar("Setting", Policy, Pool, Feed)

_COLOURS = {"-": "red", "+": "green"}


@dataclass(frozen=True)
class PutOptions:
    """How it is put."""

    revision: int | None
    """To replace; None = the one that was shown."""
    dry_run: bool
    yes: bool
    as_json: bool


@dataclass(frozen=True)
class Put(Generic[Setting]):
    """What is to be put, of which file, in place of what."""

    file: Path
    wanted: Setting
    named: Collection[str]
    """The keys that the file has."""
    present: Setting | None
    toml: Callable[[Setting], SettingToml]

    def carry_out(self, options: PutOptions, send: Callable[[Setting], Setting]) -> None:
        """Shows the difference, asks if the file leaves out what is set, sends it, says what is."""
        if not options.as_json:
            self._show_difference()
        if lost := self._left_out():
            said = f"{self.file} leaves out what is set: {', '.join(lost)}"
            if options.dry_run:
                click.echo(said, err=True)
            elif not options.yes:
                _ask(said)
        # Nobody else's change is lost: what is replaced is what was compared.
        revision = self.present.revision if self.present else 0
        if options.revision is not None:
            revision = options.revision
        stored = send(replace(self.wanted, revision=revision))
        if options.as_json:
            print_json({"previous": self.present, "current": stored, "dry_run": options.dry_run})
            return
        now = f"revision {stored.revision}"
        if options.dry_run:
            now = "would be accepted; nothing has changed"
        click.echo(f"{self._kind} {stored.name}: {now}")

    @property
    def _kind(self) -> str:
        return self.toml(self.wanted).kind

    def _show_difference(self) -> None:
        if self.present is None:
            return
        for line in difflib.unified_diff(
            self.toml(self.present).text.splitlines(),
            self.toml(self.wanted).text.splitlines(),
            f"{self._kind} {self.present.name}, revision {self.present.revision}",
            str(self.file),
            lineterm="",
        ):
            click.echo(click.style(line, fg=_COLOURS.get(line[:1])))

    def _left_out(self) -> list[str]:
        """What is set, not named in the file, and would be something else."""
        if self.present is None:
            return []
        after = self.toml(self.wanted).keys
        return [
            f"{key} = {value}"
            for key, value in self.toml(self.present).keys.items()
            if key not in self.named and after.get(key) != value
        ]


def _ask(said: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"{said}\nName it in the file (`show NAME --toml` gives one to begin from), or give"
            " --yes if it is to go."
        )
    click.echo(said, err=True)
    ask_first(False, "Put the file all the same?")
