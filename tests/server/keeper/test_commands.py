"""Commands and lists over a real server."""

import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.long_ago import LONG_AGO
from support.server_process import (
    DEADLINE_S,
    Peer,
    field_of,
    has_retry_info,
    peer_of,
    reason_of,
    serving,
)

from ringfence.server.link.paging import page_token
from ringfence.v1 import event_service_pb2
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types

SERVICES = ("EventService", "NumberService", "QuarantineService")


def put_policy(peer, name, *, validate_only=False, **fields):
    policy = commands.Policy(name=name, **fields)
    if not policy.rules:
        rule = policy.rules.add(measure=types.MEASURE_EVENTS, limit=3)
        rule.window.seconds = 86_400
    return peer.commands.PutPolicy(
        commands.PutPolicyRequest(policy=policy, validate_only=validate_only), timeout=DEADLINE_S
    )


def put_pool(peer, name, *, validate_only=False, **fields):
    return peer.commands.PutPool(
        commands.PutPoolRequest(
            pool=commands.Pool(**{"name": name, "policy": "default", **fields}),
            validate_only=validate_only,
        ),
        timeout=DEADLINE_S,
    )


def pool_status(peer, name):
    answer = peer.commands.ListPools(commands.ListPoolsRequest(), timeout=DEADLINE_S)
    return next(status for status in answer.pools if status.pool.name == name)


def policy_names(peer):
    answer = peer.commands.ListPolicies(commands.ListPoliciesRequest(), timeout=DEADLINE_S)
    return [policy.name for policy in answer.policies]


@pytest.mark.slow
def test_quarantining_twice_or_in_duplicate_counts_as_already(peer, fresh_numbers):
    first, second = fresh_numbers(2)
    answer = peer.quarantine([first, second, first])
    assert (answer.accepted, answer.already_quarantined, answer.rejected) == (2, 1, 0)
    answer = peer.quarantine([second], quarantined_at=[LONG_AGO])
    assert (answer.accepted, answer.already_quarantined) == (0, 1)
    got = peer.numbers.GetNumber(numbers.GetNumberRequest(number=second), timeout=DEADLINE_S)
    assert got.quarantined_at.seconds > LONG_AGO


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"numbers": [999_999]}, "number: value=999999, bound=7 to 15 digits"),
        ({"numbers": [10**15]}, "number: value=1000000000000000, bound="),
        ({"quarantined_at": [0]}, "quarantined_at: value=0, bound=1 to "),
        ({"quarantined_at": [2**32 - 1]}, "quarantined_at: value=4294967295, bound=1 to "),
        ({"observed_since": [2**32 - 1]}, "observed_since: value=4294967295, bound="),
        ({"reason": [9]}, "reason: value=9, bound=0 to 8"),
    ],
)
def test_number_out_of_bounds_is_rejected_by_field(peer, fresh_numbers, fields, words):
    answer = peer.quarantine(**{"called": fresh_numbers(1), **fields})
    assert (answer.accepted, answer.rejected) == (0, 1)
    assert answer.rejections[0].reason.startswith(words)


def test_number_observed_before_its_quarantine_is_rejected(peer, fresh_numbers):
    times = {"quarantined_at": [LONG_AGO], "observed_since": [LONG_AGO - 1]}
    answer = peer.quarantine(fresh_numbers(1), **times)
    assert (answer.accepted, answer.rejected) == (0, 1)
    words = f"observed_since: value={LONG_AGO - 1}, bound={LONG_AGO} to "
    assert answer.rejections[0].reason.startswith(words)


def test_columns_may_be_given_for_each_number(peer, fresh_numbers):
    asked = fresh_numbers(3)
    answer = peer.quarantine(
        asked,
        quarantined_at=[LONG_AGO, 2**32 - 1, LONG_AGO + 7_200],
        observed_since=[LONG_AGO + 3_600, LONG_AGO, LONG_AGO + 7_200],
        reason=[types.DISCONNECT_REASON_FRAUD, 0, types.DISCONNECT_REASON_DECEASED],
    )
    assert (answer.accepted, answer.rejected) == (2, 1)
    assert [rejection.number for rejection in answer.rejections] == asked[1:2]
    first, untracked, last = (
        peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=DEADLINE_S)
        for number in asked
    )
    assert untracked == numbers.Number(number=asked[1], verdict=types.VERDICT_UNTRACKED)
    assert first.reason == types.DISCONNECT_REASON_FRAUD
    assert first.observed_since.seconds == LONG_AGO + 3_600
    assert last.quarantined_at.seconds == last.observed_since.seconds == LONG_AGO + 7_200


def test_only_the_first_hundred_rejections_are_told(peer):
    messages = [range(1, 71), range(71, 301)]
    answer = peer.commands.QuarantineNumbers(
        (
            commands.QuarantineNumbersRequest(numbers=message, pool="default")
            for message in messages
        ),
        timeout=DEADLINE_S,
    )
    assert answer.rejected == 300
    assert [rejection.number for rejection in answer.rejections] == list(range(1, 101))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"called": [447700900000] * 65_537}, "numbers"),
        ({"quarantined_at": [LONG_AGO] * 2}, "quarantined_at"),
        ({"observed_since": [LONG_AGO] * 2}, "observed_since"),
        ({"reason": [1] * 2}, "reason"),
        ({"pool": "Not A Name"}, "pool"),
    ],
)
def test_quarantine_of_another_shape_is_refused(peer, fresh_numbers, fields, field):
    asked = fresh_numbers(3)
    with pytest.raises(grpc.RpcError) as caught:
        peer.quarantine(**{"called": asked, **fields})
    assert field_of(caught.value) == field


def test_quarantine_into_an_unknown_pool_is_refused(peer, fresh_numbers):
    with pytest.raises(grpc.RpcError) as caught:
        peer.quarantine(fresh_numbers(1), pool="nowhere")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert reason_of(caught.value) == "NO_SUCH_POOL"


def test_refusal_reaches_a_client_that_keeps_its_stream_open(peer, fresh_numbers):
    def requests():
        yield commands.QuarantineNumbersRequest(numbers=fresh_numbers(1), pool="nowhere")
        time.sleep(DEADLINE_S)

    with pytest.raises(grpc.RpcError) as caught:
        peer.commands.QuarantineNumbers(requests(), timeout=DEADLINE_S)
    assert reason_of(caught.value) == "NO_SUCH_POOL"


@pytest.mark.slow
def test_full_table_refuses_a_whole_message_and_keeps_the_earlier(tmp_path):
    with (
        serving(tmp_path / "data", "--workers", "1", "--capacity", "10") as server,
        peer_of(server) as peer,
    ):
        messages = [range(447700900000, 447700900008), range(447700900008, 447700900011)]
        with pytest.raises(grpc.RpcError) as caught:
            peer.commands.QuarantineNumbers(
                (
                    commands.QuarantineNumbersRequest(numbers=message, pool="default")
                    for message in messages
                ),
                timeout=DEADLINE_S,
            )
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught.value) == "TABLE_FULL"
        assert has_retry_info(caught.value)
        assert "capacity=10" in caught.value.details()
        status = peer.commands.GetStatus(commands.GetStatusRequest(), timeout=DEADLINE_S)
        assert status.numbers == 8


def test_policy_is_put_listed_and_decides(peer, fresh_numbers):
    policy = commands.Policy(name="brisk", minimum_coverage=0, description="a few days do")
    rule = policy.rules.add(
        measure=types.MEASURE_CALLERS, kinds=[types.EVENT_KIND_SMS, types.EVENT_KIND_CALL], limit=2
    )
    rule.window.seconds = 3 * 86_400
    policy.minimum_age.seconds = 86_400
    policy.maximum_age.seconds = 2 * 86_400
    policy.quiet_period.seconds = 0
    request = commands.PutPolicyRequest(policy=policy)
    put = peer.commands.PutPolicy(request, timeout=DEADLINE_S)
    assert put.revision == 1
    put.revision = 0
    put.rules[0].kinds[:] = policy.rules[0].kinds  # a set
    assert put == policy
    assert put_pool(peer, "brisk-pool", policy="brisk").revision == 1
    (number,) = fresh_numbers(1)
    peer.quarantine([number], pool="brisk-pool", quarantined_at=[LONG_AGO])
    got = peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=DEADLINE_S)
    assert got.verdict == types.VERDICT_CLEAN
    assert (got.pool, got.policy) == ("brisk-pool", "brisk")
    counts = {c.verdict: c.count for c in pool_status(peer, "brisk-pool").verdict_counts}
    assert counts[types.VERDICT_CLEAN] == 1
    assert sum(counts.values()) == 1


def test_every_worker_judges_by_a_policy_as_soon_as_it_is_answered(server, fresh_numbers):
    (number,) = fresh_numbers(1)
    with peer_of(server, 0) as left, peer_of(server, 1) as right:
        put_policy(left, "turning")
        put_pool(left, "turning", policy="turning")
        left.quarantine([number], pool="turning", quarantined_at=[LONG_AGO])
        asked = numbers.CheckNumbersRequest(numbers=[number])
        for turn in range(20):
            age_s, wanted = (0, "CLEAN") if turn % 2 else (3_650 * 86_400, "AGING")
            policy = commands.Policy(name="turning", minimum_age={"seconds": age_s})
            policy.rules.add(measure=types.MEASURE_EVENTS, limit=3).window.seconds = 60
            putting, asking = (left, right) if turn % 4 < 2 else (right, left)
            putting.commands.PutPolicy(commands.PutPolicyRequest(policy=policy), timeout=DEADLINE_S)
            (verdict,) = asking.numbers.CheckNumbers(asked, timeout=DEADLINE_S).verdicts
            assert types.Verdict.Name(verdict) == f"VERDICT_{wanted}"


def test_counts_say_when_they_were_made(peer):
    status = pool_status(peer, "default")
    assert abs(status.counted_at.seconds - time.time()) < 60
    assert [count.verdict for count in status.verdict_counts] == list(range(1, 9))


def test_validate_only_changes_nothing(peer):
    assert put_policy(peer, "tried", validate_only=True).revision == 1
    assert "tried" not in policy_names(peer)
    assert put_pool(peer, "tried", validate_only=True).revision == 1
    with pytest.raises(grpc.RpcError) as caught:
        peer.quarantine([447700900000], pool="tried")
    assert reason_of(caught.value) == "NO_SUCH_POOL"


@pytest.mark.parametrize("put", [put_policy, put_pool])
def test_put_needs_the_present_revision_or_none(peer, put):
    name = f"revised-{put.__name__.replace('_', '-')}"
    assert put(peer, name).revision == 1
    assert put(peer, name, revision=1).revision == 2
    assert put(peer, name).revision == 3
    for revision in (2, 4):
        with pytest.raises(grpc.RpcError) as caught:
            put(peer, name, revision=revision)
        assert caught.value.code() == grpc.StatusCode.ABORTED
        assert reason_of(caught.value) == "REVISION"
        assert "present=3" in caught.value.details()
    with pytest.raises(grpc.RpcError) as caught:
        put(peer, f"{name}-new", revision=1)
    assert "present=none" in caught.value.details()


def _policy(**fields):
    policy = commands.Policy(name="bad")
    rule = policy.rules.add(measure=types.MEASURE_EVENTS, limit=3)
    rule.window.seconds = 60
    policy.MergeFrom(commands.Policy(**fields))
    return policy


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (_policy(name="Bad Name"), "policy.name"),
        (commands.Policy(name="bad"), "policy.rules"),
        (commands.Policy(name="bad", rules=[commands.Rule()] * 9), "policy.rules"),
        (_policy(rules=[commands.Rule(measure=1, kinds=[1] * 65)]), "policy.rules[1].kinds"),
        (_policy(rules=[commands.Rule(limit=1)]), "policy.rules[1].measure"),
        (_policy(rules=[commands.Rule(measure=9)]), "policy.rules[1].measure"),
        (_policy(rules=[commands.Rule(measure=1, kinds=[1, 0])]), "policy.rules[1].kinds[1]"),
        (_policy(rules=[commands.Rule(measure=1)]), "policy.rules[1].window"),
        (
            _policy(rules=[commands.Rule(measure=1, limit=60, window={"seconds": 1})]),
            "policy.rules[1].limit",
        ),
        (
            _policy(rules=[commands.Rule(measure=1, window={"seconds": 1, "nanos": 5})]),
            "policy.rules[1].window",
        ),
        (_policy(minimum_age={"seconds": -1}), "policy.minimum_age"),
        (_policy(minimum_age={"seconds": 2**62}), "policy.minimum_age"),
        (_policy(maximum_age={}), "policy.maximum_age"),
        (_policy(quiet_period={"nanos": -1}), "policy.quiet_period"),
        (_policy(minimum_coverage=1.5), "policy.minimum_coverage"),
        (_policy(minimum_coverage=float("nan")), "policy.minimum_coverage"),
        (_policy(description="x" * 501), "policy.description"),
    ],
)
def test_policy_out_of_bounds_is_refused_by_field(peer, policy, field):
    with pytest.raises(grpc.RpcError) as caught:
        peer.commands.PutPolicy(commands.PutPolicyRequest(policy=policy), timeout=DEADLINE_S)
    assert field_of(caught.value) == field
    assert "value=" in caught.value.details()
    assert "bound=" in caught.value.details()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "-"}, "BAD_FIELD"),
        ({"policy": "nothing"}, "NO_SUCH_POLICY"),
        ({"required_feeds": ["switch-1"]}, "NO_SUCH_FEED"),
    ],
)
def test_pool_that_cannot_be_is_refused(peer, fields, reason):
    with pytest.raises(grpc.RpcError) as caught:
        put_pool(peer, **{"name": "bad", **fields})
    assert reason_of(caught.value) == reason


def test_pages_of_policies_end_and_hold_each_once(peer):
    for name in ("page-c", "page-a", "page-b"):
        put_policy(peer, name)
    seen, token = [], ""
    while True:
        page = peer.commands.ListPolicies(
            commands.ListPoliciesRequest(page_size=2, page_token=token), timeout=DEADLINE_S
        )
        assert len(page.policies) <= 2
        seen += [policy.name for policy in page.policies]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(seen) == policy_names(peer)


@pytest.mark.slow
def test_no_more_policies_than_the_bound(own_server):
    with peer_of(own_server) as peer:
        for index in range(255):
            put_policy(peer, f"policy-{index}")
        with pytest.raises(grpc.RpcError) as caught:
            put_policy(peer, "one-too-many")
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught.value) == "QUOTA"
        assert put_policy(peer, "policy-7").revision == 2


def test_list_walks_all_pages_and_obeys_its_filters(peer, fresh_numbers):
    put_pool(peer, "listed")
    asked = fresh_numbers(25)
    peer.quarantine(asked, pool="listed", quarantined_at=[LONG_AGO])
    young = fresh_numbers(5)
    peer.quarantine(young, pool="listed")

    def walk(**fields):
        found, token = [], ""
        while True:
            page = peer.numbers.ListNumbers(
                numbers.ListNumbersRequest(pool="listed", page_size=4, page_token=token, **fields),
                timeout=DEADLINE_S,
            )
            assert len(page.numbers) <= 4
            found += [number.number for number in page.numbers]
            token = page.next_page_token
            if not token:
                return found

    assert sorted(walk()) == sorted(asked + young)
    assert sorted(walk(overdue_only=True)) == asked
    assert sorted(walk(verdicts=[types.VERDICT_AGING])) == young
    assert walk(verdicts=[types.VERDICT_CLEAN, types.VERDICT_HELD]) == []
    assert walk(prefix=str(asked[3])) == [asked[3]]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"page_size": 10_001}, "page_size"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_token": page_token(("ListNumbers", "", 0, False, ""), "-1")}, "page_token"),
        ({"verdicts": [0]}, "verdicts[0]"),
        ({"verdicts": [1, 10]}, "verdicts[1]"),
        ({"verdicts": [1] * 2_000_000}, "verdicts"),  # not looked at one by one
        ({"prefix": "+44"}, "prefix"),
        ({"prefix": "044"}, "prefix"),
        ({"pool": "A"}, "pool"),
    ],
)
def test_list_refuses_a_bad_field(peer, fields, field):
    with pytest.raises(grpc.RpcError) as caught:
        peer.numbers.ListNumbers(numbers.ListNumbersRequest(**fields), timeout=DEADLINE_S)
    assert field_of(caught.value) == field


def test_token_of_another_filter_is_refused(peer, fresh_numbers):
    peer.quarantine(fresh_numbers(3))
    page = peer.numbers.ListNumbers(
        numbers.ListNumbersRequest(page_size=1, pool="default"), timeout=DEADLINE_S
    )
    with pytest.raises(grpc.RpcError) as caught:
        peer.numbers.ListNumbers(
            numbers.ListNumbersRequest(page_size=1, page_token=page.next_page_token),
            timeout=DEADLINE_S,
        )
    assert field_of(caught.value) == "page_token"


@pytest.mark.parametrize(
    ("asked", "field"),
    [([], "numbers"), ([447700900000, 5], "numbers[1]"), ([447700900000] * 100_001, "numbers")],
)
def test_check_refuses_impossible_numbers(peer, asked, field):
    with pytest.raises(grpc.RpcError) as caught:
        peer.numbers.CheckNumbers(numbers.CheckNumbersRequest(numbers=asked), timeout=DEADLINE_S)
    assert field_of(caught.value) == field


def test_get_refuses_an_impossible_number(peer):
    with pytest.raises(grpc.RpcError) as caught:
        peer.numbers.GetNumber(numbers.GetNumberRequest(number=10**15), timeout=DEADLINE_S)
    assert field_of(caught.value) == "number"


@pytest.mark.parametrize("method", ["CheckNumbers", "GetNumber", "PutPool"])
def test_unreadable_message_is_a_bad_field(peer, method):
    service = "QuarantineService" if method == "PutPool" else "NumberService"
    call = peer.channel.unary_unary(f"/ringfence.v1.{service}/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=DEADLINE_S)
    field_of(caught.value)


def test_status_tells_what_is_served(peer, fresh_numbers):
    peer.quarantine(fresh_numbers(2))
    status = peer.commands.GetStatus(commands.GetStatusRequest(), timeout=DEADLINE_S)
    assert (status.workers, status.capacity_numbers, status.ring_entries) == (2, 10_000, 60)
    assert status.numbers >= 2
    assert status.version
    assert status.journal_writable


def _methods():
    for module in (event_service_pb2, numbers, commands):
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods


@pytest.mark.parametrize(
    "method",
    [each for each in _methods() if not each.client_streaming and not each.server_streaming],
    ids=lambda method: method.name,
)
def test_every_method_of_the_contract_is_there(peer, method):
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        peer.channel.unary_unary(path)(b"", timeout=DEADLINE_S)
    except grpc.RpcError as error:
        assert error.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}, error


def test_health_is_told_for_each_service_and_the_whole(peer):
    health = health_pb2_grpc.HealthStub(peer.channel)
    for name in ("", *(f"ringfence.v1.{service}" for service in SERVICES)):
        watch = health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_S)
        assert any(each.status == health_pb2.HealthCheckResponse.SERVING for each in watch)
        watch.cancel()


def test_reflection_lists_the_services(peer: Peer):
    reflection = reflection_pb2_grpc.ServerReflectionStub(peer.channel)
    (answer,) = reflection.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=DEADLINE_S
    )
    listed = {service.name for service in answer.list_services_response.service}
    assert listed >= {f"ringfence.v1.{service}" for service in SERVICES}
