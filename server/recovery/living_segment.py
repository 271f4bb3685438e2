"""Takes over the segment that a killed server left in shared memory.

Events are inserted before they are journalled, so all journalled events are in it. Commands that
were journalled and not applied the keeper applies, as it does when only a keeper was killed.
"""

import logging
import secrets
from collections.abc import Mapping
from pathlib import Path

from ringfence.engine.events.spray import adopt_spray
from ringfence.engine.memory.segment import Segment, SegmentError
from ringfence.engine.settings.reading import read_spray
from ringfence.engine.settings.writing import publish_spray
from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import KEEPER, worker_name
from ringfence.server.journal.journal import JournalReader

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_ID = "start_id"
_ID_BYTES = 16

_log = logging.getLogger(__name__)


def boot_id() -> bytes:
    """What tells this boot of the machine from others, 16 bytes."""
    return bytes.fromhex(_BOOT_ID.read_text("ascii").strip().replace("-", ""))


def change_start_id(data: Path) -> tuple[bytes, bytes]:
    """The ids of the start before this one (b"" = none is known) and of this one, kept from now on.

    A segment and a data folder that went different ways never have the same. Not synced: after a
    power cut there is no segment.
    """
    path = data / _START_ID
    fresh = secrets.token_bytes(_ID_BYTES)
    try:
        before = bytes.fromhex(path.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        before = b""
    path.write_text(fresh.hex(), "ascii")
    return before, fresh


def take_over(
    installation: Installation, journals: Mapping[str, JournalReader], before: bytes
) -> Segment | None:
    """The segment, if all of the start `before` is in it; None = it has to be rebuilt."""
    try:
        segment = installation.open_segment()
        _check(segment, journals, before)
    except SegmentError as error:
        _log.warning("segment not taken over: %s", error)
        return None
    segment.end_inserts()  # the workers that made them have died
    made_under = read_spray(segment)
    publish_spray(segment, installation.config.spray_settings)
    adopt_spray(segment, made_under)
    return segment


def _check(segment: Segment, journals: Mapping[str, JournalReader], before: bytes) -> None:
    if not any(segment.start_id):
        raise SegmentError("it was being rebuilt")
    for name, actual, expected in (
        ("boot_id", segment.boot_id, boot_id()),
        ("start_id", segment.start_id, before),
    ):
        if actual != expected:
            raise SegmentError(f"{name}={actual.hex()}, expected={expected.hex() or 'none'}")
    positions = {KEEPER: segment.applied} | {
        worker_name(index): counted.journalled for index, counted in enumerate(segment.counters())
    }
    for name, position in positions.items():
        last = journals[name].last if name in journals else 0
        if last < position:
            raise SegmentError(f"journal {name} ends too early: last={last}, segment={position}")
