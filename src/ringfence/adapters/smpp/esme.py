"""The side of a gateway: we connect and bind to an SMS centre, and take what it delivers.

The centre keeps what is not answered. When the connection is lost, or a bind refused, it is tried
again, later each time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from ringfence.adapters.base import Tally
from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp.body import bind_body
from ringfence.adapters.smpp.desk import Desk
from ringfence.adapters.smpp.pdu import RESPONSE, Pdu
from ringfence.adapters.smpp.session import Session
from ringfence.backoff import backoff_s

CONNECT_S = 10.0
CLOSE_S = 10.0
PAUSE_S_MAX = 30.0
_WHY = {
    smpp.INVALID_PASSWORD: "the password",
    smpp.BIND_FAILED: "the bind",
    0xF: "the system_id",
    smpp.ALREADY_BOUND: "a second bind",
}


class Esme:
    """A `Source` that binds to the SMS centre at `host`, `port`, again and again.

    `account` is our system_id and password.
    """

    def __init__(
        self,
        desk: Desk,
        account: tuple[str, str],
        host: str,
        port: int,
        *,
        say: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
        receiver: bool = True,
    ) -> None:
        self._desk = desk
        self._system_id, self._password = account
        self._host = host
        self._port = port
        self._say = say
        self._tls = tls
        self._command = smpp.BIND_RECEIVER if receiver else smpp.BIND_TRANSCEIVER
        self._session: Session | None = None
        self._refused = ""
        self._closing = False

    @property
    def tally(self) -> Tally:
        """The outcomes so far."""
        return self._desk.tally

    async def open(self) -> str:
        """Nothing is opened yet: until the bind nothing counts as heard."""
        return f"connect={self._host}:{self._port}"

    async def start(self) -> None:
        """Begins to connect."""
        self._answering = asyncio.create_task(self._desk.answers.run())
        self._connecting = asyncio.create_task(self._connect_on())

    async def failed(self) -> None:
        """Waits until taking messages has failed for good, and raises what it failed with."""
        tasks = {self._answering, self._connecting}
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def close(self) -> None:
        """Stops reading, answers what was read as soon as that is safe, and unbinds."""
        self._closing = True
        self._connecting.cancel()
        await asyncio.wait({self._connecting})
        waiting = asyncio.create_task(self._desk.answers.wait_none())
        tasks = {waiting, self._answering}
        await asyncio.wait(tasks, timeout=CLOSE_S, return_when=asyncio.FIRST_COMPLETED)
        if self._session:
            await self._session.leave()
        failed = self._answering if self._answering.done() else None
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if failed:
            failed.result()

    def look(self) -> None:
        """Asks whether the centre is silent."""
        if self._session:
            self._session.look()
        if early := self._desk.reader.parts.forgotten_early:
            self.tally["note_parts_forgotten"] = early

    async def _connect_on(self) -> None:
        failures = 0
        while True:
            self._refused = "it was closed"
            try:
                async with asyncio.timeout(CONNECT_S):
                    stream, writer = await asyncio.open_connection(
                        self._host, self._port, ssl=self._tls
                    )
            except (OSError, TimeoutError) as error:
                bound, self._refused = False, str(error) or "no answer"
            else:
                bound = await self._converse(Session(self._desk, stream, writer, self._answered))
            failures = 1 if bound else failures + 1
            if failures <= 1:  # said once, not at each attempt
                self._say(f"not bound: {self._refused}; trying again")
            await asyncio.sleep(backoff_s(failures, PAUSE_S_MAX))

    async def _converse(self, session: Session) -> bool:
        """Binds, and takes what comes until the connection ends; whether it was bound."""
        self._session = session
        session.send(self._command, bind_body(self._system_id.encode(), self._password.encode()))
        try:
            await session.run()
        finally:
            if not self._closing:
                session.end()
                self._session = None
        return session.name is not None

    def _answered(self, session: Session, pdu: Pdu) -> bytes:
        """The answer to our bind; a centre does not bind to us."""
        if pdu.command != self._command | RESPONSE or session.name:
            return b""
        if pdu.status == smpp.OK:
            self._say("bound")
            self.tally["note_bound"] += 1
            session.become(self._system_id, sends=True)
        else:
            self.tally["note_bind_refused"] += 1
            why = _WHY.get(pdu.status, "the bind")
            self._refused = f"the centre refuses {why}, 0x{pdu.status:02X}"
            session.close()
        return b""
