"""A process of the server: forked by the supervisor, ends with it, says when it is ready.

A pipe joins each child to the supervisor. The child writes a byte when it is ready and then one now
and then as a sign of life, and holds the pipe open for its life: its end is the end of the child.

A child that gives no sign is killed, and its replacement starts when it is gone, not before: what
it had in hand is on disk by then or never will be, and nobody else writes its journal. What was on
disk and not answered is sent or asked again, as after any death: events are a join, and commands
have ids.
"""

import ctypes
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ringfence.server.link.signs_of_life import READY, SignsOfLife
from ringfence.server.supervisor.log import configure_log, flush_log

PR_SET_PDEATHSIG = 1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
BACKOFF_S = (0.0, 0.1, 0.2, 0.4, 0.8)
SETTLED_S = 10.0
LOOK_S = 1.0
SILENT_LOOKS_MAX = 10
PIPE_BYTES = 1 << 16
_NO_FAULTS = (-signal.SIGKILL, os.EX_TEMPFAIL)  # of a process that was ready

_libc = ctypes.CDLL(None, use_errno=True)
_log = logging.getLogger(__name__)

Main = Callable[[SignsOfLife], None]
"""What a child runs; it says when it is ready, and returns when it was asked to stop by SIGTERM and
is done."""


@dataclass(eq=False)
class Child:
    """One role and the process that fills it at present."""

    role: str
    main: Main
    pid: int = 0  # 0 = not running
    pipe: int = -1
    ready: bool = False
    silent_looks: int = 0
    """How often in a row the supervisor looked and there had been no sign of life since."""
    look_at: float = 0.0
    deaths: int = 0
    """How many processes in a row ended before they had lived for SETTLED_S."""
    failures: int = 0
    """How many of these in a row ended by a fault of their own: they were not killed when they were
    ready, and did not ask for another one with EX_TEMPFAIL, as a keeper does whose disk has failed.
    """
    started_at: float = 0.0
    restart_at: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Forks the process. Call it from the main thread: children end with the thread."""
        pipe, its_pipe = os.pipe()
        supervisor_pid = os.getpid()
        # Until it has taken off the supervisor's signal functions, a child must get no signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.pid = os.fork()
        if self.pid == 0:
            self._live(supervisor_pid, pipe, its_pipe)  # does not return
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(its_pipe)
        self.pipe, self.ready, self.started_at = pipe, False, time.monotonic()
        self.silent_looks, self.look_at = 0, self.started_at + LOOK_S
        _log.info("started %s: pid=%d", self.role, self.pid)

    def read_pipe(self) -> bool:
        """Takes what the pipe says: True = the process lives, False = it ended; then reap."""
        said = os.read(self.pipe, PIPE_BYTES)
        self.ready |= READY in said
        self.silent_looks = 0
        return bool(said)

    def look(self) -> None:
        """Looks at the process, once in LOOK_S however often it is called, and kills it when it
        has been silent for too many looks. These are counted and not seconds: when the supervisor
        was stopped itself, as a machine is that is paused, the process has time to be heard.
        """
        now = time.monotonic()
        if not self.pid or now < self.look_at:
            return
        self.look_at = now + LOOK_S
        self.silent_looks += 1
        if self.silent_looks == SILENT_LOOKS_MAX:
            _log.error("%s gives no sign of life: pid=%d, killed", self.role, self.pid)
            self.send(signal.SIGKILL)

    def reap(self) -> None:
        """Collects the ended process and sets when its replacement may start."""
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        _log.info("%s ended: pid=%d, status=%s", self.role, self.pid, _status_text(status))
        now = time.monotonic()
        if now - self.started_at >= SETTLED_S:
            self.deaths = self.failures = 0
        self.deaths += 1
        if self.ready and os.waitstatus_to_exitcode(status) in _NO_FAULTS:
            self.failures = 0
        else:
            self.failures += 1
        self.restart_at = now + BACKOFF_S[min(self.deaths, len(BACKOFF_S)) - 1]
        self.pid, self.pipe, self.ready = 0, -1, False

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process, which cannot be gone before it was reaped."""
        if self.pid:
            os.kill(self.pid, number)

    def _live(self, supervisor_pid: int, pipe: int, its_pipe: int) -> None:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor's, who then sends SIGTERM
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # the supervisor's too
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.setsid()
            os.close(pipe)
            configure_log(self.role)
            if _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
            if os.getppid() == supervisor_pid:  # else it died before the line above
                self.main(SignsOfLife(its_pipe))
                status = 0
        except BaseException as error:
            _log.critical("cannot go on: %s: %s", type(error).__name__, error)
        finally:
            flush_log()
            os._exit(status)


def _status_text(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else str(code)
