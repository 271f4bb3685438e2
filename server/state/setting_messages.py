"""Settings between the contract's messages and the engine's objects.

Reading refuses what the engine's objects cannot hold; their own `check()` does the rest.
"""

from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import cast

from google.protobuf.duration_pb2 import Duration

from ringfence.engine.settings.policy import (
    POOL_FEEDS_MAX,
    RULES_MAX,
    SILENCE_S,
    Feed,
    Policy,
    Pool,
    Rule,
    SettingError,
)
from ringfence.engine.words import EventKind, Measure
from ringfence.v1 import quarantine_service_pb2 as pb
from ringfence.v1 import types_pb2

KINDS_MAX = 64  # each may be named more than once, within reason


@contextmanager
def naming(setting: str) -> Iterator[None]:
    """Says of a problem where in the request it is: `policy.rules[0].limit`."""
    try:
        yield
    except SettingError as error:
        raise SettingError(f"{setting}.{error.field}", error.text) from None


def read_policy(message: pb.Policy) -> Policy:
    """The policy of a message; raises SettingError."""
    _bound("rules", message.rules, RULES_MAX)
    return Policy(
        name=message.name,
        rules=tuple(_read_rule(f"rules[{i}]", rule) for i, rule in enumerate(message.rules)),
        minimum_age_s=_seconds("minimum_age", message.minimum_age),
        maximum_age_s=(
            _seconds("maximum_age", message.maximum_age)
            if message.HasField("maximum_age")
            else None
        ),
        quiet_period_s=_seconds("quiet_period", message.quiet_period),
        minimum_coverage=message.minimum_coverage,
        description=message.description,
        revision=message.revision,
    )


def policy_message(policy: Policy) -> pb.Policy:
    """The message of a policy."""
    return pb.Policy(
        name=policy.name,
        rules=[
            pb.Rule(
                measure=cast(types_pb2.Measure, int(rule.measure)),
                kinds=[cast(types_pb2.EventKind, int(kind)) for kind in sorted(rule.kinds)],
                window=Duration(seconds=rule.window_s),
                limit=rule.limit,
            )
            for rule in policy.rules
        ],
        minimum_age=Duration(seconds=policy.minimum_age_s),
        maximum_age=(
            None if policy.maximum_age_s is None else Duration(seconds=policy.maximum_age_s)
        ),
        quiet_period=Duration(seconds=policy.quiet_period_s),
        minimum_coverage=policy.minimum_coverage,
        description=policy.description,
        revision=policy.revision,
    )


def read_pool(message: pb.Pool) -> Pool:
    """The pool of a message; raises SettingError."""
    _bound("required_feeds", message.required_feeds, POOL_FEEDS_MAX)
    return Pool(
        name=message.name,
        policy=message.policy,
        required_feeds=tuple(message.required_feeds),
        description=message.description,
        revision=message.revision,
    )


def pool_message(pool: Pool) -> pb.Pool:
    """The message of a pool."""
    return pb.Pool(
        name=pool.name,
        policy=pool.policy,
        required_feeds=pool.required_feeds,
        description=pool.description,
        revision=pool.revision,
    )


def read_feed(message: pb.Feed) -> Feed:
    """The feed of a message; raises SettingError."""
    return Feed(
        name=message.name,
        silence_max_s=(
            _seconds("silence_max", message.silence_max)
            if message.HasField("silence_max")
            else SILENCE_S
        ),
        description=message.description,
        revision=message.revision,
    )


def feed_message(feed: Feed) -> pb.Feed:
    """The message of a feed."""
    return pb.Feed(
        name=feed.name,
        silence_max=Duration(seconds=feed.silence_max_s),
        description=feed.description,
        revision=feed.revision,
    )


def _read_rule(field: str, rule: pb.Rule) -> Rule:
    if not 1 <= rule.measure <= max(Measure):
        raise SettingError(f"{field}.measure", f"value={rule.measure}, bound=1 to {max(Measure):d}")
    _bound(f"{field}.kinds", rule.kinds, KINDS_MAX)
    for index, kind in enumerate(rule.kinds):
        if not 1 <= kind <= max(EventKind):
            raise SettingError(
                f"{field}.kinds[{index}]", f"value={kind}, bound=1 to {max(EventKind):d}"
            )
    return Rule(
        measure=Measure(rule.measure),
        window_s=_seconds(f"{field}.window", rule.window),
        limit=rule.limit,
        kinds=frozenset(EventKind(kind) for kind in rule.kinds),
    )


def _bound(field: str, entries: Sized, most: int) -> None:
    # Before each is looked at: a message has room for two million.
    if len(entries) > most:
        raise SettingError(field, f"value={len(entries)}, bound={most}")


def _seconds(field: str, duration: Duration) -> int:
    if duration.nanos:
        raise SettingError(
            field, f"value={duration.seconds} s + {duration.nanos} ns, bound=whole seconds"
        )
    return duration.seconds
