"""Lines on their way out of a process: a thread writes them, as nobody may be reading.

A pipe that is full, a terminal that was stopped or a disk that hangs holds up the thread and nobody
else. What waits is bounded in bytes; beyond that lines are dropped, and the next line that comes
out says how many.

Thread safety: any thread may call. A fork does not take the thread along, and may find its lock
held: a child makes a writer of its own and never touches that of its parent. It finds no lock of
the C library held: while somebody else has the GIL, and may fork, the thread waits in the kernel.
"""

import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable

WAITING_BYTES_MAX = 1 << 18
FAILED_PAUSE_S = 1.0  # where the disk is full, or who reads is gone


class LineWriter:
    """Lines for one file, which come out in their order or are counted."""

    def __init__(self, file: int, dropped_text: Callable[[int], str]) -> None:
        """`file` is a descriptor; `dropped_text` words how many lines were dropped."""
        self._file = file
        self._dropped_text = dropped_text
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        threading.Thread(target=self._keep_writing, name="lines", daemon=True).start()

    def write(self, text: str) -> bool:
        """Takes one line, without its end; whether nothing else waited, so it comes out soon."""
        line = _encoded(text)
        with self._changed:
            alone = not self._waiting and not self._dropped
            # Once lines were dropped, none is taken until that is said: the order stays.
            if self._dropped or self._waiting_bytes + len(line) > WAITING_BYTES_MAX:
                self._dropped += 1
            else:
                self._waiting.append(line)
                self._waiting_bytes += len(line)
            self._changed.notify_all()
        return alone

    def flush(self, wait_s: float) -> bool:
        """Waits for at most `wait_s` until everything is out; whether it is."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, wait_s)

    def _is_idle(self) -> bool:
        return not self._waiting and not self._dropped

    def _keep_writing(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # the main thread's
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._is_idle())
                dropped = 0 if self._waiting else self._dropped
                line = _encoded(self._dropped_text(dropped)) if dropped else self._waiting[0]
            is_out = self._put(line)
            with self._changed:
                if not dropped:
                    self._waiting.popleft()
                    self._waiting_bytes -= len(line)
                    self._dropped += not is_out
                elif is_out:
                    self._dropped -= dropped
                self._changed.notify_all()
            if not is_out:
                time.sleep(FAILED_PAUSE_S)

    def _put(self, line: bytes) -> bool:
        while line:
            try:
                line = line[os.write(self._file, line) :]
            except BlockingIOError:  # who else has this file open made it so
                select.select([], [self._file], [])
            except OSError:
                return False
        return True


def _encoded(text: str) -> bytes:
    return f"{text}\n".encode(errors="backslashreplace")
