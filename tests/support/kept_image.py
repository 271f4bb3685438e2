"""The image of a keeper in the test's own process: taken at once, or as it is sent."""

from contextlib import closing

import numpy as np

from ringfence.server.journal.keeper_value_pb2 import KeeperImage
from ringfence.server.keeper.keeper import Keeper
from ringfence.server.link.keeper_service_pb2 import ReadImageResponse
from ringfence.server.state.hand_out_runs import HAND_OUT, run_of
from ringfence.server.state.image_moment import ImageMoment
from ringfence.server.state.keeper_image import StoredImage


class Written:
    """A call's context that keeps the image that is written."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def write(self, message: bytes) -> None:
        self.messages.append(message)

    @property
    def position(self) -> int:
        """That the first message has."""
        return ReadImageResponse.FromString(self.messages[0]).position

    @property
    def image(self) -> StoredImage:
        """What a snapshot would have of it."""
        answers = [ReadImageResponse.FromString(message) for message in self.messages[1:]]
        parts = [KeeperImage.FromString(answer.part) for answer in answers if answer.part]
        rows = np.frombuffer(b"".join(answer.hand_outs for answer in answers), HAND_OUT)
        lengths = [length for part in parts for length in part.hand_out_runs]
        assert len(rows) == sum(lengths)
        cut = np.split(rows, np.cumsum(lengths)[:-1]) if lengths else []
        return StoredImage(parts, [run_of([run]) for run in cut])


async def read_image(keeper: Keeper) -> StoredImage:
    """The image, as the snapshot process gets it."""
    written = Written()
    await keeper.internal["ReadImage"](b"", written)  # type: ignore[arg-type]
    image = written.image
    assert whole(image).position == written.position
    return image


def image_now(keeper: Keeper, position: int) -> StoredImage:
    """The image of this moment, with what was reported and is not journalled."""
    reports = keeper.reports
    return stored(keeper.state.moment(reports.claims(), reports.journals()), position)


def stored(moment: ImageMoment, position: int) -> StoredImage:
    """What a snapshot would have of a moment."""
    with closing(moment):
        parts = [KeeperImage.FromString(part()) for part in moment.parts(position)]
        return StoredImage(parts, moment.runs)


def whole(image: StoredImage) -> KeeperImage:
    """All parts of it as one."""
    joined = KeeperImage()
    for part in image.parts:
        joined.MergeFrom(part)
    return joined
