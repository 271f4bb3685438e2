"""Coverage and verdicts over months, with time told: what was heard decides, and how much of it."""

import pytest
from support.keeper_inside import NOW, KeeperInside, journal, run, segment

from ringfence.engine.settings.policy import DAY_S, WINDOW_S_MAX
from ringfence.engine.words import Verdict
from ringfence.server.config.config import Config, load_config
from ringfence.server.journal.event_value import Claim
from ringfence.server.link.keeper_service_pb2 import ReportClaimsRequest
from ringfence.server.state.claim_report import fill_claims

__all__ = ["journal", "segment"]  # fixtures

FIRST, SECOND = 447700900000, 447700900001
HOUR_S = 3_600
WINDOW_S = 90 * DAY_S


async def prepare(
    inside: KeeperInside,
    *feeds: str,
    window_s: int = WINDOW_S,
    quiet_s: int = 0,
    coverage: float = 0.95,
) -> None:
    """A pool `heard` that requires these feeds."""
    rules = [{"measure": 1, "window": {"seconds": window_s}}]
    policy = {"name": "watchful", "rules": rules, "minimum_coverage": coverage}
    await inside.ask("PutPolicy", policy={**policy, "quiet_period": {"seconds": quiet_s}})
    for feed in feeds:
        await inside.ask("PutFeed", feed={"name": feed})
    pool = {"name": "heard", "policy": "watchful", "required_feeds": feeds}
    await inside.ask("PutPool", pool=pool)


async def quarantine(inside: KeeperInside, number: int, since: int, **fields: list[int]) -> None:
    request = {"numbers": [number], "pool": "heard", "quarantined_at": [since], **fields}
    assert (await inside.ask("QuarantineNumbers", **request)).accepted == 1


async def claims(
    inside: KeeperInside, feed: str, *claimed: tuple[int, int], journal: str = "worker-0"
) -> None:
    """The feed's claims are in a worker's journal, and the keeper takes them."""
    held = inside.keeper.reports.held(journal)
    request = ReportClaimsRequest(journal=journal, after=held, upto=held + len(claimed))
    book = inside.keeper.state.decided
    index = book.feed_index(feed)
    registration = book.feed(index).registration
    fill_claims(request, [Claim(index, registration, *claim) for claim in claimed])
    assert inside.keeper.reports.take(request) == held + len(claimed)
    inside.keeper.reports.flush()
    await inside.keeper.log.settled()


def verdict(inside: KeeperInside, number: int = FIRST) -> str:
    return Verdict(inside.verdicts(number)[0]).name


def test_number_with_a_past_is_clean_when_enough_of_its_window_was_observed(segment, journal):
    async def use(inside):
        await prepare(inside)
        await quarantine(inside, FIRST, NOW - 200 * DAY_S - 1)
        assert verdict(inside) == "UNOBSERVED"
        observed_since = NOW + HOUR_S - 1  # kept in hours since quarantined_at, rounded up
        turn = observed_since + 95 * WINDOW_S // 100
        inside.now = turn - 1
        assert verdict(inside) == "UNOBSERVED"
        inside.now = turn
        assert verdict(inside) == "CLEAN"

    run(segment, journal, use)


def test_every_required_feed_must_have_listened_at_the_same_time(segment, journal):
    async def use(inside):
        await prepare(inside, "left", "right", window_s=1_000, coverage=0.5)
        await quarantine(inside, FIRST, NOW - 1_000, observed_since=[NOW - 1_000])
        await claims(inside, "left", (NOW - 1_000, NOW - 400))
        await claims(inside, "right", (NOW - 600, NOW), journal="worker-1")  # 200 s with the other
        assert verdict(inside) == "UNOBSERVED"
        await claims(inside, "right", (NOW - 900, NOW - 600), journal="worker-1")
        assert verdict(inside) == "CLEAN"

    run(segment, journal, use)


@pytest.mark.parametrize("first", [0, 1])
def test_channels_of_one_feed_complete_each_other_in_either_order(segment, journal, first):
    seconds = range(NOW - 1_000, NOW, 20)
    halves = [[(s, s + 10) for s in seconds], [(s + 10, s + 20) for s in seconds]]

    async def use(inside):
        await prepare(inside, "wide", window_s=1_000, coverage=0.999)
        await quarantine(inside, FIRST, NOW - 1_000, observed_since=[NOW - 1_000])
        await claims(inside, "wide", *halves[first], journal="worker-0")
        assert verdict(inside) == "UNOBSERVED"
        await claims(inside, "wide", *reversed(halves[not first]), journal="worker-1")
        assert verdict(inside) == "CLEAN"
        (status,) = (await inside.ask("ListFeeds")).feeds
        assert (status.watermark.seconds, len(status.gaps)) == (NOW, 0)

    run(segment, journal, use)


def test_gap_counts_until_it_has_left_the_window(segment, journal):
    async def use(inside):
        await prepare(inside, "msc", window_s=500, quiet_s=400, coverage=0.999)
        await quarantine(inside, FIRST, NOW - 9_000, observed_since=[NOW - 9_000])
        await claims(inside, "msc", (NOW - 9_000, NOW - 100), (NOW - 99, NOW + 9_000))
        inside.now = NOW - 99 + 900 - 1
        assert verdict(inside) == "UNOBSERVED"
        inside.now += 1
        assert verdict(inside) == "CLEAN"

    run(segment, journal, use)


def test_claims_are_kept_for_as_long_as_any_policy_looks_back(segment, journal):
    days = 900
    began = NOW - days * DAY_S
    daily = [(began + day * DAY_S, began + (day + 1) * DAY_S - 60) for day in range(days)]

    async def use(inside):
        await prepare(inside, "msc", window_s=WINDOW_S_MAX, quiet_s=WINDOW_S_MAX, coverage=0.999)
        await quarantine(inside, FIRST, began, observed_since=[began])
        await claims(inside, "msc", *daily)
        assert verdict(inside) == "CLEAN"  # 60 s of each of the last 800 days are missing
        (status,) = (await inside.ask("ListFeeds")).feeds
        assert (status.gaps[0].began_at.seconds, len(status.gaps)) == (NOW - DAY_S - 60, 100)

    async def again(inside):
        assert verdict(inside) == "CLEAN"
        explained = inside.engine.explain(FIRST, now=NOW)
        assert explained.coverage == pytest.approx(1 - 60 / DAY_S, abs=1e-9)

    run(segment, journal, use)
    run(segment, journal, again)


def test_pool_with_a_feed_that_never_claimed_is_unobserved(segment, journal):
    async def use(inside):
        await prepare(inside, "silent", window_s=1_000)
        await quarantine(inside, FIRST, NOW - 1_000, observed_since=[NOW - 1_000])
        assert verdict(inside) == "UNOBSERVED"
        await inside.ask("PutPool", pool={"name": "heard", "policy": "watchful"})
        assert verdict(inside) == "CLEAN"  # nothing is required any more

    run(segment, journal, use)


def test_deleted_feed_takes_its_coverage_along(segment, journal):
    async def use(inside):
        await prepare(inside, "msc", window_s=1_000)
        await quarantine(inside, FIRST, NOW - 1_000, observed_since=[NOW - 1_000])
        await claims(inside, "msc", (NOW - 1_000, NOW))
        assert verdict(inside) == "CLEAN"
        await inside.ask("PutPool", pool={"name": "heard", "policy": "watchful"})
        await inside.ask("DeleteFeed", name="msc")
        await prepare(inside, "msc", window_s=1_000)
        assert verdict(inside) == "UNOBSERVED"

    async def again(inside):
        assert verdict(inside) == "UNOBSERVED"
        (status,) = (await inside.ask("ListFeeds")).feeds
        assert not status.HasField("watermark")

    run(segment, journal, use)
    run(segment, journal, again)


def test_claim_of_a_time_to_come_covers_it_when_it_has_come(segment, journal):
    async def use(inside):
        await prepare(inside, "early", window_s=900, coverage=0.999)
        await quarantine(inside, FIRST, NOW - 1_000, observed_since=[NOW - 1_000])
        await claims(inside, "early", (NOW - 1_000, NOW + 290))
        assert verdict(inside) == "CLEAN"
        inside.now = NOW + 290
        assert verdict(inside) == "CLEAN"
        inside.now = NOW + 291
        assert verdict(inside) == "UNOBSERVED"

    run(segment, journal, use)


def test_settings_of_the_file_come_back_to_no_installation_that_has_deleted_them(
    segment, journal, tmp_path
):
    file = tmp_path / "server.toml"
    file.write_text('[[feed]]\nname = "msc"\n')
    config: Config = load_config(file)

    async def use(inside):
        await inside.ask("PutFeed", feed={"name": "own"})
        await claims(inside, "own", (NOW - 100, NOW))
        await inside.ask("DeletePool", name="default")
        await inside.ask("DeletePolicy", name="default")
        await inside.ask("DeleteFeed", name="msc")

    async def again(inside):
        assert not (await inside.ask("ListPolicies")).policies
        assert not (await inside.ask("ListPools")).pools
        (status,) = (await inside.ask("ListFeeds")).feeds
        assert (status.feed.name, status.watermark.seconds) == ("own", NOW)

    run(segment, journal, use, config=config)
    run(segment, journal, again, config=config)


def test_several_policies_judge_at_once_and_a_changed_one_at_once(segment, journal):
    async def use(inside):
        rules = [{"measure": 1, "window": {"seconds": 1_000}, "limit": 1}]
        for name, age_s in (("mild", 0), ("strict", 200 * DAY_S)):
            policy = {"name": name, "rules": rules, "minimum_age": {"seconds": age_s}}
            await inside.ask("PutPolicy", policy=policy)
            await inside.ask("PutPool", pool={"name": name, "policy": name})
        since = [NOW - 2_000]
        for number, pool in ((FIRST, "mild"), (SECOND, "strict")):
            answer = await inside.ask(
                "QuarantineNumbers",
                numbers=[number],
                pool=pool,
                quarantined_at=since,
                observed_since=since,
            )
            assert answer.accepted == 1
        inside.call(FIRST, SECOND, at=NOW - 500)
        assert [verdict(inside, n) for n in (FIRST, SECOND)] == ["CLEAN", "AGING"]
        rules[0]["limit"] = 0
        await inside.ask("PutPolicy", policy={"name": "mild", "rules": rules})
        assert [verdict(inside, n) for n in (FIRST, SECOND)] == ["NOISY", "AGING"]
        await inside.ask("PutPool", pool={"name": "strict", "policy": "mild"})
        assert [verdict(inside, n) for n in (FIRST, SECOND)] == ["NOISY", "NOISY"]
        rules[0]["window"] = {"seconds": 500}
        await inside.ask("PutPolicy", policy={"name": "mild", "rules": rules})
        assert [verdict(inside, n) for n in (FIRST, SECOND)] == ["CLEAN", "CLEAN"]

    run(segment, journal, use)
