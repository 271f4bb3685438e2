"""`ringfence simulate`: tables, JSON, mistakes, and a bar on terminals only."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.nursery import run_ringfence

from ringfence.cli import main
from ringfence.cli.simulation_text import Source, outcome_json
from ringfence.engine.settings.policy import NO_SPRAY
from ringfence.server.config.config import load_config, load_policy
from ringfence.simulation.candidate import Calendar, Candidate
from ringfence.simulation.generated import GeneratedHistory
from ringfence.simulation.play import play
from ringfence.simulation.traffic.events import CALLER_RANGES, TrueClass
from ringfence.simulation.traffic.parameters import CLIMATES, Traffic

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "ringfence.cli", "simulate"]
SMALL = ["--climate", "quiet", "--numbers", "400", "--days", "300", "--seed", "7"]
K12 = ["--ring-entries", "12"]
DAY_S = 86_400
POLICY = """[[policy]]
name = "{name}"
minimum_age = "60d"
minimum_coverage = 0.95
[[policy.rule]]
measure = "EVENTS"
window = "30d"
limit = {limit}
"""


def simulate(*options: str) -> subprocess.CompletedProcess[str]:
    return run_ringfence("simulate", *options)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY.format(name="count", limit=3))
    return str(path)


def test_json_is_a_line_for_each_candidate(policy: str) -> None:
    done = simulate(
        *SMALL, "--policy", policy, "--calendar", "60d", "--spray-numbers=0", "--json", *K12
    )
    assert (done.returncode, done.stderr) == (0, "")
    history = GeneratedHistory(Traffic(CLIMATES["quiet"]), numbers=400, days=300, seed=7)
    count, calendar = map(json.loads, done.stdout.splitlines())
    wanted = play(
        history,
        [
            Candidate("count", load_policy(policy).policy(), 12, NO_SPRAY),
            Calendar("calendar 60d", 60 * DAY_S),
        ],
    )
    made = {"source": "made up", "climate": "quiet", "numbers": 400, "days": 300, "seed": 7}
    source = Source("", made)
    assert [count, calendar] == [outcome_json(outcome, history, source) for outcome in wanted]
    assert count["history"] == calendar["history"] == made
    assert count["minimum_age"] == calendar["minimum_age"] == f"{60 * DAY_S}s"
    assert (count["ring_entries"], count["spray_numbers"], count["spray_window"]) == (12, 0, None)
    assert (calendar["policy"], calendar["ring_entries"]) == (None, None)
    for row, outcome in zip((count, calendar), wanted, strict=True):
        never = outcome.never_assigned
        for name in ("by_minimum_age", "noisy_at_minimum_age"):
            share = getattr(never, name)
            shown = share and {"count": share.count, "of": share.of, "share": share.share}
            assert row["never_assigned"][name] == shown
    assert 0 < count["released"] < calendar["released"]
    assert sum(calendar["released_per_month"]) == calendar["released"]
    assert len(calendar["released_per_month"]) == 10
    personal = calendar["personal"]
    assert personal["share"] == personal["count"] / personal["of"] > 0


def test_table_has_the_same_figures_as_shares(policy: str) -> None:
    options = (*SMALL, "--policy", policy, "--calendar", "60d")
    done = simulate(*options)
    assert (done.returncode, done.stderr) == (0, "")
    count, calendar = map(json.loads, simulate(*options, "--json").stdout.splitlines())
    assert max(map(len, done.stdout.splitlines())) <= 100
    for row in (count, calendar):
        (line,) = (
            text
            for text in done.stdout.splitlines()
            if text.startswith(row["candidate"]) and text.count("%") == 6
        )
        cells = line.removeprefix(row["candidate"]).split()
        shares = ("personal", "application", "collector", "residual", "background_by_minimum_age")
        assert cells == [
            f"{row['released'] / row['numbers']:.1%}",
            f"{row['median_days']:.1f}",
            *(f"{row[name]['share']:.1%}" for name in shares),
        ]
        never = row["never_assigned"]
        noisy = never["noisy_at_minimum_age"]
        (line,) = (
            text
            for text in done.stdout.splitlines()
            if text.startswith(row["candidate"]) and text.count("%") in (1, 2)
        )
        assert line.removeprefix(row["candidate"]).split() == [
            f"{never['by_minimum_age']['share']:.1%}",
            f"{noisy['share']:.1%}" if noisy else "-",
        ]
    assert done.stdout.splitlines()[:2] == [
        "History: made up, climate quiet, seed 7; 400 numbers, 300 days",
        f"Ring entries: {count['ring_entries']}; a caller of 8 numbers in 1h is a robot",
    ]
    assert [line.split() for line in done.stdout.splitlines()[-10:]] == [
        [str(month), *map(str, released)]
        for month, released in enumerate(
            zip(count["released_per_month"], calendar["released_per_month"], strict=True), 1
        )
    ]
    never = calendar["never_assigned"]
    assert f"{never['numbers']} numbers were never assigned" in done.stdout
    assert f"{never['events_per_number_day']:.3f} events a day" in done.stdout


def test_same_seed_gives_the_same_bytes_in_every_process() -> None:
    once, again = simulate(*SMALL, "--json"), simulate(*SMALL, "--json")
    assert (once.returncode, once.stderr) == (0, "")
    assert once.stdout == again.stdout


def test_default_policy_is_played_when_none_is_named() -> None:
    done = simulate(*SMALL, "--json")
    assert done.returncode == 0, done.stderr
    default, calendar = map(json.loads, done.stdout.splitlines())
    config = load_config()
    wanted = config.policies[0]
    assert (default["candidate"], default["policy"]) == (wanted.name, wanted.name)
    assert default["minimum_age"] == f"{wanted.minimum_age_s}s"
    assert default["ring_entries"] == config.server.ring_entries
    assert default["spray_numbers"] == config.spray.numbers
    assert default["spray_window"] == f"{config.spray.window}s"
    assert calendar["candidate"] == "calendar 90d"


def test_two_policies_of_one_name_are_told_apart_by_their_files(tmp_path: Path) -> None:
    options = []
    for limit in (0, 11):
        path = tmp_path / f"{limit}.toml"
        path.write_text(POLICY.format(name="count", limit=limit))
        options += ["--policy", str(path)]
    done = simulate(*SMALL, *options, "--json")
    assert done.returncode == 0, done.stderr
    strict, mild, _ = map(json.loads, done.stdout.splitlines())
    assert strict["candidate"] == f"count ({tmp_path / '0.toml'})"
    assert mild["candidate"] == f"count ({tmp_path / '11.toml'})"
    assert strict["released"] < mild["released"]


def test_policy_is_named_once(policy: str) -> None:
    """Two candidates of one name could not be told apart."""
    again = f"{Path(policy).parent}/./{Path(policy).name}"
    done = CliRunner().invoke(main, ["simulate", "--policy", policy, "--policy", again])
    assert done.exit_code == 2
    assert f"--policy: {policy} is given twice" in " ".join(done.stderr.split())


def test_long_names_of_files_stand_whole_in_every_table(tmp_path: Path) -> None:
    options = []
    for name in ("strict", "mild"):
        path = tmp_path / f"policies-of-a-long-named-region-{name}.toml"
        path.write_text(POLICY.format(name="count", limit=3))
        options += ["--policy", str(path)]
    done = simulate(*SMALL, *options)
    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_limits_follow_the_entries_of_a_ring(tmp_path: Path) -> None:
    path = tmp_path / "much.toml"
    path.write_text(POLICY.format(name="much", limit=12))
    done = simulate(*SMALL, "--policy", str(path), *K12)
    assert done.returncode == 2
    wanted = f"{path}: rules[0].limit is 12, allowed: 0 to 11 (--ring-entries 12)"
    assert wanted in " ".join(done.stderr.split())
    done = simulate(*SMALL, "--policy", str(path), "--ring-entries", "28", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["ring_entries"] == 28


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--policy", "missing.toml"], "missing.toml: cannot be read"),
        (["--climate", "tropical"], "'tropical' is not one of 'quiet', 'ncsu', 'phoneypot'"),
        (["--numbers", "0"], "0 is not in the range 1<=x<=100000000"),
        (["--spray-numbers", "9"], "--spray-numbers is 9, allowed: 2 to 8"),
        (["--spray-window", "0s"], "--spray-window is 0 s, allowed: 1 to"),
        (["--calendar", "soon"], ": 'soon', allowed: days, hours"),
        (["--events", __file__], "--events and --numbers-file go together"),
        (["--data", ".", "--seed", "1"], "--seed means nothing with --data"),
        (["--data", ".", "--spray-numbers", "8"], "--spray-numbers means nothing with --data"),
        (["--data", "."], "no data folder: ."),
        (
            ["--data", ".", "--events", __file__, "--numbers-file", __file__],
            "one history: --data, or --events and --numbers-file",
        ),
        (
            ["--events", __file__, "--numbers-file", __file__, "--days", "3"],
            "--days means nothing with --events",
        ),
        (
            ["--events", __file__, "--numbers-file", __file__],
            "test_simulate.py, line 1: no column 'number' in the header",
        ),
    ],
)
def test_wrong_usage_is_said(options: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["simulate", *options])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_a_history_too_short_to_say_is_called_so() -> None:
    short = simulate("--numbers", "100", "--days", "119").stdout
    assert "It has to be longer than the minimum age and 30 days." in " ".join(short.split())
    assert "has to be longer" not in simulate("--numbers", "100", "--days", "300").stdout


def test_output_that_finds_no_room_is_a_failure() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *SMALL, "--json"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 4
    assert b'"the output was cut off: No space left on device"' in done.stderr


def test_too_little_memory_is_a_failure() -> None:
    limited = f"ulimit -v 1500000; exec {shlex.join([*COMMAND, '--numbers', '100000000'])}"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert re.fullmatch(r"Error: out of memory: Unable to allocate [\d.]+ GiB\n", done.stderr)
    assert done.stdout == ""


def test_numbers_without_callers_enough_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred million personal callers are enough for most; here there are ten of them."""
    first, _ = CALLER_RANGES[TrueClass.PERSONAL]
    monkeypatch.setitem(CALLER_RANGES, TrueClass.PERSONAL, (first, first + 10))
    done = CliRunner().invoke(main, ["simulate", *SMALL])
    assert done.exit_code == 2
    said = re.search(
        r"--numbers is 400, allowed: about (\d+): personal callers=(\d+), limit=10",
        " ".join(done.stderr.split()),
    )
    assert said, done.stderr
    assert int(said[1]) == 400 * 10 // int(said[2])
    fewer = CliRunner().invoke(main, ["simulate", "--numbers", "1", "--days", "1"])
    assert fewer.exit_code == 0


def test_files_are_played(tmp_path: Path, policy: str) -> None:
    numbers, events = tmp_path / "numbers.csv", tmp_path / "events.csv"
    numbers.write_text("number,quarantined_at,colour\n+447700900000,2024-01-01,red\n")
    events.write_text(
        "called,caller,occurred_at,kind\n+447700900000,,2024-03-30,CALL\n"
        "+447700900000,,2024-04-10,CALL\n+447700900001,,2024-03-30,CALL\n"
    )
    files = ("--events", str(events), "--numbers-file", str(numbers), "--policy", policy)
    done = simulate(*files, "--json")
    assert done.returncode == 0
    assert done.stderr == (
        f"{numbers}: columns not read: colour\n"
        f"left out: 1 event is of a number that {numbers} does not have\n"
    )
    count, _ = map(json.loads, done.stdout.splitlines())
    assert count["personal"] == {"count": 1, "of": 1, "share": 1.0}
    assert count["history"] == {
        **{"source": "files", "events": str(events), "numbers_file": str(numbers)}
    }
    shown = " ".join(simulate(*files).stdout.split())
    assert "does not say who called, so shares are by kind" in shown
    assert "never assigned" not in shown


def test_what_is_left_out_of_files_is_told(tmp_path: Path, policy: str) -> None:
    numbers, events = tmp_path / "numbers.csv", tmp_path / "events.csv"
    numbers.write_text(
        "number,quarantined_at\n+447700900000,2024-01-02\n"
        "+447700900001,2024-03-03\n+447700900002,2024-03-03\n"
    )
    row = "+447700900000,,2024-{},CALL\n"
    header = "called,caller,occurred_at,kind\n"
    files = ("--events", str(events), "--numbers-file", str(numbers), "--policy", policy)
    events.write_text(
        header
        + row.format("01-01") * 2
        + row.format("02-02")
        + row.format("02-02").replace("0,", "3,", 1) * 2
    )
    assert simulate(*files, "--json").stderr.splitlines() == [
        f"left out: 2 events are of numbers that {numbers} does not have",
        "left out: 2 events came before their numbers were in quarantine",
        "left out: 2 numbers come into quarantine after the last day with an event",
    ]
    numbers.write_text(numbers.read_text().replace("2,2024-03-03", "2,2024-02-02"))
    events.write_text(header + row.format("01-01") + row.format("02-02"))
    assert simulate(*files, "--json").stderr.splitlines() == [
        "left out: 1 event came before its number was in quarantine",
        "left out: 1 number comes into quarantine after the last day with an event",
    ]


def test_bar_of_days_is_shown_on_a_terminal_only() -> None:
    ours, theirs = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                written.append(chunk)
        except OSError:  # nobody has the other end any more
            return

    reader = threading.Thread(target=read)
    reader.start()
    done = subprocess.run(
        [*COMMAND, *SMALL, "--json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
        check=False,
    )
    os.close(theirs)
    reader.join()
    os.close(ours)
    shown = b"".join(written).decode()
    assert done.returncode == 0, shown
    assert "days" in shown
    assert "300/300" in shown
    assert len(done.stdout.splitlines()) == 2
    assert simulate(*SMALL).stderr == ""
