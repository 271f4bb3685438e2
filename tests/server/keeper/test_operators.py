"""Operators' commands over a real server: state rules, answers, and what history says of them."""

import time

import grpc
import pytest
from support.asking import (
    ask,
    call_now,
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
from support.long_ago import DAY_S
from support.server_process import field_of, peer_of, reason_of, serving, wait_until

from ringfence.v1 import types_pb2 as types

UNKNOWN = 447700900999
IN_ORDER = ("QUARANTINED", "HELD", "RESERVED", "ASSIGNED", "RETIRED", "UNTRACKED", "LEFT")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    config = folder / "server.toml"
    config.write_text('[scan]\nperiod = "1s"\n')
    options = ("--config", str(config), "--workers", "2", "--capacity", "10000")
    with serving(folder / "data", *options) as running:
        with peer_of(running) as peer:
            put_policy(peer, "brisk")
        yield running


@pytest.fixture
def stocked(peer, fresh_numbers):
    return stocking(peer, fresh_numbers)


@pytest.fixture
def each_state(peer, stocked):
    """A pool, and a number of it in every state there is; one that was restored, and one that never
    was there.
    """
    pool, asked = stocked(6)
    quarantined, held, reserved, assigned, retired, left = asked
    ask(peer, "HoldNumbers", numbers=[held])
    made = ask(peer, "ReserveNumbers", pool=pool, numbers=[assigned])
    ask(peer, "ConfirmReservation", id=made.id)
    ask(peer, "ReserveNumbers", pool=pool, numbers=[reserved])
    ask(peer, "RetireNumbers", numbers=[retired], note="unlucky")
    ask(peer, "RestoreNumbers", numbers=[left])
    order = (quarantined, held, reserved, assigned, retired, UNKNOWN, left)
    return pool, dict(zip(IN_ORDER, order, strict=True))


def reserved_order(peer, pool, count):
    made = ask(peer, "ReserveNumbers", pool=pool, count=count)
    return list(made.numbers)


def pool_status(peer, pool, **fields):
    return next(
        status for status in pages(peer, "ListPools", "pools", **fields) if status.pool.name == pool
    )


@pytest.mark.parametrize(
    ("method", "changed", "after"),
    [
        ("HoldNumbers", {"QUARANTINED", "RESERVED", "HELD"}, "HELD"),
        ("UnholdNumbers", {"QUARANTINED", "HELD"}, "CLEAN"),
        ("RestoreNumbers", {"QUARANTINED", "HELD", "RETIRED"}, "UNTRACKED"),
        ("RetireNumbers", {"QUARANTINED", "HELD", "RETIRED"}, "RETIRED"),
        ("OverrideNumbers", {"QUARANTINED"}, "CLEAN"),
        ("MoveNumbers", {"QUARANTINED", "HELD"}, None),
    ],
)
@pytest.mark.slow
def test_each_state_is_changed_or_refused(peer, each_state, method, changed, after):
    _, numbers = each_state
    names = {number: state for state, number in numbers.items()}
    before = dict(zip(numbers, verdicts(peer, *numbers.values()), strict=True))
    fields = {"pool": new_pool(peer)} if method == "MoveNumbers" else {}
    answer = ask(peer, method, numbers=list(names), note="why", **fields)
    assert [names[number] for number in answer.changed] == [s for s in IN_ORDER if s in changed]
    assert {names[n]: word for n, word in refused_by(answer).items()} == {
        state: before[state] for state in IN_ORDER if state not in changed
    }
    now = dict(zip(numbers, verdicts(peer, *numbers.values()), strict=True))
    assert now == {
        state: (after or before[state]) if state in changed else before[state] for state in IN_ORDER
    }
    again = ask(peer, method, numbers=list(names), note="why", **fields)
    if method == "RestoreNumbers":  # they have left: there is nothing to restore
        assert not again.changed
    else:
        assert again.changed == answer.changed


@pytest.mark.parametrize(
    "method",
    [f"{verb}Numbers" for verb in ("Hold", "Unhold", "Restore", "Retire", "Override", "Move")],
)
def test_numbers_and_notes_have_bounds(peer, method):
    fields = {"pool": "default"} if method == "MoveNumbers" else {}
    for asked, field in (
        ([], "numbers"),
        ([447700900000] * 65_537, "numbers"),
        ([447700900000, 5], "numbers[1]"),
        ([10**15], "numbers[0]"),
    ):
        assert field_of(refusal(peer, method, numbers=asked, note="why", **fields)) == field
    error = refusal(peer, method, numbers=[UNKNOWN], note="x" * 501, **fields)
    assert field_of(error) == "note"
    answer = ask(peer, method, numbers=[UNKNOWN, UNKNOWN], note="x" * 500, **fields)
    assert refused_by(answer) == {UNKNOWN: "UNTRACKED"}
    assert len(answer.refused) == 1


@pytest.mark.parametrize("method", ["RetireNumbers", "OverrideNumbers"])
@pytest.mark.parametrize("note", ["", "  \n"])
def test_what_cannot_be_taken_back_needs_a_note(peer, stocked, method, note):
    _, asked = stocked(1)
    assert field_of(refusal(peer, method, numbers=asked, note=note)) == "note"
    assert verdicts(peer, *asked) == ["CLEAN"]


def test_who_asks_has_a_short_name(peer, stocked):
    pool, asked = stocked(2)
    for method, fields in (
        ("HoldNumbers", {"numbers": asked}),
        ("ReserveNumbers", {"pool": pool, "count": 1}),
    ):
        error = refusal(peer, method, actor="x" * 256, **fields)
        assert field_of(error) == "ringfence-actor"
    made = ask(peer, "ReserveNumbers", pool=pool, count=1, actor="x" * 255)
    assert made.actor == "x" * 255


def test_held_number_leaves_its_reservation(peer, stocked):
    pool, asked = stocked(3)
    made = ask(peer, "ReserveNumbers", pool=pool, count=3)
    answer = ask(peer, "HoldNumbers", numbers=asked[1:2])
    assert list(answer.changed) == asked[1:2]
    now = ask(peer, "GetReservation", id=made.id)
    assert (list(now.numbers), now.count) == ([asked[0], asked[2]], 2)
    assert refused_by(now) == {asked[1]: "HELD"}
    assert ask(peer, "GetNumber", number=asked[1]).reservation == ""
    confirmed = ask(peer, "ConfirmReservation", id=made.id)
    assert list(confirmed.numbers) == [asked[0], asked[2]]
    assert refused_by(confirmed) == {asked[1]: "HELD"}
    ask(peer, "UnholdNumbers", numbers=asked[1:2])
    assert reserved_order(peer, pool, 1) == asked[1:2]


def test_numbers_of_several_reservations_are_held_at_once(peer, stocked):
    pool, asked = stocked(5)
    first, second = (ask(peer, "ReserveNumbers", pool=pool, count=2) for _ in range(2))
    ask(peer, "HoldNumbers", numbers=[asked[4], asked[2], asked[0], asked[3]])
    assert list(ask(peer, "GetReservation", id=first.id).numbers) == [asked[1]]
    emptied = ask(peer, "GetReservation", id=second.id)
    assert (emptied.count, refused_by(emptied)) == (0, {asked[2]: "HELD", asked[3]: "HELD"})
    assert emptied.state == types.RESERVATION_STATE_ACTIVE
    error = refusal(peer, "ConfirmReservation", id=second.id, allow_partial=True)
    assert reason_of(error) == "NOT_CLEAN"
    cancelled = ask(peer, "CancelReservation", id=second.id)
    assert cancelled.state == types.RESERVATION_STATE_CANCELLED
    assert verdicts(peer, *asked) == ["HELD", "RESERVED", "HELD", "HELD", "HELD"]


def test_unheld_number_returns_to_its_place(peer, stocked):
    pool, asked = stocked(3)
    ask(peer, "HoldNumbers", numbers=asked[:2])
    ask(peer, "UnholdNumbers", numbers=asked[1::-1])
    assert reserved_order(peer, pool, 3) == asked


def test_override_makes_clean_from_now_on_and_ends_with_an_event(peer, stocked):
    pool, asked = stocked(3)
    call_now(peer, asked[0])
    time.sleep(1.1 - time.time() % 1)  # in the second of the event it would end at once
    answer = ask(peer, "OverrideNumbers", numbers=asked[:1], note="the caller apologised")
    assert list(answer.changed) == asked[:1]
    got = ask(peer, "GetNumber", number=asked[0])
    assert (got.verdict, got.overridden) == (types.VERDICT_CLEAN, True)
    assert abs(got.clean_at.seconds - time.time()) < 60
    ask(peer, "HoldNumbers", numbers=asked[:1])
    ask(peer, "UnholdNumbers", numbers=asked[:1])
    made = ask(peer, "ReserveNumbers", pool=pool, count=3)
    assert list(made.numbers) == [asked[1], asked[2], asked[0]]  # clean only since the override
    ask(peer, "CancelReservation", id=made.id)
    assert ask(peer, "GetNumber", number=asked[0]).clean_at == got.clean_at
    call_now(peer, asked[0], caller=441632960124)
    got = ask(peer, "GetNumber", number=asked[0])
    assert (got.verdict, got.overridden) == (types.VERDICT_NOISY, False)
    assert reserved_order(peer, pool, 2) == asked[1:]


def test_young_number_is_clean_by_an_override(peer, fresh_numbers):
    pool, asked = new_pool(peer), fresh_numbers(2)
    peer.quarantine(asked, pool=pool)
    assert verdicts(peer, *asked) == ["AGING", "AGING"]
    ask(peer, "OverrideNumbers", numbers=asked[1:], note="never was in use")
    assert verdicts(peer, *asked) == ["AGING", "CLEAN"]
    assert reserved_order(peer, pool, 1) == asked[1:]


def test_override_that_is_in_force_is_not_moved(peer, stocked):
    _, asked = stocked(1)
    ask(peer, "OverrideNumbers", numbers=asked, note="once")
    first = ask(peer, "GetNumber", number=asked[0]).clean_at
    time.sleep(1.1 - time.time() % 1)
    answer = ask(peer, "OverrideNumbers", numbers=asked, note="twice")
    assert list(answer.changed) == asked
    assert ask(peer, "GetNumber", number=asked[0]).clean_at == first


def test_moved_number_is_judged_and_queued_by_its_new_pool(peer, stocked):
    put_policy(peer, "lenient", rules=[{"measure": 1, "limit": 5, "window": {"seconds": 60}}])
    pool, asked = stocked(3)
    other = new_pool(peer, "lenient")
    call_now(peer, asked[1])
    answer = ask(peer, "MoveNumbers", numbers=asked[:2], pool=other, note="reorganised")
    assert list(answer.changed) == asked[:2]
    got = ask(peer, "GetNumber", number=asked[1])
    assert (got.pool, got.policy, got.verdict) == (other, "lenient", types.VERDICT_CLEAN)
    assert reserved_order(peer, pool, 1) == asked[2:]
    assert reserved_order(peer, other, 2) == asked[:2]
    error = refusal(peer, "ReserveNumbers", pool=pool, count=1)
    assert reason_of(error) == "TOO_FEW_CLEAN"


def test_held_number_is_moved_and_stays_held(peer, stocked):
    _, asked = stocked(1)
    other = new_pool(peer)
    ask(peer, "HoldNumbers", numbers=asked)
    ask(peer, "MoveNumbers", numbers=asked, pool=other)
    assert verdicts(peer, *asked) == ["HELD"]
    ask(peer, "UnholdNumbers", numbers=asked)
    assert reserved_order(peer, other, 1) == asked


def test_move_needs_a_pool_that_there_is(peer, stocked):
    _, asked = stocked(1)
    error = refusal(peer, "MoveNumbers", numbers=asked, pool="nowhere")
    assert reason_of(error) == "NO_SUCH_POOL"
    assert field_of(refusal(peer, "MoveNumbers", numbers=asked)) == "pool"


@pytest.mark.parametrize("end", ["assigned", "retired", "untracked"])
def test_number_that_left_just_now_is_not_quarantined_yet(peer, stocked, end):
    pool, asked = stocked(1)
    if end == "assigned":
        made = ask(peer, "ReserveNumbers", pool=pool, count=1)
        ask(peer, "ConfirmReservation", id=made.id)
    elif end == "retired":
        ask(peer, "RetireNumbers", numbers=asked, note="a short one")
    else:
        ask(peer, "RestoreNumbers", numbers=asked)
    answer = peer.quarantine(asked, pool=pool)
    assert (answer.accepted, answer.rejected) == (0, 1)
    assert "quarantined_at: value=" in answer.rejections[0].reason
    assert ", 310 s after the number was last tracked" in answer.rejections[0].reason
    assert verdicts(peer, *asked) == [end.upper()]


def test_pool_with_numbers_is_in_use_and_an_empty_one_is_deleted(peer, stocked):
    pool, asked = stocked(2)
    assert ask(peer, "HoldNumbers", numbers=asked[:1]).changed
    for number in asked:
        error = refusal(peer, "DeletePool", name=pool)
        assert reason_of(error) == "IN_USE"
        assert violations_of(error) == [("pool", pool)]
        ask(peer, "RestoreNumbers", numbers=[number])
    ask(peer, "DeletePool", name=pool)
    for method, fields in (
        ("DeletePool", {"name": pool}),
        ("ReserveNumbers", {"pool": pool, "count": 1}),
        ("MoveNumbers", {"pool": pool, "numbers": asked}),
    ):
        assert reason_of(refusal(peer, method, **fields)) == "NO_SUCH_POOL"
    with pytest.raises(grpc.RpcError) as caught:
        peer.quarantine(asked, pool=pool)
    assert reason_of(caught.value) == "NO_SUCH_POOL"
    assert pool not in {status.pool.name for status in pages(peer, "ListPools", "pools")}
    assert verdicts(peer, *asked) == ["UNTRACKED"] * 2


def test_pool_of_a_deleted_name_begins_anew(peer):
    pool = new_pool(peer)
    ask(peer, "DeletePool", name=pool)
    put = ask(peer, "PutPool", pool={"name": pool, "policy": "brisk"})
    assert put.revision == 1


def test_policy_of_a_pool_is_in_use_until_the_pool_has_another(peer):
    put_policy(peer, "unloved")
    pool = new_pool(peer, "unloved")
    error = refusal(peer, "DeletePolicy", name="unloved")
    assert reason_of(error) == "IN_USE"
    assert violations_of(error) == [("policy", "unloved")]
    ask(peer, "PutPool", pool={"name": pool, "policy": "brisk"})
    ask(peer, "DeletePolicy", name="unloved")
    error = refusal(peer, "DeletePolicy", name="unloved")
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert reason_of(error) == "NO_SUCH_POLICY"
    error = refusal(peer, "PutPool", pool={"name": pool, "policy": "unloved"})
    assert reason_of(error) == "NO_SUCH_POLICY"


@pytest.mark.parametrize("method", ["DeletePool", "DeletePolicy"])
def test_delete_refuses_what_is_no_name(peer, method):
    assert field_of(refusal(peer, method, name="Not A Name")) == "name"


def test_complaints_and_assignments_are_counted_by_pool(peer, stocked):
    pool, asked = stocked(3)
    made = ask(peer, "ReserveNumbers", pool=pool, count=2)
    before = int(time.time())
    ask(peer, "ConfirmReservation", id=made.id)
    status = pool_status(peer, pool)
    assert (status.assigned_total, status.complaints) == (2, 0)
    ask(peer, "ReportComplaint", number=asked[0], note="strangers at night")
    ask(peer, "ReportComplaint", number=asked[0], received_at={"seconds": int(time.time())})
    for received_at in (before - 1, int(time.time()) + 100, -5):
        error = refusal(
            peer, "ReportComplaint", number=asked[0], received_at={"seconds": received_at}
        )
        assert field_of(error) == "received_at"
    status = pool_status(peer, pool)
    assert (status.assigned_total, status.complaints) == (2, 2)
    peer.quarantine(asked[:1], pool=pool)  # it came back, and its former owner complains still
    ask(peer, "ReportComplaint", number=asked[0])
    assert pool_status(peer, pool).complaints == 3


def test_complaint_needs_a_number_that_was_handed_out(peer, stocked):
    _, asked = stocked(1)
    for number in (asked[0], UNKNOWN):
        error = refusal(peer, "ReportComplaint", number=number)
        assert reason_of(error) == "WRONG_STATE"
        assert violations_of(error) == [("state", f"+{number}")]
    assert field_of(refusal(peer, "ReportComplaint", number=5)) == "number"
    error = refusal(peer, "ReportComplaint", number=asked[0], note="x" * 501)
    assert field_of(error) == "note"


def test_counts_overdue_and_forecast_are_told_by_pool(peer, stocked, fresh_numbers):
    put_policy(peer, "dated", maximum_age={"seconds": 3 * DAY_S})
    pool, asked = stocked(4, policy="dated")
    now = int(time.time())
    for days, wanted in ((0.5, 2), (0.25, 1), (0, 3)):
        stock(peer, pool, fresh_numbers(wanted), since=now - int(days * DAY_S) - 60)
    call_now(peer, asked[0])  # noisy for an hour
    ask(peer, "HoldNumbers", numbers=asked[1:2])
    wait_until(lambda: sum(c.count for c in pool_status(peer, pool).verdict_counts) == 10)
    status = pool_status(peer, pool, forecast_days=3)
    counts = {c.verdict: c.count for c in status.verdict_counts if c.count}
    assert counts == {
        types.VERDICT_CLEAN: 2,
        types.VERDICT_AGING: 6,
        types.VERDICT_NOISY: 1,
        types.VERDICT_HELD: 1,
    }
    assert status.overdue == 2  # the noisy one and the held one
    assert list(status.forecast) == [7, 0, 0]
    assert not pool_status(peer, pool).forecast
    assert field_of(refusal(peer, "ListPools", forecast_days=401)) == "forecast_days"


def history(peer, number):
    """Of a number, oldest first: command, who, note, reservation, and the verdicts."""
    entries = pages(peer, "ListHistory", "entries", number=number, page_size=2)
    return [
        (
            entry.command,
            entry.actor,
            entry.note,
            entry.reservation,
            types.Verdict.Name(entry.previous).removeprefix("VERDICT_"),
            types.Verdict.Name(entry.current).removeprefix("VERDICT_"),
        )
        for entry in reversed(entries)
    ]


def test_history_tells_who_did_what_and_why(peer, stocked):
    pool, (number, other) = stocked(2)
    ask(peer, "HoldNumbers", numbers=[number], note="asked by the police", actor="jane")
    ask(peer, "UnholdNumbers", numbers=[number], actor="jack")
    made = ask(peer, "ReserveNumbers", pool=pool, count=2, actor="bss")
    ask(peer, "HoldNumbers", numbers=[other])
    ask(peer, "ExtendReservation", id=made.id, actor="bss")
    ask(peer, "ConfirmReservation", id=made.id, actor="bss")
    ask(peer, "ReportComplaint", number=number, note="strangers")
    expected = [
        ("QuarantineNumbers", "", "", "", "UNTRACKED", "CLEAN"),
        ("HoldNumbers", "jane (claimed)", "asked by the police", "", "CLEAN", "HELD"),
        ("UnholdNumbers", "jack (claimed)", "", "", "HELD", "CLEAN"),
        ("ReserveNumbers", "bss (claimed)", "", made.id, "CLEAN", "RESERVED"),
        ("ConfirmReservation", "bss (claimed)", "", made.id, "RESERVED", "ASSIGNED"),
    ]

    def kept():
        return [row for row in history(peer, number) if row[4] != row[5]]

    wait_until(lambda: len(kept()) >= len(expected))
    assert kept() == expected
    assert ("HoldNumbers", "", "", made.id, "RESERVED", "HELD") in history(peer, other)


@pytest.mark.slow
def test_history_tells_what_time_and_events_have_done_by_nobody(peer, stocked):
    put_policy(
        peer,
        "quick",
        rules=[{"measure": 1, "limit": 0, "window": {"seconds": 1}}],
        quiet_period={"seconds": 3},
    )
    pool, (number, leased) = stocked(2, policy="quick")
    made = ask(peer, "ReserveNumbers", pool=pool, numbers=[leased], lease={"seconds": 1})
    call_now(peer, number)
    wait_until(lambda: len(history(peer, number)) >= 3 and len(history(peer, leased)) >= 3)
    assert history(peer, number)[1:] == [
        ("", "", "", "", "CLEAN", "NOISY"),
        ("", "", "", "", "NOISY", "CLEAN"),
    ]
    assert history(peer, leased)[1:] == [
        ("ReserveNumbers", "", "", made.id, "CLEAN", "RESERVED"),
        ("", "", "", made.id, "RESERVED", "CLEAN"),
    ]


@pytest.mark.slow
def test_assigned_and_retired_numbers_leave_after_a_while(tmp_path):
    config = tmp_path / "server.toml"
    config.write_text(
        '[scan]\nperiod = "1s"\n[queue]\nleft_kept = "1s"\nreservations_kept = "2s"\n'
    )
    options = ("--config", str(config), "--workers", "1", "--capacity", "100")
    assigned, retired, held = 447700900001, 447700900002, 447700900003
    with serving(tmp_path / "data", *options) as server, peer_of(server) as peer:
        put_policy(peer, "brisk")
        pool = new_pool(peer)
        stock(peer, pool, [assigned, retired, held])
        fields = {"pool": pool, "count": 1, "request_id": "first"}
        made = ask(peer, "ReserveNumbers", **fields)
        ask(peer, "ConfirmReservation", id=made.id)
        ask(peer, "RetireNumbers", numbers=[retired], note="unlucky")
        ask(peer, "HoldNumbers", numbers=[held])
        wait_until(lambda: verdicts(peer, assigned, retired, held) == ["UNTRACKED"] * 2 + ["HELD"])
        assert peer.quarantine([assigned], pool=pool).rejected == 1  # its moment was kept
        ask(peer, "ReportComplaint", number=assigned)

        def is_forgotten():
            ask(peer, "HoldNumbers", numbers=[held])  # any command
            try:
                return not ask(peer, "GetReservation", id=made.id).id
            except grpc.RpcError as error:
                return reason_of(error) == "NO_SUCH_RESERVATION"

        wait_until(is_forgotten)
        error = refusal(peer, "ReserveNumbers", **fields)  # so is its request id
        assert reason_of(error) == "TOO_FEW_CLEAN"
