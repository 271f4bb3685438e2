"""The HEP adapter as a registered feed: killed and started again, it leaves exactly the gap."""

import os
import signal
import socket
import time

import pytest
from support.hep_adapter import Adapter, adapter
from support.server_process import Peer, ServerProcess, peer_of, wait_until
from support.switch_traffic import hep, sip
from support.told_claims import gaps_of, put_feed, status_of

from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

FEED = "sip-1"
CALLED = 447700900123


def report(running: Adapter, call: int) -> None:
    """The switch reports a call that comes in now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        frame = hep(sip(call_id=f"c{call}@caller.example"), at=int(time.time()))
        udp.sendto(frame, running.address)


def watermark(peer: Peer) -> int:
    return status_of(peer, FEED).watermark.seconds


def events_total(peer: Peer) -> int:
    answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=CALLED), timeout=10)
    return answer.events_total


def test_adapter_that_was_killed_leaves_a_gap_from_its_last_claim_to_its_next_start(
    own_server: ServerProcess,
) -> None:
    with peer_of(own_server) as peer:
        put_feed(peer, FEED, silence_max={"seconds": 86_400})
        peer.quarantine([CALLED], quarantined_at=[int(time.time()) - 1_000])
        with adapter(own_server.address, "--lateness", "0") as running:
            began = int(time.time())
            calls = 0

            def calls_grow_coverage(since: int) -> bool:
                nonlocal calls
                calls += 1
                report(running, calls)
                time.sleep(0.1)
                return watermark(peer) >= since + 2

            wait_until(lambda: calls_grow_coverage(began))
            assert gaps_of(peer, FEED) == []
            wait_until(lambda: events_total(peer) == calls)
            seen = watermark(peer)
            os.kill(running.process.pid, signal.SIGKILL)
            running.process.wait()
        killed_at = time.time()
        wait_until(lambda: time.time() >= killed_at + 2)  # nobody listens
        before = time.time()
        with adapter(own_server.address, "--lateness", "0") as running:
            ready = time.time()
            wait_until(lambda: calls_grow_coverage(int(ready)))
            code, said = running.stop()
            assert code == 0, said
        ((lost_from, lost_until),) = gaps_of(peer, FEED)
        assert seen <= lost_from <= killed_at
        assert before <= lost_until <= ready + 1
        wait_until(lambda: status_of(peer, FEED).events_last_day == calls)
        assert events_total(peer) == calls
