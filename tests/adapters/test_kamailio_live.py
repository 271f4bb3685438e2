"""The script of a real switch (Kamailio) reports real calls (SIPp) to a real server's adapter.

Here adapters end while reports are on their way; `test_switch_verdicts.py` has one that is away.
"""

import asyncio
import signal
import time
from pathlib import Path

import pytest
from support.kamailio_adapter import CONFIG, adapter, wired, written_down
from support.programs import needs
from support.sip_switch import kamailio, rows, sipp
from support.switch_verdicts import (
    NUMBERS,
    Span,
    called_in_all,
    called_so_far,
    heard_until,
    judging_server,
    numbers_called,
    small_talk,
)

from ringfence import Client

pytestmark = [pytest.mark.slow, needs("kamailio", "sipp")]

CALLS = 300
DAY_S = 86_400


@pytest.mark.parametrize(
    ("way", "ended_by"),
    [
        ("evapi", signal.SIGTERM),
        ("mqueue over HTTP", signal.SIGTERM),
        ("mqueue over a socket", signal.SIGKILL),
    ],
)
def test_an_adapter_that_ends_half_way_loses_nothing_that_it_claims(
    way: str, ended_by: signal.Signals, tmp_path: Path
) -> None:
    calls, truth = rows(CALLS)
    wiring, state = wired(way, tmp_path), tmp_path / "state"
    sip_port = wiring.sip_port

    async def run(server: str, client: Client) -> list[Span]:
        async with kamailio(CONFIG, sip_port, tmp_path, wiring.defines, **wiring.values):
            with adapter(server, state, *wiring.options) as first:
                async with small_talk(sip_port):
                    await heard_until(client, time.time())
                calling = asyncio.create_task(
                    sipp("uac_invite.xml", sip_port, calls, CALLS, tmp_path)
                )
                await called_in_all(client, CALLS // 4)
                first.end(ended_by)
            await calling
            with adapter(server, state, *wiring.options) as second:
                async with small_talk(sip_port):
                    _, gaps = await heard_until(client, time.time() + 1)
                said = second.end(signal.SIGTERM)
        assert "read " in said
        return gaps

    with judging_server(tmp_path) as (server, client):
        client.quarantine_numbers(NUMBERS, quarantined_at=int(time.time()) - DAY_S)
        gaps = asyncio.run(run(server.address, client))
        got, wanted = called_so_far(client), numbers_called(truth)
    assert not got - wanted, "no call counts twice"
    if way == "evapi":
        assert gaps, "reports were dropped while nobody was there, and that time is not claimed"
        assert got.total() < CALLS
    elif ended_by == signal.SIGTERM:
        assert got == wanted
        assert gaps == [], "nothing was missing, so all time is claimed"
    else:
        assert got == wanted or gaps, "what was lost on its way costs its time"


def test_a_queue_that_ran_over_while_nobody_fetched_costs_its_time(tmp_path: Path) -> None:
    calls, _ = rows(100)
    wiring, state = wired("mqueue over HTTP", tmp_path, queue_size=30), tmp_path / "state"
    sip_port = wiring.sip_port

    async def run(server: str, client: Client) -> None:
        async with kamailio(CONFIG, sip_port, tmp_path, wiring.defines, **wiring.values):
            with adapter(server, state, *wiring.options) as first:
                async with small_talk(sip_port):
                    await heard_until(client, time.time())
                await written_down(state, time.time())  # and no talk waits in the queue
                first.end(signal.SIGTERM)
            before = time.time()
            await sipp("uac_invite.xml", sip_port, calls, 100, tmp_path)
            after = time.time()
            with adapter(server, state, *wiring.options) as second:
                await called_in_all(client, 30)
                async with small_talk(sip_port):
                    _, gaps = await heard_until(client, time.time() + 1)
                said = second.end(signal.SIGTERM)
        assert any(begin <= before and after <= end for begin, end in gaps), (gaps, before, after)
        assert "note_reports_missing=70" in said

    with judging_server(tmp_path) as (server, client):
        client.quarantine_numbers(NUMBERS, quarantined_at=int(time.time()) - DAY_S)
        asyncio.run(run(server.address, client))
        assert called_so_far(client).total() == 30
