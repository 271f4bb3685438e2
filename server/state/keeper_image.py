"""The keeper's state in snapshots."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from ringfence.engine.snapshot import (
    SnapshotDamaged,
    list_snapshots,
    read_hand_outs,
    read_header,
    read_keeper_state,
)
from ringfence.server.journal.keeper_value_pb2 import KeeperImage
from ringfence.server.state.hand_out_runs import HAND_OUT, Run, RunBuilder, run_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredImage:
    """The keeper's state as a snapshot has it, or, without parts, that of a keeper that is new."""

    parts: Iterable[KeeperImage] = ()
    """One after the other; none of them is kept."""
    runs: Sequence[Run] = ()
    """Of hand-outs, oldest first."""


class _Parts:
    """The parts in a snapshot, read whenever they are asked for; raises SnapshotError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[KeeperImage]:
        with closing(read_keeper_state(self._path)) as parts:
            for part in parts:
                try:
                    yield KeeperImage.FromString(part)
                except DecodeError as error:
                    raise _damaged(self._path, str(error)) from None


def newest_image(folder: Path) -> StoredImage:
    """The image in the newest snapshot that has a whole one; an empty one without any."""
    for path in list_snapshots(folder) if folder.exists() else ():
        try:
            return read_image(path)
        except SnapshotDamaged as error:
            _log.warning("%s; going on without it", error)
    return StoredImage()


def read_image(path: Path) -> StoredImage:
    """The image in a snapshot; all of it was looked at then, and hand-outs were taken. Raises
    SnapshotError.
    """
    lengths: list[int] = []
    runs: list[Run] = []
    for part in _Parts(path):
        lengths.extend(part.hand_out_runs)
        if part.hand_outs:
            try:
                runs.append(run_of([np.frombuffer(part.hand_outs, HAND_OUT)]))
            except ValueError as error:
                raise _damaged(path, str(error)) from None
    size_bytes, expected = read_header(path).hand_outs_bytes, sum(lengths) * HAND_OUT.itemsize
    if size_bytes != expected:
        raise _damaged(path, f"hand-outs: bytes={size_bytes}, expected={expected}")
    return StoredImage(_Parts(path), [*runs, *_runs(path, lengths)])


def read_settings(path: Path) -> KeeperImage:
    """The image in a snapshot without reservations and hand-outs; raises SnapshotError."""
    image = KeeperImage()
    for part in _Parts(path):
        with_reservations = bool(part.reservations)
        part.ClearField("reservations")
        part.ClearField("hand_outs")
        part.ClearField("former_lives")
        image.MergeFrom(part)
        if with_reservations:  # they come last
            break
    return image


def _runs(path: Path, lengths: Iterable[int]) -> Iterator[Run]:
    """The hand-outs of a snapshot, cut into runs of so many rows."""
    pieces = (np.frombuffer(piece, HAND_OUT) for piece in read_hand_outs(path))
    rows = np.empty(0, HAND_OUT)
    for length in lengths:
        builder = RunBuilder()
        while builder.rows < length:
            rows = rows if len(rows) else next(pieces)
            taken = rows[: length - builder.rows]
            builder.put(taken)
            rows = rows[len(taken) :]
        yield builder.run()


def _damaged(path: Path, what: str) -> SnapshotDamaged:
    return SnapshotDamaged(path, f"not a keeper's state: {what}", offset=0)
