"""The configuration file: TOML in, checked policies, pools, feeds and server settings out.

The defaults stand in `default_config.toml` and nowhere else. What a file may hold, in which form,
is said by the models below; what its values may be, by the `check()` of the engine's settings.
"""

import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ringfence.engine.memory.layout import FEEDS_MAX, POLICIES_MAX, POOLS_MAX, WORKERS_MAX
from ringfence.engine.memory.segment import CAPACITY_NUMBERS_MAX, RING_ENTRIES
from ringfence.engine.settings.policy import (
    NO_SPRAY,
    SILENCE_S,
    SPRAY_CALLERS_MOST,
    Feed,
    Policy,
    Pool,
    Rule,
    SettingError,
    Spray,
    check_reachable,
)
from ringfence.engine.words import EventKind, Measure
from ringfence.engine.wrong_path import wrong_path
from ringfence.server.config.address import check_address, socket_path
from ringfence.server.config.config_problems import ConfigError, nearest, problems_of
from ringfence.server.config.duration import BOUND, format_duration, parse_duration

RING_ENTRIES_MAX = max(RING_ENTRIES)
SNAPSHOT_INTERVAL_S_MIN, SNAPSHOT_INTERVAL_S_MAX = 10, 86_400
SCAN_PERIOD_S_MAX = 3_600
SPRAY_CALLERS_AUTO_MIN = 1 << 10
KEPT_S_MAX = 400 * 86_400
MAP_SIZE_BYTES_MIN = 16 << 20
MAP_SIZE_BYTES_MAX = 16 << 40
HISTORY_URL = "postgresql+psycopg://"
HISTORY_BACKLOG_BYTES_MIN = 16 << 20
HISTORY_BACKLOG_BYTES_MAX = 16 << 40


def _seconds(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f"value={value!r}, bound={BOUND}")
    return parse_duration(value)


def _measure(value: object) -> Measure:
    return Measure[_word(value, [measure.name for measure in Measure])]


def _kind(value: object) -> EventKind:
    return EventKind[_word(value, [kind.name for kind in EventKind])]


def _word(value: object, words: list[str]) -> str:
    if value not in words:
        raise ValueError(f"value={value!r}, bound={', '.join(words)}")
    return str(value)


Duration = Annotated[int, BeforeValidator(_seconds)]


class Table(BaseModel):
    """A table of the file: no key it does not know, no value of another type, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ServerTable(Table):
    """`[server]`: where it listens and how much it holds."""

    listen: str
    workers: Annotated[int, Field(ge=0, le=WORKERS_MAX)]
    capacity_numbers: Annotated[int, Field(ge=1, le=CAPACITY_NUMBERS_MAX)]
    ring_entries: Literal[12, 28, 60, 124, 252]

    @field_validator("listen")
    @classmethod
    def _check_listen(cls, value: str) -> str:
        check_address(value)
        return value

    @field_validator("workers")
    @classmethod
    def _count_cores(cls, value: int, info: ValidationInfo) -> int:
        if socket_path(info.data.get("listen", "")) is not None:
            if value > 1:  # each that binds the path takes it from the one before
                raise ValueError(f"value={value}, bound=1 on a unix socket, which none can share")
            return 1
        return value or min(len(os.sched_getaffinity(0)), WORKERS_MAX)


class JournalTable(Table):
    """`[journal]`: how far what is acknowledged may grow on disk."""

    map_size_bytes: Annotated[int, Field(ge=MAP_SIZE_BYTES_MIN, le=MAP_SIZE_BYTES_MAX)]


class SnapshotTable(Table):
    """`[snapshot]`: how often the table is copied to disk."""

    interval: Duration

    @field_validator("interval")
    @classmethod
    def _check_interval(cls, value: int) -> int:
        if not SNAPSHOT_INTERVAL_S_MIN <= value <= SNAPSHOT_INTERVAL_S_MAX:
            raise ValueError(f"value={format_duration(value)}, bound=10s to 1d")
        return value


class SprayTable(Table):
    """`[spray]`: what makes a caller a spray caller."""

    numbers: int
    window: Duration
    callers: int
    spray_callers_max: int

    def settings(self, capacity_numbers: int) -> Spray:
        """The engine's settings for a table of that capacity."""
        if not self.numbers:
            return NO_SPRAY
        callers = self.callers or min(
            max(SPRAY_CALLERS_AUTO_MIN, 1 << (capacity_numbers // 4 - 1).bit_length()),
            SPRAY_CALLERS_MOST,
        )
        return Spray(self.numbers, self.window, callers, self.spray_callers_max)

    @model_validator(mode="after")
    def _check(self) -> "SprayTable":
        callers = self.callers or SPRAY_CALLERS_AUTO_MIN
        Spray(self.numbers, self.window, callers, self.spray_callers_max).check()
        return self


class ScanTable(Table):
    """`[scan]`: how often the table is looked through."""

    period: Duration

    @field_validator("period")
    @classmethod
    def _check_period(cls, value: int) -> int:
        if not 1 <= value <= SCAN_PERIOD_S_MAX:
            raise ValueError(f"value={format_duration(value)}, bound=1s to 1h")
        return value


class QueueTable(Table):
    """`[queue]`: how long what is over is remembered."""

    reservations_kept: Duration
    left_kept: Duration

    @field_validator("reservations_kept", "left_kept")
    @classmethod
    def _check_kept(cls, value: int) -> int:
        if not 1 <= value <= KEPT_S_MAX:
            raise ValueError(f"value={format_duration(value)}, bound=1s to 400d")
        return value


class HistoryTable(Table):
    """`[history]`: where changes of numbers are kept for good."""

    url: str
    backlog_bytes: Annotated[int, Field(ge=HISTORY_BACKLOG_BYTES_MIN, le=HISTORY_BACKLOG_BYTES_MAX)]

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not value.startswith(HISTORY_URL):
            # Without the value, which may hold a password.
            raise ValueError(f"value=another URL, bound=empty or {HISTORY_URL}...")
        return value


class RuleTable(Table):
    """`[[policy.rule]]`."""

    measure: Annotated[Measure, BeforeValidator(_measure)]
    window: Duration
    limit: int
    kinds: Annotated[
        tuple[Annotated[EventKind, BeforeValidator(_kind)], ...], Field(strict=False)
    ] = ()


class PolicyTable(Table):
    """`[[policy]]`."""

    name: str
    minimum_age: Duration
    minimum_coverage: float
    rule: Annotated[tuple[RuleTable, ...], Field(strict=False)]
    maximum_age: Duration | None = None
    quiet_period: Duration = 0
    description: str = ""

    def policy(self) -> Policy:
        """The engine's policy that this table describes."""
        return Policy(
            name=self.name,
            rules=tuple(
                Rule(rule.measure, rule.window, rule.limit, frozenset(rule.kinds))
                for rule in self.rule
            ),
            minimum_age_s=self.minimum_age,
            maximum_age_s=self.maximum_age,
            quiet_period_s=self.quiet_period,
            minimum_coverage=self.minimum_coverage,
            description=self.description,
        )

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> "PolicyTable":
        assert info.context is not None
        try:
            self.policy().check(info.context["ring_entries"])
        except SettingError as error:
            # The engine's field is `rules`, the file's table is `rule`.
            raise ValueError(f"{error.field.replace('rules', 'rule', 1)}: {error.text}") from None
        return self


class PoolTable(Table):
    """`[[pool]]`."""

    name: str
    policy: str
    required_feeds: Annotated[tuple[str, ...], Field(strict=False)] = ()
    description: str = ""

    def pool(self) -> Pool:
        """The engine's pool that this table describes."""
        return Pool(self.name, self.policy, self.required_feeds, self.description)

    @model_validator(mode="after")
    def _check(self) -> "PoolTable":
        self.pool().check()
        return self


class FeedTable(Table):
    """`[[feed]]`."""

    name: str
    silence_max: Duration = SILENCE_S
    description: str = ""

    def feed(self) -> Feed:
        """The engine's feed that this table describes."""
        return Feed(self.name, silence_max_s=self.silence_max, description=self.description)

    @model_validator(mode="after")
    def _check(self) -> "FeedTable":
        self.feed().check()
        return self


class Config(Table):
    """A whole configuration: its tables, and the settings as the engine takes them."""

    server: ServerTable
    journal: JournalTable
    snapshot: SnapshotTable
    scan: ScanTable
    queue: QueueTable
    history: HistoryTable
    spray: SprayTable
    policy: Annotated[tuple[PolicyTable, ...], Field(strict=False, max_length=POLICIES_MAX)]
    pool: Annotated[tuple[PoolTable, ...], Field(strict=False, max_length=POOLS_MAX)]
    feed: Annotated[tuple[FeedTable, ...], Field(strict=False, max_length=FEEDS_MAX)] = ()

    @property
    def spray_settings(self) -> Spray:
        """What makes a caller a spray caller, with room for as many as the capacity asks for."""
        return self.spray.settings(self.server.capacity_numbers)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies in the order of the file."""
        return tuple(table.policy() for table in self.policy)

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The pools in the order of the file."""
        return tuple(table.pool() for table in self.pool)

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """The feeds in the order of the file."""
        return tuple(table.feed() for table in self.feed)


class PolicyFile(Table):
    """What `ringfence policies put` reads: one `[[policy]]`, as in the configuration."""

    policy: Annotated[tuple[PolicyTable, ...], Field(strict=False, min_length=1, max_length=1)]


class PoolFile(Table):
    """What `ringfence pools put` reads: one `[[pool]]`, as in the configuration."""

    pool: Annotated[tuple[PoolTable, ...], Field(strict=False, min_length=1, max_length=1)]


class FeedFile(Table):
    """What `ringfence feeds put` reads: one `[[feed]]`, as in the configuration."""

    feed: Annotated[tuple[FeedTable, ...], Field(strict=False, min_length=1, max_length=1)]


def default_text() -> str:
    """The default configuration as a commented file."""
    return resources.files(__package__).joinpath("default_config.toml").read_text("utf-8")


def load_config(path: str | os.PathLike[str] | None = None, **overrides: Any) -> Config:
    """The configuration of a file, or the default one; raises ConfigError with every problem.

    `overrides` are keys of `[server]` from the command line and win over the file; None is as
    good as absent.
    """
    merged = tomllib.loads(default_text())
    source = "the command line"
    if path is not None:
        source = os.fspath(path)
        given = _read(source)
        for name, table in given.items():
            default = merged.get(name)
            both = isinstance(table, dict) and isinstance(default, dict)
            merged[name] = default | table if both else table
    overrides = {key: value for key, value in overrides.items() if value is not None}
    if isinstance(merged["server"], dict):
        merged["server"] |= overrides
        ring_entries = merged["server"].get("ring_entries")
    else:
        ring_entries = None
    if ring_entries not in RING_ENTRIES:
        ring_entries = RING_ENTRIES_MAX  # refused below; the limits of rules are judged mildly
    from_options = {f"server.{key}" for key in overrides}
    try:
        config = Config.model_validate(merged, context={"ring_entries": ring_entries})
    except ValidationError as error:
        raise ConfigError(source, problems_of(error, Config), from_options) from None
    problems = _reference_problems(config)
    if problems:
        raise ConfigError(source, problems)
    return config


def first_start_problems(config: Config) -> list[str]:
    """What keeps a new installation from beginning with these settings. One that has begun may
    have had them before they were refused, and its file too.
    """
    policies = {policy.name: policy for policy in config.policies}
    problems = []
    for index, pool in enumerate(config.pools):
        try:
            check_reachable(policies[pool.policy], pool)
        except SettingError as error:
            problems.append(f"pool[{index}].policy.{error}")
    return problems


def load_policy(path: str | os.PathLike[str]) -> PolicyTable:
    """The one policy of a file; raises ConfigError. Limits are judged for the largest ring."""
    source = os.fspath(path)
    try:
        tables = PolicyFile.model_validate(
            _read(source), context={"ring_entries": RING_ENTRIES_MAX}
        )
    except ValidationError as error:
        raise ConfigError(source, problems_of(error, PolicyFile)) from None
    return tables.policy[0]


def load_pool(path: str | os.PathLike[str]) -> PoolTable:
    """The one pool of a file; raises ConfigError. Whether its policy exists the server says."""
    source = os.fspath(path)
    try:
        tables = PoolFile.model_validate(_read(source))
    except ValidationError as error:
        raise ConfigError(source, problems_of(error, PoolFile)) from None
    return tables.pool[0]


def load_feed(path: str | os.PathLike[str]) -> FeedTable:
    """The one feed of a file; raises ConfigError."""
    source = os.fspath(path)
    try:
        tables = FeedFile.model_validate(_read(source))
    except ValidationError as error:
        raise ConfigError(source, problems_of(error, FeedFile)) from None
    return tables.feed[0]


def _read(source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(source).read_text("utf-8-sig"))  # editors may mark it
    except OSError as error:
        what = wrong_path(error).removeprefix(f"{source}: ")  # which ConfigError puts before it
        raise ConfigError(source, [f"cannot be read: {what}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError(source, [f"not UTF-8: byte {error.start}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [f"not TOML: {error}"]) from None


def _reference_problems(config: Config) -> list[str]:
    """What no table can see by itself: names given twice, pools that lack what they name."""
    policy_names = [policy.name for policy in config.policy]
    pool_names = [pool.name for pool in config.pool]
    feed_names = [feed.name for feed in config.feed]
    problems = [
        f"{section}[{index}].name: value={name!r}, bound=once"
        for section, names in (
            ("policy", policy_names),
            ("pool", pool_names),
            ("feed", feed_names),
        )
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    for index, pool in enumerate(config.pool):
        if pool.policy not in policy_names:
            problems.append(
                f"pool[{index}].policy: no policy {pool.policy!r}"
                + nearest(pool.policy, policy_names)
            )
        problems += [
            f"pool[{index}].required_feeds[{n}]: no feed {feed!r}" + nearest(feed, feed_names)
            for n, feed in enumerate(pool.required_feeds)
            if feed not in feed_names
        ]
    return problems
