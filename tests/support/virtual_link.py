"""Two ends of a cable between a network namespace and here, and what sends captures over it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

_LINKS = count()
RATE = 400  # frames a second


class Link(NamedTuple):
    """What is sent into `far` comes out of `near`."""

    near: str
    far: str
    namespace: str

    def send(self, *captures: Path, rate: int = RATE) -> None:
        """Sends the frames of captures."""
        for capture in captures:
            subprocess.run(
                [
                    *("ip", "netns", "exec", self.namespace, "tcpreplay", "-q", "-i", self.far),
                    *(f"--pps={rate}", str(capture)),
                ],
                check=True,
                capture_output=True,
            )


@contextmanager
def linked() -> Iterator[Link]:
    """A link that is gone afterwards."""
    # A name of its own: the kernel takes its time with what is deleted.
    name = f"rf{os.getpid() % 1_000_000}n{next(_LINKS)}"
    made = Link(f"{name}a", f"{name}b", name)
    _run(f"ip netns add {name}")
    try:
        _run(f"ip link add {made.near} type veth peer name {made.far} netns {name}")
        _run(f"ip link set {made.near} up")
        _run(f"ip -n {name} link set {made.far} up")
        yield made
    finally:
        _run(f"ip netns del {name}")


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True)
