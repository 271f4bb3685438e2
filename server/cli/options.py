"""Options that several commands share, and the connection that they describe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ringfence import Client, Tls
from ringfence.errors import DeadlineExceeded, RingfenceError, Unreachable
from ringfence.server.address import parse_address
from ringfence.server.cli.times import parse_time

Command = Callable[..., Any]
_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


class Failed(click.ClickException):
    """The server refused or failed."""

    exit_code = 4


class NotReached(click.ClickException):
    """The server cannot be reached."""

    exit_code = 3


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """A point in time as unix seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_time(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Address(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """HOST:PORT."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parse_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def connection_options(function: Command) -> Command:
    """Adds what says where the server is; the command gets `server` and `tls`."""

    @click.option(
        "--server",
        type=Address(),
        metavar="HOST:PORT",
        envvar="RINGFENCE_SERVER",
        default="127.0.0.1:50051",
        show_default=True,
        show_envvar=True,
        help="The Ringfence server.",
    )
    @click.option("--tls-ca", type=_PEM, help="TLS: PEM file of the server's authority.")
    @click.option("--tls-certificate", type=_PEM, help="TLS: PEM file of our certificate.")
    @click.option("--tls-key", type=_PEM, help="TLS: PEM file of its key.")
    @wraps(function)
    def command(
        *args: Any,
        tls_ca: Path | None,
        tls_certificate: Path | None,
        tls_key: Path | None,
        **kwargs: Any,
    ) -> Any:
        if (tls_certificate is None) != (tls_key is None):
            raise click.UsageError("--tls-certificate and --tls-key go together")
        tls = Tls(tls_ca, tls_certificate, tls_key) if tls_ca or tls_certificate else None
        return function(*args, tls=tls, **kwargs)

    return command


def client_options(function: Command) -> Command:
    """Adds what says how to reach the server; the command gets a `client`."""

    @connection_options
    @click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        default=10.0,
        show_default=True,
        help="How long to wait for an answer.",
    )
    @wraps(function)
    def command(*args: Any, server: str, tls: Tls | None, timeout: float, **kwargs: Any) -> Any:
        with _told(server), Client(server, tls=tls, timeout_s=timeout) as client:
            return function(*args, client=client, **kwargs)

    return command


@contextmanager
def _told(server: str) -> Iterator[None]:
    """Turns the client's errors into messages and exit codes."""
    try:
        yield
    except (Unreachable, DeadlineExceeded) as error:
        raise NotReached(f"cannot reach the server at {server}: {error}") from None
    except RingfenceError as error:
        text = str(error)
        violations = [
            f"{violation.field}: {violation.description}"
            for violation in error.violations
            if violation.description not in text
        ]
        raise Failed("\n  ".join([text, *violations])) from None


def at_option(function: Command) -> Command:
    """Adds `--at TIME`; 0 = now."""
    return click.option(
        "--at",
        type=Moment(),
        metavar="TIME",
        help="Ask about that time, such as 2026-03-01T12:00:00Z or 2026-03-01, and not now.",
    )(function)


def json_option(function: Command) -> Command:
    """Adds `--json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON object a line, for programs."
    )(function)


def numbers_input(function: Command) -> Command:
    """Adds `NUMBERS...` and `--file FILE`, which `read_numbers` reads."""
    function = click.argument("arguments", metavar="[NUMBERS]...", nargs=-1)(function)
    return click.option(
        "--file",
        type=click.File("rb"),
        help="Numbers and ranges, one to a line, or CSV with a header that has a column `number`.",
    )(function)
