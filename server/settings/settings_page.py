"""A page of settings: they are listed by name."""

from collections.abc import Sequence

from ringfence.server.rpc.paging import page_position, page_size, page_token
from ringfence.server.settings.settings_book import Setting
from ringfence.v1 import quarantine_service_pb2 as pb


def settings_page(
    question: str,
    settings: Sequence[Setting | None],
    request: pb.ListPoliciesRequest | pb.ListPoolsRequest | pb.ListFeedsRequest,
) -> tuple[list[tuple[int, Setting]], str]:
    """A page of settings, each with its index, and the token of the next page."""
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
    page = following[:size]
    more = len(following) > size
    return page, page_token(question, page[-1][1].name) if more else ""
