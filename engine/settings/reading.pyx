"""Settings and coverage read back from a segment, where `writing.pyx` has published them.

Thread safety: any process, beside the one that publishes: what changes meanwhile is read again.
"""

from dataclasses import replace

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from ringfence.engine.memory.atomic cimport fence_acquire, load_acquire_u64, load_relaxed_u64
from ringfence.engine.memory.record cimport (
    FEEDS_MAX,
    NAME_BYTES,
    coverage_t,
    policy_t,
    pool_t,
    rule_t,
    segment_t,
    settings_t,
    text_t,
)
from ringfence.engine.memory.segment cimport Segment
from ringfence.engine.settings.settings_copy cimport COPY_LOOKS_MAX, settings_copy

from ringfence.engine.memory.segment import SegmentError
from ringfence.engine.settings.policy import NO_SPRAY, Feed, Policy, Pool, Rule, Spray
from ringfence.engine.words import EventKind, Measure

cdef tuple _read(Segment segment):
    """Policies, pools and the names of feeds, by index; None where an index is not in use."""
    cdef uint64_t generation = 0
    cdef settings_t *copy = <settings_t *>malloc(sizeof(settings_t))
    if copy == NULL:
        raise MemoryError
    try:
        if not settings_copy(segment, copy, &generation):
            raise SegmentError(f"settings never settled: looks={COPY_LOOKS_MAX}")
        feeds = [_name(copy.feed_names[i]) or None for i in range(copy.feed_count)]
        policies = [
            _policy(&copy.policies[i], &copy.policy_descriptions[i])
            for i in range(copy.policy_count)
        ]
        pools = [
            _pool(&copy.pools[i], &copy.pool_descriptions[i], policies, feeds)
            for i in range(copy.pool_count)
        ]
        return policies, pools, feeds
    finally:
        free(copy)


def read_policies(Segment segment not None):
    return _read(segment)[0]


def read_pools(Segment segment not None):
    return _read(segment)[1]


def read_feeds(Segment segment not None):
    return [
        None if name is None
        else Feed(name, _covered(segment, i), segment.coverage()[<int>i].watermark)
        for i, name in enumerate(_read(segment)[2])
    ]


def read_watermarks(Segment segment not None):
    cdef segment_t *head = segment.head()
    cdef uint64_t settings_now, coverage_now
    cdef const settings_t *settings
    cdef const coverage_t *coverage = segment.coverage()
    cdef const char *name
    cdef int look
    cdef uint32_t i
    for look in range(COPY_LOOKS_MAX):
        coverage_now = load_acquire_u64(&head.coverage_generation)
        if coverage_now & 1:
            continue
        settings_now = load_acquire_u64(&head.settings_generation)
        settings = segment.settings(settings_now)
        watermarks = {}
        for i in range(min(settings.feed_count, <uint32_t>FEEDS_MAX)):
            name = &settings.feed_names[i][0]
            if name[0]:
                held = i, settings.feed_registrations[i], coverage[i].watermark
                watermarks[name[:NAME_BYTES]] = held
        fence_acquire()
        if (
            load_relaxed_u64(&head.coverage_generation) == coverage_now
            and load_relaxed_u64(&head.settings_generation) == settings_now
        ):
            return {
                name_bytes.rstrip(b"\0").decode("ascii"): held
                for name_bytes, held in watermarks.items()
            }
    return None


cdef tuple _covered(Segment segment, int feed):
    cdef coverage_t *coverage = segment.coverage() + feed
    return tuple(
        (coverage.intervals[i].begin, coverage.intervals[i].end)
        for i in range(coverage.interval_count)
    )


def read_spray(Segment segment not None):
    cdef segment_t *head = segment.head()
    if head.spray_window_s == 0:  # nothing was published yet
        return replace(NO_SPRAY, callers=head.callers)
    return Spray(head.spray_numbers, head.spray_window_s, head.callers, head.spray_callers_max)


cdef str _name(const char *name):
    return name[:NAME_BYTES].rstrip(b"\0").decode("ascii")


cdef str _description(const text_t *text):
    return (<const char *>&text.utf8[0])[: text.bytes].decode("utf-8")


cdef object _rule(const rule_t *rule):
    kinds = frozenset(kind for kind in EventKind if rule.kinds >> <int>kind & 1)
    return Rule(Measure(rule.measure), rule.window_s, rule.limit, kinds)


cdef object _policy(const policy_t *policy, const text_t *description):
    if policy.name[0] == 0:
        return None
    return Policy(
        name=_name(policy.name),
        rules=tuple(_rule(&policy.rules[i]) for i in range(policy.rule_count)),
        minimum_age_s=policy.minimum_age_s,
        maximum_age_s=policy.maximum_age_s or None,
        quiet_period_s=policy.quiet_period_s,
        minimum_coverage=policy.minimum_coverage,
        description=_description(description),
        revision=policy.revision,
    )


cdef object _pool(const pool_t *pool, const text_t *description, policies, feeds):
    if pool.name[0] == 0:
        return None
    return Pool(
        name=_name(pool.name),
        policy=policies[pool.policy].name,
        required_feeds=tuple(feeds[pool.feeds[i]] for i in range(pool.feed_count)),
        description=_description(description),
        revision=pool.revision,
    )
