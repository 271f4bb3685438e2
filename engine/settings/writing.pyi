"""Publishing settings and coverage to a segment; one process at a time: the keeper."""

from collections.abc import Mapping, Sequence

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Covered, CoveredFeed, Policy, Pool, Spray

def publish_settings(
    segment: Segment,
    policies: Sequence[Policy | None],
    pools: Sequence[Pool | None],
    feeds: Sequence[CoveredFeed | None] = (),
) -> None:
    """Replaces all settings at once; of what feeds have covered only what has changed is written.

    A setting's index is where it stands in its list; the index of a pool that has numbers must not
    change. Raises SettingError, and leaves all as it was.
    """

def publish_coverage(segment: Segment, feeds: Mapping[int, Covered]) -> None:
    """Replaces what some feeds have covered, by their index as published; all else stays, and what
    is as it was is not written.

    Raises SettingError, and leaves all as it was; RuntimeError where one who died left coverage
    odd: then `publish_settings` is due.
    """

def publish_spray(segment: Segment, spray: Spray) -> None:
    """Says what makes a caller a spray caller, to what is made over the segment from then on; the
    map stays as it is: see `events/spray.pyx`. Raises SettingError, and SegmentError for a caller
    table of another size.
    """
