"""Feeds that claim what they have sent, and what a server says of them."""

import time
from typing import Any

from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import quarantine_service_pb2 as commands
from support.server_process import DEADLINE_S, Peer, wait_until


def put_feed(peer: Peer, name: str, **fields: Any) -> commands.Feed:
    """Registers a feed."""
    request = commands.PutFeedRequest(feed=commands.Feed(name=name, **fields))
    return peer.commands.PutFeed(request, timeout=DEADLINE_S)


def claim(peer: Peer, feed: str, complete_from: int, watermark: int) -> int:
    """An empty batch with a claim; the watermark that is held then."""
    request = events.RecordEventsRequest(
        feed=feed, complete_from=complete_from, watermark=watermark
    )
    return int(peer.events.RecordEvents(request, timeout=DEADLINE_S).watermark)


def list_feeds(peer: Peer) -> commands.ListFeedsResponse:
    """All feeds."""
    return peer.commands.ListFeeds(commands.ListFeedsRequest(), timeout=DEADLINE_S)


def status_of(peer: Peer, feed: str) -> commands.FeedStatus:
    """How a feed is doing."""
    (status,) = [each for each in list_feeds(peer).feeds if each.feed.name == feed]
    return status


def gaps_of(peer: Peer, feed: str) -> list[tuple[int, int]]:
    """A feed's gaps, oldest first; an open one ends at 0."""
    found = [(gap.began_at.seconds, gap.ended_at.seconds) for gap in status_of(peer, feed).gaps]
    return found[::-1]


def wait_for_watermark(peer: Peer, feed: str, watermark: int) -> None:
    """Waits until the keeper has a claim, which it is told within two seconds."""
    wait_until(lambda: status_of(peer, feed).watermark.seconds == watermark)


def hour_ago() -> int:
    """A moment from which tests count, so that nothing lies in the future."""
    return int(time.time()) - 3_600
