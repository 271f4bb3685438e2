"""`ringfence feeds`: who sends events and what they have covered, and changing the register."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from ringfence import Client, Feed, FeedStatus, Gap
from ringfence.cli.completion import complete_feed
from ringfence.cli.options import Failed, client_options, json_option
from ringfence.cli.output import print_facts, print_json, print_rows
from ringfence.cli.setting_put import Put, PutOptions
from ringfence.cli.setting_toml import feed_toml
from ringfence.cli.settings import (
    SettingsGroup,
    print_deleted,
    put_options,
    read_setting,
    toml_option,
)
from ringfence.server.config.config import load_feed
from ringfence.wording.times import time_text
from ringfence.wording.words import distance_text, span_text

_GAPS_MAX = 100  # that the server tells
_GAPS_LISTED_MAX = 3  # of each feed; `show` has the rest


@click.group(cls=SettingsGroup)
def feeds() -> None:
    """List, show, register, change or delete the senders of events.

    Without a command it lists them.
    """


@feeds.command(name="list")
@json_option
@client_options
def list_(as_json: bool, client: Client) -> None:
    """List the registered feeds with their newest gaps, and who else sends events.

    LAG is how long ago the time ends that the feed has claimed.
    """
    found = list(client.list_feeds())
    if as_json:
        for status in found:
            print_json(status)
    else:
        _print_table(found)
    if unregistered := client.list_unregistered_feeds():
        names = ", ".join(unregistered)
        text = f"not registered, so that their events count and their claims do not: {names}"
        click.echo(text, err=as_json)


def _print_table(found: list[FeedStatus]) -> None:
    print_rows(
        ("FEED", "LAST CLAIM", "LAG", "EVENTS 1 MIN", "EVENTS 1 DAY", "GAPS", "ALARM"),
        (
            (
                status.feed.name,
                time_text(status.watermark),
                _lag(status),
                str(status.events_last_minute),
                str(status.events_last_day),
                _gaps(status),
                _alarm(status) or "-",
            )
            for status in found
        ),
    )
    for status in found:
        for gap in status.gaps[:_GAPS_LISTED_MAX]:
            click.echo(f"{status.feed.name}: gap {_span(gap)}")
        if len(status.gaps) > _GAPS_LISTED_MAX:
            click.echo(f"{status.feed.name}: more with `ringfence feeds show {status.feed.name}`")


@feeds.command()
@click.argument("name", shell_complete=complete_feed)
@toml_option
@json_option
@client_options
def show(name: str, as_toml: bool, as_json: bool, client: Client) -> None:
    """Show one feed and its gaps."""
    status = _find(client, name)
    if status is None:
        raise Failed(f"no such feed: {name}")
    if as_json:
        print_json(status)
        return
    if as_toml:
        click.echo(feed_toml(status.feed).text, nl=False)
        return
    feed = status.feed
    print_facts(
        {
            "feed": feed.name,
            "description": feed.description or "-",
            "alarm after": span_text(feed.silence_max) if feed.silence_max else "-",
            "last claim": time_text(status.watermark),
            "lag": _lag(status),
            "events": f"{status.events_last_minute:,} in the last minute,"
            f" {status.events_last_day:,} in the last day",
            "alarm": _alarm(status) or "none",
            "revision": str(feed.revision),
            "gaps": _gaps(status) if status.gaps else "none",
        }
    )
    for gap in status.gaps:
        click.echo(f"  {_span(gap)}")


@feeds.command()
@put_options
@client_options
def put(file: Path, client: Client, **options: Any) -> None:
    """Register the feed of a TOML file, or change it; what it has covered stays.

    The file has one [[feed]], written as in the server's configuration
    (`ringfence serve --print-config`); `feeds show NAME --toml` gives one to begin from. The
    difference is shown, and a file that leaves out what is set is put only if you say so.
    """
    table = read_setting(load_feed, file)
    feed = table.feed()
    wanted = Feed(feed.name, timedelta(seconds=feed.silence_max_s), feed.description)
    found, how = _find(client, feed.name), PutOptions(**options)
    present = None if found is None else found.feed
    Put(file, wanted, table.model_fields_set, present, feed_toml).carry_out(
        how, lambda sent: client.put_feed(sent, validate_only=how.dry_run)
    )


@feeds.command()
@click.argument("name", shell_complete=complete_feed)
@json_option
@client_options
def delete(name: str, as_json: bool, client: Client) -> None:
    """Delete a feed that no pool requires, and what it has covered."""
    client.delete_feed(name)
    print_deleted("feed", name, as_json=as_json)


def _find(client: Client, name: str) -> FeedStatus | None:
    return next((status for status in client.list_feeds() if status.feed.name == name), None)


def _alarm(status: FeedStatus) -> str:
    """Why somebody should look at it; "" = nothing."""
    silence_max = status.feed.silence_max
    if status.lag is None:
        return "never claimed"
    if silence_max is not None and status.lag > silence_max:
        return f"silent for {distance_text(status.lag)}"
    return ""


def _span(gap: Gap) -> str:
    until = time_text(gap.ended_at) if gap.ended_at else "now"
    return f"from {time_text(gap.began_at)} to {until}"


def _gaps(status: FeedStatus) -> str:
    count = len(status.gaps)
    return f"{count} or more" if count >= _GAPS_MAX else str(count)


def _lag(status: FeedStatus) -> str:
    return "-" if status.lag is None else span_text(status.lag)
