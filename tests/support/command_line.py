"""The command line in the process of the test, against a server, and what it printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from click.testing import CliRunner, Result

from ringfence.cli import main

Ringfence = Callable[..., Result]


def at(address: str) -> Ringfence:
    """Runs the command with the server at an address; checks the exit code (0 unless said)."""

    def run(*arguments: str, code: int = 0, text: str | None = None, **env: str) -> Result:
        told = {"RINGFENCE_SERVER": address, **env}
        result = CliRunner().invoke(main, list(arguments), input=text, env=told)
        assert result.exit_code == code, f"exit {result.exit_code}: {result.output}"
        return result

    return run


def objects(result: Result) -> list[dict[str, Any]]:
    """The JSON objects that a command printed, one a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def facts(result: Result) -> dict[str, str]:
    """The names and values that a command printed, one to a line."""
    lines = [line.split("  ", 1) for line in result.stdout.splitlines() if "  " in line]
    return {name: value.strip() for name, value in lines if name}
