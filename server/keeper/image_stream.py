"""The keeper's image as it is sent: its position, then its parts, then hand-outs.

Parts are made beside the loop, one at a time, and the next one when the reader has taken the one
before: nothing is held for a reader but what the moment holds.
"""

from collections.abc import AsyncIterator
from functools import partial

from ringfence.server.link.keeper_service_pb2 import ReadImageResponse
from ringfence.server.link.turns import Turns
from ringfence.server.state.hand_out_runs import Rows
from ringfence.server.state.image_moment import ImageMoment, Part


async def image_messages(moment: ImageMoment, position: int, turns: Turns) -> AsyncIterator[bytes]:
    """The answers of ReadImage, as they travel."""
    yield ReadImageResponse(position=position).SerializeToString()
    for part in moment.parts(position):
        yield await turns.take(partial(_part_message, part), later=True)
    for rows in moment.hand_outs():
        yield await turns.take(partial(_hand_outs_message, rows), later=True)


def _part_message(part: Part) -> bytes:
    return ReadImageResponse(part=part()).SerializeToString()


def _hand_outs_message(rows: Rows) -> bytes:
    return ReadImageResponse(hand_outs=rows.tobytes()).SerializeToString()
