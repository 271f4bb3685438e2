"""A shell in an empty folder and a network of its own, where the ports a page names are free."""

import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from support.page_blocks import Block

PATIENCE_S = 120.0
AGAIN_S = 0.5
_READY = re.compile(r"^ringfence .*\bready ", re.MULTILINE)
MARK = "\u27e6{}\u27e7"

# Sets the loopback interface up: ifreq with IFF_UP, by SIOCSIFFLAGS.
_LOOPBACK = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14s', b'lo', 0x1, b''))"
)


class PageShell:
    """Bash, which is told one block after the other."""

    def __init__(self, folder: Path, beside: Path) -> None:
        """`folder` is empty and where the page's commands run; `beside` is for our own files."""
        self._beside = beside
        self._standing = 0
        programs = os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin"))
        self._bash = subprocess.Popen(
            [*network_of_its_own(), "bash", "--noprofile", "--norc"],
            cwd=folder,
            env={"PATH": programs, "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "100"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._read = b""
        self._tell(f"python -c {shlex.quote(_LOOPBACK)}")

    def run(self, block: Block) -> str:
        """Runs a block, and returns what was said; fails unless it is what the page says."""
        if block.stands:
            return self._stand(block.text)
        if block.language == "python":
            program = self._beside / f"line_{block.line}.py"
            program.write_text(block.text, "utf-8")
            commands = f"python {program}"
        else:
            commands = block.text
        deadline = time.monotonic() + PATIENCE_S
        while True:
            output, codes = self._tell(commands)
            missing = block.missing(output)
            as_said = not missing and codes == block.exit_codes
            if as_said or not block.reads or time.monotonic() > deadline:
                break
            time.sleep(AGAIN_S)
        assert codes == block.exit_codes, f"exit codes {codes}:\n{block.text}\n{output}"
        assert not missing, f"does not say: {missing}\n{block.text}\n{output}"
        return output

    def end(self) -> None:
        """Stops what stands; it must end well."""
        try:
            output, codes = self._tell("for job in $(jobs -p); do kill $job; wait $job; done")
            assert codes == [], output
        finally:
            os.killpg(self._bash.pid, signal.SIGKILL)
            self._bash.communicate()

    def _stand(self, text: str) -> str:
        """Begins what goes on, and waits until it says that it is ready."""
        self._standing += 1
        said = self._beside / f"standing_{self._standing}"
        self._tell(
            f"exec 3> {said}\n(exec {text.rstrip()}\n) >&3 2>&1 3>&- < /dev/null &\nexec 3>&-"
        )
        deadline = time.monotonic() + PATIENCE_S
        while not _READY.search(output := said.read_text("utf-8")):
            assert time.monotonic() < deadline, f"{text}\n{output}"
            time.sleep(0.05)
        return output

    def _tell(self, commands: str) -> tuple[str, list[int]]:
        """Has commands run; what they said, and the exit codes that are not 0, in their order."""
        assert self._bash.stdin is not None
        code, end = MARK.format("$?"), MARK.format("end")
        told = f"trap 'echo \"{code}\"' ERR\n{commands}\ntrap - ERR\necho '{end}'\n"
        self._bash.stdin.write(told.encode())
        self._bash.stdin.flush()
        output = self._until(f"{end}\n".encode())
        lines = output.splitlines()
        mark, _ = MARK.split("{}")
        codes = [
            int(line[1:-1]) for line in lines if line.startswith(mark) and line[1:-1].isdigit()
        ]
        return "\n".join(line for line in lines if not line.startswith(mark)), codes

    def _until(self, end: bytes) -> str:
        assert self._bash.stdout is not None
        deadline = time.monotonic() + PATIENCE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._bash.stdout, selectors.EVENT_READ)
            while end not in self._read:
                heard = selector.select(max(0.0, deadline - time.monotonic()))
                piece = os.read(self._bash.stdout.fileno(), 65_536) if heard else b""
                assert piece, f"it said no more: {self._read.decode()}"
                self._read += piece
        said, _, self._read = self._read.partition(end)
        return said.decode()


def network_of_its_own() -> list[str]:
    """What a command is begun with so that it has one; empty where that is not allowed."""
    for options in (["--net"], ["--user", "--map-root-user", "--net"]):
        command = ["unshare", *options, "--"]
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                return command
        except FileNotFoundError:
            break
    return []
