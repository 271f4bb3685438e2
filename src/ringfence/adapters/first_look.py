"""A look at the server when an adapter starts: what would otherwise be found out days later."""

from __future__ import annotations

from collections.abc import Callable

from ringfence import AsyncClient, RingfenceError, Tls
from ringfence.errors import DeadlineExceeded, Unreachable

TIMEOUT_S = 3.0


async def look_at_server(
    server: str, feed: str, tls: Tls | None, say: Callable[[str], None]
) -> None:
    """Says that nobody answers at the server's address, or that the feed is not registered there.

    Nothing is raised: whether events arrive is the stream's to find out. An identity that may send
    events may not be allowed to ask for feeds, and is told nothing.
    """
    try:
        async with AsyncClient(server, timeout_s=TIMEOUT_S, tls=tls) as client:
            known = [status.feed.name async for status in client.list_feeds()]
    except (Unreachable, DeadlineExceeded):
        say(f"nobody answers at {server}: events wait here until somebody does")
        return
    except RingfenceError:
        return
    if feed not in known:
        say(
            f"feed {feed} is not registered at {server}: its events count, its claims do not;"
            " `ringfence feeds put` registers it"
        )
