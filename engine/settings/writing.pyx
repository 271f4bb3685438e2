"""Publishing settings and coverage to a segment: plain code that may raise and log.

Thread safety: one process at a time, the keeper. Readers need no care: settings are written aside
and then switched with one store, coverage is odd while it changes. A writer that dies leaves it
odd until all of it is published again: nobody takes a part of it for the whole.
"""

from array import array

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ringfence.engine.memory.atomic cimport fence_release, store_relaxed_u64, store_release_u64
from ringfence.engine.memory.record cimport (
    FEED_INTERVALS_MAX,
    FEEDS_MAX,
    POLICIES_MAX,
    POOLS_MAX,
    coverage_t,
    interval_t,
    policy_t,
    pool_t,
    segment_t,
    settings_t,
    text_t,
)
from ringfence.engine.memory.segment cimport Segment

from ringfence.engine.memory.segment import SegmentError
from ringfence.engine.settings.policy import SettingError

_TIME_MAX = 2**32 - 1  # unix seconds in 32 bits


def publish_settings(Segment segment not None, policies, pools, feeds=()):
    cdef segment_t *head = segment.head()
    cdef uint64_t generation = head.settings_generation + 1
    cdef settings_t *aside = segment.settings(generation)
    _check_count("policies", policies, POLICIES_MAX)
    _check_count("pools", pools, POOLS_MAX)
    _check_count("feeds", feeds, FEEDS_MAX)
    policy_at = _indexes("policies", policies)
    feed_at = _indexes("feeds", feeds)
    _indexes("pools", pools)
    fence_release()  # who still reads these, of the one before, sees that they are not newest
    memset(aside, 0, sizeof(settings_t))
    aside.policy_count = len(policies)
    aside.pool_count = len(pools)
    aside.feed_count = len(feeds)
    for i, policy in enumerate(policies):
        if policy is not None:
            policy.check(segment.ring_entries)
            _fill_policy(&aside.policies[<int>i], policy)
            _fill_text(&aside.policy_descriptions[<int>i], policy.description)
    for i, pool in enumerate(pools):
        if pool is not None:
            pool.check()
            _fill_pool(&aside.pools[<int>i], pool, policy_at, feed_at)
            _fill_text(&aside.pool_descriptions[<int>i], pool.description)
    for i, feed in enumerate(feeds):
        if feed is not None:
            _fill_name(aside.feed_names[<int>i], feed.name)
            aside.feed_registrations[<int>i] = feed.registration
    changes = _changes(segment, enumerate(feeds))
    # Coverage is odd until both have changed: nobody pairs old pools with new feeds.
    _begin_coverage(head)
    for i, watermark, bounds, same in changes:
        _write_covered(segment, i, watermark, bounds, same)
    store_release_u64(&head.settings_generation, generation)
    store_release_u64(&head.coverage_generation, head.coverage_generation + 1)


def publish_coverage(Segment segment not None, feeds):
    cdef segment_t *head = segment.head()
    cdef uint32_t count = segment.settings(head.settings_generation).feed_count
    for i in feeds:
        if not 0 <= i < count:
            raise SettingError("feeds", f"value=index {i}, bound=below {count}")
    changes = _changes(segment, feeds.items())
    if head.coverage_generation & 1:
        raise RuntimeError("a writer that died left coverage odd: publish all of it first")
    _begin_coverage(head)
    for i, watermark, bounds, same in changes:
        _write_covered(segment, i, watermark, bounds, same)
    store_release_u64(&head.coverage_generation, head.coverage_generation + 1)


cdef void _begin_coverage(segment_t *head) noexcept:
    """Makes coverage odd, if a writer that died has not left it so."""
    store_relaxed_u64(&head.coverage_generation, head.coverage_generation | 1)
    fence_release()


def _changes(Segment segment, feeds):
    """What is to be written of feeds: index, watermark, bounds, and how many intervals stay. Found
    before anything is written, so that coverage is odd for a moment only; raises SettingError.
    """
    changes = []
    for i, feed in feeds:
        watermark = 0 if feed is None else feed.watermark
        bounds = array("I") if feed is None else feed.bounds
        if not 0 <= watermark <= _TIME_MAX:
            raise SettingError("feeds.watermark", f"value={watermark}, bound={_TIME_MAX}")
        if len(bounds) > 2 * FEED_INTERVALS_MAX:
            raise SettingError(
                "feeds.covered", f"value={len(bounds) // 2} intervals, bound={FEED_INTERVALS_MAX}"
            )
        changes.append((i, watermark, bounds, _count_same(segment.coverage() + <int>i, bounds)))
    return changes


cdef uint32_t _count_same(const coverage_t *coverage, const uint32_t[::1] bounds) except? 0:
    """How many intervals the segment has already; raises SettingError when the others are none."""
    cdef uint32_t count = <uint32_t>(bounds.shape[0] // 2), same = 0, i, ended = 0
    cdef uint32_t most = min(count, coverage.interval_count)
    while (
        same < most
        and coverage.intervals[same].begin == bounds[2 * same]
        and coverage.intervals[same].end == bounds[2 * same + 1]
    ):
        same += 1
    if same:
        ended = coverage.intervals[same - 1].end
    for i in range(same, count):
        if not ended <= bounds[2 * i] < bounds[2 * i + 1]:
            raise SettingError(
                "feeds.covered",
                f"value=[{bounds[2 * i]}, {bounds[2 * i + 1]}) after {ended}, "
                f"bound=ascending, none empty, 0 to {_TIME_MAX}",
            )
        ended = bounds[2 * i + 1]
    return same


cdef _write_covered(
    Segment segment, int index, uint32_t watermark, const uint32_t[::1] bounds, uint32_t same
):
    cdef coverage_t *coverage = segment.coverage() + index
    cdef uint32_t count = <uint32_t>(bounds.shape[0] // 2)
    coverage.watermark = watermark
    coverage.interval_count = count
    if same < count:
        memcpy(
            &coverage.intervals[same], &bounds[2 * same], (count - same) * sizeof(interval_t)
        )


def publish_spray(Segment segment not None, spray):
    cdef segment_t *head = segment.head()
    spray.check()
    if spray.callers != head.callers:
        raise SegmentError(f"callers: value={spray.callers}, bound={head.callers}")
    head.spray_numbers = spray.numbers
    head.spray_window_s = spray.window_s
    head.spray_callers_max = spray.spray_callers_max


def _check_count(name, settings, most):
    if len(settings) > most:
        raise SettingError(name, f"value={len(settings)}, bound={most}")


def _indexes(name, settings):
    """The index of each name; a name may be there once."""
    indexes = {}
    for i, setting in enumerate(settings):
        if setting is not None and indexes.setdefault(setting.name, i) != i:
            raise SettingError(name, f"value={setting.name} twice, bound=each once")
    return indexes


cdef _fill_name(char *into, str name):
    encoded = name.encode("ascii")
    memcpy(into, <const char *>encoded, len(encoded))


cdef _fill_text(text_t *into, str text):
    encoded = text.encode("utf-8")
    into.bytes = len(encoded)
    memcpy(&into.utf8[0], <const char *>encoded, len(encoded))


cdef _fill_policy(policy_t *into, policy):
    _fill_name(into.name, policy.name)
    into.revision = policy.revision
    into.minimum_coverage = policy.minimum_coverage
    into.minimum_age_s = policy.minimum_age_s
    into.maximum_age_s = policy.maximum_age_s or 0
    into.quiet_period_s = policy.quiet_period_s
    into.rule_count = len(policy.rules)
    for i, rule in enumerate(policy.rules):
        into.rules[<int>i].window_s = rule.window_s
        into.rules[<int>i].limit = rule.limit
        into.rules[<int>i].measure = rule.measure
        into.rules[<int>i].kinds = sum(1 << kind for kind in rule.kinds)


cdef _fill_pool(pool_t *into, pool, policy_at, feed_at):
    if pool.policy not in policy_at:
        raise SettingError("policy", f"value={pool.policy}, bound=a policy that exists")
    for feed in pool.required_feeds:
        if feed not in feed_at:
            raise SettingError("required_feeds", f"value={feed}, bound=a feed that exists")
    _fill_name(into.name, pool.name)
    into.revision = pool.revision
    into.policy = policy_at[pool.policy]
    into.feed_count = len(pool.required_feeds)
    for i, feed in enumerate(pool.required_feeds):
        into.feeds[<int>i] = feed_at[feed]
