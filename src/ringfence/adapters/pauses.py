"""Pauses in which nothing is read: datagrams wait in the kernel then, which has little room.

What is remembered of calls is a million small objects, in no circle. Python's collector of circles
would look through all of them again with each quarter more, a fifth of a second at a time.
"""

from __future__ import annotations

import gc

_YOUNG, _MIDDLE, _OLD = 700, 10, 200
"""The last one is 10 by default: full collections are so much rarer, and still come."""


def keep_pauses_short() -> None:
    """For the whole process: what is there now is not looked at again, the rest fully but rarely.

    Objects in no circle are freed as always, and circles that do not live long soon after.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
