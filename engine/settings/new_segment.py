"""A new segment for an installation's settings of spray callers."""

import os

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import NO_SPRAY, Spray
from ringfence.engine.settings.writing import publish_spray


def new_segment(
    path: str | os.PathLike[str] | None,
    *,
    capacity_numbers: int,
    ring_entries: int = 12,
    folder_id: bytes = bytes(16),
    spray: Spray = NO_SPRAY,
) -> Segment:
    """A segment with room for the callers of `spray`, and these settings; see `Segment.create`.

    Raises SettingError too, and then there is no segment.
    """
    spray.check()
    segment = Segment.create(
        path,
        capacity_numbers=capacity_numbers,
        ring_entries=ring_entries,
        folder_id=folder_id,
        callers=spray.callers,
    )
    publish_spray(segment, spray)
    return segment
