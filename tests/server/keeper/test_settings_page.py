"""Pages of settings: by name, no longer than asked for, and never too large for a message."""

from ringfence.engine.settings.policy import Pool
from ringfence.server.keeper.settings.settings_page import settings_page
from ringfence.server.state.setting_messages import pool_message
from ringfence.v1 import quarantine_service_pb2 as pb

LARGE = "\N{TELEPHONE RECEIVER}" * 500  # as many characters as a description may have


def read_all(pools: list[Pool | None], page_size: int) -> list[list[str]]:
    """The names on each page."""
    pages, token = [], None
    while token != "":
        request = pb.ListPoolsRequest(page_size=page_size, page_token=token or "")
        page, token = settings_page("pools", pools, request, lambda _, pool: pool_message(pool))
        assert sum(pool.ByteSize() for pool in page) <= 3 << 20
        pages.append([pool.name for pool in page])
    return pages


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
