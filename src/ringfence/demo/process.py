"""The demo's own server and adapter: real processes that do not outlive it."""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 20.0
STOP_S = 12.0  # a server drains for up to 10 s
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class DemoFailed(Exception):
    """A process of the demo did not do its part; the text has the end of its log."""


def _end_with_demo() -> None:
    """Runs in the child: whatever kills the demo, the child is told to stop."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Process:
    """A running `ringfence` command, its log in a file."""

    def __init__(self, name: str, log: Path, arguments: list[str]) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as log_file:
            # A group of its own: Ctrl-C reaches the demo only, which then stops its processes.
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "ringfence.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
                process_group=0,
                preexec_fn=_end_with_demo,  # noqa: PLW1509  # no thread runs yet
            )

    def wait_for_line(self, beginning: str) -> str:
        """The first line of its output, which says that it is ready; raises DemoFailed."""
        output = self._popen.stdout
        assert output is not None
        deadline = time.monotonic() + START_S
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self._failed(f"was not ready within {START_S:g} s")
                piece = os.read(output.fileno(), 4096)
                if not piece:
                    raise self._failed("ended before it was ready")
                line += piece
        text = line.decode()
        if not text.startswith(beginning):
            raise self._failed(f"said {text.strip()!r}, expected={beginning!r}")
        return text

    def stop(self) -> str:
        """Stops it and returns the rest of its output; raises DemoFailed unless it exits with 0."""
        self._popen.terminate()
        try:
            output, _ = self._popen.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            raise self._failed(f"did not stop within {STOP_S:g} s") from None
        if self._popen.returncode:
            raise self._failed(f"ended with exit code {self._popen.returncode}")
        return output

    def end(self) -> None:
        """Makes sure that it is gone, whatever happened."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def _failed(self, what: str) -> DemoFailed:
        log = self._log.read_text("utf-8", errors="replace").splitlines()
        return DemoFailed("\n".join([f"the {self.name} {what}", *log[-15:]]))


@contextmanager
def running(name: str, log: Path, *arguments: str) -> Iterator[Process]:
    """A process that is gone at the end of the block; impatience cannot leave it behind."""
    process = None
    try:
        with _impatience.held():
            process = Process(name, log, list(arguments))
        yield process
    finally:
        with _impatience.held():
            if process is not None:
                process.end()


class _Impatience:
    """Signals that ask the demo to stop: each raises KeyboardInterrupt, at once or when let go.

    A signal mask would not do: a signal that another thread takes runs its function in this one.
    """

    def __init__(self) -> None:
        self._holds = 0
        self._waiting = False

    def asked(self, *_: object) -> None:
        """The function of the signals."""
        if self._holds:
            self._waiting = True
        else:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block nothing is interrupted."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._waiting and not self._holds:
            self._waiting = False
            raise KeyboardInterrupt


_impatience = _Impatience()


@contextmanager
def stopped_in_order() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP end the program as Ctrl-C does, so that it cleans up."""
    before = {number: signal.signal(number, _impatience.asked) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, function in before.items():
            signal.signal(number, function)
