"""HEP3 over UDP and TCP on one port.

UDP is read as fast as it comes: what the sink has no room for is dropped there and counted, because
leaving it in the socket would only let the kernel drop it unseen. TCP waits for room, and with it
the sender. Neither can make memory grow: the number of connections is bounded, a connection holds
at most one incomplete message, and one that does not complete it in time is closed. Connections
that nobody uses keep no agent out: when there are too many, the one idle longest is closed.

Until when all was heard is noted ten times a second: what had arrived by then was read, unless more
lay in a socket. A process that was stopped, or kept busy, has claimed nothing before it has read
what waited meanwhile, and has seen what the kernel dropped.

A framing error closes the connection, as there is no way to find the next message in what follows.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Callable

from ringfence.adapters.base import Attempt, EventSink, Tally, Unreadable
from ringfence.adapters.hep import DATAGRAM_MAX, Framing
from ringfence.adapters.hep_ports import Ports, open_ports, written_address
from ringfence.adapters.hep_reader import HepReader

CONNECTIONS_MAX = 256
STALL_S = 30.0
"""How long one message may take to arrive on a TCP connection."""
BURST_MAX = 256
"""Datagrams read before others get their turn."""
LAST_BURSTS_MAX = 1_000
"""Bursts read after the stop; an agent that sends on and on does not keep the adapter alive."""
DROPPED_BY_KERNEL = "note_udp_dropped_by_kernel"
RECEIVE_BUFFER_BYTES = 8 << 20
"""Asked of the kernel, which gives no more than net.core.rmem_max."""

ROUND_S = 0.1
ROUNDS = 5
"""So many times the loop looks at all sockets before what came over TCP is surely read: a new
connection is accepted, watched, read and served in turns of the loop that follow each other."""

_READ_BYTES = 65_536
CLOSE_S = 5.0
_SO_MEMINFO = 55  # linux/asm-generic/socket.h; nine u32, the last counts drops
_MEMINFO = struct.Struct("9I")


class HepListener:
    """A `Source` that listens on `host` and `port` (0 = any that is free).

    `clock` gives unix seconds: the time of receipt. `say` learns, once, that the
    kernel had no room.
    """

    def __init__(
        self,
        reader: HepReader,
        sink: EventSink,
        host: str,
        port: int,
        *,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._sink = sink
        self._host = host
        self._port = port
        self._say = say
        self._clock = clock
        self._looked_at = int(clock())
        self._kernel_drops = 0
        self._heard = deque([clock()] * ROUNDS, maxlen=ROUNDS)
        """When all that had arrived was in hand; of the last rounds, the oldest first."""
        self._rounds: asyncio.TimerHandle
        self._failure: asyncio.Future[None]
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._idle: dict[asyncio.StreamWriter, None] = {}
        """Connections that wait for their sender, the one that waits longest first."""
        self._at_work: dict[asyncio.StreamWriter, float] = {}
        """Connections of which something is handed on, and since when."""
        self._of_agents: set[asyncio.StreamWriter] = set()
        """Connections on which somebody has sent who is believed."""

    @property
    def tally(self) -> Tally:
        """The outcomes so far."""
        return self._reader.tally

    @property
    def heard_until(self) -> float:
        """Until when, unix seconds, all was handed on or counted as lost; it ends with `close`."""
        waits_since = self._reader.waits_since
        heard = self._heard[0]
        return heard if waits_since is None else min(heard, float(waits_since))

    @property
    def is_connected(self) -> bool:
        """Whether anybody sends over TCP."""
        return bool(self._connections)

    async def open(self) -> str:
        """Takes the port on UDP and TCP; returns the address, with the port chosen for 0."""
        (ports,) = await open_ports(
            self._host, self._port, receive_buffer_bytes=RECEIVE_BUFFER_BYTES
        )
        self.adopt(ports, heard_until=self._clock(), kernel_drops=0)
        host, port, *_ = ports.stream.getsockname()
        return f"listen={written_address(host, port)}"

    def adopt(self, ports: Ports, *, heard_until: float, kernel_drops: int) -> None:
        """Takes sockets that are open, in place of `open`: up to `heard_until`, unix seconds, all
        was handed on that came there, and so many drops of the kernel were counted.
        """
        self._stream, self._datagrams = ports
        self._looked_at = int(heard_until)
        self._heard.extend([heard_until] * ROUNDS)
        self._kernel_drops = kernel_drops

    async def start(self) -> None:
        """Begins to read; what has arrived since `open` waits in the kernel."""
        loop = asyncio.get_running_loop()
        self._failure = loop.create_future()
        self._server = await asyncio.start_server(self._connected, sock=self._stream)
        loop.add_reader(self._datagrams, self._burst)
        self._rounds = loop.call_later(ROUND_S, self._round)

    async def failed(self) -> None:
        """Waits until sending has failed for good, and raises what it failed with."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """Stops listening and hands on what had arrived: UDP from the kernel too, TCP as read.

        Raises what sending failed with.
        """
        self._server.close()
        self._rounds.cancel()
        asyncio.get_running_loop().remove_reader(self._datagrams)
        for _ in range(LAST_BURSTS_MAX):
            if self._failure.done() or not self._burst():
                break
            await asyncio.sleep(0)
        self.look()
        self._datagrams.close()
        for writer in self._connections.values():
            writer.close()  # ends the reading; what was read is still worked off
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=CLOSE_S)
            for serving in late:
                serving.cancel()
            if late:
                await asyncio.wait(late)
        self._hand_on(self._reader.finish())
        if self._failure.done():
            self._failure.result()

    def look(self) -> None:
        """Notices what the kernel had no room for, and calls forgotten too early."""
        now = int(self._clock())
        self._look_for_drops(now)
        self._hand_on(self._reader.look(now))
        if self._reader.memory.forgotten_early:
            self.tally["note_calls_forgotten"] = self._reader.memory.forgotten_early

    def _round(self) -> None:
        now = self._clock()
        behind = self._burst()
        self._look_for_drops(int(now))
        heard = min(self._at_work.values(), default=now)
        self._heard.append(self._heard[-1] if behind else min(heard, now))
        self._rounds = asyncio.get_running_loop().call_later(ROUND_S, self._round)

    def _look_for_drops(self, now: int) -> None:
        drops = self._drops()
        if drops > self._kernel_drops:
            if not self._kernel_drops:
                self._say(self._room())
            self.tally[DROPPED_BY_KERNEL] += drops - self._kernel_drops
            self._kernel_drops = drops
            self._sink.lose(self._looked_at - self._reader.late_s, now + 1)
        self._looked_at = now

    def _drops(self) -> int:
        try:
            info = self._datagrams.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:  # not Linux's own network stack
            return 0
        return int(_MEMINFO.unpack(info)[8])

    def _room(self) -> str:
        """What the kernel has granted; it says twice as much, as it counts what it adds itself."""
        octets = self._datagrams.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        return (
            f"the kernel dropped datagrams, as it holds {octets:,} octets of them at most, where"
            f" {RECEIVE_BUFFER_BYTES:,} are asked for (net.core.rmem_max); that time is not claimed"
        )

    def _burst(self) -> bool:
        """Reads what UDP has, BURST_MAX datagrams at most; whether there was that much."""
        try:
            for _ in range(BURST_MAX):
                octets, sender = self._datagrams.recvfrom(DATAGRAM_MAX)
                self._send_now(self._reader.read(octets, int(self._clock()), sender[0]))
        except BlockingIOError:
            return False
        except Exception as error:  # a callback of the loop has nobody above it
            self._fail(error)
            return False
        return True

    def _hand_on(self, attempts: list[Attempt]) -> None:
        """Hands on what nothing has arrived for just now."""
        try:
            self._send_now(attempts)
        except Exception as error:  # a callback of the loop has nobody above it
            self._fail(error)

    def _send_now(self, attempts: list[Attempt]) -> None:
        self._lose_unread()  # first, so that no claim goes out in between
        for attempt in attempts:
            if not self._sink.send(
                attempt.called, attempt.caller, attempt.occurred_at, attempt.kind
            ):
                self.tally["note_dropped_no_room"] += 1

    def _lose_unread(self) -> None:
        for began_at, ended_at in self._reader.lost():
            self._sink.lose(began_at, ended_at)

    def _fail(self, error: Exception) -> None:
        asyncio.get_running_loop().remove_reader(self._datagrams)
        if not self._failure.done():
            self._failure.set_exception(error)

    def _connected(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._reader.agents.may_send_from(_sender_of(writer)):
            self.tally["note_tcp_stranger"] += 1
            writer.close()
            return
        if len(self._connections) >= CONNECTIONS_MAX and not self._close_idle():
            self._lose("note_tcp_refused")
            writer.close()
            return
        # An agent that lost its power must not hold a connection for ever.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        serving = asyncio.create_task(self._serve(stream, writer))
        self._connections[serving] = writer
        serving.add_done_callback(self._connections.pop)
        self._idle[writer] = None

    def _close_idle(self) -> bool:
        """Closes the connection that was idle longest, of nobody who is believed if there is one;
        False when all are at work.
        """
        for writer in sorted(self._idle, key=self._of_agents.__contains__):
            del self._idle[writer]
            # What has arrived on it this moment was not read yet, and never will be.
            self._lose("note_tcp_closed_idle")
            writer.close()
            return True
        return False

    async def _serve(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framing = Framing()
        try:
            await self._read_stream(stream, writer, framing)
        except Unreadable as unreadable:
            self._broken(unreadable.reason, writer, framing)
        except TimeoutError:
            self._broken("note_tcp_stalled", writer, framing)
        except OSError:
            self._broken("note_tcp_lost", writer, framing)
        except Exception as error:
            self._fail(error)
        finally:
            self._idle.pop(writer, None)
            self._at_work.pop(writer, None)
            self._of_agents.discard(writer)
            writer.close()

    def _broken(self, reason: str, writer: asyncio.StreamWriter, framing: Framing) -> None:
        """A connection ended in the middle of something; a stranger's is only counted."""
        if writer not in self._of_agents and self._reader.is_of_a_stranger(
            framing.rest, _sender_of(writer)
        ):
            self.tally[reason] += 1
        else:
            self._lose(reason, since_s=STALL_S)

    def _lose(self, reason: str, *, since_s: float = 0) -> None:
        """A connection ended, perhaps in the middle of something: what that was is lost."""
        self.tally[reason] += 1
        now = int(self._clock())
        self._sink.lose(now - int(since_s) - self._reader.late_s, now + 1)

    async def _read_stream(
        self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter, framing: Framing
    ) -> None:
        sender = _sender_of(writer)
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while True:
            async with asyncio.timeout_at(deadline):
                octets = await stream.read(_READ_BYTES)
            if not octets:
                break
            self._idle.pop(writer, None)
            self._at_work[writer] = self._clock()
            complete = False
            for message in framing.feed(octets):
                complete = True
                if writer not in self._of_agents and not self._reader.is_of_a_stranger(
                    message, sender
                ):
                    self._of_agents.add(writer)
                attempts = self._reader.read(message, int(self._clock()), sender)
                self._lose_unread()
                for attempt in attempts:
                    await self._send(attempt)
            del self._at_work[writer]
            if not writer.is_closing():
                self._idle[writer] = None
            if not framing.inside:
                deadline = None
            elif complete or deadline is None:
                deadline = loop.time() + STALL_S
        if framing.inside:
            raise Unreadable("note_tcp_cut")

    async def _send(self, attempt: Attempt) -> None:
        try:
            await self._sink.send_wait(
                attempt.called, attempt.caller, attempt.occurred_at, attempt.kind
            )
        except asyncio.CancelledError:
            self._sink.lose(attempt.occurred_at, int(self._clock()) + 1)
            raise


def _sender_of(writer: asyncio.StreamWriter) -> str:
    """The address at the other end; "" when it is gone already."""
    name = writer.get_extra_info("peername")
    return str(name[0]) if name else ""
