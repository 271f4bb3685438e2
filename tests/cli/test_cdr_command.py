"""`ringfence adapter cdr` brings the records of a switch to a real server, each once."""

import gzip
import json
import shutil
import time
from pathlib import Path

import pytest
from support.places import ROOT
from support.server_process import wait_until

DATA = ROOT / "tests/data/switch/cdr"
NOW = int(time.time())
DAY_S = 86_400
SINCE = NOW - 200 * DAY_S  # not after the one of `quarantined`


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
    ringfence, client, feed, quarantined, tmp_path: Path
) -> None:
    silent, called = quarantined(2)
    calls = [row(called, NOW - days * DAY_S, days) for days in (30, 20, 10)]
    (tmp_path / "Master.csv.1.gz").write_bytes(gzip.compress("".join(calls[:2]).encode()))
    (tmp_path / "Master.csv").write_text(calls[2] + calls[2])
    claim = ("--complete-from", moment(SINCE) + "Z", "--complete-to", moment(NOW - DAY_S) + "Z")
    for again in (False, True):
        told, said = ran(ringfence, feed, "--format", "asterisk", str(tmp_path), *claim)
        assert told["rows"] == 4
        assert told["no_events"] == {"repeat": 1}
        assert f"claimed: {feed} has sent all that came from" in said
        assert len(client.get_number(called).recent) == 3, again
    wait_until(
        lambda: (
            [each.verdict.name for each in client.check_numbers([silent, called])]
            == ["CLEAN", "NOISY"]
        )
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["Master.csv", "Master.csv.1.gz"]


def test_a_record_that_cannot_be_read_keeps_the_claim_back_and_can_be_mended(
    ringfence, client, feed, quarantined, tmp_path: Path
) -> None:
    (called,) = quarantined(1)
    good, bad = row(called, NOW - 9 * DAY_S, 1), row(called, NOW - 8 * DAY_S, 2)
    (tmp_path / "Master.csv").write_text(good + bad[:60] + "\n" + good)
    claim = ("--complete-from", moment(SINCE) + "Z", "--complete-to", moment(NOW - DAY_S) + "Z")
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


def test_how_many_were_turned_away_is_said_by_reason(
    ringfence, feed, quarantined, tmp_path: Path
) -> None:
    (called,) = quarantined(1)
    good = row(called, NOW - 9 * DAY_S, 1)
    wrong_time = good.replace(moment(NOW - 9 * DAY_S), "yesterday")
    (tmp_path / "Master.csv").write_text(good + 2 * (good[:60] + "\n") + wrong_time)
    options = ("--format", "asterisk", str(tmp_path / "Master.csv"))
    told, _ = ran(ringfence, feed, *options, code=1)
    assert told["bad_lines"] == 3
    assert told["turned_away"] == {"record_quotes": 2, "time_unreadable": 1}
    said = ringfence("adapter", "cdr", "--country", "44", "--feed", feed, *options, code=1).stdout
    lines = [line.split() for line in said.splitlines()]
    assert ["record", "quotes", "2"] in lines
    assert ["time", "unreadable", "1"] in lines


RECORDS = {
    "freeswitch": (
        '"x","+441632960321","+{called}","default","{at}","","{end}","9","0","NO_ANSWER",'
        '"u-{unique}","","","PCMA","PCMA"\n'
    ),
    "freeswitch-json": (
        '{{"variables":{{"uuid":"u-{unique}","start_epoch":"{at}"}},"callflow":[{{"caller_profile":'
        '{{"caller_id_number":"+441632960321","destination_number":"+{called}"}}}}]}}\n'
    ),
    "kamailio": "INVITE,tag-{unique},id-{unique},404,+{called},+441632960321,{epoch}\n",
    "csv": "+{called},+441632960321,{at},CALL\n",
}
HEADS = {
    "kamailio": "method,from_tag,callid,sip_code,called,caller,time_attr\n",
    "csv": "called,caller,occurred_at,kind\n",
}


@pytest.mark.parametrize("format_", RECORDS)
def test_rejects_of_every_format_are_read_again_once_they_are_mended(
    ringfence, feed, quarantined, tmp_path: Path, format_: str
) -> None:
    (called,) = quarantined(1)

    def record(days: int) -> str:
        epoch = NOW - days * DAY_S
        at = str(epoch) if format_ == "freeswitch-json" else moment(epoch)
        return RECORDS[format_].format(
            called=called, at=at, end=moment(epoch + 9), epoch=epoch, unique=days
        )

    good, bad = record(9), record(8)
    torn = bad[: len(bad) // 2]
    path = tmp_path / "records.csv"
    path.write_text(HEADS.get(format_, "") + good + torn + "\n")
    told, _ = ran(ringfence, feed, "--format", format_, str(path), code=1)
    assert (told["rows"], told["bad_lines"]) == (2, 1)
    (rejects,) = tmp_path.glob("*.rejects*")
    assert torn in rejects.read_text()
    rejects.write_text(rejects.read_text().replace(torn, bad.rstrip()))
    told, _ = ran(ringfence, feed, "--format", format_, str(rejects))
    assert (told["rows"], told["bad_lines"], "no_events" in told) == (1, 0, False)


def test_every_format_ends_with_0_when_all_is_answered(ringfence, feed, tmp_path: Path) -> None:
    files = {
        "asterisk": "asterisk_Master_16col.csv",
        "freeswitch": "freeswitch_Master.csv",
        "freeswitch-json": "freeswitch_json_cdr",
        "kamailio": "kamailio_acc.csv",
        "ts32298": "ts32298_cs_sample.ber",
    }
    for name, file in files.items():
        there = tmp_path / file
        (shutil.copytree if (DATA / file).is_dir() else shutil.copy)(DATA / file, there)
        told, _ = ran(ringfence, feed, "--format", name, str(there))
        wanted = {"freeswitch-json": 30, "kamailio": 60, "ts32298": 200}.get(name, 40)
        assert (told["rows"], told["bad_lines"]) == (wanted, 0), name
        assert told["accepted"] + told["untracked"] + told["rejected"] == wanted, name


def test_records_in_ber_that_are_refused_are_read_again_once_they_are_mended(
    ringfence, client, feed, quarantined, tmp_path: Path
) -> None:
    (called,) = quarantined(1)
    digits = f"{called}f" if len(str(called)) % 2 else str(called)
    swapped = "".join(digits[at + 1] + digits[at] for at in range(0, len(digits), 2))

    def record(days: int) -> str:
        at = time.strftime("%y%m%d%H%M%S", time.gmtime(NOW - days * DAY_S))
        content = f"80010b820791{swapped}8609{at}2b0000a803810101"
        return f"ab{len(content) // 2:02x}{content}"

    good, late, bad = (bytes.fromhex(record(days)) for days in (30, 20, 10))
    path = tmp_path / "msc-1.ber"
    path.write_bytes(good + bad[:19] + bytes(3) + late)
    claim = ("--complete-from", moment(SINCE) + "Z", "--complete-to", moment(NOW - DAY_S) + "Z")
    told, said = ran(ringfence, feed, "--format", "ts32298", str(path), *claim, code=1)
    assert (told["rows"], told["bad_lines"], told["claimed_from"]) == (3, 1, None)
    assert told["turned_away"] == {"record_torn": 1}
    assert f"msc-1.ber, octet {len(good)}: record_torn" in said
    rejects = tmp_path / "msc-1.rejects.ber"
    torn = (bad[:19] + bytes(3)).hex()
    assert rejects.read_text() == f"# octet {len(good)}: record_torn\n{torn}\n"
    rejects.write_text(rejects.read_text().replace(torn, bad.hex()))
    told, _ = ran(ringfence, feed, "--format", "ts32298", str(rejects), *claim)
    assert (told["rows"], told["bad_lines"]) == (1, 0)
    assert len(client.get_number(called).recent) == 3


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
        (("--format", "csv", "--tags", "TAGS"), "--tags goes with --format ts32298"),
        (("--format", "ts32298", "--tags", "TAGS"), "record 1, kind: 'fax', allowed: call or"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    ringfence, feed, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("")
    tags = tmp_path / "tags.toml"
    tags.write_text('[[record]]\ntag = 3\nkind = "fax"\ncalled = ["2"]\ntime = ["6"]\n')
    options = tuple(str(tags) if option == "TAGS" else option for option in options)
    command = ("adapter", "cdr", "--country", "44", "--feed", feed, *options, str(path))
    assert said in ringfence(*command, code=2).stderr.replace("\n", " ")
