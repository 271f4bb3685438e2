"""Feeds in the life of numbers: registered, required, claiming through two workers, deleted."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ringfence.engine.settings.policy import SILENCE_S, Pool
from ringfence.server.journal.event_value import Claim
from ringfence.server.link.keeper_service_pb2 import ReportClaimsRequest
from ringfence.server.state.claim_report import fill_claims
from ringfence.server.state.setting_messages import pool_message
from support.number_model import NumberModel

FEEDS = ["msc", "smsc", "sbc"]
WORKERS = ["worker-0", "worker-1"]

feeds = st.sampled_from(FEEDS)


class FeedLife(RuleBasedStateMachine):
    """Rules for a machine that has a keeper `inside`, a `model` of it, `ask` and `expect`."""

    inside: Any
    model: NumberModel
    policy_of: ClassVar = {"east": "strict", "west": "mild"}  # by pool
    ask: Any
    expect: Any
    publish: Any
    run: Any

    def __init__(self) -> None:
        super().__init__()
        self.required: dict[str, tuple[str, ...]] = dict.fromkeys(self.policy_of, ())
        self.written: dict[str, list[Claim]] = {journal: [] for journal in WORKERS}

    def begin_feeds(self) -> None:
        """Two feeds, of which one has listened until now and is required by one of the pools."""
        for feed in FEEDS[:2]:
            self.register(feed)
        self.required["east"] = ("msc",)
        for pool in self.required:
            self.put_pool(pool)
        self.listen(["msc"], "worker-0", 6_000, 0, "journalled")

    def pool(self, name: str) -> Pool:
        """A pool as it stands."""
        return Pool(name, self.policy_of[name], self.required[name])

    def put_pool(self, name: str) -> None:
        """Puts a pool as it stands."""
        self.ask("PutPool", pool=pool_message(self.pool(name)))

    @rule(feed=feeds)
    def register(self, feed: str) -> None:
        """Registers a feed, or says the same of it again: what it has covered stays."""
        self.ask("PutFeed", feed={"name": feed})
        self.model.feeds.register(feed)
        self.publish()

    @rule(feed=feeds)
    def unregister(self, feed: str) -> None:
        """Deletes a feed, and what it has covered."""
        if feed not in self.model.feeds.taken:
            self.expect("NO_SUCH_FEED", "DeleteFeed", name=feed)
        elif any(feed in required for required in self.required.values()):
            self.expect("IN_USE", "DeleteFeed", name=feed)
        else:
            self.ask("DeleteFeed", name=feed)
            self.model.feeds.unregister(feed)
            self.publish()

    @rule(pool=st.sampled_from(["east", "west"]), wanted=st.sets(feeds, max_size=3))
    def require(self, pool: str, wanted: set[str]) -> None:
        """A pool requires other feeds: verdicts follow at once."""
        required = tuple(sorted(wanted))
        if wanted <= self.model.feeds.taken.keys():
            self.required[pool] = required
            self.put_pool(pool)
            self.publish()
        else:
            self.expect(
                "NO_SUCH_FEED",
                "PutPool",
                pool={"name": pool, "policy": "strict", "required_feeds": required},
            )

    @rule(
        who=st.lists(feeds, min_size=1, max_size=4),
        journal=st.sampled_from(WORKERS),
        length_s=st.sampled_from([1, 10, 60, 300, 6_000, 6_000]),
        ended_ago_s=st.sampled_from([0, 0, 0, 1, 10, 60, -290]),
        told=st.sampled_from(["not yet", "reported", "journalled", "journalled", "journalled"]),
    )
    def listen(
        self, who: list[str], journal: str, length_s: int, ended_ago_s: int, told: str
    ) -> None:
        """Feeds claim time, registered or not; sooner or later the keeper hears of it."""
        for later, feed in enumerate(who):
            end = self.model.now - ended_ago_s - 2 * later
            book = self.inside.keeper.state.decided
            index = book.feed_index(feed)
            if self.model.feeds.claim(journal, feed, (end - length_s, end)):
                registration = book.feed(index).registration
                self.written[journal].append(Claim(index, registration, end - length_s, end))
        if told != "not yet":
            self.report(journal)
        if told == "journalled":
            self.flush()

    @rule()
    def flush(self) -> None:
        """The keeper makes what was reported durable."""

        async def flushed() -> None:
            self.inside.keeper.reports.flush()
            await self.inside.keeper.log.settled()

        self.run(flushed())
        self.model.feeds.flush()
        self.publish()

    @rule(journal=st.sampled_from(WORKERS))
    def report(self, journal: str) -> None:
        """A worker reports what the keeper does not have of its journal."""
        reports = self.inside.keeper.reports
        written = self.written[journal]
        held = reports.held(journal)
        assert held == self.model.feeds.reported.get(journal, 0)
        request = ReportClaimsRequest(journal=journal, after=held, upto=len(written))
        fill_claims(request, written[held:])
        assert reports.take(request) == len(written)
        self.model.feeds.report(journal)

    @invariant()
    def feeds_agree(self) -> None:
        """The same feeds, gaps and watermarks."""
        if getattr(self, "inside", None) is None:
            return
        listed = {status.feed.name: status for status in self.ask("ListFeeds").feeds}
        assert listed.keys() == self.model.feeds.taken.keys()
        for name, status in listed.items():
            gaps = [(gap.began_at.seconds, gap.ended_at.seconds) for gap in status.gaps]
            assert gaps == self.model.feeds.gaps(name, self.model.now, SILENCE_S)
            last = max((end for _, end in self.model.feeds.taken[name]), default=0)
            assert status.watermark.seconds == last
            assert status.HasField("lag") == bool(last)
            assert not last or status.lag.seconds == max(0, self.model.now - last)
