"""A call is one command, however often the keeper dies under it: none is done twice.

A thousand callers on two workers reserve a number each, and nobody repeats a call. A soak is the
same for longer:
`RINGFENCE_ONCE_CALLS=100000 pytest -n 0 -s tests/server/keeper/test_command_storm.py`.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from support.run_seed import run_seed
from support.server_process import DEADLINE_S, Peer, ServerProcess, serving
from support.storm import CONFIG

from ringfence.server.folder.data_folder import hold_data_folder
from ringfence.server.folder.journal_folders import KEEPER, journal_identity
from ringfence.server.journal.keeper_values import keeper_values
from ringfence.server.journal.lmdb_journal import open_for_replay
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc

pytestmark = pytest.mark.slow

CALLS = int(os.environ.get("RINGFENCE_ONCE_CALLS", "0"))
SHORT_CALLS = 3_000  # without that
CALLS_OF_A_LIFE = (500, 2_000) if CALLS else (100, 600)  # that a keeper answers, at least
CALLERS = 1_000
NUMBERS = range(447700900000, 447700900000 + CALLERS)
CHANNELS = 8
RETRY_S = 1.0  # as refusals say
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))


class Callers:
    """Those who call, and what became of their calls."""

    def __init__(self, address: str, calls: int) -> None:
        self._channels = [
            grpc.aio.insecure_channel(address, options=OPTIONS) for _ in range(CHANNELS)
        ]
        self._left = calls
        self.outcomes: Counter[str] = Counter()

    @property
    def made(self) -> int:
        """How many calls have ended."""
        return self.outcomes.total()

    async def work(self) -> None:
        """Calls until all calls are made."""
        await asyncio.gather(*(self._call_on(caller) for caller in range(CALLERS)))
        for channel in self._channels:
            await channel.close()

    async def _call_on(self, caller: int) -> None:
        stub = numbers_grpc.NumberServiceStub(self._channels[caller % CHANNELS])
        while self._left > 0:
            self._left -= 1
            actor = f"call-{self._left}"
            request = pb.ReserveNumbersRequest(pool="default", count=1, lease=Duration(seconds=1))
            try:
                await stub.ReserveNumbers(
                    request, timeout=3 * DEADLINE_S, metadata=(("ringfence-actor", actor),)
                )
                self.outcomes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                text = (error.details() or "").partition(":")[0]
                self.outcomes[f"{error.code().name} {text}"] += 1
                await asyncio.sleep(RETRY_S)


async def storm(server: ServerProcess, callers: Callers, dice: random.Random) -> int:
    """Kills the keeper again and again, amid calls that it answers; how often."""
    working = asyncio.create_task(callers.work())
    deaths = 0
    while not working.done():
        answered = callers.outcomes["OK"] + dice.randint(*CALLS_OF_A_LIFE)
        while callers.outcomes["OK"] < answered and not working.done():
            await asyncio.wait({working}, timeout=dice.uniform(0.01, 0.02))
        with suppress(ProcessLookupError):  # the answers were those of one that has died
            os.kill(server.pid("keeper"), signal.SIGKILL)
            deaths += 1
    await working
    return deaths


def reservations_by_call(server: ServerProcess) -> Counter[str]:
    """How many reservations each call has made, as the journal of a stopped server has it."""
    made: Counter[str] = Counter()
    with hold_data_folder(server.data) as held:
        folder = server.data / "journal" / KEEPER
        identity = journal_identity(held.folder_id, KEEPER)
        with closing(open_for_replay(folder, identity=identity)) as journal:
            for _, value in keeper_values(journal, 0):
                if value.command == "ReserveNumbers":
                    made.update(kept.actor for kept in value.reservations)
    return made


@pytest.mark.parametrize("seed", [run_seed()])
def test_no_call_makes_two_reservations_whenever_the_keeper_dies(tmp_path: Path, seed: int) -> None:
    config = tmp_path / "storm.toml"
    config.write_text(CONFIG)
    options = ("--config", str(config), "--workers", "2", "--capacity", "1000")
    with serving(tmp_path / "data", *options) as server:
        peer = Peer(server.address)
        began = int(time.time()) - 200 * 86_400
        peer.quarantine(list(NUMBERS), quarantined_at=[began], observed_since=[began])
        peer.channel.close()
        began_at = time.monotonic()

        async def run() -> tuple[Callers, int]:
            callers = Callers(server.address, CALLS or SHORT_CALLS)
            return callers, await storm(server, callers, random.Random(seed))

        callers, deaths = asyncio.run(run())
        print(f"calls={callers.made} deaths={deaths} in {time.monotonic() - began_at:.0f} s")
        for outcome, count in callers.outcomes.most_common():
            print(f"  {outcome}: {count}")
        assert server.stop() == 0
        made = reservations_by_call(server)
        print(f"reservations={made.total()}")
        assert deaths > 0
        assert callers.outcomes["OK"] > 0
        assert {call: count for call, count in made.items() if count > 1} == {}
