"""`ringfence pools|policies|feeds put` says what it changes, and asks before anything is lost."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from support.command_line import Ringfence
from support.server_process import ServerProcess
from support.terminal import on_terminal

from ringfence import Client, Feed, Pool

POOL = '[[pool]]\nname = "mobile"\npolicy = "default"\n'


@pytest.fixture
def file(client: Client, tmp_path: Path) -> Path:
    """A file of the pool `mobile`, which leaves out the feed that the pool requires."""
    client.put_feed(Feed("msc-1"))
    client.put_pool(Pool("mobile", "default", ("msc-1",)))
    path = tmp_path / "pool.toml"
    path.write_text(POOL)
    return path


def required(client: Client) -> tuple[str, ...]:
    (pool,) = [each.pool for each in client.list_pools() if each.pool.name == "mobile"]
    return pool.required_feeds


def test_a_file_that_leaves_out_what_is_set_is_not_put_where_nobody_can_be_asked(
    ringfence: Ringfence, client: Client, file: Path
) -> None:
    refused = ringfence("pools", "put", str(file), code=2)
    assert f'{file} leaves out what is set: required_feeds = ["msc-1"]' in refused.stderr
    assert "--yes" in refused.stderr
    assert required(client) == ("msc-1",)


def test_yes_puts_it_all_the_same(ringfence: Ringfence, client: Client, file: Path) -> None:
    ringfence("pools", "put", str(file), "--yes")
    assert required(client) == ()


def test_what_the_file_names_is_changed_without_a_question(
    ringfence: Ringfence, client: Client, file: Path
) -> None:
    file.write_text(POOL + "required_feeds = []\n")
    said = ringfence("pools", "put", str(file)).stdout
    assert '-required_feeds = ["msc-1"]\n+required_feeds = []\n' in said
    assert required(client) == ()


def test_a_dry_run_shows_the_difference_and_what_would_be_lost(
    ringfence: Ringfence, client: Client, file: Path
) -> None:
    tried = ringfence("pools", "put", str(file), "--dry-run")
    assert '-required_feeds = ["msc-1"]\n+required_feeds = []\n' in tried.stdout
    assert tried.stdout.endswith("pool mobile: would be accepted; nothing has changed\n")
    assert "leaves out what is set" in tried.stderr
    assert required(client) == ("msc-1",)


def test_a_policy_shows_which_rule_is_another(
    ringfence: Ringfence, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    shown = ringfence("policies", "show", "default", "--toml").stdout
    file.write_text(shown.replace('"default"', '"ruled"').replace("limit = 0", "limit = 1", 1))
    assert ringfence("policies", "put", str(file)).stdout == "policy ruled: revision 1\n"
    file.write_text(shown.replace('"default"', '"ruled"'))
    said = ringfence("policies", "put", str(file)).stdout.splitlines()
    assert said[0] == "--- policy ruled, revision 1"
    assert [line for line in said[3:] if line[0] in "+-"] == ["-limit = 1", "+limit = 0"]
    assert said[-1] == "policy ruled: revision 2"


def test_silence_that_a_file_of_a_feed_leaves_out_is_not_lost(
    ringfence: Ringfence, tmp_path: Path
) -> None:
    file = tmp_path / "feed.toml"
    file.write_text('[[feed]]\nname = "quiet"\nsilence_max = "5m"\n')
    ringfence("feeds", "put", str(file))
    file.write_text('[[feed]]\nname = "quiet"\n')
    assert 'silence_max = "5m"' in ringfence("feeds", "put", str(file), code=2).stderr


@pytest.mark.parametrize(("group", "kind"), [("pools", "pool"), ("feeds", "feed")])
def test_a_shown_file_is_one_to_begin_from(
    ringfence: Ringfence, client: Client, tmp_path: Path, group: str, kind: str
) -> None:
    client.put_feed(Feed("shown", description='of "A"'))
    client.put_pool(Pool("shown", "default", ("shown",), "all of it"))
    shown = ringfence(group, "show", "shown", "--toml").stdout
    file = tmp_path / "shown.toml"
    file.write_text(shown)
    before = ringfence(group, "show", "shown", "--json").stdout
    assert ringfence(group, "put", str(file)).stdout.startswith(f"{kind} shown: revision ")
    after = json.loads(ringfence(group, "show", "shown", "--json").stdout)
    assert after[kind] == {**json.loads(before)[kind], "revision": after[kind]["revision"]}
    assert ringfence(group, "show", "shown", "--toml").stdout == shown


def test_a_file_that_an_editor_marked_as_utf_8_is_read(ringfence: Ringfence, file: Path) -> None:
    file.write_text("\ufeff" + POOL, "utf-8")
    ringfence("pools", "put", str(file), "--yes")


def test_put_and_delete_are_told_to_programs(
    ringfence: Ringfence, client: Client, file: Path
) -> None:
    (told,) = ringfence("pools", "put", str(file), "--yes", "--json").stdout.splitlines()
    put = json.loads(told)
    assert put["previous"]["required_feeds"] == ["msc-1"]
    assert put["current"]["required_feeds"] == []
    assert put["current"]["revision"] == put["previous"]["revision"] + 1
    assert put["dry_run"] is False
    client.put_pool(Pool("leaving", "default"))
    deleted = ringfence("pools", "delete", "leaving", "--json").stdout
    assert json.loads(deleted) == {"kind": "pool", "name": "leaving", "deleted": True}


def test_what_somebody_else_has_changed_since_the_difference_was_shown_is_not_overwritten(
    ringfence: Ringfence, client: Client, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(POOL + "required_feeds = []\n")
    sent = Client.put_pool

    def faster(self: Client, pool: Pool, **options: Any) -> Pool:
        sent(client, Pool("mobile", "default", ("msc-1",), "of somebody else"))
        return sent(self, pool, **options)

    monkeypatch.setattr(Client, "put_pool", faster)
    assert "was changed meanwhile" in ringfence("pools", "put", str(file), code=4).stderr
    assert required(client) == ("msc-1",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "code", "feeds"),
    [(b"y\n", 0, ()), (b"n\n", 1, ("msc-1",)), (b"\x03", 128 + signal.SIGINT, ("msc-1",))],
)
def test_a_terminal_is_asked(
    *, server: ServerProcess, client: Client, file: Path, typed: bytes, code: int, feeds: Any
) -> None:
    code_seen, shown = on_terminal(
        "pools", "put", str(file), typed=typed, RINGFENCE_SERVER=server.address
    )
    assert code_seen == code, shown
    assert 'leaves out what is set: required_feeds = ["msc-1"]' in shown
    assert required(client) == feeds


def test_the_help_says_what_yes_loses(ringfence: Ringfence) -> None:
    for kind in ("policies", "pools", "feeds"):
        said = ringfence(kind, "put", "--help").stdout
        assert "file leaves out, such as a description, is lost" in " ".join(said.split())
