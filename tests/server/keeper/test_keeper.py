"""The keeper's commands and the worker's link to it, over real sockets in one process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from support.engine import Engine
from support.server_process import DEADLINE_S
from support.told_machine import told_machine

from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import State
from ringfence.server.config.config import load_config
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.keeper.keeper import open_keeper
from ringfence.server.keeper.process import COMMANDS
from ringfence.server.link.drain import Drain
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.server.link.refusal import Refusal, no_such
from ringfence.server.link.routes import service
from ringfence.server.state.keeper_image import StoredImage
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc

NOW = 1_750_000_000
NUMBER = 447700900123


@asynccontextmanager
async def served(handlers: grpc.GenericRpcHandler, address: str) -> AsyncIterator[str]:
    """Serves handlers at a socket and yields its address."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield address if address.startswith("unix:") else f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.fixture
def with_keeper(tmp_path: Path) -> Callable[[Callable[..., Awaitable[None]]], None]:
    """Runs a function with a stub and the writer of a keeper over a table in private memory."""

    async def run(use: Callable[..., Awaitable[None]]) -> None:
        segment = Segment.create(None, capacity_numbers=100)
        writer = TableWriter(segment)
        with closing(open_journal(tmp_path / "keeper", identity=b"a test")) as journal:
            keeper = await open_keeper(
                Engine(segment),
                writer,
                journal,
                Drain(),
                config=load_config(),
                image=StoredImage(),
                machine=told_machine(lambda: NOW),
            )
            async with (
                served(service(COMMANDS, keeper.commands), "127.0.0.1:0") as address,
                grpc.aio.insecure_channel(address) as channel,
            ):
                await use(commands_grpc.QuarantineServiceStub(channel), writer)

    return lambda use: asyncio.run(run(use))


def rfc_3339(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("state", [State.ASSIGNED, State.RETIRED, State.FREE])
def test_quarantine_may_not_begin_before_the_former_life_ended(state, with_keeper):
    async def use(stub, writer):
        async def quarantine(quarantined_at):
            request = commands.QuarantineNumbersRequest(
                numbers=[NUMBER + 1, NUMBER], pool="default", quarantined_at=[quarantined_at]
            )
            return await stub.QuarantineNumbers(iter([request]), timeout=DEADLINE_S)

        assert (await quarantine(NOW - 1_000)).accepted == 2
        writer.set_state(NUMBER, state, since=NOW - 500)
        early = await quarantine(NOW - 191)
        assert (early.accepted, early.already_quarantined, early.rejected) == (0, 1, 1)
        assert early.rejections[0].number == NUMBER
        assert early.rejections[0].reason == (
            f"quarantined_at: value={rfc_3339(NOW - 191)}, bound=not before {rfc_3339(NOW - 190)},"
            " 310 s after the number was last tracked"
        )
        assert (await quarantine(NOW - 190)).accepted == 1

    with_keeper(use)


def test_now_itself_is_not_the_future(with_keeper):
    async def use(stub, _):
        request = commands.QuarantineNumbersRequest(
            numbers=[NUMBER, NUMBER + 1],
            pool="default",
            quarantined_at=[NOW, NOW + 1],
            observed_since=[NOW],
        )
        answer = await stub.QuarantineNumbers(iter([request]), timeout=DEADLINE_S)
        assert (answer.accepted, answer.rejected) == (1, 1)

    with_keeper(use)


def test_link_passes_on_who_asks_until_when_and_what_is_refused(tmp_path):
    seen = {}

    async def get_status(_, context):
        seen.update(context.invocation_metadata())
        seen["remaining"] = context.time_remaining()
        return commands.GetStatusResponse(version="there").SerializeToString()

    async def put_pool(*_):
        raise no_such("policy", "p")

    async def run():
        keeper = service(COMMANDS, {"GetStatus": get_status, "PutPool": put_pool})
        async with served(keeper, f"unix:{tmp_path}/keeper.sock") as keeper_address:
            link = KeeperLink(keeper_address)
            answers = {method.name: link.answer(method) for method in COMMANDS.methods}
            worker = service(COMMANDS, answers, (("ringfence-worker", "3"),))
            async with (
                served(worker, "127.0.0.1:0") as address,
                grpc.aio.insecure_channel(address) as channel,
            ):
                stub = commands_grpc.QuarantineServiceStub(channel)
                metadata = (("ringfence-actor", "ops"), ("other", "x"))
                call = stub.GetStatus(
                    commands.GetStatusRequest(), timeout=DEADLINE_S, metadata=metadata
                )
                assert (await call).version == "there"
                assert dict(await call.initial_metadata())["ringfence-worker"] == "3"
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.PutPool(commands.PutPoolRequest(), timeout=DEADLINE_S)
            await link.close()
        return caught.value

    error = asyncio.run(run())
    assert seen["ringfence-actor"] == "ops"
    assert "other" not in seen
    assert 0 < seen["remaining"] < 2 * DEADLINE_S  # None, or ages, if it were not passed on
    expected: Refusal = no_such("policy", "p")
    assert (error.code(), error.details()) == (expected.code, expected.text)
    trailing = dict(error.trailing_metadata())
    assert trailing["grpc-status-details-bin"] == expected.status().SerializeToString()
