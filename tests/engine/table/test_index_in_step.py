"""A search and a number that leaves the index, in step: the others are found wherever they go.

The keeper and a worker are both stopped, each at every one of its accesses, in two orders.
"""

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from support.crowded_table import FIRST, crowded_table, image_of, leave, put_image
from support.keeper_changes import part_on
from support.looks import Look, check_last, find_last, look_by
from support.single_step import SteppedProcess

from ringfence.engine.memory.segment import Segment

pytestmark = pytest.mark.slow

STRIDE = int(os.environ.get("RINGFENCE_STRIDE", "1"))
SEARCH_MOST = 14  # accesses in which a number is found, or is not


def go_to(process: SteppedProcess, stop: int) -> None:
    """Goes on to that access, from 0."""
    next(islice(process.accesses(), stop, None), None)


@pytest.mark.parametrize("search", [find_last, check_last])
def test_number_is_found_while_its_entry_moves(
    tmp_path: Path, search: Callable[[Segment], Look]
) -> None:
    table = crowded_table(path := tmp_path / "segment")
    leave(table, [FIRST])
    with (
        SteppedProcess(path, part_on) as keeper,
        SteppedProcess(path, look_by, search) as worker,
    ):
        before = image_of(table.segment)
        right = worker.answer()
        keeper.answer()
        parts = sum(1 for _ in keeper.accesses())
        keeper.answer()
        searches = min(SEARCH_MOST, sum(1 for _ in worker.accesses()))
        assert worker.answer() == right
        for part in range(0, parts, STRIDE):
            for stop in range(searches):
                put_image(table.segment, before)
                keeper.answer()  # begins
                go_to(keeper, part)
                go_to(worker, stop)
                keeper.answer()
                assert worker.answer() == right, f"keeper first: {part}, {stop}"

                put_image(table.segment, before)
                keeper.answer()
                go_to(worker, stop)
                go_to(keeper, part)
                assert worker.answer() == right, f"worker first: {part}, {stop}"
                keeper.answer()
    print(f"{search.__name__}: accesses of the keeper={parts}, of the worker={searches}")
    assert parts > 20
