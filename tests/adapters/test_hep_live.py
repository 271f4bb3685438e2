"""A real switch (Kamailio), a real caller (SIPp) and a real sniffer (sngrep) feed the adapter."""

import asyncio
import csv
import shutil
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from support.places import DATA
from support.switch_traffic import ListSink, expected

from ringfence.adapters.hep_listener import HepListener
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan

pytestmark = pytest.mark.slow

FILES = DATA / "switch" / "kamailio"
PATIENCE_S = 60.0


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {' '.join(missing)}")


def free_ports(count: int) -> list[int]:
    """Ports that nothing uses at the moment."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def rows(count: int, method: str = "INVITE") -> tuple[str, Counter[object]]:
    """The first calls of `calls.csv` as SIPp wants them, and what they should be."""
    header, *calls = (FILES / "calls.csv").read_text().splitlines()
    with (FILES / "calls_expected.csv").open(newline="") as file:
        truth = [{**row, "method": method} for row in csv.DictReader(file)]
    return (
        "\n".join([header, *calls[:count], ""]),
        Counter(expected(row) for row in truth[:count]),
    )


@asynccontextmanager
async def program(*arguments: object, ends_with: int = signal.SIGTERM) -> AsyncIterator[None]:
    """A program that runs for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={
            "TERM": "xterm",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        },
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(ends_with)
        await asyncio.wait_for(process.wait(), PATIENCE_S)


@asynccontextmanager
async def kamailio(
    config: str, sip_port: int, hep_uri: str, folder: Path, defines: str = ""
) -> AsyncIterator[None]:
    """A Kamailio that answers on `sip_port` and mirrors to `hep_uri`."""
    define = [word for name in defines.split() for word in ("-A", name)]
    async with program(
        *("kamailio", "-f", FILES / config, *define, "-A", f"SIP_PORT={sip_port}"),
        *("-A", f'HEP_URI="{hep_uri}"', "-DD", "-E", "-m", 64, "-M", 8),
        *("-Y", folder, "-w", folder, "-P", folder / "kamailio.pid"),
    ):
        await answering(sip_port)
        yield


async def answering(port: int) -> None:
    """Waits until somebody answers OPTIONS on a port."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        udp.bind(("127.0.0.1", 0))
        own = udp.getsockname()[1]
        ping = (
            f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-ping;rport\r\n"
            "Max-Forwards: 1\r\nFrom: <sip:ping@127.0.0.1>;tag=1\r\nTo: <sip:ping@127.0.0.1>\r\n"
            f"Call-ID: ping-{own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await loop.sock_sendto(udp, ping, ("127.0.0.1", port))
                try:
                    async with asyncio.timeout(0.1):
                        await loop.sock_recv(udp, 65_535)
                        return
                except (TimeoutError, ConnectionRefusedError):
                    continue


async def sipp(scenario: str, to_port: int, calls: str, count: int, folder: Path) -> None:
    """Makes the calls, and fails when one of them was not answered as it should be."""
    (folder / "calls.csv").write_text(calls)
    (own_port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *("sipp", f"127.0.0.1:{to_port}", "-sf", str(FILES / scenario), "-inf", "calls.csv"),
        *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-ci", "127.0.0.1", "-p", str(own_port)),
        *("-m", str(count), "-r", "200", "-l", "500", "-nostdin", "-cid_str", "live-%u@%s"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0


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
        ("uac_invite.xml", "WITH_MIRROR_ALL", 600, ""),
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
            async with kamailio("kamailio.cfg", sip_port, uri, tmp_path, defines):
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
                        kamailio(config, port, uri, folders[port], "WITH_MIRROR_ALL")
                    )
                await sipp("uac_invite.xml", edge_port, calls, 60, tmp_path)
                await settle(listener, truth.total())
        assert seen(sink) == truth
        assert listener.tally["repeat"] == 120

    asyncio.run(run())


@needs("kamailio", "sipp", "sngrep")
def test_sniffer_beside_a_switch_that_knows_nothing_of_it(tmp_path: Path) -> None:
    calls, truth = rows(200)

    async def run() -> None:
        async with adapter() as (sink, listener, hep_port):
            sip_port, nobody = free_ports(2)
            async with (
                kamailio("kamailio.cfg", sip_port, f"sip:127.0.0.1:{nobody}", tmp_path),
                program(
                    *("sngrep", "-N", "-q", "-H", f"udp:127.0.0.1:{hep_port}"),
                    *("-d", "lo", "port", sip_port),
                    ends_with=signal.SIGINT,
                ),
            ):
                while not listener.tally:  # it takes a moment to begin; OPTIONS shows when it has
                    await answering(sip_port)
                await sipp("uac_invite.xml", sip_port, calls, 200, tmp_path)
                await settle(listener, truth.total())
        assert seen(sink) == truth

    asyncio.run(run())
