"""When the numbers that tests give to real servers went into quarantine, unless it matters."""

import time

DAY_S = 86_400
LONG_AGO = int(time.time()) - 1_000 * DAY_S
"""Unix seconds. On whatever day tests run, every window (400 days) and the default policy's
greatest age (365 days) have passed since, and the greatest that a policy may have (3,650 days) not.
"""
