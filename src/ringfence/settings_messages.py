"""Policies, pools and feeds, and how they are doing, between `v1` and `ringfence.model`."""

from datetime import UTC

from ringfence import model
from ringfence.messages import duration_message, enums, time_of
from ringfence.v1 import quarantine_service_pb2 as quarantine_v1
from ringfence.words import EventKind, Measure, Verdict


def policy(message: quarantine_v1.Policy) -> model.Policy:
    """A policy as the server has it."""
    return model.Policy(
        name=message.name,
        rules=tuple(
            model.Rule(
                measure=Measure(rule.measure),
                window=rule.window.ToTimedelta(),
                limit=rule.limit,
                kinds=tuple(EventKind(kind) for kind in rule.kinds),
            )
            for rule in message.rules
        ),
        minimum_age=message.minimum_age.ToTimedelta(),
        maximum_age=(
            message.maximum_age.ToTimedelta() if message.HasField("maximum_age") else None
        ),
        quiet_period=message.quiet_period.ToTimedelta(),
        minimum_coverage=message.minimum_coverage,
        description=message.description,
        revision=message.revision,
    )


def policy_message(policy: model.Policy) -> quarantine_v1.Policy:
    """A policy to send."""
    message = quarantine_v1.Policy(
        name=policy.name,
        minimum_age=duration_message(policy.minimum_age),
        quiet_period=duration_message(policy.quiet_period),
        minimum_coverage=policy.minimum_coverage,
        description=policy.description,
        revision=policy.revision,
    )
    if policy.maximum_age is not None:
        message.maximum_age.FromTimedelta(policy.maximum_age)
    for rule in policy.rules:
        (measure,) = enums([rule.measure])
        message.rules.add(
            measure=measure,
            kinds=enums(rule.kinds),
            window=duration_message(rule.window),
            limit=rule.limit,
        )
    return message


def pool(message: quarantine_v1.Pool) -> model.Pool:
    """A pool as the server has it."""
    return model.Pool(
        name=message.name,
        policy=message.policy,
        required_feeds=tuple(message.required_feeds),
        description=message.description,
        revision=message.revision,
    )


def pool_message(pool: model.Pool) -> quarantine_v1.Pool:
    """A pool to send."""
    return quarantine_v1.Pool(
        name=pool.name,
        policy=pool.policy,
        required_feeds=pool.required_feeds,
        description=pool.description,
        revision=pool.revision,
    )


def pool_status(message: quarantine_v1.PoolStatus) -> model.PoolStatus:
    """A pool with its counts."""
    return model.PoolStatus(
        pool=pool(message.pool),
        verdict_counts={Verdict(v.verdict): v.count for v in message.verdict_counts},
        overdue=message.overdue,
        forecast=tuple(message.forecast),
        counted_at=time_of(message, "counted_at"),
        complaints=message.complaints,
        assigned_total=message.assigned_total,
    )


def feed(message: quarantine_v1.Feed) -> model.Feed:
    """A feed as the server has it."""
    return model.Feed(
        name=message.name,
        silence_max=message.silence_max.ToTimedelta() if message.HasField("silence_max") else None,
        description=message.description,
        revision=message.revision,
    )


def feed_message(feed: model.Feed) -> quarantine_v1.Feed:
    """A feed to send."""
    return quarantine_v1.Feed(
        name=feed.name,
        silence_max=None if feed.silence_max is None else duration_message(feed.silence_max),
        description=feed.description,
        revision=feed.revision,
    )


def feed_status(message: quarantine_v1.FeedStatus) -> model.FeedStatus:
    """A feed with what it has covered."""
    return model.FeedStatus(
        feed=feed(message.feed),
        watermark=time_of(message, "watermark"),
        lag=message.lag.ToTimedelta() if message.HasField("lag") else None,
        events_last_minute=message.events_last_minute,
        events_last_day=message.events_last_day,
        gaps=tuple(
            model.Gap(time_of(gap, "began_at"), time_of(gap, "ended_at")) for gap in message.gaps
        ),
    )


def status(message: quarantine_v1.GetStatusResponse) -> model.Status:
    """How the installation is doing."""
    return model.Status(
        version=message.version,
        workers=message.workers,
        capacity_numbers=message.capacity_numbers,
        numbers=message.numbers,
        ring_entries=message.ring_entries,
        events_total=message.events_total,
        spray_callers=message.spray_callers,
        spray_events=message.spray_events,
        spray_numbers=message.spray_numbers,
        spray_window=message.spray_window.ToTimedelta(),
        snapshot_at=time_of(message, "snapshot_at"),
        journal_writable=message.journal_writable,
        time=time_of(message, "time"),
        time_dispute=message.time_dispute,
        wall_clock=time_of(message, "wall_clock"),
        wall_clock_synchronised=message.wall_clock_synchronised,
        numbers_ready=message.numbers_ready,
        room_held_up=message.room_held_up,
    )


def accepted_clock(message: quarantine_v1.AcceptClockResponse) -> model.AcceptedClock:
    """What time it is once the wall clock was accepted."""
    return model.AcceptedClock(message.time.ToDatetime(tzinfo=UTC), message.disputed)
