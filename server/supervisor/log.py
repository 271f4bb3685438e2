"""The log: one line an event on standard error, with the process's id and role.

Numbers called may appear in it; a caller never does.
"""

import logging
import sys


def configure_log(role: str) -> None:
    """Sends this process's log to standard error under its role; call it again after a fork."""
    line = logging.StreamHandler(sys.stderr)
    line.setFormatter(
        logging.Formatter(f"%(asctime)s %(levelname)s pid=%(process)d role={role} %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [line]
    root.setLevel(logging.INFO)
