"""A tshark that is ended leaves nothing behind, whatever its sandbox is at just then."""

import os
import signal
import subprocess
from contextlib import closing

from ringfence.adapters.tap.tshark import Tshark


def test_a_sandbox_that_is_still_being_made_ends_too() -> None:
    with closing(Tshark()) as tshark:
        # Such a process waits for its maker, does not end with it as yet, and holds the pipes.
        half_made = subprocess.Popen(("sleep", "60"), process_group=tshark.pid)
        try:
            tshark.close()
            assert half_made.wait(10) == -signal.SIGKILL
        finally:
            half_made.kill()


def test_it_is_a_group_of_its_own() -> None:
    with closing(Tshark()) as tshark:
        assert os.getpgid(tshark.pid) == tshark.pid != os.getpgid(0)
