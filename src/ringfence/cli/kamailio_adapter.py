"""`ringfence adapter kamailio`: calls and messages that the script of a Kamailio reports."""

from __future__ import annotations

from pathlib import Path

import click

from ringfence import EventStream, Tls
from ringfence.adapters.kamailio.evapi import Evapi
from ringfence.adapters.kamailio.mqueue import Mqueue
from ringfence.adapters.kamailio.progress import Progress
from ringfence.adapters.kamailio.reader import ReportReader
from ringfence.adapters.kamailio.rpc import Rpc, carrier_of
from ringfence.adapters.kamailio.source import KamailioSource, Way
from ringfence.adapters.kamailio.state import read_state
from ringfence.adapters.run import run_live
from ringfence.adapters.state_keeper import StateError, StateKeeper, check_writable
from ringfence.cli.adapter_run import (
    lateness_option,
    patience_option,
    run_beside_look,
    said_by,
    summed_up,
)
from ringfence.cli.options import (
    Address,
    Failed,
    connection_options,
    feed_option,
    switch_country_option,
)
from ringfence.cli.withheld_option import withheld_option
from ringfence.engine.wrong_path import wrong_path
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_say = said_by("kamailio")


@click.command()
@click.option(
    "--evapi",
    type=Address(parse_address),
    metavar="HOST:PORT",
    help="Where evapi listens: reports are pushed as they happen.",
)
@click.option(
    "--rpc",
    metavar="URL",
    help="Where jsonrpcs listens, unix:/PATH or http://HOST:PORT/PATH: reports are fetched from the"
    " mqueue, where they wait while no adapter runs.",
)
@click.option(
    "--queue",
    metavar="NAME",
    default="ringfence",
    show_default=True,
    help="With --rpc: the name of the mqueue, and of the htable with the count.",
)
@connection_options
@feed_option
@switch_country_option
@withheld_option
@lateness_option
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write down how far one has got: the next run goes on from there, and claims the"
    " time between if nothing is missing.",
)
@patience_option
def kamailio(
    *,
    evapi: str | None,
    rpc: str | None,
    queue: str,
    server: str,
    tls: Tls | None,
    feed: str,
    plan: DialPlan,
    withheld: Withheld,
    lateness: int,
    state: Path | None,
    timeout: float,
) -> None:
    """Send what the script of a Kamailio reports: each call and message is one event.

    The script numbers its reports, so what is missing is known, and only that time is not claimed.
    Runs until SIGTERM or Ctrl-C, then hands on what has arrived and ends with 0. Counts, by
    outcome, go to standard error once a minute and at the end.
    """
    if (evapi is None) == (rpc is None):
        raise click.UsageError("give --evapi or --rpc, one of both")
    try:
        left = read_state(state, feed) if state else None
        if state:
            check_writable(state)
    except (StateError, OSError) as error:
        words = wrong_path(error, state) if isinstance(error, OSError) and state else str(error)
        raise Failed(words) from None
    progress = Progress(feed, left, margin_s=float(lateness))
    heard = progress.heard
    try:
        stream = EventStream(
            server,
            feed,
            lateness_s=float(lateness),
            since=left.claimed if left else None,
            heard_until=lambda: heard.until,
            tls=tls,
        )
        way: Way
        if rpc is not None:
            way = Mqueue(Rpc(carrier_of(rpc)), queue, _say)
        else:
            assert evapi is not None
            way = Evapi(*parse_address(evapi), _say)
    except ValueError as error:
        raise click.UsageError(str(error)) from None

    progress.begin(stream)
    keeper = StateKeeper(state, progress.count, progress.present, _say) if state else None
    reader = ReportReader(plan, withheld=withheld)
    where = f"rpc={rpc} queue={queue}" if rpc is not None else f"evapi={evapi}"
    source = KamailioSource(way, where, reader=reader, sink=stream, heard=heard, state=keeper)
    with summed_up(server, reader.tally, stream, _say):
        running = run_live(
            source,
            stream,
            patience_s=timeout,
            say_ready=lambda at: click.echo(
                f"ringfence adapter kamailio ready {at} feed={feed} server={server}"
            ),
            say=_say,
        )
        run_beside_look(running, server, feed, tls, _say)
        if keeper:  # all is answered now
            keeper.look()
            keeper.look()
