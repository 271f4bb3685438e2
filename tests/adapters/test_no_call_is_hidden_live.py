"""Whatever a running adapter is sent: a call is at the server, or its time is a gap."""

import itertools
import os
import socket
import time

import pytest
from hypothesis import Phase, given, settings
from support.hep_adapter import Adapter, adapter
from support.reported_calls import CALLS_MAX, FIRST, Arrival, reports
from support.server_process import Peer, ServerProcess, peer_of, wait_until
from support.switch_traffic import hep, sip
from support.told_claims import gaps_of, put_feed, status_of

from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

FEED = "sip-1"
EXAMPLES = min(int(os.environ.get("RINGFENCE_EXAMPLES", "24")), 200)
LAST = FIRST + 999
"""Called again and again, so that claims go on."""
UNDAMAGED = LAST - 1


def events_total(peer: Peer, number: int) -> int:
    answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=10)
    return answer.events_total


class Run:
    """One adapter and one server, and what the switches report to them."""

    def __init__(self, peer: Peer, running: Adapter) -> None:
        self._peer = peer
        self._running = running
        self._calls = itertools.count()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.events = self.losses = 0

    def send(self, datagram: bytes) -> int:
        """Sends it; the second in which that was."""
        now = int(time.time())
        self._udp.sendto(datagram, self._running.address)
        return now

    def claimed_until(self, at: int) -> bool:
        """Whether claims have gone on to there; lets them go on."""
        uri = f"sip:+{LAST}@switch.example"
        self.send(hep(sip(uri=uri, call_id=f"last-{next(self._calls)}"), at=int(time.time())))
        time.sleep(0.1)
        return bool(status_of(self._peer, FEED).watermark.seconds > at)

    def report(self, arrivals: list[Arrival]) -> None:
        seen: dict[int, int] = {}
        last = 0
        for arrival in arrivals:
            last = self.send(arrival.datagram)
            for number in arrival.calls:
                seen.setdefault(number, last)
        wait_until(lambda: self.claimed_until(last))
        gaps = gaps_of(self._peer, FEED)
        for number, at in seen.items():
            if any(began <= at < ended for began, ended in gaps):
                self.losses += 1
            else:
                self.wait_for_event(number)
                self.events += 1

    def hears_what_is_undamaged(self) -> bool:
        """Whether a call is an event when nothing damaged comes with it."""
        before = self.events
        uri, name = f"sip:+{UNDAMAGED}@switch.example", f"undamaged-{next(self._calls)}"
        datagram = hep(sip(uri=uri, call_id=name), at=int(time.time()))
        self.report([Arrival(0, datagram, frozenset({UNDAMAGED}))])
        return self.events > before

    def wait_for_event(self, number: int) -> None:
        wait_until(lambda: events_total(self._peer, number) > 0)

    def close(self) -> None:
        self._udp.close()


def test_a_reported_call_is_an_event_or_lost_time(own_server: ServerProcess) -> None:
    with peer_of(own_server) as peer:
        put_feed(peer, FEED, silence_max={"seconds": 86_400})
        everyone = list(range(FIRST, LAST + 1))
        peer.quarantine(everyone, quarantined_at=[int(time.time()) - 1_000])
        with adapter(own_server.address, "--lateness", "1") as running:
            run = Run(peer, running)
            firsts = itertools.count(FIRST, CALLS_MAX)
            wait_until(lambda: run.claimed_until(int(time.time()) - 5))

            @settings(max_examples=EXAMPLES, phases=(Phase.generate,), print_blob=True)
            @given(reports(lambda: (int(time.time()), next(firsts)), wait_s=0, ahead=False))
            def each(arrivals: list[Arrival]) -> None:
                run.report(arrivals)

            each()
            wait_until(run.hears_what_is_undamaged)
            run.close()
            code, said = running.stop()
            assert code == 0, said
        print(f"events={run.events} losses={run.losses}")
        assert run.losses, "a test that loses nothing proves little"
