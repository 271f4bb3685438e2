"""Options that several commands share, and the connection that they describe."""

import getpass
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringfence import Client, Tls
from ringfence.channel import TIMEOUT_S_MAX
from ringfence.cli.completion import complete_feed
from ringfence.cli.error_text import error_text, too_few_text
from ringfence.cli.number_input import NUMBER_COLUMNS, NumberInput
from ringfence.errors import (
    DeadlineExceeded,
    NotClean,
    RingfenceError,
    TooFewClean,
    Unimplemented,
    Unreachable,
)
from ringfence.server.config.address import check_address
from ringfence.server.config.duration import parse_duration
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.times import parse_time, time_reader

if TYPE_CHECKING:
    from ringfence.wording.dialled import DialPlan

Command = Callable[..., Any]
_PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


class _FromServer(click.ClickException):
    """An error of the client in words; `cause` is that error, if there is one."""

    def __init__(self, message: str, cause: RingfenceError | None = None) -> None:
        super().__init__(message)
        self.cause = cause


class AnswerIsNo(_FromServer):
    """The server has looked, and the answer is no."""

    exit_code = 1


class Failed(_FromServer):
    """The server refused or failed."""

    exit_code = 4


class NotReached(_FromServer):
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


class Timeout(click.FloatRange):
    """Seconds to wait for an answer, a day at most."""

    def __init__(self) -> None:
        super().__init__(0, TIMEOUT_S_MAX, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):  # which is within every range
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return seconds


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """A span of time such as 30m."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            return timedelta(seconds=parse_duration(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Address(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """HOST:PORT, or unix:/path where `check` lets it pass."""

    name = "address"

    def __init__(self, check: Callable[[str], object] = check_address) -> None:
        self._check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            self._check(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def connection_options(function: Command) -> Command:
    """Adds what says where the server is; the command gets `server` and `tls`."""

    @click.option(
        "--server",
        type=Address(),
        metavar="ADDRESS",
        envvar="RINGFENCE_SERVER",
        default="127.0.0.1:50051",
        show_default=True,
        show_envvar=True,
        help="The Ringfence server, HOST:PORT or unix:/path.",
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
        type=Timeout(),
        metavar="SECONDS",
        default=10.0,
        show_default=True,
        help="How long to wait for an answer.",
    )
    @click.option(
        "--actor",
        metavar="NAME",
        envvar="RINGFENCE_ACTOR",
        show_envvar=True,
        help="Who asks, for the history, where no certificate says so; else the login name.",
    )
    @wraps(function)
    def command(
        *args: Any,
        server: str,
        tls: Tls | None,
        timeout: float,
        actor: str | None,
        **kwargs: Any,
    ) -> Any:
        actor = actor or login_name()
        if not (actor.isascii() and actor.isprintable()):
            raise click.BadParameter(
                f"value={actor!r}, bound=printable ASCII", param_hint="--actor"
            )
        with told(server), Client(server, tls=tls, timeout_s=timeout, actor=actor) as client:
            return function(*args, client=client, **kwargs)

    return command


def login_name() -> str:
    """Who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have them
        return f"uid {os.getuid()}"


@contextmanager
def told(server: str) -> Iterator[None]:
    """Turns the client's errors into messages and exit codes."""
    try:
        yield
    except (Unreachable, DeadlineExceeded) as error:
        raise NotReached(f"cannot reach the server at {server}: {error}", error) from None
    except TooFewClean as error:
        raise AnswerIsNo(too_few_text(error), error) from None
    except NotClean as error:
        raise AnswerIsNo(error_text(error), error) from None
    except Unimplemented as error:
        raise Failed(f"the server at {server} cannot do this: {error}", error) from None
    except RingfenceError as error:
        raise Failed(error_text(error), error) from None


def at_option(function: Command) -> Command:
    """Adds `--at TIME`; 0 = now."""
    return click.option(
        "--at",
        type=Moment(),
        metavar="TIME",
        help="Ask about that time, such as 2026-03-01T12:00:00Z or 2026-03-01, and not now. Of a"
        " time to come the answer is a forecast.",
    )(function)


def is_ahead(at: int | None) -> bool:
    """Whether what was asked about is still to come, so that the answer is a forecast."""
    return at is not None and at > time.time()


def json_option(function: Command) -> Command:
    """Adds `--json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON object a line, for programs."
    )(function)


def _country(name: str, help: str, **more: Any) -> Callable[[Command], Command]:
    return click.option(
        "--country",
        name,
        type=click.IntRange(1, 999),
        metavar="CODE",
        envvar="RINGFENCE_COUNTRY",
        show_envvar=True,
        help=help,
        **more,
    )


def country_option(function: Command) -> Command:
    """Adds `--country CODE`; the command gets `written`, how numbers are written there."""
    return _country(
        "written",
        "Calling code of the country that national numbers belong to, such as 44: then numbers may"
        " have no + too.",
        callback=_written,
    )(function)


def switch_country_option(function: Command) -> Command:
    """Adds `--country CODE`, which must be given; the command gets `plan`, how a switch there
    writes numbers.
    """
    return _country(
        "plan",
        "Calling code of the country whose national numbers the switch writes, such as 44.",
        required=True,
        callback=_plan,
    )(function)


def feed_option(function: Command) -> Command:
    """Adds `--feed NAME`, which must be given."""
    return click.option(
        "--feed",
        metavar="NAME",
        required=True,
        shell_complete=complete_feed,
        help="The feed that the events belong to.",
    )(function)


def _plan(_: click.Context, __: click.Parameter, country: int) -> "DialPlan":
    from ringfence.wording.dialled import DialPlan  # its metadata take a while to load

    try:
        return DialPlan.of_country(country)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _written(_: click.Context, __: click.Parameter, country: int | None) -> WrittenNumbers:
    try:
        return WrittenNumbers(country)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def columns_option(function: Command) -> Command:
    """Adds `--column OURS=THEIRS`; the command gets `columns`, what a table calls ours."""
    return click.option(
        "--column",
        "columns",
        multiple=True,
        callback=_columns,
        metavar="COLUMN=NAME",
        help="What the table calls a column, as in number=Rufnummer; again for each other one.",
    )(function)


def _columns(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for each in given:
        column, equals, name = each.partition("=")
        if not (column and equals and name):
            raise click.BadParameter(f"value={each!r}, bound=COLUMN=NAME, as in number=Rufnummer")
        if column in columns or name in columns.values():
            raise click.BadParameter(f"value={each!r}, bound=each column and each name once")
        columns[column] = name
    return columns


def check_columns(columns: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuses a `--column` that no file of the command has."""
    for column in columns:
        if column not in known:
            raise click.BadParameter(
                f"value={column!r}, bound={', '.join(known)}", param_hint="--column"
            )


def date_format_option(function: Command) -> Command:
    """Adds `--date-format FORM`; the command gets `date_format`, which `time_reader` takes."""
    return click.option(
        "--date-format",
        callback=_date_format,
        metavar="FORM",
        help="How the file writes times, as in %d/%m/%Y or '%d.%m.%Y %H:%M' (strptime); RFC 3339 or"
        " a date, if not given. UTC unless %z says otherwise.",
    )(function)


def _date_format(_: click.Context, __: click.Parameter, form: str | None) -> str | None:
    try:
        time_reader(form)
        return form
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def numbers_input(function: Command) -> Command:
    """Adds `NUMBERS...` and `--file FILE`; the command gets `given`, which reads them."""

    @click.argument("arguments", metavar="[NUMBERS]...", nargs=-1)
    @click.option(
        "--file",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
        help="Numbers and ranges, one to a line, or CSV with a header that has a column `number`.",
    )
    @country_option
    @columns_option
    @wraps(function)
    def command(
        *,
        arguments: tuple[str, ...],
        file: Path | None,
        written: WrittenNumbers,
        columns: dict[str, str],
        **kwargs: Any,
    ) -> Any:
        check_columns(columns, NUMBER_COLUMNS)
        return function(given=NumberInput(arguments, file, written, columns), **kwargs)

    return command


def note_option(*, required: bool = False) -> Callable[[Command], Command]:
    """Adds `--note TEXT`."""
    # click takes any default, even None, for an answer to `required`.
    default: dict[str, Any] = {"required": True} if required else {"default": ""}
    return click.option(
        "--note",
        metavar="TEXT",
        callback=_said if required else None,
        help="Why, for the history; at most 500 characters.",
        **default,
    )


def _said(_: click.Context, __: click.Parameter, note: str) -> str:
    if not note.strip():
        raise click.BadParameter("a reason is needed, for the history: it is empty")
    return note


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def ask_first(yes: bool, question: str, otherwise: str = "give --yes") -> None:
    """Returns if the user wants it; ends the command if not, or if nobody can be asked: then it is
    said what to do `otherwise`.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"this command asks, and standard input is no terminal: {otherwise}")
    if not click.confirm(question, err=True):
        click.echo("nothing has changed", err=True)
        click.get_current_context().exit(1)
