"""`ringfence pools`: which pools there are, how their numbers are doing, and changing them."""

from pathlib import Path
from typing import Any

import click

from ringfence import Client, Pool, PoolStatus, Verdict
from ringfence.cli.completion import complete_pool
from ringfence.cli.options import Failed, client_options, json_option
from ringfence.cli.output import print_facts, print_json, print_rows, terminal
from ringfence.cli.pool_text import complaints_text, forecast_chart
from ringfence.cli.setting_put import Put, PutOptions
from ringfence.cli.setting_toml import pool_toml
from ringfence.cli.settings import (
    SettingsGroup,
    print_deleted,
    put_options,
    read_setting,
    toml_option,
)
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
@click.argument("name", shell_complete=complete_pool)
@toml_option
@json_option
@client_options
def show(name: str, as_toml: bool, as_json: bool, client: Client) -> None:
    """Show one pool."""
    status = _find(client, name)
    if status is None:
        raise Failed(f"no such pool: {name}")
    if as_json:
        _print_json(status)
        return
    if as_toml:
        click.echo(pool_toml(status.pool).text, nl=False)
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
def put(file: Path, client: Client, **options: Any) -> None:
    """Create or replace the pool of a TOML file.

    The file has one [[pool]], written as in the server's configuration
    (`ringfence serve --print-config`); `pools show NAME --toml` gives one to begin from. The
    difference is shown, and a file that leaves out what is set is put only if you say so. Without
    required_feeds the pool's silence is taken on trust, which standard error says.
    """
    table = read_setting(load_pool, file)
    pool = table.pool()
    wanted = Pool(pool.name, pool.policy, pool.required_feeds, pool.description)
    found, how = _find(client, pool.name), PutOptions(**options)
    present = None if found is None else found.pool
    Put(file, wanted, table.model_fields_set, present, pool_toml).carry_out(
        how, lambda sent: client.put_pool(sent, validate_only=how.dry_run)
    )
    _tell_on_trust(wanted)


@pools.command()
@click.argument("name", shell_complete=complete_pool)
@json_option
@client_options
def delete(name: str, as_json: bool, client: Client) -> None:
    """Delete a pool that has no numbers."""
    client.delete_pool(name)
    print_deleted("pool", name, as_json=as_json)


def _find(client: Client, name: str) -> PoolStatus | None:
    return next((status for status in client.list_pools() if status.pool.name == name), None)


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
