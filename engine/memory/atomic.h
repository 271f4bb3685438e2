/* The few atomic operations of the engine, named by width and memory order (GCC and Clang). */
#ifndef RINGFENCE_ATOMIC_H
#define RINGFENCE_ATOMIC_H

#include <stdint.h>

static inline uint64_t load_relaxed_u64(const uint64_t *at) {
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}
static inline uint32_t load_relaxed_u32(const uint32_t *at) {
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}
static inline uint64_t load_acquire_u64(const uint64_t *at) {
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
static inline void store_relaxed_u64(uint64_t *at, uint64_t value) {
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}
static inline void store_relaxed_u32(uint32_t *at, uint32_t value) {
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}
static inline void store_release_u64(uint64_t *at, uint64_t value) {
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}
/* In one order with all sequential ones of all processes. */
static inline uint64_t load_sequential_u64(const uint64_t *at) {
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
static inline void fence_sequential(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
static inline int swap_if_equal_u64(uint64_t *at, uint64_t expected, uint64_t desired) {
    return __atomic_compare_exchange_n(at, &expected, desired, 0, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}
static inline void add_relaxed_u32(uint32_t *at, uint32_t value) {
    __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
static inline void add_relaxed_u64(uint64_t *at, uint64_t value) {
    __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
static inline uint8_t fetch_or_relaxed_u8(uint8_t *at, uint8_t bits) {
    return __atomic_fetch_or(at, bits, __ATOMIC_RELAXED);
}
static inline uint8_t fetch_and_relaxed_u8(uint8_t *at, uint8_t bits) {
    return __atomic_fetch_and(at, bits, __ATOMIC_RELAXED);
}
static inline void prefetch_write(const void *at) { __builtin_prefetch(at, 1, 3); }
static inline void prefetch_read(const void *at) { __builtin_prefetch(at, 0, 3); }
static inline uint64_t high_product_u64(uint64_t a, uint64_t b) {
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

#endif
