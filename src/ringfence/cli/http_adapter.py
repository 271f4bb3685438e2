"""`ringfence adapter http`: lines of JSON that programs post."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

import click

from ringfence import Tls
from ringfence.adapters.run import run_live
from ringfence.cli.adapter_run import (
    no_pass_phrase,
    patience_option,
    run_beside_look,
    said_by,
    summed_up,
)
from ringfence.cli.live_lines import live_desk, say_what_is_missing
from ringfence.cli.options import (
    Address,
    Failed,
    connection_options,
    feed_option,
    switch_country_option,
)
from ringfence.cli.small_file import small_text
from ringfence.cli.withheld_option import withheld_option
from ringfence.server.config.address import parse_address
from ringfence.wording.dialled import DialPlan
from ringfence.wording.withheld import Withheld

_say = said_by("http")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TOKEN_MIN, TOKEN_MAX = 16, 1_024


@click.command()
@click.option(
    "--listen",
    type=Address(parse_address),
    metavar="HOST:PORT",
    default="127.0.0.1:9061",
    show_default=True,
    help="Where to listen; port 0 takes a free one. Of other machines with --token-file only.",
)
@click.option(
    "--token-file",
    type=_FILE,
    metavar="FILE",
    help="Take only what bears the token in this file: `Authorization: Bearer TOKEN`.",
)
@click.option(
    "--http-certificate",
    type=_FILE,
    metavar="FILE",
    help="TLS: PEM file of our certificate. Without it, TLS is a proxy's to do.",
)
@click.option("--http-key", type=_FILE, metavar="FILE", help="TLS: PEM file of its key.")
@connection_options
@feed_option
@switch_country_option
@withheld_option
@patience_option
def http(
    *,
    listen: str,
    token_file: Path | None,
    http_certificate: Path | None,
    http_key: Path | None,
    server: str,
    tls: Tls | None,
    feed: str,
    plan: DialPlan,
    withheld: Withheld,
    timeout: float,
) -> None:
    """Send attempts that programs post as lines of JSON, or as an array: each is one event.

    A post is answered with 200 when the server has its events, so that who sent it keeps it till
    then. Runs until SIGTERM or Ctrl-C, then answers what has arrived and ends with 0. Counts, by
    outcome, go to standard error once a minute and at the end.
    """
    host, port = parse_address(listen)
    token = _token(token_file) if token_file else ""
    context = _tls(http_certificate, http_key)
    if not _is_loopback(host):
        if not token:
            raise click.UsageError(
                f"--listen: value={host}, bound=a loopback address, or --token-file: whoever can"
                " reach it could send events"
            )
        if context is None:
            _say("the token goes over the network in clear text, unless a proxy does TLS")
    try:  # their imports take a while, and they may not be there
        from ringfence.adapters.http.app import Events, app_of
        from ringfence.adapters.http.listener import HttpListener
    except ImportError as error:
        raise Failed(
            f"{error.name} is not installed: pip install 'ringfence[http]' brings what this"
            " adapter needs"
        ) from None
    stream, desk, hearing = live_desk(feed, plan, withheld, server, tls)
    app = app_of(Events(desk, stream, token=token))
    with summed_up(server, desk.tally, stream, _say):
        running = run_live(
            HttpListener(app, desk, host, port, tls=context),
            stream,
            patience_s=timeout,
            say_ready=lambda at: click.echo(
                f"ringfence adapter http ready {at} feed={feed} server={server}"
            ),
            say=_say,
        )
        hint = say_what_is_missing(desk.tally, lambda: hearing.said, _say)
        run_beside_look(running, server, feed, tls, _say, hint)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(path: Path) -> str:
    """The token, which is never said."""
    token = small_text(path).strip()
    plain = token.isascii() and token.isprintable() and " " not in token
    if not plain or not TOKEN_MIN <= len(token) <= TOKEN_MAX:
        raise Failed(
            f"{path}: value=another text, bound=a token of {TOKEN_MIN} to {TOKEN_MAX} characters of"
            " ASCII without spaces, such as `openssl rand -hex 32` makes"
        )
    return token


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if (certificate is None) != (key is None):
        raise click.UsageError("--http-certificate and --http-key go together")
    if certificate is None:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key, password=no_pass_phrase)
    except OSError as error:  # also of what is in them
        raise Failed(f"{certificate}, {key}: {error.strerror or error}") from None
    return context
