"""A process that evaluates what it is asked, a line each; tests ask it what time it has.

    python -m support.asked_process

Its questions may use what stands below.
"""

import ctypes
import multiprocessing
import os
import platform
import subprocess
import sys
import threading
import time

WAIT_UNTIL_REALTIME = 9 | 128 | 256  # FUTEX_WAIT_BITSET, _PRIVATE and FUTEX_CLOCK_REALTIME
FUTEX = {"x86_64": 202, "aarch64": 98}  # the system call's number
COARSE = 5  # CLOCK_REALTIME_COARSE
TIME_UTC = 1

_libc = ctypes.CDLL(None, use_errno=True)


def wall_clocks() -> dict[str, float]:
    """What time it is, by every way to ask for it."""
    day, spec = (ctypes.c_int64 * 2)(), (ctypes.c_int64 * 2)()
    _libc.gettimeofday(day, None)
    _libc.timespec_get(spec, TIME_UTC)
    _libc.time.restype = ctypes.c_int64
    return {
        "clock_gettime": time.time(),
        "coarse": time.clock_gettime(COARSE),
        "gettimeofday": day[0],
        "time": _libc.time(None),
        "timespec_get": spec[0],
        "forked": _in_fork(),
        "executed": float(subprocess.check_output([sys.executable, "-c", _PRINT_TIME])),
    }


def slept_in_thread(seconds: float) -> bool:
    """Whether a thread sleeps and goes on."""
    slept = threading.Event()

    def sleep() -> None:
        time.sleep(seconds)
        slept.set()

    thread = threading.Thread(target=sleep)
    thread.start()
    thread.join()
    return slept.is_set()


def waited_on_semaphore(seconds: float) -> float:
    """How long a wait for a semaphore is that nobody raises."""
    lock = multiprocessing.Lock()
    lock.acquire()
    began = time.monotonic()
    assert not lock.acquire(timeout=seconds)
    return time.monotonic() - began


def waited_on_futex(seconds: float) -> float:
    """How long a wait until a moment of the wall clock is, as gRPC waits."""
    nanoseconds = time.time_ns() + int(seconds * 1e9)
    until = (ctypes.c_int64 * 2)(*divmod(nanoseconds, 10**9))
    word = ctypes.c_int32(0)
    began = time.monotonic()
    call = [FUTEX[platform.machine()], ctypes.byref(word), WAIT_UNTIL_REALTIME, 0, until, None, -1]
    _libc.syscall(*call)
    return time.monotonic() - began


def _in_fork() -> float:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, repr(time.time()).encode())
        os._exit(0)
    os.wait()
    told = os.read(reading, 64)
    os.close(reading)
    os.close(writing)
    return float(told)


_PRINT_TIME = "import time; print(time.time())"

if __name__ == "__main__":
    for question in sys.stdin:
        print(repr(eval(question)), flush=True)
