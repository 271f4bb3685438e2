"""The control plane of spray callers: the map made anew, and old ones dropped from it."""

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import Spray

def adopt_spray(segment: Segment, made_under: Spray) -> int:
    """Makes map and settings of a segment agree; returns how many callers were dropped.

    For a segment not yet in use that holds a map made under other settings, or an older one's. A
    map of other numbers or another window is made anew from the calls that are kept; one that is
    switched off is empty.
    """

def drop_silent(segment: Segment) -> int:
    """Drops the spray callers that have been silent for longest, an eighth of them, once as many
    are known as may be; returns how many. Workers may go on meanwhile.
    """
