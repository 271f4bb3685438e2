"""Finds a program that a process has started, or one that it started has, in order to disturb it.

A signal to process 0 goes to the whole group: to the test, and to all tests beside it, which would
be stopped for ever. So nobody gets a 0 from here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from support.server_process import wait_until

_Read = TypeVar("_Read")


def started(
    name: str, below: int, is_it: Callable[[list[bytes]], bool] = lambda arguments: True
) -> int:
    """The process of this name below another, whose arguments fit; waits until it is there."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [pid for pid in _below(below) if _is(pid, name, is_it)]
        return bool(found)

    wait_until(is_there)
    return found[0]


def _below(parent: int) -> list[int]:
    found: list[int] = []
    for task in _read(lambda: list(Path(f"/proc/{parent}/task").iterdir()), []):
        for child in map(int, _read((task / "children").read_text, "").split()):
            found += [child, *_below(child)]
    return found


def _is(pid: int, name: str, is_it: Callable[[list[bytes]], bool]) -> bool:
    of = Path(f"/proc/{pid}")
    if _read((of / "comm").read_text, "").strip() != name:
        return False
    return is_it(_read((of / "cmdline").read_bytes, b"").split(b"\0"))


def _read(reads: Callable[[], _Read], else_: _Read) -> _Read:
    """What is read of a process; something else once it has ended."""
    try:
        return reads()
    except OSError:
        return else_
