"""`ringfence feeds`: who sends events, how much of the time is covered, and taking one off."""

import click

from ringfence import Client, FeedStatus
from ringfence.server.cli.options import Failed, client_options, json_option
from ringfence.server.cli.output import print_facts, print_json, print_rows, time_text
from ringfence.server.cli.settings import SettingsGroup
from ringfence.server.cli.words import span_text


@click.group(cls=SettingsGroup)
def feeds() -> None:
    """List, show or delete the senders of events.

    Without a command it lists them.
    """


@feeds.command(name="list")
@json_option
@client_options
def list_(as_json: bool, client: Client) -> None:
    """List the registered feeds, and who else sends events."""
    found = list(client.list_feeds())
    if as_json:
        for status in found:
            print_json(status)
        return
    print_rows(
        ("FEED", "WATERMARK", "LAG", "EVENTS 1 MIN", "EVENTS 1 DAY", "GAPS"),
        (
            (
                status.feed.name,
                time_text(status.watermark),
                _lag(status),
                str(status.events_last_minute),
                str(status.events_last_day),
                str(len(status.gaps)),
            )
            for status in found
        ),
    )
    if unregistered := client.list_unregistered_feeds():
        names = ", ".join(unregistered)
        click.echo(f"not registered, so that their events count and their claims do not: {names}")


@feeds.command()
@click.argument("name")
@json_option
@client_options
def show(name: str, as_json: bool, client: Client) -> None:
    """Show one feed and its gaps."""
    for status in client.list_feeds():
        if status.feed.name == name:
            break
    else:
        raise Failed(f"no such feed: {name}")
    if as_json:
        print_json(status)
        return
    feed = status.feed
    print_facts(
        {
            "feed": feed.name,
            "description": feed.description or "-",
            "alarm after": span_text(feed.silence_max) if feed.silence_max else "-",
            "watermark": time_text(status.watermark),
            "lag": _lag(status),
            "events": f"{status.events_last_minute:,} in the last minute,"
            f" {status.events_last_day:,} in the last day",
            "revision": str(feed.revision),
            "gaps": str(len(status.gaps)) if status.gaps else "none",
        }
    )
    for gap in status.gaps:
        until = time_text(gap.ended_at) if gap.ended_at else "now"
        click.echo(f"  from {time_text(gap.began_at)} to {until}")


@feeds.command()
@click.argument("name")
@client_options
def delete(name: str, client: Client) -> None:
    """Delete a feed that no pool requires."""
    client.delete_feed(name)
    click.echo(f"feed {name}: deleted")


def _lag(status: FeedStatus) -> str:
    return "-" if status.lag is None else span_text(status.lag)
