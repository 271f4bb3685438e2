"""`ringfence pools`: which pools there are, how their numbers are doing, and changing them."""

from pathlib import Path

import click

from ringfence import Client, Pool, PoolStatus, Verdict
from ringfence.cli.options import Failed, client_options, json_option
from ringfence.cli.output import print_facts, print_json, print_rows, terminal
from ringfence.cli.pool_text import complaints_text, forecast_chart
from ringfence.cli.settings import SettingsGroup, print_stored, put_options, read_setting
from ringfence.engine.settings.on_trust import ON_TRUST, on_trust_text
from ringfence.server.config.config import load_pool
from ringfence.wording.times import time_text

_ALWAYS_COVERED = "none: always covered"


@click.group(cls=SettingsGroup)
def pools() -> None:
    """List, show, change or delete pools of numbers.

    Without a command it lists them.
    """


@pools.command(name="list")
@click.option(
    "--forecast",
    "forecast_days",
    type=click.IntRange(1, 400),
    is_flag=False,
    flag_value=14,
    metavar="[DAYS]",
    help="Show how many numbers become clean on each of the next days (14), if they stay silent and"
    " are listened to.",
)
@json_option
@client_options
def list_(forecast_days: int | None, as_json: bool, client: Client) -> None:
    """List the pools with the counts of the server's last scan.

    Standard error names those that require no feed: their silence is taken on trust.
    COMPLAINTS/1,000 is how many complaints came for each 1,000 numbers that were handed out.
    """
    found = list(client.list_pools(forecast_days=forecast_days or 0))
    if as_json:
        for status in found:
            _print_json(status)
    elif forecast_days:
        terminal().print(forecast_chart(found))
    else:
        _print_table(found)
    _tell_on_trust(*(status.pool for status in found))


def _print_table(found: list[PoolStatus]) -> None:
    verdicts = [verdict for verdict in Verdict if verdict != Verdict.UNTRACKED]
    handed_out = any(status.assigned_total for status in found)
    more = ("HANDED OUT", "COMPLAINTS/1,000") if handed_out else ()
    print_rows(
        (
            *("POOL", "POLICY", *(verdict.name for verdict in verdicts), "OVERDUE"),
            *more,
            "REQUIRED FEEDS",
        ),
        (
            (
                status.pool.name,
                status.pool.policy,
                *(str(status.verdict_counts.get(verdict, 0)) for verdict in verdicts),
                str(status.overdue),
                *((str(status.assigned_total), complaints_text(status)) if handed_out else ()),
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
            "required feeds": ", ".join(pool.required_feeds) or f"{_ALWAYS_COVERED}; {ON_TRUST}",
            "revision": str(pool.revision),
            "numbers": f"{sum(status.verdict_counts.values()):,}",
            **{
                f"  {verdict.name}": f"{count:,}"
                for verdict, count in sorted(status.verdict_counts.items())
                if count
            },
            "overdue": f"{status.overdue:,}",
            **_complaints(status),
            "counted at": time_text(status.counted_at),
        }
    )


@pools.command()
@put_options
@client_options
def put(file: Path, revision: int, dry_run: bool, client: Client) -> None:
    """Create or replace the pool of a TOML file.

    The file has one [[pool]], written as in the server's configuration
    (`ringfence serve --print-config`). Without required_feeds its silence is taken on trust, which
    standard error says.
    """
    wanted = read_setting(load_pool, file)
    stored = client.put_pool(
        Pool(wanted.name, wanted.policy, wanted.required_feeds, wanted.description, revision),
        validate_only=dry_run,
    )
    print_stored("pool", stored, dry_run)
    _tell_on_trust(stored)


@pools.command()
@click.argument("name")
@client_options
def delete(name: str, client: Client) -> None:
    """Delete a pool that has no numbers."""
    client.delete_pool(name)
    click.echo(f"pool {name}: deleted")


def _tell_on_trust(*pools: Pool) -> None:
    """Warns of those for which nobody has to listen."""
    if names := [pool.name for pool in pools if not pool.required_feeds]:
        click.echo(on_trust_text(names), err=True)


def _complaints(status: PoolStatus) -> dict[str, str]:
    if not status.assigned_total:
        return {}
    return {
        "handed out": f"{status.assigned_total:,}",
        "complaints": f"{status.complaints:,} ({complaints_text(status)} for each 1,000 of these)",
    }


def _print_json(status: PoolStatus) -> None:
    counts = [
        {"verdict": verdict, "count": count}
        for verdict, count in sorted(status.verdict_counts.items())
    ]
    print_json(status, verdict_counts=counts)
