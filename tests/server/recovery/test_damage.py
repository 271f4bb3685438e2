"""Whatever bit of a data folder changes, a start finds what was there, or says what is wrong.

More flips by hand: `RINGFENCE_FLIPS=500 pytest -n 0 -s tests/server/recovery/test_damage.py`.
"""

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.damaged_folder import PAGE, Places, copied, flip_bit, make_folder, places_of
from support.durable_server import TWO, refusal_of, state_of
from support.recovering_process import Found, Recovering, recovering
from support.server_process import serving

pytestmark = pytest.mark.slow

FLIPS = int(os.environ.get("RINGFENCE_FLIPS", "1"))  # of each kind of place
SERVER_STARTS = 4
NUMBER_AT = 144  # of the transaction, in a meta page
JOURNALS = ("keeper", "worker-0", "worker-1")
MEANINGLESS = ("lock", "lock.mdb", "start_id", "journals")
"""Files whose content decides nothing that is on disk: who holds it, readers, a segment's
age, which journals there are."""

WHERE = re.compile(
    r"(position|offset|block)=|too short|\b(meta|page|pages|page\(s\)|freeDB|main DB)\b"
)
"""How a refusal says where in the file it is; values have positions, pages have their numbers."""


@dataclass(frozen=True)
class Folder:
    """A data folder, what a start finds in it, and where it can be damaged."""

    data: Path
    found: Found
    places: Places
    recovering: Recovering

    def flipped(self, path: Path, offset: int, bit: int) -> Found:
        """What a start finds when one bit is another one."""
        with copied(self.data, self.data.with_name("copy")) as copy:
            flip_bit(copy / path, offset, bit)
            return self.recovering.look(copy)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A folder with two snapshots and with journals that need them."""
    data = tmp_path_factory.mktemp("damage") / "data"
    make_folder(data)
    with recovering() as process:
        places = places_of(data)
        with copied(data, data.with_name("copy")) as copy:
            found = process.look(copy)
        assert found.state, found
        assert found.source == "snapshot-0000000000000002"
        assert not found.problems
        yield Folder(data, found, places, process)


def kinds_of(folder: Folder, beginning: str) -> list[str]:
    """The kinds of places whose names begin so."""
    return [kind for kind in folder.places if kind.startswith(beginning)]


def flip_many(folder: Folder, kinds: list[str], seed: int, flips: int = FLIPS) -> Counter[str]:
    """Flips bits in places of these kinds; how often which end came of it."""
    assert kinds
    print("seed", seed)
    chance = random.Random(seed)
    ends: Counter[str] = Counter()
    for kind in kinds:
        places = folder.places[kind]
        for path, offset in chance.sample(places, min(len(places), flips)):
            bit = chance.randrange(8)
            where = f"{kind}: {path} offset={offset} bit={bit}"
            found = folder.flipped(path, offset, bit)
            ends[end_of(folder.found, found, path, where)] += 1
    print(dict(ends))
    return ends


def end_of(whole: Found, found: Found, path: Path, where: str) -> str:
    """How a flip ended; fails unless that is one of the ends that may be."""
    assert not found.crash, f"{where}: {found.crash}"
    if found.refusal:
        assert str(path.parent if path.parts[0] == "journal" else path) in found.refusal, where
        assert WHERE.search(found.refusal), f"{where}: {found.refusal}"
        assert found.problems, f"{where}: verify finds nothing, yet {found.refusal}"
        return "refused"
    assert found.state == whole.state, where
    if found.source != whole.source:
        assert found.problems, f"{where}: verify finds nothing, yet {found.source} was used"
        return "passed over"
    return "found by verify" if found.problems else "no difference"


@pytest.mark.parametrize("name", JOURNALS)
def test_flipped_bit_of_a_journal_is_refused_or_makes_no_difference(
    folder: Folder, name: str
) -> None:
    ends = flip_many(folder, kinds_of(folder, f"{name}: "), random.randrange(10**6))
    assert ends.keys() <= {"refused", "found by verify", "no difference"}
    assert ends["refused"] >= FLIPS // 2


def test_flipped_bit_of_a_snapshot_is_found_and_the_other_snapshot_used(folder: Folder) -> None:
    kinds = kinds_of(folder, "snapshot: ")
    assert len(kinds) == 8
    ends = flip_many(folder, kinds, random.randrange(10**6))
    assert ends.keys() == {"passed over", "found by verify"}  # the newer one, the older one


@pytest.mark.parametrize("name", ["caller_key", "folder_id", "last"])
def test_any_flipped_bit_of_a_small_file_that_counts_is_refused(folder: Folder, name: str) -> None:
    ends = flip_many(folder, [name], random.randrange(10**6), 3 * FLIPS)
    assert ends.keys() == {"refused"}


@pytest.mark.parametrize("name", MEANINGLESS)
def test_flipped_bit_of_a_file_that_decides_nothing_makes_no_difference(
    folder: Folder, name: str
) -> None:
    assert flip_many(folder, [name], random.randrange(10**6)).keys() == {"no difference"}


def test_flipped_number_of_a_meta_page_goes_back_by_no_commit_without_a_note_either(
    folder: Folder, tmp_path: Path
) -> None:
    """LMDB takes the meta page with the greater number, and `last` is in no copy of a journal."""
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    for name in JOURNALS:
        path = Path("journal", name, "data.mdb")
        for page in range(2):
            # Bit 1 may make a neighbour: that takes the note.
            for bit in chance.sample((0, 2, 7, 31, 63), min(5, 1 + FLIPS)):
                with copied(folder.data, tmp_path / "copy") as copy:
                    (copy / path.with_name("last")).unlink()
                    flip_bit(copy / path, page * PAGE + NUMBER_AT + bit // 8, bit % 8)
                    found = folder.recovering.look(copy)
                assert "meta pages are not of neighbouring transactions" in found.refusal, found
                assert found.problems


def test_no_file_of_the_folder_is_left_out(folder: Folder) -> None:
    covered = {kind.split(": ")[0] for kind in folder.places}
    assert covered == {*JOURNALS, "snapshot", "caller_key", "folder_id", "last", *MEANINGLESS}


def test_caller_key_and_folder_id_are_not_taken_for_each_other(
    folder: Folder, tmp_path: Path
) -> None:
    with copied(folder.data, tmp_path / "copy") as copy:
        (copy / "caller_key").write_bytes((copy / "folder_id").read_bytes())
        assert f"{copy}/caller_key: damaged" in folder.recovering.look(copy).refusal


def test_server_starts_as_recovery_says_or_refuses_with_its_words(
    folder: Folder, tmp_path: Path
) -> None:
    chance = random.Random(seed := random.randrange(10**6))
    print("seed", seed)
    kinds = [kind for kind in folder.places if not kind.endswith(("body", "map", "lock.mdb"))]
    digest = folder.found.state.partition("\n")[0]
    for kind in chance.sample(kinds, SERVER_STARTS):
        path, offset = chance.choice(folder.places[kind])
        with copied(folder.data, tmp_path / "copy") as copy:
            flip_bit(copy / path, offset, bit := chance.randrange(8))
            expected = folder.recovering.look(copy).refusal
        print(kind, path, offset, bit, expected or "starts")
        with copied(folder.data, tmp_path / "copy") as copy:
            flip_bit(copy / path, offset, bit)
            if expected:
                assert expected in refusal_of(copy)
            else:
                with serving(copy, *TWO) as server:
                    assert state_of(server).hex() == digest
