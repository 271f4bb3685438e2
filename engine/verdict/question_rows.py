"""Questions of a sweep as rows in which a number finds those that it answers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.engine.prefix import DIGITS_MAX, Prefix

QUESTIONS_MAX = 1 << 16  # CANDIDATE has 16 bits for the index of one

QUESTION = np.dtype(
    {
        "names": ["first", "end", "least", "around", "question"],
        "formats": ["<u8", "<u8", "<u8", "<i4", "<u4"],
        "offsets": [0, 8, 16, 24, 28],
        "itemsize": 32,
    }
)
"""A question's numbers, followed by zeros up to 15 digits, are in [first, end); no number below
`least` begins with the prefix. `around` is the row with the next shorter prefix that contains it
(-1 = none), `question` the index of the question."""


class Question(NamedTuple):
    """Which numbers are clean, of a pool and with a prefix."""

    pool: int
    """Index of the pool."""
    prefix: str = ""
    """Digits, no +; empty = all numbers of the pool."""


def question_rows(
    questions: Sequence[Question], *, pools_max: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.uint32]]:
    """Rows of QUESTION by pool, each behind those around it, and where those of each pool begin:
    (pools_max + 1,), the last one where all end.

    Raises ValueError for no or too many questions, a prefix or a pool that is none.
    """
    if not 1 <= len(questions) <= QUESTIONS_MAX:
        raise ValueError(f"questions: value={len(questions)}, bound=1 to {QUESTIONS_MAX}")
    bounds = []
    for index, (pool, prefix) in enumerate(questions):
        if not 0 <= pool < pools_max:
            raise ValueError(f"pool: value={pool}, bound=0 to {pools_max - 1}")
        first, last = Prefix(prefix).ranges[-1] if prefix else (0, 10**DIGITS_MAX - 1)
        bounds.append((pool, first, -(last + 1), index))
    rows = np.zeros(len(bounds), QUESTION)
    around: list[int] = []  # the rows that are open: each within the one before it
    pool_before = -1
    for at, (pool, first, end, index) in enumerate(sorted(bounds)):
        if pool != pool_before:
            around, pool_before = [], pool
        while around and rows["end"][around[-1]] <= first:
            around.pop()
        least = int(questions[index].prefix or 0)
        rows[at] = first, -end, least, around[-1] if around else -1, index
        around.append(at)
    pools = sorted(question.pool for question in questions)
    begins = np.searchsorted(pools, np.arange(pools_max + 1)).astype(np.uint32)
    return rows, begins
