"""Declares `record.h`, which draws and explains all of this."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "record.h" nogil:
    const uint64_t SEGMENT_MAGIC
    const uint32_t SEGMENT_VERSION
    const uint32_t PAGE_BYTES
    const int NUMBER_BITS
    const uint64_t NUMBER_MASK
    const uint64_t NUMBER_LEAST
    const uint64_t NUMBER_MOST
    const uint64_t STATE_MASK
    const uint64_t GENERATION_ONE
    const uint64_t GENERATION_MASK
    const int SINCE_SHIFT
    const int HEADER_READS_MAX
    const int OBSERVED_HOURS_SHIFT
    const uint32_t REASON_MASK
    const int TIME_SHIFT
    const int MARK_SHIFT
    const uint64_t MARK_MASK
    const uint64_t KIND_MASK
    const int KIND_MOST
    const uint32_t SPRAY_MAP_BYTES
    const uint64_t COUNTERS_OFFSET
    const uint64_t SETTINGS_OFFSET
    const uint64_t SETTINGS_BYTES
    const uint64_t COVERAGE_OFFSET
    const uint64_t SPRAY_OFFSET
    const uint64_t INDEX_OFFSET
    uint64_t INDEX_SLOTS(uint64_t capacity_numbers) noexcept
    uint64_t RECORD_BYTES(uint32_t ring_entries) noexcept
    uint64_t RECORDS_OFFSET(uint64_t capacity_numbers) noexcept
    uint64_t SPANS_OFFSET(uint64_t capacity_numbers, uint32_t ring_entries) noexcept
    uint32_t RECORD_SPANS(uint32_t ring_entries) noexcept
    uint64_t CALLERS_OFFSET(uint64_t capacity_numbers, uint32_t ring_entries) noexcept
    uint64_t CALLERS_BYTES(uint64_t callers) noexcept
    uint64_t SEGMENT_BYTES(
        uint64_t capacity_numbers, uint32_t ring_entries, uint64_t callers
    ) noexcept
    cdef enum:
        MARK_BITS
        BUCKET_CALLERS
        CALLER_ENTRIES
        RING_ENTRIES_MAX
        STRETCH_WORDS
        STRETCHES_MAX
        POLICIES_MAX
        POOLS_MAX
        FEEDS_MAX
        RULES_MAX
        POOL_FEEDS_MAX
        FEED_INTERVALS_MAX
        NAME_BYTES
        DESCRIPTION_BYTES_MAX
        WORKERS_MAX

    ctypedef struct record_t "struct record":
        uint64_t key
        uint64_t control
        uint32_t quarantined_at
        uint32_t override_at
        uint32_t events_total
        uint32_t origin
        uint64_t entries[1]

    ctypedef struct counters_t "struct counters":
        uint64_t batches
        uint64_t accepted
        uint64_t untracked
        uint64_t rejected
        uint64_t journalled
        uint64_t spray
        uint64_t inserting

    ctypedef struct rule_t "struct rule":
        uint32_t window_s
        uint32_t limit
        uint8_t measure
        uint8_t kinds

    ctypedef struct policy_t "struct policy":
        char name[NAME_BYTES]
        uint64_t revision
        double minimum_coverage
        uint32_t minimum_age_s
        uint32_t maximum_age_s
        uint32_t quiet_period_s
        uint32_t rule_count
        rule_t rules[RULES_MAX]

    ctypedef struct pool_t "struct pool":
        char name[NAME_BYTES]
        uint64_t revision
        uint16_t policy
        uint16_t feed_count
        uint16_t feeds[POOL_FEEDS_MAX]

    ctypedef struct text_t "struct text":
        uint32_t bytes
        char utf8[DESCRIPTION_BYTES_MAX]

    ctypedef struct settings_t "struct settings":
        uint32_t policy_count
        uint32_t pool_count
        uint32_t feed_count
        policy_t policies[POLICIES_MAX]
        pool_t pools[POOLS_MAX]
        char feed_names[FEEDS_MAX][NAME_BYTES]
        uint32_t feed_registrations[FEEDS_MAX]
        text_t policy_descriptions[POLICIES_MAX]
        text_t pool_descriptions[POOLS_MAX]

    ctypedef struct interval_t "struct interval":
        uint32_t begin
        uint32_t end

    ctypedef struct coverage_t "struct coverage":
        uint32_t interval_count
        uint32_t watermark
        interval_t intervals[FEED_INTERVALS_MAX]

    ctypedef struct bucket_t "struct bucket":
        uint64_t heads[BUCKET_CALLERS]
        uint64_t entries[BUCKET_CALLERS][CALLER_ENTRIES]

    ctypedef struct segment_t "struct segment":
        uint64_t magic
        uint32_t version
        uint32_t ring_entries
        uint64_t capacity_numbers
        uint64_t segment_bytes
        uint8_t folder_id[16]
        uint64_t numbers
        uint64_t settings_generation
        uint64_t coverage_generation
        uint64_t applied
        uint64_t written
        uint64_t booted_at_ns
        uint8_t boot_id[16]
        uint8_t start_id[16]
        uint64_t callers
        uint64_t spray_callers_max
        uint32_t spray_numbers
        uint32_t spray_window_s
        uint64_t spray_callers
        uint64_t index_moves
        uint64_t epoch
        uint64_t index_hole

cdef enum:
    # The states of a number in `control`; words.State says the same to Python.
    STATE_EMPTY = 0
    STATE_QUARANTINED = 1
    STATE_HELD = 2
    STATE_RESERVED = 3
    STATE_ASSIGNED = 4
    STATE_RETIRED = 5
    STATE_FREE = 6
