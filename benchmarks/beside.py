"""How long a short check takes beside long reads of others: ratios to the same check alone.

    python benchmarks/beside.py --numbers 1000000

A real server with one worker. One client checks ten numbers, one call after the other; others do
nothing, or check 100,000 numbers a call, list pages of 10,000, or read pages of the history, each
in a loop. Between any two of these the client is alone again: ratios are to all of before and
after, as a machine is never twice the same.

The control is the same load at another server of the machine, which shares its cores but none of
the first one's processes: what that costs is not the server's to mend.

Not measured: more workers, each of which has its own clients; a network.
"""

import argparse
import multiprocessing
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
import numpy.typing as npt
from feeds import CHANNEL_OPTIONS, FIRST_NUMBER
from rich.console import Console
from server_processes import Server, machine

from ringfence.v1 import number_service_pb2 as pb

CHECKED = 10
LONG_CHECK = 100_000
PAGE = 10_000
DEADLINE_S = 120.0
SERVICE = "/ringfence.v1.NumberService/"
OPTIONS = (*CHANNEL_OPTIONS, ("grpc.max_receive_message_length", -1))

Milliseconds = npt.NDArray[np.float64]


class Load(NamedTuple):
    """What others do meanwhile."""

    said: str
    clients: int
    method: str
    request: bytes


def loads(numbers: int) -> Iterator[Load]:
    """All of them, in the order of the table."""
    checked = range(FIRST_NUMBER, FIRST_NUMBER + min(numbers, LONG_CHECK))
    check = pb.CheckNumbersRequest(numbers=checked).SerializeToString()
    listed = pb.ListNumbersRequest(page_size=PAGE).SerializeToString()
    history = pb.ListHistoryRequest(page_size=PAGE).SerializeToString()
    yield Load(f"1 checks {len(checked):,} numbers a call", 1, "CheckNumbers", check)
    yield Load(f"16 check {len(checked):,} numbers a call", 16, "CheckNumbers", check)
    yield Load(f"16 list pages of {PAGE:,}", 16, "ListNumbers", listed)
    yield Load(f"16 read pages of the history of {PAGE:,}", 16, "ListHistory", history)


def caller(channel: grpc.Channel, method: str) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    """A method of NumberService whose messages stay bytes: the client has little to do."""
    return channel.unary_unary(SERVICE + method)


def keep_asking(address: str, load: Load, ready: Event, stop: Event) -> None:
    """The others: each asks again when it has its answer."""
    answered = threading.Semaphore(0)

    def ask_on() -> None:
        with grpc.insecure_channel(address, options=OPTIONS) as channel:
            ask = caller(channel, load.method)
            while not stop.is_set():
                ask(load.request, timeout=DEADLINE_S)
                answered.release()

    threads = [threading.Thread(target=ask_on) for _ in range(load.clients)]
    for thread in threads:
        thread.start()
    for _ in threads:
        answered.acquire()
    ready.set()
    for thread in threads:
        thread.join()


def checks(address: str, seconds: float) -> Milliseconds:
    """Of each short check, for so long."""
    request = pb.CheckNumbersRequest(
        numbers=range(FIRST_NUMBER, FIRST_NUMBER + CHECKED)
    ).SerializeToString()
    taken = []
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        check = caller(channel, "CheckNumbers")
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            check(request, timeout=DEADLINE_S)
            taken.append((time.perf_counter() - began) * 1_000)
    return np.array(taken)


def checks_beside(address: str, others_at: str, load: Load, seconds: float) -> Milliseconds:
    """The same, while others do something at a server."""
    spawn = multiprocessing.get_context("spawn")
    ready, stop = spawn.Event(), spawn.Event()
    others = spawn.Process(target=keep_asking, args=(others_at, load, ready, stop))
    others.start()
    try:
        while not ready.wait(1.0):
            if not others.is_alive():
                raise SystemExit(f"those beside have ended: {load.said}")
        return checks(address, seconds)
    finally:
        stop.set()
        others.join()


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--numbers", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each row")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    asked = parser.parse_args()
    console = Console(stderr=True)
    rows: list[tuple[str, Milliseconds, Milliseconds, Milliseconds]] = []
    options = ("--capacity", str(asked.numbers), "--workers", "1")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder, ExitStack() as servers:
        server, control = (Server(Path(folder, name), *options) for name in ("data", "control"))
        for each in (server, control):
            servers.callback(each.stop)
            console.print(f"quarantining {asked.numbers:,} numbers")
            each.quarantine(asked.numbers)
        alone = checks(server.address, asked.seconds)
        for load in loads(asked.numbers):
            console.print(load.said)
            beside, elsewhere = (
                checks_beside(server.address, at.address, load, asked.seconds)
                for at in (server, control)
            )
            before, alone = alone, checks(server.address, asked.seconds)
            rows.append((load.said, np.concatenate([before, alone]), beside, elsewhere))
    print(f"command: python {shlex.join(sys.argv)}\nmachine: {machine()}\n")
    print("| others | alone: median, p99 ms | beside | control | median to alone | p99 | control |")
    print("|---|---|---|---|---|---|---|")
    for said, *taken in rows:
        (median, p99), (slow, slow99), (other, other99) = (
            np.percentile(each, (50, 99)) for each in taken
        )
        print(
            f"| {said} | {median:.2f}, {p99:.2f} | {slow:.2f}, {slow99:.2f}"
            f" | {other:.2f}, {other99:.2f} | {slow / median:.1f} | {slow99 / p99:.1f}"
            f" | {other99 / p99:.1f} |"
        )


if __name__ == "__main__":
    main()
