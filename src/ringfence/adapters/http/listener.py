"""The sockets: uvicorn, with connections that are bounded in number, silence and time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from ringfence.adapters.base import Tally
from ringfence.adapters.ndjson.desk import Desk

CONNECTIONS_MAX = 256
SILENCE_S = 10.0
"""How long a connection may be open without a request that goes on."""
LOOKS_MAX = 6
"""How many times as long a request may go on."""
CLOSE_S = 15.0
_BACKLOG = 256


class Connection(H11Protocol):
    """One of at most `CONNECTIONS_MAX`: for one more, the one that was idle longest goes."""

    def connection_made(  # type: ignore[override]  # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        """Begins to look after it."""
        super().connection_made(transport)
        self._heard_at = self.loop.time()
        self._looks = 0
        self._seen: object = None
        self._looking = self.loop.call_later(SILENCE_S, self._look)
        if len(self.connections) > CONNECTIONS_MAX:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends looking after it."""
        self._looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes octets; whatever cannot be HTTP ends the connection."""
        self._heard_at = self.loop.time()
        try:
            super().data_received(data)
        except (h11.ProtocolError, ValueError):
            self.transport.abort()

    def shutdown(self) -> None:
        """The adapter stops: what is being answered is answered first."""
        try:
            super().shutdown()
        except h11.ProtocolError:
            self.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether no request goes on."""
        return self.cycle is None or self.cycle.response_complete

    def _look(self) -> None:
        self._looks = self._looks + 1 if self.cycle is self._seen else 0
        self._seen = self.cycle
        if self._looks >= (1 if self.is_idle else LOOKS_MAX):
            self.transport.abort()
            return
        self._looking = self.loop.call_later(SILENCE_S, self._look)

    def _make_room(self) -> None:
        ours = [each for each in self.connections if isinstance(each, Connection)]
        idle = [each for each in ours if each.is_idle and each is not self]
        longest = min(idle, key=lambda each: each._heard_at, default=self)
        longest.transport.abort()
        self.connections.discard(longest)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the adapter's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens as uvicorn does, but a TLS handshake may take less than a minute."""
        await super().startup(sockets=[])
        loop, config = asyncio.get_running_loop(), self.config
        for each in sockets or ():
            server = await loop.create_server(
                lambda: Connection(config, self.server_state, self.lifespan.state),
                sock=each,
                ssl=config.ssl,
                ssl_handshake_timeout=SILENCE_S if config.ssl else None,
                backlog=config.backlog,
            )
            self.servers.append(server)


class HttpListener:
    """A `Source` that listens on `host` and `port` (0 = any that is free)."""

    def __init__(
        self, app: Starlette, desk: Desk, host: str, port: int, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._desk = desk
        self._host = host
        self._port = port
        self._server = _Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # a hostile client must not fill a log, nor write into it
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=int(CLOSE_S) - 3,
                backlog=_BACKLOG,
                ssl_context_factory=None if tls is None else lambda _, __: tls,
            )
        )

    @property
    def tally(self) -> Tally:
        """The outcomes so far."""
        return self._desk.tally

    async def open(self) -> str:
        """Takes the port; returns the address, with the port chosen for 0."""
        where = f"[{self._host}]" if ":" in self._host else self._host
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
            family, kind, protocol, _, address = found[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
            self._socket.listen(_BACKLOG)
        except OSError as error:
            words = f"cannot listen on {where}:{self._port}: {error.strerror}"
            raise OSError(words) from error
        return f"listen={where}:{self._socket.getsockname()[1]}"

    async def start(self) -> None:
        """Begins to answer; who connected since `open` waits in the kernel."""
        self._serving = asyncio.create_task(self._server.serve([self._socket]))

    async def failed(self) -> None:
        """Waits until that has failed for good, and raises what it failed with."""
        await asyncio.shield(self._serving)

    async def close(self) -> None:
        """Stops listening, and answers what was received."""
        self._server.should_exit = True
        await asyncio.wait({self._serving}, timeout=CLOSE_S)
        self._serving.cancel()
        await asyncio.wait({self._serving})
        for connection in [*self._server.server_state.connections]:
            if isinstance(connection, Connection):
                connection.transport.abort()
        if not self._serving.cancelled():
            self._serving.result()

    def look(self) -> None:
        """Counts what nothing else announces."""
        self._desk.look()
