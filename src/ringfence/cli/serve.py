"""`ringfence serve`: a server, until it is told to stop."""

import os
from pathlib import Path

import click

from ringfence.server.config.config import default_text, load_config
from ringfence.server.config.config_problems import ConfigError


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of this installation; made if it is not there.",
)
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="Where to listen: HOST:PORT (port 0 takes a free one), or unix:/path (one worker).",
)
@click.option("--workers", type=int, metavar="N", help="Worker processes; 0 = one for each core.")
@click.option(
    "--capacity", type=int, metavar="NUMBERS", help="How many numbers there is room for in memory."
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file with settings, policies and pools; the options above win over it.",
)
@click.option("--print-config", is_flag=True, help="Print the default configuration and end.")
@click.pass_context
def serve(
    ctx: click.Context,
    *,
    data: Path | None,
    listen: str | None,
    workers: int | None,
    capacity: int | None,
    config_file: Path | None,
    print_config: bool,
) -> None:
    """Run a server.

    When it can answer it prints one line on standard output that begins with `ringfence ready`.
    SIGTERM or Ctrl-C drains it and ends it, within 10 seconds. The log goes to standard error.
    """
    from ringfence.server.supervisor.open_files import hold_standard_files

    hold_standard_files()
    if print_config:
        click.echo(default_text(), nl=False)
        return
    if data is None:
        raise click.UsageError("Missing option '--data'.", ctx)
    try:
        config = load_config(config_file, listen=listen, workers=workers, capacity_numbers=capacity)
    except ConfigError as error:
        raise click.UsageError(str(error), ctx) from None
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's; the supervisor forks and has no threads
    from ringfence.server.supervisor.supervisor import run

    ctx.exit(run(config, data))
