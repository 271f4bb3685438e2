"""What files the server's processes have open: how many they may, and the first three."""

import logging
import os
import resource
import sys

FILES_MOST = 1 << 16
"""For each process; a system that allows more than that is not taken at its word."""

_log = logging.getLogger(__name__)


def hold_standard_files() -> None:
    """Opens what of standard input, output and error is closed, on /dev/null: the next file that is
    opened would be taken for it, and a library's message be written into a journal.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def raise_files_max() -> None:
    """Raises the soft limit of this process and its children as far as it may."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files_max = FILES_MOST if hard == resource.RLIM_INFINITY else min(hard, FILES_MOST)
    if before != resource.RLIM_INFINITY and before < files_max:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, hard))
        _log.info("open files of a process: %d, raised from %d", files_max, before)
