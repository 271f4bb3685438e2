"""`ringfence adapter smpp`: short messages that gateways send, or SMS centres deliver."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import click

from ringfence import EventStream, Tls
from ringfence.adapters.first_hint import say_after_a_while
from ringfence.adapters.run import run_live
from ringfence.adapters.smpp.desk import WINDOW, Desk
from ringfence.adapters.smpp.esme import Esme
from ringfence.adapters.smpp.first_hint import hint_of
from ringfence.adapters.smpp.hearing import Hearing
from ringfence.adapters.smpp.pdu import INVALID_DESTINATION, OK
from ringfence.adapters.smpp.reader import SmppReader
from ringfence.adapters.smpp.smsc import Smsc
from ringfence.cli.adapter_run import (
    lateness_option,
    no_pass_phrase,
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
from ringfence.cli.small_file import small_text
from ringfence.cli.withheld_option import withheld_option
from ringfence.event_batch import SentEvent
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_say = said_by("smpp")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_STATUS = {"accept": OK, "reject": INVALID_DESTINATION}


@click.command()
@click.option(
    "--listen",
    type=Address(parse_address),
    metavar="HOST:PORT",
    help="Be the SMS centre: where gateways connect and bind; port 0 takes a free one.",
)
@click.option(
    "--connect",
    type=Address(parse_address),
    metavar="HOST:PORT",
    help="Be the gateway: the SMS centre to bind to, for what it delivers.",
)
@click.option(
    "--accounts",
    type=_FILE,
    metavar="FILE",
    required=True,
    help="Who may bind: a line `SYSTEM_ID PASSWORD` for each gateway. All of them should be bound:"
    " while one is not, no time is claimed. With --connect: one line, who we are.",
)
@click.option(
    "--answer",
    type=click.Choice([*_STATUS]),
    default="accept",
    show_default=True,
    help="What a gateway is told of each message: taken, or no such destination (0x0B).",
)
@click.option(
    "--window",
    type=click.IntRange(1, 100_000),
    metavar="N",
    default=WINDOW,
    show_default=True,
    help="Messages of a connection without an answer; further ones are throttled (0x58).",
)
@click.option(
    "--sessions",
    type=click.IntRange(1, 64),
    metavar="N",
    default=1,
    show_default=True,
    help="With --listen: connections that a system_id may have for sending.",
)
@click.option(
    "--transceiver", is_flag=True, help="With --connect: bind as transceiver, not as receiver."
)
@click.option(
    "--smpp-certificate", type=_FILE, metavar="FILE", help="TLS: PEM file of our certificate."
)
@click.option("--smpp-key", type=_FILE, metavar="FILE", help="TLS: PEM file of its key.")
@click.option("--smpp-tls", is_flag=True, help="With --connect: TLS to the centre.")
@click.option(
    "--smpp-ca", type=_FILE, metavar="FILE", help="TLS to the centre: PEM file of its authority."
)
@connection_options
@feed_option
@switch_country_option
@withheld_option
@lateness_option
@patience_option
def smpp(
    *,
    listen: str | None,
    connect: str | None,
    accounts: Path,
    answer: str,
    window: int,
    sessions: int,
    transceiver: bool,
    smpp_certificate: Path | None,
    smpp_key: Path | None,
    smpp_tls: bool,
    smpp_ca: Path | None,
    server: str,
    tls: Tls | None,
    feed: str,
    plan: DialPlan,
    withheld: Withheld,
    lateness: int,
    timeout: float,
) -> None:
    """Send short messages of SMPP 3.4: each is one event, however many parts it has.

    Gateways bind to it as to an SMS centre, or it binds to an SMS centre as a gateway does. A
    message is answered when the server has the event, so that who sent it keeps it till then.
    Runs until SIGTERM or Ctrl-C, then answers what has arrived and ends with 0. Counts, by outcome,
    go to standard error once a minute and at the end; within the first minute, who has not bound.
    """
    if (listen is None) == (connect is None):
        raise click.UsageError("give --listen or --connect, one of both")
    if listen and transceiver:
        raise click.UsageError("--transceiver goes with --connect")
    if connect and sessions > 1:
        raise click.UsageError("--sessions goes with --listen")
    known = _read_accounts(accounts)
    if connect and len(known) != 1:
        raise Failed(f"{accounts}: accounts={len(known)}, bound=1 with --connect")
    context = _tls(connect is not None, smpp_tls, smpp_ca, smpp_certificate, smpp_key)

    def lose(began: int, ended: int) -> None:
        stream.lose(began, ended)

    def not_taken(events: Sequence[SentEvent]) -> None:
        desk.answers.lost(events)

    hearing = Hearing(known, lose, time.time())
    try:
        stream = EventStream(
            server,
            feed,
            lateness_s=float(lateness),
            heard_until=lambda: hearing.until,
            on_lost=not_taken,
            tls=tls,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    reader = SmppReader(plan, withheld=withheld)
    desk = Desk(reader, stream, hearing, status=_STATUS[answer], window=window)
    source: Smsc | Esme
    if connect:
        (account,) = known.items()
        where = parse_address(connect)
        source = Esme(desk, account, *where, say=_say, tls=context, receiver=not transceiver)
    else:
        assert listen is not None
        source = Smsc(desk, known, *parse_address(listen), tls=context, sessions_max=sessions)

    def hint() -> str:
        return hint_of(reader.tally, hearing.missing, listens=connect is None)

    with summed_up(server, reader.tally, stream, _say):
        running = run_live(
            source,
            stream,
            patience_s=timeout,
            say_ready=lambda at: click.echo(
                f"ringfence adapter smpp ready {at} feed={feed} server={server}"
            ),
            say=_say,
        )
        run_beside_look(running, server, feed, tls, _say, say_after_a_while(hint, _say))


def _read_accounts(path: Path) -> dict[str, str]:
    """The passwords by system_id; a password is never said."""
    lines = small_text(path).splitlines()
    accounts: dict[str, str] = {}
    for at, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        long = len(words) != 2 or len(words[0].encode()) > 15 or len(words[1].encode()) > 8
        if long or not line.replace("\t", " ").isprintable():
            raise Failed(
                f"{path}, line {at}: value=something else, bound=a system_id of 15 octets at most,"
                " a space, and a password of 8 at most"
            )
        if words[0] in accounts:
            raise Failed(f"{path}, line {at}: {words[0]} is there twice")
        accounts[words[0]] = words[1]
    if not accounts:
        raise Failed(f"{path} has no account: nobody could bind")
    return accounts


def _tls(
    connects: bool, wanted: bool, ca: Path | None, certificate: Path | None, key: Path | None
) -> ssl.SSLContext | None:
    """For connections to a centre, or from gateways; None = without TLS."""
    if (certificate is None) != (key is None):
        raise click.UsageError("--smpp-certificate and --smpp-key go together")
    if not connects and (wanted or ca):
        raise click.UsageError("--smpp-tls and --smpp-ca go with --connect")
    if connects and certificate and not (wanted or ca):
        raise click.UsageError("--smpp-certificate goes with --smpp-tls or --smpp-ca")
    if not (wanted or ca or certificate):
        return None
    try:
        purpose = ssl.Purpose.SERVER_AUTH if connects else ssl.Purpose.CLIENT_AUTH
        context = ssl.create_default_context(purpose, cafile=ca)
        if certificate:
            context.load_cert_chain(certificate, key, password=no_pass_phrase)
    except OSError as error:  # also of what is in them
        files = ", ".join(str(each) for each in (ca, certificate, key) if each)
        raise Failed(f"{files}: {error.strerror or error}") from None
    return context
