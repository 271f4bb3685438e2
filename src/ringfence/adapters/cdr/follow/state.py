"""Where a follower left off: which files were read how far, and until when all is claimed.

No number of a subscriber is in it, only fingerprints of some hundred octets.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.adapters.cdr.follow.files import Followed
from ringfence.adapters.cdr.follow.place import BACK_MAX, HEAD_MAX, TAIL_MAX, Place
from ringfence.adapters.state_keeper import StateError

BYTES_MAX = 1 << 30
"""Files that were not read yet are all in it: some hundred octets each of a million."""
_OFFSET_MAX = (1 << 63) - 1
_Facts = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Where one left off; times in unix seconds."""

    feed: str
    format: str
    looked: int
    """When everything that there was had been read."""
    claimed: int
    """Until when claims were answered, or something was lost: from here on claims may go on."""
    read_before: int
    """Files that were changed no later, in nanoseconds, were read, and are not in the list."""
    files: tuple[_Facts, ...]
    folders: tuple[int, ...] | None = None
    """Inodes of the folders for whose files `read_before` holds; None = not known."""

    def text(self) -> str:
        """How it stands in the file."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    def followed(self) -> list[Followed]:
        """The files."""
        return [_followed(facts) for facts in self.files]


def facts_of(followed: Sequence[Followed]) -> tuple[_Facts, ...]:
    """The files as they are kept."""
    return tuple(
        (
            *(str(each.path), *each.key, each.size, each.mtime_ns, each.ctime_ns, each.is_read),
            *(each.place.offset, each.place.head_octets, each.place.head),
            *(each.place.tail_octets, each.place.tail, *each.place.back),
        )
        for each in followed
    )


def read_state(path: Path, feed: str, format_: str) -> State | None:
    """What an earlier run left; None = there was none. Raises StateError and OSError."""
    try:
        with path.open("rb") as file:
            octets = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    try:
        values = json.loads(octets)
        looked, claimed, before = (int(values[it]) for it in ("looked", "claimed", "read_before"))
        files = tuple(tuple(facts) for facts in values["files"])
        named = str(values["feed"]), str(values["format"])
        inodes = values.get("folders")
        folders = None if inodes is None else tuple(map(int, inodes))
        state = State(*named, looked, claimed, before, files, folders)
        state.followed()
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise StateError(f"{path} is not a state of this adapter; delete it to begin now") from None
    for name, is_, expected in (("feed", state.feed, feed), ("format", state.format, format_)):
        if is_ != expected:
            raise StateError(f"{path} is of {name} {is_}, expected is {expected}")
    return state


def _followed(facts: Sequence[Any]) -> Followed:
    path, device, inode, size, mtime_ns, ctime_ns, is_read = facts[:7]
    offset, head_octets, head, tail_octets, tail, *back = facts[7:]
    numbers = (device, inode, size, mtime_ns, ctime_ns, offset, head_octets, tail_octets, *back)
    if not all(isinstance(each, int) for each in numbers) or not 1 <= len(back) <= BACK_MAX:
        raise ValueError("not all that should be numbers are")
    sizes = ((_OFFSET_MAX, offset, *back), (HEAD_MAX, head_octets), (TAIL_MAX, tail_octets))
    if not all(0 <= each <= limit for limit, *all_ in sizes for each in all_):
        raise ValueError("no file has such places")
    place = Place(offset, head_octets, str(head), tail_octets, str(tail), list(back))
    followed = Followed(Path(path), (device, inode), place, size, mtime_ns, ctime_ns)
    followed.read_as = (size, mtime_ns) if is_read else None
    return followed
