"""The configuration file: what it may hold, how it is refused, and what the shipped one says."""

from dataclasses import replace
from pathlib import Path

import pytest

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import DAY_S, NO_SPRAY, Feed, Policy, Pool, Rule, Spray
from ringfence.engine.words import EventKind, Measure
from ringfence.server.config.address import parse_address
from ringfence.server.config.config import (
    default_text,
    load_config,
    load_feed,
    load_policy,
    load_pool,
)
from ringfence.server.config.config_problems import ConfigError
from ringfence.server.config.duration import format_duration, parse_duration
from ringfence.server.keeper.settings.config_differences import config_differences

POLICY = """
[[policy]]
name = "strict"
minimum_age = "180d"
minimum_coverage = 0.99
rule = [{ measure = "CALLERS", kinds = ["CALL", "VIDEO"], window = "1d12h", limit = 3 }]
"""
POOL = """
[[pool]]
name = "nl-mobile"
policy = "default"
required_feeds = ["msc-1", "msc-2"]
"""
FEED = """
[[feed]]
name = "msc-1"
silence_max = "5s"
"""


def problems(path: Path, text: str, **overrides: object) -> list[str]:
    """Every problem that loading such a file reports."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, **overrides)
    return str(caught.value).replace(str(path), "FILE").splitlines()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ringfence.toml"


def test_shipped_policy_and_pool_are_those_that_the_simulation_chose() -> None:
    config = load_config()
    (policy,) = config.policies
    assert policy == Policy(
        name="default",
        rules=(
            Rule(Measure.REPEAT_CALLERS, 150 * DAY_S, 0),
            Rule(Measure.EVENTS, 150 * DAY_S, 0, frozenset({EventKind.A2P_SMS})),
        ),
        minimum_age_s=90 * DAY_S,
        maximum_age_s=365 * DAY_S,
        quiet_period_s=0,
        minimum_coverage=0.95,
        description=policy.description,
    )
    (pool,) = config.pools
    assert pool == Pool("default", "default", (), pool.description)
    assert config.server.listen == "127.0.0.1:50051"
    assert config.server.capacity_numbers == 1_000_000
    assert config.server.ring_entries == 60
    assert 1 <= config.server.workers <= 64


def test_printed_file_loads_and_equals_the_defaults(path: Path) -> None:
    path.write_text(default_text())
    assert load_config(path) == load_config()


def test_every_key_of_the_shipped_file_has_a_comment_above_it() -> None:
    above = ""
    for line in default_text().splitlines():
        if line and not line.startswith(("[", "#")) and above not in ("rule", "#"):
            pytest.fail(f"no comment above {line!r}")
        if line.startswith("[[policy.rule]]"):
            above = "rule"  # the keys of a rule are explained once, together
        elif line.startswith("#") or not line:
            above = line[:1]
        elif above != "rule":
            above = line


def test_missing_keys_keep_their_defaults(path: Path) -> None:
    path.write_text("[server]\nworkers = 3\n")
    config = load_config(path)
    assert config.server.workers == 3
    assert config.server.listen == load_config().server.listen
    assert config.policies == load_config().policies


def test_a_file_with_policies_replaces_all_of_them(path: Path) -> None:
    path.write_text(POLICY + '[[pool]]\nname = "p"\npolicy = "strict"\n')
    config = load_config(path)
    assert [policy.name for policy in config.policies] == ["strict"]
    assert config.policies[0].rules == (
        Rule(Measure.CALLERS, 129_600, 3, frozenset({EventKind.CALL, EventKind.VIDEO})),
    )
    assert config.pools == (Pool("p", "strict"),)


def test_options_win_over_the_file_and_none_is_no_option(path: Path) -> None:
    path.write_text('[server]\nworkers = 3\nlisten = "127.0.0.1:1"\n')
    server = load_config(path, workers=5, listen=None, capacity_numbers=77).server
    assert (server.workers, server.listen, server.capacity_numbers) == (5, "127.0.0.1:1", 77)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[server]\nlisen = "x"\n', "unknown key server.lisen: did you mean server.listen?"),
        ("[sever]\n", "unknown key sever: did you mean server?"),
        ("ring_entries = 12\n", "unknown key ring_entries: did you mean server.ring_entries?"),
        (
            "[server]\ncolour = 1\n",
            "unknown key server.colour: known here are listen, workers, capacity_numbers,"
            " ring_entries",
        ),
        (
            POLICY.replace("kinds", "kind"),
            "unknown key policy[0].rule[0].kind: did you mean policy[0].rule[0].kinds?",
        ),
        (
            "[server]\nworkers = 65\n",
            "server.workers: input should be less than or equal to 64, value='65'",
        ),
        (
            '[server]\nworkers = "4"\n',
            "server.workers: input should be a valid integer, value='4'",
        ),
        (
            "[server]\nring_entries = 13\n",
            "server.ring_entries: input should be 12, 28, 60, 124 or 252,",
        ),
        ('[server]\nlisten = "localhost"\n', "server.listen: value='localhost', bound=HOST:PORT"),
        ("server = 1\n", "server: input should be a valid dictionary"),
        (POLICY.replace('"180d"', '"180"'), "policy[0].minimum_age: value='180', bound=days, "),
        (POLICY.replace('"180d"', "180"), "policy[0].minimum_age: value=180, bound=days, "),
        (
            POLICY.replace('"180d"', '"3651d"'),
            "policy[0].minimum_age: value=315446400 s, bound=0 to 315360000 s",
        ),
        (POLICY.replace('minimum_age = "180d"', ""), "policy[0].minimum_age: missing"),
        (
            POLICY.replace("CALLERS", "CALLER"),
            "policy[0].rule[0].measure: value='CALLER', bound=EVENTS, CALLERS, REPEAT_CALLERS",
        ),
        (POLICY.replace('"VIDEO"', '"FAX"'), "policy[0].rule[0].kinds[1]: value='FAX', bound="),
        (
            POLICY.replace("limit = 3", "limit = 60"),
            "policy[0].rule[0].limit: value=60, bound=0 to 59",
        ),
        (POLICY.replace("strict", "Strict"), "policy[0].name: value='Strict', bound=[a-z0-9]"),
        (POLICY + POLICY, "policy[1].name: value='strict', bound=once"),
        (
            POOL.replace('"default"', '"defualt"'),
            "pool[0].policy: no policy 'defualt': did you mean default?",
        ),
        (POOL.replace("msc-2", "msc-1"), "pool[0].required_feeds: value=one feed twice, "),
        ("[server\n", "not TOML: "),
    ],
)
def test_what_cannot_be_used_is_refused_by_key(path: Path, text: str, problem: str) -> None:
    assert any(line.startswith(f"FILE: {problem}") for line in problems(path, text)), problems(
        path, text
    )


def test_every_problem_is_listed_at_once(path: Path) -> None:
    text = "[server]\nworkers = 99\nlisen = 1\n" + POLICY.replace("180d", "x") + POOL + "pool_ = 1"
    found = problems(path, text)
    assert [line.split(": ")[1] for line in found] == [
        "server.workers",
        "unknown key server.lisen",
        "policy[0].minimum_age",
        "unknown key pool[0].pool_",
    ]


def test_a_bad_option_is_not_blamed_on_the_file(path: Path) -> None:
    (line,) = problems(path, "", workers=99)
    assert line.startswith("the command line: server.workers: ")


def test_limits_are_judged_by_the_rings_of_the_file(path: Path) -> None:
    rule = POLICY.replace("limit = 3", "limit = 27") + '[[pool]]\nname = "p"\npolicy = "strict"\n'
    path.write_text("[server]\nring_entries = 28\n" + rule)
    assert load_config(path).policies[0].rules[0].limit == 27
    assert "bound=0 to 11" in problems(path, "[server]\nring_entries = 12\n" + rule)[0]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file"):
        load_config(tmp_path / "absent.toml")


def test_a_policy_and_a_pool_are_read_from_files_of_their_own(path: Path) -> None:
    path.write_text(POLICY)
    assert load_policy(path).policy().rules[0].window_s == 129_600
    path.write_text(POOL)
    assert load_pool(path).pool() == Pool("nl-mobile", "default", ("msc-1", "msc-2"))


@pytest.mark.parametrize("text", ["", POLICY + POLICY, POLICY + POOL, POOL])
def test_a_policy_file_holds_one_policy_and_nothing_else(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_policy(path)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90d", 7_776_000),
        ("12h", 43_200),
        ("30m", 1_800),
        ("45s", 45),
        ("1d12h", 129_600),
        ("0s", 0),
        ("1d2h3m4s", 93_784),
    ],
)
def test_durations_are_days_hours_minutes_and_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds
    assert format_duration(seconds) == text


@pytest.mark.parametrize("text", ["", "90", "d", "1h1d", "-1d", "1.5h", "90 d", "1w", "٣d", "1d1d"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bound=days, hours, minutes, seconds"):
        parse_duration(text)


def test_addresses_have_a_host_and_a_port() -> None:
    assert parse_address("127.0.0.1:50051") == ("127.0.0.1", 50051)
    assert parse_address("[::1]:0") == ("::1", 0)
    for text in ("localhost", ":1", "::1:50051", "a:65536", "a:b", "a b:1"):
        with pytest.raises(ValueError, match="bound=HOST:PORT"):
            parse_address(text)


def test_pool_that_requires_a_feed_nobody_declares_is_refused_before_anything_starts(
    path: Path,
) -> None:
    assert problems(path, POOL + FEED) == [
        "FILE: pool[0].required_feeds[1]: no feed 'msc-2': did you mean msc-1?"
    ]
    path.write_text(POOL + FEED + FEED.replace("msc-1", "msc-2"))
    assert [feed.name for feed in load_config(path).feeds] == ["msc-1", "msc-2"]


@pytest.mark.parametrize(
    ("feed", "told"),
    [
        (FEED.replace("5s", "4s"), "feed[0].silence_max: value=4 s, bound=5 to 86400 s"),
        (FEED.replace("5s", "1d1s"), "feed[0].silence_max: value=86401 s, bound=5 to 86400 s"),
        (FEED.replace("msc-1", "MSC"), "feed[0].name: value='MSC', bound="),
        (FEED + FEED, "feed[1].name: value='msc-1', bound=once"),
        (FEED + "silence = 1", "unknown key feed[0].silence: did you mean feed[0].silence_max?"),
    ],
)
def test_feed_that_cannot_be_is_refused(path: Path, feed: str, told: str) -> None:
    (problem,) = problems(path, feed)
    assert told in problem


def test_file_of_one_feed_is_read_as_in_the_configuration(path: Path) -> None:
    path.write_text(FEED)
    assert load_feed(path).feed() == Feed("msc-1", silence_max_s=5)
    path.write_text(FEED.replace("silence_max", "# silence_max"))
    assert load_feed(path).feed().silence_max_s == 120
    path.write_text(FEED + FEED)
    with pytest.raises(ConfigError, match="feed"):
        load_feed(path)


def test_default_file_says_what_a_number_takes() -> None:
    told = " ".join(default_text().split("\n# "))
    for ring_entries, said in (
        (12, "{} bytes a number with 12 ring entries"),
        (28, "{} with 28"),
        (60, "{} with 60"),
        (124, "{} with 124"),
        (252, "{} with 252"),
    ):
        sizes = [Segment.bytes_needed(numbers, ring_entries) for numbers in (1, 10**7 + 1)]
        assert said.format(f"{(sizes[1] - sizes[0]) / 10**7:,.0f}") in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("numbers = 1", "spray.numbers: value=1, bound=2 to 8"),
        ("numbers = 9", "spray.numbers: value=9, bound=2 to 8"),
        ("numbers = -1", "spray.numbers: value=-1, bound=2 to 8"),
        ('numbers = "8"', "spray.numbers: input should be a valid integer, value='8'"),
        ('window = "0s"', "spray.window: value=0 s, bound=1 to 34560000 s"),
        ('window = "401d"', "spray.window: value=34646400 s, bound=1 to 34560000 s"),
        ("window = 7", "spray.window: value=7, bound=days, hours, minutes, seconds"),
        ("callers = 8", "spray.callers: value=8, bound=a power of two, 16 to 16777216"),
        ("callers = 1000", "spray.callers: value=1000, bound=a power of two, 16 to 16777216"),
        ("callers = -16", "spray.callers: value=-16, bound=a power of two, 16 to 16777216"),
        (
            "callers = 33_554_432",
            "spray.callers: value=33554432, bound=a power of two, 16 to 16777216",
        ),
        ("spray_callers_max = 0", "spray.spray_callers_max: value=0, bound=1 to 16777216"),
        (
            "spray_callers_max = 16_777_217",
            "spray.spray_callers_max: value=16777217, bound=1 to 16777216",
        ),
        ("numbers = 0\ncallers = 17", "spray.callers: value=17, bound=a power of two, "),
        ('numbers = 0\nwindow = "0s"', "spray.window: value=0 s, bound=1 to 34560000 s"),
        ("number = 8", "unknown key spray.number: did you mean spray.numbers?"),
    ],
)
def test_spray_settings_that_cannot_be_are_refused(path: Path, line: str, told: str) -> None:
    (problem,) = problems(path, f"[spray]\n{line}\n")
    assert told in problem


@pytest.mark.parametrize(
    ("capacity_numbers", "callers"),
    [
        (1, 1 << 10), (4_096, 1 << 10), (4_100, 1 << 11), (1_000_000, 1 << 18),
        (10_000_000, 1 << 22), (1_000_000_000, 1 << 24),
    ],
)  # fmt: skip
def test_room_for_callers_follows_the_capacity(capacity_numbers: int, callers: int) -> None:
    config = load_config(None, capacity_numbers=capacity_numbers)
    assert config.spray_settings == Spray(8, 3_600, callers, 131_072)


def test_spray_settings_are_those_of_the_file(path: Path) -> None:
    path.write_text('[spray]\nnumbers = 3\nwindow = "1h"\ncallers = 64\nspray_callers_max = 9\n')
    assert load_config(path).spray_settings == Spray(3, 3_600, 64, 9)
    path.write_text("[spray]\nnumbers = 0\ncallers = 64\n")
    assert load_config(path).spray_settings == NO_SPRAY


def test_default_file_says_what_callers_take() -> None:
    for capacity_numbers in (10**6, 4 * 10**6, 10**7, 4 << 20, (4 << 20) + 4):
        callers = load_config(None, capacity_numbers=capacity_numbers).spray_settings.callers
        without = Segment.bytes_needed(capacity_numbers)
        more = Segment.bytes_needed(capacity_numbers, 12, callers) - without
        assert 18 <= more / capacity_numbers <= 36
    assert "18 to 36 for the callers" in default_text()


@pytest.mark.parametrize("value", [16_777_215, 2**44 + 1, '"1G"'])
def test_size_of_a_journal_has_bounds(path: Path, value: object) -> None:
    (problem,) = [
        line for line in problems(path, f"[journal]\nmap_size_bytes = {value}\n") if "map" in line
    ]
    assert "journal.map_size_bytes" in problem


def test_size_of_a_journal_is_64_gib_unless_said_otherwise(path: Path) -> None:
    assert load_config().journal.map_size_bytes == 64 << 30
    path.write_text("[journal]\nmap_size_bytes = 16_777_216\n")
    assert load_config(path).journal.map_size_bytes == 16 << 20
    path.write_text("[journal]\n")
    assert load_config(path).journal.map_size_bytes == 64 << 30


@pytest.mark.parametrize("value", ["9s", "2d"])
def test_interval_of_snapshots_has_bounds(path: Path, value: str) -> None:
    told = problems(path, f'[snapshot]\ninterval = "{value}"\n')
    assert any("snapshot.interval" in line and "bound=10s to 1d" in line for line in told)


def test_interval_of_snapshots_is_10_minutes_unless_said_otherwise(path: Path) -> None:
    assert load_config().snapshot.interval == 600
    path.write_text('[snapshot]\ninterval = "1h"\n')
    assert load_config(path).snapshot.interval == 3_600


def test_differences_from_what_is_in_force_are_named_field_by_field(path: Path) -> None:
    path.write_text(FEED)
    config = load_config(path)
    policies, pools, feeds = config.policies, config.pools, config.feeds
    assert config_differences(config, policies, pools, feeds) == []
    later = [replace(policies[0], minimum_age_s=1, quiet_period_s=2, revision=7), *policies[1:]]
    patient = [None, replace(feeds[0], silence_max_s=6, revision=2)]
    assert config_differences(config, later, pools[1:], patient) == [
        f"policy {policies[0].name}: revision 7 is in force, the configuration differs in"
        " minimum_age, quiet_period",
        f"pool {pools[0].name}: in the configuration, not in force",
        "feed msc-1: revision 2 is in force, the configuration differs in silence_max",
    ]
