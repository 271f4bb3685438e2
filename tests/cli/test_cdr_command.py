"""`ringfence adapter cdr` brings the records of a switch to a real server, each once."""

import gzip
import json
import shutil
import time
from pathlib import Path

import pytest
from support.places import ROOT

from ringfence import Client, Feed, Pool

DATA = ROOT / "tests/data/switch/cdr"
NOW = int(time.time())
DAY_S = 86_400


@pytest.fixture
def feed(client: Client, fresh_numbers) -> str:
    """A feed of its own for a test, and a pool of the same name that requires it."""
    name = f"feed-{fresh_numbers(1)[0]}"
    client.put_feed(Feed(name))
    client.put_pool(Pool(name, "default", (name,)))
    return name


def moment(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def row(called: int, at: int, unique: int) -> str:
    return (
        f'"","+441632960321","+{called}","in","","PJSIP/a-1","","Hangup","1","{moment(at)}",,'
        f'"{moment(at + 2)}",2,0,"NO ANSWER","DOCUMENTATION","{at}.{unique}",""\n'
    )


def ran(ringfence, feed: str, *arguments: str, code: int = 0):
    result = ringfence(
        *("adapter", "cdr", "--country", "44", "--feed", feed, "--json", *arguments), code=code
    )
    return json.loads(result.stdout), result.stderr


def test_a_directory_of_packed_and_plain_files_is_read_once_and_claimed(
    ringfence, client, feed, fresh_numbers, tmp_path: Path
) -> None:
    silent, called = fresh_numbers(2)
    since = NOW - 200 * DAY_S
    client.quarantine_numbers(
        [silent, called], pool=feed, quarantined_at=since, observed_since=since
    )
    calls = [row(called, NOW - days * DAY_S, days) for days in (30, 20, 10)]
    (tmp_path / "Master.csv.1.gz").write_bytes(gzip.compress("".join(calls[:2]).encode()))
    (tmp_path / "Master.csv").write_text(calls[2] + calls[2])
    claim = ("--complete-from", moment(since) + "Z", "--complete-to", moment(NOW - DAY_S) + "Z")
    for again in (False, True):
        told, said = ran(ringfence, feed, "--format", "asterisk", str(tmp_path), *claim)
        assert told["rows"] == 4
        assert told["no_events"] == {"repeat": 1}
        assert f"claimed: {feed} has sent all that came from" in said
        assert len(client.get_number(called).recent) == 3, again
    deadline = time.monotonic() + 60
    verdicts: list[str] = []
    while time.monotonic() < deadline and verdicts != ["CLEAN", "NOISY"]:
        verdicts = [each.verdict.name for each in client.check_numbers([silent, called])]
        time.sleep(0.1)
    assert verdicts == ["CLEAN", "NOISY"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["Master.csv", "Master.csv.1.gz"]


def test_a_record_that_cannot_be_read_keeps_the_claim_back_and_can_be_mended(
    ringfence, client, feed, fresh_numbers, tmp_path: Path
) -> None:
    (called,) = fresh_numbers(1)
    since = NOW - 200 * DAY_S
    client.quarantine_numbers([called], pool=feed, quarantined_at=since, observed_since=since)
    good, bad = row(called, NOW - 9 * DAY_S, 1), row(called, NOW - 8 * DAY_S, 2)
    (tmp_path / "Master.csv").write_text(good + bad[:60] + "\n" + good)
    claim = ("--complete-from", moment(since) + "Z", "--complete-to", moment(NOW - DAY_S) + "Z")
    told, said = ran(
        ringfence, feed, "--format", "asterisk", str(tmp_path / "Master.csv"), *claim, code=1
    )
    assert (told["bad_lines"], told["claimed_from"]) == (1, None)
    assert "nothing is claimed, as not every line became an event" in said
    assert "441632960321" not in said
    rejects = tmp_path / "Master.rejects.csv"
    rejects.write_text(rejects.read_text().replace(bad[:60] + "\n", bad))
    told, said = ran(ringfence, feed, "--format", "asterisk", str(rejects), *claim)
    assert (told["rows"], told["bad_lines"]) == (1, 0)
    assert len(client.get_number(called).recent) == 2


def test_every_format_ends_with_0_when_all_is_answered(ringfence, feed, tmp_path: Path) -> None:
    files = {
        "asterisk": "asterisk_Master_16col.csv",
        "freeswitch": "freeswitch_Master.csv",
        "freeswitch-json": "freeswitch_json_cdr",
        "kamailio": "kamailio_acc.csv",
    }
    for name, file in files.items():
        there = tmp_path / file
        (shutil.copytree if (DATA / file).is_dir() else shutil.copy)(DATA / file, there)
        told, _ = ran(ringfence, feed, "--format", name, str(there))
        wanted = {"asterisk": 40, "freeswitch": 40, "freeswitch-json": 30, "kamailio": 60}[name]
        assert (told["rows"], told["bad_lines"]) == (wanted, 0), name
        assert told["accepted"] + told["untracked"] + told["rejected"] == wanted, name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "asterisk", "--column", "called=x"), "goes with --format csv and kamailio"),
        (("--format", "asterisk", "--template", "uuid"), "goes with --format freeswitch"),
        (("--format", "freeswitch", "--template", "uuid"), "no column caller_id_number"),
        (
            ("--format", "asterisk", "--zone", "Nowhere/City"),
            "a zone such as Europe/London",
        ),
        (("--format", "kamailio", "--kind", "call"), "go with --format csv"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    ringfence, feed, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("")
    command = ("adapter", "cdr", "--country", "44", "--feed", feed, *options, str(path))
    assert said in ringfence(*command, code=2).stderr.replace("\n", " ")
