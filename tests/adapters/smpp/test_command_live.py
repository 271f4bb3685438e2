"""The command against a real server: bound to a centre that keeps messages, or by many gateways."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest
import smpp34
from support.programs import PATIENCE_S, free_ports
from support.smpp_live import (
    ACCOUNT,
    NUMBERS,
    adapter,
    counting_server,
    counts,
    end,
    prepare,
    until,
)

from ringfence import Client

pytestmark = pytest.mark.slow

MESSAGES = 300
SENDER = "441632960321"
BATCH = 25


class Keeping:
    """A centre that has ever more messages, and keeps each until it is answered."""

    def __init__(self, server: smpp34.Server) -> None:
        self._server = server
        self._bound = asyncio.Queue[smpp34.Esme]()
        self._kept: list[int] = []
        self.made = 0
        self.more = True
        self.binds = 0

    async def listen(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self.binds += 1
                self._bound.put_nowait(event)

    async def deliver(self) -> None:
        """Delivers what there is to whoever bound last, until all is answered and no more comes."""
        esme = await self._bound.get()
        while self.more or self._kept:
            if self.more:
                new = BATCH - len(self._kept)
                self._kept += range(self.made, self.made + new)
                self.made += new
            answers = await asyncio.gather(
                *(self._deliver(esme, at) for at in self._kept), return_exceptions=True
            )
            kept = zip(self._kept, answers, strict=True)
            self._kept = [at for at, done in kept if done is not True]
            if self._kept:
                esme = await self._bound.get()

    @staticmethod
    async def _deliver(esme: smpp34.Esme, at: int) -> bool:
        answer = await esme.deliver_sm(
            *(f"0{str(NUMBERS[at % len(NUMBERS)])[2:]}", b"message %d" % at),
            source_addr=SENDER,
            source_addr_ton=1,
        )
        return answer.is_success


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_centre_keeps_while_the_adapter_is_away_is_not_lost(
    ended_by: signal.Signals, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    way = ("--connect", f"127.0.0.1:{port}", "--transceiver")

    async def run(client: Client, server: str) -> Counter[int]:
        centre = smpp34.Server("127.0.0.1", port)
        await centre.start()
        keeping = Keeping(centre)
        tasks = [asyncio.create_task(keeping.listen()), asyncio.create_task(keeping.deliver())]
        try:
            with adapter(server, tmp_path, *way) as first:
                await until(client, MESSAGES)
                end(first, ended_by)
            with adapter(server, tmp_path, *way) as second:
                await until(client, counts(client).total() + MESSAGES)
                keeping.more = False
                await asyncio.wait_for(tasks[1], PATIENCE_S)
                assert "note_bound=1" in end(second, signal.SIGTERM)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await centre.stop()
        assert keeping.binds == 2
        return Counter(NUMBERS[at % len(NUMBERS)] for at in range(keeping.made))

    with counting_server(tmp_path) as server, Client(server.address) as client:
        prepare(client)
        wanted = asyncio.run(run(client, server.address))
        got = counts(client)
    assert wanted - got == Counter(), "none is lost"
    if ended_by == signal.SIGTERM:
        assert got == wanted, "and none counts twice"


def test_a_system_id_with_two_sessions_sends_over_both(tmp_path: Path) -> None:
    (port,) = free_ports(1)

    async def bound() -> tuple[smpp34.Client, smpp34.Smsc]:
        gateway = smpp34.Client("127.0.0.1", port, *ACCOUNT, connect_timeout_ms=1_000)
        try:
            return gateway, await gateway.connect()
        except smpp34.SmppError:
            await gateway.stop()
            raise

    async def run(client: Client) -> None:
        (one, first), (other, second) = await bound(), await bound()
        with pytest.raises(smpp34.SmppError):
            await bound()
        for at in range(BATCH):
            for centre in (first, second):
                answer = await centre.submit_sm(str(NUMBERS[at]), b"%d" % at, source_addr=SENDER)
                assert answer.is_success
        assert counts(client).total() == 2 * BATCH, "what is answered is safe"
        await one.stop()
        await other.stop()

    with counting_server(tmp_path) as server, Client(server.address) as client:
        prepare(client)
        way = ("--listen", f"127.0.0.1:{port}", "--sessions", "2")
        with adapter(server.address, tmp_path, *way) as running:
            asyncio.run(run(client))
            said = end(running, signal.SIGTERM)
    assert "note_bound=2" in said
    assert f"event={2 * BATCH}" in said
