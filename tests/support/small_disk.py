"""Small file systems for tests of what happens when a disk is full or gone. They need root."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN
WITHOUT_LOG_FLUSH = 2


def mount(*arguments: str | Path) -> None:
    """Mounts, or skips the test where this may not be done."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs root and mount: {done.stderr.strip()}")


def unmount(folder: Path) -> None:
    """Unmounts, also what a failed test still has open."""
    if subprocess.run(["umount", folder], capture_output=True, check=False).returncode != 0:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def small_memory(folder: Path, size_bytes: int) -> Iterator[None]:
    """A file system in memory at a folder."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", folder)
    try:
        yield
    finally:
        unmount(folder)


@contextmanager
def small_disk(image: Path, folder: Path, size_bytes: int) -> Iterator[None]:
    """An ext4 file system in an image, which is made if it is missing, at a folder."""
    if image.exists():
        # A copy: a namespace that was made meanwhile, as by `ip netns exec`, still has the mount of
        # before, and the kernel would give that again.
        shutil.copyfile(image, copy := image.with_suffix(".again"))
        copy.replace(image)
    else:
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("needs mkfs.ext4")
        with open(image, "wb") as file:
            file.truncate(size_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        folder.mkdir()
    mount("-o", "loop", image, folder)
    try:
        yield
    finally:
        unmount(folder)


def cut_off(folder: Path) -> None:
    """Takes the disk away: from now on every write fails, and what was not synced is lost."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(opened, SHUTDOWN, struct.pack("I", WITHOUT_LOG_FLUSH))
    finally:
        os.close(opened)


def fill(path: Path) -> None:
    """Writes a file until the disk is full."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            try:
                while file.write(bytes(size)) == size:
                    continue
            except OSError:
                continue
