"""Events per second through gRPC on loopback, and what of the engine's own speed arrives there.

    python benchmarks/stream.py --workers 1 2 --clients 1

For each number of workers a server is started; each worker gets `--clients` client processes, each
with one stream that keeps `--ahead` batches unanswered. The engine alone does the same batches,
from the bytes of the message to the bytes of the answer, in one process of the same run.

A batch is answered when the journal, in a temporary folder, holds it.

Not measured: a network; TLS; other disks than that folder's; unary calls and small batches, whose
cost is per message (try `--events 100`); more numbers than `--numbers`. Clients and
server share the machine, so with few cores it is the sum of both that is seen.
"""

import argparse
import multiprocessing
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

import grpc
import numpy as np

from ringfence.engine.control import TableWriter
from ringfence.engine.core import Engine
from ringfence.engine.segment import Segment
from ringfence.engine.settings import Policy, Pool, Rule
from ringfence.engine.wire import EventDecoder, encode_events_answer
from ringfence.engine.words import Measure
from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc

FIRST_NUMBER = 999_000_000_000  # country code 999 belongs to nobody
FIRST_CALLER = 999_500_000_000
LONG_AGO = 1_700_000_000
BATCHES = 16  # different ones, sent in turn
SEED = 20_260_101
STREAM = "/ringfence.v1.EventService/StreamEvents"
CHANNEL_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


def make_batches(options: argparse.Namespace, client: int) -> list[bytes]:
    """Encoded batches of calls at random numbers in the last 30 days."""
    chance = np.random.default_rng(SEED + client)
    now = int(time.time())
    count = options.events
    return [
        events.StreamEventsRequest(
            feed="benchmark",
            sequence=sequence,
            called=(FIRST_NUMBER + chance.integers(0, options.numbers, count)).tolist(),
            caller=(FIRST_CALLER + chance.integers(0, 1_000_000, count)).tolist(),
            occurred_at=(now - chance.integers(0, 30 * 86_400, count)).tolist(),
            kind=chance.integers(1, 7, count).tolist(),
        ).SerializeToString()
        for sequence in range(BATCHES)
    ]


def run_client(
    address: str, worker: int, client: int, options: argparse.Namespace, pipe: Connection
) -> None:
    """Streams to one worker from `go` until the time is over; sends events answered and seconds."""
    batches = make_batches(options, client)
    channel = _channel_to(address, worker)
    ahead = threading.Semaphore(options.ahead)
    pipe.send("ready")
    pipe.recv()
    began = time.monotonic()

    def requests() -> Iterator[bytes]:
        sent = 0
        while time.monotonic() - began < options.seconds:
            ahead.acquire()
            yield batches[sent % BATCHES]
            sent += 1

    answered = 0
    for _ in channel.stream_stream(STREAM)(requests()):
        answered += options.events
        ahead.release()
    pipe.send((answered, time.monotonic() - began))
    channel.close()


def _channel_to(address: str, worker: int) -> grpc.Channel:
    """A connection to a certain worker: the kernel deals them out, so ask until it is that one."""
    while True:
        channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        call = channel.stream_stream(STREAM)(iter([b"\x0a\x01f"]), wait_for_ready=True)
        list(call)
        if dict(call.initial_metadata())["ringfence-worker"] == str(worker):
            return channel
        channel.close()


def measure_server(workers: int, options: argparse.Namespace) -> float:
    """Events per second that a server with so many workers answers."""
    with tempfile.TemporaryDirectory(prefix="ringfence-benchmark-") as folder:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "ringfence.server.cli", "serve"),
                *("--data", str(Path(folder, "data")), "--listen", "127.0.0.1:0"),
                *("--workers", str(workers), "--capacity", str(options.numbers)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[2]
            with grpc.insecure_channel(address) as channel:
                stub = commands_grpc.QuarantineServiceStub(channel)
                stub.QuarantineNumbers(_quarantine(options.numbers))
                rate, answered = _run_clients(address, workers, options)
                held = stub.GetStatus(commands.GetStatusRequest()).events_total
            if held != answered:
                raise SystemExit(f"answered is not held: answered={answered}, held={held}")
            return rate
        finally:
            server.terminate()
            server.communicate()


def _quarantine(numbers: int) -> Iterator[commands.QuarantineNumbersRequest]:
    for first in range(0, numbers, 65_536):
        yield commands.QuarantineNumbersRequest(
            numbers=range(FIRST_NUMBER + first, FIRST_NUMBER + min(first + 65_536, numbers)),
            pool="default",
            quarantined_at=[LONG_AGO],
        )


def _run_clients(address: str, workers: int, options: argparse.Namespace) -> tuple[float, int]:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for client in range(workers * options.clients):
        pipe, its_pipe = context.Pipe()
        process = context.Process(
            target=run_client, args=(address, client % workers, client, options, its_pipe)
        )
        process.start()
        pipes.append(pipe)
        processes.append(process)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    results = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return sum(count / seconds for count, seconds in results), sum(count for count, _ in results)


def measure_engine(options: argparse.Namespace) -> float:
    """Events per second of the engine alone, from message bytes to answer bytes."""
    segment = Segment.create(None, capacity_numbers=options.numbers)
    writer = TableWriter(segment)
    writer.publish(
        [Policy("default", (Rule(Measure.EVENTS, 86_400, 3),))], [Pool("default", "default")]
    )
    numbers = np.arange(FIRST_NUMBER, FIRST_NUMBER + options.numbers, dtype=np.uint64)
    begun = np.full(options.numbers, LONG_AGO, np.uint32)
    reason = np.zeros(options.numbers, np.uint8)
    now = int(time.time())
    writer.quarantine(
        numbers, pool=0, quarantined_at=begun, observed_since=begun, reason=reason, now=now
    )
    engine = Engine(segment, caller_key=bytes(16))
    decoder = EventDecoder()
    batches = make_batches(options, 0)
    done, began = 0, time.monotonic()
    while time.monotonic() - began < options.seconds:
        decoder.decode(batches[done % BATCHES])
        inserted = engine.insert_decoded(decoder, now=now)
        encode_events_answer(
            decoder.sequence,
            inserted.accepted,
            inserted.untracked,
            inserted.rejected,
            inserted.rejections,
            0,
        )
        done += 1
    return done * options.events / (time.monotonic() - began)


def _machine() -> str:
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return (
        f"{', '.join(sorted(models)) or platform.machine()}, {len(os.sched_getaffinity(0))} cores,"
        f" Linux {platform.release()}, Python {platform.python_version()},"
        f" grpcio {version('grpcio')}"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--clients", type=int, default=1, help="client processes for each worker")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure")
    parser.add_argument("--events", type=int, default=16_384, help="events in a batch, <= 65,536")
    parser.add_argument("--numbers", type=int, default=1_000_000, help="numbers in quarantine")
    parser.add_argument("--ahead", type=int, default=4, help="batches unanswered on each stream")
    parser.add_argument("--smoke", action="store_true", help="as small as it can be")
    options = parser.parse_args()
    if options.smoke:
        options.workers, options.seconds, options.events, options.numbers = [1], 0.2, 500, 1_000
    print("command:", shlex.join(["python", *sys.argv]))
    print("machine:", _machine())
    alone = measure_engine(options)
    print(f"engine alone, 1 process: {alone:,.0f} events/s")
    for workers in options.workers:
        rate = measure_server(workers, options)
        print(
            f"gRPC, {workers} workers, {workers * options.clients} clients: {rate:,.0f} events/s,"
            f" {rate / alone:.2f} of the engine alone"
        )


if __name__ == "__main__":
    main()
