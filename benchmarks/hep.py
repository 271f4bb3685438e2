"""HEP3 datagrams per second: of the reader, of the live adapter, and what is lost at a rate.

    python benchmarks/hep.py --rates 5000 10000 15000 20000 --processes 1 2

A switch that mirrors all sends three datagrams for each call to a number that is not in service
(INVITE, reply, ACK), one whose script says what to mirror sends the INVITE. The reader alone is
measured by the CPU time of this process. Then `ringfence adapter hep` runs with a real server: over
TCP, which waits, for what it can do, with its CPU time from the kernel; and over UDP at each rate
for `--seconds`, where what it read and what it counted as dropped by the kernel must be all that
was sent, to the last one.

Not measured: a network, and several agents. Sender, adapter and server share the machine: on two
cores it is their sum that is seen, and a core of its own for the adapter does what "a core" says.
"""

import argparse
import multiprocessing
import os
import re
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from feeds import FEED
from hep_frames import KINDS, make_frames
from server_processes import Server, machine

from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan

SEED = 20_260_101
PACE_S = 0.005
END_S = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 16
"""Agents over TCP: the kernel deals them out to the processes, and few would be unequal."""
Address = tuple[str, int]


class Adapter:
    """A running adapter and what it said in the end."""

    def __init__(self, server: Server, processes: int) -> None:
        command = (sys.executable, "-m", "ringfence.cli", "adapter", "hep", "--server")
        options = ("--feed", FEED, "--country", "44", "--listen", "127.0.0.1:0")
        self._process = subprocess.Popen(
            [*command, server.address, *options, "--processes", str(processes)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        found = re.search(r"listen=(\S+):(\d+)", self._process.stdout.readline())
        assert found, "it does not listen"
        self.address = found[1], int(found[2])

    def cpu_s(self) -> float:
        """What it has used of a core so far; of several processes the one behind the others."""
        return cpu_s_of(self._process.pid)

    def reading_cpu_s(self) -> float:
        """What all those in front of it have used, if there are any."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return sum(map(cpu_s_of, map(int, children)))

    def stop(self) -> dict[str, int]:
        """Its counts, by name."""
        self._process.send_signal(signal.SIGTERM)
        _, said = self._process.communicate(timeout=END_S)
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", said)}


def cpu_s_of(pid: int) -> float:
    """What a process has used of a core so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def running(options: argparse.Namespace, processes: int = 1) -> Iterator[tuple[Server, Adapter]]:
    """An adapter and its server, with all numbers in quarantine."""
    with tempfile.TemporaryDirectory(prefix="ringfence-benchmark-", dir=options.folder) as folder:
        capacity = ("--workers", "1", "--capacity", str(options.numbers))
        server = Server(Path(folder, "data"), *capacity)
        try:
            server.quarantine(options.numbers)
            yield server, Adapter(server, processes)
        finally:
            server.stop()


def frames_of(kind: str, datagrams: int, options: argparse.Namespace, seed: int) -> list[bytes]:
    """About so many datagrams of calls that happen now."""
    calls = -(-datagrams // len(KINDS[kind]))
    return list(make_frames(kind, calls, options.numbers, int(time.time()), seed))


def measure_reader(kind: str, options: argparse.Namespace) -> float:
    """Datagrams that one core reads in a second."""
    rates = []
    for turn in range(options.turns):
        frames = frames_of(kind, options.datagrams, options, SEED + turn)
        reader, now = HepReader(DialPlan.of_country(44)), int(time.time())
        began = time.process_time()
        for frame in frames:
            reader.read(frame, now)
        rates.append(len(frames) / (time.process_time() - began))
        if reader.tally["event"] * len(KINDS[kind]) != len(frames):
            raise SystemExit(f"not each call is an event: {dict(reader.tally)}")
    return statistics.median(rates)


def measure_tcp(kind: str, options: argparse.Namespace) -> tuple[float, float]:
    """Datagrams a second from the first octet to the last answer; the same for a core."""
    frames = frames_of(kind, options.datagrams, options, SEED)
    calls = len(frames) // len(KINDS[kind])
    with running(options) as (server, adapter):
        before_s, began = adapter.cpu_s(), time.monotonic()
        with socket.create_connection(adapter.address) as stream:
            stream.sendall(b"".join(frames))
            stream.shutdown(socket.SHUT_WR)
            stream.settimeout(END_S)
            stream.recv(1)  # closed: all is read
        while server.status().events_total < calls:
            time.sleep(0.01)
        took_s, cpu_s = time.monotonic() - began, adapter.cpu_s() - before_s
        counts = adapter.stop()
    if counts["accepted"] != calls:
        raise SystemExit(f"not each call is an event: {counts}")
    return len(frames) / took_s, len(frames) / cpu_s


def send_all(address: Address, frames: Sequence[bytes]) -> None:
    """Sends frames over a connection, and waits until all are read."""
    with socket.create_connection(address) as stream:
        stream.sendall(b"".join(frames))
        stream.shutdown(socket.SHUT_WR)
        stream.settimeout(END_S)
        stream.recv(1)


def measure_processes(processes: int, options: argparse.Namespace) -> tuple[float, float, float]:
    """INVITEs a second to the last answer; seconds of a core that one takes behind, and to read."""
    frames = frames_of("INVITE", options.datagrams, options, SEED)
    with running(options, processes) as (server, adapter):
        before = adapter.cpu_s(), adapter.reading_cpu_s()
        senders = [
            threading.Thread(target=send_all, args=(adapter.address, frames[n::CONNECTIONS]))
            for n in range(CONNECTIONS)
        ]
        began = time.monotonic()
        for sender in senders:
            sender.start()
        while server.status().events_total < len(frames):
            time.sleep(0.01)
            if time.monotonic() - began > END_S:
                raise SystemExit(f"not each call is an event: {adapter.stop()}")
        took_s = time.monotonic() - began
        behind_s, reading_s = adapter.cpu_s() - before[0], adapter.reading_cpu_s() - before[1]
        for sender in senders:
            sender.join()
        counts = adapter.stop()
    if counts["accepted"] != len(frames) or counts["event"] != len(frames):
        raise SystemExit(f"not each call is an event: {counts}")
    return len(frames) / took_s, behind_s / len(frames), reading_s / len(frames)


def send_at(rate: int, address: Address, frames: Sequence[bytes]) -> None:
    """Sends datagrams evenly, a few at a time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect(address)
        began, sent = time.monotonic(), 0
        while sent < len(frames):
            due = min(int((time.monotonic() - began) * rate) + 1, len(frames))
            for frame in frames[sent:due]:
                udp.send(frame)
            sent = due
            time.sleep(PACE_S)


def measure_udp(kind: str, rate: int, options: argparse.Namespace) -> tuple[float, int, int, float]:
    """The rate that came about, datagrams sent and lost, and the share of a core."""
    with running(options) as (_, adapter):
        frames = frames_of(kind, int(rate * options.seconds), options, SEED)
        sender = multiprocessing.get_context("spawn").Process(
            target=send_at, args=(rate, adapter.address, frames)
        )
        sender.start()
        before_s, began, first_s = adapter.cpu_s(), time.monotonic(), 0.0
        while sender.is_alive():
            time.sleep(PACE_S)
            if adapter.cpu_s() == before_s:  # the sender is still starting
                began, first_s = time.monotonic(), adapter.cpu_s()
        took_s, cpu_s = time.monotonic() - began, adapter.cpu_s() - first_s
        sender.join()
        counts = adapter.stop()
    lost = counts.get("note_udp_dropped_by_kernel", 0)
    read = sum(counts.get(outcome, 0) for outcome in ("event", "repeat", "reply", "other_method"))
    if read + lost != len(frames) or sender.exitcode:
        raise SystemExit(f"read and dropped is not sent: sent={len(frames)}, {counts}")
    return len(frames) / took_s, len(frames), lost, cpu_s / took_s


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datagrams", type=int, default=60_000, help="for the first two tables")
    parser.add_argument("--rates", type=int, nargs="+", default=[5_000, 10_000, 20_000])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each rate")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="that read")
    parser.add_argument("--numbers", type=int, default=1_000_000, help="numbers in quarantine")
    parser.add_argument("--turns", type=int, default=3, help="of the reader; the median counts")
    parser.add_argument("--folder", type=Path, default=None, help="where the journals are")
    parser.add_argument("--smoke", action="store_true", help="as small as it can be")
    options = parser.parse_args()
    if options.smoke:
        options.datagrams, options.rates, options.seconds = 600, [1_000], 0.3
        options.numbers, options.turns = 1_000, 1
    print("command:", shlex.join(["python", *sys.argv]))
    print("machine:", machine())
    print("\n| mirrored | reader, datagrams/s a core | adapter over TCP | a core of it |")
    print("|---|---|---|---|", flush=True)
    for kind in KINDS:
        reader, (rate, of_core) = measure_reader(kind, options), measure_tcp(kind, options)
        print(f"| {kind} | {reader:,.0f} | {rate:,.0f} | {of_core:,.0f} |", flush=True)
    print("\n| mirrored | UDP, asked | datagrams/s | sent | lost | of a core |")
    print("|---|---|---|---|---|---|", flush=True)
    for kind in KINDS:
        for rate in options.rates:
            came, sent, lost, share = measure_udp(kind, rate, options)
            print(
                f"| {kind} | {rate:,} | {came:,.0f} | {sent:,} | {lost:,} | {share:.2f} |",
                flush=True,
            )
    print_processes(options)


def print_processes(options: argparse.Namespace) -> None:
    """The last table."""
    print("\n| processes | INVITEs/s | to the first | behind, us a call | reading, us a call |")
    print("|---|---|---|---|---|", flush=True)
    first = 0.0
    for processes in options.processes:
        measured = [measure_processes(processes, options) for _ in range(options.turns)]
        rate, behind_s, reading_s = map(statistics.median, zip(*measured, strict=True))
        first = first or rate
        print(
            f"| {processes} | {rate:,.0f} | {rate / first:.2f} | {behind_s * 1e6:.1f} |"
            f" {reading_s * 1e6:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
