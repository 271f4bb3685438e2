"""A supervisor's family of which one child dies as soon as it was ready.

Its argument says how: `raises`, which ends the family, or `killed`, `killed_early_in_turns`, or
`tries_again`; these serve for a while.
"""

import mmap
import os
import signal
import socket
import sys

from ringfence.server.link.signs_of_life import SignsOfLife
from ringfence.server.supervisor.child import Child
from ringfence.server.supervisor.log import configure_log
from ringfence.server.supervisor.supervisor import Family

SERVED_S = 3.0
TURNS_SERVED_S = 9.0
_turns = mmap.mmap(-1, 1)  # of all that are forked


def staying(signs: SignsOfLife) -> None:
    signs.ready()
    signal.pause()


def raising(signs: SignsOfLife) -> None:
    signs.ready()
    raise RuntimeError("it has nothing to live for")


def killed(signs: SignsOfLife) -> None:
    signs.ready()
    os.kill(os.getpid(), signal.SIGKILL)


def killed_early_in_turns(signs: SignsOfLife) -> None:
    _turns[0] ^= 1
    if not _turns[0]:
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
        served_s = TURNS_SERVED_S if how == "killed_early_in_turns" else SERVED_S
        signal.setitimer(signal.ITIMER_REAL, served_s)
    mains = {
        "raises": raising,
        "killed": killed,
        "killed_early_in_turns": killed_early_in_turns,
        "tries_again": trying_again,
    }
    dying = Child("dying", mains[how])
    children = [Child("keeper", staying), Child("history", staying), dying]
    family = Family(children, ours, Child("snapshot", staying), snapshot_interval_s=3_600)
    return family.serve(lambda: None)


if __name__ == "__main__":
    sys.exit(main())
