"""Events per second through gRPC on loopback: with the journal, without it, and the engine alone.

    python benchmarks/stream.py --workers 1 2 --events 16384 256

For each number of workers and each size of the batch a server is started; each worker gets
`--clients` client processes, each with one stream that keeps `--ahead` batches unanswered, as many
as EventStream does. A batch is answered when the journal, in a temporary folder, holds it. Without
the journal it is the same server with workers that keep nothing (`serve_unjournalled.py`). Both
take turns, `--turns` times each; the medians count. The engine alone does the same batches, from
the bytes of the message to the bytes of the answer, in one process of the same run.

Not measured: a network; TLS; other disks than that folder's (`--folder`); unary calls; more numbers
than `--numbers`. Clients and server share the machine, so with few cores it is the sum of both that
is seen: what the clients take is not there for the server, with the journal or without it.
"""

import argparse
import multiprocessing
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from feeds import FIRST_NUMBER, channel_to, make_messages, send
from server_processes import LONG_AGO, SERVE, Server, machine, segment_as_served

from ringfence.engine.events.inserter import EventInserter
from ringfence.engine.events.wire import EventDecoder, encode_events_answer
from ringfence.engine.settings.policy import Policy, Pool, Rule
from ringfence.engine.settings.writing import publish_settings
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import Measure

BATCHES_EVENTS = 262_144  # different ones, sent in turn
SEED = 20_260_101
SERVE_UNJOURNALLED = (str(Path(__file__).with_name("serve_unjournalled.py")),)


def make_batches(options: argparse.Namespace, size: int, client: int) -> list[bytes]:
    """Encoded batches of calls at random numbers in the last 30 days."""
    return list(
        islice(make_messages(options.numbers, size, SEED + client), -(-BATCHES_EVENTS // size))
    )


def run_client(
    address: str,
    worker: int,
    pipe: Connection,
    *,
    client: int,
    size: int,
    options: argparse.Namespace,
) -> None:
    """Streams to one worker from `go` until the time is over; sends events answered and seconds."""
    batches = make_batches(options, size, client)
    channel = channel_to(address, worker)
    pipe.send("ready")
    pipe.recv()
    began = time.monotonic()

    def messages() -> Iterator[bytes]:
        for message in cycle(batches):
            if time.monotonic() - began >= options.seconds:
                return
            yield message

    answered = sum(size for _ in send(channel, messages(), options.ahead))
    pipe.send((answered, time.monotonic() - began))
    channel.close()


def measure_server(
    workers: int, size: int, options: argparse.Namespace, program: Sequence[str]
) -> float:
    """Events per second that a server with so many workers answers."""
    with tempfile.TemporaryDirectory(prefix="ringfence-benchmark-", dir=options.folder) as folder:
        server = Server(
            Path(folder, "data"),
            *("--workers", str(workers), "--capacity", str(options.numbers)),
            program=program,
        )
        try:
            server.quarantine(options.numbers)
            rate, answered = _run_clients(server.address, workers, size, options)
            held = server.status().events_total
            if held != answered:
                raise SystemExit(f"answered is not held: answered={answered}, held={held}")
            return rate
        finally:
            server.stop()


def _run_clients(
    address: str, workers: int, size: int, options: argparse.Namespace
) -> tuple[float, int]:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for client in range(workers * options.clients):
        pipe, its_pipe = context.Pipe()
        process = context.Process(
            target=run_client,
            args=(address, client % workers, its_pipe),
            kwargs={"client": client, "size": size, "options": options},
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


def measure_engine(size: int, options: argparse.Namespace) -> float:
    """Events per second of the engine alone, from message bytes to answer bytes."""
    segment = segment_as_served(options.numbers)
    writer = TableWriter(segment)
    publish_settings(
        segment,
        [Policy("default", (Rule(Measure.EVENTS, 86_400, 3),))],
        [Pool("default", "default")],
    )
    numbers = np.arange(FIRST_NUMBER, FIRST_NUMBER + options.numbers, dtype=np.uint64)
    begun = np.full(options.numbers, LONG_AGO, np.uint32)
    reason = np.zeros(options.numbers, np.uint8)
    now = int(time.time())
    writer.quarantine(
        numbers, pool=0, quarantined_at=begun, observed_since=begun, reason=reason, now=now
    )
    inserter = EventInserter(segment, caller_key=bytes(16))
    decoder = EventDecoder()
    done, began = 0, time.monotonic()
    for message in cycle(make_batches(options, size, 0)):
        decoder.decode(message)
        inserted = inserter.insert_decoded(decoder, now=now)
        encode_events_answer(
            decoder.sequence,
            inserted.accepted,
            inserted.untracked,
            inserted.rejected,
            inserted.rejections,
            0,
        )
        done += 1
        if time.monotonic() - began >= options.seconds:
            break
    return done * size / (time.monotonic() - began)


def measure(workers: int, size: int, options: argparse.Namespace) -> None:
    """One row of the table."""
    journalled, unjournalled = [], []
    for _ in range(options.turns):
        journalled.append(measure_server(workers, size, options, SERVE))
        unjournalled.append(measure_server(workers, size, options, SERVE_UNJOURNALLED))
    alone = measure_engine(size, options)
    rate, rate_without = statistics.median(journalled), statistics.median(unjournalled)
    print(
        f"| {workers} | {workers * options.clients} | {size:,} | {rate:,.0f} | {rate_without:,.0f}"
        f" | {rate / rate_without:.2f} | {rate / alone:.2g} |",
        flush=True,
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--clients", type=int, default=1, help="client processes for each worker")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    parser.add_argument(
        "--events", type=int, nargs="+", default=[16_384, 256], help="in a batch, <= 65,536"
    )
    parser.add_argument("--numbers", type=int, default=1_000_000, help="numbers in quarantine")
    parser.add_argument("--ahead", type=int, default=16, help="batches unanswered on each stream")
    parser.add_argument("--turns", type=int, default=3, help="servers of each kind for a figure")
    parser.add_argument("--folder", type=Path, default=None, help="where the journals are")
    parser.add_argument("--smoke", action="store_true", help="as small as it can be")
    options = parser.parse_args()
    if options.smoke:
        options.workers, options.events, options.turns = [1], [500], 1
        options.seconds, options.numbers = 0.2, 1_000
    print("command:", shlex.join(["python", *sys.argv]))
    print("machine:", machine())
    print("\n| workers | clients | batch | events/s | without journal | ratio | to engine alone |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for workers in options.workers:
        for size in options.events:
            measure(workers, size, options)


if __name__ == "__main__":
    main()
