"""What a worker makes of the claim of a batch: where it begins, and what is held afterwards."""

import pytest

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Feed
from ringfence.engine.settings.reading import read_watermarks
from ringfence.engine.settings.writing import publish_coverage, publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.server.journal.event_value import Claim
from ringfence.server.worker.feed_claims import FeedClaims

T = 1_750_000_000


class Worker:
    """A segment, what is published in it, and one worker's claims."""

    def __init__(self) -> None:
        self.segment = Segment.create(None, capacity_numbers=10)
        self.writer = TableWriter(self.segment)
        self.publish(Feed("west"))
        self.claims = FeedClaims(self.segment)

    def publish(self, *feeds: Feed | None) -> None:
        publish_settings(self.writer.segment, [], [], feeds)

    def draw(self, *claim: int, feed: str = "west") -> tuple[int, int] | None:
        """A batch's claim, on its way to the disk."""
        made = self.claims.claim(feed, *claim)
        return made and (made.begin, made.end)

    def claim(self, *claim: int, feed: str = "west") -> tuple[int, int] | None:
        """A batch's claim, durable at once."""
        made = self.claims.claim(feed, *claim)
        if made is not None:
            self.claims.settle(feed, made)
        return made and (made.begin, made.end)


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_first_claim_without_a_beginning_is_empty_and_sets_the_watermark(worker):
    assert worker.claim(0, T) == (T, T)
    assert worker.claims.watermark("west") == T
    assert worker.claim(0, T + 9) == (T, T + 9)
    assert worker.claims.watermark("west") == T + 9


def test_claim_without_a_beginning_goes_on_at_the_greatest_end(worker):
    worker.claim(T + 50, T + 60)
    worker.claim(T, T + 10)  # what was buffered comes late
    assert worker.claim(0, T + 55) is None
    assert worker.claim(0, T + 60) is None
    assert worker.claim(0, T + 70) == (T + 60, T + 70)


def test_claim_that_came_through_another_worker_counts_once_it_is_published(worker):
    worker.publish(Feed("west", ((T, T + 90),), T + 100))
    assert worker.claims.watermark("west") == T + 100
    assert worker.claim(0, T + 130) == (T + 100, T + 130)
    publish_coverage(worker.writer.segment, {0: Feed("west", ((T, T + 90),), T + 200)})
    assert worker.claims.watermark("west") == T + 200


def test_watermark_is_of_durable_claims_only(worker):
    assert worker.draw(T, T + 9) == (T, T + 9)
    assert worker.claims.watermark("west") == 0
    worker.claims.settle("west", Claim(0, 0, T, T + 9))
    assert worker.claims.watermark("west") == T + 9


def test_claim_on_its_way_to_the_disk_is_not_claimed_by_the_next_one(worker):
    worker.claim(0, T)
    assert worker.draw(0, T + 10) == (T, T + 10)
    assert worker.draw(0, T + 20) == (T + 10, T + 20)  # should the first fail
    worker.claims.fail("west")
    assert worker.claims.watermark("west") == T
    assert worker.draw(0, T + 20) == (T, T + 20)  # it is sent again


def test_unregistered_feed_claims_and_holds_nothing(worker):
    assert worker.claim(0, T, feed="stray") is None
    assert worker.claim(T - 9, T, feed="stray") is None
    assert worker.claims.watermark("stray") == 0
    worker.publish(Feed("west"), Feed("stray"))
    assert worker.claim(0, T + 5, feed="stray") == (T + 5, T + 5)


def test_feed_counts_as_soon_as_it_is_registered(worker):
    assert not worker.claims.is_registered("stray")
    worker.publish(Feed("west"), Feed("stray"))
    assert worker.claims.is_registered("stray")


def test_feed_that_was_registered_again_holds_nothing(worker):
    late = worker.claims.claim("west", T, T + 9)
    worker.publish(None, Feed("west"))
    assert worker.claims.watermark("west") == 0
    worker.claims.settle("west", late)  # of the one before
    assert worker.claims.watermark("west") == 0
    assert worker.claim(0, T + 20) == (T + 20, T + 20)


def test_feeds_that_come_and_go_take_no_memory(worker):
    for index in range(1, 200):
        worker.claim(T, T + 9)
        worker.publish(*[None] * index, Feed("west"))
    worker.claim(T, T + 9)
    assert len(worker.claims._durable) == len(worker.claims._drawn) == 1


def test_heartbeat_without_a_claim_makes_none(worker):
    assert worker.claim(0, 0) is None


def test_what_was_read_before_holds_while_coverage_is_being_changed(worker):
    worker.publish(Feed("west", ((T, T + 90),), T + 90))
    assert worker.claims.watermark("west") == T + 90
    odd = worker.segment.coverage_generation + 1
    _set_coverage_generation(worker.segment, odd)
    assert read_watermarks(worker.segment) is None
    assert worker.claims.watermark("west") == T + 90
    _set_coverage_generation(worker.segment, odd + 1)
    assert read_watermarks(worker.segment) == {"west": (0, 0, T + 90)}


def _set_coverage_generation(segment: Segment, generation: int) -> None:
    before = segment.coverage_generation.to_bytes(8, "little")
    settings = segment.settings_generation.to_bytes(8, "little")
    view = segment.view()
    at = bytes(view[:4096]).index(settings + before) + 8
    view[at : at + 8] = generation.to_bytes(8, "little")


def test_feed_that_is_registered_again_at_its_index_has_nothing_of_the_one_before(worker):
    worker.publish(Feed("west", registration=1))
    assert worker.claim(0, T) == (T, T)
    drawn = worker.claims.claim("west", T, T + 9)
    assert drawn is not None
    worker.publish(Feed("west", registration=2))
    assert worker.claims.watermark("west") == 0
    worker.claims.settle("west", drawn)
    assert worker.claims.watermark("west") == 0
    assert worker.claims.claim("west", 0, T + 20) == Claim(0, 2, T + 20, T + 20)
