"""A supervisor's family of which one child dies as soon as it was ready.

Its argument says how: `raises`, which ends the family, or `killed`, or `tries_again`; these two
serve for a while.
"""

import os
import signal
import socket
import sys

from ringfence.server.link.signs_of_life import SignsOfLife
from ringfence.server.supervisor.child import Child
from ringfence.server.supervisor.log import configure_log
from ringfence.server.supervisor.supervisor import Family

SERVED_S = 3.0


def staying(signs: SignsOfLife) -> None:
    signs.ready()
    signal.pause()


def raising(signs: SignsOfLife) -> None:
    signs.ready()
    raise RuntimeError("it has nothing to live for")


def killed(signs: SignsOfLife) -> None:
    signs.ready()
    os.kill(os.getpid(), signal.SIGKILL)


def trying_again(signs: SignsOfLife) -> None:
    signs.ready()
    os._exit(os.EX_TEMPFAIL)


def main() -> int:
    """Serves until it is asked to stop, or the family gives up; its exit code."""
    how = sys.argv[1]
    configure_log("supervisor")
    ours, its = socket.socketpair()
    if how != "raises":
        signal.signal(signal.SIGALRM, lambda *_: its.send(bytes([signal.SIGTERM])))
        signal.setitimer(signal.ITIMER_REAL, SERVED_S)
    dying = Child("dying", {"raises": raising, "killed": killed, "tries_again": trying_again}[how])
    children = [Child("keeper", staying), Child("history", staying), dying]
    family = Family(children, ours, Child("snapshot", staying), snapshot_interval_s=3_600)
    return family.serve(lambda: None)


if __name__ == "__main__":
    sys.exit(main())
