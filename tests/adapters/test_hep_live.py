"""A real switch (Kamailio), a real caller (SIPp) and a real sniffer (sngrep) feed the adapter."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from support.programs import PATIENCE_S, free_ports, needs, program
from support.sip_switch import FILES, answering, kamailio, rows, sipp
from support.switch_traffic import ListSink

from ringfence.adapters.hep_listener import HepListener
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan

pytestmark = pytest.mark.slow


@asynccontextmanager
async def adapter() -> AsyncIterator[tuple[ListSink, HepListener, int]]:
    sink = ListSink()
    listener = HepListener(HepReader(DialPlan.of_country(44)), sink, "127.0.0.1", 0)
    where = await listener.open()
    await listener.start()
    try:
        yield sink, listener, int(where.rpartition(":")[2])
    finally:
        await listener.close()


async def settle(listener: HepListener, events: int) -> None:
    """Waits for so many events, and then until no more datagrams come."""
    before = -1
    async with asyncio.timeout(PATIENCE_S):
        while listener.tally["event"] < events or before != listener.tally.total():
            before = listener.tally.total()
            await asyncio.sleep(0.5)


def seen(sink: ListSink) -> Counter[object]:
    return Counter((event.called, event.caller, event.kind) for event in sink.sent)


@needs("kamailio", "sipp")
@pytest.mark.parametrize(
    ("scenario", "defines", "count", "transport"),
    [
        ("uac_invite.xml", "WITH_MIRROR_ALL", 60, ""),
        ("uac_invite.xml", "WITH_MIRROR_ALL", 60, ";transport=tcp"),
        ("uac_message.xml", "WITH_MIRROR_ALL", 60, ""),
        ("uac_auth.xml", "WITH_MIRROR_ALL WITH_AUTH", 60, ""),
        ("uac_invite.xml", "WITH_MIRROR_ALL WITH_LOSSY", 30, ""),
        ("uac_lateack.xml", "WITH_MIRROR_ALL WITH_STATEFUL", 30, ""),
        ("uac_invite.xml", "WITH_TRACE_FN", 60, ""),
        ("uac_invite.xml", "WITH_HLOG", 60, ""),
        ("uac_invite.xml", "WITH_HLOG WITH_MIRROR_ALL", 60, ""),
    ],
)
def test_each_call_through_a_real_switch_is_one_event(
    scenario: str, defines: str, count: int, transport: str, tmp_path: Path
) -> None:
    calls, truth = rows(count, "MESSAGE" if "message" in scenario else "INVITE")

    async def run() -> None:
        async with adapter() as (sink, listener, hep_port):
            (sip_port,) = free_ports(1)
            uri = f"sip:127.0.0.1:{hep_port}{transport}"
            async with kamailio("kamailio.cfg", sip_port, tmp_path, defines, HEP_URI=uri):
                await sipp(scenario, sip_port, calls, count, tmp_path)
                await settle(listener, truth.total())
        assert seen(sink) == truth
        assert sink.lost == []

    asyncio.run(run())


@needs("kamailio", "sipp")
def test_call_through_two_real_switches_is_one_event(tmp_path: Path) -> None:
    calls, truth = rows(60)
    edge_port, core_port = free_ports(2)
    folders = {port: tmp_path / str(port) for port in (edge_port, core_port)}
    for folder in folders.values():
        folder.mkdir()

    async def run() -> None:
        async with adapter() as (sink, listener, hep_port):
            edge = tmp_path / "edge.cfg"
            text = (FILES / "kamailio-edge.cfg").read_text()
            assert '$du = "sip:127.0.0.1:15060"' in text
            edge.write_text(text.replace("127.0.0.1:15060", f"127.0.0.1:{core_port}"))
            uri = f"sip:127.0.0.1:{hep_port}"
            async with AsyncExitStack() as stack:
                for config, port in (("kamailio.cfg", core_port), (str(edge), edge_port)):
                    await stack.enter_async_context(
                        kamailio(config, port, folders[port], "WITH_MIRROR_ALL", HEP_URI=uri)
                    )
                await sipp("uac_invite.xml", edge_port, calls, 60, tmp_path)
                await settle(listener, truth.total())
        assert seen(sink) == truth
        assert listener.tally["repeat"] >= 120, "two more copies of each call, or a repetition"

    asyncio.run(run())


SNIFFERS = {
    "sngrep": ("-N", "-q", "-H", "udp:{hep}", "-d", "lo", "port", "{sip}"),
    "sipgrep": ("-d", "lo", "-P", "{sip}", "-H", "udp:{hep}"),
}


@needs("kamailio", "sipp", *SNIFFERS)
@pytest.mark.parametrize("sniffer", SNIFFERS)
@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_sniffer_beside_a_switch_that_knows_nothing_of_it(
    sniffer: str, transport: str, tmp_path: Path
) -> None:
    calls, truth = rows(200)

    async def run() -> None:
        async with adapter() as (sink, listener, hep_port):
            sip_port, nobody = free_ports(2)
            at = {"hep": f"127.0.0.1:{hep_port}", "sip": str(sip_port)}
            options = [option.format_map(at) for option in SNIFFERS[sniffer]]
            async with (
                kamailio("kamailio.cfg", sip_port, tmp_path, HEP_URI=f"sip:127.0.0.1:{nobody}"),
                program(sniffer, *options, ends_with=signal.SIGINT),
            ):
                async with asyncio.timeout(PATIENCE_S):
                    while (
                        not listener.tally
                    ):  # it takes a moment to begin; OPTIONS shows when it has
                        await answering(sip_port)
                        await asyncio.sleep(0.05)
                await sipp("uac_invite.xml", sip_port, calls, 200, tmp_path, transport=transport)
                await settle(listener, truth.total())
        assert seen(sink) == truth

    asyncio.run(run())
