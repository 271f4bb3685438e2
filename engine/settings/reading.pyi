"""Settings and coverage read back from a segment."""

from collections.abc import Sequence

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Feed, Policy, Pool, Spray

def read_policies(segment: Segment) -> Sequence[Policy | None]:
    """The policies as published, by index; None = not in use. Raises SegmentError if they never
    settle.
    """

def read_pools(segment: Segment) -> Sequence[Pool | None]:
    """The pools as published, by index."""

def read_feeds(segment: Segment) -> Sequence[Feed | None]:
    """The feeds as published, by index, with their covered intervals."""

def read_watermarks(segment: Segment) -> dict[str, tuple[int, int, int]] | None:
    """Index, registration and watermark of each feed by name; None = they are being changed."""

def read_spray(segment: Segment) -> Spray:
    """What makes a caller a spray caller in this segment."""
