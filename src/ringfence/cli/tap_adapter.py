"""`ringfence adapter tap`: the signalling of a core network, captured now or before."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from ringfence import EventStream, Tls
from ringfence.adapters.event_table import AHEAD_S_MAX
from ringfence.adapters.first_hint import hint_after_a_while
from ringfence.adapters.run import run_live
from ringfence.adapters.tap.capture import Capture, NoCapture
from ringfence.adapters.tap.capture_files import CaptureFiles
from ringfence.adapters.tap.check import check_tshark
from ringfence.adapters.tap.reader import TapReader
from ringfence.adapters.tap.relay import Relay
from ringfence.adapters.tap.shares import TAPS_MAX, shares
from ringfence.adapters.tap.source import TapSource
from ringfence.adapters.tap.tshark import NoTshark, Tshark
from ringfence.cli.adapter_run import (
    lateness_option,
    patience_option,
    run_beside_look,
    said_by,
    summed_up,
)
from ringfence.cli.follow_run import Following, follow_option, pattern_option, state_option
from ringfence.cli.import_options import ImportOptions, files_of, import_options
from ringfence.cli.import_run import Import, claim_of, run_import
from ringfence.cli.options import (
    Failed,
    connection_options,
    feed_option,
    switch_country_option,
)
from ringfence.cli.tap_follow import follow_captures
from ringfence.cli.withheld_option import withheld_option
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_NOTHING = "nothing has arrived: is signalling mirrored here, and does --filter let it in?"
_say = said_by("tap")


@dataclass(frozen=True)
class _Listening:
    interface: str
    filter: str
    taps: int
    feed: str
    lateness: int
    server: str
    tls: Tls | None
    timeout: float


@click.command()
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--read", is_flag=True, help="Read capture files.")
@click.option("--interface", metavar="NAME", help="Capture on this interface, such as eth1.")
@click.option(
    "--filter",
    "filter_",
    metavar="FILTER",
    default="",
    help="With --interface: what is captured, as tcpdump has it: 'sctp or udp port 5060'.",
)
@click.option(
    "--taps",
    type=click.IntRange(1, TAPS_MAX),
    metavar="COUNT",
    default=1,
    show_default=True,
    help="With --interface: how many tsharks share the frames, by the addresses in them.",
)
@feed_option
@switch_country_option
@click.option(
    "--decode-as",
    multiple=True,
    metavar="RULE",
    help="A rule of tshark's -d, such as tcp.port==12775,smpp; repeatable.",
)
@withheld_option
@lateness_option
@follow_option
@state_option
@pattern_option
@import_options
@connection_options
@patience_option
@click.pass_context
def tap(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    read: bool,
    interface: str | None,
    filter_: str,
    taps: int,
    lateness: int,
    feed: str,
    plan: DialPlan,
    decode_as: tuple[str, ...],
    withheld: Withheld,
    follow: bool,
    state: Path | None,
    pattern: str,
    given: ImportOptions,
    server: str,
    tls: Tls | None,
    timeout: float,
) -> None:
    """Send the attempts that the signalling of a core network tells of, each once.

    ISUP, BICC, MAP, CAP, Diameter, SIP and SMPP. Needs tshark and bwrap.

    With --interface it captures with tcpdump, until SIGTERM or Ctrl-C, and claims the time in which
    it has heard all.

    With --read it takes capture files (pcap, pcapng, also packed), and all files of directories, by
    name. It ends when all is answered, as `ringfence import events` does. The exit code is 1 if
    something could not be read, or nothing is claimed though asked for.

    With --read and --follow it takes a directory that another program captures to, file after file,
    until SIGTERM, and goes on there the next time.
    """
    start = partial(Tshark, decode_as)
    if read == bool(interface) or read != bool(paths):
        raise click.UsageError("either --interface NAME, or --read FILE...")
    if filter_ and not interface:
        raise click.UsageError("--filter goes with --interface")
    if taps != 1 and not interface:
        raise click.UsageError("--taps goes with --interface")
    if interface and given.any:
        raise click.UsageError(
            "--complete-from, --complete-to, --yes, --restart, --rejects, --json go with --read"
        )
    if follow and not (read and len(paths) == 1 and paths[0].is_dir()):
        raise click.UsageError("--follow goes with --read and one directory")
    if follow and any(given.of_files):
        raise click.UsageError(
            "--follow goes without --complete-from, --complete-to, --yes, --rejects and --json"
        )
    if not follow and (state or pattern != "*"):
        raise click.UsageError("--state and --pattern go with --follow")
    try:
        check_tshark(start)
    except NoTshark as error:
        raise Failed(str(error)) from None
    if interface:
        _listen(
            _Listening(interface, filter_, taps, feed, lateness, server, tls, timeout),
            start,
            TapReader(plan, withheld),
        )
        return
    if follow:
        follow_captures(
            Following(
                adapter="tap",
                paths=paths,
                format="capture",
                feed=feed,
                lateness_s=float(lateness),
                state=state,
                pattern=pattern,
                restart=given.restart,
                server=server,
                tls=tls,
                timeout=timeout,
                late="frames are earlier than what was claimed already: a file was held up, or"
                " clocks differ",
                nothing="no file is whole yet: does the capture begin a new one now and then?",
                say=_say,
            ),
            start,
            TapReader(plan, withheld),
        )
        return
    now = int(time.time())
    files = files_of(paths)
    wanted = Import(
        files=files,
        feed=feed,
        asked=[server, str(plan.code), *decode_as, *withheld.more],
        claim=claim_of(given, now),
        given=given,
        server=server,
        tls=tls,
        timeout=timeout,
    )
    with closing(Relay(start)) as relay:
        reads = CaptureFiles(files, relay, TapReader(plan, withheld), latest=now + AHEAD_S_MAX)
        if not run_import(wanted, reads, reads.remember):
            ctx.exit(1)


def _listen(asked: _Listening, start: partial[Tshark], reader: TapReader) -> None:
    """Captures until it is told to end."""
    try:
        stream = EventStream(
            asked.server,
            asked.feed,
            lateness_s=float(asked.lateness),
            tls=asked.tls,
            heard_until=lambda: source.heard_until,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    captures = [
        partial(Capture, asked.interface, each) for each in shares(asked.filter, asked.taps)
    ]
    source = TapSource(captures, partial(Relay, start), reader, stream)
    with summed_up(asked.server, source.tally, stream, _say):
        running = run_live(
            source,
            stream,
            patience_s=asked.timeout,
            say_ready=lambda where: click.echo(
                f"ringfence adapter tap ready interface={asked.interface} {where}"
                f" feed={asked.feed} server={asked.server}"
            ),
            say=_say,
        )
        hint = hint_after_a_while(source.tally, _say, nothing=_NOTHING)
        try:
            run_beside_look(running, asked.server, asked.feed, asked.tls, _say, hint)
        except NoCapture as error:
            raise Failed(str(error)) from None
