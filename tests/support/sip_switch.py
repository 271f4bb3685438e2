"""A real switch (Kamailio) and a real caller (SIPp), as live tests of adapters start them."""

import asyncio
import csv
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.places import DATA
from support.programs import PATIENCE_S, free_ports, program
from support.switch_traffic import expected

FILES = DATA / "switch" / "kamailio"


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
async def kamailio(
    config: str | Path, sip_port: int, folder: Path, defines: str = "", **values: str
) -> AsyncIterator[None]:
    """A Kamailio that answers on `sip_port`; its script is given defines, some with a text."""
    texts = [f'{name}="{value}"' for name, value in values.items()]
    define = [word for name in (*defines.split(), *texts) for word in ("-A", name)]
    async with program(
        *("kamailio", "-f", FILES / config, *define, "-A", f"SIP_PORT={sip_port}"),
        *("-DD", "-E", "-m", 64, "-M", 8),
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


async def sipp(
    scenario: str, to_port: int, calls: str, count: int, folder: Path, *, transport: str = "u1"
) -> None:
    """Makes the calls, and fails when one of them was not answered as it should be.

    `transport` is what SIPp calls it: u1 = UDP, t1 = TCP, all calls on one connection.
    """
    (folder / "calls.csv").write_text(calls)
    (own_port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *("sipp", f"127.0.0.1:{to_port}", "-sf", str(FILES / scenario), "-inf", "calls.csv"),
        *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-ci", "127.0.0.1", "-p", str(own_port)),
        *(
            "-t",
            transport,
            "-m",
            str(count),
            "-r",
            "200",
            "-l",
            "500",
            "-nostdin",
            "-cid_str",
            "live-%u@%s",
        ),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
