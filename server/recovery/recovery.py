"""Recovery: at a start, makes the segment and brings back what was acknowledged before.

It runs in a process of its own, under the lock of the data folder and before any other touches
segment or journals. A segment that a killed server left is taken over if it may be; else it is
rebuilt from disk.
"""

import logging
import time
from dataclasses import replace

from ringfence.engine.memory.segment import SegmentError
from ringfence.engine.settings.policy import SettingError
from ringfence.engine.snapshot import SnapshotError
from ringfence.engine.wrong_path import wrong_path
from ringfence.server.config.config import first_start_problems
from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import KEEPER, journal_identity, worker_name
from ringfence.server.folder.journal_list import list_journals, missing_journals
from ringfence.server.journal.journal import JournalDamaged, JournalError
from ringfence.server.journal.lmdb_journal import open_journal
from ringfence.server.journal.opened_journals import opened_journals
from ringfence.server.recovery.living_segment import boot_id, change_start_id, take_over
from ringfence.server.recovery.recovered import Recovered

_log = logging.getLogger(__name__)


def run_recovery(installation: Installation) -> None:
    """Leaves a `Recovered` in the run folder, with a refusal when the server must not start."""
    try:
        recovered = _recover(installation)
    except (JournalError, SnapshotError) as error:
        recovered = Recovered(
            refusal=f"{error}; `ringfence data verify {installation.data}` says more"
        )
    except SettingError as error:
        recovered = Recovered(
            refusal=f"{error}, with server.ring_entries={installation.config.server.ring_entries}:"
            " start with as many as before, and put another policy first"
        )
    except SegmentError as error:
        recovered = Recovered(refusal=str(error))
    except OSError as error:
        recovered = Recovered(refusal=wrong_path(error))
    recovered.write(installation.run_folder)


def _recover(installation: Installation) -> Recovered:
    began = time.monotonic()
    if missing := missing_journals(installation.data):
        raise JournalDamaged("\n".join(missing.values()))
    before, start_id = change_start_id(installation.data)
    recovered = _recover_from_memory(installation, before)
    if recovered is None:
        # Here, as it brings much that a take-over does not need.
        from ringfence.server.recovery.rebuild import rebuild

        recovered = rebuild(installation)
        if not recovered.source and (problems := first_start_problems(installation.config)):
            return Recovered(refusal="\n".join(problems))
    _make_journals(installation)
    installation.open_segment().set_whole(boot_id=boot_id(), start_id=start_id)
    return replace(recovered, duration_s=time.monotonic() - began)


def _recover_from_memory(installation: Installation, before: bytes) -> Recovered | None:
    if not installation.segment_path.exists():
        return None
    with opened_journals(installation, walk=False) as journals:
        segment = take_over(installation, journals, before)
        if segment is None:
            installation.segment_path.unlink()
            return None
        keeper = journals.get(KEEPER)
        return Recovered("memory", (keeper.last if keeper else 0) - segment.applied)


def _make_journals(installation: Installation) -> None:
    """Makes the journals that are not there yet, so that all are listed before anything is in one.

    Where the disk has no room their owners make them later, and the next start lists them.
    """
    workers = range(installation.config.server.workers)
    try:
        for name in (KEEPER, *map(worker_name, workers)):
            if not installation.journal_folder(name).exists():
                open_journal(
                    installation.journal_folder(name),
                    identity=journal_identity(installation.folder_id, name),
                    map_size_bytes=installation.config.journal.map_size_bytes,
                ).close()
        list_journals(installation.data)
    except (JournalError, OSError) as error:
        _log.warning("journals are not listed: %s", error)
