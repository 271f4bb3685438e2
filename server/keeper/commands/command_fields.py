"""What several commands read from their requests and fill into their values."""

import numpy as np

from ringfence.engine.number import NUMBER_MAX, NUMBER_MIN
from ringfence.engine.settings.policy import DESCRIPTION_CHARS_MAX
from ringfence.engine.table.header_rows import Headers, Numbers, distinct, numbers_of
from ringfence.engine.verdict.reader import VerdictReader
from ringfence.engine.words import Verdict
from ringfence.server.journal.keeper_value_pb2 import KeeperValue
from ringfence.server.link.bounds import NUMBERS_MAX
from ringfence.server.link.refusal import bad_field


def read_numbers(numbers: Numbers, most: int = NUMBERS_MAX) -> Numbers:
    """The numbers of a request, each once, in their order; raises a refusal."""
    if not 1 <= len(numbers) <= most:
        raise bad_field("numbers", f"value={len(numbers)} numbers, bound=1 to {most}")
    wrong = (numbers < NUMBER_MIN) | (numbers > NUMBER_MAX)
    if wrong.any():
        index = int(wrong.argmax())
        raise bad_field(f"numbers[{index}]", f"value={numbers[index]}, bound=7 to 15 digits")
    if len(distinct(numbers)) == len(numbers):
        return numbers
    return numbers[np.sort(np.unique(numbers, return_index=True)[1])]


def read_note(note: str, *, needed: bool = False) -> str:
    """The note of a request; raises a refusal."""
    if len(note) > DESCRIPTION_CHARS_MAX:
        raise bad_field("note", f"value={len(note)} characters, bound={DESCRIPTION_CHARS_MAX}")
    if needed and not note.strip():
        raise bad_field("note", "value=empty, bound=a reason, as it cannot be taken back")
    return note


def fill_change(
    value: KeeperValue,
    verdicts: VerdictReader,
    headers: Headers,
    *,
    previous: Verdict | None = None,
) -> None:
    """A command leaves these headers: they, and the verdicts before and after.

    `previous` is what the command was decided by, where the segment may say something else by now:
    an event has come, or a lease that another command is about to extend is over.
    """
    now = value.decided_at
    value.headers = headers.tobytes()
    if previous is None:
        value.previous = verdicts.check(numbers_of(headers), now=now)[0].tobytes()
    else:
        value.previous = bytes([previous]) * len(headers)
    value.current = verdicts.check_as(headers, now=now)[0].tobytes()
