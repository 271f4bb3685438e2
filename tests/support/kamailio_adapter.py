"""`ringfence adapter kamailio` as a process of its own, and the ways in which it gets reports."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ringfence.adapters.kamailio.state import read_state
from support.programs import PATIENCE_S, free_ports

CONFIG = "kamailio-report.cfg"


@dataclass
class Wiring:
    """A way: what the switch's script is told, and what the adapter."""

    sip_port: int
    defines: str
    values: dict[str, str]
    options: tuple[str, str]


def wired(way: str, folder: Path, *, queue_size: int = 100_000) -> Wiring:
    """Ports and paths that nobody else uses, for `evapi`, `mqueue over HTTP` or `... a socket`."""
    sip_port, evapi_port = free_ports(2)
    socket, evapi = folder / "rpc.sock", f"127.0.0.1:{evapi_port}"
    return Wiring(
        sip_port,
        "WITH_EVAPI" if way == "evapi" else "WITH_MQUEUE",
        {
            "EVAPI": evapi,
            "RPC_SOCKET": str(socket),
            "QUEUE": f"name=ringfence;size={queue_size}",
        },
        {
            "evapi": ("--evapi", evapi),
            "mqueue over HTTP": ("--rpc", f"http://127.0.0.1:{sip_port}/RPC"),
            "mqueue over a socket": ("--rpc", f"unix:{socket}"),
        }[way],
    )


class Adapter:
    """A running adapter."""

    def __init__(self, server: str, state: Path, *way: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ringfence.cli", "adapter", "kamailio", *way),
                *("--server", server, "--feed", "sip-1", "--country", "44"),
                *("--lateness", "1", "--state", str(state)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert "ringfence adapter kamailio ready" in self.process.stdout.readline()

    def end(self, number: int) -> str:
        """Ends it by a signal; what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == (0 if number == signal.SIGTERM else -number), said
        return said


@contextmanager
def adapter(server: str, state: Path, *way: str) -> Iterator[Adapter]:
    """An adapter that is gone at the end of the block."""
    running = Adapter(server, state, *way)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


async def written_down(state: Path, moment: float) -> None:
    """Waits until the next run would go on from a moment: all reports until then are answered."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            left = read_state(state, "sip-1")
            if left and left.heard >= moment:
                return
            await asyncio.sleep(0.1)
