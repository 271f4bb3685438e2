"""Captures of what went wrong with other software: every row of a case's truth file is one event.

`tests/data/cases` has each as a capture in the form of `--replay`, and beside it the events that
are in it, and no more: an empty caller is withheld, `any` is not asked for.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.places import DATA

from ringfence import EventKind
from ringfence.adapters.base import Attempt
from ringfence.adapters.hep import read_capture
from ringfence.adapters.hep_reader import HepReader
from ringfence.wording.dialled import DialPlan

CASES = sorted((DATA / "cases").glob("*.bin"))
Row = tuple[int, int | None, EventKind]


def rows_of(path: Path) -> tuple[int, list[Row]]:
    """The country that the capture is seen from, and its events."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    events = [
        (
            int(row["called_e164"]),
            None if row["caller_e164"] == "any" else int(row["caller_e164"] or 0),
            EventKind[row["kind"]],
        )
        for row in rows
    ]
    return int(rows[0]["country"]), events


def attempts_of(path: Path, country: int) -> Iterable[Attempt]:
    reader = HepReader(DialPlan.of_country(country))
    with path.open("rb") as file:
        for received_at, datagram in read_capture(file):
            yield from reader.read(datagram, received_at)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_every_row_of_a_case_is_one_event_and_nothing_else_is(path: Path) -> None:
    country, expected = rows_of(path.with_suffix(".csv"))
    found = list(attempts_of(path, country))
    assert [(a.called, a.kind) for a in found] == [(called, kind) for called, _, kind in expected]
    for attempt, (_, caller, _) in zip(found, expected, strict=True):
        assert caller is None or attempt.caller == caller
