"""Feeds over a real server: registered, listed, required, deleted; their claims and gaps."""

import time

import grpc
import pytest
from support.long_ago import LONG_AGO
from support.server_process import DEADLINE_S, batch, field_of, peer_of, reason_of, wait_until
from support.told_claims import (
    claim,
    gaps_of,
    hour_ago,
    list_feeds,
    put_feed,
    status_of,
    wait_for_watermark,
)

from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types

WINDOW_S = 1_000


def put_pool(peer, name, *feeds, policy="watchful"):
    pool = commands.Pool(name=name, policy=policy, required_feeds=feeds)
    return peer.commands.PutPool(commands.PutPoolRequest(pool=pool), timeout=DEADLINE_S)


def put_policy(peer, name="watchful"):
    """No age, and all of the last WINDOW_S seconds have to be covered, but for a tenth."""
    policy = commands.Policy(name=name, minimum_coverage=0.9)
    policy.rules.add(measure=types.MEASURE_EVENTS, limit=0).window.seconds = WINDOW_S
    peer.commands.PutPolicy(commands.PutPolicyRequest(policy=policy), timeout=DEADLINE_S)


def refusal(call, *asked, **fields):
    with pytest.raises(grpc.RpcError) as caught:
        call(*asked, **fields)
    return caught.value


def delete(peer, name):
    return peer.commands.DeleteFeed(commands.DeleteFeedRequest(name=name), timeout=DEADLINE_S)


def get(peer, number, at=0):
    request = numbers.GetNumberRequest(number=number, at=at)
    return peer.numbers.GetNumber(request, timeout=DEADLINE_S)


def verdict(peer, number, at=0):
    request = numbers.CheckNumbersRequest(numbers=[number], at=at)
    answer = peer.numbers.CheckNumbers(request, timeout=DEADLINE_S)
    return types.Verdict.Name(answer.verdicts[0]).removeprefix("VERDICT_")


@pytest.mark.slow
def test_feed_is_registered_changed_and_deleted(peer):
    first = put_feed(peer, "life", description="a switch")
    assert (first.silence_max.seconds, first.revision) == (120, 1)
    second = put_feed(peer, "life", silence_max={"seconds": 5}, revision=1)
    assert (second.silence_max.seconds, second.description, second.revision) == (5, "", 2)
    assert reason_of(refusal(put_feed, peer, "life", revision=1)) == "REVISION"
    request = commands.PutFeedRequest(feed=commands.Feed(name="life"), validate_only=True)
    assert peer.commands.PutFeed(request, timeout=DEADLINE_S).revision == 3
    assert status_of(peer, "life").feed == second
    delete(peer, "life")
    assert "life" not in {status.feed.name for status in list_feeds(peer).feeds}
    assert reason_of(refusal(delete, peer, "life")) == "NO_SUCH_FEED"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "MSC"}, "feed.name"),
        ({"silence_max": {"seconds": 4}}, "feed.silence_max"),
        ({"silence_max": {"seconds": 86_401}}, "feed.silence_max"),
        ({"silence_max": {"seconds": 9, "nanos": 1}}, "feed.silence_max"),
        ({"silence_max": {}}, "feed.silence_max"),
        ({"description": "x" * 501}, "feed.description"),
    ],
)
def test_feed_out_of_bounds_is_refused_by_field(peer, fields, field):
    assert field_of(refusal(put_feed, peer, **{"name": "bad", **fields})) == field


def test_pool_requires_registered_feeds_only_and_these_stay(peer):
    put_policy(peer)
    assert reason_of(refusal(put_pool, peer, "needy", "needed")) == "NO_SUCH_FEED"
    many = [f"feed-{n}" for n in range(17)]
    assert field_of(refusal(put_pool, peer, "needy", *many)) == "pool.required_feeds"
    put_feed(peer, "needed")
    put_pool(peer, "needy", "needed")
    assert reason_of(refusal(delete, peer, "needed")) == "IN_USE"
    put_pool(peer, "needy")
    delete(peer, "needed")


def test_feed_that_only_set_its_watermark_and_fell_silent_has_an_open_gap(peer):
    put_feed(peer, "begun")
    began = hour_ago()
    wait_until(lambda: claim(peer, "begun", 0, began) == began)
    wait_until(lambda: gaps_of(peer, "begun") == [(began, 0)])


def test_claims_join_and_what_they_lack_is_a_gap(peer):
    put_feed(peer, "joined")
    began = hour_ago()
    assert claim(peer, "joined", began, began + 100) == began + 100
    assert claim(peer, "joined", began + 300, began + 400) == began + 400
    assert claim(peer, "joined", began + 100, began + 150) == began + 400
    wait_until(lambda: gaps_of(peer, "joined") == [(began + 150, began + 300), (began + 400, 0)])
    status = status_of(peer, "joined")
    assert 3_200 <= status.lag.seconds <= 3_300
    assert claim(peer, "joined", began + 50, began + 350) == began + 400  # it had it in its buffer
    wait_until(lambda: gaps_of(peer, "joined") == [(began + 400, 0)])
    put_feed(peer, "joined", silence_max={"seconds": 7_200})
    assert gaps_of(peer, "joined") == []


def test_claim_without_a_beginning_goes_on_where_the_last_one_ended(peer):
    put_feed(peer, "plain")
    began = hour_ago()
    assert claim(peer, "plain", 0, began) == began
    assert claim(peer, "plain", 0, began + 60) == began + 60
    assert claim(peer, "plain", 0, began + 30) == began + 60
    wait_for_watermark(peer, "plain", began + 60)
    assert gaps_of(peer, "plain") == [(began + 60, 0)]
    assert claim(peer, "plain", began + 90, began + 100) == began + 100
    assert claim(peer, "plain", 0, began + 120) == began + 120
    wait_for_watermark(peer, "plain", began + 120)
    assert gaps_of(peer, "plain") == [(began + 60, began + 90), (began + 120, 0)]


def test_claims_through_two_workers_are_one_coverage(server, peer):
    put_feed(peer, "wide")
    began = hour_ago()
    with peer_of(server, 0) as left, peer_of(server, 1) as right:
        for second in range(began, began + 40, 20):
            claim(left, "wide", second, second + 10)
            claim(right, "wide", second + 10, second + 20)
        wait_until(lambda: gaps_of(peer, "wide") == [(began + 40, 0)])
        for either in (left, right):  # a sender that was restarted goes on there
            wait_until(lambda either=either: claim(either, "wide", 0, 0) == began + 40)


def test_batch_with_a_rejected_event_claims_nothing(peer, fresh_numbers):
    put_feed(peer, "faulty")
    (number,) = fresh_numbers(1)
    peer.quarantine([number], quarantined_at=[LONG_AGO])
    now = int(time.time())
    (told,) = peer.events.StreamEvents(
        iter([batch([number, 12], feed="faulty", complete_from=now - 50, watermark=now)]),
        timeout=DEADLINE_S,
    )
    assert (told.accepted, told.rejected, told.watermark) == (1, 1, 0)
    (told,) = peer.events.StreamEvents(
        iter([batch([number], feed="faulty", complete_from=now - 90, watermark=now - 50)]),
        timeout=DEADLINE_S,
    )
    assert told.watermark == now - 50


def test_claim_of_a_clock_that_is_ahead_is_refused(peer):
    put_feed(peer, "early")
    now = int(time.time())
    assert claim(peer, "early", now, now + 300) == now + 300
    assert field_of(refusal(claim, peer, "early", now, now + 310)) == "watermark"
    wait_for_watermark(peer, "early", now + 300)
    assert status_of(peer, "early").lag.seconds == 0


def test_claims_count_from_when_the_feed_is_registered(peer):
    began = hour_ago()
    assert claim(peer, "stray", began, began + 100) == 0
    assert claim(peer, "stray", 0, began + 200) == 0
    put_feed(peer, "behind")
    claim(peer, "behind", began, began + 1)
    wait_for_watermark(peer, "behind", began + 1)  # and whatever the journal had before
    assert "stray" in list_feeds(peer).unregistered
    put_feed(peer, "stray")
    assert "stray" not in list_feeds(peer).unregistered
    assert claim(peer, "stray", 0, began + 300) == began + 300
    wait_until(lambda: gaps_of(peer, "stray") == [(began + 300, 0)])  # nothing before is covered
    assert claim(peer, "stray", 0, began + 400) == began + 400


def test_feed_that_was_deleted_begins_anew(peer):
    put_feed(peer, "again")
    began = hour_ago()
    claim(peer, "again", began, began + 100)
    wait_for_watermark(peer, "again", began + 100)
    delete(peer, "again")
    assert claim(peer, "again", began, began + 150) == 0
    put_feed(peer, "again")
    assert not status_of(peer, "again").HasField("watermark")
    assert claim(peer, "again", began + 200, began + 300) == began + 300


def test_events_are_counted_by_feed(peer, fresh_numbers):
    put_feed(peer, "busy")
    called = fresh_numbers(3)
    peer.quarantine(called, quarantined_at=[LONG_AGO])
    untracked, impossible = 447700900999, 12
    sent = batch([*called, untracked, impossible], feed="busy")
    (answer, _) = peer.events.StreamEvents(iter([sent, sent]), timeout=DEADLINE_S)
    assert (answer.accepted, answer.untracked, answer.rejected) == (3, 1, 1)
    wait_until(lambda: status_of(peer, "busy").events_last_day == 10)  # whatever became of them
    assert status_of(peer, "busy").events_last_minute == 10


def test_number_is_clean_when_its_feeds_have_listened_and_unobserved_until_then(
    peer, fresh_numbers
):
    put_policy(peer)
    for feed in ("left", "right"):
        put_feed(peer, feed)
    put_pool(peer, "heard", "left", "right")
    (number,) = fresh_numbers(1)
    now = int(time.time())
    since = now - 10 * WINDOW_S
    peer.quarantine([number], pool="heard", quarantined_at=[since], observed_since=[since])
    assert (verdict(peer, number), get(peer, number).coverage) == ("UNOBSERVED", 0.0)
    claim(peer, "left", since, now)
    claim(peer, "right", since, now - WINDOW_S // 2)
    wait_until(lambda: 0.4 < get(peer, number).coverage < 0.6)
    assert verdict(peer, number) == "UNOBSERVED"
    assert verdict(peer, number, at=now - WINDOW_S) == "CLEAN"
    claim(peer, "right", now - WINDOW_S // 2, now)  # late, and whole
    wait_until(lambda: verdict(peer, number) == "CLEAN")
    assert get(peer, number).coverage > 0.95


def test_numbers_with_a_past_do_not_become_clean_as_nobody_listened_then(peer, fresh_numbers):
    put_policy(peer)
    put_feed(peer, "listening")
    put_pool(peer, "past", "listening")
    called = fresh_numbers(200)
    now = int(time.time())
    peer.quarantine(called, pool="past", quarantined_at=[now - 10 * WINDOW_S])
    claim(peer, "listening", now - 20 * WINDOW_S, now)  # it listened, and the numbers were not here
    wait_for_watermark(peer, "listening", now)
    request = numbers.CheckNumbersRequest(numbers=called)
    answer = peer.numbers.CheckNumbers(request, timeout=DEADLINE_S)
    assert set(answer.verdicts) == {types.VERDICT_UNOBSERVED}
    assert get(peer, called[0]).coverage < 0.1


def test_pages_of_feeds_end_and_hold_each_once(peer):
    for name in ("page-a", "page-b", "page-c"):
        put_feed(peer, name)
    seen, token = [], ""
    while not seen or token:
        request = commands.ListFeedsRequest(page_size=2, page_token=token)
        page = peer.commands.ListFeeds(request, timeout=DEADLINE_S)
        seen += [status.feed.name for status in page.feeds]
        token = page.next_page_token
    assert seen == sorted(set(seen))
    assert {"page-a", "page-b", "page-c"} <= set(seen)
