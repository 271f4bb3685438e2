"""Pools that require no feed: silence is taken on trust there, and everybody is told."""

import time
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.command_line import Ringfence, at, facts, objects
from support.server_process import peer_of, serving, wait_until
from support.told_claims import claim, wait_for_watermark
from support.told_server import Servicer, address, ringfence, servicer

from ringfence.engine.settings.on_trust import on_trust_text
from ringfence.v1 import number_service_pb2 as number_v1
from ringfence.v1 import quarantine_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "ringfence", "servicer"]  # fixtures

NUMBER = 447700900123
WORDS = "silence is taken on trust: no feed is required"


def pools(*wanted: v1.Pool) -> v1.ListPoolsResponse:
    return v1.ListPoolsResponse(pools=[v1.PoolStatus(pool=pool) for pool in wanted])


def test_pools_are_named_ten_at_most() -> None:
    names = [f"p{index}" for index in range(1, 13)]
    assert on_trust_text(names[:1]) == f"pool p1: {WORDS}"
    assert on_trust_text(names[:2]) == f"pools p1, p2: {WORDS}"
    assert on_trust_text(names[:10]).endswith(f"p9, p10: {WORDS}")
    assert on_trust_text(names).endswith(f"p9, p10 and 2 more: {WORDS}")


@pytest.mark.parametrize("options", [(), ("--forecast",), ("--json",)])
def test_pools_names_those_that_require_no_feed(
    servicer: Servicer, ringfence: Ringfence, options: tuple[str, ...]
) -> None:
    trusting, heard = v1.Pool(name="a"), v1.Pool(name="b", required_feeds=["msc-1"])
    servicer.answer = lambda _: pools(trusting, heard)
    assert ringfence("pools", "list", *options).stderr == f"pool a: {WORDS}\n"
    servicer.answer = lambda _: pools(heard)
    assert ringfence("pools", "list", *options).stderr == ""


def test_pool_that_requires_no_feed_is_shown_so(servicer: Servicer, ringfence: Ringfence) -> None:
    servicer.answer = lambda _: pools(v1.Pool(name="a"))
    assert (
        facts(ringfence("pools", "show", "a"))["required feeds"] == f"none: always covered; {WORDS}"
    )


def test_pool_that_is_put_without_a_feed_is_told_so(
    servicer: Servicer, ringfence: Ringfence, tmp_path: Path
) -> None:
    servicer.answer = lambda request: (
        request.pool if isinstance(request, v1.PutPoolRequest) else v1.ListPoolsResponse()
    )
    file = tmp_path / "pool.toml"
    file.write_text('[[pool]]\nname = "a"\npolicy = "default"\n')
    assert ringfence("pools", "put", str(file)).stderr == f"pool a: {WORDS}\n"
    file.write_text('[[pool]]\nname = "a"\npolicy = "default"\nrequired_feeds = ["msc-1"]\n')
    assert ringfence("pools", "put", str(file)).stderr == ""


@pytest.mark.parametrize("verdict", ["CLEAN", "AGING", "HELD"])
@pytest.mark.parametrize("feeds", [[], ["msc-1"]])
def test_explain_says_that_nobody_had_to_listen(
    servicer: Servicer, ringfence: Ringfence, verdict: str, feeds: list[str]
) -> None:
    moment = Timestamp(seconds=1_750_000_000)
    number = number_v1.Number(
        number=NUMBER,
        verdict=types_v1.Verdict.Value(f"VERDICT_{verdict}"),
        pool="a",
        quarantined_at=moment,
        observed_since=moment,
        expected_at=moment,
    )
    answers = {
        number_v1.GetNumberRequest: number,
        v1.ListPoolsRequest: pools(v1.Pool(name="b"), v1.Pool(name="a", required_feeds=feeds)),
        number_v1.ListHistoryRequest: number_v1.ListHistoryResponse(),
    }
    servicer.answer = lambda request: answers[type(request)]
    said = ringfence("explain", f"+{NUMBER}").stdout
    asks = verdict != "HELD" and not feeds
    assert (f"S{WORDS[1:]}." in said) == asks
    assert ("That counts on being listened to" in said) == (verdict == "AGING" and bool(feeds))
    (told,) = objects(ringfence("explain", f"+{NUMBER}", "--json"))
    assert told["verdict"] == verdict


@pytest.mark.slow
def test_serve_warns_at_each_start_until_a_feed_is_required_and_coverage_then_grows(
    tmp_path: Path,
) -> None:
    options = ("--workers", "1", "--capacity", "2000")
    warning = f"pool default: {WORDS}; `ringfence pools put FILE` requires one"
    began_at = int(time.time())
    (tmp_path / "feed.toml").write_text('[[feed]]\nname = "sip-1"\n')
    (tmp_path / "pool.toml").write_text(
        '[[pool]]\nname = "default"\npolicy = "default"\nrequired_feeds = ["sip-1"]\n'
    )
    with serving(tmp_path / "data", *options) as server:  # it makes the pool
        assert warning in server.log
    with serving(tmp_path / "data", *options) as server, peer_of(server) as peer:
        assert warning in server.log

        def run(*arguments: str) -> str:
            return at(server.address)(*arguments).stdout

        run("feeds", "put", str(tmp_path / "feed.toml"))
        run("pools", "put", str(tmp_path / "pool.toml"), "--yes")
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began_at - 1_000))
        times = ("--quarantined-at", since, "--observed-since", since)
        run("quarantine", f"+{NUMBER}", *times)
        assert "coverage 0.0%." in run("explain", f"+{NUMBER}")
        claim(peer, "sip-1", began_at - 500, began_at)
        wait_for_watermark(peer, "sip-1", began_at)
        wait_until(lambda: "coverage 4" in run("explain", f"+{NUMBER}"))
    with serving(tmp_path / "data", *options) as server:
        assert WORDS not in server.log
