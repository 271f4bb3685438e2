"""`ringfence adapter ndjson FILE` imports as `ringfence adapter cdr` does."""

import gzip
import json
import time
from pathlib import Path

from jsonschema import Draft202012Validator
from support.server_process import wait_until

NOW = int(time.time())
DAY_S = 86_400
SINCE = NOW - 200 * DAY_S  # not after the one of `quarantined`


def line(called: int, at: int, **values: object) -> str:
    event = {"called": f"+{called}", "caller": "+441632960321", "occurred_at": at, "kind": "CALL"}
    return json.dumps({**event, **values}) + "\n"


def ran(ringfence, feed: str, *arguments: str, code: int = 0):
    result = ringfence(
        *("adapter", "ndjson", "--country", "44", "--feed", feed, "--json", *arguments), code=code
    )
    return json.loads(result.stdout), result.stderr


def claim() -> tuple[str, ...]:
    form = "%Y-%m-%dT%H:%M:%SZ"
    begin, end = (time.strftime(form, time.gmtime(at)) for at in (SINCE, NOW - DAY_S))
    return "--complete-from", begin, "--complete-to", end


def test_packed_and_plain_files_are_read_once_and_claimed(
    ringfence, client, feed, quarantined, tmp_path: Path
) -> None:
    silent, called = quarantined(2)
    calls = [line(called, NOW - days * DAY_S, id=f"c{days}") for days in (30, 20, 10)]
    (tmp_path / "1.jsonl.gz").write_bytes(gzip.compress("".join(calls[:2]).encode()))
    heard = json.dumps({"heard_from": SINCE, "heard_to": NOW})
    (tmp_path / "2.jsonl").write_text(f"\ufeff{calls[2]}\n{calls[2]}{heard}\n")
    for again in (False, True):
        told, said = ran(ringfence, feed, str(tmp_path), *claim())
        assert told["rows"] == 5
        assert told["no_events"] == {"heard": 1, "repeat": 1}
        assert f"claimed: {feed} has sent all that came from" in said
        assert len(client.get_number(called).recent) == 3, again
    wait_until(
        lambda: (
            [each.verdict.name for each in client.check_numbers([silent, called])]
            == ["CLEAN", "NOISY"]
        )
    )


def test_bad_lines_keep_the_claim_back_and_are_read_again_once_they_are_mended(
    ringfence, client, feed, quarantined, tmp_path: Path
) -> None:
    (called,) = quarantined(1)
    good, bad = line(called, NOW - 9 * DAY_S), line(called, NOW - 8 * DAY_S)
    torn, longer = bad[:40], "x" * 70_000
    path = tmp_path / "events.jsonl"
    path.write_text(good + torn + "\n" + bad.replace("CALL", "call") + longer + "\n" + good)
    told, said = ran(ringfence, feed, str(path), *claim(), code=1)
    assert (told["rows"], told["bad_lines"], told["claimed_from"]) == (5, 3, None)
    assert "nothing is claimed, as not every line became an event" in said
    assert "kind is call, allowed: CALL, SMS" in said
    assert "441632960321" not in said
    rejects = tmp_path / "events.rejects.jsonl"
    written = rejects.read_text()
    assert f"\n{torn}\n" in written
    kept = [each for each in written.splitlines() if not each.startswith("x")]
    mended = [bad.rstrip() if each in (torn,) else each for each in kept]
    rejects.write_text("\n".join(mended).replace('"call"', '"CALL"') + "\n")
    told, said = ran(ringfence, feed, str(rejects), *claim())
    assert (told["rows"], told["bad_lines"]) == (2, 0)
    assert len(client.get_number(called).recent) == 2


def test_the_schema_is_printed_without_anything_else(ringfence) -> None:
    schema = json.loads(ringfence("adapter", "ndjson", "--schema").stdout)
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(json.loads(line(447700900123, NOW)))
