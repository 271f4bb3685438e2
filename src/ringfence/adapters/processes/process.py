"""One process that reads, as the process that remembers sees it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator

from ringfence.adapters.hep_ports import Ports
from ringfence.adapters.processes.batch import (
    FRAME_OCTETS_MAX,
    HELLO,
    LENGTH_OCTETS,
    Batch,
    of_octets,
)
from ringfence.adapters.processes.start import Start, give

START_S = 60.0
"""How long it may take until it is there, on a machine that is busy."""
END_S = 1.0
"""How long one that has closed its pipe may take to be gone."""


class Reading:
    """A process that reads; it is there, and waits for its sockets."""

    def __init__(self, process: Process, pipe: socket.socket) -> None:
        self._process = process
        self._pipe = pipe
        self._writer: asyncio.StreamWriter | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @classmethod
    async def begin(cls, hash_seed: int) -> Reading:
        """Starts one. Those that share a `hash_seed` make the same of the same leg of a call.

        Raises OSError, also when it is not there within START_S.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "ringfence.adapters.processes.child"),
                *(str(theirs.fileno()), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # Ctrl-C is for the one who started it.
                process_group=0,
                env={
                    **os.environ,
                    "PYTHONHASHSEED": str(hash_seed),
                    "PYTHONPATH": os.pathsep.join(sys.path),
                },
            )
        ours.setblocking(False)
        reading = cls(process, ours)
        try:
            async with asyncio.timeout(START_S):
                await reading._hello()
        except TimeoutError:
            await reading.end()
            raise OSError(f"a process was not there after {START_S:g} s") from None
        except BaseException:
            await reading.end()
            raise
        return reading

    async def _hello(self) -> None:
        said = b""
        while said != HELLO:
            octets = await asyncio.get_running_loop().sock_recv(self._pipe, len(HELLO) - len(said))
            if not octets:
                raise OSError("a process ended as it began")
            said += octets

    async def batches(self, ports: Ports, start: Start) -> AsyncGenerator[Batch, None]:
        """Gives it its sockets; then what it finds, until it is gone."""
        try:
            await give(self._pipe, ports, start)
            reader, self._writer = await asyncio.open_unix_connection(sock=self._pipe)
            if self._stopping:
                self._writer.write_eof()
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH_OCTETS))
                if length > FRAME_OCTETS_MAX:
                    return
                yield of_octets(await reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError):
            return  # how it ended, `end` tells

    def stop(self) -> None:
        """Tells it to hand over what has arrived, and to end."""
        self._stopping = True
        if self._writer is not None:
            self._writer.write_eof()

    def kill(self) -> None:
        """Ends it at once, be it stopped; its batches end."""
        if self._process.returncode is None:
            self._process.kill()

    async def end(self) -> str:
        """Makes sure that it is gone; returns how it ended."""
        try:
            async with asyncio.timeout(END_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        code = await self._process.wait()
        if self._writer is not None:
            self._writer.close()
        self._pipe.close()
        return f"exit_code={code}" if code >= 0 else f"signal={-code}"
