"""What feeds can never cover is asked of none: at most 0.999, whichever setting is put last."""

from pathlib import Path

import pytest
from support.durable_server import TWO, killed, refusal_of
from support.keeper_inside import KeeperInside, journal, run, segment

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import SettingError
from ringfence.server.config.config import load_config
from ringfence.server.journal.journal import Journal

__all__ = ["journal", "segment"]  # fixtures

BOUND = "bound=0 to 0.999 where feeds are required, as pool 'heard' does"
OF_POLICY = rf"^policy\.minimum_coverage: value=1\.0, {BOUND}$"
OF_POOL = rf"^pool\.policy\.minimum_coverage: value=1\.0, {BOUND}$"
RULE = {"measure": 1, "window": {"seconds": 60}}
FILE = """
[[policy]]
name = "watchful"
minimum_age = "1d"
minimum_coverage = 1.0
rule = [{ measure = "EVENTS", window = "1d", limit = 3 }]
[[feed]]
name = "msc"
[[pool]]
name = "heard"
policy = "watchful"
required_feeds = ["msc"]
"""


async def put_policy(inside: KeeperInside, coverage: float) -> None:
    policy = {"name": "watchful", "rules": [RULE], "minimum_coverage": coverage}
    await inside.ask("PutPolicy", policy=policy)


async def put_pool(inside: KeeperInside, *feeds: str) -> None:
    await inside.ask(
        "PutPool", pool={"name": "heard", "policy": "watchful", "required_feeds": feeds}
    )


def test_policy_of_a_pool_that_requires_feeds_asks_for_less_than_all(
    segment: Segment, journal: Journal
) -> None:
    async def use(inside: KeeperInside) -> None:
        await inside.ask("PutFeed", feed={"name": "msc"})
        await put_policy(inside, 0.999)
        await put_pool(inside, "msc")
        await put_policy(inside, 0.999)
        with pytest.raises(SettingError, match=OF_POLICY):
            await put_policy(inside, 1.0)
        await put_pool(inside)  # which needs no feed any more
        await put_policy(inside, 1.0)

    run(segment, journal, use)


def test_pool_whose_policy_asks_for_all_requires_no_feed(
    segment: Segment, journal: Journal
) -> None:
    async def use(inside: KeeperInside) -> None:
        await inside.ask("PutFeed", feed={"name": "msc"})
        await put_policy(inside, 1.0)
        await put_pool(inside)
        with pytest.raises(SettingError, match=OF_POOL):
            await put_pool(inside, "msc")
        await put_policy(inside, 0.999)
        await put_pool(inside, "msc")

    run(segment, journal, use)


def test_installation_that_has_such_a_policy_already_goes_on_with_it(
    segment: Segment, journal: Journal, tmp_path: Path
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(FILE)

    async def use(inside: KeeperInside) -> None:  # it begins with the file, as it once could
        replacement = KeeperInside(segment, journal, load_config(path))
        await inside.stop()
        await replacement.start()
        (listed,) = (await replacement.ask("ListPools")).pools
        assert list(listed.pool.required_feeds) == ["msc"]
        (policy,) = (await replacement.ask("ListPolicies")).policies
        assert policy.minimum_coverage == 1.0
        await replacement.stop()

    run(segment, journal, use, config=load_config(path))


@pytest.mark.slow
def test_file_with_such_a_policy_begins_nothing_and_hinders_nothing_that_has_begun(
    tmp_path: Path,
) -> None:
    data, path = tmp_path / "data", tmp_path / "config.toml"
    path.write_text(FILE)
    log = refusal_of(data, *TWO, "--config", str(path))
    assert f"pool[0].policy.minimum_coverage: value=1.0, {BOUND}" in log
    with killed(data, *TWO):
        pass
    with killed(data, *TWO, "--config", str(path)) as server:
        assert " recovered=" in server.ready_line
