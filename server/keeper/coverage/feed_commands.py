"""Feeds: registered, listed with what they have covered, deleted."""

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.engine.settings.policy import Feed
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.keeper.commands.command_log import CommandLog
from ringfence.server.keeper.coverage.feed_traffic import FeedTraffic
from ringfence.server.keeper.settings.settings_page import settings_page
from ringfence.server.link.drain import Context
from ringfence.server.link.routes import Answer, parse, parsing
from ringfence.server.state.coverage_book import FeedCoverage
from ringfence.server.state.keeper_state import KeeperState
from ringfence.server.state.setting_messages import feed_message, naming, read_feed
from ringfence.v1 import quarantine_service_pb2 as pb

GAPS_MAX = 100  # told of each feed


class FeedCommands:
    """Decides changes of the register against all earlier ones; tells how feeds are doing."""

    def __init__(self, state: KeeperState, log: CommandLog, traffic: FeedTraffic) -> None:
        self._state = state
        self._log = log
        self._traffic = traffic

    @property
    def answers(self) -> Mapping[str, Answer]:
        """Its methods by name."""
        return {
            "PutFeed": self.put_feed,
            "ListFeeds": parsing(pb.ListFeedsRequest, self.list_feeds),
            "DeleteFeed": self.delete_feed,
        }

    async def put_feed(self, message: bytes, context: Context) -> bytes:
        """Registers a feed, or replaces what is said of it; its coverage stays."""
        request = parse(pb.PutFeedRequest, message)
        with naming("feed"):
            feed = read_feed(request.feed)

        def decide(value: KeeperValue) -> Message:
            placed = self._state.decided.check_feed(feed)
            value.feeds.append(placed)
            return placed.feed

        if request.validate_only:
            return decide(KeeperValue()).SerializeToString()
        return await self._log.carry_out("PutFeed", context, decide)

    async def delete_feed(self, message: bytes, context: Context) -> bytes:
        """Takes a feed away that no pool requires, and its coverage."""
        request = parse(pb.DeleteFeedRequest, message)

        def decide(value: KeeperValue) -> Message:
            value.feeds.append(self._state.decided.check_feed_deletion(request.name))
            return pb.DeleteFeedResponse()

        return await self._log.carry_out("DeleteFeed", context, decide)

    async def list_feeds(self, request: pb.ListFeedsRequest) -> pb.ListFeedsResponse:
        """Feeds by name, with what they have covered."""
        await self._log.settled()
        book = self._state.published
        now = self._log.now()
        page, token = await settings_page(
            "ListFeeds",
            book.feeds,
            request,
            lambda index, feed: self._status(feed, self._state.coverage.of(index), now),
        )
        return pb.ListFeedsResponse(
            feeds=page,
            next_page_token=token,
            unregistered=self._traffic.unregistered(lambda name: book.feed_index(name) is not None),
        )

    def _status(self, feed: Feed, coverage: FeedCoverage, now: int) -> pb.FeedStatus:
        minute, day = self._traffic.events(feed.name)
        status = pb.FeedStatus(
            feed=feed_message(feed),
            events_last_minute=minute,
            events_last_day=day,
            gaps=_gaps(feed, coverage, now),
        )
        if coverage.watermark:
            status.watermark.CopyFrom(Timestamp(seconds=coverage.watermark))
            status.lag.CopyFrom(Duration(seconds=max(0, now - coverage.watermark)))
        return status


def _gaps(feed: Feed, coverage: FeedCoverage, now: int) -> list[pb.Gap]:
    """Newest first; the last one is open when the feed has been silent for too long."""
    gaps = []
    last = coverage.watermark
    if last and now - last > feed.silence_max_s:
        gaps.append(pb.Gap(began_at=Timestamp(seconds=last)))
    for begin, end in coverage.covered.newest_gaps(GAPS_MAX):
        gaps.append(pb.Gap(began_at=Timestamp(seconds=begin), ended_at=Timestamp(seconds=end)))
    return gaps[:GAPS_MAX]
