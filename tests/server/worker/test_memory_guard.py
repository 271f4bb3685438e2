"""Whose connection is cut when memory is short, and how connections are known."""

import asyncio
from contextlib import suppress
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, mmap
from typing import Any

import grpc
import pytest

from ringfence.server.link.held_calls import CALL_BYTES, HeldCalls
from ringfence.server.worker.memory_guard import (
    BOUND_BYTES,
    FREEING_S,
    LAST_BYTES,
    PAGE_BYTES,
    STEP_BYTES,
    Connection,
    MemoryGuard,
    connections,
    cut_connection,
    own_bytes,
)

MIB = 1 << 20
TIMEOUT_S = 30.0


class Context:
    """A call's context that a test ends."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer

    def add_done_callback(self, callback: Any) -> None:
        self.end = lambda: callback(self)


class Guarded:
    """A guard over connections and memory that a test sets."""

    def __init__(self) -> None:
        self.calls = HeldCalls()
        self.memory_bytes = 0
        self.received: dict[str, int] = {}
        self.cut: list[str] = []
        self.guard = MemoryGuard(
            self.calls,
            lambda: self.memory_bytes,
            lambda: [Connection(n, *each) for n, each in enumerate(self.received.items())],
            lambda connection: self.cut.append(connection.peer),
            lambda: None,
        )

    def call(self, peer: str, request: bytes | None = None) -> Any:
        context: Any = Context(peer)
        self.calls.begin(context, request)
        return context


def test_who_sent_most_that_nobody_has_taken_is_cut_first():
    guarded = Guarded()
    guarded.received = {"busy": 900 * MIB, "flood": 300 * MIB, "other": 90 * MIB, "idle": 100}
    context = guarded.call("busy")
    for _ in range(900):
        guarded.calls.took(context, bytes(MIB))
    guarded.memory_bytes = BOUND_BYTES
    assert guarded.guard.look(1.0)
    assert guarded.cut == []
    guarded.memory_bytes = BOUND_BYTES + 1
    assert guarded.guard.look(2.0)
    assert guarded.cut == ["flood"]


def test_requests_and_answers_count_until_their_calls_are_over():
    guarded = Guarded()
    guarded.received = {"waits": 0, "done": 0}
    waits, done = guarded.call("waits", bytes(2 * MIB)), guarded.call("done", bytes(2 * MIB))
    assert guarded.calls.of("waits").held_bytes == 2 * MIB
    done.end()
    guarded.memory_bytes = BOUND_BYTES + 1
    assert guarded.guard.look(1.0)
    assert guarded.cut == ["waits"]
    waits.end()
    assert (guarded.calls.of("waits").calls, guarded.calls.of("waits").held_bytes) == (0, 0)


def test_many_calls_count_and_little_is_nobodys_fault():
    guarded = Guarded()
    guarded.received = {"many": 0, "few": 0}
    for _ in range(1 + MIB // CALL_BYTES):
        guarded.call("many")
    guarded.call("few")
    guarded.memory_bytes = LAST_BYTES
    assert guarded.guard.look(1.0)
    assert guarded.cut == ["many"]


def test_many_who_hold_some_are_cut_where_nobody_holds_much():
    guarded = Guarded()
    guarded.received = {"busy": 20 * MIB, "idle": 100, "other": 60 << 10}
    guarded.received |= {f"half-written {n}": 450 << 10 for n in range(300)}
    context = guarded.call("busy")
    for _ in range(20):
        guarded.calls.took(context, bytes(MIB))
    guarded.memory_bytes = BOUND_BYTES + 20 * MIB
    assert guarded.guard.look(1.0)
    assert len(guarded.cut) == 300
    assert all(peer.startswith("half-written") for peer in guarded.cut)


def test_others_are_cut_when_memory_grows_nevertheless_or_does_not_shrink_in_time():
    guarded = Guarded()
    guarded.received = {"first": 400 * MIB}
    guarded.memory_bytes = BOUND_BYTES + MIB
    assert guarded.guard.look(1.0)
    guarded.received = {"second": 400 * MIB}
    assert guarded.guard.look(1.1)
    assert guarded.cut == ["first"]
    guarded.memory_bytes += STEP_BYTES + 1
    assert guarded.guard.look(1.2)
    assert guarded.cut == ["first", "second"]
    guarded.received = {"third": 400 * MIB}
    assert guarded.guard.look(1.3)
    assert guarded.guard.look(1.2 + FREEING_S)
    assert guarded.cut == ["first", "second", "third"]


def test_process_that_has_too_much_in_spite_of_that_is_to_end(caplog):
    guarded = Guarded()
    guarded.memory_bytes = LAST_BYTES + 1
    assert not guarded.guard.look(1.0)
    assert caplog.messages == [f"more memory than a worker may have: bytes={LAST_BYTES + 1}"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_connections_are_known_by_the_names_that_grpc_has_for_them_and_can_be_cut(host):
    async def run() -> None:
        async def name(_: bytes, context: Any) -> bytes:
            return str(context.peer()).encode()

        server = grpc.aio.server()
        method = grpc.unary_unary_rpc_method_handler(name)
        handler = grpc.method_handlers_generic_handler("test", {"Name": method})
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port(f"{host}:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            ask: Any = channel.unary_unary("/test/Name")
            peer = (await ask(bytes(100_000), wait_for_ready=True)).decode()
            (found,) = [each for each in connections() if each.peer == peer]
            assert 100_000 < found.received_bytes < 110_000
            cut_connection(found)
            again = peer
            while again == peer:
                with suppress(grpc.aio.AioRpcError):  # the client had not seen its end
                    again = (await ask(b"", wait_for_ready=True)).decode()
        await server.stop(None)

    asyncio.run(asyncio.wait_for(run(), TIMEOUT_S))


@pytest.mark.parametrize(("flags", "is_own"), [(MAP_PRIVATE, True), (MAP_SHARED, False)])
def test_memory_is_its_own_that_no_other_shares(flags, is_own):
    before = own_bytes()
    with mmap(-1, 64 * MIB, flags=flags | MAP_ANONYMOUS) as held:  # not what malloc has kept
        for page in range(0, 64 * MIB, PAGE_BYTES):
            held[page] = 1
        assert (own_bytes() - before > 32 * MIB) == is_own
