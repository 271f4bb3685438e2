"""A data folder that a server wrote and that is kept, for later versions to start from.

`python -m support.kept_folder FOLDER.tar.xz`, in `tests`, makes one with the version that is
installed: a server that two snapshots were taken of, and that was killed with more in its journals.
Beside the folder lies what it said of itself. Once made, one is never made anew: a version that
writes something else keeps another one.
"""

import json
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.v1 import quarantine_service_pb2 as commands
from support.asking import ask, call_now, pages, put_policy, stock
from support.durable_server import killed, take_snapshot
from support.long_ago import DAY_S
from support.server_process import Peer, batch, peer_of, wait_until

SAID = "said.json"
FOLDER = "data"
OPTIONS = ("--workers", "2", "--capacity", "1000")
NUMBERS = range(447700900000, 447700900060)
CLEAN = list(NUMBERS[:20])
"""In the pool `brisk`, in the order in which they are handed out."""
LISTENED = list(NUMBERS[20:30])
"""In the pool `heard`, which requires a feed."""
OLD = list(NUMBERS[30:40])
"""Held, retired, restored, overridden, moved: see `fill`."""
LATE = list(NUMBERS[40:50])
"""Quarantined behind the newest snapshot."""


def fill(peer: Peer, now: int) -> None:
    """Everything that a data folder can hold, but for what comes behind the snapshots."""
    put_policy(peer, "brisk")
    put_policy(peer, "heard", minimum_coverage=0.5)
    ask(peer, "PutFeed", feed=commands.Feed(name="msc-1", description="a switch"))
    ask(peer, "PutPool", pool=commands.Pool(name="brisk", policy="brisk"))
    ask(peer, "PutPool", pool=commands.Pool(name="calm", policy="default"))
    heard = commands.Pool(name="heard", policy="heard", required_feeds=["msc-1"])
    ask(peer, "PutPool", pool=heard)
    stock(peer, "brisk", CLEAN, since=now - 30 * DAY_S)
    stock(peer, "heard", LISTENED, since=now - 30 * DAY_S)
    stock(peer, "calm", OLD, since=now - 100 * DAY_S)
    claim = batch(
        LISTENED[:2], feed="msc-1", complete_from=now - DAY_S, watermark=now, occurred_at=[now] * 2
    )
    for answer in peer.events.StreamEvents(iter([claim])):
        assert answer.watermark == now
    call_now(peer, CLEAN[-1], OLD[0])
    given = ask(peer, "ReserveNumbers", pool="brisk", count=3, request_id="one", actor="shop")
    ask(peer, "ConfirmReservation", id=given.id, actor="shop")
    ask(peer, "ReportComplaint", number=given.numbers[0], note="a debt collector")
    back = ask(peer, "ReserveNumbers", pool="brisk", count=2, actor="shop")
    ask(peer, "CancelReservation", id=back.id)
    month = {"seconds": 30 * DAY_S}
    ask(peer, "ReserveNumbers", pool="brisk", count=2, lease=month, request_id="two", actor="shop")
    ask(peer, "HoldNumbers", numbers=OLD[1:3], note="asked for")
    ask(peer, "RetireNumbers", numbers=OLD[3:4], note="a hospital's")
    ask(peer, "RestoreNumbers", numbers=OLD[4:5])
    ask(peer, "OverrideNumbers", numbers=OLD[5:6], note="the owner agrees")
    ask(peer, "MoveNumbers", numbers=OLD[6:7], pool="brisk")


def fill_behind(peer: Peer, now: int) -> None:
    """What the journals alone have."""
    stock(peer, "brisk", LATE, since=now - 20 * DAY_S)
    call_now(peer, LATE[0], OLD[7])
    ask(peer, "UnholdNumbers", numbers=OLD[1:2])
    ask(peer, "ReserveNumbers", pool="brisk", count=1, lease={"seconds": 30 * DAY_S}, actor="desk")


def said(peer: Peer, at: int) -> dict[str, Any]:
    """What a server says of all that, as objects of JSON: all that does not depend on the time."""

    def listed(method: str, field: str, **fields: Any) -> list[dict[str, Any]]:
        return [MessageToDict(each) for each in pages(peer, method, field, **fields)]

    reservations = listed("ListReservations", "reservations")
    wait_until(lambda: _has_history(peer))
    return {
        "at": at,
        "check": MessageToDict(ask(peer, "CheckNumbers", numbers=list(NUMBERS), at=at)),
        "numbers": [_explained(peer, number, at) for number in NUMBERS],
        "reservations": [
            MessageToDict(ask(peer, "GetReservation", id=each["id"])) for each in reservations
        ],
        "policies": listed("ListPolicies", "policies"),
        "pools": [
            {name: each.get(name) for name in ("pool", "complaints", "assignedTotal")}
            for each in listed("ListPools", "pools")
        ],
        "feeds": [
            {name: each[name] for name in ("feed", "watermark")}
            for each in listed("ListFeeds", "feeds")
        ],
        "history": listed("ListHistory", "entries", until=Timestamp(seconds=at)),
    }


def _has_history(peer: Peer) -> bool:
    try:
        ask(peer, "ListHistory", page_size=1)
    except grpc.RpcError as error:  # at a start the database is just being opened
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        return False
    return True


def _explained(peer: Peer, number: int, at: int) -> dict[str, Any]:
    told = ask(peer, "GetNumber", number=number, at=at)
    told.queue_position = 0  # as the last scan found it
    return MessageToDict(told)


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """Unpacks the data folder into a folder, as `data`; what it said of itself."""
    with tarfile.open(archive) as kept:
        kept.extractall(folder, filter="data")
    told: dict[str, Any] = json.loads((folder / SAID).read_text())
    return told


def lacking(before: Any, now: Any, path: str = "") -> list[str]:
    """Where `now` does not say what was said before; it may say more, as new fields do."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            each
            for name, value in before.items()
            for each in lacking(value, now.get(name), f"{path}.{name}")
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = zip(before, now, strict=True)
        return [
            each
            for index, (old, new) in enumerate(pairs)
            for each in lacking(old, new, f"{path}[{index}]")
        ]
    return [] if before == now else [f"{path}: was {before}, is {now}"]


def _make(archive: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, FOLDER)
        now = int(time.time())
        with killed(data, *OPTIONS) as server, peer_of(server) as peer:
            fill(peer, now)
            take_snapshot(server)
            ask(peer, "UnholdNumbers", numbers=OLD[2:3])
            take_snapshot(server)
            fill_behind(peer, now)
            at = int(time.time()) + 1
            history = {"number": LATE[-1]}
            wait_until(lambda: bool(pages(peer, "ListHistory", "entries", **history)))
            wait_until(lambda: time.time() > at)
            told = said(peer, at)
        Path(folder, SAID).write_text(json.dumps(told, indent=1))
        with tarfile.open(archive, "w:xz") as kept:
            for name in (FOLDER, SAID):
                kept.add(Path(folder, name), name)


if __name__ == "__main__":
    _make(Path(sys.argv[1]))
