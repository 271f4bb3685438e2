"""Reservations outlive the keeper and the server; numbers are explained while it is away."""

import os
import signal

import pytest
from support.asking import ask, new_pool, pages, put_policy, stock, verdicts
from support.server_process import peer_of, serving

from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow


def reserve(peer, pool, count, **fields):
    return ask(peer, "ReserveNumbers", pool=pool, count=count, **fields)


def found(peer, reservation):
    return ask(peer, "GetReservation", id=reservation.id)


def test_get_number_answers_without_a_keeper_and_leaves_its_part_out(own_server):
    with peer_of(own_server) as peer:
        put_policy(peer, "brisk")
        pool = new_pool(peer)
        asked = [447700900000, 447700900001]
        stock(peer, pool, asked)
        made = reserve(peer, pool, 1)
        assert ask(peer, "GetNumber", number=asked[0]).reservation == made.id
        keeper = own_server.pid("keeper")
        os.kill(keeper, signal.SIGSTOP)
        try:
            for number, word in zip(asked, ("RESERVED", "CLEAN"), strict=True):
                got = ask(peer, "GetNumber", number=number)
                assert types.Verdict.Name(got.verdict) == f"VERDICT_{word}"
                assert (got.reservation, got.queue_position) == ("", 0)
        finally:
            os.kill(keeper, signal.SIGCONT)


def test_reservations_and_request_ids_outlive_the_keeper_and_the_server(tmp_path):
    data = tmp_path / "data"
    asked = [447700900000 + index for index in range(6)]
    fields = {"count": 2, "request_id": "lasting", "actor": "bss"}
    with serving(data, "--workers", "2", "--capacity", "100") as server, peer_of(server) as peer:
        put_policy(peer, "brisk")
        pool = new_pool(peer)
        stock(peer, pool, asked)
        made = reserve(peer, pool, **fields)
        other = reserve(peer, pool, 1)
        ended = ask(peer, "CancelReservation", id=reserve(peer, pool, 1).id)
        server.kill("keeper")
        assert reserve(peer, pool, **fields) == made
        assert [found(peer, each) for each in (made, other, ended)] == [made, other, ended]
        assert verdicts(peer, *asked) == ["RESERVED"] * 3 + ["CLEAN"] * 3
    with serving(data, "--workers", "2", "--capacity", "100") as server, peer_of(server) as peer:
        assert reserve(peer, pool, **fields) == made
        confirmed = ask(peer, "ConfirmReservation", id=made.id)
        assert list(confirmed.numbers) == asked[:2]
        assert ask(peer, "GetNumber", number=asked[2]).reservation == other.id
        assert list(reserve(peer, pool, 3).numbers) == asked[3:]
    with serving(data, "--workers", "2", "--capacity", "100") as server, peer_of(server) as peer:
        assert found(peer, made) == confirmed
        assert [entry.id for entry in pages(peer, "ListReservations", "reservations")][:3] == [
            made.id,
            other.id,
            ended.id,
        ]


def test_nearly_ten_thousand_numbers_are_reserved_and_confirmed_at_once(own_server):
    asked = list(range(999_000_000_000, 999_000_009_900))
    with peer_of(own_server) as peer:
        put_policy(peer, "brisk")
        pool = new_pool(peer)
        stock(peer, pool, asked)
        made = reserve(peer, pool, 10_000, allow_partial=True)
        assert list(made.numbers) == asked
        assert ask(peer, "ConfirmReservation", id=made.id).count == len(asked)
        assert verdicts(peer, asked[0], asked[-1]) == ["ASSIGNED"] * 2
