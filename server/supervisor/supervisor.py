"""The supervisor: makes the shared segment, starts keeper and workers, replaces those that die.

What its children run is imported here, once, and each of them is a fork that has it: a
replacement answers sooner, and all share the memory. It talks to nobody: gRPC's objects do not
survive a fork, and no thread may run here but those that write lines, of which a fork uses nothing.
When it is killed its children are killed by the kernel.
"""

import gc
import logging
import math
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from ringfence.engine.wrong_path import wrong_path
from ringfence.server.config.config import Config
from ringfence.server.folder.data_folder import StartError, hold_data_folder, hold_run_folder
from ringfence.server.folder.installation import Installation
from ringfence.server.followers.history.process import run_history
from ringfence.server.keeper.process import run_keeper
from ringfence.server.recovery.recovered import Recovered
from ringfence.server.recovery.recovery import run_recovery
from ringfence.server.recovery.snapshot_taker import run_snapshot
from ringfence.server.supervisor.child import LOOK_S, Child
from ringfence.server.supervisor.line_writer import LineWriter
from ringfence.server.supervisor.listen_address import hold_address
from ringfence.server.supervisor.log import configure_log
from ringfence.server.supervisor.open_files import raise_files_max
from ringfence.server.supervisor.sd_notify import tell
from ringfence.server.worker.worker import run_worker

FAILURES_MAX = 5
DRAIN_S = 7.5  # the workers' share of the 10 s in which a stop is over
HISTORY_STOP_S = 1.0
KEEPER_STOP_S = 1.3
EXIT_FAILED = 4

_log = logging.getLogger(__name__)


def run(config: Config, data: Path, out: TextIO = sys.stdout) -> int:
    """Serves until SIGTERM or SIGINT; a ready line goes to `out`, a file. Returns the exit code."""
    configure_log("supervisor")
    raise_files_max()
    gc.freeze()  # what was imported stays: a collection in a child would copy its pages
    try:
        with ExitStack() as held:
            folder = held.enter_context(hold_data_folder(data))
            signalled = held.enter_context(_signals())
            run_folder = held.enter_context(hold_run_folder(folder.folder_id))
            address = held.enter_context(hold_address(config.server.listen))
            installation = Installation(
                config, folder.path, run_folder, folder.folder_id, folder.caller_key
            )
            tell("STATUS=bringing back what was kept")
            recovered = _recover(installation, signalled)
            if recovered is None:
                return 0
            family = Family(
                _children(installation, address),
                signalled,
                Child("snapshot", partial(run_snapshot, installation)),
                config.snapshot.interval,
            )
            return family.serve(lambda: _announce(out, address, config, recovered))
    except (StartError, OSError) as error:
        _log.error("cannot serve: %s", wrong_path(error) if isinstance(error, OSError) else error)
        return EXIT_FAILED


class Family:
    """The supervisor's children: all are started, replaced and stopped here."""

    def __init__(
        self,
        children: Sequence[Child],
        signalled: socket.socket,
        snapshot: Child,
        snapshot_interval_s: int,
    ) -> None:
        self._children = children
        self._snapshot = snapshot
        self._snapshot_interval_s = snapshot_interval_s
        self._snapshot_at = time.monotonic() + snapshot_interval_s
        self._selector = selectors.DefaultSelector()
        self._selector.register(signalled, selectors.EVENT_READ)
        self._stopping = False

    def serve(self, announce: Callable[[], None]) -> int:
        """Keeps all children running until the process is asked to stop."""
        announced = False
        try:
            while not self._stopping:
                for child in self._children:
                    if not child.pid and child.restart_at <= time.monotonic():
                        child.start()
                        self._selector.register(child.pipe, selectors.EVENT_READ, child)
                if announced and not self._snapshot.pid and self._snapshot_at <= time.monotonic():
                    self._snapshot_at = time.monotonic() + self._snapshot_interval_s
                    self._snapshot.start()
                    self._selector.register(
                        self._snapshot.pipe, selectors.EVENT_READ, self._snapshot
                    )
                self._wait(min(self._next_start(announced), time.monotonic() + LOOK_S))
                for child in (*self._children, self._snapshot):
                    child.look()
                for child in self._children:
                    if child.failures >= FAILURES_MAX:
                        _log.error("%s does not stay: attempts=%d", child.role, child.failures)
                        self._stop()
                        return EXIT_FAILED
                if not announced and all(child.ready for child in self._children):
                    announced = True
                    announce()
            return self._stop()
        finally:
            every = [*self._children, self._snapshot]
            for child in every:
                child.send(signal.SIGKILL)
            self._wait_for_end(every, None)
            self._selector.close()

    def _next_start(self, announced: bool) -> float:
        """When a process is to be started next; infinity = not before something happens."""
        starts = [child.restart_at for child in self._children if not child.pid]
        if announced and not self._snapshot.pid:
            starts.append(self._snapshot_at)
        return min(starts, default=math.inf)

    def _stop(self) -> int:
        """Drains the workers, then ends the history process and the keeper, whom they need."""
        _log.info("stopping")
        tell("STOPPING=1", "STATUS=answering what was read")
        now = time.monotonic()
        keeper, history, *workers = self._children
        clean = True
        for children, deadline in (
            (workers, now + DRAIN_S),
            ([history], now + DRAIN_S + HISTORY_STOP_S),
            ([keeper], now + DRAIN_S + HISTORY_STOP_S + KEEPER_STOP_S),
        ):
            for child in children:
                child.send(signal.SIGTERM)
            if not self._wait_for_end(children, deadline):
                late = ", ".join(child.role for child in children if child.pid)
                _log.error("killed, as it did not stop in time: %s", late)
                clean = False
                for child in children:
                    child.send(signal.SIGKILL)
                self._wait_for_end(children, None)
        return 0 if clean else EXIT_FAILED

    def _wait_for_end(self, children: Sequence[Child], deadline: float | None) -> bool:
        while any(child.pid for child in children):
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._wait(deadline)
        return True

    def _wait(self, until: float | None) -> None:
        timeout_s = None if until is None else max(0.0, until - time.monotonic())
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                signals = key.fileobj.recv(64)  # type: ignore[union-attr]  # a byte a signal
                if signal.SIGUSR1 in signals:
                    self._snapshot_at = time.monotonic()
                self._stopping |= _asks_to_stop(signals)
                continue
            child: Child = key.data
            if not child.read_pipe():
                self._selector.unregister(child.pipe)
                child.reap()


def _recover(installation: Installation, signalled: socket.socket) -> Recovered | None:
    """Has a child make the segment and bring back what the journals hold; None = asked to stop."""

    child = Child("recovery", lambda _: run_recovery(installation))
    child.start()
    with selectors.DefaultSelector() as selector:
        selector.register(child.pipe, selectors.EVENT_READ)
        selector.register(signalled, selectors.EVENT_READ)
        while True:
            heard = {key.fileobj for key, _ in selector.select(LOOK_S)}
            if signalled in heard and _asks_to_stop(signalled.recv(64)):
                child.send(signal.SIGKILL)
                child.reap()
                return None
            if child.pipe in heard and not child.read_pipe():
                child.reap()
                return Recovered.read(installation.run_folder)
            child.look()


def _asks_to_stop(signals: bytes) -> bool:
    return signal.SIGTERM in signals or signal.SIGINT in signals


def _children(installation: Installation, address: str) -> list[Child]:
    workers = range(installation.config.server.workers)
    return [
        Child("keeper", partial(run_keeper, installation)),
        Child("history", partial(run_history, installation)),
        *(
            Child(f"worker-{index}", partial(run_worker, installation, index, address))
            for index in workers
        ),
    ]


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket with a byte for each signal: to stop, or to take a snapshot."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    before = {
        number: signal.signal(number, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    }
    signal.set_wakeup_fd(writing.fileno())
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(-1)
        for number, function in before.items():
            signal.signal(number, function)
        reading.close()
        writing.close()


def _announce(out: TextIO, address: str, config: Config, recovered: Recovered) -> None:
    server = config.server
    line = (
        f"ringfence ready {address} pid={os.getpid()} workers={server.workers}"
        f" capacity={server.capacity_numbers} ring_entries={server.ring_entries} {recovered}"
    )
    LineWriter(out.fileno(), lambda _: line).write(line)  # it may be the pipe that the log is, full
    tell("READY=1", f"STATUS={line.removeprefix('ringfence ready ')}")
