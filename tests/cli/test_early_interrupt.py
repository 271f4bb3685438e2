"""Ctrl-C ends a command quietly from its first moments on, while it still imports."""

import signal
import socket
import subprocess
import sys

import pytest

PATIENCE_S = 60.0
SAID_AFTER = {
    "the first library": " click.utils\n",
    "a library in C": " numpy._core.multiarray\n",
    "a module of the command": " ringfence.cli.clock\n",
    "the module that makes connections": " grpc._channel\n",
}
"""What -X importtime says once a module is there."""


@pytest.mark.slow
@pytest.mark.parametrize("moment", SAID_AFTER)
def test_ctrl_c_while_a_command_imports_is_no_traceback(moment: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it waits there, if it gets so far
        command = subprocess.Popen(
            [
                *(sys.executable, "-X", "importtime", "-m", "ringfence", "status"),
                *("--server", f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "60"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert command.stderr is not None
        seen = []
        while line := command.stderr.readline():
            seen.append(line)
            if line.endswith(SAID_AFTER[moment]):
                command.send_signal(signal.SIGINT)
                break
        else:
            raise AssertionError(f"never imported:{SAID_AFTER[moment]}{''.join(seen[-5:])}")
        shown, said = command.communicate(timeout=PATIENCE_S)
    said = "\n".join(line for line in said.splitlines() if not line.startswith("import time:"))
    assert command.returncode == 130, said
    assert said in ("", "interrupted")
    assert shown == ""


@pytest.mark.slow
def test_a_command_that_ignores_ctrl_c_goes_on_doing_so() -> None:
    """As a shell starts what is in the background."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        " from ringfence.early_interrupt import EndsQuietly; first = EndsQuietly();"
        " first.__enter__(); signal.raise_signal(signal.SIGINT); first.__exit__();"
        " assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN; print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "goes on\n"
