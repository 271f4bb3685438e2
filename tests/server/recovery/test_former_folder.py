"""Data folders of former versions: this one starts from them, says what they said, and goes on."""

import time
from pathlib import Path

import pytest
from support.asking import ask, pages, refused_by
from support.durable_server import killed, recovered_from, take_snapshot
from support.kept_folder import CLEAN, FOLDER, LATE, OPTIONS, lacking, said, unpack
from support.long_ago import DAY_S
from support.places import DATA
from support.server_process import peer_of, serving
from support.wall_clock import SteppingClock

from ringfence.engine.snapshot import list_snapshots

pytestmark = pytest.mark.slow

FORMER = sorted(DATA.glob("data-folder-*.tar.xz"))


@pytest.mark.parametrize("archive", FORMER, ids=lambda path: path.name)
def test_server_starts_from_a_folder_of_a_former_version_and_says_what_it_said(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    # The newest snapshot, then the older one; in one test, as a folder is not served twice at once.
    for snapshot in (0, 1):
        folder = tmp_path / str(snapshot)
        folder.mkdir()
        check_folder(folder, archive, snapshot, monkeypatch)


def check_folder(
    folder: Path, archive: Path, snapshot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starts from one of its snapshots, and once more from what that start left."""
    told = unpack(archive, folder)
    data = folder / FOLDER
    snapshots = list_snapshots(data / "snapshots")
    for newer in snapshots[:snapshot]:
        newer.unlink()
    clock = SteppingClock(folder / "offset")
    clock.set_offset(told["at"] + 60 - int(time.time()))
    with clock.preloaded(monkeypatch):
        with killed(data, *OPTIONS) as server, peer_of(server) as peer:
            assert recovered_from(server)[0] == snapshots[snapshot].stem
            assert not lacking(told, said(peer, told["at"]))
            assert ask(peer, "GetStatus").time_dispute == ""
            live = next(each for each in told["reservations"] if each["actor"] == "desk")
            given = ask(peer, "ConfirmReservation", id=live["id"])
            assert [str(number) for number in given.numbers] == live["numbers"]
            again = ask(
                peer,
                "ReserveNumbers",
                pool="brisk",
                count=2,
                lease={"seconds": 30 * DAY_S},
                request_id="two",
                actor="shop",
            )
            assert again.id in {each["id"] for each in told["reservations"]}
            next_one = ask(peer, "ReserveNumbers", pool="brisk", count=1)
            assert list(next_one.numbers) == [CLEAN[5]]
            held = ask(peer, "HoldNumbers", numbers=LATE[:2])
            assert not refused_by(held)
            take_snapshot(server)
        with serving(data, *OPTIONS) as server, peer_of(server) as peer:
            kept = pages(peer, "ListReservations", "reservations")
            assert len(kept) == len(told["reservations"]) + 1
            assert list(ask(peer, "GetReservation", id=next_one.id).numbers) == [CLEAN[5]]


def test_there_are_folders_of_former_versions():
    assert FORMER
