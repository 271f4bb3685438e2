"""Reservations over a real server: every rule, bound and reason of the contract."""

import time

import grpc
import pytest
from support.asking import (
    ask,
    call_now,
    metadata_of,
    new_pool,
    pages,
    put_policy,
    refusal,
    refused_by,
    stock,
    stocking,
    verdicts,
    violations_of,
)
from support.long_ago import DAY_S, LONG_AGO
from support.server_process import field_of, has_retry_info, peer_of, reason_of, serving, wait_until

from ringfence.server.link.paging import page_token
from ringfence.v1 import types_pb2 as types

ACTIVE, CONFIRMED, CANCELLED, EXPIRED = (
    types.RESERVATION_STATE_ACTIVE,
    types.RESERVATION_STATE_CONFIRMED,
    types.RESERVATION_STATE_CANCELLED,
    types.RESERVATION_STATE_EXPIRED,
)
UNKNOWN = 447700900999
LEASE_S_MAX = 30 * DAY_S


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    config = folder / "server.toml"
    config.write_text('[scan]\nperiod = "1s"\n')
    options = ("--config", str(config), "--workers", "2", "--capacity", "20000")
    with serving(folder / "data", *options) as running:
        with peer_of(running) as peer:
            put_policy(peer, "brisk")
        yield running


@pytest.fixture
def stocked(peer, fresh_numbers):
    return stocking(peer, fresh_numbers)


def reserve(peer, pool, count=0, **fields):
    return ask(peer, "ReserveNumbers", pool=pool, count=count, **fields)


def found(peer, reservation):
    return ask(peer, "GetReservation", id=reservation.id)


def too_few(peer, pool, count, **fields):
    """The metadata of the refusal."""
    error = refusal(peer, "ReserveNumbers", pool=pool, count=count, **fields)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(error) == "TOO_FEW_CLEAN"
    assert has_retry_info(error)
    return metadata_of(error)


@pytest.mark.slow
def test_oldest_clean_numbers_are_reserved_first_and_equal_ones_by_number(peer, fresh_numbers):
    pool, asked = new_pool(peer), fresh_numbers(6)
    stock(peer, pool, asked[3:], since=LONG_AGO)
    stock(peer, pool, [asked[2], asked[0], asked[1]], since=LONG_AGO - 9, step_s=0)
    first = reserve(peer, pool, 2)
    assert list(first.numbers) == asked[:2]
    assert list(reserve(peer, pool, 4).numbers) == asked[2:]
    assert (first.pool, first.state, first.count) == (pool, ACTIVE, 2)
    assert abs(first.created_at.seconds - time.time()) < 60


def test_only_clean_numbers_are_reserved(peer, stocked, fresh_numbers):
    pool, asked = stocked(3)
    peer.quarantine(fresh_numbers(1), pool=pool)  # today
    call_now(peer, asked[0])
    assert list(reserve(peer, pool, 2).numbers) == asked[1:]


def test_prefix_limits_what_is_reserved(peer, stocked):
    pool, asked = stocked(25)
    prefix = str(asked[12])[:-1]
    wanted = [number for number in asked if str(number).startswith(prefix)]
    assert list(reserve(peer, pool, 3, prefix=prefix).numbers) == wanted[:3]
    assert too_few(peer, pool, 8, prefix=prefix)["clean"] == str(len(wanted) - 3)
    assert too_few(peer, pool, 1, prefix="1")["clean"] == "0"
    assert list(reserve(peer, pool, 2, prefix="4").numbers) == asked[:2]


def test_named_numbers_are_reserved_and_no_others(peer, stocked):
    pool, asked = stocked(5)
    made = reserve(peer, pool, numbers=[asked[3], asked[1], asked[3]])
    assert list(made.numbers) == [asked[3], asked[1]]
    assert verdicts(peer, *asked) == ["CLEAN", "RESERVED", "CLEAN", "RESERVED", "CLEAN"]


@pytest.fixture
def mixed(peer, stocked, fresh_numbers):
    """A pool, its two clean numbers, and others with the verdicts that they have."""
    pool, (clean, last, noisy, held, reserved, retired) = stocked(6)
    (aging,) = fresh_numbers(1)
    peer.quarantine([aging], pool=pool)
    call_now(peer, noisy)
    ask(peer, "HoldNumbers", numbers=[held])
    reserve(peer, pool, numbers=[reserved])
    ask(peer, "RetireNumbers", numbers=[retired], note="unlucky")
    others = {
        noisy: "NOISY",
        held: "HELD",
        reserved: "RESERVED",
        retired: "RETIRED",
        aging: "AGING",
        UNKNOWN: "UNTRACKED",
    }
    return pool, [clean, last], others


def test_named_numbers_are_all_reserved_or_none(peer, mixed):
    pool, clean, others = mixed
    error = refusal(peer, "ReserveNumbers", pool=pool, numbers=[*clean, *others])
    assert reason_of(error) == "NOT_CLEAN"
    assert set(violations_of(error)) == {(word, f"+{number}") for number, word in others.items()}
    assert verdicts(peer, *clean) == ["CLEAN"] * 2


def test_partial_reservation_of_named_numbers_lists_what_was_left_out(peer, mixed):
    pool, clean, others = mixed
    made = reserve(peer, pool, numbers=[*others, *clean], allow_partial=True)
    assert (list(made.numbers), made.count) == (clean, 2)
    assert refused_by(made) == others
    assert refused_by(found(peer, made)) == others


def test_partial_reservation_of_named_numbers_of_which_none_is_clean_is_refused(peer, mixed):
    pool, _, others = mixed
    error = refusal(peer, "ReserveNumbers", pool=pool, numbers=list(others), allow_partial=True)
    assert reason_of(error) == "NOT_CLEAN"


def test_refusal_of_many_numbers_tells_the_first_ten(peer, fresh_numbers):
    pool, asked = new_pool(peer), fresh_numbers(30)
    peer.quarantine(asked, pool=pool)
    error = refusal(peer, "ReserveNumbers", pool=pool, numbers=asked)
    assert violations_of(error) == [("AGING", f"+{number}") for number in asked[:10]]
    assert "numbers=30" in error.details()


def test_named_number_of_another_pool_is_a_bad_field(peer, stocked):
    pool, asked = stocked(1)
    _, (elsewhere,) = stocked(1)
    error = refusal(peer, "ReserveNumbers", pool=pool, numbers=[*asked, elsewhere])
    assert field_of(error) == "numbers"
    assert f"value={elsewhere}" in error.details()


def test_named_number_that_has_left_another_pool_is_untracked(peer, stocked):
    pool, asked = stocked(1)
    _, (left,) = stocked(1)
    ask(peer, "RestoreNumbers", numbers=[left])
    made = reserve(peer, pool, numbers=[*asked, left], allow_partial=True)
    assert refused_by(made) == {left: "UNTRACKED"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 10_001}, "count"),
        ({"pool": "A"}, "pool"),
        ({"lease": {"seconds": 0}}, "lease"),
        ({"lease": {"seconds": -1}}, "lease"),
        ({"lease": {"nanos": -1}}, "lease"),
        ({"lease": {"nanos": 500_000_000}}, "lease"),
        ({"lease": {"seconds": LEASE_S_MAX, "nanos": 1}}, "lease"),
        ({"lease": {"seconds": LEASE_S_MAX + 1}}, "lease"),
        ({"lease": {"seconds": 2**62}}, "lease"),
        ({"request_id": "x" * 65}, "request_id"),
        ({"prefix": "+44"}, "prefix"),
        ({"prefix": "044"}, "prefix"),
        ({"prefix": "4" * 16}, "prefix"),
        ({"prefix": "٤٤"}, "prefix"),
        ({"numbers": [447700900000]}, "count"),
        ({"numbers": [447700900000], "count": 0, "prefix": "44"}, "prefix"),
        ({"numbers": [447700900000, 5], "count": 0}, "numbers[1]"),
        ({"numbers": [10**15], "count": 0}, "numbers[0]"),
        ({"numbers": [447700900000] * 10_001, "count": 0}, "numbers"),
    ],
)
def test_reserve_refuses_a_field_out_of_its_bounds(peer, fields, field):
    error = refusal(peer, "ReserveNumbers", **{"pool": "default", "count": 1, **fields})
    assert field_of(error) == field
    assert "bound=" in error.details()


def test_a_lease_out_of_its_bounds_is_told_as_it_was_given(peer):
    for given, said in (({"seconds": 2_678_401}, "2678401 s"), ({"nanos": 500_000_000}, "0.5 s")):
        error = refusal(peer, "ReserveNumbers", pool="default", count=1, lease=given)
        assert error.details() == f"lease: value={said}, bound=1 to {LEASE_S_MAX} s"


def test_unknown_pool_is_named(peer):
    for method, fields in (
        ("ReserveNumbers", {"pool": "nowhere", "count": 1}),
        ("ListReservations", {"pool": "nowhere"}),
    ):
        error = refusal(peer, method, **fields)
        assert error.code() == grpc.StatusCode.NOT_FOUND
        assert reason_of(error) == "NO_SUCH_POOL"


@pytest.mark.parametrize(
    ("fields", "lease_s"),
    [
        ({}, 1_800),
        ({"lease": {"seconds": LEASE_S_MAX}}, LEASE_S_MAX),
        ({"lease": {"seconds": 60, "nanos": 1}}, 61),
    ],
)
def test_lease_is_half_an_hour_unless_asked_for(peer, stocked, fields, lease_s):
    pool, _ = stocked(1)
    made = reserve(peer, pool, 1, **fields)
    assert made.expires_at.seconds - made.created_at.seconds == lease_s


def test_lease_that_is_over_gives_its_numbers_back_by_itself(peer, stocked):
    pool, asked = stocked(3)
    made = reserve(peer, pool, 2, lease={"seconds": 3})
    assert verdicts(peer, *asked) == ["RESERVED", "RESERVED", "CLEAN"]
    assert ask(peer, "GetNumber", number=asked[0]).reservation == made.id
    wait_until(lambda: found(peer, made).state == EXPIRED)
    assert list(found(peer, made).numbers) == asked[:2]
    assert verdicts(peer, *asked) == ["CLEAN"] * 3
    assert ask(peer, "GetNumber", number=asked[0]).reservation == ""
    for method in ("ConfirmReservation", "CancelReservation", "ExtendReservation"):
        assert reason_of(refusal(peer, method, id=made.id)) == "WRONG_STATE"
    assert list(reserve(peer, pool, 3).numbers) == asked


def test_number_of_a_lease_just_over_is_reserved_again_at_once(peer, stocked):
    pool, asked = stocked(1)
    before = [reserve(peer, pool, 1, lease={"seconds": 1})]
    deadline = time.monotonic() + 10
    while len(before) < 3:
        assert time.monotonic() < deadline
        try:
            before.append(reserve(peer, pool, 1, lease={"seconds": 1}))
        except grpc.RpcError as error:
            assert reason_of(error) == "TOO_FEW_CLEAN"
        else:
            assert list(before[-1].numbers) == asked
            assert before[-1].created_at.seconds >= before[-2].expires_at.seconds
            assert found(peer, before[-2]).state == EXPIRED


def test_repeated_request_gets_the_first_answer_from_any_worker(server, peer, stocked):
    pool, asked = stocked(4)
    fields = {"count": 2, "request_id": "one", "actor": "bss"}
    made = reserve(peer, pool, **fields)
    for worker in (0, 1):
        with peer_of(server, worker) as other:
            assert reserve(other, pool, **fields) == made
    ask(peer, "ConfirmReservation", id=made.id)
    assert reserve(peer, pool, **fields) == made
    assert verdicts(peer, *asked) == ["ASSIGNED", "ASSIGNED", "CLEAN", "CLEAN"]


def test_request_ids_of_two_identities_are_two(peer, stocked):
    pool, asked = stocked(3)
    made = [
        reserve(peer, pool, 1, request_id="shared", actor=actor) for actor in ("one", "two", "")
    ]
    assert [list(each.numbers) for each in made] == [[number] for number in asked]
    assert [each.actor for each in made] == ["one", "two", ""]


def test_request_id_with_other_arguments_is_refused(peer, stocked):
    pool, asked = stocked(3)
    reserve(peer, pool, 1, request_id="mine")
    for fields in (
        {"count": 2},
        {"count": 1, "lease": {"seconds": 60}},
        {"count": 1, "allow_partial": True},
        {"count": 1, "prefix": "4"},
        {"numbers": asked[:1]},
    ):
        error = refusal(peer, "ReserveNumbers", pool=pool, request_id="mine", **fields)
        assert error.code() == grpc.StatusCode.ALREADY_EXISTS
    assert verdicts(peer, *asked) == ["RESERVED", "CLEAN", "CLEAN"]


def test_request_id_remembers_no_error(peer, fresh_numbers):
    pool, asked = new_pool(peer), fresh_numbers(1)
    too_few(peer, pool, 1, request_id="again")
    stock(peer, pool, asked)
    assert list(reserve(peer, pool, 1, request_id="again").numbers) == asked


def test_too_few_clean_says_how_many_there_are_and_when_the_next_will_be(
    peer, stocked, fresh_numbers
):
    pool, asked = stocked(3)
    assert too_few(peer, pool, 4) == {"clean": "3", "next_clean_at": ""}
    began_at = int(time.time()) - DAY_S // 2
    young = fresh_numbers(2)
    stock(peer, pool, young, since=began_at)
    assert too_few(peer, pool, 4) == {"clean": "3", "next_clean_at": str(began_at + DAY_S)}
    assert verdicts(peer, *asked) == ["CLEAN"] * 3
    reserve(peer, pool, 2)
    assert too_few(peer, pool, 2)["clean"] == "1"


def test_partial_reservation_takes_what_there_is(peer, stocked):
    pool, asked = stocked(3)
    made = reserve(peer, pool, 10_000, allow_partial=True)
    assert list(made.numbers) == asked
    assert not made.refused
    assert too_few(peer, pool, 1, allow_partial=True)["clean"] == "0"


def test_number_freed_by_a_command_is_there_at_once(peer, stocked):
    pool, asked = stocked(2)
    for _ in range(5):
        made = reserve(peer, pool, 2)
        assert list(made.numbers) == asked
        ask(peer, "CancelReservation", id=made.id)
        ask(peer, "HoldNumbers", numbers=asked[:1])
        assert too_few(peer, pool, 2)["clean"] == "1"
        ask(peer, "UnholdNumbers", numbers=asked[:1])


def test_confirmed_numbers_are_assigned_and_confirming_again_says_the_same(peer, stocked):
    pool, asked = stocked(2)
    made = reserve(peer, pool, 2)
    confirmed = ask(peer, "ConfirmReservation", id=made.id)
    assert (confirmed.state, list(confirmed.numbers)) == (CONFIRMED, asked)
    assert ask(peer, "ConfirmReservation", id=made.id) == confirmed == found(peer, made)
    assert verdicts(peer, *asked) == ["ASSIGNED"] * 2
    assert ask(peer, "GetNumber", number=asked[0]).reservation == ""
    error = refusal(peer, "CancelReservation", id=made.id)
    assert violations_of(error) == [("state", f"reservation {made.id}")]
    assert "value=CONFIRMED" in error.details()


def test_number_that_gets_a_call_between_reserve_and_confirm_is_refused(peer, stocked):
    pool, asked = stocked(3)
    made = reserve(peer, pool, 3)
    call_now(peer, asked[1])
    error = refusal(peer, "ConfirmReservation", id=made.id)
    assert reason_of(error) == "NOT_CLEAN"
    assert violations_of(error) == [("NOISY", f"+{asked[1]}")]
    now = found(peer, made)
    assert (now.state, list(now.numbers)) == (ACTIVE, asked)
    assert refused_by(now) == {asked[1]: "NOISY"}
    assert verdicts(peer, *asked) == ["RESERVED"] * 3


def test_partial_confirmation_returns_what_is_not_clean_to_quarantine(peer, stocked):
    pool, asked = stocked(3)
    made = reserve(peer, pool, 3)
    call_now(peer, asked[1])
    confirmed = ask(peer, "ConfirmReservation", id=made.id, allow_partial=True)
    assert (confirmed.state, confirmed.count) == (CONFIRMED, 2)
    assert list(confirmed.numbers) == [asked[0], asked[2]]
    assert refused_by(confirmed) == {asked[1]: "NOISY"}
    assert verdicts(peer, *asked) == ["ASSIGNED", "NOISY", "ASSIGNED"]
    assert ask(peer, "GetNumber", number=asked[1]).reservation == ""
    assert ask(peer, "ConfirmReservation", id=made.id) == confirmed


def test_reservation_of_which_nothing_is_clean_cannot_be_confirmed(peer, stocked):
    pool, asked = stocked(1)
    made = reserve(peer, pool, 1)
    call_now(peer, *asked)
    error = refusal(peer, "ConfirmReservation", id=made.id, allow_partial=True)
    assert reason_of(error) == "NOT_CLEAN"
    assert found(peer, made).state == ACTIVE


def test_cancelled_numbers_return_to_their_places(peer, stocked):
    pool, asked = stocked(3)
    made = reserve(peer, pool, 2)
    cancelled = ask(peer, "CancelReservation", id=made.id)
    assert (cancelled.state, list(cancelled.numbers)) == (CANCELLED, asked[:2])
    assert ask(peer, "CancelReservation", id=made.id) == cancelled == found(peer, made)
    for method in ("ConfirmReservation", "ExtendReservation"):
        error = refusal(peer, method, id=made.id)
        assert reason_of(error) == "WRONG_STATE"
        assert "value=CANCELLED" in error.details()
    assert list(reserve(peer, pool, 3).numbers) == asked


def test_extended_lease_begins_now(peer, stocked):
    pool, asked = stocked(1)
    made = reserve(peer, pool, 1, lease={"seconds": 60})
    longer = ask(peer, "ExtendReservation", id=made.id, lease={"seconds": 3_600})
    assert 0 <= longer.expires_at.seconds - made.created_at.seconds - 3_600 <= 10
    shorter = ask(peer, "ExtendReservation", id=made.id, lease={"seconds": 1})
    assert shorter.expires_at.seconds < longer.expires_at.seconds
    assert (shorter.state, list(shorter.numbers)) == (ACTIVE, asked)
    wait_until(lambda: found(peer, made).state == EXPIRED)


@pytest.mark.parametrize("lease", [{"seconds": 0}, {"seconds": LEASE_S_MAX + 1}, {"nanos": -5}])
def test_extend_refuses_a_lease_out_of_bounds(peer, stocked, lease):
    pool, _ = stocked(1)
    made = reserve(peer, pool, 1)
    assert field_of(refusal(peer, "ExtendReservation", id=made.id, lease=lease)) == "lease"
    assert found(peer, made) == made


@pytest.mark.parametrize(
    "method",
    ["GetReservation", "ConfirmReservation", "CancelReservation", "ExtendReservation"],
)
@pytest.mark.parametrize("id", ["", "never-made", "x" * 100_000])
def test_unknown_reservation_is_not_found(peer, method, id):
    error = refusal(peer, method, id=id)
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert reason_of(error) == "NO_SUCH_RESERVATION"


def test_reservations_are_listed_by_pool_and_state_in_pages(peer, stocked):
    pool, _ = stocked(7)
    made = [reserve(peer, pool, 1, actor="lister") for _ in range(7)]
    ask(peer, "ConfirmReservation", id=made[1].id)
    for each in made[2:4]:
        ask(peer, "CancelReservation", id=each.id)

    def listed(**fields):
        entries = pages(peer, "ListReservations", "reservations", pool=pool, page_size=2, **fields)
        assert all(not entry.numbers and not entry.refused for entry in entries)
        return [entry.id for entry in entries]

    ids = [each.id for each in made]
    assert listed() == ids
    assert listed(states=[ACTIVE]) == [ids[0], *ids[4:]]
    assert listed(states=[CONFIRMED, CANCELLED]) == ids[1:4]
    assert listed(states=[EXPIRED]) == []
    everything = pages(peer, "ListReservations", "reservations")
    assert [entry.id for entry in everything if entry.pool == pool] == ids
    first = next(entry for entry in everything if entry.id == ids[0])
    assert (first.count, first.actor, first.state) == (1, "lister", ACTIVE)
    assert (first.expires_at, first.created_at) == (made[0].expires_at, made[0].created_at)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"states": [0]}, "states[0]"),
        ({"states": [1, 5]}, "states[1]"),
        ({"states": [1] * 65}, "states[64]"),
        ({"pool": "A"}, "pool"),
        ({"page_size": 10_001}, "page_size"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_token": page_token(("ListReservations", "", [1]), "x")}, "page_token"),
    ],
)
def test_list_of_reservations_refuses_a_bad_field(peer, fields, field):
    assert field_of(refusal(peer, "ListReservations", **fields)) == field


def test_get_number_tells_reservation_and_place_in_the_queue(peer, stocked):
    pool, asked = stocked(3)

    def place(number):
        got = ask(peer, "GetNumber", number=number)
        return got.reservation, got.queue_position

    wait_until(lambda: [place(number) for number in asked] == [("", 1), ("", 2), ("", 3)])
    made = reserve(peer, pool, 1)
    assert [place(number) for number in asked] == [(made.id, 0), ("", 1), ("", 2)]
    call_now(peer, asked[1])
    assert place(asked[1]) == ("", 0)


def test_violation_sends_a_number_behind_all_others(peer, fresh_numbers):
    rule = {"measure": types.MEASURE_EVENTS, "limit": 0, "window": {"seconds": 3_600}}
    policy = {"minimum_age": {"seconds": 0}, "quiet_period": {"seconds": 1}}
    put_policy(peer, "forgiving", rules=[rule], **policy)
    pool, asked = new_pool(peer, "forgiving"), fresh_numbers(3)
    stock(peer, pool, asked)
    ask(peer, "CancelReservation", id=reserve(peer, pool, 3).id)  # all stand in the queue
    call_now(peer, asked[0])
    assert verdicts(peer, asked[0]) == ["NOISY"]
    put_policy(peer, "forgiving", rules=[rule | {"window": {"seconds": 1}}], **policy)
    wait_until(lambda: verdicts(peer, asked[0]) == ["CLEAN"])
    assert list(reserve(peer, pool, 3).numbers) == [asked[1], asked[2], asked[0]]
