"""A process that reads one of the sockets of a HEP port, and remembers nothing.

    python -m ringfence.adapters.processes.child PIPE PARENT

PIPE is its end of a socket pair, a file descriptor: it says HELLO there, takes its sockets and a
`Start`, and sends batches from then on. It ends when the other end does, with all that had arrived
handed over, and at once when PARENT, a process id, is gone. Signals that end programs are not for
it: a terminal, or a service's supervisor, sends them to all, and it reads until it is told.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress

from ringfence.adapters.hep_listener import ROUND_S, HepListener
from ringfence.adapters.hep_ports import Ports
from ringfence.adapters.pauses import keep_pauses_short
from ringfence.adapters.processes.batch import HELLO
from ringfence.adapters.processes.outbox import Outbox
from ringfence.adapters.processes.start import Start, take

_PR_SET_PDEATHSIG = 1
_ROUNDS_OF_A_LOOK = 10


def main() -> None:
    """Runs until the pipe ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pipe, parent = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    _end_with(parent)
    keep_pauses_short()
    try:
        pipe.sendall(HELLO)
        asyncio.run(_run(pipe, *take(pipe)))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        sys.exit(1)  # nobody is there to be told
    except Exception as error:
        # Not what it says: that may quote what was read.
        *_, place = traceback.extract_tb(error.__traceback__)
        where = f"{os.path.basename(place.filename)}:{place.lineno}"
        sys.exit(f"ringfence adapter hep: a process failed: {type(error).__name__} at {where}")


def _end_with(parent: int) -> None:
    """Whatever ends the parent ends this process, be it stopped."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


async def _run(pipe: socket.socket, ports: Ports, start: Start) -> None:
    outbox = Outbox(pipe.sendall)
    reader = start.settings.reader(outbox)
    outbox.tally = reader.tally
    outbox.understood = reader.agents.understood
    host, port, *_ = ports.stream.getsockname()
    listener = HepListener(reader, outbox, host, port, say=outbox.say)
    listener.adopt(ports, heard_until=start.heard_until, kernel_drops=start.kernel_drops)
    await listener.start()
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe, _watch, pipe, told)
    handing = asyncio.create_task(_hand_over(listener, outbox, told))
    failing = asyncio.create_task(listener.failed())
    await asyncio.wait((handing, failing), return_when=asyncio.FIRST_COMPLETED)
    for task in (handing, failing):
        if task.done():
            task.result()
    failing.cancel()
    await listener.close()
    outbox.hand_over(listener.heard_until, False, is_last=True)


async def _hand_over(listener: HepListener, outbox: Outbox, told: asyncio.Event) -> None:
    """Hands over ten times a second, which also says that this process is well."""
    rounds = 0
    while not told.is_set():
        outbox.hand_over(listener.heard_until, listener.is_connected)
        rounds += 1
        if rounds % _ROUNDS_OF_A_LOOK == 0:
            listener.look()
        with suppress(TimeoutError):
            async with asyncio.timeout(ROUND_S):
                await told.wait()


def _watch(pipe: socket.socket, told: asyncio.Event) -> None:
    if not pipe.recv(1):
        asyncio.get_running_loop().remove_reader(pipe)
        told.set()


if __name__ == "__main__":
    main()
