"""The keeper's image on its way to disk: whoever dies or hangs, and whatever is confirmed."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from support.durable_server import BEGAN, killed, recovered_from, take_snapshot
from support.server_process import (
    DEADLINE_S,
    Peer,
    ServerProcess,
    peer_of,
    reason_of,
    serving,
    wait_until,
)

from ringfence.engine.memory.segment import Segment
from ringfence.engine.snapshot import list_snapshots, write_snapshot
from ringfence.engine.snapshot.format import FRAME, Kind
from ringfence.engine.snapshot.read import SnapshotFile
from ringfence.server.recovery.asked_image import asked_image
from ringfence.server.state.keeper_image import read_image
from ringfence.server.tools.data_verify import folder_problems
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow

FIRST = 999 * 10**9
MANY = 40_000
TRIES = 20
PAUSE_S = 0.01
ONE = ("--workers", "1", "--capacity", str(MANY))


def quarantine(peer: Peer, count: int) -> None:
    asked = list(range(FIRST, FIRST + count))
    answer = peer.quarantine(asked, quarantined_at=[BEGAN], observed_since=[BEGAN])
    assert answer.accepted == count


def reserve(peer: Peer, count: int) -> numbers.Reservation:
    asked = numbers.ReserveNumbersRequest(pool="default", count=count)
    return peer.numbers.ReserveNumbers(asked, timeout=DEADLINE_S)


def confirm(peer: Peer, reservation: str) -> None:
    asked = numbers.ConfirmReservationRequest(id=reservation)
    peer.numbers.ConfirmReservation(asked, timeout=DEADLINE_S)


def was_handed_out(peer: Peer, number: int) -> bool:
    """Whether the server takes a complaint about it."""
    try:
        asked = commands.ReportComplaintRequest(number=number)
        peer.commands.ReportComplaint(asked, timeout=DEADLINE_S)
    except grpc.RpcError as error:
        assert reason_of(error) == "WRONG_STATE", error
        return False
    return True


def keeper_of(server: ServerProcess) -> str:
    return f"unix:{server.run_folder / 'keeper.sock'}"


@pytest.fixture(scope="module")
def busy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose image is some megabytes."""
    data = tmp_path_factory.mktemp("busy") / "data"
    with serving(data, *ONE) as server, peer_of(server) as peer:
        quarantine(peer, MANY)
        for _ in range(MANY // 10_000):
            confirm(peer, reserve(peer, 10_000).id)
        yield server


def test_keeper_that_is_killed_in_an_image_leaves_no_snapshot(
    busy_server: ServerProcess, tmp_path: Path
) -> None:
    def until_killed(parts: Iterator[bytes]) -> Iterator[bytes]:
        yield next(parts)
        busy_server.kill("keeper")
        yield from parts

    def take() -> grpc.RpcError | None:
        try:
            with asked_image(keeper_of(busy_server), {}) as image:
                assert image.position > 0
                write_snapshot(
                    Segment.create(None, capacity_numbers=10),
                    tmp_path,
                    number=1,
                    positions={},
                    keeper_position=1,
                    keeper_state=until_killed(image.parts()),
                    hand_outs=image.hand_outs(),
                    taken_at=BEGAN,
                )
        except grpc.RpcError as error:
            return error
        return None

    for _ in range(TRIES):  # all of it may be on its way already when the keeper is killed
        error = take()
        if error is not None:
            break
        (whole,) = tmp_path.iterdir()
        assert sum(run.rows for run in read_image(whole).runs) == MANY
        whole.unlink()
    assert error is not None and error.code() == grpc.StatusCode.UNAVAILABLE
    assert list(tmp_path.iterdir()) == []
    stored = read_image(take_snapshot(busy_server))  # by the next one
    assert sum(run.rows for run in stored.runs) == MANY


def test_snapshot_process_that_is_killed_leaves_the_keeper_as_it_was(
    busy_server: ServerProcess,
) -> None:
    folder = busy_server.data / "snapshots"
    deaths = busy_server.deaths

    def ends() -> int:
        return busy_server.log.count("snapshot ended: ")

    for _ in range(100):
        before = ends()
        busy_server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: any(folder.glob("*.unfinished")) or ends() > before)  # noqa: B023
        if ends() == before:
            os.kill(busy_server.pid("snapshot"), signal.SIGKILL)
            wait_until(lambda: ends() > before)  # noqa: B023
            if any(folder.glob("*.unfinished")):
                break
    else:
        raise AssertionError("every snapshot was done before it could be killed")
    with peer_of(busy_server) as peer:
        assert was_handed_out(peer, FIRST)
    stored = read_image(take_snapshot(busy_server))
    assert sum(run.rows for run in stored.runs) == MANY
    assert not any(folder.glob("*.unfinished"))
    assert busy_server.deaths == deaths


def test_silent_keeper_is_noticed(busy_server: ServerProcess) -> None:
    keeper = busy_server.pid("keeper")

    def take() -> str:
        try:
            with asked_image(keeper_of(busy_server), {}, silent_s=0.5) as image:
                os.kill(keeper, signal.SIGSTOP)
                try:
                    list(image.parts())
                    list(image.hand_outs())
                finally:
                    os.kill(keeper, signal.SIGCONT)
        except TimeoutError as error:
            return str(error)
        return ""

    for _ in range(TRIES):  # all of it may be on its way already when the keeper is stopped
        if said := take():
            break
    assert "the keeper has fallen silent: seconds=0.5" in said


def damage(path: Path, kind: Kind) -> None:
    with SnapshotFile(path) as file:
        block = file.blocks_of(kind)[0]
    content = bytearray(path.read_bytes())
    content[block.offset + FRAME.size + block.size_bytes // 2] ^= 8
    path.write_bytes(content)


def test_what_is_confirmed_during_snapshots_is_neither_lost_nor_invented(tmp_path: Path) -> None:
    data, count = tmp_path / "data", 300
    given: set[int] = set()
    taken = threading.Event()

    def confirm_meanwhile(peer: Peer) -> None:
        while not taken.wait(PAUSE_S) and len(given) < count // 2:
            reservation = reserve(peer, 1 + len(given) % 3)
            confirm(peer, reservation.id)
            given.update(reservation.numbers)
            reserve(peer, 1)  # and is not confirmed

    def check(server: ServerProcess) -> None:
        with peer_of(server) as peer:
            asked = range(FIRST, FIRST + count)
            assert {n for n in asked if was_handed_out(peer, n)} == given
            verdicts = peer.numbers.CheckNumbers(
                numbers.CheckNumbersRequest(numbers=asked), timeout=DEADLINE_S
            ).verdicts
            assigned = types.VERDICT_ASSIGNED
            assert {n for n, v in zip(asked, verdicts, strict=True) if v == assigned} == given
            (status,) = peer.commands.ListPools(
                commands.ListPoolsRequest(), timeout=DEADLINE_S
            ).pools
            assert status.assigned_total == len(given)

    with killed(data, *ONE) as server, peer_of(server) as peer:
        quarantine(peer, count)
        confirming = threading.Thread(target=confirm_meanwhile, args=(peer,))
        confirming.start()
        try:
            for _ in range(3):
                take_snapshot(server)
        finally:
            taken.set()
            confirming.join()
        assert given
    older, damaged = list_snapshots(data / "snapshots")[::-1]
    shutil.copytree(data, tmp_path / "damaged")
    damage(tmp_path / "damaged" / "snapshots" / damaged.name, Kind.HAND_OUTS)
    assert [problems for _, problems in folder_problems(data) if problems] == []
    ((path, _),) = [found for found in folder_problems(tmp_path / "damaged") if found[1]]
    assert path.name == damaged.name
    for folder, source in ((data, damaged.stem), (tmp_path / "damaged", older.stem)):
        with serving(folder, *ONE) as server:
            assert recovered_from(server)[0] == source
            check(server)
            server.kill("keeper")
            check(server)
