"""From a real switch's calls to the verdict: what the server says is what the rules say of them."""

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from support import hep_adapter, kamailio_adapter
from support.kamailio_adapter import CONFIG, wired, written_down
from support.programs import free_ports, needs
from support.sip_switch import kamailio, rows, sipp
from support.switch_verdicts import (
    NUMBERS,
    Span,
    called_in_all,
    called_so_far,
    heard_until,
    judging_server,
    numbers_called,
    right_verdicts,
    small_talk,
    verdicts,
)

from ringfence import Client, Verdict

pytestmark = [pytest.mark.slow, needs("kamailio", "sipp")]

CALLS = 600


async def begin(client: Client) -> int:
    """Waits until somebody listens, and puts the numbers into quarantine from then on."""
    now, _ = await heard_until(client, time.time())
    client.quarantine_numbers(NUMBERS, quarantined_at=now, observed_since=now)
    return now


def test_verdicts_on_what_a_switch_mirrors_as_hep(tmp_path: Path) -> None:
    calls, truth = rows(CALLS)
    (sip_port,) = free_ports(1)

    async def run(client: Client, hep: hep_adapter.Adapter) -> None:
        host, port = hep.address
        uri = f"sip:{host}:{port}"
        async with (
            kamailio("kamailio.cfg", sip_port, tmp_path, "WITH_MIRROR_ALL", HEP_URI=uri),
            small_talk(sip_port),
        ):
            quarantined_at = await begin(client)
            await sipp("uac_invite.xml", sip_port, calls, CALLS, tmp_path)
            await called_in_all(client, CALLS)
            moment, gaps = await heard_until(client, time.time() + 1)
        assert gaps == []
        assert called_so_far(client) == numbers_called(truth)
        said = verdicts(client, moment)
        assert Counter(said.values()) == {Verdict.CLEAN: 912, Verdict.NOISY: 87}
        assert said == right_verdicts(truth, [(quarantined_at, moment)], quarantined_at, moment)

    with (
        judging_server(tmp_path) as (server, client),
        hep_adapter.adapter(server.address, "--lateness", "1") as hep,
    ):
        asyncio.run(run(client, hep))


@pytest.mark.parametrize("way", ["evapi", "mqueue over HTTP"])
def test_verdicts_on_what_a_script_reports_while_the_adapter_is_killed_half_way(
    way: str, tmp_path: Path
) -> None:
    calls, truth = rows(CALLS)
    first_calls, truth_of_first = rows(CALLS // 2)
    header, *lines = calls.splitlines()
    later_calls = "\n".join([header, *lines[CALLS // 2 :], ""])
    wiring, state = wired(way, tmp_path), tmp_path / "state"
    sip_port = wiring.sip_port

    async def run(server: str, client: Client) -> None:
        async with kamailio(CONFIG, sip_port, tmp_path, wiring.defines, **wiring.values):
            with kamailio_adapter.adapter(server, state, *wiring.options) as first:
                async with small_talk(sip_port):
                    quarantined_at = await begin(client)
                    await sipp("uac_invite.xml", sip_port, first_calls, CALLS // 2, tmp_path)
                await written_down(state, time.time())
                before = time.time()
                first.end(signal.SIGKILL)
            await sipp("uac_invite.xml", sip_port, later_calls, CALLS // 2, tmp_path)
            after = time.time()
            with kamailio_adapter.adapter(server, state, *wiring.options):
                async with small_talk(sip_port):
                    moment, gaps = await heard_until(client, time.time() + 1)
        heard = truth_of_first if way == "evapi" else truth
        assert called_so_far(client) == numbers_called(heard)
        said = verdicts(client, moment)
        assert said == right_verdicts(
            heard, without(gaps, quarantined_at, moment), quarantined_at, moment
        )
        if way == "evapi":
            assert any(began <= before and after <= ended for began, ended in gaps), gaps
            assert set(said.values()) == {Verdict.NOISY, Verdict.UNOBSERVED}, (
                "silence that nobody heard"
            )
        else:
            assert gaps == [], "what happened while nobody fetched waited in the switch"
            assert Counter(said.values()) == {Verdict.CLEAN: 912, Verdict.NOISY: 87}

    with judging_server(tmp_path) as (server, client):
        asyncio.run(run(server.address, client))


def without(gaps: list[Span], began: int, ended: int) -> list[Span]:
    """What is left of a time without its gaps."""
    edges = [began, *(edge for gap in gaps for edge in gap), ended]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
