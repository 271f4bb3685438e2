"""Histories from files: what is read, and what is said of a file with a mistake."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.progress import Progress
from support.small_history import FRIEND, NUMBERS, at, released_at, rule_policy

from ringfence import caller_of_text
from ringfence.engine.words import Measure
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.csv_rows import NotRead
from ringfence.simulation.history import Heard, HistoryError
from ringfence.simulation.imported import Forms, LeftOut, imported_history
from ringfence.simulation.outcome import Share
from ringfence.simulation.play import play
from ringfence.simulation.recorded import RecordedHistory
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.times import time_reader
from ringfence.wording.withheld import WITHHELD_TEXTS

A, B = (f"+{number}" for number in NUMBERS[:2])
FRIENDS = f"+{FRIEND}"
TEN = 10 * 86_400
SILENT = Candidate("silent", rule_policy(Measure.EVENTS, window_days=30))
NUMBERS_CSV = f"""number,quarantined_at,reason
{B},2026-01-01T12:00:00Z,NEVER_ASSIGNED
{A},2026-01-01T12:00:00Z,
"""
EVENTS_CSV = f"""\ufeffcalled;caller;occurred_at;kind;class
{A};{FRIENDS};2026-01-03;CALL;PERSONAL
{A};{FRIENDS};2026-02-15;SMS;PERSONAL
{A};{FRIENDS};2026-02-15;sms;personal
{B};;2026-01-05T01:00:00+01:00;CALL;SPRAY_FRESH
+447700900999;{FRIENDS};2026-01-05;CALL;PERSONAL

{B};Bank;2026-03-31T12:00:00Z;A2P_SMS;SPRAY_FRESH
"""


def load(tmp_path: Path, numbers: str, events: str) -> tuple[RecordedHistory, LeftOut]:
    (tmp_path / "numbers.csv").write_text(numbers)
    (tmp_path / "events.csv").write_text(events)
    files = tmp_path / "numbers.csv", tmp_path / "events.csv"
    return imported(*files)


def imported(
    numbers: Path,
    events: Path,
    *,
    not_read: NotRead = lambda file, columns: None,
    progress: Progress | None = None,
    forms: Forms | None = None,
) -> tuple[RecordedHistory, LeftOut]:
    return imported_history(
        numbers,
        events,
        now=at(400),
        not_read=not_read,
        progress=progress or Progress(disable=True),
        forms=forms,
    )


def test_files_are_a_history(tmp_path: Path) -> None:
    history, left_out = load(tmp_path, NUMBERS_CSV, EVENTS_CSV)
    assert left_out == LeftOut(unknown_events=1, early_events=0, late_numbers=0)
    assert (history.begins_at, history.ends_at) == (at(0), at(90))  # 31 + 28 + 31 days
    assert history.numbers.number.tolist() == NUMBERS[:2]
    assert history.knows_classes
    # A is free of its first call on day 32, B of its own on day 34.
    assert released_at(history, SILENT) == [at(32), at(34)]
    (outcome,) = play(history, [SILENT])
    assert outcome.personal == Share(1, 2)  # A on day 45
    assert outcome.background_by_minimum_age == Share(0, 1)  # B, to which only robots came
    assert outcome.never_assigned.events == 2


def test_callers_are_those_of_the_contract(tmp_path: Path) -> None:
    callers = ["", FRIENDS, FRIENDS.removeprefix("+"), "60999", "Bank", " BANK ", "1" * 16]
    rows = "".join(f"{A},{caller},2026-01-03,CALL\n" for caller in callers)
    history, _ = load(tmp_path, NUMBERS_CSV, "called,caller,occurred_at,kind\n" + rows)
    heard = [day.evidence for day in history.days()][2]
    assert isinstance(heard, Heard)
    assert heard.caller.tolist() == [
        *(0, FRIEND, FRIEND, 60999, caller_of_text("bank"), caller_of_text("bank")),
        caller_of_text("1" * 16),
    ]


def test_history_without_classes_has_shares_by_kind(tmp_path: Path) -> None:
    events = f"""kind,occurred_at,caller,called
A2P_SMS,2026-01-20,Bank,{A}
VIDEO,2026-01-20,,{B}
CALL,2026-03-31,,{B}
"""
    history, _ = load(tmp_path, NUMBERS_CSV, events)
    assert not history.knows_classes
    (outcome,) = play(history, [Calendar("calendar", TEN)])
    assert (outcome.personal, outcome.application) == (Share(1, 2), Share(1, 2))
    assert (outcome.collector, outcome.residual) == (None, Share(2, 2))
    assert outcome.background_by_minimum_age is None
    assert outcome.never_assigned.by_minimum_age == Share(1, 1)


def test_events_arrive_when_the_file_says(tmp_path: Path) -> None:
    events = f"""called,caller,occurred_at,arrived_at,kind
{A},{FRIENDS},2026-01-03,2026-01-12T01:00:00Z,CALL
{B},{FRIENDS},2026-01-03,2026-01-03,CALL
{B},{FRIENDS},2026-02-20,2026-02-20,CALL
"""
    history, _ = load(tmp_path, NUMBERS_CSV, events)
    assert released_at(history, SILENT) == [at(11), at(32)]


def test_event_before_the_quarantine_is_nobodys_business(tmp_path: Path) -> None:
    events = f"""called,caller,occurred_at,kind,class
{B},{FRIENDS},2026-01-01T11:59:59Z,CALL,PERSONAL
{A},{FRIENDS},2026-03-01,CALL,PERSONAL
"""
    history, left_out = load(tmp_path, NUMBERS_CSV, events)
    assert left_out == LeftOut(unknown_events=0, early_events=1, late_numbers=0)
    (outcome,) = play(history, [SILENT])
    assert outcome.background_by_minimum_age == Share(1, 1)
    assert outcome.never_assigned.events == 0


def test_history_ends_with_the_day_of_the_last_event(tmp_path: Path) -> None:
    """What came later nobody knows: the file of events may end before that of numbers."""
    numbers = f"number,quarantined_at\n{A},2026-01-01\n{B},2026-03-01\n"
    late = "2026-01-20T12:00:00Z,2026-01-25"  # arrives days later, which is no silence either
    for called, unknown in ((A, 0), ("+447700900999", 1)):
        events = f"called,caller,occurred_at,arrived_at,kind\n{called},,{late},CALL\n"
        history, left_out = load(tmp_path, numbers, events)
        assert (history.begins_at, history.ends_at) == (at(0), at(20))
        assert history.numbers.number.tolist() == NUMBERS[:1]
        assert left_out == LeftOut(unknown_events=unknown, early_events=0, late_numbers=1)
    history, left_out = load(tmp_path, numbers, HEADER)  # nothing came in all that time
    assert (history.ends_at, history.numbers.number.size) == (at(60), 2)
    assert left_out == LeftOut(0, 0, 0)


def test_number_that_enters_on_the_last_day_is_played(tmp_path: Path) -> None:
    numbers = f"number,quarantined_at,reason\n{A},2026-01-03T23:59:59Z,NEVER_ASSIGNED\n"
    history, _ = load(tmp_path, numbers, HEADER + f"{B},,2026-01-03,CALL\n")
    (outcome,) = play(history, [SILENT])
    assert (outcome.numbers, outcome.never_assigned.number_days) == (1, 1 / 86_400)


def test_no_number_before_the_last_event_is_no_history(tmp_path: Path) -> None:
    numbers = f"number,quarantined_at\n{A},2026-01-04\n"
    with pytest.raises(HistoryError) as error:
        load(tmp_path, numbers, HEADER + GOOD)
    assert str(error.value) == (
        f"{tmp_path / 'numbers.csv'}: no number is in quarantine before the events end:"
        " quarantined_at=2026-01-04T00:00:00Z or later, bound=2026-01-04T00:00:00Z"
    )


def test_files_are_read_in_the_forms_of_an_export(tmp_path: Path) -> None:
    numbers, events = tmp_path / "numbers.csv", tmp_path / "events.csv.gz"
    numbers.write_bytes(
        f"Rufnummer;Sperrdatum\n0{NUMBERS[0] % 10**10};01/01/2026\n".encode("utf-16")
    )
    national = f"0{FRIEND % 10**10}"
    events.write_bytes(
        gzip.compress(
            "B;caller;Zeit;kind\n"
            f"{NUMBERS[0]}.0;{national};03/01/2026;CALL\n"
            f"0{NUMBERS[0] % 10**10};{FRIENDS};04/01/2026;CALL\n".encode()
        )
    )
    names = {
        **{"number": "Rufnummer", "quarantined_at": "Sperrdatum"},
        **{"called": "B", "occurred_at": "Zeit"},
    }
    forms = Forms(WrittenNumbers(44), time_reader("%d/%m/%Y"), names)
    history, left_out = imported(numbers, events, forms=forms)
    assert left_out == LeftOut(unknown_events=0, early_events=0, late_numbers=0)
    heard = [day.evidence for day in history.days()][2:4]
    assert [day.caller.tolist() for day in heard if isinstance(day, Heard)] == [[FRIEND]] * 2


def test_callers_who_show_no_number_are_withheld(tmp_path: Path) -> None:
    rows = "".join(f"{A},{word.title()},2026-01-03,CALL\n" for word in WITHHELD_TEXTS)
    history, _ = load(tmp_path, NUMBERS_CSV, HEADER + rows)
    heard = [day.evidence for day in history.days()][2]
    assert isinstance(heard, Heard)
    assert set(heard.caller.tolist()) == {0}


GOOD = f"{A},{FRIENDS},2026-01-03,CALL\n"
HEADER = "called,caller,occurred_at,kind\n"


@pytest.mark.parametrize(
    ("events", "line", "message"),
    [
        ("", 1, "no column 'called' in the header: bound=called, caller, occurred_at, kind"),
        ("called,caller,occured_at,kind\n", 1, "column 'occured_at': did you mean 'occurred_at'?"),
        ("called,called,caller,kind\n", 1, "column 'called' stands twice in the header"),
        (HEADER + GOOD + "+44,,2026-01-03,CALL\n", 3, "called: not an E.164 number: value='+44'"),
        (HEADER + f"{A},,yesterday,CALL\n", 2, "occurred_at: not a time: value='yesterday'"),
        (HEADER + f"{A},,2106-02-06,CALL\n", 2, "occurred_at: value='2106-02-06', bound=no more"),
        (HEADER + f"{A},,2026-01-03,FAX\n", 2, "kind: value='FAX', bound=CALL, SMS, A2P_SMS"),
        (HEADER + f"{A},,2026-01-03\n", 2, "value=3 cells, bound=4 as in the header"),
        (
            "called,caller,occurred_at,kind,class\n" + f"{A},,2026-01-03,CALL,FRIEND\n",
            2,
            "class: value='FRIEND', bound=SPRAY_FRESH, SPRAY_REUSED, STORM",
        ),
        (
            "called,caller,occurred_at,kind,arrived_at\n" + f"{A},,2026-01-03,CALL,2026-01-02\n",
            2,
            "arrived_at: value=2026-01-02T00:00:00Z, bound=not before occurred_at,"
            " 2026-01-03T00:00:00Z",
        ),
        (HEADER + f'{A},"{FRIENDS},2026-01-03,CALL\n', 2, "unexpected end of data"),
    ],
)
def test_mistake_in_the_events_is_named(
    tmp_path: Path, events: str, line: int, message: str
) -> None:
    with pytest.raises(HistoryError) as error:
        load(tmp_path, NUMBERS_CSV, events)
    assert str(error.value).startswith(f"{tmp_path / 'events.csv'}, line {line}: {message}")
    assert str(FRIEND) not in str(error.value)


CALLER_TEXTS = [
    *(FRIENDS, str(FRIEND), f"00{FRIEND}", f"sip:{FRIENDS}@example.org", "+44 (1632) 960 001"),
    *("01632-960-001", "01.63.29.60.00"),
]


@pytest.mark.parametrize("column", ["called", "occurred_at", "arrived_at", "kind", "class"])
@pytest.mark.parametrize("text", CALLER_TEXTS)
def test_caller_in_a_wrong_column_is_in_no_error(tmp_path: Path, column: str, text: str) -> None:
    if column == "called" and text.startswith("+"):
        return  # that is read
    row = {
        **{"called": A, "occurred_at": "2026-01-03", "arrived_at": "2026-01-03"},
        **{"kind": "CALL", "class": "STUCK", "caller": "", column: text},
    }
    with pytest.raises(HistoryError) as error:
        load(tmp_path, NUMBERS_CSV, f"{','.join(row)}\n{','.join(row.values())}\n")
    said = str(error.value).removeprefix(f"{tmp_path / 'events.csv'}, line 2: {column}: ")
    assert "value=(looks like a telephone number), bound=" in said
    assert text not in said


@pytest.mark.parametrize("text", ["03/31/2026", "2026-31-03", "31.03.2026 12:00:00"])
def test_time_that_cannot_be_read_is_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(HistoryError, match=f"not a time: value='{text}', bound=RFC 3339"):
        load(tmp_path, NUMBERS_CSV, HEADER + f"{A},,{text},CALL\n")


@pytest.mark.parametrize(
    ("numbers", "where", "message"),
    [
        (
            f"number,quarantined_at\n{NUMBERS[0]},2026-01-01\n",
            ", line 2",
            f"number: numbers are written with +: value='{NUMBERS[0]}'",
        ),
        ("number\n", ", line 1", "no column 'quarantined_at' in the header"),
        (f"number,quarantined_at\n{A},\n", ", line 2", "quarantined_at: not a time: value=''"),
        (
            f"number,quarantined_at\n{A},2027-02-06\n",
            ", line 2",
            "quarantined_at: value='2027-02-06', bound=no more than 300 s after now, 2027",
        ),
        (
            f"number,quarantined_at\n{A},2026-01-01\n{A},2026-01-02\n",
            ", line 3",
            f"number: value={A}, bound=once in the file; line 2 has it too",
        ),
        (f"number,quarantined_at,reason\n{A},2026-01-01,BORED\n", ", line 2", "reason: value='BOR"),
        ("number,quarantined_at\n", "", "no number in it"),
    ],
)
def test_mistake_in_the_numbers_is_named(
    tmp_path: Path, numbers: str, where: str, message: str
) -> None:
    with pytest.raises(HistoryError) as error:
        load(tmp_path, numbers, EVENTS_CSV)
    assert str(error.value).startswith(f"{tmp_path / 'numbers.csv'}{where}: {message}")


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"missing.csv: cannot be read: No such file"):
        imported(tmp_path / "missing.csv", tmp_path / "events.csv")


def test_bars_show_how_much_of_each_file_is_read(tmp_path: Path) -> None:
    files = tmp_path / "numbers.csv", tmp_path / "events.csv"
    for file, text in zip(files, (NUMBERS_CSV, EVENTS_CSV), strict=True):
        file.write_text(text)
    progress = Progress(disable=True)
    imported(*files, progress=progress)
    assert [(task.description, task.completed, task.total) for task in progress.tasks] == [
        (f"reading {file.name}, bytes", file.stat().st_size, file.stat().st_size) for file in files
    ]


def test_columns_that_are_not_read_are_told(tmp_path: Path) -> None:
    numbers, events = tmp_path / "numbers.csv", tmp_path / "events.csv"
    numbers.write_text(f"number,resaon,quarantined_at,colour\n{A},FRAUD,2026-01-01,red\n")
    events.write_text(HEADER + GOOD)
    told: list[tuple[Path, Sequence[str]]] = []
    imported(numbers, events, not_read=lambda file, columns: told.append((file, columns)))
    assert told == [(numbers, ["resaon", "colour"])]


@pytest.mark.parametrize("column", ["occurred_at", "arrived_at"])
def test_event_of_the_future_is_refused(tmp_path: Path, column: str) -> None:
    """One wrong year would stretch the history, and every silent number would look clean."""
    for moment, refused in ((at(400, second=300), False), (at(400, second=301), True)):
        time = datetime.fromtimestamp(moment, UTC).isoformat()
        occurred = time if column == "occurred_at" else "2026-01-03"
        events = f"called,caller,occurred_at,arrived_at,kind\n{A},,{occurred},{time},CALL\n"
        if not refused:
            load(tmp_path, NUMBERS_CSV, events)
            continue
        with pytest.raises(HistoryError) as error:
            load(tmp_path, NUMBERS_CSV, events)
        bound = "bound=no more than 300 s after now, 2027-02-05T00:00:00Z"
        wanted = f"{tmp_path / 'events.csv'}, line 2: {column}: value='{time}', {bound}"
        assert str(error.value) == wanted
