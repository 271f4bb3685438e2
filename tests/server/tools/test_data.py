"""`ringfence data verify` finds what is damaged in a data folder, and says where."""

import json
from pathlib import Path

import pytest
from support.nursery import run_ringfence
from support.server_process import batch, peer_of, serving

pytestmark = pytest.mark.slow

CALLED = [447700900000 + i for i in range(50)]


def verify(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and output."""
    done = run_ringfence("data", "verify", folder, *options)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that has taken events and stopped."""
    data = tmp_path_factory.mktemp("verify") / "data"
    with serving(data, "--workers", "1", "--capacity", "100") as server, peer_of(server) as peer:
        peer.quarantine(CALLED)
        for _ in range(20):
            list(peer.events.StreamEvents(iter([batch(CALLED)])))
    return data


def test_whole_folder_is_said_to_be_whole(folder: Path) -> None:
    code, output = verify(folder)
    assert code == 0, output
    assert "whole    " in output
    assert str(folder / "journal" / "keeper") in output
    assert str(folder / "journal" / "worker-0") in output


def test_flipped_bit_is_found_and_named(folder: Path) -> None:
    path = folder / "journal" / "worker-0" / "data.mdb"
    before = path.read_bytes()
    number = CALLED[-1].to_bytes(8, "little")
    flipped = bytes([number[0] ^ 1]) + number[1:]
    try:
        path.write_bytes(before.replace(number, flipped))  # also in pages that are free now
        code, output = verify(folder, "--json")
    finally:
        path.write_bytes(before)
    assert code == 1, output
    rows = {Path(row["path"]).name: row["problems"] for row in map(json.loads, output.splitlines())}
    assert rows["keeper"] == []
    assert "position=" in rows["worker-0"][0]


def test_folder_without_data_is_wrong_usage(tmp_path: Path) -> None:
    code, output = verify(tmp_path)
    assert code == 2
    assert "is it a data folder?" in output
