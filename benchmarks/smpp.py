"""Short messages a second that the SMPP adapter reads, understands and answers on one core.

    python benchmarks/smpp.py

A gateway in this process binds to the adapter in another one, and keeps `--window` messages
without an answer. What counts are the CPU seconds of the adapter's process, all its threads: the
clock shows less where the gateway, or the server, has to share the cores. `alone` is the adapter
without a server: its events are safe at once. `served` is the command, beside a server with one
worker that journals each event before its message is answered.

`plain` are messages from numbers and names to numbers. Of `mixed` one in ten is a part of a long
message, and one in twenty each is a delivery receipt, a data_sm, or a submit_multi to three.

Not measured: a network, TLS, `--connect` (the same session reads it), many connections.
"""

import argparse
import random
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import smpp_adapter
from server_processes import Server, machine
from smpp_gateway import MIXES, Gateway, make_stream

WANTED = 50_000
"""Messages a second and core."""
NUMBERS = 100_000
SEED = 20_260_101
ADAPTER = ("-m", "ringfence.cli", "adapter", "smpp")


@contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An adapter's process, and its port."""
    with subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if "listen=" not in ready:
            raise SystemExit("the adapter does not start")
        yield process, int(ready.partition("listen=")[2].split()[0].rpartition(":")[2])
        process.terminate()
        process.wait()


def cpu_s(process: subprocess.Popen[str]) -> float:
    """CPU seconds of a process, all its threads."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9


def measure(
    process: subprocess.Popen[str], port: int, mix: str, options: argparse.Namespace
) -> tuple[float, float]:
    """Messages a second by the clock, and a CPU second of the adapter."""
    pdus = make_stream(mix, min(options.messages, 50_000), NUMBERS, random.Random(SEED))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        gateway = Gateway(connection, smpp_adapter.NAME, smpp_adapter.PASSWORD)
        gateway.run(pdus, options.messages // 10, options.window)  # caches are warm
        before, began = cpu_s(process), time.monotonic()
        gateway.run(pdus, options.messages, options.window)
        took, used = time.monotonic() - began, cpu_s(process) - before
        gateway.unbind()
    return options.messages / took, options.messages / used


def alone(mix: str, options: argparse.Namespace) -> tuple[float, float]:
    """The adapter without a server."""
    with started(smpp_adapter.__file__) as (process, port):
        return measure(process, port, mix, options)


def served(mix: str, options: argparse.Namespace) -> tuple[float, float]:
    """The command beside a real server."""
    with tempfile.TemporaryDirectory(prefix="ringfence-benchmark-", dir=options.folder) as folder:
        accounts = Path(folder, "accounts")
        accounts.write_text(f"{smpp_adapter.NAME} {smpp_adapter.PASSWORD}\n")
        server = Server(Path(folder, "data"), "--workers", "1", "--capacity", str(NUMBERS))
        try:
            server.quarantine(NUMBERS)
            with started(
                *(*ADAPTER, "--listen", "127.0.0.1:0", "--accounts", str(accounts)),
                *("--server", server.address, "--feed", "benchmark", "--country", "44"),
            ) as (process, port):
                return measure(process, port, mix, options)
        finally:
            server.stop()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=200_000, help="for each figure")
    parser.add_argument("--window", type=int, default=64, help="messages without an answer")
    parser.add_argument("--turns", type=int, default=3, help="of each; the median counts")
    parser.add_argument("--folder", type=Path, default=None, help="where the journal is")
    parser.add_argument("--smoke", action="store_true", help="as small as it can be")
    options = parser.parse_args()
    if options.smoke:
        options.messages, options.turns = 2_000, 1
    print("command:", shlex.join(["python", *sys.argv]))
    print("machine:", machine())
    print(f"window: {options.window}")
    print(f"\n| adapter | messages | by the clock/s | a CPU second | of {WANTED:,} |")
    print("|---|---|---|---|---|", flush=True)
    for name, way in (("alone", alone), ("served", served)):
        for mix in MIXES:
            figures = [way(mix, options) for _ in range(options.turns)]
            clock, cpu = (statistics.median(each) for each in zip(*figures, strict=True))
            print(
                f"| {name} | {mix} | {clock:,.0f} | {cpu:,.0f} | {cpu / WANTED:.2f} |", flush=True
            )


if __name__ == "__main__":
    main()
