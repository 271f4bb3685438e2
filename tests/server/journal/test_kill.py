"""What a journal has acknowledged is there after its process was killed, again and again."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.appending_process import WAITING
from support.journal_answers import IDENTITY, value_of
from support.places import SUPPORT

from ringfence.server.journal.lmdb_journal import check_journal, open_for_replay

pytestmark = pytest.mark.slow

ROUNDS = 10
KEEP = 300
SEED = 20


def test_acknowledged_values_survive_kill_9(tmp_path: Path) -> None:
    print("seed", SEED)
    chance = random.Random(SEED)
    folder = tmp_path / "0"
    command = [sys.executable, str(SUPPORT / "appending_process.py")]
    acknowledged = 0
    for _ in range(ROUNDS):
        with subprocess.Popen([*command, str(folder), str(KEEP)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            told = child.stdout.readline()
            time.sleep(chance.random() * 0.08)
            child.send_signal(signal.SIGKILL)
            told += child.stdout.read()
        positions = [int(line) for line in told.splitlines(keepends=True) if line.endswith(b"\n")]
        assert positions == list(range(positions[0], positions[-1] + 1))
        assert positions[0] > acknowledged  # never one that was told before
        acknowledged = positions[-1]
        assert check_journal(folder, identity=IDENTITY) == []
        reader = open_for_replay(folder, identity=IDENTITY)
        assert reader.last >= acknowledged
        assert reader.first <= max(1, acknowledged - KEEP + 1 + WAITING)
        held = list(reader.replay(reader.first - 1))
        assert held == [(n, value_of(n)) for n in range(reader.first, reader.last + 1)]
        reader.close()
    assert reader.first > 1
