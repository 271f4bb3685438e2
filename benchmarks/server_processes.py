"""A real server for benchmarks: started, filled, killed with all its processes."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import grpc
from feeds import FIRST_NUMBER

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.new_segment import new_segment
from ringfence.server.config.config import load_config
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc

SERVE = ("-m", "ringfence.cli")
LONG_AGO = int(time.time()) - 1_000 * 86_400  # longer than any window
STEP = 65_536  # numbers in a message, the contract's limit
END_S = 30.0


def segment_as_served(numbers: int) -> Segment:
    """A table in memory as a server with the default configuration has it: K, robots."""
    config = load_config(None, capacity_numbers=numbers)
    return new_segment(
        None,
        capacity_numbers=numbers,
        ring_entries=config.server.ring_entries,
        spray=config.spray_settings,
    )


class Server:
    """A server that was started and is ready; its log is `<data>.log`."""

    def __init__(self, data: Path, *options: str, program: Sequence[str] = SERVE) -> None:
        command = [sys.executable, *program, "serve", "--data", str(data), *options]
        self.log_path = data.with_suffix(".log")
        with open(self.log_path, "wb") as log:
            began = time.monotonic()
            self.process = subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        self.ready_line = self.process.stdout.readline().rstrip()
        self.ready_s = time.monotonic() - began
        """From the start of the process to its ready line."""
        if not self.ready_line:
            raise SystemExit(f"the server does not start:\n{self.log_path.read_text()}")
        self.address = self.ready_line.split()[2]

    def kill(self) -> None:
        """Kills all its processes at once, and returns when they are gone."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, signal.SIGKILL)
        self.process.communicate()
        deadline = time.monotonic() + END_S
        while any(Path(f"/proc/{child}").exists() for child in children):
            if time.monotonic() > deadline:
                raise SystemExit(f"killed and still there: pid={children}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Asks it to end and waits for that."""
        self.process.terminate()
        self.process.communicate()

    def status(self) -> commands.GetStatusResponse:
        """What it says of itself."""
        with grpc.insecure_channel(self.address) as channel:
            stub = commands_grpc.QuarantineServiceStub(channel)
            status: commands.GetStatusResponse = stub.GetStatus(commands.GetStatusRequest())
            return status

    def quarantine(self, numbers: int) -> None:
        """Quarantines so many numbers, from the first on."""
        with grpc.insecure_channel(self.address) as channel:
            stub = commands_grpc.QuarantineServiceStub(channel)
            accepted = stub.QuarantineNumbers(_requests(numbers)).accepted
        if accepted != numbers:
            raise SystemExit(f"not all in quarantine: accepted={accepted}, numbers={numbers}")


def _requests(numbers: int) -> Iterator[commands.QuarantineNumbersRequest]:
    for first in range(0, numbers, STEP):
        yield commands.QuarantineNumbersRequest(
            numbers=range(FIRST_NUMBER + first, FIRST_NUMBER + min(first + STEP, numbers)),
            pool="default",
            quarantined_at=[LONG_AGO],
        )


def machine() -> str:
    """Processor, cores and versions, in one line."""
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
