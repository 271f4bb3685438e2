"""Declares `atomic.h`: atomic operations named by width and memory order."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "atomic.h" nogil:
    uint64_t load_relaxed_u64(const uint64_t *at) noexcept
    uint32_t load_relaxed_u32(const uint32_t *at) noexcept
    uint64_t load_acquire_u64(const uint64_t *at) noexcept
    void store_relaxed_u64(uint64_t *at, uint64_t value) noexcept
    void store_relaxed_u32(uint32_t *at, uint32_t value) noexcept
    void store_release_u64(uint64_t *at, uint64_t value) noexcept
    uint64_t load_sequential_u64(const uint64_t *at) noexcept
    void fence_sequential() noexcept
    void fence_acquire() noexcept
    void fence_release() noexcept
    bint swap_if_equal_u64(uint64_t *at, uint64_t expected, uint64_t desired) noexcept
    void add_relaxed_u32(uint32_t *at, uint32_t value) noexcept
    void add_relaxed_u64(uint64_t *at, uint64_t value) noexcept
    uint8_t fetch_or_relaxed_u8(uint8_t *at, uint8_t bits) noexcept
    uint8_t fetch_and_relaxed_u8(uint8_t *at, uint8_t bits) noexcept
    void prefetch_write(const void *at) noexcept
    void prefetch_read(const void *at) noexcept
    uint64_t high_product_u64(uint64_t a, uint64_t b) noexcept
