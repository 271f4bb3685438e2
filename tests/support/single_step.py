"""A process that stops before each access to a file that it has mapped, until it is told to go on.

What happens between two accesses to shared memory is nobody's business: whoever is stopped before
each of them, one after the other, has been stopped everywhere that others can tell apart. So the
mapping is closed to the process; an access stops it, before it has read or written anything; then
the mapping is open for that one instruction, and closed again. The file stays open to all others.

What runs is what the compiler made. One thing at a time happens, though, and each is seen by all at
once: what needs a fence on a machine with several cores is not found here.

By ptrace, of Linux on x86-64, which a process may do with its children; Yama (ptrace_scope) and
seccomp can refuse that. Only the thread that began it goes on with it.
"""

import ctypes
import mmap
import os
import platform
import signal
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, Self

from ringfence.engine.answers import Unsettled
from ringfence.engine.memory.segment import Segment
from support.writing_processes import start

PEEK_TEXT, CONTINUE, SINGLE_STEP = 1, 7, 9  # sys/ptrace.h
GET_REGISTERS, SET_REGISTERS = 12, 13
GET_SIGNAL, SEIZE = 0x4202, 0x4206
DIES_WITH_US = 1 << 20  # PTRACE_O_EXITKILL
RAX, RDX, RSI, RDI, ORIG_RAX, RIP = 10, 12, 13, 14, 15, 16  # in sys/user.h
SYSTEM_CALL = 0x050F
MPROTECT = 10
CLOSED, OPEN = 0, mmap.PROT_READ | mmap.PROT_WRITE
ADDRESS_AT = 16  # of the access, in siginfo_t
PATIENCE_S = 120  # for one turn of a process that does not end it
ACCESSES_MOST = 20_000  # likewise

UNSETTLED = "unsettled"
"""The answer of an act that raised Unsettled."""

Act = Callable[[], object]
Registers = ctypes.c_uint64 * 27
SignalInfo = ctypes.c_uint64 * 16

_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _mark() -> None:
    """Where the process waits for the one that steps it."""
    signal.raise_signal(signal.SIGSTOP)


def _act_on(line: Connection, path: str, prepare: Callable[..., Act], *arguments: object) -> None:
    """Acts over and over, each time between two marks, and says what came of it."""
    act = prepare(Segment.open(path), *arguments)
    line.send("ready")
    line.recv()
    while True:
        _mark()
        signal.alarm(PATIENCE_S)
        try:
            answer = act()
        except Unsettled:
            answer = UNSETTLED
        _mark()
        signal.alarm(0)
        line.send(answer)


class SteppedProcess:
    """A process that does one thing with a segment, again and again: `prepare(segment, *arguments)`
    gives it. Has its own segment; what `prepare` does is done before it is stepped.

    At first, and after each `answer`, it stands before the thing.
    """

    def __init__(self, path: Path, prepare: Callable[..., Act], *arguments: object) -> None:
        assert platform.machine() == "x86_64", f"steps x86-64 only: {platform.machine()}"
        self._process, self._line = start(_act_on, str(path), prepare, *arguments)
        assert self._process.pid is not None
        self._pid = self._process.pid
        self._begin, self._bytes = _mapping(self._pid, path)
        try:
            self._request(SEIZE, DIES_WITH_US)
        except OSError as error:
            self._process.kill()
            raise RuntimeError(f"this machine lets nobody step a child: {error}") from error
        self._stands: Literal["before", "within", "behind"] = "before"
        self._line.send("go")
        assert self._stopped_by() == signal.SIGSTOP
        # It has just stopped itself, so the instruction before this one calls the system.
        self._call_at = self._registers()[RIP] - 2
        assert self._request(PEEK_TEXT, address=self._call_at) & 0xFFFF == SYSTEM_CALL

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Kills it where it is."""
        if self._process.is_alive():
            os.kill(self._pid, signal.SIGKILL)
            while os.WIFSTOPPED(os.waitpid(self._pid, 0)[1]):
                pass  # a stop of before; who steps it must see it end, or its parent never does
        self._process.join()

    def accesses(self) -> Iterator[int]:
        """Goes on to the next access and says where in the file, for each up to the end of the
        thing; who leaves this early leaves the process there, until it is told to `answer`.
        """
        assert self._stands == "before", f"it stands {self._stands} the thing"
        self._stands = "within"
        self._protect(CLOSED)
        stops = 0
        while (stopped_by := self._go(CONTINUE)) == signal.SIGSEGV:
            assert (stops := stops + 1) < ACCESSES_MOST, "it does not end"
            information = SignalInfo()
            self._request(GET_SIGNAL, ctypes.addressof(information))
            at = information[ADDRESS_AT // 8] - self._begin
            assert 0 <= at < self._bytes, f"crashed at {at + self._begin:#x}"
            yield at
            self._protect(OPEN)
            assert self._go(SINGLE_STEP) == signal.SIGTRAP
            self._protect(CLOSED)
        assert stopped_by == signal.SIGSTOP, f"stopped by {stopped_by}"
        self._protect(OPEN)
        self._stands = "behind"

    def answer(self) -> object:
        """Goes on to the end of the thing, and says what came of it."""
        if self._stands == "within":
            self._protect(OPEN)
        if self._stands != "behind":
            assert (stopped_by := self._go(CONTINUE)) == signal.SIGSTOP, f"stopped by {stopped_by}"
        self._request(CONTINUE)
        answer = self._line.recv()
        assert self._stopped_by() == signal.SIGSTOP
        self._stands = "before"
        return answer

    def _request(self, what: int, data: int = 0, address: int = 0) -> int:
        ctypes.set_errno(0)
        done = int(_ptrace(what, self._pid, address, data))
        if error := ctypes.get_errno():
            raise OSError(error, f"ptrace {what:#x}: {os.strerror(error)}")
        return done

    def _stopped_by(self) -> int:
        _, status = os.waitpid(self._pid, 0)
        assert os.WIFSTOPPED(status), f"the process has ended: {status:#x}"
        return os.WSTOPSIG(status)

    def _go(self, how: int) -> int:
        """Goes on to where it stops next; by which signal, which it does not get itself."""
        self._request(how)
        return self._stopped_by()

    def _registers(self) -> "ctypes.Array[ctypes.c_uint64]":
        registers = Registers()
        self._request(GET_REGISTERS, ctypes.addressof(registers))
        return registers

    def _protect(self, protection: int) -> None:
        """Has the process call mprotect on its mapping, where it is, without noticing."""
        before = self._registers()
        calling = Registers(*before)
        calling[RAX], calling[ORIG_RAX], calling[RIP] = MPROTECT, 2**64 - 1, self._call_at
        calling[RDI], calling[RSI], calling[RDX] = self._begin, self._bytes, protection
        self._request(SET_REGISTERS, ctypes.addressof(calling))
        assert self._go(SINGLE_STEP) == signal.SIGTRAP
        assert self._registers()[RAX] == 0, "mprotect failed"
        self._request(SET_REGISTERS, ctypes.addressof(before))


def _mapping(pid: int, path: Path) -> tuple[int, int]:
    """Where a process has mapped a file, and how many bytes of it."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith(f" {path}"):
            begin, end = (int(address, 16) for address in line.split()[0].split("-"))
            return begin, end - begin
    raise LookupError(f"{path} is not mapped by process {pid}")
