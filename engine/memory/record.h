/* The layout of the shared segment: every field with its unit, who writes it and how it is read.
 *
 * No behaviour here. A file (or mapping) of zero bytes is a table of valid empty records.
 *
 *   +--------+----------+----------+----------+-------+-------------+----------+-------+---------+
 *   | header | counters | settings | coverage | spray | index       | records  | spans | callers |
 *   |        |          | x 2      |          | map   | 2 x 8 bytes | one      |       | buckets |
 *   |        |          |          |          |       | a number    | a number |       | of 16   |
 *   +--------+----------+----------+----------+-------+-------------+----------+-------+---------+
 *
 * The index is open addressing with linear probing, half full at most, so that a search mostly
 * ends in the cache line where it begins and a number that is not there costs one line. A record
 * never moves. Once its number has left it can become another's (slots.pyx says how). An index
 * entry, which may go to an earlier place of its search when others leave the index (index.pxd):
 *
 *                  63                         32 31                             0
 *                  | low 32 bits of the mixed  | record + 1 (0 = empty)         |
 *
 * A record is RECORD_HEADER_BYTES and K entries: 128 bytes for K = 12, 256 for 28, 512 for 60,
 * 1,024 for 124 and 2,048 for 252.
 *
 *    0 key          63            50 49                                             0
 *                   | pool 14       | number 50 (digits as an integer; 0 = empty)   |
 *    8 control      63            32 31                              8 7            0
 *                   | since 32      | generation 24 (odd = changing)  | state 8      |
 *   16 quarantined_at  u32, unix seconds
 *   20 override_at     u32, unix seconds, 0 = none
 *   24 events_total    u32, accepted events with resends; for people, outside verdicts
 *   28 origin          31                                            8 7            0
 *                      | hours 24 from quarantined_at to observed_since | reason 8    |
 *   32 entries[K]      63            32 31                           8 7            0
 *                      | unix seconds 32 | caller mark 24              | kind 8       |
 *
 * Records of 1,024 bytes and more are looked through by stretches of 128 bytes, two cache lines;
 * the first one begins with the header. Stretch i of all these has span i (stretch.pxd): bounds of
 * the times in it, 0 = it has had no entry.
 *
 *     span         63            32 31                              0
 *                  | not later 32   | not before 32                 |
 *
 * The caller table says who calls many numbers (callers.pxd). With 2^b buckets a caller lies in
 * the one of its mark's low b bits, with
 *
 *   its head       63            32 31                              8 7            0
 *                  | newest call 32 | caller mark 24              | spare 8      |
 *   8 entries      63            32 31             24 - b 23 - b                  0
 *                  | unix seconds 32 | mixed number 8 + b | high bits of its mark |
 *
 * Who writes what, and in which memory order:
 *   index           the keeper, release, after the record is whole; readers acquire, and look
 *        again where they find nothing and index_moves has changed meanwhile
 *   key, control, quarantined_at, override_at, origin   the keeper, under an odd generation:
 *        control (odd) - release fence - fields - key - control (even, release).
 *        Readers: control (acquire), fields, acquire fence, control again.
 *   events_total    any worker, fetch-add, relaxed
 *   entries         any worker, compare-and-swap, never to a smaller value (see ring.pxd), but out
 *        of the ring of a number that left; the keeper empties rings of numbers that come or leave
 *   spans           any worker, compare-and-swap; the keeper zeroes those of a ring that it empties
 *   spray map       any worker sets bits, the keeper clears some; relaxed
 *   callers         any worker, compare-and-swap; a statistic
 */
#ifndef RINGFENCE_RECORD_H
#define RINGFENCE_RECORD_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_MAGIC 0x45434e4546474e52ull /* "RNGFENCE", little-endian */
#define SEGMENT_VERSION 6u
#define PAGE_BYTES 4096u

#define NUMBER_BITS 50
#define NUMBER_MASK ((1ull << NUMBER_BITS) - 1)
#define NUMBER_LEAST 1000000ull         /* 7 digits */
#define NUMBER_MOST 999999999999999ull  /* 15 digits */

#define STATE_MASK 0xffull
#define GENERATION_ONE (1ull << 8)
#define GENERATION_MASK (0xffffffull << 8)
#define SINCE_SHIFT 32
#define HEADER_READS_MAX 1000 /* a reader gives up after that many unsettled looks */

#define RECORD_HEADER_BYTES 32u
#define RING_ENTRIES_MAX 252u
#define STRETCH_WORDS 16u
#define STRETCHES_MAX 16u
#define SPANS_FROM_BYTES 1024u /* smaller records have none: they are looked through whole */
#define OBSERVED_HOURS_SHIFT 8
#define REASON_MASK 0xffu

#define TIME_SHIFT 32
#define MARK_SHIFT 8
#define MARK_MASK 0xffffffull
#define KIND_MASK 0xffull
#define KIND_MOST 6

#define POLICIES_MAX 256
#define POOLS_MAX 1024
#define FEEDS_MAX 256
#define RULES_MAX 8
#define POOL_FEEDS_MAX 16
#define FEED_INTERVALS_MAX 4097 /* 4,096 gaps */
#define NAME_BYTES 64
#define DESCRIPTION_BYTES_MAX 2000 /* 500 characters of UTF-8 */
#define WORKERS_MAX 64
#define MARK_BITS 24
#define SPRAY_MAP_BYTES ((1u << MARK_BITS) / 8)
#define BUCKET_CALLERS 16
#define CALLER_ENTRIES 8

struct record {
    uint64_t key;
    uint64_t control;
    uint32_t quarantined_at;
    uint32_t override_at;
    uint32_t events_total;
    uint32_t origin;
    uint64_t entries[]; /* K of them */
};
static_assert(sizeof(struct record) == RECORD_HEADER_BYTES, "the header is 32 bytes");
static_assert(RECORD_HEADER_BYTES + 8 * RING_ENTRIES_MAX == 8 * STRETCH_WORDS * STRETCHES_MAX,
              "the largest record is whole stretches");

/* Counted by one worker since the segment was made; read by anybody, relaxed. */
struct counters {
    uint64_t batches;
    uint64_t accepted;
    uint64_t untracked;
    uint64_t rejected;
    uint64_t journalled; /* position of the worker's newest durable value */
    uint64_t spray; /* of the accepted ones: by spray callers, so that they took no slot */
    uint64_t inserting; /* the epoch in which the insert began that is under way; 0 = none is */
    uint64_t spare;
};
static_assert(sizeof(struct counters) == 64, "a cache line a worker: no false sharing");

struct rule {
    uint32_t window_s;
    uint32_t limit;
    uint8_t measure;
    uint8_t kinds; /* bit k = kind k; 0 = every kind */
    uint8_t spare[6];
};

struct policy {
    char name[NAME_BYTES]; /* NUL-padded; empty = this index is not in use */
    uint64_t revision;
    double minimum_coverage;
    uint32_t minimum_age_s;
    uint32_t maximum_age_s; /* 0 = none */
    uint32_t quiet_period_s;
    uint32_t rule_count;
    struct rule rules[RULES_MAX];
};

struct pool {
    char name[NAME_BYTES];
    uint64_t revision;
    uint16_t policy;
    uint16_t feed_count;
    uint16_t feeds[POOL_FEEDS_MAX];
    uint32_t spare;
};

struct text {
    uint32_t bytes;
    char utf8[DESCRIPTION_BYTES_MAX];
};

/* Two of these: the keeper fills the one not in use, then raises settings_generation, whose last
 * bit says which one counts. A keeper that dies while it writes has changed nothing. */
struct settings {
    uint32_t policy_count; /* indexes in use are below these */
    uint32_t pool_count;
    uint32_t feed_count;
    uint32_t spare;
    struct policy policies[POLICIES_MAX];
    struct pool pools[POOLS_MAX];
    char feed_names[FEEDS_MAX][NAME_BYTES];
    uint32_t feed_registrations[FEEDS_MAX]; /* which of all there ever were; 0 = not counted yet */
    struct text policy_descriptions[POLICIES_MAX];
    struct text pool_descriptions[POOLS_MAX];
};

struct interval {
    uint32_t begin; /* unix seconds, inclusive */
    uint32_t end;   /* exclusive */
};

/* What a feed has covered: disjoint, ascending. Under coverage_generation, odd while changing. */
struct coverage {
    uint32_t interval_count;
    uint32_t watermark; /* where its next claim begins if it does not say; 0 = nothing is held */
    struct interval intervals[FEED_INTERVALS_MAX];
};

struct bucket {
    uint64_t heads[BUCKET_CALLERS];
    uint64_t entries[BUCKET_CALLERS][CALLER_ENTRIES];
};
static_assert(sizeof(struct bucket) % 64 == 0, "whole cache lines");

struct segment {
    uint64_t magic; /* written last when a segment is made */
    uint32_t version;
    uint32_t ring_entries;
    uint64_t capacity_numbers;
    uint64_t segment_bytes;
    uint8_t folder_id[16]; /* of the data folder that this segment belongs to */
    /* the keeper, release; readers acquire */
    uint64_t numbers; /* records that have been a number's: these are the first ones */
    uint64_t settings_generation;
    uint64_t coverage_generation;
    uint64_t applied; /* position in the keeper's journal up to which headers are written */
    /* Who may take the segment over; written once recovery is done, zero before */
    uint8_t boot_id[16];  /* of the machine's running kernel */
    uint8_t start_id[16]; /* of the start of the server that uses it */
    /* the keeper */
    uint64_t written; /* the record whose header was written last, or is being, from 1; 0 = none */
    /* Unix time less CLOCK_BOOTTIME, nanoseconds: the one time of all processes; 0 = nobody has
     * said yet. The keeper, release; readers acquire */
    uint64_t booted_at_ns;
    /* Spray callers: settings, written before workers run */
    uint64_t callers; /* that the caller table has room for; 0 = there is none */
    uint64_t spray_callers_max;
    uint32_t spray_numbers; /* 0 = switched off */
    uint32_t spray_window_s;
    /* any process, relaxed */
    uint64_t spray_callers; /* bits set in the map */
    /* the keeper; in a cache line that seldom changes, as every search reads it */
    _Alignas(64) uint64_t index_moves; /* entries that went to an earlier place */
    uint64_t epoch; /* raised after numbers left the index; from 1 */
    uint64_t index_hole; /* the place that is being closed, from 1; 0 = none is */
};
static_assert(sizeof(struct segment) <= PAGE_BYTES, "the segment header is one page");

#define PAGES_OF(bytes) (((uint64_t)(bytes) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES)
#define COUNTERS_OFFSET ((uint64_t)PAGE_BYTES)
#define SETTINGS_OFFSET (COUNTERS_OFFSET + PAGES_OF(WORKERS_MAX * sizeof(struct counters)))
#define SETTINGS_BYTES PAGES_OF(sizeof(struct settings))
#define COVERAGE_OFFSET (SETTINGS_OFFSET + 2 * SETTINGS_BYTES)
#define SPRAY_OFFSET (COVERAGE_OFFSET + PAGES_OF(FEEDS_MAX * sizeof(struct coverage)))
#define INDEX_OFFSET (SPRAY_OFFSET + PAGES_OF(SPRAY_MAP_BYTES))
#define INDEX_SLOTS(capacity_numbers) (2 * (uint64_t)(capacity_numbers))
#define INDEX_BYTES(capacity_numbers) PAGES_OF(8 * INDEX_SLOTS(capacity_numbers))
#define RECORD_BYTES(ring_entries) (RECORD_HEADER_BYTES + 8 * (uint64_t)(ring_entries))
#define RECORDS_OFFSET(capacity_numbers) (INDEX_OFFSET + INDEX_BYTES(capacity_numbers))
#define SPANS_OFFSET(capacity_numbers, ring_entries) \
    (RECORDS_OFFSET(capacity_numbers) + \
     PAGES_OF((uint64_t)(capacity_numbers) * RECORD_BYTES(ring_entries)))
#define RECORD_SPANS(ring_entries) \
    (RECORD_BYTES(ring_entries) < SPANS_FROM_BYTES ? 0 \
                                                   : RECORD_BYTES(ring_entries) / 8 / STRETCH_WORDS)
#define SPANS_BYTES(capacity_numbers, ring_entries) \
    PAGES_OF(8 * (uint64_t)(capacity_numbers) * RECORD_SPANS(ring_entries))
#define CALLERS_OFFSET(capacity_numbers, ring_entries) \
    (SPANS_OFFSET(capacity_numbers, ring_entries) + SPANS_BYTES(capacity_numbers, ring_entries))
#define CALLERS_BYTES(callers) ((uint64_t)(callers) / BUCKET_CALLERS * sizeof(struct bucket))
#define SEGMENT_BYTES(capacity_numbers, ring_entries, callers) \
    (CALLERS_OFFSET(capacity_numbers, ring_entries) + PAGES_OF(CALLERS_BYTES(callers)))

#endif
