"""`ringfence status`: how the installation is doing."""

import click

from ringfence import Client, Status
from ringfence.cli.clock import clock_text
from ringfence.cli.options import client_options, json_option
from ringfence.cli.output import print_facts, print_json
from ringfence.server.config.duration import format_duration
from ringfence.wording.times import time_text


@click.command()
@json_option
@client_options
def status(as_json: bool, client: Client) -> None:
    """Show how the server is doing."""
    now = client.get_status()
    if as_json:
        print_json(now)
        return
    share = now.numbers / now.capacity_numbers if now.capacity_numbers else 0.0
    spray_window = format_duration(int(now.spray_window.total_seconds()))
    print_facts(
        {
            "version": now.version,
            "workers": str(now.workers),
            "numbers": f"{now.numbers:,} of {now.capacity_numbers:,} ({share:.1%})",
            "room": now.room_held_up or _room(now),
            "events": f"{now.events_total:,} accepted",
            "events kept": f"the newest {now.ring_entries} of each number",
            "spray callers": (
                f"{now.spray_callers:,} known, {now.spray_events:,} events; a caller of"
                f" {now.spray_numbers} numbers in {spray_window} is one"
                if now.spray_numbers
                else "not looked for"
            ),
            "last snapshot": time_text(now.snapshot_at),
            "journal": "writable" if now.journal_writable else "not writable",
            "time": clock_text(now),
        }
    )


def _room(now: Status) -> str:
    room = now.capacity_numbers - now.numbers
    ready = min(room, now.numbers_ready)
    return f"for {room:,} numbers" + (f", {ready:,} of them at once" if ready < room else "")
