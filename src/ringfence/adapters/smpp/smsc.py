"""The side of the SMS centre: gateways connect and bind to us, and send what they have.

A system_id has one bind that may send, and one receiver beside it; a further one is refused until
the first is gone, and the first is asked at once whether it still is there. Passwords are compared
in a time that says nothing, also for a system_id that nobody has.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from collections.abc import Mapping

from ringfence.adapters.base import Tally, Unreadable
from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp.body import read_bind
from ringfence.adapters.smpp.desk import Desk
from ringfence.adapters.smpp.pdu import RESPONSE, Pdu, written
from ringfence.adapters.smpp.session import Session

CONNECTIONS_MAX = 256
HANDSHAKE_S = 10.0
TRIES_MAX = 3
PROBE_S = 3.0
CLOSE_S = 10.0


class Smsc:
    """A `Source` that listens on `host` and `port` (0 = any that is free).

    `accounts` are passwords by system_id; one with sessions `sessions_max` binds that may send.
    """

    def __init__(
        self,
        desk: Desk,
        accounts: Mapping[str, str],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        sessions_max: int = 1,
    ) -> None:
        self._desk = desk
        self._accounts = {name.encode(): word.encode() for name, word in accounts.items()}
        self._host = host
        self._port = port
        self._tls = tls
        self._sessions_max = sessions_max
        self._sessions: dict[asyncio.Task[None], Session] = {}
        self._failure: asyncio.Future[None]
        self._closing = False

    @property
    def tally(self) -> Tally:
        """The outcomes so far."""
        return self._desk.tally

    async def open(self) -> str:
        """Takes the port; returns the address, with the port chosen for 0."""
        self._failure = asyncio.get_running_loop().create_future()
        where = f"{f'[{self._host}]' if ':' in self._host else self._host}"
        try:
            self._server = await asyncio.start_server(
                *(self._connected, self._host, self._port),
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_S if self._tls else None,
                start_serving=False,
            )
        except OSError as error:
            words = f"cannot listen on {where}:{self._port}: {error.strerror}"
            raise OSError(words) from error
        return f"listen={where}:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Begins to take connections; those since `open` wait in the kernel."""
        self._answering = asyncio.create_task(self._desk.answers.run())
        self._answering.add_done_callback(self._fail_of)
        await self._server.start_serving()

    async def failed(self) -> None:
        """Waits until sending has failed for good, and raises what it failed with."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """Stops reading, answers what was read as soon as that is safe, and unbinds."""
        self._server.close()
        self._closing = True
        sessions = [*self._sessions.values()]
        for task in self._sessions:
            task.cancel()
        waiting = asyncio.create_task(self._desk.answers.wait_none())
        answering = {waiting, self._answering}
        await asyncio.wait(answering, timeout=CLOSE_S, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*(session.leave() for session in sessions))
        for each in answering:
            each.cancel()
        await asyncio.wait({*answering, *self._sessions})
        if self._failure.done():
            self._failure.result()

    def look(self) -> None:
        """Asks who is silent."""
        for session in [*self._sessions.values()]:
            session.look()
        if early := self._desk.reader.parts.forgotten_early:
            self.tally["note_parts_forgotten"] = early

    def _connected(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= CONNECTIONS_MAX and not self._make_room():
            self.tally["note_connection_refused"] += 1
            writer.transport.abort()
            return
        session = Session(self._desk, stream, writer, self._bind)
        task = asyncio.create_task(session.run())
        self._sessions[task] = session
        task.add_done_callback(self._left)

    def _make_room(self) -> bool:
        """Lets the one go that has been here for longest without a bind; whether there is one."""
        for session in self._sessions.values():
            if session.is_stranger:
                session.abort("note_never_bound")
                return True
        return False

    def _left(self, task: asyncio.Task[None]) -> None:
        session = self._sessions.pop(task)
        if not self._closing:
            session.end()
        self._fail_of(task)

    def _fail_of(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._failure.done():
            self._failure.set_exception(error)

    def _bind(self, session: Session, pdu: Pdu) -> bytes:
        if pdu.command & RESPONSE:
            return b""
        answer = pdu.command | RESPONSE
        try:
            bind = read_bind(pdu.body)
        except Unreadable as unreadable:
            self.tally[unreadable.reason] += 1
            return self._refuse(session, answer, smpp.INVALID_COMMAND_LENGTH, pdu)
        known = self._accounts.get(bind.system_id)
        same = hmac.compare_digest(bind.password, known or b"")
        if known is None:
            return self._refuse(session, answer, smpp.BIND_FAILED, pdu)
        if not same:
            return self._refuse(session, answer, smpp.INVALID_PASSWORD, pdu)
        name, sends = bind.system_id.decode(), pdu.command != smpp.BIND_RECEIVER
        others = [s for s in self._sessions.values() if (s.name, s.sends) == (name, sends)]
        if len(others) >= self._sessions_max:
            for other in others:
                other.probe(PROBE_S)
            return self._refuse(session, answer, smpp.ALREADY_BOUND, pdu)
        self.tally["note_bound"] += 1
        session.become(name, sends=sends)
        return written(answer, smpp.OK, pdu.sequence, b"ringfence\0" + smpp.VERSION_TLV)

    def _refuse(self, session: Session, answer: int, status: int, pdu: Pdu) -> bytes:
        self.tally["note_bind_refused"] += 1
        session.tries += 1
        refusal = written(answer, status, pdu.sequence, b"\0")
        if session.tries >= TRIES_MAX:
            session.refuse(refusal)
            return b""
        return refusal
