"""A number as a list shows it, in protobuf's wire format: no allocation, every field in its order.

Source: protobuf.dev, "Encoding", and message Number in `proto/ringfence/v1/number_service.proto`.
What is 0 is left out, as the library does it.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ringfence.engine.memory.record cimport NAME_BYTES, pool_t, settings_t
from ringfence.engine.table.entry cimport entry_time
from ringfence.engine.verdict.evaluate cimport number_t
from ringfence.engine.verdict.verdict cimport verdict_expected

cdef extern from "string.h" nogil:
    size_t strnlen(const char *text, size_t bytes_max)

cdef enum:
    MESSAGE_BYTES_MAX = 256  # 2 names of 63, the rest takes 70 at most
    LENGTH_BYTES = 2  # of a message that is no longer, written with a varint of that width
    IN_LIST = 1 << 3 | 2  # field 1 of ListNumbersResponse
    TIMES_MOST = 0xffffffff

cdef inline uint8_t *put_varint(uint8_t *at, uint64_t value) noexcept nogil:
    while value >= 0x80:
        at[0] = <uint8_t>(value & 0x7f | 0x80)
        value >>= 7
        at += 1
    at[0] = <uint8_t>value
    return at + 1

cdef inline uint8_t *put_number(uint8_t *at, uint32_t field, uint64_t value) noexcept nogil:
    """A varint field."""
    if value == 0:
        return at
    return put_varint(put_varint(at, field << 3), value)

cdef inline uint8_t *put_name(uint8_t *at, uint32_t field, const char *name) noexcept nogil:
    cdef size_t length = strnlen(name, NAME_BYTES)
    at = put_varint(put_varint(at, field << 3 | 2), length)
    memcpy(at, name, length)
    return at + length

cdef inline uint8_t *put_time(uint8_t *at, uint32_t field, uint64_t seconds) noexcept nogil:
    """A Timestamp: its field 1."""
    cdef uint8_t *content
    if seconds == 0:
        return at
    at = put_varint(at, field << 3 | 2)
    content = at + 1  # a length below 128 takes one byte
    at[0] = <uint8_t>(put_number(content, 1, seconds) - content)
    return content + at[0]

cdef inline int64_t last_event_at(const number_t *number, int64_t t) noexcept nogil:
    """The time of the newest entry that counts, not later than `t`; 0 = none."""
    cdef uint32_t i
    cdef int64_t at
    for i in range(number.entries, 0, -1):
        at = entry_time(number.ring[i - 1])
        if at <= t:
            return at if at >= number.header.quarantined_at else 0
    return 0

cdef inline uint8_t *put_listed(
    uint8_t *at, const number_t *number, const settings_t *settings, int64_t t,
) noexcept nogil:
    """A number that was evaluated at `t`, of a pool that is there; at most MESSAGE_BYTES_MAX."""
    cdef const pool_t *pool = &settings.pools[number.header.pool]
    cdef uint8_t *content = at + 1 + LENGTH_BYTES
    cdef uint8_t *end = content
    cdef uint64_t length
    cdef int64_t expected_at
    end[0] = 1 << 3 | 1
    memcpy(end + 1, &number.header.number, sizeof(uint64_t))
    end += 1 + sizeof(uint64_t)
    end = put_number(end, 2, number.evaluation.verdict)
    end = put_name(end, 3, &pool.name[0])
    end = put_name(end, 4, &settings.policies[pool.policy].name[0])
    end = put_number(end, 5, number.header.reason)
    end = put_time(end, 6, number.header.quarantined_at)
    end = put_time(end, 7, <uint64_t>min(number.evaluation.clean_at, <int64_t>TIMES_MOST))
    end = put_time(end, 8, <uint64_t>last_event_at(number, t))
    end = put_number(end, 9, number.events_total)
    end = put_number(end, 12, number.evaluation.overdue)
    end = put_number(end, 16, number.evaluation.overridden)
    end = put_time(end, 17, <uint64_t>number.header.observed_since)
    expected_at = min(verdict_expected(&number.evaluation, t), <int64_t>TIMES_MOST)
    end = put_time(end, 18, <uint64_t>expected_at)
    length = end - content
    at[0] = IN_LIST
    at[1] = <uint8_t>(length & 0x7f | 0x80)
    at[2] = <uint8_t>(length >> 7)
    return end
