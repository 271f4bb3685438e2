"""HEP 1 and 2 as real programs send them: a switch (Kamailio) and a sniffer (sngrep)."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.programs import PATIENCE_S, free_ports, needs, program
from support.sip_switch import FILES, answering, kamailio, rows, sipp
from support.switch_traffic import ListSink

from ringfence.adapters.agents import Agent, Agents
from ringfence.adapters.hep_listener import HepListener
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan

pytestmark = pytest.mark.slow

CALLS = 60


@asynccontextmanager
async def listening(*agents: str) -> AsyncIterator[tuple[ListSink, HepListener, int]]:
    sink = ListSink()
    reader = HepReader(DialPlan.of_country(44), agents=Agents(map(Agent.parse, agents)))
    listener = HepListener(reader, sink, "127.0.0.1", 0)
    where = await listener.open()
    await listener.start()
    try:
        yield sink, listener, int(where.rpartition(":")[2])
    finally:
        await listener.close()


async def heard(listener: HepListener, events: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while listener.tally["event"] < events:  # noqa: ASYNC110  # what is waited for is sent
            await asyncio.sleep(0.1)


def assert_all_were_read(sink: ListSink, tally: Counter[str], truth: Counter[object]) -> None:
    assert Counter((event.called, event.caller, event.kind) for event in sink.sent) == truth
    assert sink.lost == []
    assert set(tally) <= {"event", "repeat", "reply", "other_method"}


@needs("kamailio", "sipp")
@pytest.mark.parametrize(("version", "agent"), [(1, "127.0.0.1"), (2, "2001")])
def test_each_call_through_a_real_switch_is_one_event(
    version: int, agent: str, tmp_path: Path
) -> None:
    calls, truth = rows(CALLS)
    text = (FILES / "kamailio.cfg").read_text()
    assert '"hep_version", 3' in text
    config = tmp_path / "former.cfg"
    config.write_text(text.replace('"hep_version", 3', f'"hep_version", {version}'))

    async def run() -> None:
        async with listening(agent) as (sink, listener, hep_port):
            (sip_port,) = free_ports(1)
            uri = f"sip:127.0.0.1:{hep_port}"
            async with kamailio(config, sip_port, tmp_path, "WITH_MIRROR_ALL", HEP_URI=uri):
                await sipp("uac_invite.xml", sip_port, calls, CALLS, tmp_path)
                await heard(listener, truth.total())
        assert_all_were_read(sink, listener.tally, truth)

    asyncio.run(run())


@needs("kamailio", "sipp", "sngrep")
def test_sniffer_that_sends_version_2(tmp_path: Path) -> None:
    calls, truth = rows(CALLS)
    settings = tmp_path / "sngreprc"
    settings.write_text("set eep.send.version 2\nset eep.send.id 2001\n")

    async def run() -> None:
        async with listening("2001") as (sink, listener, hep_port):
            sip_port, nobody = free_ports(2)
            async with (
                kamailio("kamailio.cfg", sip_port, tmp_path, HEP_URI=f"sip:127.0.0.1:{nobody}"),
                program(
                    *("sngrep", "-N", "-q", "-f", settings, "-H", f"udp:127.0.0.1:{hep_port}"),
                    *("-d", "lo", "port", sip_port),
                    ends_with=signal.SIGINT,
                ),
            ):
                async with asyncio.timeout(PATIENCE_S):
                    while not listener.tally:  # OPTIONS shows when it has begun
                        await answering(sip_port)
                await sipp("uac_invite.xml", sip_port, calls, CALLS, tmp_path)
                await heard(listener, truth.total())
        assert_all_were_read(sink, listener.tally, truth)

    asyncio.run(run())
