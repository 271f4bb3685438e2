"""Numbers into the index and out of it, by its one writer.

A number that leaves the index must leave no mark there, or searches would grow for ever. So the
hole that its entry leaves is closed: the next entry behind it whose search passes the hole goes
there, which makes another hole, until there is none to go. Meanwhile anybody may search:

1. An entry is copied to the hole first; then index_moves is raised; then its old place is the hole,
   and is written over.
2. Who does not find a number that is there has read the hole before the copy, and the old place
   after it was written over: so after index_moves was raised. Had he read index_moves after that
   too, he would have read the copy. So he read it before, sees that it has changed when he has
   found nothing, and searches again.
3. Who finds an entry twice finds the same record.

index_hole says which place is being closed. What stands there is to go, or stands further on too: a
writer that dies anywhere has lost nothing, and the next one closes the hole.

Invariants: of each search all places from its home to its entry are taken, as in an index that no
number ever left. So searches are as long as if the numbers that are there had come alone.

`tests/support/reuse_model.py` says this and slots.pyx as a model that is explored in all orders.
"""

from libc.stdint cimport uint64_t

from ringfence.engine.memory.atomic cimport (
    fence_release,
    load_relaxed_u64,
    store_relaxed_u64,
    store_release_u64,
)
from ringfence.engine.memory.record cimport NUMBER_MASK, segment_t
from ringfence.engine.table.table cimport (
    number_mix,
    table_at,
    table_home,
    table_next,
    table_t,
)

cdef inline void index_add(
    const table_t *table, uint64_t number, uint64_t at
) noexcept nogil:
    """Makes a record, which is whole, findable by its number."""
    cdef uint64_t mixed = number_mix(number)
    cdef uint64_t place = table_home(table, mixed)
    while table.index[place]:
        place = table_next(table, place)
    store_release_u64(&table.index[place], mixed << 32 | (at + 1))

cdef inline uint64_t _steps(const table_t *table, uint64_t first, uint64_t last) noexcept nogil:
    """From one place to another, round the index."""
    return last - first if last >= first else last + table.index_slots - first

cdef inline uint64_t _home_of(const table_t *table, uint64_t entry) noexcept nogil:
    """Where the search for an entry's number begins."""
    cdef uint64_t number = table_at(table, (entry & 0xffffffffULL) - 1).key & NUMBER_MASK
    return table_home(table, number_mix(number))

cdef inline void index_close(
    const table_t *table, segment_t *head, uint64_t hole
) noexcept nogil:
    """Closes the hole at a place whose entry is to go."""
    cdef uint64_t at, entry
    while True:
        store_relaxed_u64(&head.index_hole, hole + 1)
        fence_release()  # before what is written there
        at = hole
        while True:
            at = table_next(table, at)
            entry = table.index[at]
            if entry == 0:
                store_release_u64(&table.index[hole], 0)
                store_release_u64(&head.index_hole, 0)
                return
            if _steps(table, hole, at) <= _steps(table, _home_of(table, entry), at):
                break  # its search passes the hole
        store_release_u64(&table.index[hole], entry)
        store_release_u64(&head.index_moves, load_relaxed_u64(&head.index_moves) + 1)
        hole = at

cdef inline void index_remove(
    const table_t *table, segment_t *head, uint64_t number, uint64_t at
) noexcept nogil:
    """Takes out what leads to a record by its number."""
    cdef uint64_t home = table_home(table, number_mix(number))
    cdef uint64_t place = home
    cdef uint64_t entry
    while True:
        entry = table.index[place]
        if entry == 0:
            return
        if (entry & 0xffffffffULL) == at + 1:
            index_close(table, head, place)
            return
        place = table_next(table, place)

cdef inline void index_mend(const table_t *table, segment_t *head) noexcept nogil:
    """Closes the hole that a writer left that died."""
    if head.index_hole and table.index[head.index_hole - 1]:
        index_close(table, head, head.index_hole - 1)
    store_release_u64(&head.index_hole, 0)
