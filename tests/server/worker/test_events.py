"""Events over a real server: what comes in is what is answered, and bad input harms nobody."""

import random
import time

import grpc
import pytest
from support.long_ago import LONG_AGO
from support.server_process import CALLERS, DEADLINE_S, Bystanders, batch, field_of, peer_of

from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import types_pb2 as types

FOUR = "called, caller, occurred_at, kind"
STREAM = "/ringfence.v1.EventService/StreamEvents"


def test_quarantined_called_checked_explained_and_listed(peer, fresh_numbers):
    quiet, called = fresh_numbers(2)
    answer = peer.quarantine([quiet, called], quarantined_at=[LONG_AGO])
    assert (answer.accepted, answer.already_quarantined, answer.rejected) == (2, 0, 0)
    moments = [int(time.time()) - 60, int(time.time())]
    (told,) = peer.events.StreamEvents(
        iter([batch([called, called, 447700900999], occurred_at=[*moments, moments[1]])]),
        timeout=DEADLINE_S,
    )
    assert (told.sequence, told.accepted, told.untracked, told.rejected) == (1, 2, 1, 0)
    assert told.watermark == 0

    checked = peer.numbers.CheckNumbers(
        numbers.CheckNumbersRequest(numbers=[quiet, called, 447700900999]), timeout=DEADLINE_S
    )
    assert list(checked.verdicts) == [
        types.VERDICT_UNOBSERVED,  # minimum_coverage, and it has been observed since now only
        types.VERDICT_NOISY,
        types.VERDICT_UNTRACKED,
    ]
    got = peer.numbers.GetNumber(numbers.GetNumberRequest(number=called), timeout=DEADLINE_S)
    assert (got.verdict, got.pool, got.policy) == (types.VERDICT_NOISY, "default", "default")
    assert got.clean_at.seconds == checked.clean_at[1]
    assert got.expected_at.seconds == checked.expected_at[1] >= checked.clean_at[1]
    assert checked.expected_at[0] > time.time() > checked.clean_at[0]  # it was not observed
    assert checked.expected_at[2] == 0
    assert [event.occurred_at.seconds for event in got.recent] == moments[::-1]
    assert [event.caller_tag for event in got.recent] == [1, 1]
    assert got.last_event_at.seconds == moments[1]
    assert [rule.measure for rule in got.rule_results] == [
        types.MEASURE_REPEAT_CALLERS,
        types.MEASURE_EVENTS,
    ]
    assert [(rule.value, rule.broken) for rule in got.rule_results] == [
        (1, True),
        (0, False),
    ]
    assert got.quarantined_at.seconds == LONG_AGO
    assert not got.overridden
    assert got.overdue

    listed = peer.numbers.ListNumbers(
        numbers.ListNumbersRequest(
            pool="default", verdicts=[types.VERDICT_NOISY], prefix=str(called)
        ),
        timeout=DEADLINE_S,
    )
    for field in ("rule_results", "recent", "coverage", "queue_position"):
        got.ClearField(field)
    assert list(listed.numbers) == [got]
    assert listed.next_page_token == ""


def test_unary_batch_is_answered_like_one_of_a_stream(peer, fresh_numbers):
    (number,) = fresh_numbers(1)
    peer.quarantine([number])
    request = events.RecordEventsRequest()
    request.ParseFromString(batch([number, 12], sequence=7).SerializeToString())
    told = peer.events.RecordEvents(request, timeout=DEADLINE_S)
    assert (told.sequence, told.accepted, told.untracked, told.rejected) == (7, 1, 0, 1)
    assert told.rejections[0].index == 1
    assert "called" in told.rejections[0].reason


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"called": [999_999]}, "called"),
        ({"called": [10**15]}, "called"),
        ({"kind": [0]}, "kind"),
        ({"kind": [7]}, "kind"),
        ({"kind": [-1]}, "kind"),
        ({"occurred_at": [0]}, "occurred_at"),
        ({"ahead_s": 3_600}, "occurred_at"),
    ],
)
@pytest.mark.slow
def test_impossible_event_is_rejected_and_the_rest_applied(peer, fresh_numbers, fields, word):
    (number,) = fresh_numbers(1)
    peer.quarantine([number], quarantined_at=[LONG_AGO])
    good = batch([number])
    if "ahead_s" in fields:
        fields = {"occurred_at": [int(time.time()) + fields["ahead_s"]]}
    bad = batch(**{"called": [number], **fields})
    both = events.StreamEventsRequest()
    both.CopyFrom(good)
    both.MergeFrom(bad)
    both.sequence = 3
    (told,) = peer.events.StreamEvents(iter([both]), timeout=DEADLINE_S)
    assert (told.accepted, told.untracked, told.rejected) == (1, 0, 1)
    assert told.rejections[0].index == 1
    assert told.rejections[0].reason.startswith(f"{word}: value=")
    assert "bound=" in told.rejections[0].reason


def _bad_batches(number):
    now = int(time.time())
    return {
        "unequal lengths": (batch([number], occurred_at=[]), FOUR),
        "65,537 events": (batch([number] * 65_537), "called"),
        "bad feed name": (batch([number], feed="Not A Name"), "feed"),
        "no feed name": (batch([number], feed=""), "feed"),
        "claim ahead": (batch([number], watermark=now + 3_600), "watermark"),
        "claim of nothing": (batch([number], watermark=now, complete_from=now), "complete_from"),
    }


@pytest.mark.parametrize("what", _bad_batches(0))
def test_bad_batch_ends_its_stream_after_earlier_answers_and_no_other(
    server, peer, fresh_numbers, what
):
    first, second, third = fresh_numbers(3)
    peer.quarantine([first, second, third], quarantined_at=[LONG_AGO])
    bad, field = _bad_batches(second)[what]
    with Bystanders(server) as bystanders:
        answers = peer.events.StreamEvents(
            iter([batch([first], sequence=41), bad, batch([third])]), timeout=DEADLINE_S
        )
        assert next(answers).sequence == 41
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert field_of(caught.value) == field
        assert not any(str(caller) in str(caught.value) for caller in CALLERS)
        bystanders.go_on()
    assert _events(peer, [first, second, third]) == [1, 0, 0]


@pytest.mark.slow
def test_garbage_of_every_sort_is_refused_and_nobody_dies(server, peer, fresh_numbers):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    (number,) = fresh_numbers(1)
    peer.quarantine([number], quarantined_at=[LONG_AGO])
    sound = batch([number] * 50).SerializeToString()
    raw = peer.channel.stream_stream(STREAM)
    refused = 0
    with Bystanders(server) as bystanders:
        for _ in range(150):
            cut = chance.randrange(len(sound))
            data = chance.choice(
                [
                    sound[:cut],
                    chance.randbytes(cut),
                    sound[:cut] + chance.randbytes(8) + sound[cut:],
                ]
            )
            try:
                list(raw(iter([data]), timeout=DEADLINE_S))
            except grpc.RpcError as error:
                field_of(error)
                refused += 1
            bystanders.go_on()
    assert refused > 50
    assert not server.deaths


def test_oversized_message_is_refused_and_nobody_else_notices(server, peer):
    with Bystanders(server) as bystanders:
        big = peer.channel.stream_stream(STREAM)(iter([bytes((4 << 20) + 1)]), timeout=DEADLINE_S)
        with pytest.raises(grpc.RpcError) as caught:
            next(big)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        bystanders.go_on()
    assert not server.deaths


def test_heartbeat_is_answered(peer):
    heartbeat = events.StreamEventsRequest(feed="test", sequence=9, watermark=int(time.time()))
    (told,) = peer.events.StreamEvents(iter([heartbeat]), timeout=DEADLINE_S)
    assert told == events.StreamEventsResponse(sequence=9)


def test_every_answer_names_its_worker(server):
    for worker in (0, 1):
        with peer_of(server, worker) as peer:
            stream = peer.events.StreamEvents(iter([batch([])]), timeout=DEADLINE_S)
            assert ("ringfence-worker", str(worker)) in stream.initial_metadata()
            list(stream)


def _events(peer, asked):
    return [
        peer.numbers.GetNumber(
            numbers.GetNumberRequest(number=number), timeout=DEADLINE_S
        ).events_total
        for number in asked
    ]
