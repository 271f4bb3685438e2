"""When the same command, given again, can do what it did not do."""

from ringfence.adapters.run import NotAnswered
from ringfence.errors import DeadlineExceeded, Quota, Unavailable, Unreachable

AGAIN = "Give the same command again to go on there"
_PASSES = (KeyboardInterrupt, NotAnswered, Unavailable, Unreachable, DeadlineExceeded, Quota)


def again_helps(error: BaseException) -> bool:
    """Whether what stopped it passes by itself; a refusal stays one, and so does a bad file."""
    return isinstance(error, _PASSES)
