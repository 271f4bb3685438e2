"""Pages of settings: by name, no longer than asked for, and never too large for a message."""

import asyncio
from itertools import pairwise

from ringfence.engine.settings.policy import Pool
from ringfence.server.keeper.settings.settings_page import TOLD_A_TURN, settings_page
from ringfence.server.state.setting_messages import pool_message
from ringfence.v1 import quarantine_service_pb2 as pb

LARGE = "\N{TELEPHONE RECEIVER}" * 500  # as many characters as a description may have


def read_all(pools: list[Pool | None], page_size: int) -> list[list[str]]:
    """The names on each page."""

    async def read() -> list[list[str]]:
        pages, token = [], None
        while token != "":
            request = pb.ListPoolsRequest(page_size=page_size, page_token=token or "")
            page, token = await settings_page(
                "pools", pools, request, lambda _, pool: pool_message(pool)
            )
            assert sum(pool.ByteSize() for pool in page) <= 3 << 20
            pages.append([pool.name for pool in page])
        return pages

    return asyncio.run(read())


def test_pages_are_by_name_and_as_long_as_asked_for() -> None:
    pools = [None, *(Pool(name, "default") for name in "dacbe"), None]
    assert read_all(pools, 2) == [["a", "b"], ["c", "d"], ["e"]]
    assert read_all(pools, 5) == [list("abcde")]
    assert read_all([None], 5) == [[]]


def test_page_that_would_be_too_large_is_cut() -> None:
    names = [f"pool-{n:04}" for n in range(2_000)]
    pages = read_all([Pool(name, "default", (), LARGE) for name in names], 10_000)
    assert [name for page in pages for name in page] == names
    assert len(pages) == 2


def test_others_have_their_turn_while_a_page_is_made() -> None:
    told: list[int] = []  # how many had been told at each turn of somebody else

    async def list_beside_others() -> None:
        names: list[str] = []

        def tell(_: int, pool: Pool) -> pb.Pool:
            names.append(pool.name)
            return pool_message(pool)

        async def others() -> None:
            while True:
                told.append(len(names))
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        pools = [Pool(f"pool-{n:03}", "default") for n in range(10 * TOLD_A_TURN)]
        await settings_page("pools", pools, pb.ListPoolsRequest(), tell)
        beside.cancel()

    asyncio.run(list_beside_others())
    assert told[-1] == 9 * TOLD_A_TURN
    assert max(after - before for before, after in pairwise(told)) == TOLD_A_TURN
