"""The `ringfence` command: one module a command, imported when it is used.

`--help` should be quick, and no command needs what another does; so no command's module is
imported here.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 the server cannot be reached, 4 it refused
or failed; 128 + the signal when interrupted, or when nobody reads the output any more.
"""

import errno
import os
import signal
import sys
from importlib import import_module
from keyword import iskeyword
from typing import Any, NoReturn, cast

import click

from ringfence.early_interrupt import EndsQuietly, raise_again
from ringfence.engine.wrong_path import wrong_path

_MODULES = {
    "serve": "ringfence.cli.serve",
    "demo": "ringfence.cli.demo",
    "quarantine": "ringfence.cli.quarantine",
    "check": "ringfence.cli.check",
    "explain": "ringfence.cli.explain",
    "numbers": "ringfence.cli.numbers",
    "reserve": "ringfence.cli.reserve",
    "reservations": "ringfence.cli.reservations",
    "confirm": "ringfence.cli.reserve",
    "extend": "ringfence.cli.reserve",
    "cancel": "ringfence.cli.reserve",
    "hold": "ringfence.cli.number_commands",
    "unhold": "ringfence.cli.number_commands",
    "restore": "ringfence.cli.number_commands",
    "retire": "ringfence.cli.number_commands",
    "override": "ringfence.cli.number_commands",
    "move": "ringfence.cli.number_commands",
    "history": "ringfence.cli.history",
    "complain": "ringfence.cli.complain",
    "pools": "ringfence.cli.pools",
    "policies": "ringfence.cli.policies",
    "feeds": "ringfence.cli.feeds",
    "import": "ringfence.cli.imports",
    "watch": "ringfence.cli.watch",
    "status": "ringfence.cli.status",
    "clock": "ringfence.cli.clock",
    "simulate": "ringfence.cli.simulate",
    "data": "ringfence.cli.data",
    "adapter": "ringfence.cli.adapter",
}


class Commands(click.Group):
    """The commands in the order above, each loaded from its module, where it has its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        name = cmd_name + "_" * iskeyword(cmd_name)
        with EndsQuietly():
            module = import_module(_MODULES[cmd_name])
        return cast(click.Command, getattr(module, name))

    def invoke(self, ctx: click.Context) -> Any:
        as_json = "--json" in ctx.args
        if os.environ.get("NO_COLOR"):  # no-color.org; rich looks at it by itself
            ctx.color = False
        try:
            return self._carry_out(ctx)
        except click.ClickException as error:
            from ringfence.cli.error_text import error_json, in_words

            if not as_json:
                vars(error)["message"] = in_words(error.message)  # click calls it final
                raise
            click.echo(error_json(error), err=True)
            ctx.exit(error.exit_code)

    def _carry_out(self, ctx: click.Context) -> Any:
        """Runs the command; what any of them may meet becomes an exit code."""
        try:
            try:
                raise_again()
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:  # `| head` has seen enough
            _discard_output()
            ctx.exit(128 + signal.SIGPIPE)
        except OSError as error:
            if error.filename is not None:
                raise _Failure(wrong_path(error)) from None
            if error.errno != errno.ENOSPC:
                raise _Failure(error.strerror or str(error)) from None
            _discard_output()
            raise _Failure(f"the output was cut off: {error.strerror}") from None
        except MemoryError as error:
            wanted, _, _ = str(error).partition(" for an array")
            raise _Failure(f"out of memory{wanted and f': {wanted}'}") from None
        except KeyboardInterrupt:
            _interrupted(ctx)
        except click.Abort as abort:  # a question got no answer
            click.echo(err=True)  # ends its line
            if isinstance(abort.__context__, KeyboardInterrupt):
                _interrupted(ctx)
            click.echo("nothing has changed", err=True)
            ctx.exit(1)


class _Failure(click.ClickException):
    """Something of this machine failed."""

    exit_code = 4


def _interrupted(ctx: click.Context) -> NoReturn:
    click.echo("interrupted", err=True)
    ctx.exit(128 + signal.SIGINT)


def _discard_output() -> None:
    """What is still buffered must not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 the answer is no (not clean, refused, rejected,"
    " too few); 2 wrong usage;"
    " 3 the server cannot be reached; 4 it refused or failed.",
)
@click.version_option(package_name="ringfence", message="%(prog)s %(version)s")
def main() -> None:
    """Decides from live traffic when a quarantined telephone number is clean.

    Start with `ringfence demo`. Then: `ringfence serve` runs a server, `ringfence adapter` feeds it
    from a switch, `ringfence quarantine` puts numbers in, `ringfence check` says which are fit to
    be handed out, and `ringfence reserve` takes some of these.
    """
