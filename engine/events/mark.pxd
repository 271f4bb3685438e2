"""The caller mark: 24 bits of SipHash-2-4 of a caller under the installation's key.

SipHash: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. The input is always the
caller as 8 bytes, little-endian, so the message is one block and the length block.
"""

from libc.stdint cimport uint64_t

from ringfence.engine.memory.record cimport MARK_MASK, NUMBER_MOST

ctypedef struct caller_key_t:
    uint64_t k0
    uint64_t k1

cdef enum:
    CALLER_TEXT_BIT = 63  # set: the first 8 bytes of SHA-256 of the sender's text

cdef inline uint64_t rotate_left(uint64_t value, int bits) noexcept nogil:
    return (value << bits) | (value >> (64 - bits))

cdef inline uint64_t siphash_u64(const caller_key_t *key, uint64_t message) noexcept nogil:
    """SipHash-2-4 of the 8 little-endian bytes of `message`."""
    cdef uint64_t v0 = key.k0 ^ 0x736f6d6570736575ULL
    cdef uint64_t v1 = key.k1 ^ 0x646f72616e646f6dULL
    cdef uint64_t v2 = key.k0 ^ 0x6c7967656e657261ULL
    cdef uint64_t v3 = key.k1 ^ 0x7465646279746573ULL
    cdef uint64_t block = message
    cdef int step, rounds, round_
    for step in range(3):  # the message, the length block, finalization
        if step == 1:
            block = <uint64_t>8 << 56
        if step < 2:
            v3 ^= block
            rounds = 2
        else:
            v2 ^= 0xff
            rounds = 4
        for round_ in range(rounds):
            v0 += v1
            v1 = rotate_left(v1, 13) ^ v0
            v0 = rotate_left(v0, 32)
            v2 += v3
            v3 = rotate_left(v3, 16) ^ v2
            v0 += v3
            v3 = rotate_left(v3, 21) ^ v0
            v2 += v1
            v1 = rotate_left(v1, 17) ^ v2
            v2 = rotate_left(v2, 32)
        if step < 2:
            v0 ^= block
    return v0 ^ v1 ^ v2 ^ v3

cdef inline uint64_t caller_mark(const caller_key_t *key, uint64_t caller) noexcept nogil:
    """The mark of a caller: 0 for a withheld one, never 0 for another."""
    cdef uint64_t mark
    if caller == 0 or (caller > NUMBER_MOST and not caller >> CALLER_TEXT_BIT):
        return 0
    mark = siphash_u64(key, caller) & MARK_MASK
    return mark if mark else 1
