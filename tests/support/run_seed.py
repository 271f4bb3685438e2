"""The seed of this run of the tests: another one each time, and told by the names of the tests.

`RINGFENCE_TEST_SEED=N` runs them with the seed of before. The processes of pytest-xdist have to
collect the same tests, so the seed comes from what they all know of their run.
"""

import os
import random
import zlib

SEEDS = 10**6


def run_seed() -> int:
    """A number below a million."""
    if given := os.environ.get("RINGFENCE_TEST_SEED"):
        return int(given) % SEEDS
    if shared := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        return zlib.crc32(shared.encode()) % SEEDS
    return random.randrange(SEEDS)
