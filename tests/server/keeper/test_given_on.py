"""Slots of numbers that left are given on by a real server, whoever is stopped or killed."""

import os
import signal
import struct
from pathlib import Path

import grpc
import pytest
from support.asking import ask, call_now, refusal, verdicts
from support.command_line import at
from support.durable_server import killed
from support.long_ago import LONG_AGO
from support.server_process import (
    Peer,
    ServerProcess,
    has_retry_info,
    peer_of,
    reason_of,
    serving,
    wait_until,
)

from ringfence import Client, TableFull
from ringfence.engine.memory.segment import Segment
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow

FIRST = 447700900000
TEN = list(range(FIRST, FIRST + 10))
OTHERS = list(range(FIRST + 100, FIRST + 110))
SMALL = ("--workers", "2", "--capacity", "10")
INSERTING, WORKER_BYTES = 4096 + 48, 64  # record.h


def status_of(server: ServerProcess) -> dict[str, str]:
    """The lines of `ringfence status`."""
    result = at(server.address)("status", COLUMNS="200")
    lines = (line.split(None, 1) for line in result.stdout.splitlines() if line.strip())
    return {name: " ".join(rest) for name, *rest in lines}


def room(peer: Peer) -> tuple[int, int]:
    """How many numbers are in use, and for how many there is room at once."""
    told = ask(peer, "GetStatus")
    return told.numbers, told.numbers_ready


def come(peer: Peer, numbers: list[int]) -> commands.QuarantineNumbersResponse:
    times = [LONG_AGO] * len(numbers)
    return peer.quarantine(numbers, quarantined_at=times, observed_since=times)


def mark_insert(server: ServerProcess, worker: int, epoch: int) -> None:
    """A worker is in the middle of an insert, as far as shared memory says; 0 = it is done."""
    segment = Segment.open(server.run_folder / "segment")
    struct.pack_into("<Q", segment.view(), INSERTING + worker * WORKER_BYTES, epoch)


def hold_up(server: ServerProcess, peer: Peer) -> None:
    """Three of ten numbers leave, while worker-1 is in an insert that began before."""
    assert come(peer, TEN).accepted == 10
    mark_insert(server, 1, 1)
    ask(peer, "RestoreNumbers", numbers=TEN[:3])
    wait_until(lambda: ask(peer, "GetStatus").room_held_up != "")


def test_half_of_ten_numbers_go_and_others_come_before_and_after_kill_9(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        killed(data, *SMALL) as server,
        Client(server.address) as client,
        peer_of(server) as peer,
    ):
        assert client.quarantine_numbers(TEN).accepted == 10
        call_now(peer, *TEN)
        client.restore_numbers(TEN[:5])
        assert client.quarantine_numbers(OTHERS[:5]).accepted == 5
        assert room(peer) == (10, 0)
        with pytest.raises(TableFull, match="new numbers=1, free=0, capacity=10"):
            client.quarantine_numbers(OTHERS[5:6])
        assert status_of(server)["numbers"] == "10 of 10 (100.0%)"
        assert ask(peer, "GetNumber", number=OTHERS[0]).events_total == 0
    with (
        serving(data, *SMALL) as server,
        Client(server.address) as client,
        peer_of(server) as peer,
    ):
        assert room(peer) == (10, 0)
        assert verdicts(peer, *TEN[:5]) == ["UNTRACKED"] * 5
        assert ask(peer, "GetNumber", number=TEN[9]).events_total == 1
        client.restore_numbers([*TEN[5:], *OTHERS[:3]])
        wait_until(lambda: room(peer) == (2, 8))
        assert status_of(server)["room"] == "for 8 numbers"
        assert client.quarantine_numbers(OTHERS[5:10]).accepted == 5
        told = client.quarantine_numbers(TEN[:1])
        assert (told.accepted, told.rejected) == (0, 1), "it left less than 310 s ago"
        assert room(peer) == (7, 3)


@pytest.mark.parametrize("method", ["assigned", "retired"])
def test_numbers_that_were_assigned_or_retired_make_room_after_a_while(
    tmp_path: Path, method: str
) -> None:
    config = tmp_path / "ringfence.toml"
    config.write_text('[queue]\nleft_kept = "1s"\n')
    with (
        serving(tmp_path / "data", *SMALL, "--config", str(config)) as server,
        peer_of(server) as peer,
    ):
        assert come(peer, TEN).accepted == 10
        if method == "assigned":
            held = ask(peer, "ReserveNumbers", pool="default", numbers=TEN[:6])
            ask(peer, "ConfirmReservation", id=held.id)
        else:
            ask(peer, "RetireNumbers", numbers=TEN[:6], note="out of use")
        wait_until(lambda: room(peer) == (4, 6))
        assert come(peer, OTHERS[:6]).accepted == 6
        assert verdicts(peer, *TEN[:6]) == ["UNTRACKED"] * 6


def test_worker_in_mid_insert_is_named_and_only_those_wait_who_need_the_slots(
    tmp_path: Path,
) -> None:
    with serving(tmp_path / "data", *SMALL) as server, peer_of(server, worker=0) as peer:
        hold_up(server, peer)
        assert "3 numbers that left are held up by worker-1 for" in status_of(server)["room"]
        numbers = {"numbers": TEN[3:4]}
        with pytest.raises(grpc.RpcError) as caught:
            come(peer, OTHERS[:1])
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert reason_of(caught.value) == "KEEPER"
        assert has_retry_info(caught.value)
        assert "held up by worker-1" in caught.value.details()
        call_now(peer, *TEN[3:])  # others go on
        assert ask(peer, "HoldNumbers", **numbers).changed == TEN[3:4]
        assert ask(peer, "UnholdNumbers", **numbers).changed == TEN[3:4]
        assert come(peer, TEN[3:4]).already_quarantined == 1
        assert reason_of(refusal(peer, "GetNumber", number=1)) == "BAD_FIELD"
        mark_insert(server, 1, 0)
        assert come(peer, OTHERS[:3]).accepted == 3
        assert status_of(server)["room"] == "for 0 numbers"


def test_worker_that_is_stopped_in_mid_insert_is_replaced_and_the_slots_are_given_on(
    tmp_path: Path,
) -> None:
    with serving(tmp_path / "data", *SMALL) as server, peer_of(server, worker=0) as peer:
        hold_up(server, peer)
        before = server.starts("worker-1")
        os.kill(server.pid("worker-1"), signal.SIGSTOP)
        wait_until(lambda: server.starts("worker-1") > before)
        wait_until(lambda: room(peer) == (7, 3))
        assert come(peer, OTHERS[:3]).accepted == 3


def test_segment_that_is_taken_over_waits_for_no_insert_of_workers_that_died(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with killed(data, *SMALL, reboot=False) as server, peer_of(server, worker=0) as peer:
        hold_up(server, peer)
    with serving(data, "--workers", "1", "--capacity", "10") as server, peer_of(server) as peer:
        assert "recovered=memory" in server.ready_line
        wait_until(lambda: room(peer) == (7, 3))
        assert come(peer, OTHERS[:3]).accepted == 3
