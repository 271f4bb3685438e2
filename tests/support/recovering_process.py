"""A process that tells what a start would find in data folders, and outlives what damage does.

    python recovering_process.py < PATHS_OF_DATA_FOLDERS

Each folder is verified and recovered in a forked process of its own, as a damaged page may crash
the C library. Writes a JSON object a line for each: see `Found`.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ringfence.engine.memory.segment import Segment
from ringfence.engine.settings.reading import read_policies, read_pools
from ringfence.server.config.config import load_config
from ringfence.server.folder.data_folder import StartError, hold_data_folder
from ringfence.server.folder.installation import Installation
from ringfence.server.recovery.recovered import Recovered
from ringfence.server.recovery.recovery import run_recovery
from ringfence.server.tools.data_verify import folder_problems
from support.engine import Engine

CAPACITY_NUMBERS = 1_000
HUNG_S = 60
ANSWER = "answer.json"
LOG = "log"


@dataclass(frozen=True)
class Found:
    """What came of one folder."""

    state: str = ""
    """All that a verdict depends on; "" = none."""
    source: str = ""
    """What recovery began with."""
    refusal: str = ""
    """Why it was not done."""
    problems: tuple[str, ...] = ()
    """What `ringfence data verify` finds."""
    crash: str = ""
    """How the process ended, if it was not by itself."""


class Recovering:
    """The process, for tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def look(self, data: Path) -> Found:
        """What a start would find in a data folder, whose damaged snapshots are renamed by it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(data, file=self._process.stdin, flush=True)
        fields = json.loads(self._process.stdout.readline())
        return Found(**{**fields, "problems": tuple(fields["problems"])})

    def end(self) -> None:
        """Ends it, when it has answered."""
        self._process.communicate()


@contextmanager
def recovering() -> Iterator[Recovering]:
    """The process, ended at the end."""
    process = Recovering()
    try:
        yield process
    finally:
        process.end()


def _look(data: Path, run_folder: Path) -> Found:
    problems = tuple(problem for _, found in folder_problems(data) for problem in found)
    try:
        with hold_data_folder(data, wait_s=0) as held:
            config = load_config(None, workers=2, capacity_numbers=CAPACITY_NUMBERS)
            run_recovery(Installation(config, data, run_folder, held.folder_id, held.caller_key))
            recovered = Recovered.read(run_folder)
    except StartError as error:
        return Found(refusal=str(error), problems=problems)
    segment = Segment.open(run_folder / "segment")
    state = [
        Engine(segment).state_hash().hex(),
        str([(counted.journalled) for counted in segment.counters()][:8]),
        str((segment.applied, read_policies(segment), read_pools(segment))),
        held.caller_key.hex(),
    ]
    return Found(state="\n".join(state), source=recovered.source, problems=problems)


def _child(data: Path, folder: Path) -> None:
    end = 1
    run_folder = folder / "run"
    try:
        signal.alarm(HUNG_S)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(folder / LOG, os.O_WRONLY | os.O_CREAT, 0o600), 2)
        run_folder.mkdir()
        found = _look(data, run_folder)
        (folder / ANSWER).write_text(json.dumps(asdict(found)), "utf-8")
        end = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(end)


def _answer(data: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="ringfence-test-", dir="/dev/shm") as named:
        folder = Path(named)
        child = os.fork()
        if child == 0:
            _child(data, folder)
        _, status = os.waitpid(child, 0)
        if status:
            log = (folder / LOG).read_text("utf-8", "replace")
            return json.dumps(asdict(Found(crash=f"status={status:#x}\n{log}")))
        return (folder / ANSWER).read_text("utf-8")


if __name__ == "__main__":
    for line in sys.stdin:
        print(_answer(Path(line.rstrip("\n"))), flush=True)
