"""A page of settings: they are listed by name."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from ringfence.server.link.paging import PAGE_BYTES_MAX, page_position, page_size, page_token
from ringfence.server.state.settings_book import Setting
from ringfence.v1 import quarantine_service_pb2 as pb

TOLD_A_TURN = 8
"""Of the loop: a feed with a hundred gaps takes about half a millisecond, and so does a pool."""

Told = TypeVar("Told", bound=Message)


async def settings_page(
    question: str,
    settings: Sequence[Setting | None],
    request: pb.ListPoliciesRequest | pb.ListPoolsRequest | pb.ListFeedsRequest,
    tell: Callable[[int, Setting], Told],
) -> tuple[list[Told], str]:
    """What `tell` makes of the settings of a page and their indexes, and the token of the next.

    The settings are those of one moment; what else is told of them is of a moment each, as others
    have their turn between.
    """
    size = page_size(request.page_size)
    last = page_position(question, request.page_token)
    following = sorted(
        (
            (index, setting)
            for index, setting in enumerate(settings)
            if setting is not None and setting.name > last
        ),
        key=lambda entry: entry[1].name,
    )
    page: list[Told] = []
    size_bytes = 0
    for at, (index, setting) in enumerate(following[:size]):
        if at and at % TOLD_A_TURN == 0:
            await asyncio.sleep(0)
        told = tell(index, setting)
        size_bytes += told.ByteSize()
        if page and size_bytes > PAGE_BYTES_MAX:
            break
        page.append(told)
    if len(page) == len(following):
        return page, ""
    return page, page_token(question, following[len(page) - 1][1].name)
