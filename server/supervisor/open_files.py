"""How many files and connections the server's processes may have open."""

import logging
import resource

FILES_MOST = 1 << 16
"""For each process; a system that allows more than that is not taken at its word."""

_log = logging.getLogger(__name__)


def raise_files_max() -> None:
    """Raises the soft limit of this process and its children as far as it may."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files_max = FILES_MOST if hard == resource.RLIM_INFINITY else min(hard, FILES_MOST)
    if before != resource.RLIM_INFINITY and before < files_max:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, hard))
        _log.info("open files of a process: %d, raised from %d", files_max, before)
