"""A verdict is of one life of its number: the ring that is read is that of the header."""

import os
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from support.engine import Engine
from support.small_table import KEY, NUMBERS, START, SmallTable, make_table
from support.writing_processes import start

from ringfence.engine.answers import Unsettled
from ringfence.engine.memory.segment import Segment
from ringfence.engine.table.writer import TableWriter
from ringfence.engine.words import EventKind, State, Verdict

pytestmark = pytest.mark.slow

NUMBER = NUMBERS[0]
NOW = START + 86_400
LIVES = int(os.environ.get("RINGFENCE_LIVES", "5000"))
LOOKS_AT_ONCE = 20_000


def live(line: Connection, path: str) -> None:
    """Has a number come and go; in every life it is noisy before it may be judged."""
    segment = Segment.open(path)
    writer = TableWriter(segment)
    table = SmallTable(segment, writer, Engine(segment, caller_key=KEY))
    called, caller = np.array([NUMBER], np.uint64), np.array([441632960001], np.uint64)
    times, kinds = np.array([NOW - 10], np.uint32), np.array([EventKind.CALL], np.int32)
    line.send("ready")
    line.recv()
    for _ in range(LIVES):
        writer.set_state(NUMBER, State.HELD, since=START)
        assert table.engine.insert(called, caller, times, kinds, now=NOW).accepted == 1
        writer.set_state(NUMBER, State.QUARANTINED, since=START)
        writer.set_state(NUMBER, State.FREE, since=START)
    line.send("done")


def test_number_that_was_never_clean_is_never_called_so(tmp_path: Path) -> None:
    table = make_table(path := tmp_path / "segment")
    table.writer.set_state(NUMBER, State.FREE, since=START)
    process, line = start(live, str(path))
    line.send("go")
    asked = np.full(LOOKS_AT_ONCE, NUMBER, np.uint64)
    seen = np.zeros(256, np.int64)
    while not line.poll():
        with suppress(Unsettled):  # the writer lost its core in the middle of a header
            verdicts, _ = table.engine.check(asked, now=NOW)
            seen += np.bincount(verdicts, minlength=256)
    process.join()
    print({Verdict(verdict).name: int(seen[verdict]) for verdict in np.flatnonzero(seen)})
    assert seen[Verdict.NOISY] and seen[Verdict.HELD] and seen[Verdict.UNTRACKED]
    assert seen[Verdict.CLEAN] == 0
