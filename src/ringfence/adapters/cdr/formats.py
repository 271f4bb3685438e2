"""The formats by name, made for one command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ringfence import EventKind
from ringfence.adapters.cdr import any_csv, kamailio_acc
from ringfence.adapters.cdr.asterisk import asterisk_reader
from ringfence.adapters.cdr.freeswitch_csv import EXAMPLE, freeswitch_reader
from ringfence.adapters.cdr.freeswitch_json import json_records
from ringfence.adapters.cdr.lines import headed_records, plain_records
from ringfence.adapters.cdr.local_time import LOCAL, LocalTimes
from ringfence.adapters.cdr.record import Format
from ringfence.adapters.cdr.ts32298.reader import ts32298_records
from ringfence.adapters.cdr.ts32298.tags import TagMap, usual_tags
from ringfence.wording.times import parse_time, time_reader, unix_text


@dataclass(frozen=True)
class Forms:
    """How the files of one switch are written."""

    zone: str = "UTC"
    names: Mapping[str, str] = field(default_factory=dict)
    """What a header calls our columns."""
    columns: Sequence[str] = EXAMPLE
    """The columns of a template without a header."""
    date_format: str | None = None
    kind: EventKind | None = None
    tags: TagMap | None = None
    """Of records in BER, if not the usual ones."""


def _asterisk(forms: Forms) -> Format:
    return plain_records(asterisk_reader(LocalTimes(forms.zone)))


def _freeswitch(forms: Forms) -> Format:
    return plain_records(freeswitch_reader(LocalTimes(forms.zone), forms.columns), escapes=False)


def _freeswitch_json(forms: Forms) -> Format:
    return json_records(LocalTimes(forms.zone))


def _kamailio(forms: Forms) -> Format:
    reader = kamailio_acc.kamailio_reader(LocalTimes(forms.zone))
    return headed_records(reader, kamailio_acc.COLUMNS, dict(forms.names))


def _csv(forms: Forms) -> Format:
    times = LocalTimes(forms.zone)
    written = time_reader(forms.date_format)

    has_zone = "%z" in (forms.date_format or "")

    def read_time(text: str) -> int:
        if written is parse_time:
            return times.read(text) if LOCAL.fullmatch(text) else written(text)
        seconds = written(text)
        return seconds if has_zone else times.read(unix_text(seconds)[:-1])

    reader = any_csv.csv_reader(read_time, forms.kind)
    return headed_records(reader, any_csv.COLUMNS, dict(forms.names))


def _ts32298(forms: Forms) -> Format:
    return ts32298_records(forms.tags or usual_tags())


FORMATS: dict[str, Callable[[Forms], Format]] = {
    "asterisk": _asterisk,
    "freeswitch": _freeswitch,
    "freeswitch-json": _freeswitch_json,
    "kamailio": _kamailio,
    "csv": _csv,
    "ts32298": _ts32298,
}
"""Each raises ValueError for forms that it cannot have."""
