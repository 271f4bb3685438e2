"""The command on a terminal of its own, as a person has it."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import suppress

PATIENCE_S = 60.0
# The terminal becomes that of the process, so that Ctrl-C is a signal.
_OWN = "import os, sys; os.login_tty(os.dup(0)); os.execv(sys.executable, sys.argv[1:])"


def on_terminal(
    *arguments: str, typed: bytes = b"", columns: int = 80, **env: str
) -> tuple[int, str]:
    """Runs `ringfence` with arguments, types an answer to each question; the exit code, and all
    that was to be seen.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = subprocess.Popen(
        [sys.executable, "-c", _OWN, sys.executable, "-m", "ringfence.cli", *arguments],
        stdin=its,
        stdout=its,
        stderr=its,
        env={"TERM": "xterm", **inherited, **env},
    )
    os.close(its)
    shown = b""
    with suppress(OSError), open(ours, "r+b", buffering=0) as terminal:
        while piece := terminal.read(65_536):  # ends with an error once nobody writes any more
            shown += piece
            if shown.endswith(b"[y/N]: "):
                terminal.write(typed)
    return command.wait(PATIENCE_S), shown.decode().replace("\r\n", "\n")
