"""Reservations whose callers have gone, on a real server whose sweeps take long."""

import time

import grpc
import pytest
from support.asking import ask, new_pool, put_policy, refusal, stock
from support.server_process import DEADLINE_S, peer_of, reason_of, serving

from ringfence.v1 import number_service_pb2 as pb

pytestmark = pytest.mark.slow

SLOW_SWEEPS = (
    "from ringfence.server.keeper.queue import scanner; scanner.PAUSE_S = 0.2;"
    "from ringfence.cli import main; main(prog_name='ringfence')"
)
GONE = 200  # one sweep for each would take 40 s


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("slow") / "data"
    options = ("--workers", "1", "--capacity", "1000")
    with serving(data, *options, program=("-c", SLOW_SWEEPS)) as running:
        with peer_of(running) as peer:
            put_policy(peer, "brisk")
        yield running


def leave(peer, pool, **waiting):
    """So many reservations, each for another prefix, whose callers do not wait for the answer."""
    calls = [
        peer.numbers.ReserveNumbers.future(
            pb.ReserveNumbersRequest(pool=pool, count=1, prefix=str(1_000 + index)), **waiting
        )
        for index in range(GONE)
    ]
    if not waiting:
        time.sleep(1)  # most have arrived: those that have not are nobody's burden either
    for call in calls:
        if not waiting:
            call.cancel()
        with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)):
            call.result(DEADLINE_S)


@pytest.mark.parametrize("waiting", [{}, {"timeout": 1.0}], ids=["cancelled", "deadline passed"])
def test_callers_that_have_gone_keep_nobody_waiting(peer, fresh_numbers, waiting):
    pool, numbers = new_pool(peer), fresh_numbers(2)
    stock(peer, pool, numbers)
    leave(peer, new_pool(peer), **waiting)
    made = ask(peer, "ReserveNumbers", pool=pool, count=1, prefix=str(numbers[1]))
    assert list(made.numbers) == numbers[1:]
    assert reason_of(refusal(peer, "ReserveNumbers", pool=pool, count=2)) == "TOO_FEW_CLEAN"
