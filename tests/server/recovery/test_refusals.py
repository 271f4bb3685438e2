"""A refusal is an answer too: it tells of nothing that a crash could still take back."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.gated_keeper import Asked, Served, run

from ringfence.engine.memory.segment import Segment
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.link.refusal import Refusal
from ringfence.v1 import quarantine_service_pb2 as pb


def test_refusal_waits_until_what_it_was_decided_by_is_durable(tmp_path: Path) -> None:
    async def use(keeper: Served) -> None:
        await keeper.hold_back()
        made = asyncio.create_task(keeper.put_pool("made"))
        pool = pb.Pool(name="made", policy="default", revision=7)
        asked: Any = Asked()
        refused = asyncio.create_task(
            keeper.keeper.commands["PutPool"](
                pb.PutPoolRequest(pool=pool).SerializeToString(), asked
            )
        )
        await asyncio.sleep(0.1)
        assert not made.done()
        assert not refused.done()  # a keeper that dies now has never heard of the pool
        keeper.gate.set()
        assert (await made).revision == 1
        with pytest.raises(Refusal) as refusal:
            await refused
        assert refusal.value.reason == "REVISION"

    with closing(open_journal(tmp_path / "keeper", identity=b"a test")) as journal:
        run(Segment.create(None, capacity_numbers=10), journal, use)
