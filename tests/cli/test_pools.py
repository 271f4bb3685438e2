"""`ringfence pools` and `feeds` against a told server: forecast, complaints, gaps."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from support.command_line import Ringfence, facts, objects
from support.told_server import Servicer, address, ringfence, servicer

from ringfence.v1 import quarantine_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "ringfence", "servicer"]  # fixtures

SECONDS = 1_750_000_000


def pool(name: str, **fields: Any) -> v1.PoolStatus:
    return v1.PoolStatus(
        pool=v1.Pool(name=name, policy="default"),
        verdict_counts=[v1.VerdictCount(verdict=types_v1.VERDICT_CLEAN, count=1234)],
        counted_at=Timestamp(seconds=SECONDS),
        **fields,
    )


def pools(servicer: Servicer, *found: v1.PoolStatus) -> None:
    servicer.answer = lambda _: v1.ListPoolsResponse(pools=found)


def test_the_forecast_is_a_bar_a_day(servicer: Servicer, ringfence: Ringfence) -> None:
    pools(servicer, pool("a", forecast=[40, 0, 10]), pool("b", forecast=[0, 20, 0]))
    lines = [line.rstrip() for line in ringfence("pools", "--forecast", "3").stdout.splitlines()]
    assert servicer.requests == [v1.ListPoolsRequest(forecast_days=3)]
    heading = "clean now; 50 more within 3 days, if they stay silent and are listened to"
    assert lines[0] == f"a: 1,234 {heading}"
    assert lines[1] == "until 2025-06-16T15:06:40Z  40  " + "█" * 50
    assert lines[2] == "until 2025-06-17T15:06:40Z   0"
    assert lines[3].startswith("until 2025-06-18T15:06:40Z  10  " + "█" * 12)
    assert lines[7].count("█") == 25  # the same scale for all pools


def test_a_forecast_without_numbers_is_without_bars(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    pools(servicer, pool("a", forecast=[0, 0]))
    assert "█" not in ringfence("pools", "--forecast", "2").stdout


def test_the_forecast_is_of_a_fortnight_unless_said(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    pools(servicer, pool("a", forecast=[5] * 14))
    (told,) = objects(ringfence("pools", "--forecast", "--json"))
    assert servicer.requests[-1].forecast_days == 14
    assert told["forecast"] == [5] * 14
    ringfence("pools")
    assert servicer.requests[-1].forecast_days == 0
    ringfence("pools", "--forecast", "401", code=2)


def test_complaints_are_shown_once_numbers_were_handed_out(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    pools(servicer, pool("a"))
    assert "COMPLAINTS" not in ringfence("pools").stdout
    assert "complaints" not in ringfence("pools", "show", "a").stdout
    pools(servicer, pool("a", complaints=3, assigned_total=2000), pool("b"))
    header, first, second = ringfence("pools").stdout.splitlines()
    assert header.split()[-5:] == ["HANDED", "OUT", "COMPLAINTS/1,000", "REQUIRED", "FEEDS"]
    assert first.split()[-5:] == ["2000", "1.5", "none:", "always", "covered"]
    assert second.split()[-5:] == ["0", "-", "none:", "always", "covered"]
    shown = facts(ringfence("pools", "show", "a"))
    assert shown["handed out"] == "2,000"
    assert shown["complaints"] == "3 (1.5 for each 1,000 of these)"
    (told, _) = objects(ringfence("pools", "--json"))
    assert (told["complaints"], told["assigned_total"]) == (3, 2000)


@pytest.fixture
def feeds(servicer: Servicer) -> None:
    status = v1.FeedStatus(
        feed=v1.Feed(name="hep-1", silence_max=Duration(seconds=120), revision=2),
        watermark=Timestamp(seconds=SECONDS),
        lag=Duration(seconds=90),
        events_last_minute=6,
        events_last_day=7000,
        gaps=[
            v1.Gap(began_at=Timestamp(seconds=SECONDS + 60)),
            v1.Gap(began_at=Timestamp(seconds=SECONDS), ended_at=Timestamp(seconds=SECONDS + 9)),
        ],
    )
    servicer.answer = lambda _: v1.ListFeedsResponse(feeds=[status], unregistered=["stray"])


@pytest.mark.usefixtures("feeds")
def test_feeds_are_listed_with_those_that_nobody_registered(ringfence: Ringfence) -> None:
    _, line, *gaps, stray = ringfence("feeds").stdout.splitlines()
    assert line.split() == [
        *("hep-1", "2025-06-15T15:06:40Z", "1", "minute", "30", "seconds", "6", "7000", "2", "-")
    ]
    assert gaps == [
        "hep-1: gap from 2025-06-15T15:07:40Z to now",
        "hep-1: gap from 2025-06-15T15:06:40Z to 2025-06-15T15:06:49Z",
    ]
    assert stray.endswith(": stray")
    (told,) = objects(ringfence("feeds", "--json"))
    assert told["feed"]["silence_max"] == "120s"
    assert told["gaps"][0] == {"began_at": "2025-06-15T15:07:40Z", "ended_at": None}


@pytest.mark.parametrize(("gaps", "lines"), [(0, 0), (3, 3), (4, 4), (100, 4)])
def test_newest_three_gaps_of_a_feed_are_listed(
    servicer: Servicer, ringfence: Ringfence, gaps: int, lines: int
) -> None:
    status = v1.FeedStatus(feed=v1.Feed(name="hep-1", silence_max=Duration(seconds=120)))
    for begin in range(SECONDS, SECONDS - 10 * gaps, -10):
        status.gaps.add(began_at=Timestamp(seconds=begin), ended_at=Timestamp(seconds=begin + 5))
    servicer.answer = lambda _: v1.ListFeedsResponse(feeds=[status])
    _, _, *told = ringfence("feeds").stdout.splitlines()
    assert len(told) == lines
    assert all(line.startswith("hep-1: gap from 2025-06-15T15:06:") for line in told[:3])
    assert all(line.endswith("`ringfence feeds show hep-1`") for line in told[3:])


@pytest.mark.usefixtures("feeds")
def test_a_feed_is_shown_with_its_gaps(ringfence: Ringfence) -> None:
    result = ringfence("feeds", "show", "hep-1")
    shown = facts(result)
    assert (shown["lag"], shown["alarm after"], shown["gaps"]) == (
        *("1 minute 30 seconds", "2 minutes", "2"),
    )
    assert result.stdout.splitlines()[-2:] == [
        "  from 2025-06-15T15:07:40Z to now",
        "  from 2025-06-15T15:06:40Z to 2025-06-15T15:06:49Z",
    ]
    assert shown["alarm"] == "none"
    assert "no such feed: hep-2" in ringfence("feeds", "show", "hep-2", code=4).stderr


@pytest.mark.parametrize(
    ("lag", "alarm"), [(None, "never claimed"), (120, "-"), (121, "silent for 2 minutes")]
)
def test_feed_that_is_silent_for_too_long_raises_an_alarm(
    servicer: Servicer, ringfence: Ringfence, lag: int | None, alarm: str
) -> None:
    status = v1.FeedStatus(feed=v1.Feed(name="hep-1", silence_max=Duration(seconds=120)))
    if lag is not None:
        status.watermark.CopyFrom(Timestamp(seconds=SECONDS))
        status.lag.CopyFrom(Duration(seconds=lag))
    servicer.answer = lambda _: v1.ListFeedsResponse(feeds=[status])
    _, line = ringfence("feeds").stdout.splitlines()
    assert line.endswith(alarm)


@pytest.mark.parametrize("dry_run", [False, True])
def test_feed_of_a_file_is_put(
    servicer: Servicer, ringfence: Ringfence, tmp_path: Path, dry_run: bool
) -> None:
    file = tmp_path / "feed.toml"
    file.write_text('[[feed]]\nname = "msc-1"\nsilence_max = "5m"\ndescription = "a switch"\n')
    servicer.answer = lambda request: (
        v1.ListFeedsResponse()
        if isinstance(request, v1.ListFeedsRequest)
        else v1.Feed(name=request.feed.name, revision=3)
    )
    result = ringfence("feeds", "put", str(file), *(["--dry-run"] if dry_run else []))
    (_, asked) = servicer.requests
    assert asked.feed == v1.Feed(
        name="msc-1", silence_max=Duration(seconds=300), description="a switch"
    )
    assert asked.validate_only == dry_run
    said = "would be accepted; nothing has changed" if dry_run else "revision 3"
    assert result.stdout == f"feed msc-1: {said}\n"
    file.write_text('[[feed]]\nname = "msc-1"\nsilence_max = "4s"\n')
    assert (
        "silence_max is 4 s, allowed: 5 to 86400 s"
        in ringfence("feeds", "put", str(file), code=2).stderr
    )
