"""From when a number is clean, as people are told it: a promise is `expected_at`, never `clean_at`.

`clean_at` is the place in the queue and knows nothing of who listened; a number that is told to be
clean from then may be UNOBSERVED when the time has come.
"""

from datetime import datetime

from ringfence import CheckedNumber, Number, Verdict

CONDITION = "if they stay silent and are listened to"


def clean_from(number: CheckedNumber | Number) -> datetime | None:
    """Since when a CLEAN number is clean; of another, when it will be if it stays silent and is
    listened to. None where neither can be said.
    """
    return number.clean_at if number.verdict == Verdict.CLEAN else number.expected_at
