"""How many calls of a worker may wait for the keeper, and how much memory they may hold.

A stopped keeper would otherwise fill its workers with what they pass on. Large commands leave the
last quarter of the bytes to small ones, which are most of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ringfence.server.link.refusal import keeper_away

CALLS_MAX = 8_192
BYTES_MAX = 32 << 20
LARGE_BYTES_MAX = BYTES_MAX * 3 // 4
SMALL_BYTES = 16 << 10  # of one command that may use all of it


class WaitingCalls:
    """The calls that wait just now."""

    def __init__(self) -> None:
        self._calls = 0
        self._bytes = 0

    @contextmanager
    def one_more(self, size_bytes: int) -> Iterator[None]:
        """One call waits as long as this lasts; raises a refusal beyond the bounds."""
        calls, held_bytes = self._calls + 1, self._bytes + size_bytes
        limit_bytes = BYTES_MAX if size_bytes <= SMALL_BYTES else LARGE_BYTES_MAX
        if calls > CALLS_MAX:
            raise keeper_away(f"too many wait for the keeper: calls={calls}, limit={CALLS_MAX}")
        if held_bytes > limit_bytes:
            raise keeper_away(
                f"too much waits for the keeper: bytes={held_bytes}, limit={limit_bytes}"
            )
        self._calls, self._bytes = calls, held_bytes
        try:
            yield
        finally:
            self._calls -= 1
            self._bytes -= size_bytes
