"""Lines that nobody reads hold nobody up; those that are lost are counted."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from support.server_process import PATIENCE_S

from ringfence.server.supervisor.line_writer import WAITING_BYTES_MAX, LineWriter

LINE = "x" * 999
LINES = 3 * WAITING_BYTES_MAX // (len(LINE) + 1)


@contextmanager
def a_pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def dropped(lines: int) -> str:
    return f"dropped {lines}"


def read_until(reading: int, end: str) -> list[str]:
    read = b""
    while not read.endswith(end.encode() + b"\n"):
        read += os.read(reading, 1 << 20)
    return read.decode().splitlines()


def test_lines_come_out_in_their_order():
    with a_pipe() as (reading, writing):
        lines = LineWriter(writing, dropped)
        for n in range(100):
            lines.write(f"line {n}")
        assert read_until(reading, "line 99") == [f"line {n}" for n in range(100)]
        assert lines.flush(PATIENCE_S)


def test_lines_that_nobody_reads_are_dropped_and_counted_when_there_is_room_again():
    with a_pipe() as (reading, writing):
        lines = LineWriter(writing, dropped)
        said = threading.Thread(target=lambda: [lines.write(LINE) for _ in range(LINES)])
        said.start()
        said.join(PATIENCE_S)
        assert not said.is_alive()
        assert not lines.flush(0)
        written: list[str] = []
        reader = threading.Thread(target=lambda: written.extend(read_until(reading, "after")))
        reader.start()
        assert lines.flush(PATIENCE_S)
        lines.write("after")
        reader.join(PATIENCE_S)
        *whole, told, last = written
        assert set(whole) == {LINE}
        assert told == dropped(LINES - len(whole))
        assert last == "after"
        assert len(whole) * 1_000 >= WAITING_BYTES_MAX - 1_000


def test_a_file_that_others_made_non_blocking_loses_nothing():
    with a_pipe() as (reading, writing):
        os.set_blocking(writing, False)
        lines = LineWriter(writing, dropped)
        for n in range(200):
            lines.write(f"{LINE}{n}")
        assert read_until(reading, f"{LINE}199") == [f"{LINE}{n}" for n in range(200)]


def test_a_file_that_cannot_be_written_is_tried_again_and_the_loss_said():
    failed = threading.Event()

    def dropped_after_all(lines: int) -> str:
        failed.set()
        return dropped(lines)

    with a_pipe() as (reading, writing), open("/dev/full", "wb", buffering=0) as full:
        lines = LineWriter(full.fileno(), dropped_after_all)
        lines.write("lost")
        assert failed.wait(PATIENCE_S)
        os.dup2(writing, full.fileno())
        assert read_until(reading, dropped(1)) == [dropped(1)]
