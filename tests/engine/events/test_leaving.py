"""A number that left leaves nothing in its ring: what came too late for the wipe goes again."""

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from support.engine import Engine
from support.small_table import KEY, NUMBERS, START, make_table
from support.writing_processes import start

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.policy import NO_SPRAY, Spray
from ringfence.engine.words import State

pytestmark = pytest.mark.slow

NUMBER = NUMBERS[0]
LIVES = int(os.environ.get("RINGFENCE_LIVES", "5000")) // 10
EVENTS = 2_000
PATIENCE_S = 30.0


def call(line: Connection, path: str) -> None:
    """Calls the number all the time, each time a little later."""
    engine = Engine(Segment.open(path), caller_key=KEY)
    called = np.full(EVENTS, NUMBER, np.uint64)
    caller, kinds = np.full(EVENTS, 441632960001, np.uint64), np.ones(EVENTS, np.int32)
    times = np.arange(START + 1, START + 1 + EVENTS, dtype=np.uint32)
    line.send("ready")
    line.recv()
    line.send("calling")
    while True:
        engine.insert(called, caller, times, kinds, now=START + EVENTS)


@pytest.mark.parametrize("spray", [NO_SPRAY, Spray(8, 3_600, 1_024)])
def test_ring_of_a_number_that_left_is_empty(tmp_path: Path, spray: Spray) -> None:
    table = make_table(path := tmp_path / "segment", spray=spray)
    process, line = start(call, str(path))
    line.send("go")
    assert line.recv() == "calling"

    def wait_until_ring(has_calls: bool) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while bool(table.rings()[NUMBER]) != has_calls:
            assert time.monotonic() < deadline, f"calls are wanted: {has_calls}"

    try:
        for _ in range(LIVES):
            table.writer.set_state(NUMBER, State.QUARANTINED, since=START)
            wait_until_ring(has_calls=True)
            table.writer.set_state(NUMBER, State.FREE, since=START)
            wait_until_ring(has_calls=False)
    finally:
        process.kill()
        process.join()
