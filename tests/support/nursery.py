"""Command lines that run in forks of a process which has imported what a server imports.

A start of the program spends most of its time on imports, and tests make hundreds of starts. The
nursery is one process for each that runs tests; it has one thread and nothing of gRPC's, as the
supervisor has when it forks. What it forks runs the command line as `python -m ringfence.cli` does.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO

from support.wall_clock import CLOCK_FILE

MESSAGE_BYTES = 256 << 10
IMPORTED = (
    "ringfence.cli.serve",
    "ringfence.cli.simulate",
    "ringfence.cli.data",
    "ringfence.server.supervisor.supervisor",
    "alembic.command",
    "support.history_process",
)
FILES = 3  # output, errors, and where its end is told
_clock = os.environ.get(CLOCK_FILE)


class BornProcess:
    """A command line that runs, of Ringfence or of a module here with a `main` that takes it.

    It has as much of subprocess.Popen as tests need.
    """

    def __init__(
        self, arguments: Sequence[str], errors: IO[bytes], program: str = "ringfence"
    ) -> None:
        assert can_bear()
        output, its_output = os.pipe()
        self._end, its_end = os.pipe()
        request = json.dumps([program, list(arguments), dict(os.environ), os.getcwd()]).encode()
        assert len(request) < MESSAGE_BYTES
        nursery, _ = _nursery()
        socket.send_fds(nursery, [request], [its_output, errors.fileno(), its_end])
        os.close(its_output)
        os.close(its_end)
        self.stdout = os.fdopen(output, "r")
        self.pid = int(nursery.recv(32))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended, as subprocess has it; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; raises subprocess.TimeoutExpired after `timeout` seconds."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Sends SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout_s)[0]:
            said = os.read(self._end, 32)
            assert said, "the nursery has gone"
            os.close(self._end)
            self.returncode = os.waitstatus_to_exitcode(int(said))
        return self.returncode


def can_bear() -> bool:
    """Whether a process that begins now has the clock of the nursery: a fork can have no other."""
    return os.environ.get(CLOCK_FILE) == _clock


def run_ringfence(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What a command line says and its exit code; it reads nothing from standard input."""
    with tempfile.TemporaryFile() as errors:
        process = BornProcess([str(each) for each in arguments], errors)
        with process.stdout:
            output = process.stdout.read()
        code = process.wait()
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, output, errors.read().decode())


@cache
def _nursery() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """This process's nursery, which ends with it."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "support.nursery"]
    with its:
        return ours, subprocess.Popen(command, stdin=its, start_new_session=True)


def main() -> None:
    """Forks a server for each request on standard input, and tells the end of each."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for each in IMPORTED:
        import_module(each)
    assert len(os.listdir("/proc/self/task")) == 1
    requests = socket.socket(fileno=os.dup(0))
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    ends: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(MESSAGE_BYTES)
            _tell_ends(ends)
        if requests in ready:
            message, files, _, _ = socket.recv_fds(requests, MESSAGE_BYTES, FILES)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                program, *rest = json.loads(message)
                _become(*rest, files, unused=[requests, woken, wakes, *ends.values()])
                return _run(program)
            output, errors, ends[pid] = files
            os.close(output)
            os.close(errors)
            requests.send(str(pid).encode())


def _tell_ends(ends: dict[int, int]) -> None:
    while ends:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        end = ends.pop(pid)
        os.write(end, str(status).encode())
        os.close(end)


def _run(program: str) -> None:
    if program == "ringfence":
        import_module("ringfence.cli").main(prog_name=program)
    else:
        import_module(program).main(sys.argv[1:])


def _become(
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
    files: Sequence[int],
    unused: Sequence[socket.socket | int],
) -> None:
    """Makes a fork what a program of its own begins as."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for each in unused:
        os.close(each if isinstance(each, int) else each.detach())
    output, errors, end = files
    os.close(end)
    for file, number in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (errors, 2)):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv[1:] = arguments


if __name__ == "__main__":
    main()
