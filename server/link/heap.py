"""What malloc does with memory that was freed.

Once in 10,000 times that protobuf frees a message it has malloc give all that is free back to the
system (`malloc_trim`), on the thread that happened to free it. After a sweep of a thousand pools
that held an event loop for 30 ms. So a thread that has freed much gives it back itself.
"""

import ctypes

M_ARENA_MAX = -8  # malloc.h

_libc = ctypes.CDLL(None)


def share_heap() -> None:
    """Has all threads take memory from one heap: what one has freed the others use again. To be
    called before there are any.
    """
    _libc.mallopt(M_ARENA_MAX, 1)


def give_back_freed() -> None:
    """Gives the system what was freed, which malloc keeps where other memory is beside it. May
    take tens of milliseconds, without the GIL.
    """
    _libc.malloc_trim(0)
