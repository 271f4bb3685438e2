"""Ids in blocks against a sorted list."""

import gc

import numpy as np
import pytest

from ringfence.server.state import ascending_ids
from ringfence.server.state.ascending_ids import AscendingIds


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(ascending_ids, "BLOCK_IDS", 4)


def test_ids_are_what_a_sorted_list_has():
    seed = 7
    print(f"seed={seed}")
    dice = np.random.default_rng(seed)
    plain = [f"{n:04}" for n in range(0, 30, 2)]
    ids = AscendingIds(plain)
    for n in range(30, 300, 2):
        ids.append(f"{n:04}")
        plain.append(f"{n:04}")
        for _ in range(dice.integers(0, 3)):
            gone = str(dice.choice(plain))
            ids.remove(gone)
            plain.remove(gone)
        assert list(ids) == plain
        last = f"{dice.integers(0, 310):04}"
        assert list(ids.behind(last)) == [each for each in plain if each > last]
    for each in plain:
        ids.remove(each)
    assert list(ids) == list(ids.behind("")) == []


def test_id_that_goes_moves_no_more_than_its_block():
    ids = AscendingIds(f"{n:04}" for n in range(12))
    before = [*ids._blocks]
    ids.remove("0001")
    assert [len(block) for block in ids._blocks] == [3, 4, 4]
    assert all(now is then for now, then in zip(ids._blocks[1:], before[1:], strict=True))
    for gone in ("0004", "0005", "0006", "0007"):
        ids.remove(gone)
    assert [block[0] for block in ids._blocks] == ["0000", "0008"]


def test_blocks_are_no_business_of_the_garbage_collector():
    ids = AscendingIds(f"{n:04}" for n in range(100))
    for n in range(100, 200):
        ids.append(f"{n:04}")
    ids.remove("0030")
    gc.collect()
    assert not any(map(gc.is_tracked, ids._blocks))
