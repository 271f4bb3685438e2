"""A process that flips bits of a journal's file and looks what reading it makes of them.

    python flipping_process.py FOLDER SEED FLIPS_A_REGION

Every flip is read in a forked process of its own, because a damaged page may crash the C library.
Writes one JSON object: for every region of the file, how many flips ended in which way.
"""

import json
import os
import random
import resource
import signal
import struct
import sys
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from ringfence.server.journal.journal import HEAD, JournalError, seal
from ringfence.server.journal.lmdb_journal import check_journal, open_for_replay
from support.journal_answers import IDENTITY

PAGE = 4_096
META_BYTES = 152
HUNG_S = 20
SAME, REFUSED, WRONG, BROKEN = range(4)
ENDS = {SAME: "same", REFUSED: "refused", WRONG: "wrong", BROKEN: "broken"}


def forked(work: Callable[[], int]) -> str:
    """How a piece of work ended in a process of its own."""
    child = os.fork()
    if child == 0:
        end = BROKEN
        try:
            signal.alarm(HUNG_S)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            end = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(end)
    _, status = os.waitpid(child, 0)
    return ENDS[os.WEXITSTATUS(status)] if os.WIFEXITED(status) else "crashed"


def replayed(folder: Path) -> list[tuple[int, bytes]]:
    """All values of a journal."""
    reader = open_for_replay(folder, identity=IDENTITY)
    try:
        return list(reader.replay(reader.first - 1))
    finally:
        reader.close()


folder = Path(sys.argv[1])
path = folder / "data.mdb"
whole = path.read_bytes()
expected = replayed(folder)


def replay() -> int:
    """Replays and compares."""
    try:
        return SAME if replayed(folder) == expected else WRONG
    except JournalError:
        return REFUSED


def check() -> int:
    """Checks offline."""
    return REFUSED if check_journal(folder, identity=IDENTITY) else SAME


def places(pattern: bytes) -> list[int]:
    """Where these bytes stand; LMDB leaves old copies behind in pages that are free."""
    found = [whole.find(pattern)]
    while found[-1] >= 0:
        found.append(whole.find(pattern, found[-1] + 1))
    return found[:-1]


def regions() -> dict[str, list[tuple[int, ...]]]:
    """Bytes to flip, by what they are; a byte of a value in all its copies."""
    found: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for page in range(2):
        found["meta page"] += [(page * PAGE + at,) for at in range(META_BYTES)]
    for start in range(2 * PAGE, len(whole), PAGE):
        if struct.unpack_from("<Q", whole, start)[0] == start // PAGE:
            found["page header"] += [(start + at,) for at in range(16)]
            found["page body"] += [(start + at,) for at in range(16, PAGE)]
    for position, value in expected:
        sealed = seal(position, value, identity=IDENTITY)
        begins = places(sealed)
        for at in range(len(sealed)):
            region = "value" if at >= HEAD.size else "value header"
            found[region].append(tuple(begin + at for begin in begins))
    return found


def main(seed: int, flips: int) -> None:
    """Flips, reads, flips back."""
    chance = random.Random(seed)
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    with open(path, "r+b", buffering=0) as file:
        for region, offsets in regions().items():
            for copies in chance.sample(offsets, flips):
                flipped = bytes([whole[copies[0]] ^ 1 << chance.randrange(8)])
                for offset in copies:
                    os.pwrite(file.fileno(), flipped, offset)
                ends[region][f"replay {forked(replay)}, check {forked(check)}"] += 1
                for offset in copies:
                    os.pwrite(file.fileno(), whole[offset : offset + 1], offset)
    assert path.read_bytes() == whole
    print(json.dumps(ends))


if __name__ == "__main__":
    main(int(sys.argv[2]), int(sys.argv[3]))
