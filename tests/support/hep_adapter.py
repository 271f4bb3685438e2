"""`ringfence adapter hep` as a process of its own."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ringfence.server.config.address import parse_address

PATIENCE_S = 60.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ringfence.cli", "adapter", "hep", *arguments]


class Adapter:
    """A running adapter."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.ready_line = process.stdout.readline()
        words = dict(word.split("=", 1) for word in self.ready_line.split() if "=" in word)
        self.address = parse_address(words["listen"])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stops it; returns its exit code and what it said on standard error."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@contextmanager
def adapter(server: str, *options: str) -> Iterator[Adapter]:
    """An adapter that is gone at the end of the block."""
    arguments = command(
        *("--listen", "127.0.0.1:0", "--server", server, "--feed", "sip-1", "--country", "44"),
        *options,
    )
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Adapter(process)
        finally:
            if process.poll() is None:
                process.kill()
