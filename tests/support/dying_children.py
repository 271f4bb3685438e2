"""A supervisor's family of which one child dies as soon as it was ready.

Its argument says how: `raises`, or `killed`.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable

from ringfence.server.supervisor.child import Child
from ringfence.server.supervisor.log import configure_log
from ringfence.server.supervisor.supervisor import Family

SERVED_S = 3.0


def staying(ready: Callable[[], None]) -> None:
    ready()
    signal.pause()


def raising(ready: Callable[[], None]) -> None:
    ready()
    raise RuntimeError("it has nothing to live for")


def killed(ready: Callable[[], None]) -> None:
    ready()
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Serves for SERVED_S, or until the family gives up; its exit code."""
    configure_log("supervisor")
    ours, its = socket.socketpair()
    signal.signal(signal.SIGALRM, lambda *_: its.send(bytes([signal.SIGTERM])))
    signal.setitimer(signal.ITIMER_REAL, SERVED_S)
    dying = Child("dying", {"raises": raising, "killed": killed}[sys.argv[1]])
    children = [Child("keeper", staying), Child("history", staying), dying]
    family = Family(children, ours, Child("snapshot", staying), snapshot_interval_s=3_600)
    return family.serve(lambda: None)


if __name__ == "__main__":
    sys.exit(main())
