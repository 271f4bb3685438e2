"""For how many numbers a claim reaches back to before their observed_since, where it is no use.

A number that was put in without that time has no past that counts, however much of it is claimed;
nobody would see why it stays UNOBSERVED. A look at some numbers is enough to say so.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from ringfence import Client, Number, RingfenceError
from ringfence.wording.times import unix_text

LOOKED_AT_MAX = 10_000
_ROUNDED_S = 3_600  # observed_since is kept in whole hours after quarantined_at, rounded up


def reach_text(client: Client, feed: str, claim: tuple[int, int]) -> str:
    """What is to be said of it; "" = nothing."""
    try:
        looked_at = list(islice(_numbers(client, feed), LOOKED_AT_MAX))
    except RingfenceError:  # one that may send events may not be allowed to ask
        return "it counts for each number from its observed_since on"
    if not (late := sum(is_late(number, claim) for number in looked_at)):
        return ""
    of = "" if len(looked_at) < LOOKED_AT_MAX else f" of the first {len(looked_at):,}"
    count = f"{late:,} number{'' if late == 1 else 's'}{of}"
    return (
        f"for {count} it begins before observed_since, which is when they were put into quarantine"
        " unless --observed-since said otherwise: their time before it does not count, and that"
        f" cannot be changed later. One of them: {_example(looked_at, claim)}"
    )


def is_late(number: Number, claim: tuple[int, int]) -> bool:
    """Whether some of the claim lies in the number's quarantine and before its observed_since."""
    begin = max(claim[0], _unix(number.quarantined_at))
    return begin < claim[1] and _unix(number.observed_since) - begin >= _ROUNDED_S


def _numbers(client: Client, feed: str) -> Iterator[Number]:
    """The numbers for which the feed must listen."""
    for status in client.list_pools():
        if feed in status.pool.required_feeds:
            yield from client.list_numbers(pool=status.pool.name, page_size=LOOKED_AT_MAX)


def _example(numbers: Sequence[Number], claim: tuple[int, int]) -> str:
    first = next(number for number in numbers if is_late(number, claim))
    return f"+{first.number}, observed since {unix_text(_unix(first.observed_since))}"


def _unix(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp())
