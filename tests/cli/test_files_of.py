"""Which files a command that reads finished ones reads: all of a folder, or it says which not."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from ringfence.cli.import_options import files_of

NOBODY = 65_534


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Root may read everything: not as root."""
    if os.geteuid():
        yield
        return
    for each in (folder, *folder.parents):
        if "pytest" in str(each):
            each.chmod(0o755)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cdr/a.csv", "cdr/sub/b.csv", "cdr/.hidden.csv", "cdr/a.rejects.csv", "far/c.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path / "cdr"


def test_links_to_folders_are_gone_along_once_and_not_in_circles(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "far")
    (folder / "again").symlink_to(folder.parent / "far")
    (folder / "sub" / "back").symlink_to(folder)
    names = [path.name for path in files_of((folder, folder / "a.csv"))]
    assert sorted(names) == ["a.csv", "b.csv", "c.csv"]


@pytest.mark.parametrize("close", [lambda folder: folder / "sub", lambda folder: folder])
def test_a_folder_that_cannot_be_read_is_told(folder: Path, close: Callable[[Path], Path]) -> None:
    closed = close(folder)
    closed.chmod(0)
    try:
        with as_nobody(folder.parent), pytest.raises(click.BadParameter) as told:
            files_of((folder,))
        assert str(told.value).startswith(f"{closed}: Permission denied")
    finally:
        closed.chmod(0o755)
