"""Benchmarks run as a user runs them."""

import re
import subprocess
import sys

from support.places import BENCHMARKS


def run(*command: str) -> str:
    """What a benchmark prints, its own command first."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / command[0], *command[1:]],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(rf"command:? +python \S*{command[0]} ", done.stdout)
    return done.stdout
