"""Which files are followed, and how far: found again after rotation, or lost.

Files are looked at one listing after the other. One that is known by its inode is verified when it
has changed; one that is not is compared with those that are gone, cut, or just copied. The newest
are held open, so that nobody can take them away unread, and their inodes are nobody else's.
Anything that is in doubt is read from its beginning: an event that is sent twice is one event.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import chain
from pathlib import Path

from ringfence.adapters.cdr.follow.listing import Found, Key, Watched, found_of
from ringfence.adapters.cdr.follow.place import HEAD_MAX, Place, fingerprint, read_all
from ringfence.adapters.cdr.follow.reading import Moved, opened
from ringfence.adapters.cdr.follow.troubles import Troubles
from ringfence.wording.tables import TableError

FILES_MAX = 4_096
"""Files that are remembered one by one; of older ones that are read the time is."""
HELD_MAX = 64
"""The newest files are held open, so many at most."""
QUIET_S = 60.0
"""A file without a name is given up when nothing was written to it for so long."""


@dataclass(slots=True, eq=False)
class Followed:
    """A file that is followed."""

    path: Path
    key: Key
    place: Place
    size: int = -1
    """As it was listed last, like the times."""
    mtime_ns: int = 0
    ctime_ns: int = 0
    read_as: tuple[int, int] | None = None
    """The size and time as of which all that it holds was handed on."""
    torn_since: float | None = None
    """Since when there may be a record that is not whole, unix seconds."""
    torn_at: int = -1
    torn_size: int = -1
    """The offset at which it begins, and the size of the file, at `torn_seen`."""
    torn_seen: float = 0.0
    held: int = -1

    @property
    def is_read(self) -> bool:
        """Whether there is nothing more, as it was listed last."""
        return self.read_as == (self.size, self.mtime_ns)

    def listed(self, found: Found) -> None:
        """It was seen again."""
        self.path = found.path
        self.size, self.mtime_ns, self.ctime_ns = found.size, found.mtime_ns, found.ctime_ns

    def release(self) -> None:
        """It is not held open any more."""
        if self.held >= 0:
            os.close(self.held)
        self.held = -1


@dataclass(slots=True)
class Look:
    """What one listing showed."""

    to_read: list[Followed] = field(default_factory=list)
    """Oldest first."""
    lost: list[str] = field(default_factory=list)
    """In words: records that may never be read."""
    puts_off: bool = False
    """Whether a file was left to the next look."""


class Files:
    """All that are followed. Not for several threads at once.

    `looked_at` is when everything had been read, 0 = never; whoever reads sets it. `read_before` is
    the time of the newest change of files that were read and are not listed one by one; that goes
    only for files in `folders`, the inodes of those that were there then: a folder that is moved
    here brings older files. None = not known.
    """

    def __init__(
        self,
        watched: Sequence[Watched],
        say: Callable[[str], None],
        *,
        restored: Iterable[Followed] = (),
        looked_at: float = 0.0,
        read_before: int = 0,
        folders: Iterable[int] | None = None,
        files_max: int = FILES_MAX,
    ) -> None:
        self._watched = watched
        self._files = {each.key: each for each in restored}
        self._resumed = looked_at > 0
        self.looked_at = looked_at
        self._files_max = files_max
        self.read_before = read_before
        self._folders = None if folders is None else frozenset(folders)
        self._say = say
        self.troubles = Troubles(say)

    @property
    def followed(self) -> list[Followed]:
        """All of them."""
        return list(self._files.values())

    @property
    def folders(self) -> tuple[int, ...] | None:
        """The inodes of all folders, where files in them are not listed one by one."""
        return tuple(sorted(self._folders or ())) if self.read_before else None

    def look(self, now: float) -> Look:
        """Lists them anew. Raises OSError where a folder cannot be read."""
        found = self._find(now)
        new_folders = self._entered_anew(now)
        look = Look()
        present = [self._files[key] for key in found if key in self._files]
        gone = [each for key, each in self._files.items() if key not in found]
        for each in present:
            each.listed(found[each.key])
        cut = [self._cut(each, now) for each in present if not each.is_read]
        before = [each for each in cut if each]
        look.lost += [f"{each.path} was cut or written over" for each in before]
        known = _ByHead([*gone, *before], present)
        unknown = [each for key, each in found.items() if key not in self._files]
        for listed in sorted(unknown, key=lambda each: each.mtime_ns):
            if listed.ctime_ns > self.read_before or listed.folder in new_folders:
                self._take(listed, known, look, now)
        for each in gone:
            self._leave(each, known, look, now)
        look.lost += self.troubles.gone(found)
        look.lost += self.troubles.given_up(now)
        look.to_read = sorted(
            (each for key, each in self._files.items() if key in found and not each.is_read),
            key=lambda each: each.mtime_ns,
        )
        self._hold()
        self._prune(now)
        self._resumed = False
        return look

    def close(self) -> None:
        """Holds none open any more."""
        for each in self._files.values():
            each.release()

    def _find(self, now: float) -> dict[Key, Found]:
        found: dict[Key, Found] = {}
        for each in chain.from_iterable(watched.find() for watched in self._watched):
            found.setdefault(each.key, each)
        for followed in self._files.values():
            if followed.held >= 0 and followed.key not in found:
                nameless = found_of(followed.path, os.fstat(followed.held))
                if not followed.is_read or now - nameless.mtime_ns / 1e9 < QUIET_S:
                    found[followed.key] = nameless
        return found

    def _entered_anew(self, now: float) -> frozenset[int]:
        """Folders that were not there before, whose files may be older than what was read."""
        if now * 1e9 < self.read_before:
            self._say("the clock was put back: what was read before is read again")
            self.read_before = 0
        here = frozenset(chain.from_iterable(watched.folders for watched in self._watched))
        before, self._folders = self._folders, here
        return frozenset() if before is None else here - before

    def _cut(self, followed: Followed, now: float) -> Followed | None:
        """What was in a file before, if it is in there no more: then it is begun anew."""
        try:
            with opened(followed.path, followed.key, followed.held) as file:
                head = read_all(file, HEAD_MAX)
                same = followed.place.begins(head) and followed.place.ends_in(file)
        except Moved:
            return None  # seen as it is by the next look
        except (OSError, TableError) as error:
            self.troubles.meet(followed.key, followed, error, now, self.looked_at)
            return None
        if same:
            followed.place.see_head(head)
            return None
        before = Followed(followed.path, followed.key, followed.place, size=followed.size)
        before.read_as = followed.read_as
        followed.place = Place()
        followed.place.see_head(head)
        followed.torn_since = followed.read_as = None
        return before

    def _take(self, found: Found, known: _ByHead, look: Look, now: float) -> None:
        """Follows a file that is not known by its inode."""
        try:
            with opened(found.path, found.key) as file:
                head = read_all(file, HEAD_MAX)
                same = known.same(head, lambda place: place.ends_in(file))
        except Moved:
            return
        except (OSError, TableError) as error:
            self.troubles.meet(found.key, found, error, now, self.looked_at)
            return
        if same and known.is_here(same) and not same.is_read:
            look.puts_off = True  # a copy, or one that is being packed: one of both is enough
            return
        place = same.place.copy() if same else Place()
        place.see_head(head)
        followed = Followed(found.path, found.key, place)
        followed.listed(found)
        self._files[found.key] = followed
        known.taken(followed, same)

    def _leave(self, followed: Followed, known: _ByHead, look: Look, now: float) -> None:
        """Follows a file no more that is not there; what it held is elsewhere, read, or lost."""
        followed.release()
        if self._files.get(followed.key) is followed:
            del self._files[followed.key]
        if known.lives_on(followed):
            return
        if not followed.is_read:
            look.lost.append(f"{followed.path} is gone, and was not read to its end")
        elif self._resumed and self._was_written_to(followed):
            look.lost.append(f"{followed.path} is gone, and was written to before")

    def _was_written_to(self, followed: Followed) -> bool:
        """Whether a file was the one to which records went; older ones are removed when full."""
        named = {each.path for each in self._watched if not each.is_folder}
        home = self._home(followed.path)
        beside = (each for each in self._files.values() if self._home(each.path) == home)
        newest = max((each.mtime_ns for each in beside), default=0)
        return followed.path in named or followed.mtime_ns >= newest

    def _home(self, path: Path) -> Path:
        folders = (each.path for each in self._watched if each.is_folder)
        return next((each for each in folders if path.is_relative_to(each)), path.parent)

    def _hold(self) -> None:
        newest = nlargest(HELD_MAX, self._files.values(), key=lambda each: each.mtime_ns)
        kept = set(map(id, newest))
        for each in self._files.values():
            if id(each) not in kept:
                each.release()
            elif each.held < 0:
                with suppress(OSError):  # it is met when it is read
                    each.held = os.open(each.path, os.O_RDONLY | os.O_CLOEXEC)
                    facts = os.fstat(each.held)
                    if (facts.st_dev, facts.st_ino) != each.key:
                        each.release()

    def _prune(self, now: float) -> None:
        """Remembers the time of files that are read, in place of each of them."""
        excess = len(self._files) - self._files_max
        if excess <= 0:
            return
        waiting = (each.ctime_ns for each in self._files.values() if not each.is_read)
        recent = int((now - QUIET_S) * 1e9)
        bound = min(chain(waiting, self.troubles.ctimes, (recent,)))
        old = sorted(each.ctime_ns for each in self._files.values() if each.ctime_ns < bound)
        if not old:
            return
        self.read_before = old[min(excess, len(old)) - 1]
        for key, each in list(self._files.items()):
            if each.ctime_ns <= self.read_before:
                each.release()
                del self._files[key]


class _ByHead:
    """Places by the first octets of their files."""

    def __init__(self, gone: Iterable[Followed], present: Iterable[Followed]) -> None:
        self._by_head: dict[int, dict[str, list[Followed]]] = {}
        self._here: set[int] = set()
        self._gone_on: set[int] = set()
        for each in gone:
            self._add(each)
        for each in present:
            self.taken(each)

    def _add(self, followed: Followed) -> None:
        place = followed.place
        if place.head_octets:
            same = self._by_head.setdefault(place.head_octets, {})
            same.setdefault(place.head, []).append(followed)

    def taken(self, followed: Followed, before: Followed | None = None) -> None:
        """It is there, and goes on from what another held."""
        self._here.add(id(followed))
        self._add(followed)
        if before:
            self._gone_on.add(id(before))

    def is_here(self, followed: Followed) -> bool:
        """Whether it is there."""
        return id(followed) in self._here

    def same(self, head: bytes, ends_here: Callable[[Place], bool]) -> Followed | None:
        """The one of those that a file with this head goes on from that was read furthest."""
        may_be = [
            each
            for octets, by_head in self._by_head.items()
            if octets <= len(head)
            for each in by_head.get(fingerprint(head[:octets]), ())
        ]
        may_be.sort(key=lambda each: each.place.offset, reverse=True)
        return next((each for each in may_be if ends_here(each.place)), None)

    def lives_on(self, followed: Followed) -> bool:
        """Whether another file holds what this one held, as far as it was read."""
        place = followed.place
        same = self._by_head.get(place.head_octets, {}).get(place.head, ())
        return id(followed) in self._gone_on or any(
            id(each) in self._here and each is not followed and each.place.offset >= place.offset
            for each in same
        )
