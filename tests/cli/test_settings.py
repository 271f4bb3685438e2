"""`ringfence policies|pools|feeds` against a real server: put, tried, in use, deleted, told."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.command_line import Ringfence, objects
from support.durable_server import TWO
from support.server_process import ServerProcess, batch, peer_of, serving, wait_until
from support.told_claims import claim, wait_for_watermark

from ringfence import Client, Feed, Policy, Pool, RevisionConflict
from ringfence.cli import main

pytestmark = pytest.mark.slow


POLICY = """
[[policy]]
name = "quiet"
minimum_age = "30d"
minimum_coverage = 0.9
[[policy.rule]]
measure = "EVENTS"
window = "{window}"
limit = 2
"""
POOL = '[[pool]]\nname = "nl-mobile"\npolicy = "quiet"\nrequired_feeds = [{feeds}]\n'
FEED = '[[feed]]\nname = "msc-1"\nsilence_max = "{silence_max}"\n'


def test_each_kind_of_setting_is_tried_put_shown_and_deleted(
    ringfence: Ringfence, tmp_path: Path
) -> None:
    files = {"policies": "policy.toml", "feeds": "feed.toml", "pools": "pool.toml"}
    paths = {group: str(tmp_path / file) for group, file in files.items()}
    Path(paths["policies"]).write_text(POLICY.format(window="30d"))
    Path(paths["feeds"]).write_text(FEED.format(silence_max="5m"))
    Path(paths["pools"]).write_text(POOL.format(feeds='"msc-1"'))
    names = {"policies": "quiet", "feeds": "msc-1", "pools": "nl-mobile"}

    ringfence("pools", "put", paths["pools"], code=4)  # neither policy nor feed are there
    for group, path in paths.items():
        before = ringfence(group, "--json").stdout
        if group != "pools":  # a pool is tried against what there is
            said = ringfence(group, "put", path, "--dry-run").stdout
            assert "would be accepted; nothing has changed" in said
            assert ringfence(group, "--json").stdout == before
        assert "revision 1" in ringfence(group, "put", path).stdout
        said = ringfence(group, "put", path, "--dry-run").stdout
        assert "nothing has changed" in said
        assert "revision 2" in ringfence(group, "put", path).stdout  # not 3
        assert names[group] in ringfence(group, "list").stdout
        assert names[group] in ringfence(group, "show", names[group]).stdout
    assert "msc-1" in ringfence("pools", "show", "nl-mobile").stdout

    for group in ("policies", "feeds"):
        assert "nl-mobile" in ringfence(group, "delete", names[group], code=4).stderr
    for group in ("pools", "feeds", "policies"):
        assert "deleted" in ringfence(group, "delete", names[group]).stdout
        ringfence(group, "show", names[group], code=4)
        ringfence(group, "delete", names[group], code=4)


def test_setting_of_another_revision_changes_nothing(client: Client) -> None:
    (policy, *_) = client.list_policies()
    puts: list[tuple[Callable[..., Any], Any]] = [
        (client.put_policy, Policy("revised", policy.rules)),
        (client.put_feed, Feed("revised")),
        (client.put_pool, Pool("revised", policy.name)),
    ]
    for put, setting in puts:
        first = put(setting)
        assert first.revision == 1
        with pytest.raises(RevisionConflict):
            put(replace(first, revision=7, description="lost"))
        with pytest.raises(RevisionConflict):
            put(replace(first, revision=7, description="lost"), validate_only=True)
        second = put(replace(first, description="kept"))
        assert (second.revision, second.description) == (2, "kept")
    descriptions = {
        *(each.description for each in client.list_policies() if each.name == "revised"),
        *(each.feed.description for each in client.list_feeds() if each.feed.name == "revised"),
        *(each.pool.description for each in client.list_pools() if each.pool.name == "revised"),
    }
    assert descriptions == {"kept"}


def test_a_description_in_any_script_is_read_back(
    ringfence: Ringfence, client: Client, tmp_path: Path
) -> None:
    policy = next(iter(client.list_policies()))
    text = 'calls \N{TELEPHONE RECEIVER} \N{MOBILE PHONE}, "quoted", \\ and \x7f\t'
    client.put_policy(replace(policy, name="script", description=text, revision=0))
    file = tmp_path / "script.toml"
    file.write_text(ringfence("policies", "show", "script", "--toml").stdout)
    ringfence("policies", "put", str(file))
    assert {each.name: each.description for each in client.list_policies()}["script"] == text


def test_a_pool_is_put_whole(ringfence: Ringfence, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "pool.toml"
    file.write_text('[[pool]]\nname = "whole"\npolicy = "default"\ndescription = "all of it"\n')
    ringfence("pools", "put", str(file))
    (pool,) = [each.pool for each in client.list_pools() if each.pool.name == "whole"]
    assert pool == Pool("whole", "default", (), "all of it", 1)


@pytest.mark.parametrize(
    ("group", "text", "told"),
    [
        (
            "feeds",
            FEED.format(silence_max="4s"),
            "feed[0].silence_max is 4 s, allowed: 5 to 86400 s",
        ),
        ("feeds", FEED.format(silence_max="9s") * 2, "feed is 2, allowed: 1"),
        ("pools", "", "pool: missing"),
        ("pools", "pool = []", "pool is 0, allowed: 1"),
        ("policies", '[policy]\nname = "x"', "policy is one table, allowed: [[policy]]"),
    ],
)
def test_a_file_that_cannot_be_put_has_one_problem(
    ringfence: Ringfence, tmp_path: Path, group: str, text: str, told: str
) -> None:
    file = tmp_path / "setting.toml"
    file.write_text(text)
    refused = ringfence(group, "put", str(file), code=2).stderr.splitlines()
    assert refused[-1] == f"Error: {file}: {told}"


def test_put_on_the_command_line_replaces_the_revision_that_was_shown(
    ringfence: Ringfence, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(window="30d").replace("quiet", "shown"))
    feed = tmp_path / "feed.toml"
    feed.write_text('[[feed]]\nname = "shown"\n')
    pool = tmp_path / "pool.toml"
    pool.write_text('[[pool]]\nname = "shown"\npolicy = "shown"\n')
    for group, file in (("policies", policy), ("feeds", feed), ("pools", pool)):
        put = (group, "put", str(file))
        kind = {"policies": "policy"}.get(group, group[:-1])
        ringfence(*put)
        (shown,) = objects(ringfence(group, "show", "shown", "--json"))
        assert shown.get(kind, shown)["revision"] == 1
        assert ringfence(*put, "--revision", "1").stdout == f"{kind} shown: revision 2\n"
        for options in ((), ("--dry-run",)):  # somebody has been faster
            refused = ringfence(*put, "--revision", "1", *options, code=4)
            assert "revision" in refused.stderr
        assert f"{kind} shown: would be" in ringfence(*put, "--revision", "2", "--dry-run").stdout
        assert ringfence(*put, "--revision", "0").stdout == f"{kind} shown: revision 3\n"


def test_feeds_tell_how_they_are_doing(
    server: ServerProcess, ringfence: Ringfence, client: Client
) -> None:
    called = 447700900000
    began = int(time.time()) - 1_000
    client.put_feed(Feed("told"))
    with peer_of(server) as peer:
        peer.quarantine([called], quarantined_at=[began])
        claim(peer, "told", began, began + 100)
        claim(peer, "told", began + 200, began + 400)
        claim(peer, "nobody", began, began + 400)
        list(peer.events.StreamEvents(iter([batch([called] * 3, feed="told")]), timeout=10))
        wait_for_watermark(peer, "told", began + 400)
        wait_until(lambda: _told(ringfence)["events_last_day"] == 3)
        wait_until(lambda: "claims do not: nobody" in ringfence("feeds").stdout)
    assert "claims do not: nobody" in ringfence("feeds", "--json").stderr
    told = _told(ringfence)
    assert told["events_last_minute"] == 3
    assert 600 <= int(told["lag"].removesuffix("s")) < 700
    assert told["watermark"] == told["gaps"][0]["began_at"]
    assert told["gaps"][0]["ended_at"] is None
    (line,) = [line for line in ringfence("feeds").stdout.splitlines() if line[:5] == "told "]
    assert line.split()[1] == told["watermark"]
    assert "silent for" in line
    shown = ringfence("feeds", "show", "told").stdout
    lines = ringfence("feeds").stdout.splitlines()
    for gap in told["gaps"]:
        text = f"from {gap['began_at']} to {gap['ended_at'] or 'now'}"
        assert f"  {text}" in shown
        assert f"told: gap {text}" in lines
    assert len(told["gaps"]) == 2


def _told(ringfence: Ringfence) -> dict[str, Any]:
    (told,) = [each for each in objects(ringfence("feeds", "--json")) if _name(each) == "told"]
    return told


def _name(told: dict[str, Any]) -> str:
    return str(told["feed"]["name"])


def test_command_wins_over_the_file_and_the_next_start_says_where_they_differ(
    tmp_path: Path,
) -> None:
    declared = tmp_path / "server.toml"
    declared.write_text(
        POLICY.format(window="30d")
        + POOL.format(feeds='"msc-1"')
        + FEED.format(silence_max="5m")
        + '[[feed]]\nname = "msc-2"\n'
    )
    options = ("--config", str(declared), *TWO)
    changed = tmp_path / "policy.toml"
    changed.write_text(POLICY.format(window="10d"))
    with serving(tmp_path / "data", *options) as server:
        assert "the configuration differs" not in server.log
        env = {"RINGFENCE_SERVER": server.address}
        for arguments in (["policies", "put", str(changed)], ["feeds", "delete", "msc-2"]):
            assert CliRunner().invoke(main, arguments, env=env).exit_code == 0
    with serving(tmp_path / "data", *options) as server:
        assert "policy quiet: revision 2 is in force, the configuration differs in rules" in (
            server.log
        )
        assert "feed msc-2: in the configuration, not in force" in server.log
        assert "pool nl-mobile:" not in server.log
        with Client(server.address) as client:
            (policy,) = client.list_policies()
            assert policy.rules[0].window.days == 10
            assert [status.feed.name for status in client.list_feeds()] == ["msc-1"]
            (pool,) = client.list_pools()
            assert pool.pool.required_feeds == ("msc-1",)
