"""`ringfence adapter hep`: calls and messages that SIP switches report as HEP3."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from ringfence import EventStream, Tls
from ringfence.adapters.agents import Agent
from ringfence.adapters.base import Attempt
from ringfence.adapters.first_hint import hint_after_a_while
from ringfence.adapters.hep import CaptureError, read_capture
from ringfence.adapters.hep_listener import HepListener
from ringfence.adapters.hep_reader import SECONDS_MAX, HepReader
from ringfence.adapters.pauses import keep_pauses_short
from ringfence.adapters.processes.listener import PROCESSES_MAX, HepProcesses
from ringfence.adapters.processes.settings import ReaderSettings
from ringfence.adapters.run import run_live, run_replay
from ringfence.cli.adapter_run import (
    lateness_option,
    patience_option,
    run_beside_look,
    said_by,
    summed_up,
)
from ringfence.cli.agent_option import agent_option
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

_say = said_by("hep")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--listen",
    type=Address(parse_address),
    metavar="HOST:PORT",
    default="127.0.0.1:9060",
    show_default=True,
    help="Where to listen, on UDP and on TCP; port 0 takes a free one.",
)
@connection_options
@feed_option
@switch_country_option
@click.option(
    "--auth-key",
    metavar="KEY",
    envvar="RINGFENCE_HEP_AUTH_KEY",
    show_envvar=True,
    default="",
    help="Take only datagrams with this key (chunk 14). Better given as a variable: arguments"
    " can be seen by every user of the machine.",
)
@agent_option
@withheld_option
@lateness_option
@click.option(
    "--processes",
    type=click.IntRange(1, PROCESSES_MAX),
    metavar="N",
    default=1,
    show_default=True,
    help="How many processes read the port, for more than one core can: with 2 or more one behind"
    " them remembers the calls, so that each is still one event.",
)
@click.option("--replay", type=_FILE, metavar="FILE", help="Read this capture, and end.")
@click.option(
    "--shift-to-now",
    is_flag=True,
    help="With --replay: move all times so that the last one is now.",
)
@patience_option
def hep(
    *,
    listen: str,
    server: str,
    tls: Tls | None,
    feed: str,
    plan: DialPlan,
    auth_key: str,
    agents: tuple[Agent, ...],
    withheld: Withheld,
    lateness: int,
    processes: int,
    replay: Path | None,
    shift_to_now: bool,
    timeout: float,
) -> None:
    """Send what SIP switches report as HEP3: each call and message is one event.

    Kamailio, OpenSIPS, FreeSWITCH and Asterisk send HEP3 themselves; sngrep or heplify do it
    beside any other SIP switch. Runs until SIGTERM or Ctrl-C, then hands on what has arrived and
    ends with 0. Counts, by outcome, go to standard error once a minute and at the end; at once, if
    nobody answers at the server's address, or does not know the feed; and within the first minute,
    if nothing arrives or nothing of it is understood.
    """
    if shift_to_now and not replay:
        raise click.UsageError("--shift-to-now goes with --replay")
    if replay and processes > 1:
        raise click.UsageError("--processes goes without --replay: one process reads a file")
    settings = ReaderSettings(plan, auth_key, agents, withheld, lateness)
    listener: HepListener | HepProcesses
    try:
        reader = settings.reader()
        stream = EventStream(
            server,
            feed,
            lateness_s=float(lateness),
            claims=replay is None,
            tls=tls,
            heard_until=lambda: listener.heard_until if not replay else 0.0,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    keep_pauses_short()
    host, port = parse_address(listen)
    tally, heard_agents = reader.tally, reader.agents
    if processes > 1:
        listener = HepProcesses(settings, stream, host, port, processes, say=_say)
        tally, heard_agents = listener.tally, listener.agents
    else:
        listener = HepListener(reader, stream, host, port, say=_say)
    with summed_up(server, tally, stream, _say):
        try:
            if replay:
                shift_s = 0
                if shift_to_now:
                    shift_s = int(time.time()) - _last_time(replay, settings.reader())
                attempts = _attempts(replay, reader, shift_s)
                running = run_replay(attempts, stream, patience_s=timeout)
            else:
                running = run_live(
                    listener,
                    stream,
                    patience_s=timeout,
                    say_ready=lambda where: click.echo(
                        f"ringfence adapter hep ready {where} feed={feed} server={server}"
                    ),
                    say=_say,
                )
            hints = () if replay else (hint_after_a_while(tally, _say, more=heard_agents.hint),)
            run_beside_look(running, server, feed, tls, _say, *hints)
        except CaptureError as error:
            raise Failed(str(error)) from None


def _attempts(path: Path, reader: HepReader, shift_s: int) -> Iterator[list[Attempt]]:
    """The attempts in each record of the capture."""
    try:
        with path.open("rb") as file:
            for received_at, datagram in read_capture(file):
                yield [_moved(attempt, shift_s) for attempt in reader.read(datagram, received_at)]
        yield [_moved(attempt, shift_s) for attempt in reader.finish()]
    except CaptureError as error:
        raise CaptureError(f"{path}: {error}") from None
    except OSError as error:
        raise CaptureError(wrong_path(error, path)) from None


def _moved(attempt: Attempt, shift_s: int) -> Attempt:
    at = min(max(attempt.occurred_at + shift_s, 0), SECONDS_MAX)
    return replace(attempt, occurred_at=at)


def _last_time(path: Path, reader: HepReader) -> int:
    """The greatest time of an attempt in the capture; of a broken one, in what can be read."""
    last = 0
    with suppress(CaptureError):  # the replay itself will meet it again, and report it
        for attempts in _attempts(path, reader, 0):
            last = max(last, *(attempt.occurred_at for attempt in attempts), 0)
    return last
