"""What is wrong with a data folder that nobody serves.

Each is checked byte by byte, and then whether they belong together: replay goes on from any of the
snapshots, so every journal must reach from there to its end. Nothing is changed.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from ringfence.engine.snapshot import (
    SnapshotError,
    SnapshotHeader,
    check_snapshot,
    list_snapshots,
)
from ringfence.server.folder.data_folder import SECRETS, missing_secret
from ringfence.server.folder.journal_folders import KEEPER, journal_identity, journal_names
from ringfence.server.folder.journal_list import missing_journals
from ringfence.server.folder.secret_file import SecretDamaged, read_secret
from ringfence.server.followers.history.file_copy import FILE as HISTORY
from ringfence.server.followers.history.file_copy import file_problems
from ringfence.server.journal.journal import JournalError
from ringfence.server.journal.lmdb_journal import check_journal, open_for_replay

Span = tuple[int, int]
"""The oldest and the newest position of a journal."""


def folder_problems(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each file and journal that counts, and what is wrong with it; an empty list = nothing."""
    ids: dict[str, bytes] = {}
    for path in (folder / name for name in SECRETS):
        if path.exists():
            try:
                ids[path.name] = read_secret(path)
                yield path, []
            except SecretDamaged as error:
                yield path, [str(error)]
        elif missing := missing_secret(path):
            yield path, [missing]
    if (history := folder / HISTORY).exists():
        yield history, file_problems(history)
    spans: dict[str, Span | None] = {}
    for name in journal_names(folder / "journal"):
        path = folder / "journal" / name
        found, spans[name] = _journal(path, ids.get("folder_id"))
        yield path, found
    for path, problem in missing_journals(folder).items():
        yield path, [problem]
    snapshots = folder / "snapshots"
    for path in list_snapshots(snapshots) if snapshots.exists() else ():
        try:
            header = check_snapshot(path)
        except SnapshotError as error:
            yield path, [str(error)]
            continue
        problems = _beyond_reach(path, header, spans)
        if ids.get("folder_id", header.folder_id) != header.folder_id:
            problems.append(f"{path}: snapshot of another data folder: {header.folder_id.hex()}")
        yield path, problems


def _journal(path: Path, folder_id: bytes | None) -> tuple[list[str], Span | None]:
    if folder_id is None:
        return [f"{path}: cannot be checked without the folder_id, which its checksums need"], None
    identity = journal_identity(folder_id, path.name)
    try:
        if problems := check_journal(path, identity=identity):
            return problems, None
        with closing(open_for_replay(path, identity=identity, walk=False)) as journal:
            return [], (journal.first, journal.last)
    except JournalError as error:
        return [str(error)], None


def _beyond_reach(
    path: Path, header: SnapshotHeader, spans: Mapping[str, Span | None]
) -> list[str]:
    """Journals that do not go on where the snapshot ends; of a damaged one enough was said."""
    positions = {**header.positions, KEEPER: header.keeper_position}
    problems = []
    for name in sorted(positions.keys() | spans.keys()):
        position, span = positions.get(name, 0), spans.get(name, (1, 0))
        if span is not None and not span[0] - 1 <= position <= span[1]:
            problems.append(
                f"{path}: journal does not go on from here: {name}, position={position},"
                f" oldest={span[0]}, last={span[1]}"
            )
    return problems
