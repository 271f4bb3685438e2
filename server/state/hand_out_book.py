"""Numbers that were handed out, for complaints: bounded, and independent of the table.

What was handed out lately lies in a dictionary, the rest in one sorted array.
"""

import numpy as np
import numpy.typing as npt

KEPT_S = 400 * 86_400
RECENT_MAX = 65_536

HAND_OUT = np.dtype([("number", "<u8"), ("assigned_at", "<u4"), ("pool", "<u2"), ("policy", "<u2")])
"""A row: number, unix seconds, index of the pool, index of the policy that the pool had."""

Rows = npt.NDArray[np.void]


class HandOutBook:
    """The last hand-out of each number within 400 days, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows = np.empty(0, HAND_OUT)
        self._recent: dict[int, tuple[int, int, int]] = {}

    def __len__(self) -> int:
        return len(self._rows) + len(self._recent)

    def add(self, numbers: npt.NDArray[np.uint64], *, at: int, pool: int, policy: int) -> None:
        """Numbers are handed out."""
        self._recent.update(dict.fromkeys(numbers.tolist(), (at, pool, policy)))
        if len(self._recent) > RECENT_MAX:
            self._merge(at)

    def find(self, number: int, now: int) -> tuple[int, int, int] | None:
        """When a number was last handed out, and the indexes of pool and policy; None = not within
        400 days.
        """
        found = self._recent.get(number)
        if found is None:
            at = int(np.searchsorted(self._rows["number"], np.uint64(number)))
            if at < len(self._rows) and int(self._rows["number"][at]) == number:
                row = self._rows[at]
                found = int(row["assigned_at"]), int(row["pool"]), int(row["policy"])
        return found if found is not None and found[0] > now - KEPT_S else None

    def rows(self, now: int) -> Rows:
        """All of them (dtype HAND_OUT), by number."""
        self._merge(now)
        return self._rows

    def load(self, rows: Rows) -> None:
        """Takes over the rows of a snapshot."""
        self._rows = rows
        self._recent.clear()

    def _merge(self, now: int) -> None:
        recent = np.array([(number, *last) for number, last in self._recent.items()], HAND_OUT)
        rows = np.concatenate([self._rows, recent])
        rows = rows[rows["assigned_at"] > now - KEPT_S]
        rows = rows[np.argsort(rows["assigned_at"], kind="stable")][::-1][: self._most]
        self._rows = rows[np.unique(rows["number"], return_index=True)[1]]  # the newest of each
        self._recent.clear()
