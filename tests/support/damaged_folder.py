"""A data folder with files of every kind, and where in them there is something to damage."""

import shutil
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringfence.engine.snapshot.format import FRAME, PREAMBLE
from ringfence.engine.snapshot.read import SnapshotFile
from ringfence.server.folder.journal_folders import journal_identity
from ringfence.server.folder.secret_file import read_secret
from ringfence.server.followers.history.database import FILE as HISTORY
from ringfence.server.journal.truncation import truncate_orphan
from support.durable_server import BEGAN, CALLED, TWO, fill, history, killed, send, take_snapshot
from support.server_process import peer_of

PAGE = 4_096
META_BYTES = 152
PAGE_HEADER_BYTES = 16
BRANCH, LEAF, OVERFLOW = 1, 2, 4
PAGE_KINDS = {BRANCH: "branch page", LEAF: "leaf page", OVERFLOW: "overflow page"}
MAP_SIZE_BYTES = 1 << 30

Places = dict[str, list[tuple[Path, int]]]
"""Files, by their paths in the folder, and offsets in them, by what stands there."""


def make_folder(data: Path, *, seed: int = 1, snapshots: int = 2) -> None:
    """What a server with two workers leaves when it is killed: journals that were truncated behind
    the older of two snapshots, and values behind the newer one; or journals only.
    """
    with killed(data, *TWO) as server, peer_of(server, 0) as one, peer_of(server, 1) as other:
        one.quarantine(CALLED, quarantined_at=[BEGAN])  # a value of several pages
        for taken in range(snapshots):
            fill(one, 10 * seed + taken)
            send(other, history(100 * seed + taken)[:5])
            take_snapshot(server)
        fill(other, 10 * seed + 5)
        send(one, history(100 * seed + 5)[:7])
        one.quarantine([number + 300 for number in CALLED], quarantined_at=[BEGAN])
    if snapshots == 2:
        for name in ("keeper", "worker-0", "worker-1"):
            truncate(data / "journal" / name, 2)


def identity_of(journal: Path) -> bytes:
    """The identity of a journal, by its folder in a data folder."""
    return journal_identity(read_secret(journal.parents[1] / "folder_id"), journal.name)


def truncate(journal: Path, upto: int) -> None:
    """Truncates a journal that nobody has, by its folder in a data folder."""
    truncate_orphan(journal, upto, identity=identity_of(journal), map_size_bytes=MAP_SIZE_BYTES)


@contextmanager
def copied(data: Path, copy: Path) -> Iterator[Path]:
    """A copy to damage, gone at the end."""
    shutil.copytree(data, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def flip_bit(path: Path, offset: int, bit: int) -> None:
    """Changes one bit of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def places_of(data: Path) -> Places:
    """Every byte that may be damaged, of all files that a stopped server leaves.

    But for the history's database: no start depends on it, and it has tests of its own.
    """
    places: Places = defaultdict(list)
    for path in sorted(each.relative_to(data) for each in data.rglob("*") if each.is_file()):
        content = (data / path).read_bytes()
        if path.name.startswith(HISTORY):
            continue
        if path.name == "data.mdb":
            for kind, begin, end in _page_parts(content):
                places[f"{path.parent.name}: {kind}"] += [(path, at) for at in range(begin, end)]
        elif path.suffix == ".rfs":
            for kind, begin, end in _snapshot_parts(data / path):
                places[f"snapshot: {kind}"] += [(path, at) for at in range(begin, end)]
        else:
            places[path.name] += [(path, at) for at in range(len(content))]
    return places


def _page_parts(content: bytes) -> Iterator[tuple[str, int, int]]:
    """The parts of a file of LMDB. What is free cannot be told from what is used, nor need be."""
    yield "meta page", 0, META_BYTES
    yield "meta page", PAGE, PAGE + META_BYTES
    for begin in range(2 * PAGE, len(content), PAGE):
        page, _, flags = struct.unpack_from("<QHH", content, begin)
        if page == begin // PAGE and flags in PAGE_KINDS:
            kind = PAGE_KINDS[flags]
            yield f"{kind} header", begin, begin + PAGE_HEADER_BYTES
            yield f"{kind} body", begin + PAGE_HEADER_BYTES, begin + PAGE
        else:
            yield "free or continued page", begin, begin + PAGE


def _snapshot_parts(path: Path) -> Iterator[tuple[str, int, int]]:
    yield "preamble", 0, PREAMBLE.size
    with SnapshotFile(path) as file:
        for block in file.blocks:
            payload = block.offset + FRAME.size
            yield "frame", block.offset, payload
            yield block.kind.name.lower(), payload, payload + block.size_bytes
