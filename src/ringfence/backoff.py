"""How long to wait before trying again."""

import random

FIRST_S = 0.1


def backoff_s(failures: int, most_s: float) -> float:
    """Seconds to wait after so many failures in a row: doubling from 0.1 s, at most `most_s`.

    Spread over the upper half, so that clients cut off together do not come back together.
    """
    exponent = min(failures - 1, 30)  # beyond that only overflow
    return min(FIRST_S * 2.0**exponent, most_s) * random.uniform(0.5, 1.0)
