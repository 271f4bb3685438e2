"""`ringfence adapter tap`: the signalling of a core network, as captures have it."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from pathlib import Path

import click

from ringfence import Tls
from ringfence.adapters.event_table import AHEAD_S_MAX
from ringfence.adapters.tap.capture_files import CaptureFiles
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.tshark import NoTshark, Tshark
from ringfence.cli.adapter_run import patience_option
from ringfence.cli.import_options import files_of, import_options
from ringfence.cli.import_run import Import, claim_of, run_import
from ringfence.cli.options import (
    Failed,
    connection_options,
    feed_option,
    switch_country_option,
)
from ringfence.cli.withheld_option import withheld_option
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld


@click.command()
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--read", is_flag=True, required=True, help="Read capture files.")
@feed_option
@switch_country_option
@click.option(
    "--decode-as",
    multiple=True,
    metavar="RULE",
    help="A rule of tshark's -d, such as tcp.port==12775,smpp; repeatable.",
)
@withheld_option
@import_options
@connection_options
@patience_option
@click.pass_context
def tap(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    read: bool,
    feed: str,
    plan: DialPlan,
    decode_as: tuple[str, ...],
    withheld: Withheld,
    complete_from: int | None,
    complete_to: int | None,
    yes: bool,
    restart: bool,
    rejects: Path | None,
    as_json: bool,
    server: str,
    tls: Tls | None,
    timeout: float,
) -> None:
    """Send the attempts that the signalling of a core network tells of, each once.

    ISUP, BICC, MAP, CAP, Diameter, SIP and SMPP in capture files (pcap, pcapng, also packed), and
    in all files of directories, by name. Needs tshark and bwrap. Ends when all is answered, as
    `ringfence import events` does. The exit code is 1 if something could not be read, or nothing
    is claimed though asked for.
    """
    now = int(time.time())
    files = files_of(paths)
    wanted = Import(
        files=files,
        feed=feed,
        asked=[server, str(plan.code), *decode_as, *withheld.more],
        claim=claim_of(complete_from, complete_to, now),
        rejects=rejects,
        yes=yes,
        restart=restart,
        as_json=as_json,
        server=server,
        tls=tls,
        timeout=timeout,
        actor=None,
    )
    try:
        relay = Relay(partial(Tshark, decode_as))
    except NoTshark as error:
        raise Failed(str(error)) from None
    with closing(relay):
        reads = CaptureFiles(files, relay, TapReader(plan, withheld), latest=now + AHEAD_S_MAX)
        if not run_import(wanted, reads, reads.remember):
            ctx.exit(1)
