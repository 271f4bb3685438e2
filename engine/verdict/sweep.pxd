"""Sweeps over the records, in the order in which their numbers first came."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport load_acquire_u64
from ringfence.engine.verdict.evaluate cimport (
    LOOK_DONE,
    LOOK_STALE,
    look_t,
    number_t,
    record_evaluate,
    view_t,
)
from ringfence.engine.memory.record cimport (
    NUMBER_MASK,
    NUMBER_MOST,
    STATE_EMPTY,
    STATE_FREE,
    record_t,
)
from ringfence.engine.table.table cimport table_at
from ringfence.engine.verdict.observed cimport observed_enough
from ringfence.engine.verdict.verdict cimport (
    VERDICT_AGING,
    VERDICT_NOISY,
    VERDICT_UNOBSERVED,
    verdict_expected,
)

cdef enum:
    VERDICTS = 10  # columns of a count: a verdict is its own index
    CLEAN_AT_MOST = 0xffffffff
    DAY_S = 86_400

ctypedef struct candidate_t:
    # A row of CANDIDATE.
    uint64_t number
    uint32_t clean_at
    uint16_t pool
    uint16_t spare

ctypedef struct selection_t:
    int pool  # -1 = every pool
    uint32_t verdicts  # bit v = verdict v
    bint overdue_only
    uint64_t prefix  # digits, followed by zeros up to 15; 0 = any number
    uint64_t prefix_end
    uint64_t least  # no shorter number begins with the prefix

cdef inline bint has_prefix(uint64_t number, const selection_t *wanted) noexcept nogil:
    if wanted.prefix == 0:
        return True
    if number < wanted.least:
        return False
    while number < NUMBER_MOST // 10 + 1:
        number *= 10
    return wanted.prefix <= number < wanted.prefix_end

cdef inline bint is_on_its_way(const number_t *number) noexcept nogil:
    """Whether it becomes clean later if it stays silent and is listened to."""
    cdef uint32_t verdict = number.evaluation.verdict
    return verdict == VERDICT_AGING or verdict == VERDICT_NOISY or verdict == VERDICT_UNOBSERVED

cdef inline bint is_clean_by(const number_t *number, int64_t t) noexcept nogil:
    """Whether expected_at of a number on its way is not later than `t`, which is not before now:
    from then on the covered share only grows. One look, where expected_at itself takes many.
    """
    return t >= number.evaluation.clean_at and observed_enough(&number.evaluation.observed, t)

cdef inline int64_t expected_day(
    const number_t *number, int64_t now, int64_t days
) noexcept nogil:
    """The day from now on, 0 is the first, in which expected_at of a number on its way lies;
    `days` = later than that many.
    """
    cdef int64_t low = max(<int64_t>0, (number.evaluation.clean_at - now - 1) // DAY_S)
    cdef int64_t high = days, middle = low  # where no coverage is wanting it is that one
    while low < high:
        if is_clean_by(number, now + (middle + 1) * DAY_S):
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return high

cdef inline void expect_sooner(
    const number_t *number, int64_t now, uint32_t *next_clean_at
) noexcept nogil:
    """Makes it expected_at of a number on its way where that is less; 0 = there was none yet."""
    if next_clean_at[0] == 0 or is_clean_by(number, <int64_t>next_clean_at[0] - 1):
        next_clean_at[0] = <uint32_t>min(
            verdict_expected(&number.evaluation, now), <int64_t>CLEAN_AT_MOST
        )

cdef inline uint64_t select_numbers(
    const view_t *view, uint64_t at, uint64_t end, int64_t now, const selection_t *wanted,
    uint64_t *numbers, uint64_t numbers_max, uint64_t *found,
) noexcept nogil:
    """Fills `numbers` from a record on; returns the first record that it did not look at."""
    cdef const record_t *record
    cdef uint64_t key
    cdef number_t number
    cdef look_t look
    while at < end and found[0] < numbers_max:
        record = table_at(&view.table, at)
        key = load_acquire_u64(&record.key)
        if has_prefix(key & NUMBER_MASK, wanted):
            look = record_evaluate(view, record, now, now, False, &number)
            if look == LOOK_STALE:
                return at
            if (
                look == LOOK_DONE
                and number.header.state != STATE_FREE
                and number.header.state != STATE_EMPTY
                and has_prefix(number.header.number, wanted)  # the record may be another's by now
                and (wanted.pool < 0 or <uint32_t>wanted.pool == number.header.pool)
                and wanted.verdicts >> number.evaluation.verdict & 1
                and (number.evaluation.overdue or not wanted.overdue_only)
            ):
                numbers[found[0]] = number.header.number
                found[0] += 1
        at += 1
    return at
