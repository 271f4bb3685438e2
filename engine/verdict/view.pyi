"""What a process needs for verdicts: the shared table, and its own copy of the settings."""

from typing_extensions import disjoint_base

from ringfence.engine.memory.segment import Segment

@disjoint_base
class View:
    """A segment's table and map, and the settings as this process last read them."""

    def __new__(cls, segment: Segment) -> View: ...
