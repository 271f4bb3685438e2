"""`ringfence pools`: which pools there are, how their numbers are doing, and changing them."""

from pathlib import Path

import click

from ringfence import Client, Pool, PoolStatus, Verdict
from ringfence.server.cli.options import Failed, client_options, json_option
from ringfence.server.cli.output import print_facts, print_json, print_rows, time_text
from ringfence.server.cli.settings import SettingsGroup, put_options, read_setting
from ringfence.server.config import load_pool

_ALWAYS_COVERED = "none: always covered"


@click.group(cls=SettingsGroup)
def pools() -> None:
    """List, show or change pools of numbers.

    Without a command it lists them.
    """


@pools.command(name="list")
@json_option
@client_options
def list_(as_json: bool, client: Client) -> None:
    """List the pools with the counts of the server's last scan."""
    found = list(client.list_pools())
    if as_json:
        for status in found:
            _print_json(status)
        return
    verdicts = [verdict for verdict in Verdict if verdict != Verdict.UNTRACKED]
    print_rows(
        ("POOL", "POLICY", *(verdict.name for verdict in verdicts), "OVERDUE", "REQUIRED FEEDS"),
        (
            (
                status.pool.name,
                status.pool.policy,
                *(str(status.verdict_counts.get(verdict, 0)) for verdict in verdicts),
                str(status.overdue),
                ", ".join(status.pool.required_feeds) or _ALWAYS_COVERED,
            )
            for status in found
        ),
    )


@pools.command()
@click.argument("name")
@json_option
@client_options
def show(name: str, as_json: bool, client: Client) -> None:
    """Show one pool."""
    for status in client.list_pools():
        if status.pool.name == name:
            break
    else:
        raise Failed(f"no such pool: {name}")
    if as_json:
        _print_json(status)
        return
    pool = status.pool
    print_facts(
        {
            "pool": pool.name,
            "description": pool.description or "-",
            "policy": pool.policy,
            "required feeds": ", ".join(pool.required_feeds) or _ALWAYS_COVERED,
            "revision": str(pool.revision),
            "numbers": f"{sum(status.verdict_counts.values()):,}",
            **{
                f"  {verdict.name}": f"{count:,}"
                for verdict, count in sorted(status.verdict_counts.items())
                if count
            },
            "overdue": f"{status.overdue:,}",
            "counted at": time_text(status.counted_at),
        }
    )


@pools.command()
@put_options
@client_options
def put(file: Path, dry_run: bool, client: Client) -> None:
    """Create or replace the pool of a TOML file.

    The file has one [[pool]], written as in the server's configuration
    (`ringfence serve --print-config`).
    """
    wanted = read_setting(load_pool, file)
    stored = client.put_pool(
        Pool(wanted.name, wanted.policy, wanted.required_feeds, wanted.description),
        validate_only=dry_run,
    )
    if dry_run:
        click.echo(f"pool {stored.name}: would be accepted; nothing has changed")
    else:
        click.echo(f"pool {stored.name}: revision {stored.revision}")


def _print_json(status: PoolStatus) -> None:
    counts = [
        {"verdict": verdict, "count": count}
        for verdict, count in sorted(status.verdict_counts.items())
    ]
    print_json(status, verdict_counts=counts)
