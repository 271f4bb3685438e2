"""The log: one line an event on standard error, with the process's id and role.

Numbers called may appear in it; a caller never does. A log that nobody reads holds nobody up: a
line is out when it was logged, as long as somebody reads, and else goes its own way
(`line_writer.py`).
"""

import logging
import sys
import time

from ringfence.server.supervisor.line_writer import LineWriter

GLANCE_S = 0.01  # for the first line that does not come out; the next ones do not wait
END_S = 0.5  # for the last lines of a process


class LogLines(logging.Handler):
    """What is logged, as lines on standard error."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.setFormatter(
            _UtcFormatter(f"%(asctime)s %(levelname)s pid=%(process)d role={role} %(message)s")
        )
        self._lines = LineWriter(sys.stderr.fileno(), self._dropped_text)

    def emit(self, record: logging.LogRecord) -> None:
        """Hands a line on; waits for what is critical, as the process may end right after it."""
        try:
            alone = self._lines.write(self.format(record))
        except Exception:  # a line that cannot be formatted, as every handler of logging has it
            self.handleError(record)
            return
        if record.levelno >= logging.CRITICAL:
            self.flush()
        elif alone:
            self._lines.flush(GLANCE_S)

    def flush(self) -> None:
        """Waits for what is not out yet, for at most END_S."""
        self._lines.flush(END_S)

    def _dropped_text(self, lines: int) -> str:
        text = "lines of the log were dropped, as they could not be written: lines=%d"
        return self.format(
            logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (lines,), None)
        )


class _UtcFormatter(logging.Formatter):
    """Times as everywhere else, RFC 3339 in UTC: 2026-03-01T12:00:00.123Z."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


def configure_log(role: str) -> None:
    """Sends this process's log to standard error under its role; call it again after a fork.

    It begins a thread. A process that ends by itself waits for its last lines, as logging does
    then; one that calls os._exit has to `flush_log` before.
    """
    root = logging.getLogger()
    root.handlers[:] = [LogLines(role)]
    root.setLevel(logging.INFO)


def flush_log() -> None:
    """Waits for the last lines, but not for long."""
    for handler in logging.getLogger().handlers:
        handler.flush()
