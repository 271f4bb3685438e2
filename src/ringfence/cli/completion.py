"""Names of pools, policies and feeds for the completion of the shell, asked of the server."""

from collections.abc import Callable, Iterable
from contextlib import suppress

import click

from ringfence import Client, Tls
from ringfence.channel import SERVER
from ringfence.errors import RingfenceError

TIMEOUT_S = 1.0  # somebody waits with a finger on the key
_Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _completes(names: Callable[[Client], Iterable[str]]) -> _Complete:
    """Completes a name of the server that the line is about; of none, if it does not answer."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        given = ctx.params
        server = given.get("server") or SERVER
        files = [given.get(name) for name in ("tls_ca", "tls_certificate", "tls_key")]
        with suppress(RingfenceError, ValueError, OSError):
            tls = Tls(*files) if any(files) else None
            with Client(server, tls=tls, timeout_s=TIMEOUT_S) as client:
                return [name for name in names(client) if name.startswith(incomplete)]
        return []

    return complete


complete_pool = _completes(lambda client: [each.pool.name for each in client.list_pools()])
complete_policy = _completes(lambda client: [each.name for each in client.list_policies()])
complete_feed = _completes(lambda client: [each.feed.name for each in client.list_feeds()])
