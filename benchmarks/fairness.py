"""Milliseconds that one allocator's reservations take beside the commands of others.

    python benchmarks/fairness.py --numbers 400000 --folder /var/tmp

A real server is filled with numbers that are clean at once. One allocator reserves and cancels one
number, one call after the other: alone; beside four who hold and unhold 65,536 numbers a call in a
loop; and beside many small commands of one in flight. What the others have done in that time stands
beside it, as more of theirs would slow anybody. Each answer is durable when it comes.

Not measured: workers beside each other, a network, other disks.
"""

import argparse
import asyncio
import multiprocessing
import shlex
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
from feeds import FIRST_NUMBER
from reserve import clean_numbers
from server_processes import STEP, Server, machine

from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc

DEADLINE_S = 60.0
HOLDERS = 4
WARM_S = 1.0
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)
ALLOCATOR, OTHERS = ((("ringfence-actor", name),) for name in ("allocator", "others"))

Load = Callable[[commands_grpc.QuarantineServiceStub, int, "Synchronized[int]"], Awaitable[None]]
"""Calls without an end; counts what was answered."""


async def hold(
    stub: commands_grpc.QuarantineServiceStub, index: int, done: "Synchronized[int]"
) -> None:
    """Holds and unholds a block of its own."""
    first = FIRST_NUMBER + index * STEP
    numbers = range(first, first + STEP)
    while True:
        for call, request in (
            (stub.HoldNumbers, commands.HoldNumbersRequest(numbers=numbers)),
            (stub.UnholdNumbers, commands.UnholdNumbersRequest(numbers=numbers)),
        ):
            await call(request, timeout=DEADLINE_S, metadata=OTHERS)
            done.value += 1


async def hold_one(
    stub: commands_grpc.QuarantineServiceStub, index: int, done: "Synchronized[int]"
) -> None:
    """Holds a number that is held already."""
    request = commands.HoldNumbersRequest(numbers=[FIRST_NUMBER + index])
    while True:
        await stub.HoldNumbers(request, timeout=DEADLINE_S, metadata=OTHERS)
        done.value += 1


async def reservations(address: str, times: int) -> npt.NDArray[np.float64]:
    """How long each took."""
    taken = []
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        stub = numbers_grpc.NumberServiceStub(channel)
        for _ in range(times):
            began = time.perf_counter()
            made = await stub.ReserveNumbers(
                pb.ReserveNumbersRequest(pool="default", count=1),
                timeout=DEADLINE_S,
                metadata=ALLOCATOR,
            )
            taken.append((time.perf_counter() - began) * 1_000)
            await stub.CancelReservation(
                pb.CancelReservationRequest(id=made.id), timeout=DEADLINE_S, metadata=ALLOCATOR
            )
    return np.array(taken)


async def keep_asking(
    address: str, load: Load, count: int, channels: int, done: "Synchronized[int]"
) -> None:
    """The others: so many loads, until the process is told to end."""
    opened = [grpc.aio.insecure_channel(address, options=OPTIONS) for _ in range(channels)]
    stubs = [commands_grpc.QuarantineServiceStub(channel) for channel in opened]
    await asyncio.gather(*(load(stubs[index % channels], index, done) for index in range(count)))


def run_others(
    address: str, load: Load, count: int, channels: int, done: "Synchronized[int]"
) -> None:
    """A process of their own: what their calls cost a client delays nobody else's."""
    asyncio.run(keep_asking(address, load, count, channels, done))


def beside(
    address: str, times: int, load: Load, count: int, channels: int
) -> tuple[npt.NDArray[np.float64], float]:
    """The milliseconds of reservations beside so many loads, and commands of theirs a second."""
    spawn = multiprocessing.get_context("spawn")
    done = spawn.Value("q", 0)
    others = spawn.Process(target=run_others, args=(address, load, count, channels, done))
    others.start()
    while done.value < channels:
        if not others.is_alive():
            raise SystemExit("a command of the others failed")
        time.sleep(0.05)
    time.sleep(WARM_S)
    before, began = done.value, time.perf_counter()
    taken = asyncio.run(reservations(address, times))
    rate = (done.value - before) / (time.perf_counter() - began)
    if not others.is_alive():
        raise SystemExit("a command of the others failed")
    others.terminate()
    others.join()
    return taken, rate


def measured(address: str, asked: argparse.Namespace) -> None:
    """Prints the rows of the table."""
    asyncio.run(reservations(address, 1))  # the first one waits for the first sweep
    alone = asyncio.run(reservations(address, asked.times))
    row("alone", alone, alone, 0.0)
    taken, rate = beside(address, asked.times, hold, HOLDERS, HOLDERS)
    row(f"{HOLDERS} who hold and unhold {STEP:,}", taken, alone, rate)
    taken, rate = beside(address, asked.times, hold_one, asked.small, HOLDERS)
    row(f"{asked.small} small commands in flight", taken, alone, rate)


def row(
    name: str, taken: npt.NDArray[np.float64], alone: npt.NDArray[np.float64], rate: float
) -> None:
    """Prints a row."""
    medians = float(np.median(taken)), float(np.median(alone))
    figures = [f"{each:.1f}" for each in (medians[0], np.percentile(taken, 99))]
    print("|", " | ".join([name, *figures, f"{medians[0] / medians[1]:.1f}", f"{rate:.1f}"]), "|")


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--numbers", type=int, default=400_000, help="at least 327,680")
    parser.add_argument("--times", type=int, default=100, help="reservations of each row")
    parser.add_argument("--small", type=int, default=900, help="commands in flight")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    asked = parser.parse_args()
    if asked.numbers < (HOLDERS + 1) * STEP:
        parser.error(f"--numbers: value={asked.numbers}, bound={(HOLDERS + 1) * STEP} at least")
    print(f"command: python {shlex.join(sys.argv)}\nmachine: {machine()}\n")
    print(
        "| beside | median ms | p99 ms | to alone | commands of others/s |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        server = Server(Path(folder, "data"), "--capacity", str(asked.numbers))
        try:
            with grpc.insecure_channel(server.address) as channel:
                commands_grpc.QuarantineServiceStub(channel).QuarantineNumbers(
                    clean_numbers(asked.numbers)
                )
            measured(server.address, asked)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
