"""The claims that a worker's journal holds, some values at a time."""

import logging
from collections.abc import Iterator

from ringfence.server.journal.event_value import Claim, EventValue, decode_event_value
from ringfence.server.journal.journal import JournalDamaged, JournalReader, JournalTruncated

PIECE_VALUES = 4_096

_log = logging.getLogger(__name__)


def claims_behind(
    journal: JournalReader, after: int, upto: int
) -> tuple[int, list[tuple[str, Claim]]]:
    """The claims in the next few values behind a position, each with the name of its feed, and the
    position that they reach to.
    """
    claims = []
    position = upto
    for values, (position, data) in enumerate(_replay(journal, after), 1):
        value = _decode(journal, position, data)
        if value.claim is not None:
            claims.append((value.feed, value.claim))
        if position == upto or values == PIECE_VALUES:
            break
    return position, claims


def _decode(journal: JournalReader, position: int, data: bytes) -> EventValue:
    try:
        return decode_event_value(data)
    except ValueError as error:
        raise JournalDamaged(f"{journal.folder}: {error}: position={position}") from None


def _replay(journal: JournalReader, after: int) -> Iterator[tuple[int, bytes]]:
    try:
        yield from journal.replay(after)
    except JournalTruncated:
        # Only of an installation whose journals were cut before claims were taken.
        _log.warning("claims up to position=%d are gone: %s", journal.first - 1, journal.folder)
        yield from journal.replay(journal.first - 1)
