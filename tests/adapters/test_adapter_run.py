"""A live adapter's life: listen before claiming, hand on to the last, end on what went wrong."""

import asyncio
import os
import signal
import time
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
from support.server_process import Peer, ServerProcess

from ringfence import EventKind, EventStream, EventStreamStats
from ringfence.adapters import run as run_module
from ringfence.adapters.base import Tally, summary
from ringfence.adapters.run import run_live
from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

NUMBER = 447700900777


class Equipment:
    """A source with one attempt that is still on its way when the listening stops."""

    def __init__(self, stream: EventStream, failure: Exception | None = None) -> None:
        self.tally = Tally()
        self.steps: list[str] = []
        self._stream = stream
        self._failure = failure

    async def open(self) -> str:
        self.steps.append("open")
        return "listen=here"

    async def start(self) -> None:
        self.steps.append("start")

    async def failed(self) -> None:
        if self._failure:
            raise self._failure
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.steps.append("close")
        assert self._stream.send(NUMBER, 0, int(time.time()), EventKind.CALL)

    def look(self) -> None:
        self.steps.append("look")


def run(address: str, failure: Exception | None = None) -> list[str]:
    """Runs the equipment until it has said that it is ready; returns what was done in order."""

    async def live() -> list[str]:
        stream = EventStream(address, "equipment")
        source = Equipment(stream, failure)

        def ready(where: str) -> None:
            source.steps.append(f"ready {where}")
            if failure is None:
                os.kill(os.getpid(), signal.SIGTERM)

        await run_live(source, stream, patience_s=20.0, say_ready=ready, say=source.steps.append)
        return source.steps

    return asyncio.run(live())


def test_what_arrives_while_stopping_is_answered_before_the_end(
    server: ServerProcess, peer: Peer
) -> None:
    since = int(time.time()) - 60
    assert peer.quarantine([NUMBER], quarantined_at=[since]).accepted == 1
    assert run(server.address) == ["open", "start", "ready listen=here", "close"]
    answer = peer.numbers.GetNumber(numbers.GetNumberRequest(number=NUMBER), timeout=10)
    assert answer.events_total == 1


def test_failure_of_the_source_is_the_end_and_is_told(server: ServerProcess) -> None:
    with pytest.raises(RuntimeError, match="cable pulled"):
        run(server.address, RuntimeError("cable pulled"))


class SilentEquipment(Equipment):
    """Reports nothing but one thing, at the fifth look, and ends at the tenth."""

    async def close(self) -> None:
        self.steps.append("close")

    def look(self) -> None:
        super().look()
        looks = self.steps.count("look")
        if looks == 5:
            self.tally["reply"] += 1
        if looks == 10:
            os.kill(os.getpid(), signal.SIGTERM)


def test_counts_are_said_only_when_they_have_changed(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "LOOK_S", 0.01)
    monkeypatch.setattr(run_module, "SUMMARY_S", 0.0)
    said: list[str] = []

    async def live() -> None:
        stream = EventStream(server.address, "equipment")
        source = SilentEquipment(stream)
        await run_live(source, stream, patience_s=20.0, say_ready=str, say=said.append)

    asyncio.run(live())
    assert said == ["read reply=1"]


def test_summary_of_nothing_says_so() -> None:
    assert summary(Tally()) == "nothing"
    assert summary(Tally(b=2, a=1, c=0)) == "a=1 b=2"


class BriefStream:
    """A stream that was answered, and lost its server, between two looks."""

    def __init__(self) -> None:
        self.looks = 0

    @property
    def answering(self) -> bool | None:
        self.looks += 1
        return None if self.looks == 1 else self.looks > 3

    @property
    def stats(self) -> EventStreamStats:
        watermark = None if self.looks < 2 else datetime.now(UTC)
        known: dict[str, Any] = dict.fromkeys((each.name for each in fields(EventStreamStats)), 0)
        return EventStreamStats(**(known | {"rejections": (), "watermark": watermark}))


def test_a_server_that_answered_only_between_two_looks_is_told_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "LOOK_S", 0.0)
    said: list[str] = []

    async def look() -> None:
        stream: Any = BriefStream()
        looking = asyncio.create_task(run_module._look(Equipment(stream), stream, said.append))
        async with asyncio.timeout(10):
            while len(said) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
        looking.cancel()

    asyncio.run(look())
    assert said == [
        "the server does not answer any more: events wait here until it does",
        "the server answers again",
    ]
