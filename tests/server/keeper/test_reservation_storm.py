"""Whatever is killed, whenever, and whoever asks again: no number is in two live reservations.

32 allocators want more numbers than there are. A soak is the same for longer:
`RINGFENCE_STORM_ATTEMPTS=1000000 pytest -n 0 -s tests/server/keeper/test_reservation_storm.py`.
"""

import os
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from support.engine import Engine
from support.reservation_ledger import ACTIVE, CHANGE, CONFIRMED
from support.run_seed import run_seed
from support.server_process import DEADLINE_S, Peer, wait_until
from support.storm import NUMBERS, AllocatorProcesses, Storm, noisy_ones, overlaps, wait_for_second

from ringfence.engine.memory.layout import NUMBER_MASK
from ringfence.engine.memory.segment import Segment
from ringfence.v1 import number_service_pb2 as pb
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow

ATTEMPTS = int(os.environ.get("RINGFENCE_STORM_ATTEMPTS", "0"))
SHORT_S = 10  # without that, and on a busy machine until there was some work too
SHORT_ATTEMPTS = 500
PATIENCE_S = 200
PAUSE_S = (0.1, 8) if ATTEMPTS else (0.1, 1.2)  # work goes on until the next blow
BEGAN_AGO_S = 200 * 86_400
REPEATED_WITHIN_S = 45  # request ids are remembered for 60 s
LEASE_MAX_S = 3


@pytest.mark.parametrize("seed", [run_seed()])
def test_no_number_is_in_two_reservations_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    storm = Storm(tmp_path)
    try:
        peer = Peer(storm.address)
        began = int(time.time()) - BEGAN_AGO_S
        peer.quarantine(list(NUMBERS), quarantined_at=[began], observed_since=[began])
        peer.channel.close()
        allocators = AllocatorProcesses(storm.address, seed, tmp_path)
        try:
            began_at = time.monotonic()
            while goes_on(allocators.attempts, time.monotonic() - began_at):
                time.sleep(dice.uniform(*PAUSE_S))
                storm.strike(dice)
                if not allocators.well or storm.ledger.faults:
                    break
            allocators.end()
            took_s = time.monotonic() - began_at
        finally:
            allocators.kill()
        storm.stop()  # the journal is read to its end, and everything begins from disk
        tell(storm, allocators, took_s)
        assert [line["text"] for line in allocators.lines("wrong")] == []
        assert storm.ledger.faults == []
        check_answers(storm, allocators)
        assert overlaps(allocators.lines("reservation"), allocators.lines("hold")) == []
        reserved, called = allocators.lines("reservation"), allocators.lines("calls")
        assert noisy_ones(reserved, called, storm.ledger.quarantined_at) == []
        peer = Peer(storm.address)
        check_still_true(storm, allocators, peer)
        check_all_can_be_reserved(storm, peer)
        check_history(storm)
        peer.channel.close()
    finally:
        storm.server.end()
        print(storm.server.log[-5_000:])


def goes_on(attempts: int, took_s: float) -> bool:
    """Whether the storm is not over yet."""
    if ATTEMPTS:
        return attempts < ATTEMPTS
    return took_s < SHORT_S or (attempts < SHORT_ATTEMPTS and took_s < PATIENCE_S)


def tell(storm: Storm, allocators: AllocatorProcesses, took_s: float) -> None:
    """Prints what there was."""
    counts: Counter[str] = Counter()
    attempts = 0
    for line in allocators.lines("counts"):
        attempts += line["attempts"]
        counts.update(line["counts"])
    print(f"attempts={attempts} calls={counts.total()} in {took_s:.0f} s")
    print(f"blows={dict(storm.blows)}")
    for name, count in sorted(counts.items()):
        print(f"  {name}: {count}")
    print(f"journal: position={storm.ledger.position} {dict(storm.ledger.commands)}")
    assert storm.ledger.commands["ConfirmReservation"] > 0
    assert storm.ledger.commands[""] > 0


def check_answers(storm: Storm, allocators: AllocatorProcesses) -> None:
    """Every answer that an allocator was given is in the journal."""
    ledger = storm.ledger
    for line in allocators.lines("reservation"):
        kept = ledger.reservations.get(line["id"])
        assert kept is not None, f"answered, and not journalled: {line}"
        assert ledger.first_numbers[kept.id] == line["numbers"]
        if line["state"] == ACTIVE:
            assert kept.expires_at == line["expires_at"], (line, kept)
        else:
            assert kept.state == line["state"], (line, kept)
        if line["state"] == CONFIRMED:
            assert sorted(kept.numbers) == line["given"], (line, kept)


def check_still_true(storm: Storm, allocators: AllocatorProcesses, peer: Peer) -> None:
    """After a start from disk, repeated requests get their first answer, states are the same."""
    checked = 0
    for line in allocators.lines("past"):
        first = pb.Reservation.FromString(bytes.fromhex(line["answer"]))
        if time.time() > first.created_at.seconds + REPEATED_WITHIN_S:
            continue
        again = peer.numbers.ReserveNumbers(
            pb.ReserveNumbersRequest.FromString(bytes.fromhex(line["request"])),
            timeout=DEADLINE_S,
            metadata=(("ringfence-actor", line["actor"]),),
        )
        assert again == first
        found = peer.numbers.GetReservation(
            pb.GetReservationRequest(id=first.id), timeout=DEADLINE_S
        )
        kept = storm.ledger.reservations[first.id]
        assert list(found.numbers) == list(kept.numbers)
        assert found.expires_at.seconds == kept.expires_at
        assert found.state == kept.state or (kept.state, found.state) == (ACTIVE, 4)
        checked += 1
    print(f"checked after the restart: reservations={checked}")
    assert checked > 0


def check_all_can_be_reserved(storm: Storm, peer: Peer) -> None:
    """Once everything is given back, all numbers are to be had that customers do not have."""
    active = peer.numbers.ListReservations(
        pb.ListReservationsRequest(states=[ACTIVE], page_size=10_000), timeout=DEADLINE_S
    )
    for reservation in active.reservations:
        try:
            peer.numbers.CancelReservation(
                pb.CancelReservationRequest(id=reservation.id), timeout=DEADLINE_S
            )
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error  # it has run out
    peer.commands.UnholdNumbers(commands.UnholdNumbersRequest(numbers=NUMBERS), timeout=DEADLINE_S)
    wait_for_second(int(time.time()) + LEASE_MAX_S)  # and what was noisy is silent
    checked = peer.numbers.CheckNumbers(pb.CheckNumbersRequest(numbers=NUMBERS), timeout=DEADLINE_S)
    assigned = {
        number
        for number, verdict in zip(NUMBERS, checked.verdicts, strict=True)
        if verdict == types.VERDICT_ASSIGNED
    }
    assert assigned == storm.ledger.assigned
    there = [number for number in NUMBERS if number not in assigned]
    reservation = peer.numbers.ReserveNumbers(
        pb.ReserveNumbersRequest(
            pool="default", count=len(there), lease=Duration(seconds=3600), request_id="all"
        ),
        timeout=DEADLINE_S,
    )
    assert sorted(reservation.numbers) == there


def check_history(storm: Storm) -> None:
    """The database has exactly the changes of the journal, each once, and the table its states."""
    storm.stop()
    ledger = storm.ledger
    assert ledger.faults == []
    database = sqlite3.connect(storm.server.data / "history.db")
    try:
        wait_until(
            lambda: (
                database.execute("SELECT position FROM progress").fetchone()[0] >= ledger.position
            )
        )
        rows = database.execute(
            "SELECT position, row, number, previous, current FROM changes"
            " WHERE position <= ? ORDER BY position, row",
            (ledger.position,),
        )
        found = np.array(list(rows), CHANGE)
    finally:
        database.close()
    expected = ledger.changes()
    assert len(found) == len(expected)
    different = np.flatnonzero(found != expected)
    assert not len(different), (found[different[0]], expected[different[0]])
    records = Engine(Segment.open(storm.server.run_folder / "segment")).records()
    controls = {
        int(row["key"]) & NUMBER_MASK: int(row["control"]) & ~0xFFFFFF00
        for row in records
        if row["key"]
    }
    assert controls.keys() == set(NUMBERS)
    settled = {number: control for number, control in ledger.controls.items()}
    assert controls == settled
