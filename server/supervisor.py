"""The supervisor: makes the shared segment, starts keeper and workers, replaces those that die.

It talks to nobody and never imports gRPC, whose objects do not survive a fork. When it is killed
its children are killed by the kernel.
"""

import logging
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

from ringfence.engine.segment import Segment, SegmentError
from ringfence.server.child import Child
from ringfence.server.config import Config
from ringfence.server.data_folder import StartError, hold_data_folder, hold_run_folder
from ringfence.server.installation import Installation
from ringfence.server.listen_port import hold_port
from ringfence.server.log import configure_log

FAILURES_MAX = 5
DRAIN_S = 8.0  # the workers' share of the 10 s in which a stop is over
KEEPER_STOP_S = 1.5
EXIT_FAILED = 4

_log = logging.getLogger(__name__)


def run(config: Config, data: Path, out: TextIO = sys.stdout) -> int:
    """Serves until SIGTERM or SIGINT; prints one ready line on `out`. Returns the exit code."""
    configure_log("supervisor")
    try:
        with ExitStack() as held:
            folder = held.enter_context(hold_data_folder(data))
            asked_to_stop = held.enter_context(_stop_signals())
            run_folder = held.enter_context(hold_run_folder(folder.folder_id))
            port, address = hold_port(config.server.listen)
            held.enter_context(port)
            Segment.create(
                run_folder / "segment",
                capacity_numbers=config.server.capacity_numbers,
                ring_entries=config.server.ring_entries,
                folder_id=folder.folder_id,
            ).close()
            installation = Installation(config, run_folder, folder.folder_id, folder.caller_key)
            family = Family(_children(installation, address), asked_to_stop)
            return family.serve(lambda: _announce(out, address, config))
    except (StartError, SegmentError, OSError) as error:
        _log.error("cannot serve: %s", error)
        return EXIT_FAILED


class Family:
    """The supervisor's children: all are started, replaced and stopped here."""

    def __init__(self, children: Sequence[Child], asked_to_stop: socket.socket) -> None:
        self._children = children
        self._selector = selectors.DefaultSelector()
        self._selector.register(asked_to_stop, selectors.EVENT_READ)
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
                self._wait(min((c.restart_at for c in self._children if not c.pid), default=None))
                for child in self._children:
                    if child.failures >= FAILURES_MAX:
                        _log.error("%s does not start: attempts=%d", child.role, child.failures)
                        self._stop()
                        return EXIT_FAILED
                if not announced and all(child.ready for child in self._children):
                    announced = True
                    announce()
            return self._stop()
        finally:
            for child in self._children:
                child.send(signal.SIGKILL)
            self._wait_for_end(self._children, None)
            self._selector.close()

    def _stop(self) -> int:
        """Drains the workers, then ends the keeper, whom they need till the last."""
        _log.info("stopping")
        now = time.monotonic()
        keeper, workers = self._children[0], self._children[1:]
        clean = True
        for children, deadline in (
            (workers, now + DRAIN_S),
            ([keeper], now + DRAIN_S + KEEPER_STOP_S),
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
                key.fileobj.recv(64)  # type: ignore[union-attr]  # the signals' socket
                self._stopping = True
                continue
            child: Child = key.data
            if not child.read_pipe():
                self._selector.unregister(child.pipe)
                child.reap()


def _children(installation: Installation, address: str) -> list[Child]:
    # Imported in the child: the supervisor stays without gRPC.
    def keeper(ready: Callable[[], None]) -> None:
        from ringfence.server.keeper import run_keeper

        run_keeper(installation, ready)

    def worker(index: int, ready: Callable[[], None]) -> None:
        from ringfence.server.worker import run_worker

        run_worker(installation, index, address, ready)

    workers = range(installation.config.server.workers)
    return [Child("keeper", keeper)] + [
        Child(f"worker-{index}", partial(worker, index)) for index in workers
    ]


@contextmanager
def _stop_signals() -> Iterator[socket.socket]:
    """A socket that becomes readable when the process is asked to stop."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    before = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)
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


def _announce(out: TextIO, address: str, config: Config) -> None:
    server = config.server
    out.write(
        f"ringfence ready {address} pid={os.getpid()} workers={server.workers}"
        f" capacity={server.capacity_numbers} ring_entries={server.ring_entries}"
        " not durable: state is lost when the server stops\n"
    )
    out.flush()
