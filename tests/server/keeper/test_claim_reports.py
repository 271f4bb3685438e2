"""What the keeper makes of the workers' reports: nothing left out, nothing twice, all durable."""

import asyncio

import pytest
from rich.progress import Progress
from support.keeper_inside import NOW, KeeperInside, journal, run, segment
from support.kept_image import Written, image_now, stored, whole

from ringfence.engine.memory.layout import FEED_INTERVALS_MAX, FEEDS_MAX
from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.reading import read_feeds
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.keeper.coverage import claim_reports
from ringfence.server.keeper.coverage.feed_traffic import FeedTraffic
from ringfence.server.link.keeper_service_pb2 import ReadImageRequest, ReportClaimsRequest
from ringfence.server.link.refusal import Refusal
from ringfence.server.recovery.replay import Replay, ReplayBase
from ringfence.server.state.keeper_image import StoredImage

__all__ = ["journal", "segment"]  # fixtures

Bounds = list[int]
"""Seconds after AGO."""

AGO = NOW - 2_000_000
TIMEOUT_S = 30.0


Place = tuple[int, int]
"""Index and registration of a feed."""


def place_of(inside: KeeperInside, feed: str) -> Place:
    """Where a feed stands in the keeper's book, and which of all it is."""
    book = inside.keeper.state.decided
    index = book.feed_index(feed)
    assert index is not None
    found = book.feed(index)
    assert found is not None
    return index, found.registration


def report(
    inside: KeeperInside,
    after: int,
    upto: int,
    journal: str = "worker-0",
    place: Place | None = None,
    **claims: Bounds,
) -> int:
    """Reports claims by feed, or of a place; the position that the keeper holds then."""
    request = ReportClaimsRequest(journal=journal, after=after, upto=upto)
    for feed, bounds in claims.items():
        index, registration = place or place_of(inside, feed)
        times = [AGO + bound for bound in bounds]
        request.claims.add(feed=index, registration=registration, bounds=times, watermark=times[-1])
    return inside.keeper.reports.take(request)


def covered_of(segment: Segment) -> list[list[tuple[int, int]]]:
    """What each feed has covered, as workers see it."""
    return [
        [(begin - AGO, end - AGO) for begin, end in feed.covered]
        for feed in read_feeds(segment)
        if feed is not None
    ]


async def flush(inside: KeeperInside) -> None:
    """Journals what was reported."""
    inside.keeper.reports.flush()
    await inside.keeper.log.settled()


async def gaps(inside: KeeperInside, feed: str = "west") -> Bounds:
    """The bounds of a feed's gaps, oldest first; an open one has one."""
    listed = await inside.ask("ListFeeds")
    (status,) = [each for each in listed.feeds if each.feed.name == feed]
    return [
        bound - AGO
        for gap in reversed(status.gaps)
        for bound in (gap.began_at.seconds, gap.ended_at.seconds)
        if bound
    ]


def test_report_that_leaves_something_out_is_not_taken(segment, journal):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        assert report(inside, 0, 3, west=[10, 20]) == 3
        assert report(inside, 4, 5, west=[20, 30]) == 3
        assert report(inside, 0, 5, west=[20, 30]) == 3
        assert report(inside, 3, 5, west=[40, 50]) == 5
        assert report(inside, 0, 9, "worker-1", west=[50, 60]) == 9
        await flush(inside)
        assert await gaps(inside) == [20, 40, 60]

    run(segment, journal, use)


def test_claims_of_a_feed_that_was_deleted_are_not_those_of_the_next_one_of_its_name(
    segment, journal
):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        before = place_of(inside, "west")
        assert report(inside, 0, 3, west=[10, 20]) == 3
        await inside.ask("DeleteFeed", name="west")
        assert report(inside, 3, 4, place=before, west=[30, 40]) == 4
        await inside.ask("PutFeed", feed={"name": "west"})
        assert report(inside, 4, 5, place=before, west=[50, 60]) == 5
        await flush(inside)
        assert await gaps(inside) == []
        assert report(inside, 5, 6, west=[70, 80]) == 6
        await flush(inside)
        assert await gaps(inside) == [80]

    run(segment, journal, use)


@pytest.mark.slow
def test_feed_that_takes_the_index_of_another_has_nothing_of_its_coverage(segment, journal):
    places = []

    def covered_of_one_more(inside):
        (feed,) = [feed for feed in read_feeds(inside.segment) if feed.name == "one-more"]
        return feed.covered, feed.watermark

    async def use(inside):
        await asyncio.gather(
            *(inside.ask("PutFeed", feed={"name": f"feed-{n}"}) for n in range(FEEDS_MAX))
        )
        with pytest.raises(Refusal, match="257") as caught:
            await inside.ask("PutFeed", feed={"name": "one-more"})
        assert caught.value.reason == "QUOTA"
        report(inside, 0, 3, **{"feed-7": [10, 20]})
        await flush(inside)
        before = place_of(inside, "feed-7")
        report(inside, 3, 4, **{"feed-7": [20, 30]})  # and not journalled
        await inside.ask("DeleteFeed", name="feed-7")
        report(inside, 4, 5, place=before, was=[30, 40])
        await flush(inside)
        await inside.ask("PutFeed", feed={"name": "one-more"})
        assert place_of(inside, "one-more")[0] == before[0]
        report(inside, 5, 6, place=before, was=[40, 50])
        await flush(inside)
        assert covered_of_one_more(inside) == ((), 0)
        places.append(before)

    async def next_keeper(inside):
        await inside.ask("DeleteFeed", name="one-more")
        await inside.ask("PutFeed", feed={"name": "one-more"})
        held = inside.keeper.reports.held("worker-0")
        report(inside, held, 7, place=places[0], was=[50, 60])
        await flush(inside)
        assert covered_of_one_more(inside) == ((), 0)
        report(inside, 7, 8, **{"one-more": [60, 70]})
        await flush(inside)
        assert covered_of_one_more(inside) == (((AGO + 60, AGO + 70),), AGO + 70)

    run(segment, journal, use)
    run(Segment.create(None, capacity_numbers=100), journal, next_keeper)


def test_no_registration_is_given_twice_whatever_a_snapshot_has_forgotten(segment, journal):
    images, given = [], []

    async def use(inside):
        for name in ("west", "east", "west"):
            await inside.ask("PutFeed", feed={"name": name})
            given.append(place_of(inside, name)[1])
            await inside.ask("DeleteFeed", name=name)
        images.append(image_now(inside.keeper, journal.last))

    async def look(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        given.append(place_of(inside, "west")[1])

    run(segment, journal, use)
    run(Segment.create(None, capacity_numbers=100), journal, look, image=images[0])
    assert given == [1, 2, 3, 4]


def test_next_keeper_has_what_the_journal_has_and_asks_for_the_rest(segment, journal):
    async def first(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        report(inside, 0, 3, west=[10, 20])
        await flush(inside)
        report(inside, 3, 8, west=[30, 40])

    async def second(inside):
        assert await gaps(inside) == [20]
        assert inside.keeper.reports.held("worker-0") == 3
        assert report(inside, 8, 9, west=[60, 70]) == 3
        assert report(inside, 3, 9, west=[30, 40]) == 9
        await flush(inside)
        assert await gaps(inside) == [20, 30, 40]
        assert covered_of(inside.segment) == [[(10, 20), (30, 40)]]
        assert [feed.watermark for feed in read_feeds(inside.segment)] == [AGO + 40]

    run(segment, journal, first)
    run(segment, journal, second)

    async def third(inside):
        assert covered_of(inside.segment) == [[(10, 20), (30, 40)]]

    run(Segment.create(None, capacity_numbers=100), journal, third)


def test_image_has_what_was_reported_also_before_it_is_journalled(segment, journal):
    images = []

    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        await inside.ask("PutFeed", feed={"name": "east"})
        await inside.ask("DeleteFeed", name="west")
        report(inside, 0, 3, east=[10, 20])
        await flush(inside)
        report(inside, 3, 5, east=[30, 40])
        images.append(image_now(inside.keeper, journal.last))
        await flush(inside)
        report(inside, 5, 6, east=[50, 60])
        await flush(inside)

    async def look(inside):
        assert await gaps(inside, "east") == [20, 30, 40, 50, 60]
        assert inside.keeper.reports.held("worker-0") == 6

    run(segment, journal, use)
    for image in (StoredImage(), *images):
        again = Segment.create(None, capacity_numbers=100)
        replay = Replay(again, ReplayBase(image=whole(image)), [journal], Progress(disable=True))
        replay.commands(journal)  # what workers see before there is a keeper
        assert covered_of(again) == [[(10, 20), (30, 40), (50, 60)]]
        run(Segment.create(None, capacity_numbers=100), journal, look, image=image)


def test_image_has_claims_that_the_journal_never_got(segment, journal):
    images = []

    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        report(inside, 0, 3, west=[10, 20])
        images.append(image_now(inside.keeper, journal.last))

    async def look(inside):
        assert inside.keeper.reports.held("worker-0") == 3
        assert await gaps(inside) == [20]

    run(segment, journal, use)
    run(Segment.create(None, capacity_numbers=100), journal, look, image=images[0])


def test_image_waits_for_claims_that_are_on_their_way(segment, journal):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        written = Written()
        asked = ReadImageRequest(claims_upto={"worker-0": 3}).SerializeToString()
        reading = asyncio.create_task(inside.keeper.internal["ReadImage"](asked, written))
        await asyncio.sleep(0.05)
        assert written.messages == []
        report(inside, 0, 3, west=[10, 20])
        await reading
        (held,) = whole(written.image).journals
        assert (held.name, held.position) == ("worker-0", 3)

    run(segment, journal, use)


def test_image_does_not_wait_for_a_worker_that_is_away(segment, journal, monkeypatch):
    monkeypatch.setattr(claim_reports, "REACH_S", 0.01)

    async def use(inside):
        written = Written()
        asked = ReadImageRequest(claims_upto={"worker-0": 3}).SerializeToString()
        async with asyncio.timeout(TIMEOUT_S):
            await inside.keeper.internal["ReadImage"](asked, written)
        assert not whole(written.image).journals

    run(segment, journal, use)


def test_image_alone_says_what_the_keeper_has_of_the_journals(segment, journal):
    images = []

    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        report(inside, 0, 3, west=[10, 20])
        report(inside, 0, 7, "worker-1", west=[20, 30])
        await flush(inside)
        images.append(stored(inside.keeper.state.moment(), journal.last))

    async def look(inside):
        held = inside.keeper.reports.held
        assert (held("worker-0"), held("worker-1"), held("worker-2")) == (3, 7, 0)
        assert await gaps(inside) == [30]

    run(segment, journal, use)
    run(Segment.create(None, capacity_numbers=100), journal, look, image=images[0])


def test_many_reports_share_a_value_and_positions_alone_are_seldom_journalled(segment, journal):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        before = journal.last
        flushing = asyncio.create_task(inside.keeper.reports.keep_flushing())
        for position in range(50):
            report(inside, position, position + 1)
        await asyncio.sleep(0.05)
        assert journal.last == before
        for position in range(50, 100):
            report(inside, position, position + 1, west=[position, position + 1])
        flushing.cancel()
        await flush(inside)
        ((_, value),) = keeper_values(journal, before)
        assert list(value.claims[0].bounds) == [AGO + 50, AGO + 100]
        assert [(each.name, each.position) for each in value.journals] == [("worker-0", 100)]
        assert not value.command

    run(segment, journal, use)


def test_feed_with_too_many_gaps_counts_less_as_covered_and_never_more(segment, journal):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        assert FEED_INTERVALS_MAX == 4_096 + 1  # so many gaps lie between
        bounds = list(range(10, 10 + 4 * FEED_INTERVALS_MAX, 2))  # of 2 s, 2 s apart
        report(inside, 0, 3, west=bounds)
        await flush(inside)
        report(inside, 3, 4, west=[bounds[-1] + 10, bounds[-1] + 11])
        await flush(inside)
        (covered,) = covered_of(inside.segment)
        claimed = set(zip(bounds[::2], bounds[1::2], strict=True))
        assert len(covered) == FEED_INTERVALS_MAX
        assert covered[-1] == (bounds[-1] + 10, bounds[-1] + 11)
        assert set(covered[:-1]) < claimed

    run(segment, journal, use)


def test_claims_about_another_century_cost_a_feed_nothing_of_what_it_covered(segment, journal):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        hours = [bound for begin in range(0, 360_000, 3_600) for bound in (begin, begin + 3_500)]
        report(inside, 0, 1, west=hours)
        await flush(inside)
        (before,) = covered_of(inside.segment)
        assert len(before) == 100
        eighties = 315_532_800 - AGO
        days = range(eighties, eighties + 86_400 * 4_200, 86_400)
        report(inside, 1, 2, west=[bound for day in days for bound in (day, day + 86_000)])
        await flush(inside)
        assert covered_of(inside.segment) == [before]

    run(segment, journal, use)


@pytest.mark.slow
def test_feed_of_many_short_claims_takes_bounded_memory_while_the_journal_takes_nothing(
    segment, journal
):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        for upto in range(1, 11):
            first = AGO + upto * 100_000
            bounds = range(first, first + 40_000, 2)
            request = ReportClaimsRequest(journal="worker-0", after=upto - 1, upto=upto)
            each = [bound for begin in bounds[::2] for bound in (begin, begin + 2)]
            index, registration = place_of(inside, "west")
            request.claims.add(
                feed=index, registration=registration, bounds=each, watermark=each[-1]
            )
            assert inside.keeper.reports.take(request) == upto
        (waiting,) = inside.keeper.reports.claims()
        assert len(waiting.bounds) == 2 * FEED_INTERVALS_MAX
        await flush(inside)
        (feed,) = read_feeds(inside.segment)
        assert (len(feed.covered), feed.watermark) == (FEED_INTERVALS_MAX, AGO + 1_039_998)

    run(segment, journal, use)


@pytest.mark.parametrize("name", ["keeper", "worker-", "worker-0/../x", "x" * 300])
def test_journal_that_no_worker_has_is_refused(segment, journal, name):
    async def use(inside):
        with pytest.raises(Refusal, match="bound=a worker's journal"):
            report(inside, 0, 1, name)

    run(segment, journal, use)


def test_silent_feed_has_an_open_gap(segment, journal):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west", "silence_max": {"seconds": 60}})
        report(inside, 0, 3, west=[NOW - AGO - 100, NOW - AGO])
        await flush(inside)
        inside.now = NOW + 60
        assert await gaps(inside) == []
        inside.now = NOW + 61
        assert await gaps(inside) == [NOW - AGO]
        (status,) = (await inside.ask("ListFeeds")).feeds
        assert (status.watermark.seconds, status.lag.seconds) == (NOW, 61)

    run(segment, journal, use)


def test_newest_hundred_gaps_are_told(segment, journal):
    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "west"})
        report(inside, 0, 3, west=list(range(0, 2_000, 5)))
        await flush(inside)
        (status,) = (await inside.ask("ListFeeds")).feeds
        told = [(gap.began_at.seconds, gap.ended_at.seconds) for gap in status.gaps]
        assert told[:2] == [(AGO + 1_995, 0), (AGO + 1_985, AGO + 1_990)]
        assert len(told) == 100

    run(segment, journal, use)


def test_events_are_counted_for_a_minute_and_a_day():
    now = NOW - NOW % 60
    traffic = FeedTraffic(lambda: now)
    traffic.count({"west": 5, "east": 1}, [])
    now += 59
    traffic.count({"west": 2}, [])
    assert traffic.events("west") == (7, 7)
    now += 1
    assert traffic.events("west") == (2, 7)
    assert traffic.events("north") == (0, 0)
    now += 80_000
    assert traffic.events("west") == (0, 7)
    now += 86_400 - 60 - 80_000
    assert traffic.events("west") == (0, 0)
    assert traffic.events("east") == (0, 0)


def test_newest_names_that_nobody_registered_are_told():
    traffic = FeedTraffic(lambda: NOW)
    traffic.count({}, [f"stray-{n}" for n in range(40)])
    traffic.count({}, ["stray-30"])
    told = traffic.unregistered(lambda name: name == "stray-39")
    assert told == ["stray-30", *(f"stray-{n}" for n in range(38, 30, -1)), *(
        f"stray-{n}" for n in range(29, 23, -1)
    )]  # fmt: skip
