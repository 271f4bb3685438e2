"""The stock as billing systems export it: read, looked up, counted, and what is bad given back."""

import csv
import gzip
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from support.command_line import at
from support.server_process import serving
from support.terminal import on_terminal

from ringfence import Client, RingfenceError
from ringfence.cli import stock
from ringfence.cli.number_input import NumberInput
from ringfence.cli.stock import Sending
from ringfence.errors import Unavailable
from ringfence.wording.tables import REASON_COLUMN

DAY_S = 86_400
YEARS_AGO = ("--quarantined-at", "2022-01-01", "--observed-since", "2022-01-01")


def counts(result: Result) -> dict[str, int]:
    """What is said to have become of the numbers."""
    found = re.findall(r"^([a-z ]+?) +([\d,]+)$", result.stdout, re.MULTILINE)
    return {name: int(count.replace(",", "")) for name, count in found}


def rows_of(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def assigned(client: Client, numbers: list[int]) -> None:
    """Numbers that are handed out."""
    client.quarantine_numbers(numbers, quarantined_at=1_640_995_200, observed_since=1_640_995_200)
    reservation = client.reserve_numbers("default", numbers=numbers)
    client.confirm_reservation(reservation.id)


def test_an_export_is_read_as_it_is(ringfence, client, fresh_numbers, tmp_path) -> None:
    first, second, third = fresh_numbers(3)
    export = tmp_path / "export.csv"
    export.write_text(
        "Rufnummer;Sperrdatum;Grund;Kunde\n"
        f"0{first % 10**10};01/08/2025;fraud;A\n"
        f"{second}.0;31/12/2024;;B\n"
        f"+44 {third % 10**10};02/01/2025;DECEASED;C\n"
    )
    columns = ("number=Rufnummer", "quarantined_at=Sperrdatum", "reason=Grund")
    options = [word for column in columns for word in ("--column", column)]
    result = ringfence(
        *("quarantine", "--country", "44", "--date-format", "%d/%m/%Y"),
        *(*options, "--file", str(export)),
    )
    assert counts(result) == {"accepted": 3, "already quarantined": 0, "rejected": 0}
    assert "columns not read: Kunde" in result.stderr
    assert "quarantined_at from 2024-12-31T00:00:00Z to 2025-08-01T00:00:00Z" in result.stderr
    began = [
        str(client.get_number(number).quarantined_at)[:10] for number in (first, second, third)
    ]
    assert began == ["2025-08-01", "2024-12-31", "2025-01-02"]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_bad_lines_are_given_back_to_be_mended_and_sent_again(
    ringfence, fresh_numbers, tmp_path, suffix
) -> None:
    good, bad, lost = fresh_numbers(3)
    export = tmp_path / f"stock.{suffix}"
    text = (
        "number;quarantined_at;Kunde\n"
        f"+{good};2025-08-01;\xc4\n"
        f"+{bad};20250801;\xc4 \xd6\n"
        f"4.47701E+11;2025-08-01;\xdc\n"
        f"+{lost}\n"
    ).encode("latin-1")
    if suffix == "csv":
        export.write_bytes(text)
    else:
        export.write_bytes(gzip.compress(text))
    result = ringfence("quarantine", "--file", str(export), code=1)
    rejects = tmp_path / "stock.rejects.csv"
    assert f"lines not used, with the reasons: {rejects}" in result.stderr
    assert counts(result) == {
        **{"accepted": 1, "already quarantined": 0, "rejected": 0, "bad lines": 3}
    }
    given_back = rejects.read_bytes()
    assert rejects.stat().st_mode & 0o077 == 0
    lines = given_back.decode("latin-1").splitlines()
    assert lines[0] == f"number;quarantined_at;Kunde;{REASON_COLUMN}"
    assert lines[1].startswith(f"+{bad};20250801;\xc4 \xd6;\"line 3: not a time: '2")
    assert "rounded" in lines[2]
    assert "export it again" in lines[2]
    assert lines[3] == f"+{lost};line 5: 1 cells, allowed: 3 as in the header"
    mended = given_back.replace(b"20250801;", b"2025-08-01;")
    rejects.write_bytes(b"\n".join(mended.splitlines()[:2]) + b"\n")
    again = ringfence("quarantine", "--file", str(rejects))
    assert counts(again)["accepted"] == 1
    assert "columns not read: Kunde\n" in again.stderr  # and nothing of the reasons


def test_rejects_never_take_the_place_of_a_file(ringfence, fresh_numbers, tmp_path) -> None:
    (number,) = fresh_numbers(1)
    export = tmp_path / "stock.rejects.csv"
    export.write_text(f"# mine\n+{number}\nx\n")
    ringfence("quarantine", "--file", str(export), code=1)
    ringfence("quarantine", "--file", str(export), code=1)
    assert export.read_text() == f"# mine\n+{number}\nx\n"
    reason = "# line 3: not an E.164 number: 'x', allowed: + and 7 to 15 digits\nx\n"
    for place in (2, 3):
        assert (tmp_path / f"stock.rejects-{place}.csv").read_text() == reason
    there = str(tmp_path / "stock.rejects-2.csv")
    refused = ringfence("quarantine", "--file", str(export), "--rejects", there, code=2)
    assert f"--rejects: {there} is there already" in refused.stderr
    assert "folder" not in refused.stderr
    assert (tmp_path / "stock.rejects-2.csv").read_text() == reason


def test_without_a_good_line_nothing_is_sent(ringfence, tmp_path) -> None:
    rejects = tmp_path / "bad.csv"
    result = ringfence("quarantine", "-", "--rejects", str(rejects), text="+x\ny\n", code=2)
    assert "standard input, line 1: not an E.164 number: '+x'" in result.stderr
    assert "standard input, line 2: not an E.164 number: 'y'" in result.stderr
    assert rejects.read_text().count("\n") == 4


def test_all_that_the_server_refuses_is_given_back(
    ringfence, client, fresh_numbers, tmp_path
) -> None:
    numbers = fresh_numbers(153)
    early, good = numbers[:150], numbers[150]
    client.quarantine_numbers(early)
    client.restore_numbers(early)  # tracked until now, so not to be quarantined from long ago
    export = tmp_path / "stock.csv"
    export.write_text(
        f"Kunde,number,quarantined_at\nA,+{early[0]}-+{early[148]},2022-01-01\n"
        f"B,+{good},2022-01-01\nC,+{early[149]},2022-01-01\n"
    )
    result = ringfence("quarantine", "--file", str(export), code=1)
    assert counts(result)["rejected"] == 150
    assert counts(result)["accepted"] == 1
    rows = rows_of(tmp_path / "stock.rejects.csv")
    assert [row["number"] for row in rows] == [f"+{number}" for number in early]
    assert {row["Kunde"] for row in rows} == {"A", "C"}
    assert all("quarantined_at is 2022-01-01T00:00:00Z" in row[REASON_COLUMN] for row in rows)


def test_where_no_file_can_be_made_the_refused_are_told(
    ringfence, client, fresh_numbers, tmp_path
) -> None:
    (early,) = fresh_numbers(1)
    client.quarantine_numbers([early])
    client.restore_numbers([early])
    text = f"number,quarantined_at\n+{early},2022-01-01\n"
    nowhere = str(tmp_path / "missing" / "rejects.csv")
    result = ringfence("quarantine", "-", "--rejects", nowhere, text=text, code=1)
    assert "no file for what the server refused" in result.stderr
    assert counts(result)["rejected"] == 1
    assert f"+{early}  quarantined_at is 2022-01-01T00:00:00Z" in result.stdout


def test_a_number_that_is_handed_out_does_not_come_back_unasked(
    ringfence, client, fresh_numbers
) -> None:
    out, new = fresh_numbers(2)
    assigned(client, [out])
    words = [f"+{out}", f"+{new}"]
    refused = ringfence("quarantine", *words, code=2)
    assert "numbers: 2, of these 1 new, 1 handed out (ASSIGNED)" in refused.stderr
    assert "--assigned include (or --yes)" in refused.stderr
    assert "--assigned skip" in refused.stderr
    assert client.check_numbers([new])[0].verdict.name == "UNTRACKED"
    skipped = ringfence("quarantine", *words, "--assigned", "skip")
    assert counts(skipped)["left out"] == 1
    assert client.check_numbers([out])[0].verdict.name == "ASSIGNED"
    # It was tracked a moment ago, so it is early for both; but it was sent.
    for sent in (("--assigned", "include"), ("--yes",)):
        assert counts(ringfence("quarantine", *words, *sent, code=1))["rejected"] == 1


def test_a_dry_run_says_what_would_be_and_sends_nothing(ringfence, client, fresh_numbers) -> None:
    there, out, new = fresh_numbers(3)
    client.quarantine_numbers([there])
    assigned(client, [out])
    text = f"number,quarantined_at\n+{there},2022-01-01\n+{out},\n+{new},2100-01-01\n"
    result = ringfence("quarantine", "-", "--dry-run", text=text)
    assert "numbers: 3, of these 1 new, 1 in quarantine already, 1 handed out" in result.stderr
    assert "1 of these times are still to come" in result.stderr
    assert "dry run: nothing was sent" in result.stderr
    assert client.check_numbers([new])[0].verdict.name == "UNTRACKED"


def test_a_number_that_stands_twice_is_told_and_sent_once(
    ringfence, client, fresh_numbers, tmp_path
) -> None:
    same, other, late = fresh_numbers(3)
    result = ringfence("quarantine", "-", text=f"+{same}\n+{same}\n")
    assert counts(result) == {
        **{"accepted": 1, "already quarantined": 0, "rejected": 0},
        "twice": 1,
    }
    assert "1 number stands there again: of each the latest quarantined_at counts" in result.stderr
    export = tmp_path / "stock.csv"
    export.write_text(
        f"number,quarantined_at\n+{other},2022-01-01\n+{late},\n+{other},2023-01-01\n"
        f"+{late},\n+{late},2022-01-01\n"
    )
    result = ringfence("quarantine", "--file", str(export))
    assert (counts(result)["accepted"], counts(result)["twice"]) == (2, 3)
    assert "3 numbers stand there again" in result.stderr
    differing = "says another time, reason or pool than line"
    assert f"  +{other}: line 2 {differing} 4, which counts\n" in result.stderr
    assert f"  +{late}: line 6 {differing} 3, which counts\n" in result.stderr
    assert result.stderr.count(differing) == 2
    assert str(client.get_number(other).quarantined_at)[:10] == "2023-01-01"
    told = ringfence("quarantine", "--file", str(export), "--json", "--dry-run").stdout
    assert json.loads(told)["twice"] == 3


def test_a_header_in_another_encoding_is_told(ringfence, tmp_path) -> None:
    export = tmp_path / "stock.csv"
    export.write_bytes("Rufnummer;Kündigung\n+447700900000;2022-01-01\n".encode("cp1252"))
    columns = ("--column", "number=Rufnummer", "--column", "quarantined_at=Kündigung")
    refused = ringfence("quarantine", "--file", str(export), *columns, code=2)
    assert "the header is not UTF-8" in refused.stderr


def test_times_that_are_not_given_are_told_with_what_that_means(
    ringfence, client, fresh_numbers
) -> None:
    old, new, known = fresh_numbers(3)
    client.quarantine_numbers([known])
    text = f"number,quarantined_at\n+{old},2022-01-01\n+{new},\n+{known},2022-01-01\n"
    for options in (("--dry-run",), ()):
        said = ringfence("quarantine", "-", *options, text=text).stderr
        assert "quarantined_at: not given, so now for 1 number\n" in said
        assert "observed_since: not given, so now for 1 number: their past does not count" in said
        assert "in quarantine already: 1 number, which keep the times they have" in said
    again = ringfence("quarantine", "-", "--observed-since", "2022-01-01", text=text)
    assert counts(again)["already quarantined"] == 3
    assert "in quarantine already: 3 numbers, which keep the times they have" in again.stderr
    assert "observed_since before" not in again.stderr
    assert "not given" not in again.stderr
    assert str(client.get_number(old).observed_since)[:4] != "2022"


def test_times_that_are_given_are_not_said_to_be_missing(ringfence, fresh_numbers) -> None:
    (number,) = fresh_numbers(1)
    said = ringfence("quarantine", f"+{number}", *YEARS_AGO).stderr
    assert said == ""


def test_observed_since_is_no_earlier_than_a_numbers_own_quarantine(
    ringfence, client, fresh_numbers
) -> None:
    before, after, today = fresh_numbers(3)
    text = f"number,quarantined_at\n+{before},2022-01-01\n+{after},2024-01-01\n+{today},\n"
    result = ringfence("quarantine", "-", "--observed-since", "2023-01-01", text=text)
    assert counts(result)["accepted"] == 3
    assert "observed_since before quarantined_at: 2 numbers" in result.stderr
    since = [str(client.get_number(number).observed_since)[:10] for number in (before, after)]
    assert since == ["2023-01-01", "2024-01-01"]
    known = client.get_number(today)
    assert known.observed_since == known.quarantined_at


@pytest.mark.parametrize("named", [("--country", "44"), ()])
def test_national_numbers_go_wherever_numbers_go(ringfence, fresh_numbers, named) -> None:
    (number,) = fresh_numbers(1)
    national = f"0{number % 10**10}"
    env: dict[str, Any] = {} if named else {"RINGFENCE_COUNTRY": "44"}
    ringfence("quarantine", national, *YEARS_AGO, *named, **env)
    for command in ("check", "explain", "history", "hold", "unhold"):
        assert f"+{number}" in ringfence(command, national, *named, **env).stdout or command in (
            "hold",
            "unhold",
        )
    assert f"+{number}" in ringfence("reserve", "default", national, *named, **env).stdout
    ringfence("hold", national, *named, **env)
    ringfence("restore", national, "--yes", *named, **env)
    assert "UNTRACKED" in ringfence("check", f"+{number}", code=1).stdout
    assert "--country" in ringfence("check", national, code=2).stderr


def test_ctrl_c_says_what_was_done_and_how_to_go_on(
    ringfence, fresh_numbers, monkeypatch, tmp_path
) -> None:
    numbers = fresh_numbers(40)
    monkeypatch.setattr(stock, "SENT_AT_ONCE", 10)
    send, sent = Sending._send, []

    def then_interrupt(self: Sending, pool: str, rows: Any) -> None:
        send(self, pool, rows)
        sent.append(len(rows))
        if len(sent) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Sending, "_send", then_interrupt)
    range_ = f"+{numbers[0]}-+{numbers[-1]}"
    result = ringfence("quarantine", range_, code=130)
    assert "before that: accepted 20, already quarantined 0, rejected 0, of 40." in result.stderr
    assert "same command again" in result.stderr
    assert counts(ringfence("quarantine", range_)) == {
        **{"accepted": 20, "already quarantined": 20, "rejected": 0}
    }


@pytest.mark.slow
def test_a_person_sees_from_the_first_second_how_far_it_is(server, tmp_path) -> None:
    export = tmp_path / "stock.csv"
    export.write_text("number\n" + "".join(f"+{999 * 10**9 + at}\n" for at in range(2_000)))
    code, shown = on_terminal("quarantine", "--file", str(export), RINGFENCE_SERVER=server.address)
    assert code == 0, shown
    assert [shown.find(word) > 0 for word in ("bytes", "looking up", "quarantining")] == [True] * 3
    assert shown.index("reading") < shown.index("looking up") < shown.index("quarantining")


@pytest.mark.slow
def test_a_full_table_says_how_many_found_room(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(stock, "SENT_AT_ONCE", 400)
    with serving(tmp_path / "data", "--workers", "1", "--capacity", "1000") as server:
        result = at(server.address)("quarantine", "+999000000000-+999000001999", code=4)
        found = re.search(r"before that: accepted ([\d,]+),", result.stderr)
        assert found is not None, result.stderr
        assert int(found[1].replace(",", "")) == 800
        assert "table" in result.stderr
        assert "same command again" not in result.stderr  # that would not help


@pytest.mark.slow
def test_a_server_that_dies_leaves_a_count(own_server, monkeypatch) -> None:
    monkeypatch.setattr(stock, "SENT_AT_ONCE", 100)
    numbers = NumberInput(["+447700900000-+447700900999"]).read()
    with Client(own_server.address, timeout_s=5) as client:
        sending = Sending(client, numbers, "default")

        def die(answered: int) -> None:
            if answered == 300:
                own_server.process.kill()
                own_server.process.wait()

        with pytest.raises(RingfenceError):
            sending.run(die)
    assert sending.accepted >= 300
    assert sending.accepted == sending.answered < 1_000


def test_where_nothing_was_done_there_is_nothing_to_go_on_with(
    ringfence, fresh_numbers, monkeypatch
) -> None:
    (number,) = fresh_numbers(1)

    def refuse(*_: Any) -> None:
        raise Unavailable("not now")

    monkeypatch.setattr(Sending, "_send", refuse)
    said = ringfence("quarantine", f"+{number}", *YEARS_AGO, code=4).stderr
    assert "no number was answered, of 1" in said
    assert "again" not in said


def test_a_stock_is_looked_up_whole(client, fresh_numbers) -> None:
    numbers = fresh_numbers(5)
    client.quarantine_numbers(numbers[:2])
    asked = NumberInput([f"+{number}" for number in numbers]).read()
    told: list[int] = []
    known = stock.look_up(client, asked, told.append)
    assert np.count_nonzero(known.verdict == 9) == 3
    assert told == [5]
