"""tshark as a process of its own: it gets frames and prints lines, and may do nothing else.

Wireshark's dissectors are a million lines of C that read what strangers send. So tshark has no
network, no file but its programs, no privilege, and no more memory than it is given: bubblewrap
(`bwrap`) makes that so, and `prlimit` of util-linux.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from typing import IO

from ringfence.adapters.tap.frames import Frame
from ringfence.adapters.tap.written_frames import WrittenFrames

MEMORY_MAX = 2 << 30
_FILES_MAX = 64
_SCRIPT_MAX = 65_536  # which bwrap puts into the sandbox; tshark itself writes no file
_ERROR_MAX = 1_024
_LINES_KEPT = 8
_ENDS_S = 10.0
"""What has closed its output, or was killed, is gone by then."""
SETTINGS = (
    *("-o", "sip.hide_generatd_call_id:TRUE"),  # or each INVITE lists all of its media port
    *("-o", "tcp.reassemble_out_of_order:TRUE"),
)
_AS_NOBODY = (
    *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"),
)
_SANDBOX = (
    *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
    *("--uid", "65534", "--gid", "65534"),  # nobody; as root it would not run core.lua
    *("--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/bin", "/bin"),
    *("--symlink", "usr/lib64", "/lib64", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
    *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--setenv", "HOME", "/tmp"),
    *("--setenv", "PATH", "/usr/bin"),
)


class NoTshark(Exception):
    """tshark cannot be run here as it must be; the argument is a sentence that says why."""


class Tshark:
    """One run of tshark, whose standard input takes frames and whose standard output has lines."""

    def __init__(
        self,
        decode_as: Sequence[str] = (),
        *,
        memory_max: int = MEMORY_MAX,
        script: bytes | None = None,
    ) -> None:
        """`decode_as` are rules of tshark's -d; `script` is `core.lua`, unless another is given.

        Raises NoTshark.
        """
        for program in ("tshark", "bwrap", "prlimit"):
            if shutil.which(program) is None:
                raise NoTshark(
                    f"{program} is not installed: apt-get install tshark bubblewrap util-linux"
                )
        source = _piped(script or (files(__package__) / "core.lua").read_bytes())
        as_nobody = _AS_NOBODY if os.geteuid() == 0 else ()
        limits = (
            f"--as={memory_max}",
            f"--nofile={_FILES_MAX}",
            f"--fsize={_SCRIPT_MAX}",
            "--core=0",
        )
        rules = [each for rule in decode_as for each in ("-d", rule)]
        self._process = subprocess.Popen(
            (
                *as_nobody,
                *("prlimit", *limits, "bwrap", *_SANDBOX),
                *("--ro-bind-data", str(source), "/core.lua"),
                *("tshark", "-n", "-q", "-l", "-r", "-", "-X", "lua_script:/core.lua"),
                *SETTINGS,
                *rules,
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(source,),
            process_group=0,  # one of its own, see `kill`
        )
        os.close(source)
        self._written = WrittenFrames()
        self.lines: IO[bytes] = _pipe(self._process.stdout)
        self._frames: IO[bytes] = _pipe(self._process.stdin)
        self._frames.write(self._written.begin())
        self._said: deque[str] = deque(maxlen=_LINES_KEPT)
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    @property
    def pid(self) -> int:
        """Of the outermost process; with it the others end."""
        return self._process.pid

    def give(self, frame: Frame) -> None:
        """Hands on a frame; raises BrokenPipeError when tshark has ended."""
        self._frames.write(self._written.frame(frame))

    def mark(self, number: int, at_ns: int) -> None:
        """Makes it say that it has read all frames so far."""
        self._frames.write(self._written.mark(number, at_ns))
        self._frames.flush()

    def end(self) -> None:
        """No frames follow."""
        self._frames.close()

    def kill(self) -> None:
        """Ends it at once, be it stopped; with it goes all in its sandbox.

        The whole group: a sandbox that is just being made does not end with its maker as yet, and
        waits for it for ever.
        """
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def has_failed(self) -> bool:
        """Whether it has ended, and not well."""
        return bool(self._process.poll())

    def why_ended(self) -> str:
        """How it ended, in a sentence; one that prints no more and stays is ended."""
        try:
            status = self._process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self._process.wait()
        self._listening.join(_ENDS_S)
        return f"tshark has ended: status={status}" + (f", {self._said[-1]}" if self._said else "")

    def _listen(self) -> None:
        """Keeps the end of what it says of itself, so that it never waits for a reader."""
        for line in _pipe(self._process.stderr):
            if words := line[:_ERROR_MAX].decode("utf-8", "replace").strip():
                self._said.append(words)

    def close(self) -> None:
        """Ends it, and leaves nothing open; more than once does no harm."""
        self.kill()
        self._process.wait()
        with suppress(BrokenPipeError):  # octets for it that nobody takes any more
            self._frames.close()
        self._listening.join(_ENDS_S)
        if not self._listening.is_alive():  # else somebody holds the pipes, and closing them waits
            self.lines.close()
            _pipe(self._process.stderr).close()


def _piped(octets: bytes) -> int:
    """A descriptor to read these few octets from."""
    reading, writing = os.pipe()
    os.write(writing, octets)  # a pipe has room for 64 KiB
    os.close(writing)
    return reading


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "all three are pipes"
    return pipe
