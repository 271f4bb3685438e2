"""History that lies in files: sent as events, claimed when whole, gone on with when cut off."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.command_line import Ringfence
from support.server_process import serving, wait_until
from support.terminal import on_terminal

from ringfence import Client, Feed, Pool
from ringfence.adapters import event_files
from ringfence.adapters.event_files import Note
from ringfence.cli import main
from ringfence.wording.tables import REASON_COLUMN

FEED = "sip-1"
CALLER = 441632960321
NOW = int(time.time())
DAY_S = 86_400


def ago(days: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - days * DAY_S))


PAST, YESTERDAY = ago(200), ago(1)
CLAIM = ("--complete-from", PAST, "--complete-to", YESTERDAY)


@pytest.fixture
def feed(client: Client, fresh_numbers: Any) -> Iterator[str]:
    """A feed of its own for a test, and a pool of the same name that requires it."""
    name = f"feed-{fresh_numbers(1)[0]}"
    client.put_feed(Feed(name))
    client.put_pool(Pool(name, "default", (name,)))
    yield name


def quarantined(client: Client, pool: str, numbers: list[int], days: float = 200) -> None:
    since = NOW - int(days * DAY_S)
    client.quarantine_numbers(numbers, pool=pool, quarantined_at=since, observed_since=since)


def imported(ringfence: Ringfence, path: Path, feed: str, *options: str, code: int = 0) -> Any:
    """What an import says as JSON, and on standard error."""
    result = ringfence("import", "events", str(path), "--feed", feed, "--json", *options, code=code)
    return json.loads(result.stdout), result.stderr


def written(path: Path, *rows: str, header: str = "called,caller,at,kind") -> Path:
    text = "\n".join((header, *rows, "")).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def test_a_history_makes_numbers_clean_and_noisy(
    ringfence, client, feed, fresh_numbers, tmp_path
) -> None:
    silent, called = fresh_numbers(2)
    quarantined(client, feed, [silent, called])
    assert {checked.verdict.name for checked in client.check_numbers([silent, called])} == {
        "UNOBSERVED"
    }
    rows = [f"+{called},{CALLER},{ago(days)},CALL" for days in (20, 10)]
    told, said = imported(ringfence, written(tmp_path / "a.csv.gz", *rows), feed, *CLAIM)
    assert (told["rows"], told["accepted"], told["untracked"], told["bad_lines"]) == (2, 2, 0, 0)
    assert (told["first_at"], told["last_at"]) == (ago(20), ago(10))
    assert (told["claimed_from"], told["claimed_to"]) == (PAST, YESTERDAY)
    assert f"claimed: {feed} has sent all that came from {PAST} to {YESTERDAY}" in said
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        verdicts = [checked.verdict.name for checked in client.check_numbers([silent, called])]
        if verdicts == ["CLEAN", "NOISY"]:
            break
        time.sleep(0.1)
    assert verdicts == ["CLEAN", "NOISY"]
    assert sorted(os.listdir(tmp_path)) == ["a.csv.gz"]  # no note, no rejects


def test_without_a_claim_it_is_said_what_that_means(
    ringfence, client, feed, fresh_numbers, tmp_path
) -> None:
    (number,) = fresh_numbers(1)
    quarantined(client, feed, [number])
    told, said = imported(ringfence, written(tmp_path / "a.csv", f"+{number},,{ago(9)},SMS"), feed)
    assert told["claimed_from"] is None
    assert "nothing is claimed: these events count, but silence beside them does not" in said
    (status,) = [each for each in client.list_feeds() if each.feed.name == feed]
    assert status.watermark is None


@pytest.mark.parametrize("time_is_called", ["occurred_at", "at"])
def test_records_are_read_as_a_switch_exports_them(
    ringfence, client, feed, tmp_path, time_is_called
) -> None:
    number = 447700900990 + len(time_is_called) % 10  # another one each time
    quarantined(client, feed, [number])
    national = f"0{number % 10**10}"
    day = time.strftime("%d.%m.%Y", time.gmtime(NOW - 9 * DAY_S))
    export = written(
        tmp_path / "cdr.csv",
        f"{national};01632 960321;{day} 10:00",
        f"{number}.0;+441632960321;{day} 11:00",
        f"{number};441632960321.0;{day} 11:30",
        f"+{number};Bank;{day} 12:00",
        f"+{number};anonymous;{day} 13:00",
        header="B-Nummer;A-Nummer;Zeit",
    )
    columns = ("called=B-Nummer", "caller=A-Nummer", f"{time_is_called}=Zeit")
    named = [word for column in columns for word in ("--column", column)]
    forms = ("--country", "44", "--kind", "call", "--date-format", "%d.%m.%Y %H:%M")
    told, _ = imported(ringfence, export, feed, *named, *forms)
    assert told["accepted"] == 5
    callers = [event.caller_tag for event in client.get_number(number).recent]
    assert len(set(callers)) == 3  # the one in three forms is one
    assert callers.count(0) == 1


def test_bad_lines_are_given_back_and_keep_the_claim_back(
    ringfence, client, feed, fresh_numbers, tmp_path
) -> None:
    (number,) = fresh_numbers(1)
    quarantined(client, feed, [number])
    export = written(
        tmp_path / "cdr.csv",
        f"+{number},{CALLER},{ago(9)},CALL",
        f"+{number},{CALLER},20261201,CALL",
        f"+{number},4.41633E+11,{ago(8)},CALL",
        f"{CALLER},{CALLER},{ago(8)},CALL",
        f"+{number},{CALLER},{ago(-1)},CALL",
        f"+{number},{CALLER},{ago(8)},FAX",
        f"+{number},{CALLER}",
    )
    told, said = imported(ringfence, export, feed, *CLAIM, code=1)
    assert (told["rows"], told["accepted"], told["bad_lines"]) == (7, 1, 6)
    counts = {"called": 1, "caller": 1, "kind": 1, "occurred_at": 2, "row": 1}
    assert told["turned_away"] == counts
    assert told["claimed_from"] is None
    assert "nothing is claimed, as not every line became an event" in said
    assert str(CALLER) not in said
    rejects = tmp_path / "cdr.rejects.csv"
    assert f"lines not used, with the reasons: {rejects}" in said
    header, *lines = rejects.read_text().splitlines()
    assert header == f"called,caller,at,kind,{REASON_COLUMN}"
    assert not [word for word in ("value=", "bound=") if word in said + rejects.read_text()]
    for line, word in zip(
        lines,
        [
            "not a time",
            "rounded",
            "with +",
            "300 s after the import began",
            "FAX",
            "2 cells, allowed",
        ],
        strict=True,
    ):
        assert word in line
    mended = lines[0].replace("20261201", ago(7))
    rejects.write_text(f"{header}\n{mended}\n")
    told, said = imported(ringfence, rejects, feed, *CLAIM)
    assert (told["accepted"], told["claimed_to"]) == (1, YESTERDAY)


def test_events_of_before_and_of_others_are_counted_in_words(
    ringfence, client, feed, fresh_numbers, tmp_path
) -> None:
    number, other = fresh_numbers(2)
    export = written(tmp_path / "a.csv", f"+{number},,{ago(9)},CALL", f"+{other},,{ago(1)},CALL")
    result = ringfence("import", "events", str(export), "--feed", feed)
    assert "untracked  2  to numbers that are not in quarantine, or were not yet" in result.stdout
    assert "bring the stock in first" in result.stderr
    quarantined(client, feed, [number], days=5)
    told, _ = imported(ringfence, export, feed)
    assert (told["accepted"], told["untracked"]) == (0, 2)


def test_a_feed_that_is_not_registered_is_refused_before_anything_is_read(
    ringfence, tmp_path
) -> None:
    export = tmp_path / "a.csv"
    export.write_text("no table at all")
    result = ringfence("import", "events", str(export), "--feed", "nobody", code=4)
    assert "feed nobody is not registered" in result.stderr
    assert "nothing was sent" in result.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--complete-from", PAST), "--complete-from and --complete-to go together"),
        (("--complete-from", PAST, "--complete-to", PAST), "the first before the second"),
        (("--complete-from", PAST, "--complete-to", ago(-1)), "neither after now"),
        (("--column", "number=B"), "allowed: called, caller, occurred_at, kind"),
        (("--column", "caller"), "allowed: COLUMN=NAME"),
        (("--column", "at=A", "--column", "occurred_at=B"), "are the same column"),
    ],
)
def test_a_claim_or_a_column_that_cannot_be_is_wrong_usage(
    ringfence, feed, tmp_path, options, problem
) -> None:
    export = written(tmp_path / "a.csv")
    result = ringfence("import", "events", str(export), "--feed", feed, *options, code=2)
    assert problem in result.stderr


def test_a_file_without_a_row_claims_nothing_unasked(
    ringfence, client, feed, fresh_numbers, tmp_path
) -> None:
    (number,) = fresh_numbers(1)
    quarantined(client, feed, [number])
    empty = written(tmp_path / "empty.csv")
    full = written(tmp_path / "full.csv.gz", f"+{number},,{ago(9)},CALL")
    options = ("--feed", feed, "--json", *CLAIM)
    for files in ([str(empty)], [str(full), str(empty)]):
        refused = ringfence("import", "events", *files, *options, code=1)
        assert json.loads(refused.stdout)["claimed_from"] is None
        assert f"nothing is claimed, as {empty} has no row" in refused.stderr
        assert "--yes" in refused.stderr
        (status,) = [each for each in client.list_feeds() if each.feed.name == feed]
        assert status.watermark is None
    told, said = imported(ringfence, empty, feed, "--yes", *CLAIM)
    assert (told["rows"], told["claimed_from"], told["claimed_to"]) == (0, PAST, YESTERDAY)
    assert f"claimed: {feed}" in said


def test_a_claim_of_a_time_that_does_not_count_says_so(
    ringfence, client, feed, fresh_numbers, tmp_path
) -> None:
    forgotten, early, young = fresh_numbers(3)
    quarantined(client, feed, [early])
    quarantined(client, feed, [young], days=0.5)  # after the claim
    export = written(tmp_path / "a.csv", f"+{early},,{ago(9)},CALL")
    assert "observed_since" not in imported(ringfence, export, feed, *CLAIM)[1]
    client.quarantine_numbers([forgotten], pool=feed, quarantined_at=NOW - 200 * DAY_S)
    _, said = imported(ringfence, export, feed, *CLAIM)
    assert "for 1 number it begins before observed_since, which is when they were put" in said
    assert f"One of them: +{forgotten}, observed since " in said
    assert "observed_since" not in imported(ringfence, export, feed)[1]


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_person_is_asked_about_a_file_without_a_row(
    server, client, feed, tmp_path, answer
) -> None:
    empty = written(tmp_path / "empty.csv")
    ended, shown = on_terminal(
        *("import", "events", str(empty), "--feed", feed, *CLAIM),
        typed=f"{answer}\n".encode(),
        RINGFENCE_SERVER=server.address,
    )
    assert ended == (0 if answer == "y" else 1), shown
    assert f"{empty} has no row" in shown.replace("\n", "")
    assert f"\n{'claimed: ' + feed if ended == 0 else 'nothing is claimed, as '}" in shown

    def is_claimed() -> bool:
        (status,) = [each for each in client.list_feeds() if each.feed.name == feed]
        return status.watermark is not None

    if ended == 0:
        wait_until(is_claimed)
    else:
        assert not is_claimed()


def test_a_table_without_its_columns_is_told(ringfence, feed, tmp_path) -> None:
    export = written(tmp_path / "a.csv", "a,b", header="called,caller")
    result = ringfence("import", "events", str(export), "--feed", feed, code=2)
    assert "a.csv, line 1: no column 'occurred_at' in the header" in result.stderr
    export = written(tmp_path / "b.csv", "a,b,c", header="called,caller,at")
    result = ringfence("import", "events", str(export), "--feed", feed, code=2)
    assert "--kind of which kind all events are" in result.stderr


def test_a_run_that_was_cut_off_goes_on_where_it_was(
    ringfence, client, feed, tmp_path, monkeypatch
) -> None:
    numbers = [999000000000 + place for place in range(10)]
    quarantined(client, feed, numbers)
    monkeypatch.setattr(event_files, "PART_ROWS", 4)
    files = [
        written(
            tmp_path / f"{name}.csv", *(f"+{each},,{ago(9)},CALL" for each in numbers), "bad,,,"
        )
        for name in "ab"
    ]
    noted: list[int] = []
    write = Note.write

    def then_interrupt(self: Note, sent: event_files.Sent) -> None:
        write(self, sent)
        noted.append(sent.rows)
        if sent.rows == 15 and len(noted) < 9:  # in the second file
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Note, "write", then_interrupt)
    command = ("import", "events", *map(str, files), "--feed", feed, "--json")
    cut = ringfence(*command, code=130)
    assert "before that: 15 rows done, accepted 14; nothing is claimed" in cut.stderr
    assert "Give the same command again" in cut.stderr
    monkeypatch.setattr(Note, "write", write)
    again = ringfence(*command, code=1)
    assert "going on behind row 15" in again.stderr
    told = json.loads(again.stdout)
    assert (told["rows"], told["accepted"], told["bad_lines"]) == (22, 20, 2)
    assert {len(client.get_number(number).recent) for number in numbers} == {1}  # none twice
    assert not list(tmp_path.glob(".*"))


def test_to_repeat_is_advised_only_where_it_helps(ringfence, feed, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(event_files, "PART_ROWS", 4)
    whole = gzip.compress(  # not packed, so that rows come before the cut
        ("called,caller,at,kind\n" + f"+447700900000,,{ago(9)},CALL\n" * 900).encode(), 0
    )
    damaged = tmp_path / "a.csv.gz"
    for length, rows in ((len(whole) - 900, True), (9, False)):
        damaged.write_bytes(whole[:length])
        cut = ringfence("import", "events", str(damaged), "--feed", feed, code=2)
        said = "rows done, accepted" if rows else "no row was answered, and nothing is claimed"
        assert said in cut.stderr
        assert "again" not in cut.stderr


def test_a_file_for_bad_lines_that_is_there_already_is_told(ringfence, feed, tmp_path) -> None:
    export = written(tmp_path / "a.csv", "x,,,")
    there = tmp_path / "b.csv"
    there.write_text("mine")
    options = ("--feed", feed, "--rejects", str(there))
    refused = ringfence("import", "events", str(export), *options, code=2)
    assert f"--rejects: {there} is there already" in refused.stderr
    assert there.read_text() == "mine"


@pytest.mark.parametrize("kills_at", [0, 8])
def test_bad_lines_before_a_kill_are_in_the_one_file_of_both_runs(
    server, client, feed, tmp_path, kills_at: int
) -> None:
    numbers = [999000000000 + place for place in range(10)]
    quarantined(client, feed, numbers)
    lines = [f"+{each},,{at},CALL" for each in numbers for at in (ago(9), f"bad-{each}")]
    for name, given in (("a.rejects.csv", False), ("b.csv", True)):
        export, rejects = written(tmp_path / "a.csv", *lines), tmp_path / name
        command = ["import", "events", str(export), "--feed", feed, "--server", server.address]
        command += ["--rejects", str(rejects)] * given
        assert killed_import(command, kills_at) == -signal.SIGKILL
        again = CliRunner().invoke(main, command)
        assert again.exit_code == 1, again.output
        assert f"lines not used, with the reasons: {rejects}" in again.stderr
        header, *rows = rejects.read_text().splitlines()
        assert header == f"called,caller,at,kind,{REASON_COLUMN}"
        assert {row.split(",")[2] for row in rows} == {f"bad-{each}" for each in numbers}
        assert all("not a time" in row for row in rows)
        export.unlink()
        rejects.unlink()
        assert not list(tmp_path.iterdir())


def killed_import(command: list[str], rows: int) -> int:
    """Imports in a process of its own, in parts of four rows, which ends itself by SIGKILL when the
    note says so many rows are done; how it ended.
    """
    program = f"""
import os, signal
from ringfence.adapters import event_files
from ringfence.cli import main
event_files.PART_ROWS = 4
write = event_files.Note.write
def then_kill(note, sent):
    write(note, sent)
    if sent.rows >= {rows}:
        os.kill(os.getpid(), signal.SIGKILL)
event_files.Note.write = then_kill
main()
"""
    return subprocess.run([sys.executable, "-c", program, *command], check=False).returncode


def test_a_run_with_other_files_or_options_begins_anew(tmp_path) -> None:
    export = written(tmp_path / "a.csv", "x")
    Note([export], FEED, ["44"]).write(event_files.Sent(row=1, rows=1))
    assert Note([export], FEED, ["44"]).read() == event_files.Sent(row=1, rows=1)
    assert Note([export], FEED, ["49"]).read() is None
    assert Note([export], "sip-2", ["44"]).read() is None
    written(export, "x", "y")
    assert Note([export], FEED, ["44"]).read() is None
    assert Note([export], FEED, ["44"]).path.parent == tmp_path


@pytest.mark.slow
def test_a_server_that_dies_and_comes_back_misses_nothing(tmp_path, monkeypatch) -> None:
    numbers = [447700900000 + place for place in range(50)]
    monkeypatch.setattr(event_files, "PART_ROWS", 10)
    export = written(tmp_path / "a.csv", *(f"+{each},,{ago(9)},CALL" for each in numbers))
    data = tmp_path / "data"
    write = Note.write
    with serving(data, "--workers", "1", "--capacity", "1000") as server:
        with Client(server.address) as client:
            client.put_feed(Feed(FEED))
            quarantined(client, "default", numbers)

        def then_kill(self: Note, sent: event_files.Sent) -> None:
            write(self, sent)
            if sent.rows == 20:
                server.process.kill()
                server.process.wait()

        monkeypatch.setattr(Note, "write", then_kill)
        arguments = ["import", "events", str(export), "--feed", FEED, "--timeout", "3"]
        env = {"RINGFENCE_SERVER": server.address}
        cut = CliRunner().invoke(main, arguments, env=env)
        assert cut.exit_code == 3, cut.output
        assert "rows done" in cut.stderr
    monkeypatch.setattr(Note, "write", write)
    listen = server.address
    with serving(data, "--workers", "1", "--capacity", "1000", "--listen", listen) as server:
        again = CliRunner().invoke(main, arguments, env={"RINGFENCE_SERVER": listen})
        assert again.exit_code == 0, again.output
        assert "going on behind row" in again.stderr
        with Client(server.address) as client:
            assert all(client.get_number(number).events_total >= 1 for number in numbers)
