"""WatchNumbers over a real server: changes are told to whoever watches, or the watcher is cut."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from queue import Empty, SimpleQueue
from threading import Thread

import grpc
import pytest
from support.asking import ask, call_now, new_pool, put_policy, refusal, stocking
from support.server_process import (
    PATIENCE_S,
    field_of,
    has_retry_info,
    peer_of,
    reason_of,
    serving,
    wait_until,
)

from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import number_service_pb2_grpc as number_grpc
from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "server.toml"
    config.write_text('[scan]\nperiod = "1s"\n')
    return "--config", str(config), "--workers", "2", "--capacity", "20000"


@pytest.fixture(scope="module")
def server(tmp_path_factory, options):
    with serving(tmp_path_factory.mktemp("shared") / "data", *options) as running:
        with peer_of(running) as peer:
            put_policy(peer, "brisk")
        yield running


@pytest.fixture
def stocked(peer, fresh_numbers):
    return stocking(peer, fresh_numbers)


class Watcher:
    """A stream of changes that is read in a thread of its own."""

    def __init__(self, call) -> None:
        self._call = call
        self._told = SimpleQueue()
        assert next(call) == numbers.WatchNumbersResponse()  # from now on
        self._thread = Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for message in self._call:
                assert 1 <= len(message.changes) <= 4_096
                for change in message.changes:
                    self._told.put(change)
        except grpc.RpcError as error:
            self._told.put(error)

    def next(self):
        """The next change: the number, and the verdicts in words; or the error at the end."""
        change = self._told.get(timeout=PATIENCE_S)
        if isinstance(change, grpc.RpcError):
            return change
        words = [
            types.Verdict.Name(verdict).removeprefix("VERDICT_")
            for verdict in (change.previous, change.current)
        ]
        return change.number, *words

    def is_told_nothing_else(self) -> bool:
        """Whether all changes were taken."""
        try:
            return not self._told.get_nowait()
        except Empty:
            return True

    def close(self) -> None:
        self._call.cancel()
        self._thread.join()


def watch(peer, **fields):
    request = numbers.WatchNumbersRequest(**fields)
    return peer.numbers.WatchNumbers(request, timeout=4 * PATIENCE_S)


@contextmanager
def watching(peer, **fields) -> Iterator[Watcher]:
    watcher = Watcher(watch(peer, **fields))
    try:
        yield watcher
    finally:
        watcher.close()


def test_every_worker_tells_all_its_watchers(server, peer, stocked):
    pool, asked = stocked(2)
    with (
        peer_of(server, 0) as first,
        peer_of(server, 1) as second,
        watching(first, pool=pool) as one,
        watching(first, pool=pool) as two,
        watching(second, pool=pool) as three,
    ):
        ask(peer, "HoldNumbers", numbers=asked[:1])
        ask(peer, "RetireNumbers", numbers=asked, note="unlucky")
        for watcher in (one, two, three):
            assert watcher.next() == (asked[0], "CLEAN", "HELD")
            assert {watcher.next(), watcher.next()} == {
                (asked[0], "HELD", "RETIRED"),
                (asked[1], "CLEAN", "RETIRED"),
            }


def test_changes_by_time_and_events_are_told_as_they_are_seen(peer, stocked):
    rule = {"measure": types.MEASURE_EVENTS, "limit": 0, "window": {"seconds": 1}}
    put_policy(peer, "quick", rules=[rule], quiet_period={"seconds": 3})
    pool, (number, leased) = stocked(2, policy="quick")
    with watching(peer, pool=pool) as watcher:
        ask(peer, "ReserveNumbers", pool=pool, numbers=[leased], lease={"seconds": 1})
        assert watcher.next() == (leased, "CLEAN", "RESERVED")
        assert watcher.next() == (leased, "RESERVED", "CLEAN")
        call_now(peer, number)
        assert watcher.next() == (number, "CLEAN", "NOISY")
        assert watcher.next() == (number, "NOISY", "CLEAN")


def test_a_whole_life_is_told(peer, fresh_numbers):
    pool, (number,) = new_pool(peer), fresh_numbers(1)
    with watching(peer, pool=pool) as watcher:
        peer.quarantine([number], pool=pool)
        ask(peer, "OverrideNumbers", numbers=[number], note="it is new")
        made = ask(peer, "ReserveNumbers", pool=pool, numbers=[number])
        ask(peer, "ExtendReservation", id=made.id)  # changes no verdict
        ask(peer, "ConfirmReservation", id=made.id)
        lived = ("UNTRACKED", "AGING", "CLEAN", "RESERVED", "ASSIGNED")
        for before, after in pairwise(lived):
            assert watcher.next() == (number, before, after)
        assert watcher.is_told_nothing_else()


def test_watcher_is_told_what_it_asks_for(peer, stocked):
    pool, asked = stocked(2)
    other, (elsewhere,) = stocked(1)
    with (
        watching(peer, verdicts=[types.VERDICT_HELD, types.VERDICT_RETIRED]) as by_verdict,
        watching(peer, pool=other) as by_pool,
        watching(peer, pool=pool, verdicts=[types.VERDICT_RETIRED]) as by_both,
        watching(peer) as everything,
    ):
        ask(peer, "ReserveNumbers", pool=other, count=1)
        ask(peer, "HoldNumbers", numbers=asked[:1])
        ask(peer, "RetireNumbers", numbers=asked[:1], note="unlucky")
        reserved = (elsewhere, "CLEAN", "RESERVED")
        held, retired = (asked[0], "CLEAN", "HELD"), (asked[0], "HELD", "RETIRED")
        assert [by_verdict.next() for _ in range(2)] == [held, retired]
        assert by_pool.next() == reserved
        assert by_both.next() == retired
        assert [everything.next() for _ in range(3)] == [reserved, held, retired]
        for watcher in (by_verdict, by_pool, by_both):
            assert watcher.is_told_nothing_else()


def test_moved_number_is_told_with_its_new_pool(peer, stocked):
    put_policy(peer, "late", minimum_age={"seconds": 3_000 * 86_400})
    _, (number,) = stocked(1)
    late = new_pool(peer, "late")
    with watching(peer, pool=late) as watcher:
        ask(peer, "MoveNumbers", numbers=[number], pool=late)
        assert watcher.next() == (number, "CLEAN", "AGING")


def test_large_change_is_told_in_several_messages(peer):
    pool = new_pool(peer)
    asked = list(range(999_000_000_000, 999_000_010_000))
    with watching(peer, pool=pool) as watcher:
        peer.quarantine(asked, pool=pool)
        assert [watcher.next() for _ in asked] == [(n, "UNTRACKED", "AGING") for n in asked]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"pool": "A"}, "pool"),
        ({"verdicts": [0]}, "verdicts[0]"),
        ({"verdicts": [1] * 65}, "verdicts"),
    ],
)
def test_watch_refuses_a_bad_field(peer, fields, field):
    with pytest.raises(grpc.RpcError) as caught:
        next(watch(peer, **fields))
    assert field_of(caught.value) == field


def test_watch_of_an_unknown_pool_is_refused(peer):
    with pytest.raises(grpc.RpcError) as caught:
        next(watch(peer, pool="nowhere"))
    assert reason_of(caught.value) == "NO_SUCH_POOL"


def test_slow_watcher_is_cut_and_a_fast_one_is_told_everything(server, peer):
    pool = new_pool(peer)
    asked = list(range(999_000_100_000, 999_000_100_100))
    peer.quarantine(asked, pool=pool)
    narrow = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
    with (
        grpc.insecure_channel(server.address, options=narrow) as idle,
        watching(peer, pool=pool) as fast,
    ):
        request = numbers.WatchNumbersRequest(pool=pool)
        slow = number_grpc.NumberServiceStub(idle).WatchNumbers(request, timeout=4 * PATIENCE_S)
        assert not next(slow).changes
        sent = 350  # more than waits for a watcher and fits into its connection
        for command in range(sent):
            ask(peer, ("HoldNumbers", "UnholdNumbers")[command % 2], numbers=asked)
        told = 0
        with pytest.raises(grpc.RpcError) as caught:
            for _ in slow:
                told += 1
        assert caught.value.code() == grpc.StatusCode.ABORTED
        assert reason_of(caught.value) == "SLOW_WATCHER"
        assert told < sent
        assert [fast.next()[0] for _ in range(sent * len(asked))] == asked * sent


def test_a_worker_has_no_more_watchers_than_the_bound(own_server):
    # On two connections, as one carries no more calls than that, and others wait for these.
    with peer_of(own_server, 0) as peer, peer_of(own_server, 0) as other:
        calls = [watch(each) for each in (peer, other) for _ in range(512)]
        for call in calls:
            next(call)
        with pytest.raises(grpc.RpcError) as caught:
            next(watch(peer))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught.value) == "QUOTA"
        for call in calls:
            call.cancel()


def test_watchers_are_cut_when_the_keeper_is_replaced_and_may_watch_again(own_server):
    with peer_of(own_server) as peer:
        put_policy(peer, "brisk")
        pool = new_pool(peer)
        peer.quarantine([447700900001], pool=pool)
        with watching(peer, pool=pool) as watcher:
            os.kill(own_server.pid("keeper"), signal.SIGKILL)
            error = watcher.next()
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            assert reason_of(error) == "KEEPER"
            assert has_retry_info(error)
        wait_until(lambda: own_server.starts("keeper") == 2)
        with watching(peer, pool=pool) as watcher:
            ask(peer, "HoldNumbers", numbers=[447700900001])
            assert watcher.next() == (447700900001, "AGING", "HELD")


def test_refused_command_is_no_change(peer, stocked):
    pool, asked = stocked(1)
    with watching(peer, pool=pool) as watcher:
        refusal(peer, "RetireNumbers", numbers=asked)
        ask(peer, "UnholdNumbers", numbers=asked)
        ask(peer, "HoldNumbers", numbers=asked)
        assert watcher.next() == (asked[0], "CLEAN", "HELD")
