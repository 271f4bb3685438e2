"""Floods of calls: who sends them waits or is refused, and the calls of others are answered."""

import time

import pytest
from support.raw_http2 import RawConnection, pumping
from support.server_process import DEADLINE_S, Peer, peer_of, serving, wait_until

from ringfence.server.config.address import parse_address
from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

CHECK = "/ringfence.v1.NumberService/CheckNumbers"
CONNECTIONS = 8
CALLS = 1_000
RESETTING_S = 4.0


def is_answered(peer: Peer) -> bool:
    """Whether somebody else's call is; an error fails the test."""
    request = numbers.CheckNumbersRequest(numbers=[447700900000])
    return bool(peer.numbers.CheckNumbers(request, timeout=4 * DEADLINE_S).verdicts)


def test_eight_thousand_calls_at_once_are_all_answered_and_those_of_others_too(tmp_path):
    with (
        serving(tmp_path / "data", "--workers", "1", "--capacity", "1000") as server,
        peer_of(server) as other,
    ):
        address = parse_address(server.address)
        flood = [RawConnection(address) for _ in range(CONNECTIONS)]
        for connection in flood:
            for _ in range(CALLS):
                connection.send_message(connection.begin_call(CHECK), 0, 0, end=True)
        with pumping(flood, lambda: None):
            for _ in range(20):
                assert is_answered(other)
            wait_until(lambda: sum(each.answered + each.resets for each in flood) == 8_000)
        assert sum(each.resets for each in flood) == 0
        assert server.deaths == []


def test_calls_that_are_begun_and_reset_without_a_break_keep_no_other_from_its_answer(tmp_path):
    with (
        serving(tmp_path / "data", "--workers", "1", "--capacity", "1000") as server,
        peer_of(server) as other,
    ):
        address = parse_address(server.address)
        flood = [RawConnection(address) for _ in range(CONNECTIONS)]
        begun = 0

        def begin_and_reset() -> None:
            nonlocal begun
            for connection in flood:
                for _ in range(0 if connection.waits else 100):
                    connection.reset(connection.begin_call(CHECK))
                    begun += 1

        until = time.monotonic() + RESETTING_S
        with pumping(flood, begin_and_reset):
            while time.monotonic() < until:
                assert is_answered(other)
        print(f"begun={begun}, refused={sum(each.resets for each in flood)}")
        assert begun > CONNECTIONS * CALLS
        assert server.deaths == []
