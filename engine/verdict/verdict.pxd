"""The verdict: a pure function of a header, a ring, a policy, spray map, coverage and a time.

The numbered steps are those of `verdict_evaluate`; `tests/oracle.py` says the same in plain
Python. All arithmetic is in 64 bits; the ring comes sorted ascending, so time runs forward.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from ringfence.engine.events.callers cimport entry_is_spray
from ringfence.engine.verdict.coverage cimport pool_coverage_t
from ringfence.engine.verdict.observed cimport (
    observed_covered_s,
    observed_expected,
    observed_interval_s,
    observed_t,
    share_enough,
)
from ringfence.engine.memory.record cimport (
    RING_ENTRIES_MAX,
    RULES_MAX,
    STATE_ASSIGNED,
    STATE_EMPTY,
    STATE_FREE,
    STATE_HELD,
    STATE_RESERVED,
    STATE_RETIRED,
    policy_t,
    rule_t,
)
from ringfence.engine.table.entry cimport entry_kind, entry_mark, entry_time
from ringfence.engine.table.header cimport header_t
from ringfence.engine.table.table cimport LINE_BYTES

cdef enum:
    # Verdicts and measures; words.py says them to Python.
    VERDICT_CLEAN = 1
    VERDICT_AGING = 2
    VERDICT_NOISY = 3
    VERDICT_UNOBSERVED = 4
    VERDICT_HELD = 5
    VERDICT_RESERVED = 6
    VERDICT_ASSIGNED = 7
    VERDICT_RETIRED = 8
    VERDICT_UNTRACKED = 9
    MEASURE_EVENTS = 1
    MEASURE_CALLERS = 2
    MEASURE_REPEAT_CALLERS = 3
    CALLERS_MOST = 256  # as many as the largest ring has entries, in whole lines
    MARK_SLOTS_MOST = 512  # twice as many

ctypedef struct rule_result_t:
    uint32_t value
    bint broken
    bint saturated

ctypedef struct evaluation_t:
    uint32_t verdict
    int64_t clean_at  # 0 = does not apply
    bint overridden
    bint overdue
    observed_t observed
    int64_t covered_s
    int64_t interval_s  # of which covered_s were covered
    rule_result_t rules[RULES_MAX]

ctypedef struct counted_t:
    # The entries that a rule counts, in ascending time, with their callers numbered.
    uint32_t count
    int64_t times[RING_ENTRIES_MAX]
    uint8_t callers[RING_ENTRIES_MAX]  # equal callers have equal numbers below count
    bint known[RING_ENTRIES_MAX]  # the caller was not withheld

ctypedef struct measured_t:
    # A measure over a sliding window: entries come in at the end and leave at the beginning.
    uint32_t measure
    uint32_t value
    uint8_t of_caller[CALLERS_MOST]

cdef inline uint32_t entries_select(
    const header_t *header, const uint64_t *ring, uint32_t entries, const uint8_t *spray_map,
    int64_t t, uint64_t *countable,
) noexcept nogil:
    """Takes the entries that a rule can count: of times from quarantine to `t`, no spray."""
    cdef uint32_t i, count = 0
    for i in range(entries):
        if entry_time(ring[i]) > t:
            break
        countable[count] = ring[i]  # the next one goes there unless this one counts
        count += entry_time(ring[i]) >= header.quarantined_at and not entry_is_spray(
            ring[i], spray_map
        )
    return count

cdef inline void rule_select(
    const rule_t *rule, const uint64_t *countable, uint32_t entries, counted_t *counted
) noexcept nogil:
    """Takes those of its kinds."""
    cdef uint32_t i, count = 0
    cdef uint32_t kinds = rule.kinds if rule.kinds else 0xff
    cdef uint32_t marks[RING_ENTRIES_MAX]
    for i in range(entries):
        marks[count] = entry_mark(countable[i])
        counted.times[count] = entry_time(countable[i])
        counted.known[count] = marks[count] != 0
        count += kinds >> entry_kind(countable[i]) & 1  # no branch: kinds come in any order
    counted.count = count
    if count and rule.measure != MEASURE_EVENTS:  # which does not ask who called
        callers_number(&marks[0], count, &counted.callers[0])

cdef inline void bytes_clear(uint8_t *cells, uint32_t count) noexcept nogil:
    """Zeroes so many bytes, and those behind them in the same line."""
    cdef uint32_t at = 0
    while at < count:
        memset(&cells[at], 0, LINE_BYTES)
        at += LINE_BYTES

cdef inline void callers_number(
    const uint32_t *marks, uint32_t count, uint8_t *callers
) noexcept nogil:
    """Numbers callers by the place of their first entry, in a table of places by mark."""
    cdef uint8_t first_of[MARK_SLOTS_MOST]  # place + 1; 0 = nobody
    cdef uint32_t slots = LINE_BYTES, i, slot
    while slots < 2 * count:
        slots *= 2
    bytes_clear(&first_of[0], slots)
    for i in range(count):
        slot = marks[i] & (slots - 1)
        while first_of[slot] and marks[first_of[slot] - 1] != marks[i]:
            slot = (slot + 1) & (slots - 1)
        if first_of[slot] == 0:
            first_of[slot] = <uint8_t>(i + 1)
        callers[i] = first_of[slot] - 1

cdef inline void measured_begin(
    measured_t *measured, uint32_t measure, uint32_t callers
) noexcept nogil:
    measured.measure = measure
    measured.value = 0
    if measure != MEASURE_EVENTS:  # which does not ask who called
        bytes_clear(&measured.of_caller[0], callers)

cdef inline void measured_add(
    measured_t *measured, const counted_t *counted, uint32_t i
) noexcept nogil:
    cdef uint8_t *calls
    if measured.measure == MEASURE_EVENTS:
        measured.value += 1
        return
    calls = &measured.of_caller[counted.callers[i]]
    calls[0] += 1
    if measured.measure == MEASURE_CALLERS:
        measured.value += calls[0] == 1
    else:
        measured.value += counted.known[i] and calls[0] == 2

cdef inline void measured_remove(
    measured_t *measured, const counted_t *counted, uint32_t i
) noexcept nogil:
    cdef uint8_t *calls
    if measured.measure == MEASURE_EVENTS:
        measured.value -= 1
        return
    calls = &measured.of_caller[counted.callers[i]]
    calls[0] -= 1
    if measured.measure == MEASURE_CALLERS:
        measured.value -= calls[0] == 0
    else:
        measured.value -= counted.known[i] and calls[0] == 1

cdef inline int64_t rule_back_at(
    const rule_t *rule, const counted_t *counted, uint32_t first, uint32_t last
) noexcept nogil:
    """When the measure is back within the limit after a violation whose window holds the entries
    first to last. Entries that come later need no look: one that comes before that moment would
    be a violation itself, and the last one is asked about.
    """
    cdef measured_t measured
    cdef uint32_t i
    measured_begin(&measured, rule.measure, counted.count)
    for i in range(first, last + 1):
        measured_add(&measured, counted, i)
    i = first
    while measured.value > rule.limit:
        measured_remove(&measured, counted, i)
        i += 1
    return counted.times[i - 1] + rule.window_s

cdef inline bint rule_sweep(
    const rule_t *rule, const counted_t *counted, int64_t t,
    uint32_t *value, int64_t *violated_at, int64_t *back_at,
) noexcept nogil:
    """Measures the rule at each of its entries and at `t`; whether there was a violation."""
    cdef measured_t measured
    cdef uint32_t i = 0, first = 0, violation_first = 0, violation_last = 0
    cdef bint violated = False
    if counted.count == 0:  # as most are, of numbers that are quiet
        value[0] = 0
        return False
    measured_begin(&measured, rule.measure, counted.count)
    while i < counted.count:
        measured_add(&measured, counted, i)
        i += 1
        if i < counted.count and counted.times[i] == counted.times[i - 1]:
            continue  # all entries of one second count before it is judged
        while counted.times[first] <= counted.times[i - 1] - rule.window_s:
            measured_remove(&measured, counted, first)
            first += 1
        if measured.value > rule.limit:
            violated = True
            violation_first = first
            violation_last = i - 1
    while first < counted.count and counted.times[first] <= t - rule.window_s:
        measured_remove(&measured, counted, first)
        first += 1
    value[0] = measured.value
    if violated:
        violated_at[0] = counted.times[violation_last]
        back_at[0] = rule_back_at(rule, counted, violation_first, violation_last)
    return violated

cdef inline bint override_in_force(
    const header_t *header, const uint64_t *ring, uint32_t entries, int64_t t
) noexcept nogil:
    """Whether an override was given by `t` and no entry that counts has come between."""
    cdef uint32_t i
    cdef int64_t since = max(header.override_at, header.quarantined_at)
    if header.override_at == 0 or header.override_at > t:
        return False
    for i in range(entries):
        if since <= entry_time(ring[i]) <= t:
            return False
    return True

cdef inline void evidence_evaluate(
    const header_t *header, const uint64_t *ring, uint32_t entries, uint32_t ring_entries,
    const policy_t *policy, const uint8_t *spray_map, const pool_coverage_t *coverage,
    int64_t t, int64_t now, evaluation_t *out,
) noexcept nogil:
    """Steps 3 to 8: what events, age and coverage say, whatever the state. Sets all but overdue."""
    cdef counted_t counted
    cdef uint64_t countable[RING_ENTRIES_MAX]
    cdef uint32_t count = entries_select(header, ring, entries, spray_map, t, &countable[0])
    cdef int64_t q = header.quarantined_at
    cdef int64_t violated_at = 0, back_at = 0, longest_s = 0
    cdef int64_t clean_at = q + policy.minimum_age_s
    cdef bint noisy = False
    cdef bint full = entries == ring_entries and entry_time(ring[0]) >= q
    cdef uint32_t i
    cdef const rule_t *rule
    cdef rule_result_t *result
    for i in range(policy.rule_count):
        rule = &policy.rules[i]
        result = &out.rules[i]
        longest_s = max(longest_s, <int64_t>rule.window_s)
        rule_select(rule, &countable[0], count, &counted)
        if rule_sweep(rule, &counted, t, &result.value, &violated_at, &back_at):
            clean_at = max(clean_at, violated_at + policy.quiet_period_s, back_at)
            noisy = noisy or t < violated_at + policy.quiet_period_s
        result.saturated = full and (
            entry_time(ring[0]) > t - (<int64_t>rule.window_s + policy.quiet_period_s)
        )
        result.broken = result.value > rule.limit or result.saturated
        noisy = noisy or result.broken
    if full:
        clean_at = max(clean_at, entry_time(ring[0]) + longest_s + policy.quiet_period_s)
    out.clean_at = clean_at
    out.observed.coverage = coverage
    out.observed.now = now
    out.observed.quarantined_at = q
    out.observed.observed_since = header.observed_since
    out.observed.reach_s = longest_s + policy.quiet_period_s
    out.observed.minimum = policy.minimum_coverage
    out.interval_s = max(<int64_t>0, observed_interval_s(&out.observed, t))
    out.covered_s = observed_covered_s(&out.observed, t)
    if noisy:
        out.verdict = VERDICT_NOISY
    elif t < q + policy.minimum_age_s:
        out.verdict = VERDICT_AGING
    elif not share_enough(out.covered_s, out.interval_s, policy.minimum_coverage):
        out.verdict = VERDICT_UNOBSERVED
    else:
        out.verdict = VERDICT_CLEAN

cdef inline uint32_t state_verdict(const header_t *header, int64_t t) noexcept nogil:
    """Step 1: the verdict that follows from the state alone; 0 when events decide."""
    if header.state == STATE_EMPTY or header.state == STATE_FREE or t < header.quarantined_at:
        return VERDICT_UNTRACKED
    if header.state == STATE_RETIRED:
        return VERDICT_RETIRED
    if header.state == STATE_ASSIGNED:
        return VERDICT_ASSIGNED
    if header.state == STATE_HELD:
        return VERDICT_HELD
    if header.state == STATE_RESERVED and header.since > t:
        return VERDICT_RESERVED
    return 0

cdef inline void verdict_evaluate(
    const header_t *header, const uint64_t *ring, uint32_t entries, uint32_t ring_entries,
    const policy_t *policy, const uint8_t *spray_map, const pool_coverage_t *coverage,
    int64_t t, int64_t now, bint explain, evaluation_t *out,
) noexcept nogil:
    """The verdict at `t` of a number whose ring, sorted ascending, holds `entries` entries of
    `ring_entries`. `explain` asks for rules and coverage even where the verdict needs none.
    """
    cdef uint32_t decided = state_verdict(header, t)
    cdef int64_t due_at = header.quarantined_at + policy.maximum_age_s
    out.overridden = override_in_force(header, ring, entries, t)
    out.overdue = False
    if explain or (decided == 0 and not out.overridden):
        evidence_evaluate(
            header, ring, entries, ring_entries, policy, spray_map, coverage, t, now, out
        )
    if decided:
        out.verdict = decided
        out.clean_at = 0
    elif out.overridden:
        out.verdict = VERDICT_CLEAN
        out.clean_at = header.override_at
    out.overdue = (
        policy.maximum_age_s != 0
        and due_at <= t
        and out.verdict != VERDICT_CLEAN
        and out.verdict != VERDICT_RESERVED
        and out.verdict != VERDICT_ASSIGNED
        and out.verdict != VERDICT_RETIRED
        and out.verdict != VERDICT_UNTRACKED
    )

cdef inline int64_t verdict_expected(const evaluation_t *evaluation, int64_t t) noexcept nogil:
    """expected_at: the first moment from `t` on at which the verdict would be CLEAN if the number
    stays silent and is listened to from now on; 0 where clean_at is. Before clean_at it is noisy
    or too young, after it only coverage can be wanting.
    """
    if evaluation.verdict == VERDICT_CLEAN:
        return t
    if (
        evaluation.verdict == VERDICT_AGING
        or evaluation.verdict == VERDICT_NOISY
        or evaluation.verdict == VERDICT_UNOBSERVED
    ):
        return observed_expected(&evaluation.observed, max(t, evaluation.clean_at))
    return 0
