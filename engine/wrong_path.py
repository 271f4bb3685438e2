"""What is said of a path that cannot be used: which one, what is there, and what is expected."""

import errno
import os
import stat
from pathlib import Path

_EXPECTED = {errno.ENOTDIR: "a folder", errno.EISDIR: "a file", errno.EEXIST: "a folder"}


def wrong_path(error: OSError, path: Path | None = None) -> str:
    """One line for an error of the file system; `path` is for one that names none itself."""
    what = error.strerror or str(error)
    named = path if error.filename is None else Path(os.fsdecode(error.filename))
    if named is None:
        return what
    expected = _EXPECTED.get(error.errno or 0)
    facts = [
        *(f"{there} is {_kind(there)}" for there in _nearest(named)),
        *([f"expected is {expected}"] if expected else []),
        *([f"this process is of uid {os.geteuid()}"] if isinstance(error, PermissionError) else []),
    ]
    return ": ".join([str(named), what, *([", ".join(facts)] if facts else [])])


def _nearest(path: Path) -> list[Path]:
    """The path, or the nearest one above it that is there; of a folder above nothing is to say."""
    for each in (path, *path.parents):
        if os.path.lexists(each):
            return [] if each != path and each.is_dir() else [each]
    return []


def _kind(path: Path) -> str:
    try:
        found = path.lstat()
    except OSError:
        return "not to be seen"
    if stat.S_ISLNK(found.st_mode) and not path.exists():
        return f"a symbolic link to {os.readlink(path)}, which is not there"
    mode = path.stat().st_mode
    kind = "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "no file"
    return f"{kind} of uid {found.st_uid} with mode {stat.S_IMODE(mode):04o}"
