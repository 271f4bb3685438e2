"""The embedded journal: one LMDB environment in a folder. All that knows LMDB is here and in
`journal_pages.py`.

Thread safety: writing is for one thread, reading for any. Every read is one short transaction
under a lock, for pages that a reader sees are not used again, and an environment must not be
closed under a reader. One owner per environment, opened after the fork, held by a flock; only
`copy_journal` reads beside it, in another process.
Invariants: keys are positions, big-endian, without a hole behind the oldest; the last value
stays. Position 0 is no value: it proves that there is room.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import lmdb

from ringfence.engine.durable_files import sync
from ringfence.server.folder.journal_folders import DATA
from ringfence.server.journal.group_commit import COMMIT_MAX_BYTES, GroupCommit
from ringfence.server.journal.journal import (
    Journal,
    JournalDamaged,
    JournalDown,
    JournalError,
    JournalInUse,
    JournalReader,
    JournalTruncated,
    seal,
    unseal,
)
from ringfence.server.journal.lmdb_pages import check_metas, is_cut_short, page_problems
from ringfence.server.journal.note import make_note, open_note, read_note, write_note

LOCK = "lock.mdb"
LOCK_BYTES = 8_192  # for LMDB's 126 readers
MAP_SIZE_BYTES = 64 << 30  # address space, not memory and not disk
READ_MAX_VALUES = 256
READ_MAX_BYTES = 8 << 20
DROP_MAX_VALUES = 256  # a commit
DROP_MAX_BYTES = 16 << 20
ROOM_TO_DELETE_BYTES = 4 << 20
PROBLEMS_MAX = 200
_ENGINE = 0  # LMDB 0.9, whatever lmdb takes for a new file by default
_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
)


def open_journal(
    folder: Path,
    *,
    identity: bytes,
    map_size_bytes: int = MAP_SIZE_BYTES,
    pending_max_bytes: int = COMMIT_MAX_BYTES,
    sync: bool = True,
) -> Journal:
    """Opens a journal for writing, made if it is missing, and starts its commit thread.

    `identity` says whose journal it is, the same at every opening: with another one it is damaged.
    `map_size_bytes` bounds the file. `append` refuses what would make more than
    `pending_max_bytes` wait. `sync=False` loses values at a power cut; it exists for the control
    of the test that cuts the power. Raises JournalInUse, JournalDamaged, JournalTooNew, and
    JournalDown when there is no journal yet and none can be made. A journal that is there and
    cannot be written opens and is not `writable` until it has healed.
    """
    _create(folder, identity)
    return GroupCommit(
        LmdbFile(folder, identity=identity, map_size_bytes=map_size_bytes, sync=sync),
        pending_max_bytes,
    )


def open_for_replay(folder: Path, *, identity: bytes, walk: bool = True) -> JournalReader:
    """Opens a journal that nobody writes, to read it; it is not touched.

    All its pages are walked first, without the C library: a damaged page could bring that down,
    or show it the journal as it once was. Takes about 0.2 s a GB of large values, and 2 s for a
    million small ones; `walk=False` is for who only asks where it ends, and walks only a file that
    ends before its last page. Several processes may read at once, each once. Raises JournalInUse,
    JournalDamaged, JournalTooNew.
    """
    held = _hold(folder, fcntl.LOCK_SH)
    try:
        os.fsync(held)  # what a killed owner wrote can be read before it is on disk
        if (walk or is_cut_short(folder / DATA)) and (problems := page_problems(folder / DATA)):
            raise JournalDamaged(problems[0])
        return LmdbFile(folder, identity=identity)
    finally:
        os.close(held)


def check_journal(folder: Path, *, identity: bytes) -> list[str]:
    """What is wrong with a journal that nobody writes; nothing = all values are as written.

    First its pages, then its values, if the pages are whole. Reads the file and does not touch
    it. Raises JournalInUse.
    """
    held = _hold(folder, fcntl.LOCK_SH)
    try:
        return page_problems(folder / DATA) or _value_problems(folder, identity)
    finally:
        os.close(held)


def copy_journal(folder: Path, target: Path, *, identity: bytes) -> int:
    """Copies a journal to a new folder, also while its owner writes it; its last position there.

    The copy is one durable state of the journal, without free pages, and durable itself when this
    returns; damage is copied too. The owner's file may grow meanwhile. Raises JournalDamaged,
    JournalDown when the copy cannot be written, JournalInUse while a first owner opens the journal.
    """
    with _beside_owner(folder) as environment:
        target.mkdir(mode=0o700)
        environment.copy(str(target), compact=True)
        with closing(LmdbFile(target, identity=identity)) as copied:
            make_note(target, copied.last, identity=identity)
        sync(target / DATA, target)
        return copied.last


def copy_bytes(folder: Path) -> int:
    """How large the file of a `copy_journal` would be now."""
    with _beside_owner(folder) as environment:
        stat = environment.stat()
        pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
        return int(stat["psize"] * (2 + pages))  # two meta pages


@contextmanager
def _beside_owner(folder: Path) -> Iterator[lmdb.Environment]:
    """A journal opened to read what its owner may be writing.

    LMDB's table of readers keeps the owner off pages in use. A journal without it had no owner yet;
    it is not made here, with another user's rights, but a flock keeps owners away.
    """
    shared = (folder / LOCK).exists()
    held = -1 if shared else _hold(folder, fcntl.LOCK_SH)
    try:
        size_bytes = max(MAP_SIZE_BYTES, 2 * (folder / DATA).stat().st_size)  # it may grow
        with lmdb.open(
            str(folder), size_bytes, readonly=True, lock=shared, create=False, lib_version=_ENGINE
        ) as environment:
            yield environment
    except _DAMAGE as error:
        raise JournalDamaged(_said(folder, error)) from error
    except (lmdb.Error, OSError) as error:
        raise JournalDown(_said(folder, error)) from error
    finally:
        if not shared:
            os.close(held)


class LmdbFile:
    """The file of one journal: opened, read, written, opened again. See `journal.JournalReader`."""

    def __init__(
        self,
        folder: Path,
        *,
        identity: bytes,
        map_size_bytes: int | None = None,
        sync: bool = True,
    ) -> None:
        self.folder = folder
        self.first = 1
        self.last = 0
        self._identity = identity
        self._readonly = map_size_bytes is None
        self._map_size_bytes = -(-(map_size_bytes or 0) // mmap.PAGESIZE) * mmap.PAGESIZE
        self._sync = sync
        self._reading = threading.Lock()
        self._environment: lmdb.Environment | None = None
        self._held = _hold(folder, fcntl.LOCK_SH if self._readonly else fcntl.LOCK_EX)
        self._note = -1
        try:
            self.reopen()
            if not self._readonly:
                with self._translated():
                    self._note = open_note(folder, self.last, identity=identity)
        except BaseException:
            self.close()
            raise

    def reopen(self) -> None:
        """Opens the environment, after closing it, and reads which positions are there."""
        with self._reading, self._translated():
            self._close_environment()
            check_metas(self.folder / DATA)
            self._environment = self._open()
            self._environment.reader_check()
            with self._environment.begin(buffers=True) as txn, txn.cursor() as cursor:
                first, last = 1, 0
                if cursor.set_range(_key(1)):
                    first = _position(self.folder, cursor.key())
                    cursor.last()
                    last = _position(self.folder, cursor.key())
                    self._unseal(last, cursor.value())  # refuses a newer format now
                self.first, self.last = first, last  # who asks meanwhile sees what was before
            self._check_note()

    def _unseal(self, position: int, sealed: memoryview) -> bytes:
        return unseal(self.folder, position, sealed, identity=self._identity)

    def _check_note(self) -> None:
        if self.last < (noted := read_note(self.folder, identity=self._identity)):
            raise JournalDamaged(
                f"{self.folder}: ends too early: last position={self.last}, noted={noted}"
            )

    def _open(self) -> lmdb.Environment:
        if self._readonly:
            return lmdb.open(
                str(self.folder), readonly=True, lock=False, create=False, lib_version=_ENGINE
            )
        _reserve(self.folder / LOCK, LOCK_BYTES)
        return lmdb.open(
            str(self.folder),
            map_size=self._map_size_bytes,
            sync=self._sync,
            metasync=self._sync,
            writemap=False,
            mode=0o600,
            create=False,
            lib_version=_ENGINE,
        )

    def close(self) -> None:
        """Lets go of the file."""
        with self._reading:
            self._close_environment()
            for descriptor in (self._held, self._note):
                if descriptor >= 0:
                    os.close(descriptor)
            self._held = self._note = -1

    def _close_environment(self) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def replay(self, after: int) -> Iterator[tuple[int, bytes]]:
        """Positions and values behind a position; see `journal.JournalReader.replay`."""
        if after > self.last:
            raise JournalDamaged(
                f"{self.folder}: ends too early: asked after position={after}, last={self.last}"
            )
        while after < self.last:
            yield from (values := self._read(after))
            after += len(values)

    def _read(self, after: int) -> list[tuple[int, bytes]]:
        """The next few values; at least one."""
        values: list[tuple[int, bytes]] = []
        size = 0
        with (
            self._reading,
            self._translated(after + 1),
            self._opened().begin(buffers=True) as txn,
            txn.cursor() as cursor,
        ):
            if not cursor.set_range(_key(after + 1)):
                raise _hole(self.folder, after + 1, None)
            for key, sealed in cursor:
                position = _position(self.folder, key)
                if position != after + 1 + len(values):
                    if not values and position == _first(self.folder, cursor):
                        raise JournalTruncated(
                            f"{self.folder}: values were let go: asked after position={after},"
                            f" oldest={position}"
                        )
                    raise _hole(self.folder, after + 1 + len(values), position)
                values.append((position, self._unseal(position, sealed)))
                size += len(sealed)
                if len(values) == READ_MAX_VALUES or size >= READ_MAX_BYTES:
                    break
        return values

    def write(self, values: Sequence[bytes], drop_upto: int) -> None:
        """Puts values behind the last one and deletes a few old ones, in one durable commit."""
        with self._translated():
            with self._opened().begin(write=True, buffers=True) as txn:
                first = self._drop(txn, min(drop_upto, self.last - 1))
                for position, value in enumerate(values, self.last + 1):
                    sealed = seal(position, value, identity=self._identity)
                    if not txn.put(_key(position), sealed, append=True):
                        raise JournalDamaged(f"{self.folder}: taken already: position={position}")
            self.first = first
            self.last += len(values)
            if values:
                write_note(self._note, self.last, identity=self._identity)

    def _drop(self, txn: lmdb.Transaction[memoryview], upto: int) -> int:
        """Deletes some values up to a position; the oldest position that is left."""
        first, size, most = self.first, 0, min(upto, self.first + DROP_MAX_VALUES - 1)
        with txn.cursor() as cursor:
            while first <= most and size < DROP_MAX_BYTES:
                if not cursor.set_key(_key(first)):
                    raise _hole(self.folder, first, None)
                size += len(cursor.value())
                cursor.delete()
                first += 1
        return first

    def prove_room(self, size: int, drop_upto: int) -> None:
        """Deletes what may go, then commits a value of this size and deletes it again.

        Raises JournalDown if there is no room. Also makes durable what a commit of unknown
        outcome has left: it can be seen before it is on disk; and so can the journal's name.
        """
        with self._translated():
            sync(self.folder.parent, self.folder.parent.parent)
        with self._wider_map():
            while self.first <= min(drop_upto, self.last - 1):
                self.write((), drop_upto)
            self._put_proof(0)  # pages freed by a transaction serve the next but one
        self._put_proof(size)
        with self._wider_map(), self._translated(), self._opened().begin(write=True) as txn:
            txn.delete(_key(0))

    def _put_proof(self, size: int) -> None:
        with self._translated(), self._opened().begin(write=True) as txn:
            txn.put(_key(0), bytes(size))

    @contextmanager
    def _wider_map(self) -> Iterator[None]:
        """Room for deletions, which need pages too, in a map that is full."""
        self._set_map_size(self._map_size_bytes + ROOM_TO_DELETE_BYTES)
        yield
        self._set_map_size(self._map_size_bytes)

    def _set_map_size(self, size_bytes: int) -> None:
        with self._reading, self._translated():
            self._opened().set_mapsize(size_bytes)

    def check_readers(self) -> None:
        """Frees the places of readers that were killed, which keep pages from being used again."""
        with self._translated():
            self._opened().reader_check()

    def problems(self) -> list[str]:
        """Every value that is missing or not as written, up to `PROBLEMS_MAX` of them."""
        found: list[str] = []
        expected = self.first
        with (
            self._reading,
            self._translated(),
            self._opened().begin(buffers=True) as txn,
            txn.cursor() as cursor,
        ):
            # Without any value a proof of room may be there, whose process was killed.
            for key, sealed in cursor if cursor.set_range(_key(1)) else ():
                try:
                    position = _position(self.folder, key)
                    if position != expected:
                        found.append(str(_hole(self.folder, expected, position)))
                    expected = position + 1
                    self._unseal(position, sealed)
                except JournalError as error:
                    found.append(str(error))
                if len(found) >= PROBLEMS_MAX:
                    break
        return found

    def _opened(self) -> lmdb.Environment:
        if self._environment is None:
            raise JournalDown(f"{self.folder}: closed")
        return self._environment

    @contextmanager
    def _translated(self, position: int | None = None) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            at = self.last if position is None else position
            raise JournalDamaged(f"{_said(self.folder, error)}: position={at}") from error
        except (lmdb.Error, OSError) as error:
            raise JournalDown(_said(self.folder, error)) from error


def _key(position: int) -> bytes:
    return position.to_bytes(8, "big")


def _position(folder: Path, key: memoryview) -> int:
    if len(key) != 8:
        raise JournalDamaged(f"{folder}: key is no position: bytes={len(key)}, expected=8")
    return int.from_bytes(key, "big")


def _first(folder: Path, cursor: lmdb.Cursor[memoryview]) -> int:
    """The oldest position in a journal that is not empty."""
    cursor.set_range(_key(1))
    return _position(folder, cursor.key())


def _hole(folder: Path, position: int, found: int | None) -> JournalDamaged:
    return JournalDamaged(f"{folder}: value missing: position={position}, next={found or 'none'}")


def _hold(folder: Path, kind: int) -> int:
    """A descriptor whose flock keeps others from the journal as long as it is open."""
    path = folder / DATA
    try:
        held = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from None
    try:
        fcntl.flock(held, kind | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        if not isinstance(error, BlockingIOError):
            raise JournalError(f"{path}: {error.strerror}") from None
        raise JournalInUse(f"{folder}: journal in use by another process") from None
    return held


def _create(folder: Path, identity: bytes) -> None:
    """Makes an empty journal, whole and durable before it has its name."""
    if (folder / DATA).exists():
        return
    draft = folder.with_name(f".{folder.name}.new")
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        lmdb.open(str(draft), mode=0o600, lock=False, lib_version=_ENGINE).close()
        make_note(draft, 0, identity=identity)
        sync(draft / DATA, draft)
        draft.rename(folder)
        sync(folder.parent)
    except (lmdb.Error, OSError) as error:
        raise JournalDown(f"{_said(draft, error)}: journal cannot be made") from error


def _reserve(path: Path, size_bytes: int) -> None:
    """Gives a file its place on disk: LMDB maps it sparse, and a full disk would be a SIGBUS."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(opened, 0, size_bytes)
    finally:
        os.close(opened)


def _value_problems(folder: Path, identity: bytes) -> list[str]:
    try:
        file = LmdbFile(folder, identity=identity)
        try:
            return file.problems()
        finally:
            file.close()
    except JournalError as error:
        return [str(error)]


def _said(folder: Path, error: Exception) -> str:
    """What an error of LMDB or the system says, after the path, once: some name it themselves."""
    if isinstance(error, OSError):
        return f"{error.filename or folder}: {error.strerror}"
    return f"{folder}: {str(error).removeprefix(f'{folder}: ')}"
