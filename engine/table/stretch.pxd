"""Large rings, looked through by stretches: the join of `ring.pxd` for few cache lines.

A record of 1,024 bytes or more lies in stretches of STRETCH_WORDS words, and each has a span: no
entry in it is later than the span's upper half or before the lower one. Events come nearly in
order, so a new one is later than all spans, and the smallest slot lies in one or two stretches: an
insert reads the spans and looks into these.

Thread safety: any number of processes insert at once, without a lock. Slots, and both halves of a
span, only ever grow while the number is tracked.

1. `not later` is raised before the swap that brings the entry; `not before` to what a look at all
   slots of the stretch found, whenever: slots only grow, so it stays true. A process killed
   anywhere leaves bounds that are wider than they need be, and the next look narrows them.
2. So who reads a span knows of its stretch what a look at that moment would tell: no slot is before
   the one bound, and an entry of a time outside of both is not there.
3. Two inserts of one entry e cannot both succeed, first by a swap of slot a from A to e, then of b
   from B. A slot that holds e is never swapped to e, so a is not b. Who swapped b had looked at a,
   or read its span, before it was swapped, else it would have found e; and as it took b, B <= A.
   Who swapped a had looked at b before: A <= B. So A = B, and as entries are distinct, both were
   empty. Of empty slots everybody takes the first in the ring, and each saw the other's slot empty:
   b would come before a, and a before b.
4. Nor can e have gone again in between, as the smallest of a full ring: b held less.

A number that leaves and comes back has another life: the keeper empties the slots, then the spans.
An insert that slept over all that must not narrow the new bounds by its old look. So a span is
raised by compare-and-swap from what it was before the look, and `not before` only where that had a
time: all times of a later life are greater (DESIGN section 4), so that span does not come back. The
entry itself may come into the new ring. It is older than the life, which counts it for nothing, and
nobody asks for it again.
"""

from libc.stdint cimport UINT64_MAX, uint8_t, uint32_t, uint64_t

from ringfence.engine.memory.atomic cimport (
    load_acquire_u64,
    prefetch_read,
    prefetch_write,
    swap_if_equal_u64,
)
from ringfence.engine.memory.record cimport (
    RING_ENTRIES_MAX,
    STRETCH_WORDS,
    STRETCHES_MAX,
    TIME_SHIFT,
    record_t,
)
from ringfence.engine.table.ring cimport entry_put
from ringfence.engine.table.table cimport LINE_BYTES

cdef enum:
    STRETCH_BYTES = 8 * STRETCH_WORDS
    HEADER_WORDS = 4  # the entries of the first stretch come after them

cdef inline uint32_t span_least(uint64_t span) noexcept nogil:
    """No entry of the stretch is before this time; 0 = it may have an empty slot."""
    return <uint32_t>span

cdef inline uint32_t span_greatest(uint64_t span) noexcept nogil:
    """No entry of the stretch is later; 0 = it has none."""
    return <uint32_t>(span >> 32)

cdef inline uint64_t span_of(uint32_t least, uint32_t greatest) noexcept nogil:
    return <uint64_t>greatest << 32 | least

ctypedef struct stretch_t:
    # What an insert knows of one stretch.
    uint64_t span  # as it was before the look
    uint64_t least  # no slot is smaller; after a look: of the smallest one
    uint64_t *slot  # the smallest one, the first of equal ones; NULL = not looked at

cdef inline bint stretch_look(
    record_t *record, uint32_t stretch, uint64_t entry, stretch_t *seen
) noexcept nogil:
    """Looks at all slots of a stretch for the smallest; whether the entry is among them."""
    cdef uint64_t *words = <uint64_t *>record + stretch * STRETCH_WORDS
    cdef uint64_t value
    cdef uint32_t i
    cdef bint found = False
    seen.least = UINT64_MAX
    for i in range(HEADER_WORDS if stretch == 0 else 0, STRETCH_WORDS):
        value = load_acquire_u64(&words[i])
        found |= value == entry
        if value < seen.least:
            seen.least = value
            seen.slot = &words[i]
    return found

cdef inline uint64_t span_after(const stretch_t *seen, uint32_t greatest) noexcept nogil:
    """What the span may be raised to after a look, for entries up to a time."""
    cdef uint32_t least = span_least(seen.span)
    if span_greatest(seen.span):
        least = max(least, <uint32_t>(seen.least >> TIME_SHIFT))
    return span_of(least, max(span_greatest(seen.span), greatest))

cdef inline bint span_raise(uint64_t *span, uint64_t before, uint64_t after) noexcept nogil:
    """Raises a span; False when somebody else did."""
    return before == after or swap_if_equal_u64(span, before, after)

cdef inline uint32_t stretch_smallest(const stretch_t *seen, uint32_t stretches) noexcept nogil:
    """The stretch of the smallest bound, the first of equal ones."""
    cdef uint32_t i, at = 0
    for i in range(1, stretches):
        if seen[i].least < seen[at].least:
            at = i
    return at

cdef inline uint64_t *stretches_insert(
    record_t *record, uint64_t *spans, uint32_t stretches, uint64_t entry
) noexcept nogil:
    """Joins an entry; the slot that it took, NULL: it was there, or is older than a full ring."""
    cdef stretch_t seen[STRETCHES_MAX]
    cdef uint32_t time = <uint32_t>(entry >> TIME_SHIFT)
    cdef uint32_t at, i
    while True:
        for i in range(stretches):
            seen[i].span = load_acquire_u64(&spans[i])
            seen[i].least = <uint64_t>span_least(seen[i].span) << TIME_SHIFT
            seen[i].slot = NULL
        while True:
            at = stretch_smallest(&seen[0], stretches)
            if seen[at].slot != NULL:
                break
            if stretch_look(record, at, entry, &seen[at]):
                return NULL
        if entry < seen[at].least:
            return NULL
        for i in range(stretches):
            if seen[i].slot != NULL:
                if i != at:
                    span_raise(&spans[i], seen[i].span, span_after(&seen[i], 0))
            elif span_least(seen[i].span) <= time <= span_greatest(seen[i].span):
                if stretch_look(record, i, entry, &seen[i]):
                    return NULL
        if not span_raise(&spans[at], seen[at].span, span_after(&seen[at], time)):
            continue
        if swap_if_equal_u64(seen[at].slot, seen[at].least, entry):
            return seen[at].slot

cdef inline void stretches_prefetch_insert(
    const record_t *record, const uint64_t *spans, uint32_t stretches
) noexcept nogil:
    """Fetches the stretch that an insert will look at, most probably, once the spans are here."""
    cdef uint32_t i, at = 0
    cdef uint32_t least = span_least(load_acquire_u64(&spans[0])), other
    for i in range(1, stretches):
        other = span_least(load_acquire_u64(&spans[i]))
        if other < least:
            least = other
            at = i
    prefetch_write(<const uint8_t *>record + at * STRETCH_BYTES)
    prefetch_write(<const uint8_t *>record + at * STRETCH_BYTES + LINE_BYTES)

cdef inline void stretches_prefetch_read(
    const record_t *record, const uint64_t *spans, uint32_t stretches
) noexcept nogil:
    """Fetches the stretches that have entries, once the spans are here."""
    cdef uint32_t i
    for i in range(stretches):
        if load_acquire_u64(&spans[i]):
            prefetch_read(<const uint8_t *>record + i * STRETCH_BYTES)
            prefetch_read(<const uint8_t *>record + i * STRETCH_BYTES + LINE_BYTES)

cdef inline uint32_t stretches_read_sorted(
    const record_t *record, const uint64_t *spans, uint32_t stretches, uint64_t *ascending
) noexcept nogil:
    """Copies the entries in ascending order, as `ring_read_sorted` does; how many there are."""
    cdef const uint64_t *words = <const uint64_t *>record
    cdef uint64_t values[RING_ENTRIES_MAX]
    cdef uint64_t value
    cdef uint32_t i, j, count = 0, first = 0
    for i in range(stretches):
        if load_acquire_u64(&spans[i]) == 0:
            continue
        for j in range(HEADER_WORDS if i == 0 else 0, STRETCH_WORDS):
            value = load_acquire_u64(&words[i * STRETCH_WORDS + j])
            if value == 0:
                continue
            values[count] = value
            if value < values[first]:
                first = count
            count += 1
    for i in range(count):
        entry_put(ascending, i, values[first + i if first + i < count else first + i - count])
    return count

cdef inline void stretches_span(
    const record_t *record, uint64_t *spans, uint32_t stretches
) noexcept nogil:
    """Makes the spans of a ring that nobody uses yet."""
    cdef const uint64_t *words = <const uint64_t *>record
    cdef uint64_t least, greatest, value
    cdef uint32_t i, j
    for i in range(stretches):
        least = UINT64_MAX
        greatest = 0
        for j in range(HEADER_WORDS if i == 0 else 0, STRETCH_WORDS):
            value = words[i * STRETCH_WORDS + j]
            least = min(least, value)
            greatest = max(greatest, value)
        spans[i] = span_of(<uint32_t>(least >> TIME_SHIFT), <uint32_t>(greatest >> TIME_SHIFT))
