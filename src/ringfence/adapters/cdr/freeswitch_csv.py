"""FreeSWITCH's mod_cdr_csv: whatever columns its template names, in quotes that escape nothing.

A caller chooses the name that stands in a line, quotes and commas too. All that makes too many
cells is therefore taken for the name's; the columns to its left are counted from the left and
those to its right from the right.
"""

from __future__ import annotations

from collections.abc import Sequence

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.lines import ReadText
from ringfence.adapters.cdr.local_time import LocalTimes, unix_seconds
from ringfence.adapters.cdr.record import RECORD_MAX, Record

EXAMPLE = (
    *("caller_id_name", "caller_id_number", "destination_number", "context", "start_stamp"),
    *("answer_stamp", "end_stamp", "duration", "billsec", "hangup_cause", "uuid", "bleg_uuid"),
    *("accountcode", "read_codec", "write_codec"),
)
"""The columns of the template `example`, which is the one that is used unless changed."""
_NEEDED = ("caller_id_number", "destination_number")
_TIMES = ("start_uepoch", "start_epoch", "start_stamp")
_NAMES = ("uuid", "bleg_uuid", "call_uuid")


def freeswitch_reader(times: LocalTimes, columns: Sequence[str] = EXAMPLE) -> ReadText:
    """Reads lines with these columns; raises ValueError when some that are needed are missing."""
    columns = [column.strip() for column in columns]
    time = next((name for name in _TIMES if name in columns), "")
    missing = [name for name in _NEEDED if name not in columns]
    if missing or not time:
        raise ValueError(
            f"no column {(missing or ['start_stamp'])[0]}: bound=caller_id_number,"
            " destination_number and start_stamp, start_epoch or start_uepoch among the columns"
        )
    width = len(columns)
    free = columns.index("caller_id_name") if "caller_id_name" in columns else width

    def place(name: str) -> int:
        at = columns.index(name)
        return at if at < free else at - width

    caller, called, start = map(place, (*_NEEDED, time))
    uuids = [place(name) for name in _NAMES if name in columns]

    def read(text: str) -> Record:
        if len(text) >= RECORD_MAX - 2:
            raise Unreadable("record_too_long")
        cells = _cells(text)
        if len(cells) < width or (len(cells) > width and free == width):
            raise Unreadable("record_columns")
        written = cells[start]
        if time == "start_stamp":
            at = times.read(written)
        else:
            at = unix_seconds(written[:-6] if time == "start_uepoch" else written)
        names = tuple(
            b"u:" + cells[uuid].encode("utf-8", "replace") for uuid in uuids if cells[uuid]
        )
        return Record(cells[called], cells[caller], at, names=names)

    return read


def _cells(text: str) -> list[str]:
    text = text.strip()
    if text.startswith('"'):
        if len(text) < 2 or not text.endswith('"'):
            raise Unreadable("record_quotes")
        return text[1:-1].split('","')
    if '"' in text:
        raise Unreadable("record_quotes")
    return text.split(",")
