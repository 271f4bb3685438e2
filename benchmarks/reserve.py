"""Milliseconds that reservations take, from a pool of many clean numbers.

    python benchmarks/reserve.py --numbers 10000000 --folder /var/tmp

A real server is filled through gRPC with numbers that are clean at once. Then one allocator
reserves and cancels, one call after the other: 1, 100 and 10,000 of the oldest ones, which the
queue has; and one number by a prefix that the front of the queue lacks, which takes a sweep of the
whole table. Each answer is durable when it comes.

Not measured: many allocators at once (see tests/server/keeper/test_reservation_storm.py), other
disks, a network.
"""

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
from feeds import FIRST_NUMBER
from rich.console import Console
from server_processes import STEP, Server, machine

from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc

Milliseconds = npt.NDArray[np.float64]

AGE_S = 200 * 86_400
DEADLINE_S = 60.0
COUNTS = (1, 100, 10_000)
SWEEPS = 5


def clean_numbers(numbers: int) -> Iterator[commands.QuarantineNumbersRequest]:
    """Numbers whose whole quarantine was listened to, each batch a second later than the last."""
    began = int(time.time()) - AGE_S
    for index, first in enumerate(range(0, numbers, STEP)):
        yield commands.QuarantineNumbersRequest(
            numbers=range(FIRST_NUMBER + first, FIRST_NUMBER + min(first + STEP, numbers)),
            pool="default",
            quarantined_at=[began + index],
            observed_since=[began + index],
        )


def timed(
    times: int, reserve: Callable[[], pb.Reservation], cancel: Callable[[str], object]
) -> Milliseconds:
    """Of each reservation; each is cancelled, so that the next finds the same."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        reservation = reserve()
        taken.append((time.perf_counter() - began) * 1_000)
        cancel(reservation.id)
    return np.array(taken)


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--numbers", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=50, help="reservations of each size")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    asked = parser.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        server = Server(Path(folder, "data"), "--capacity", str(asked.numbers))
        try:
            with grpc.insecure_channel(server.address) as channel:
                console.print(f"quarantining {asked.numbers:,} numbers")
                commands_grpc.QuarantineServiceStub(channel).QuarantineNumbers(
                    clean_numbers(asked.numbers)
                )
                rows = list(measured(numbers_grpc.NumberServiceStub(channel), asked))
        finally:
            server.stop()
    print(f"command: python {shlex.join(sys.argv)}\nmachine: {machine()}\n")
    print("| reserved | how | median ms | p99 ms | most ms |\n|---|---|---|---|---|")
    for count, how, taken in rows:
        figures = (np.median(taken), np.percentile(taken, 99), taken.max())
        print("|", " | ".join([f"{count:,}", how, *(f"{each:.1f}" for each in figures)]), "|")


def measured(
    stub: numbers_grpc.NumberServiceStub, asked: argparse.Namespace
) -> Iterator[tuple[int, str, Milliseconds]]:
    """Each way of reserving, and its milliseconds."""

    def cancel(reservation: str) -> object:
        return stub.CancelReservation(
            pb.CancelReservationRequest(id=reservation), timeout=DEADLINE_S
        )

    def reserve(**fields: object) -> pb.Reservation:
        request = pb.ReserveNumbersRequest(pool="default", **fields)
        reservation: pb.Reservation = stub.ReserveNumbers(request, timeout=DEADLINE_S)
        return reservation

    cancel(reserve(count=1).id)  # the first one waits for the first sweep
    for count in COUNTS:
        taken = timed(asked.times, lambda count=count: reserve(count=count), cancel)
        yield count, "the oldest, no sweep", taken
    last = FIRST_NUMBER + asked.numbers - 1
    prefixes = map(str, range(last, last - SWEEPS, -1))
    taken = timed(SWEEPS, lambda: reserve(count=1, prefix=next(prefixes)), cancel)
    yield 1, "by a prefix, with a sweep", taken


if __name__ == "__main__":
    main()
