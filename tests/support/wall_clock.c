// Moves the wall clock of the processes that preload this, and nothing but the wall clock.
//
// Tests need servers whose clock is wrong, or steps while they run. libfaketime cannot do it: it
// either moves the monotonic clock as well, so that a step would end or stretch every wait, or
// breaks clock_nanosleep, by which Python sleeps. Here CLOCK_MONOTONIC and CLOCK_BOOTTIME stay
// true, and so does every wait for a while or until a moment of theirs.
//
// The offset is a signed 64-bit number of seconds in the file that RINGFENCE_TEST_CLOCK_FILE names.
// It is mapped, so that a step shows at once in every process, also in those that were forked. In a
// process that cannot read the file, say of another user, the clock is the true one.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// The function that this stands in for: glibc's. It is looked up at its first use, because another
// library may ask for the time before the constructor has run; two threads that do so at once find
// the same.
#define TRUE_ONE(name) ({                                                   \
    static _Atomic(__typeof__(&name)) found;                                \
    if (!found) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name);         \
    found;                                                                  \
})

static const _Atomic int64_t *mapped;

__attribute__((constructor)) static void map_offset(void) {
    const char *name = getenv("RINGFENCE_TEST_CLOCK_FILE");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    struct stat is;
    if (fstat(file, &is) == 0 && is.st_size >= (off_t)sizeof(int64_t)) {
        void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
        if (page != MAP_FAILED) mapped = page;
    }
    close(file);
}

static int64_t offset_s(void) {
    return mapped ? atomic_load_explicit(mapped, memory_order_relaxed) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = TRUE_ONE(clock_gettime)(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += offset_s();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int failed = TRUE_ONE(gettimeofday)(now, zone);
    if (!failed) now->tv_sec += offset_s();
    return failed;
}

time_t time(time_t *now) {
    time_t moved = TRUE_ONE(time)(NULL) + offset_s();
    if (now) *now = moved;
    return moved;
}

int timespec_get(struct timespec *now, int base) {
    int got = TRUE_ONE(timespec_get)(now, base);
    if (got == TIME_UTC) now->tv_sec += offset_s();
    return got;
}

// The kernel waits by its own clock, so that a moment of the moved one is told to it in true time.
// Two give such moments: gRPC to the futex itself, and Python's multiprocessing to semaphores.
// Python's other locks and its sleeps go by the monotonic clock. A moment before 1970 is an error
// to the kernel: as it is past anyhow, 1970 is told instead.
static struct timespec in_true_time(const struct timespec *moment) {
    struct timespec moved = *moment;
    if (__builtin_sub_overflow(moved.tv_sec, offset_s(), &moved.tv_sec)) return *moment;
    if (moment->tv_sec >= 0 && moved.tv_sec < 0) moved.tv_sec = 0;
    return moved;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    struct timespec moved = in_true_time(until);
    return TRUE_ONE(sem_timedwait)(semaphore, &moved);
}

long syscall(long number, ...) {
    long given[6];
    va_list all;
    va_start(all, number);
    for (int at = 0; at < 6; at++) given[at] = va_arg(all, long);
    va_end(all);
    struct timespec moved;
    int does = (int)given[1] & ~FUTEX_PRIVATE_FLAG;
    if (number == SYS_futex && does == (FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME) && given[3]) {
        moved = in_true_time((const struct timespec *)given[3]);
        given[3] = (long)&moved;
    }
    return TRUE_ONE(syscall)(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}
