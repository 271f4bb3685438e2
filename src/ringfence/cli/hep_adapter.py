"""`ringfence adapter hep`: calls and messages that SIP switches report as HEP3."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ringfence import EventStream, RingfenceError, Tls
from ringfence.adapters.base import Attempt, summary
from ringfence.adapters.first_look import look_at_server
from ringfence.adapters.hep import CaptureError, read_capture
from ringfence.adapters.hep_listener import HepListener
from ringfence.adapters.hep_reader import SECONDS_MAX, HepReader
from ringfence.adapters.run import NotAnswered, run_live, run_replay, sent_summary
from ringfence.cli.options import Address, Failed, NotReached, Timeout
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan

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
@click.option(
    "--server",
    type=Address(),
    metavar="ADDRESS",
    envvar="RINGFENCE_SERVER",
    default="127.0.0.1:50051",
    show_default=True,
    show_envvar=True,
    help="The Ringfence server, HOST:PORT or unix:/path.",
)
@click.option("--feed", metavar="NAME", required=True, help="The feed that the events belong to.")
@click.option(
    "--country",
    type=click.IntRange(1, 999),
    metavar="CODE",
    required=True,
    help="Calling code of the country whose national numbers the switch writes, such as 44.",
)
@click.option(
    "--auth-key",
    metavar="KEY",
    envvar="RINGFENCE_HEP_AUTH_KEY",
    show_envvar=True,
    default="",
    help="Take only datagrams with this key (chunk 14). Better given as a variable: arguments"
    " can be seen by every user of the machine.",
)
@click.option(
    "--lateness",
    type=click.IntRange(0, 3_600),
    metavar="SECONDS",
    default=5,
    show_default=True,
    help="How late a report may arrive and still be in the claim of its time.",
)
@click.option("--replay", type=_FILE, metavar="FILE", help="Read this capture, and end.")
@click.option(
    "--shift-to-now",
    is_flag=True,
    help="With --replay: move all times so that the last one is now.",
)
@click.option("--tls-ca", type=_FILE, help="TLS: PEM file of the server's authority.")
@click.option("--tls-certificate", type=_FILE, help="TLS: PEM file of our certificate.")
@click.option("--tls-key", type=_FILE, help="TLS: PEM file of its key.")
@click.option(
    "--timeout",
    type=Timeout(),
    metavar="SECONDS",
    default=30.0,
    show_default=True,
    help="How long to wait for any answer before a replay, or stopping, gives up.",
)
def hep(
    *,
    listen: str,
    server: str,
    feed: str,
    country: int,
    auth_key: str,
    lateness: int,
    replay: Path | None,
    shift_to_now: bool,
    tls_ca: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    timeout: float,
) -> None:
    """Send what SIP switches report as HEP3: each call and message is one event.

    Kamailio, OpenSIPS, FreeSWITCH and Asterisk send HEP3 themselves; sngrep or heplify do it
    beside any other SIP switch. Runs until SIGTERM or Ctrl-C, then hands on what has arrived and
    ends with 0. Counts, by outcome, go to standard error once a minute and at the end; at once, if
    nobody answers at the server's address, or does not know the feed.
    """
    if shift_to_now and not replay:
        raise click.UsageError("--shift-to-now goes with --replay")
    if (tls_certificate is None) != (tls_key is None):
        raise click.UsageError("--tls-certificate and --tls-key go together")
    tls = Tls(tls_ca, tls_certificate, tls_key) if tls_ca or tls_certificate else None
    try:
        plan = DialPlan.of_country(country)
        reader = HepReader(plan, auth_key=auth_key)
        stream = EventStream(
            server,
            feed,
            lateness_s=float(lateness),
            claims=replay is None,
            tls=tls,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        if replay:
            shift_s = (
                int(time.time()) - _last_time(replay, HepReader(plan, auth_key=auth_key))
                if shift_to_now
                else 0
            )
            attempts = _attempts(replay, reader, shift_s)
            running = run_replay(attempts, stream, patience_s=timeout)
        else:
            host, port = parse_address(listen)
            running = run_live(
                HepListener(reader, stream, host, port),
                stream,
                patience_s=timeout,
                say_ready=lambda where: click.echo(
                    f"ringfence adapter hep ready {where} feed={feed} server={server}"
                ),
                say=_say,
            )
        asyncio.run(_beside(look_at_server(server, feed, tls, _say), running))
    except NotAnswered as error:
        raise NotReached(f"{error}, server={server}") from None
    except (CaptureError, RingfenceError, OSError) as error:
        raise Failed(str(error)) from None
    finally:
        _say(f"read {summary(reader.tally)}")
        _say(f"sent {sent_summary(stream.stats)}")
        for reason in stream.stats.rejections:
            _say(f"rejected {reason}")
    if stream.stats.refused_batches:
        raise Failed(f"the server refused events: refused={stream.stats.refused}")


async def _beside(look: Coroutine[Any, Any, None], running: Coroutine[Any, Any, None]) -> None:
    """Runs the adapter; the look at the server holds it up neither at its start nor at its end."""
    looking = asyncio.create_task(look)
    try:
        await running
    finally:
        looking.cancel()
        await asyncio.wait({looking})


def _attempts(path: Path, reader: HepReader, shift_s: int) -> Iterator[list[Attempt]]:
    """The attempts in each record of the capture."""
    with path.open("rb") as file:
        for received_at, datagram in read_capture(file):
            yield [_moved(attempt, shift_s) for attempt in reader.read(datagram, received_at)]


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


def _say(text: str) -> None:
    click.echo(f"ringfence adapter hep: {text}", err=True)
