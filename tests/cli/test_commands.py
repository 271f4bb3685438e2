"""The command line against a real server: what it prints, and with which exit code."""

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from typing import Any

import pytest
from click.testing import CliRunner
from support.command_line import objects
from support.server_process import ServerProcess, wait_until

from ringfence import Event, EventKind
from ringfence.cli import main

DAY_S = 86_400
CALLER = 441632960321
WITHHELD = 0
NOW = int(time.time())


def days_ago(days: float) -> str:
    """That time as the options take it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - days * DAY_S))


def texts(numbers: list[int]) -> list[str]:
    return [f"+{number}" for number in numbers]


def test_numbers_go_into_quarantine_once(ringfence, fresh_numbers) -> None:
    numbers = texts(fresh_numbers(3))
    result = ringfence("quarantine", *numbers)
    assert re.sub(" +", " ", result.stdout) == "accepted 3\nalready quarantined 0\nrejected 0\n"
    again = ringfence("quarantine", f"{numbers[0]}-{numbers[2]}", "--json")
    assert objects(again) == [
        {
            "accepted": 0,
            "already_quarantined": 3,
            "rejected": 0,
            "rejections": [],
            "twice": 0,
            "bad_lines": 0,
            "left_out": 0,
            "dry_run": False,
        }
    ]


def test_a_rejected_number_is_told_and_makes_the_exit_code_1(ringfence, fresh_numbers) -> None:
    (number,) = texts(fresh_numbers(1))
    tomorrow = days_ago(-1)
    result = ringfence("quarantine", number, "--quarantined-at", tomorrow, code=1)
    assert re.search(
        rf"{re.escape(number)}  quarantined_at is {tomorrow}, allowed: .* to \d{{4}}-.*Z$",
        result.stdout,
        re.MULTILINE,
    )
    (told,) = objects(
        ringfence("quarantine", number, "--quarantined-at", tomorrow, "--json", code=1)
    )
    assert told["rejections"][0]["number"] == number


def test_an_export_brings_its_dates_reasons_and_pools(ringfence, fresh_numbers, tmp_path) -> None:
    first, second, third = texts(fresh_numbers(3))
    pool = tmp_path / "pool.toml"
    pool.write_text('[[pool]]\nname = "from-export"\npolicy = "default"\n')
    ringfence("pools", "put", str(pool))
    export = tmp_path / "export.csv"
    export.write_text(
        "number;quarantined_at;observed_since;reason;pool;customer\n"
        f"{first};2022-01-02T03:04:05Z;2022-02-03T05:04:05+01:00;DECEASED;from-export;A\n"
        f"{second};;;;;B\n"
        f"{third};2022-01-02;;;from-export;C\n"
    )
    options = ["--file", str(export), "--quarantined-at", "2022-01-01", "--reason", "fraud"]
    result = ringfence("quarantine", *options)
    assert "columns not read: customer" in result.stderr
    assert "accepted             3" in result.stdout
    known = {
        number: objects(ringfence("explain", number, "--json"))[0]
        for number in (first, second, third)
    }
    fields = ("pool", "quarantined_at", "reason")
    assert [known[first][field] for field in fields] == [
        "from-export",
        "2022-01-02T03:04:05Z",
        "DECEASED",
    ]
    assert known[first]["observed_since"] == "2022-02-03T04:04:05Z"
    assert [known[second][field] for field in fields] == [
        "default",
        "2022-01-01T00:00:00Z",
        "FRAUD",
    ]
    assert known[second]["observed_since"] > days_ago(0.5)
    assert known[third]["quarantined_at"] == "2022-01-02T00:00:00Z"


def test_a_date_counts_only_for_the_row_that_has_it(ringfence, fresh_numbers) -> None:
    dated, undated = texts(fresh_numbers(2))
    ringfence("quarantine", "-", text=f"number,quarantined_at\n{dated},2022-01-02\n{undated},\n")
    (first,) = objects(ringfence("explain", dated, "--json"))
    (second,) = objects(ringfence("explain", undated, "--json"))
    assert first["quarantined_at"] == "2022-01-02T00:00:00Z"
    assert second["quarantined_at"] > days_ago(0.5)


def test_a_file_with_an_unknown_pool_sends_nothing(ringfence, fresh_numbers) -> None:
    first, second = texts(fresh_numbers(2))
    text = f"number,pool\n{first},default\n{second},nowhere\n"
    result = ringfence("quarantine", "-", text=text, code=4)
    assert "no such pool: nowhere; nothing was sent" in result.stderr
    assert "UNTRACKED" in ringfence("check", first, code=1).stdout


def test_check_answers_in_order_and_by_its_exit_code(ringfence, fresh_numbers) -> None:
    clean, young, unknown = texts(fresh_numbers(3))
    since = days_ago(100)
    ringfence("quarantine", clean, "--quarantined-at", since, "--observed-since", since)
    ringfence("quarantine", young)
    assert [line.split() for line in ringfence("check", clean).stdout.splitlines()] == [
        ["NUMBER", "VERDICT", "CLEAN", "AT"],
        [clean, "CLEAN", days_ago(10)],
    ]
    result = ringfence("check", unknown, young, clean, "--json", code=1)
    answers = objects(result)
    assert [answer["number"] for answer in answers] == [unknown, young, clean]
    assert [answer["verdict"] for answer in answers] == ["UNTRACKED", "AGING", "CLEAN"]
    assert answers[0]["clean_at"] is None
    assert answers[0]["expected_at"] is None
    assert answers[2]["expected_at"] > answers[2]["clean_at"]  # it is clean: now
    (before,) = objects(ringfence("check", clean, "--at", days_ago(50), "--json", code=1))
    assert (before["verdict"], before["clean_at"]) == ("AGING", days_ago(10))
    assert before["expected_at"] == days_ago(10)
    (known,) = objects(ringfence("explain", young, "--json"))
    assert known["expected_at"] == answers[1]["expected_at"] >= known["clean_at"]


def test_explain_says_why_and_never_who(ringfence, client, fresh_numbers) -> None:
    (number,) = fresh_numbers(1)
    since = days_ago(100)
    ringfence("quarantine", f"+{number}", "--quarantined-at", since, "--observed-since", since)
    client.record_events(
        "test",
        [Event(number, CALLER, NOW - day * DAY_S, EventKind.CALL) for day in range(1, 6)]
        + [Event(number, WITHHELD, NOW - DAY_S, EventKind.SMS)],
    )
    said = ringfence("explain", f"+{number}").stdout
    assert f"+{number}  NOISY" in said
    assert "1 caller who tried more than once in 150 days, and none is allowed." in said
    assert f"If it stays silent it is clean from {days_ago(-148)} (in 148 days)." in said
    assert f"In quarantine since {since} (100 days ago); reason: not said." in said
    assert "5 calls, 1 text message" in said
    assert f"caller 1 called 5 times: from {days_ago(5)} to {days_ago(1)}" in said
    assert f"withheld callers wrote once: {days_ago(1)}" in said
    told = ringfence("explain", f"+{number}", "--json").stdout
    assert str(CALLER) not in said + told
    assert str(CALLER)[2:] not in said + told
    (known,) = [json.loads(told)]
    assert known["rule_results"][0] == {
        "measure": "REPEAT_CALLERS",
        "kinds": [],
        "window": "12960000s",
        "limit": 0,
        "value": 1,
        "broken": True,
        "saturated": False,
    }
    assert known["recent"][0].keys() == {"occurred_at", "kind", "caller_tag", "spray"}


def test_explain_says_what_silence_will_do(ringfence, fresh_numbers) -> None:
    young, unknown = texts(fresh_numbers(2))
    ringfence("quarantine", young, "--reason", "non_payment")
    said = ringfence("explain", young).stdout
    assert "Not yet fit to be handed out" in said
    assert "(in 90 days)" in said
    assert "reason: non payment" in said
    assert "nothing is known of it" in ringfence("explain", unknown).stdout


def test_numbers_are_listed_by_what_is_asked(ringfence, fresh_numbers, tmp_path) -> None:
    old, young = fresh_numbers(2)
    pool = tmp_path / "pool.toml"
    pool.write_text('[[pool]]\nname = "listed"\npolicy = "default"\n')
    ringfence("pools", "put", str(pool))
    ringfence("quarantine", f"+{old}", "--pool", "listed", "--quarantined-at", days_ago(400))
    ringfence("quarantine", f"+{young}", "--pool", "listed")

    def listed(*options: str) -> set[str]:
        found = objects(ringfence("numbers", "--pool", "listed", "--json", *options))
        return {number["number"] for number in found}

    assert listed() == {f"+{old}", f"+{young}"}
    assert listed("--verdict", "aging") == {f"+{young}"}
    assert listed("--verdict", "aging", "--verdict", "UNOBSERVED") == {f"+{old}", f"+{young}"}
    assert listed("--overdue") == {f"+{old}"}
    assert listed("--prefix", f"+{young}") == {f"+{young}"}
    assert len(listed("--limit", "1")) == 1
    assert "UNOBSERVED  listed" in ringfence("numbers", "--pool", "listed").stdout
    assert ringfence("numbers", "--prefix", "+44x", code=2)


def test_policies_are_shown_as_they_are_put(ringfence, tmp_path) -> None:
    shown = ringfence("policies", "show", "default", "--toml").stdout
    file = tmp_path / "policy.toml"
    file.write_text(shown.replace('name = "default"', 'name = "copy"'))
    assert "nothing has changed" in ringfence("policies", "put", str(file), "--dry-run").stdout
    assert "copy" not in ringfence("policies").stdout
    assert ringfence("policies", "put", str(file)).stdout == "policy copy: revision 1\n"
    assert ringfence("policies", "put", str(file)).stdout == "policy copy: revision 2\n"
    copy = ringfence("policies", "show", "copy", "--toml").stdout
    assert copy.replace('"copy"', '"default"') == shown
    listed = {policy["name"]: policy for policy in objects(ringfence("policies", "--json"))}
    assert listed["copy"]["minimum_age"] == "7776000s"
    assert listed["copy"]["rules"] == listed["default"]["rules"]
    assert "at most 0 application messages in 150d" in ringfence("policies", "list").stdout
    ringfence("policies", "show", "absent", code=4)


def test_a_policy_file_with_a_mistake_is_wrong_usage(ringfence, tmp_path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[[policy]]\nname = "x"\nminimum_agee = "90d"\n')
    result = ringfence("policies", "put", str(file), code=2)
    assert "did you mean policy[0].minimum_age?" in result.stderr


def test_a_pool_without_its_policy_is_refused(ringfence, tmp_path) -> None:
    file = tmp_path / "pool.toml"
    file.write_text('[[pool]]\nname = "orphan"\npolicy = "absent"\n')
    assert "absent" in ringfence("pools", "put", str(file), code=4).stderr
    assert "orphan" not in ringfence("pools").stdout


def test_pools_say_what_covers_them_and_count_verdicts(ringfence) -> None:
    assert "none: always covered" in ringfence("pools").stdout
    assert "always covered" in ringfence("pools", "show", "default").stdout
    default = next(
        status
        for status in objects(ringfence("pools", "list", "--json"))
        if status["pool"]["name"] == "default"
    )
    assert default["pool"]["policy"] == "default"
    assert {"verdict": "AGING", "count": 0}.keys() == default["verdict_counts"][0].keys()
    ringfence("pools", "show", "absent", code=4)


def test_status_says_how_full_the_table_is(ringfence) -> None:
    assert " of 10,000 (" in ringfence("status").stdout
    (status,) = objects(ringfence("status", "--json"))
    assert (status["workers"], status["ring_entries"]) == (2, 60)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "447700900123"],
        ["explain", "447700900123"],
        ["explain", "+447700900123-+447700900124"],
        ["quarantine"],
        ["quarantine", "+447700900123", "--reason", "moved"],
        ["quarantine", "+447700900123", "--quarantined-at", "yesterday"],
        ["check", "+447700900123", "--server", "nowhere"],
        ["check", "+447700900123", "--tls-key", __file__],
        ["numbers", "--limit", "0"],
        ["serve"],
        ["serve", "--data", "unused", "--workers", "65"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_has_exit_code_2(ringfence, arguments: list[str]) -> None:
    ringfence(*arguments, code=2)


def test_a_server_that_is_not_there_has_exit_code_3(ringfence) -> None:
    result = ringfence("status", "--server", "127.0.0.1:1", "--timeout", "2", code=3)
    assert "cannot reach the server at 127.0.0.1:1" in result.stderr


def process(server: ServerProcess, *arguments: str, **streams: Any) -> "subprocess.Popen[str]":
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ringfence.cli", *arguments],
        env=os.environ | {"RINGFENCE_SERVER": server.address},
        text=True,
        **streams,
    )


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_the_listing_quietly(server, client) -> None:
    client.quarantine_numbers(range(999000000000, 999000004000))
    listing = process(server, "numbers", "--all", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with listing:
        assert listing.stdout.readline().startswith("NUMBER")
        listing.stdout.close()
        assert listing.stderr.read() == ""
    assert listing.returncode == 128 + signal.SIGPIPE


def interrupt(waiting: subprocess.Popen[str]) -> None:
    """Sends Ctrl-C until it is noticed: one that comes just before a read begins is so after it."""
    for _ in range(10):
        waiting.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            waiting.wait(10)
            return


@pytest.mark.slow
def test_ctrl_c_ends_without_a_traceback(server) -> None:
    waiting = process(server, "quarantine", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with waiting:
        waiting.stdin.write("+447700900000\n")
        waiting.stdin.flush()
        # Once it has taken the line it waits for the next one.
        wait_until(lambda: fcntl.ioctl(waiting.stdin, termios.FIONREAD, bytes(4)) == bytes(4))
        interrupt(waiting)
        assert waiting.stderr.read() == "interrupted\n"
    assert waiting.returncode == 128 + signal.SIGINT


@pytest.mark.slow
def test_a_terminal_sees_progress(server) -> None:
    ours, its = pty.openpty()
    try:
        sending = process(
            server,
            *("quarantine", "+999000990000-+999000990099"),
            stdout=subprocess.DEVNULL,
            stderr=its,
        )
    finally:
        os.close(its)
    shown = b""
    with suppress(OSError), open(ours, "rb", buffering=0) as terminal:
        while piece := terminal.read(65_536):  # ends with an error once nobody writes any more
            shown += piece
    assert sending.wait(30) == 0
    assert b"quarantining" in shown
    assert b"100/100" in shown


def test_help_names_every_command_in_a_line() -> None:
    listed = CliRunner().invoke(main, ["--help"]).stdout
    for name in main.list_commands(None):  # type: ignore[arg-type]
        assert re.search(rf"^  {name} +[A-Z].+[^.]\.$", listed, re.MULTILINE), name
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0
