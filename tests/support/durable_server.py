"""Servers that are killed and started again: what is sent to them, and what is found afterwards."""

import random
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringfence.engine.memory.segment import Segment
from ringfence.engine.snapshot import list_snapshots
from ringfence.server.folder.data_folder import hold_data_folder
from ringfence.v1 import quarantine_service_pb2 as commands
from support.engine import Engine
from support.long_ago import LONG_AGO
from support.server_process import (
    DEADLINE_S,
    Peer,
    ServerProcess,
    batch,
    serving,
    wait_until,
)

CALLED = [447700900000 + i for i in range(200)]
BEGAN = LONG_AGO
CAPACITY = ("--capacity", "1000")
TWO = ("--workers", "2", *CAPACITY)


@contextmanager
def killed(data: Path, *options: str, reboot: bool = True) -> Iterator[ServerProcess]:
    """A server that is killed at the end, and every process of it is gone.

    Its segment is gone as well, as after a reboot, so that the next start reads what is on disk;
    unless `reboot` is False.
    """
    with serving(data, *options) as server:
        run_folder = server.run_folder
        yield server
        server.process.kill()
        server.process.wait()
        with hold_data_folder(data):  # free only when the last process is gone
            if reboot:
                shutil.rmtree(run_folder)


def refusal_of(data: Path, *options: str) -> str:
    """The log of a server that refuses to start."""
    failed = ServerProcess(data, *(options or TWO))
    try:
        assert failed.ready_line == "", failed.ready_line
        assert failed.process.wait(DEADLINE_S) == 4, failed.log
        return failed.log
    finally:
        failed.end()


def state_of(server: ServerProcess) -> bytes:
    """The state hash of a running server."""
    segment = Segment.open(server.run_folder / "segment")
    return Engine(segment).state_hash()


def recovered_from(server: ServerProcess) -> tuple[str, int]:
    """What the ready line says: with what recovery began, and how many values it replayed."""
    found = re.search(r" recovered=(\S+) values=(\d+) events=\d+ in [\d.]+s$", server.ready_line)
    assert found is not None, server.ready_line
    return found[1], int(found[2])


def history(seed: int) -> list[dict[str, list[int]]]:
    """Batches of calls to all numbers, with more events than a ring holds.

    Every number has callers of its own, so that none of them is a robot: what a robot's calls leave
    in rings depends on their order.
    """
    chance = random.Random(seed)
    now = int(time.time())
    batches = []
    for _ in range(40):
        places = chance.choices(range(40), k=30)
        batches.append(
            {
                "called": [CALLED[place] for place in places],
                "caller": [441632960000 + 20 * at + chance.randrange(20) for at in places],
                "occurred_at": [now - chance.randrange(10_000) for _ in range(30)],
            }
        )
    return batches


def send(peer: Peer, batches: list[dict[str, list[int]]], feed: str = "test") -> None:
    """Sends batches on one stream without waiting between them, and waits for all answers."""
    requests = [
        batch(sequence=number, feed=feed, **fields) for number, fields in enumerate(batches, 1)
    ]
    answers = peer.events.StreamEvents(iter(requests), timeout=DEADLINE_S)
    assert [answer.sequence for answer in answers] == list(range(1, len(batches) + 1))


def put_pool(peer: Peer, name: str) -> commands.Pool:
    """Makes a pool, or gives it its next revision."""
    pool = commands.Pool(name=name, policy="default")
    return peer.commands.PutPool(commands.PutPoolRequest(pool=pool), timeout=DEADLINE_S)


def fill(peer: Peer, seed: int) -> None:
    """More events, and commands between them."""
    batches = history(seed)
    send(peer, batches[:20])
    peer.quarantine(random.Random(seed).sample(CALLED, 30), quarantined_at=[BEGAN])
    put_pool(peer, f"pool-{seed}")
    send(peer, batches[20:])


def end_snapshot(server: ServerProcess) -> None:
    """Has a snapshot taken and waits until that process has ended, well or not."""
    before = server.log.count("snapshot ended: ")
    server.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: server.log.count("snapshot ended: ") > before)


def take_snapshot(server: ServerProcess) -> Path:
    """Has a snapshot taken; its path."""
    before = server.log.count("role=snapshot snapshot taken: ")
    end_snapshot(server)
    assert server.log.count("role=snapshot snapshot taken: ") == before + 1
    return list_snapshots(server.data / "snapshots")[0]


def flip(path: Path) -> None:
    """Changes a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
