"""Which files belong to what is followed: one and its rotated ones, or those of a folder."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

_PACKED = re.compile(r"\.(?:gz|bz2|xz)$")
_ROTATED = re.compile(r"[.\-_]\d[\d.\-_T:]*$")
"""What rotation puts behind a name: `.1`, `-20261203`, `.2026-12-03-01-02-03`."""
_DATED = re.compile(r"[.\-_]\d{6}[\d.\-_T:]*$|\.\d{1,4}$")
"""What it puts in front of `.csv`, if it is told to keep that."""

Key = tuple[int, int]
"""Device and inode."""


class Found(NamedTuple):
    """A file, as it stands in a folder."""

    path: Path
    key: Key
    size: int
    mtime_ns: int
    ctime_ns: int
    folder: int = 0
    """The inode of the folder that it stands in, where folders are followed."""


def names_before(name: str) -> Iterator[str]:
    """What a file may have been called before it was packed and rotated."""
    unpacked = _PACKED.sub("", name)
    yield unpacked
    yield _ROTATED.sub("", unpacked)
    stem, dot, suffix = unpacked.rpartition(".")
    if dot and not suffix.isdigit():
        yield _DATED.sub("", stem) + dot + suffix


class Watched:
    """A file and what it was rotated to, or all files of a folder whose names fit a pattern."""

    def __init__(self, path: Path, pattern: str = "*") -> None:
        self.path = path
        self.is_folder = path.is_dir()
        self._pattern = pattern
        self.folders: set[int] = set()
        """The inodes of all folders that were listed last."""
        self._entered: set[Key] = set()

    def find(self) -> Iterator[Found]:
        """All that there are; raises OSError where the folder cannot be read."""
        self.folders, self._entered = set(), set()
        if self.is_folder:
            yield from self._below(self.path)
        else:
            yield from self._found(self.path.parent, folders=[])

    def _below(self, folder: Path) -> Iterator[Found]:
        """Links to folders are gone along too, into each folder once: they may lead in circles."""
        facts, folders = folder.stat(), list[Path]()
        if (facts.st_dev, facts.st_ino) in self._entered:
            return
        self._entered.add((facts.st_dev, facts.st_ino))
        self.folders.add(facts.st_ino)
        yield from self._found(folder, folders, facts.st_ino)
        for each in folders:
            try:
                yield from self._below(each)
            except FileNotFoundError:
                continue  # it was removed meanwhile, with its files

    def _found(self, folder: Path, folders: list[Path], inode: int = 0) -> Iterator[Found]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or ".rejects" in entry.name:
                    continue
                if entry.is_dir():
                    folders.append(folder / entry.name)
                    continue
                if not self._fits(entry.name):
                    continue
                try:
                    facts = entry.stat()
                except FileNotFoundError:
                    continue  # it is called something else by now
                if stat.S_ISREG(facts.st_mode):
                    yield found_of(folder / entry.name, facts, inode)

    def _fits(self, name: str) -> bool:
        if self.is_folder:
            return fnmatch(name, self._pattern) or any(
                fnmatch(before, self._pattern) for before in names_before(name)
            )
        return name == self.path.name or self.path.name in names_before(name)


def found_of(path: Path, facts: os.stat_result, folder: int = 0) -> Found:
    """A file by its facts."""
    key = (facts.st_dev, facts.st_ino)
    return Found(path, key, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, folder)
