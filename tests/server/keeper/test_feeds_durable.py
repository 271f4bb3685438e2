"""Claims that were answered are there after any death, and none is made of what was lost."""

import json
from pathlib import Path

import pytest
from support.durable_server import TWO, end_snapshot, killed, recovered_from, take_snapshot
from support.server_process import DEADLINE_S, batch, peer_of, serving, wait_until
from support.told_claims import (
    claim,
    gaps_of,
    hour_ago,
    list_feeds,
    put_feed,
    status_of,
    wait_for_watermark,
)

from ringfence.engine.memory.segment import Segment
from ringfence.engine.snapshot import write_snapshot
from ringfence.server.config.config import load_config
from ringfence.server.folder.installation import Installation
from ringfence.server.folder.journal_folders import journal_identity
from ringfence.server.folder.secret_file import read_secret
from ringfence.server.journal.keeper_value_pb2 import KeeperImage
from ringfence.server.journal.lmdb_journal import open_for_replay
from ringfence.server.recovery import snapshot_taker
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow

ONE = ("--workers", "1", "--capacity", "1000")
NUMBER = 447700900000


def put_pool(peer, *feeds: str) -> None:
    """A pool whose numbers are clean when the feeds have listened for the last hour."""
    policy = commands.Policy(name="watchful", minimum_coverage=0.99)
    policy.rules.add(measure=types.MEASURE_EVENTS, limit=0).window.seconds = 1_800
    peer.commands.PutPolicy(commands.PutPolicyRequest(policy=policy), timeout=DEADLINE_S)
    pool = commands.Pool(name="heard", policy="watchful", required_feeds=feeds)
    peer.commands.PutPool(commands.PutPoolRequest(pool=pool), timeout=DEADLINE_S)


def verdict(peer, at: int) -> str:
    """The verdict of NUMBER."""
    request = numbers.CheckNumbersRequest(numbers=[NUMBER], at=at)
    answer = peer.numbers.CheckNumbers(request, timeout=DEADLINE_S)
    return types.Verdict.Name(answer.verdicts[0]).removeprefix("VERDICT_")


def test_deaths_of_single_processes_lose_no_claim(tmp_path: Path) -> None:
    began = hour_ago()
    with serving(tmp_path / "data", *TWO) as server:
        with peer_of(server, 0) as left, peer_of(server, 1) as right:
            put_feed(left, "switch")
            claim(left, "switch", began, began + 10)
            claim(right, "switch", began + 20, began + 30)
        for role in ("worker-0", "keeper", "worker-1"):  # before or after they have reported
            server.kill(role)
        with peer_of(server, 0) as left, peer_of(server, 1) as right:
            wanted = [(began + 10, began + 20), (began + 30, 0)]
            wait_until(lambda: gaps_of(left, "switch") == wanted)
            for peer in (left, right):  # of which one had it from the other
                assert claim(peer, "switch", 0, 0) == began + 30
            claim(right, "switch", 0, began + 40)
            server.kill("keeper")
            claim(left, "switch", began + 10, began + 20)
            wait_until(lambda: gaps_of(left, "switch") == [(began + 40, 0)])


def test_claims_of_an_unregistered_feed_count_neither_later_nor_for_a_new_keeper(
    tmp_path: Path,
) -> None:
    began = hour_ago()
    with serving(tmp_path / "data", *ONE) as server, peer_of(server) as peer:
        put_feed(peer, "known")
        claim(peer, "known", began, began + 10)
        wait_for_watermark(peer, "known", began + 10)
        claim(peer, "stray", began, began + 2_000)
        wait_until(lambda: "stray" in list_feeds(peer).unregistered)  # told in the same report
        put_feed(peer, "stray")
        server.kill("keeper")  # the next one reads the worker's journal from an earlier position
        wait_until(lambda: claim(peer, "stray", began + 3_000, began + 3_010) == began + 3_010)
        wait_until(lambda: gaps_of(peer, "stray") == [(began + 3_010, 0)])


def test_claims_of_a_deleted_feed_are_not_those_of_the_next_one_of_its_name(
    tmp_path: Path,
) -> None:
    began = hour_ago()
    with serving(tmp_path / "data", *ONE) as server, peer_of(server) as peer:
        put_feed(peer, "switch")
        wait_until(lambda: claim(peer, "switch", began, began + 2_000) == began + 2_000)
        request = commands.DeleteFeedRequest(name="switch")
        peer.commands.DeleteFeed(request, timeout=DEADLINE_S)
        put_feed(peer, "switch")
        server.kill("keeper")
        wait_until(lambda: claim(peer, "switch", 0, 0) == 0)  # the worker has seen the new one
        claim(peer, "switch", began + 3_000, began + 3_010)
        wait_until(lambda: gaps_of(peer, "switch") == [(began + 3_010, 0)])


def test_claims_outlive_everything_and_verdicts_with_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    began = hour_ago()
    with (
        killed(data, *TWO, reboot=False) as server,
        peer_of(server, 0) as left,
        peer_of(server, 1) as right,
    ):
        put_feed(left, "switch")
        put_pool(left, "switch")
        left.quarantine([NUMBER], pool="heard", quarantined_at=[began], observed_since=[began])
        claim(left, "switch", began, began + 1_000)
        wait_for_watermark(left, "switch", began + 1_000)
        claim(left, "switch", began + 1_000, began + 1_500)  # just before the end
        claim(right, "switch", began + 1_500, began + 1_800)
    with killed(data, *TWO, reboot=True) as server:
        assert recovered_from(server)[0] == "memory"
        with peer_of(server, 0) as left, peer_of(server, 1) as right:
            wait_until(lambda: gaps_of(left, "switch") == [(began + 1_800, 0)])
            wait_until(lambda: verdict(right, began + 1_800) == "CLEAN")
            assert verdict(right, began + 2_000) == "UNOBSERVED"
            claim(right, "switch", began + 1_800, began + 2_000)
    with serving(data, *ONE) as server:  # from disk, and one of the two journals is nobody's
        assert recovered_from(server)[0] == "journal"
        with peer_of(server) as peer:
            wait_until(lambda: gaps_of(peer, "switch") == [(began + 2_000, 0)])
            assert verdict(peer, began + 1_000) == "CLEAN"  # published by the recovery too
            wait_until(lambda: claim(peer, "switch", 0, began + 2_010) == began + 2_010)
            wait_until(lambda: gaps_of(peer, "switch") == [(began + 2_010, 0)])


def test_claims_come_back_from_a_snapshot_when_the_journals_are_truncated(tmp_path: Path) -> None:
    data = tmp_path / "data"
    began = hour_ago()
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        put_feed(peer, "switch")
        peer.quarantine([NUMBER], quarantined_at=[began])
        for turn in range(3):
            at = began + 100 * turn
            claim(peer, "switch", at, at + 50)
            events = batch([NUMBER], feed="switch")
            assert list(peer.events.StreamEvents(iter([events]), timeout=DEADLINE_S))
            wait_for_watermark(peer, "switch", at + 50)
            take_snapshot(server)
        end_snapshot(server)
        claim(peer, "switch", began + 350, began + 360)
    identity = journal_identity(read_secret(data / "folder_id"), "worker-0")
    journal = open_for_replay(data / "journal" / "worker-0", identity=identity)
    assert 1 < journal.first <= journal.last
    journal.close()
    with serving(data, *ONE) as server, peer_of(server) as peer:
        assert recovered_from(server)[0].startswith("snapshot-")
        wanted = [(began + 100 * turn + 50, began + 100 * turn + 100) for turn in range(2)]
        wanted += [(began + 250, began + 350), (began + 360, 0)]
        wait_until(lambda: gaps_of(peer, "switch") == wanted)
        assert status_of(peer, "switch").watermark.seconds == began + 360


def test_journals_keep_the_claims_that_the_older_snapshot_does_not_have(tmp_path: Path) -> None:
    config = load_config(workers=3)
    installation = Installation(config, tmp_path, tmp_path, bytes(16), bytes(16))
    installation.snapshots.mkdir()
    held = {"worker-0": 4, "worker-1": 20}  # an image may be ahead of the positions
    for number in (1, 2):
        image = KeeperImage()
        for name, position in held.items():
            image.journals.add(name=name, position=position * number)
        write_snapshot(
            Segment.create(None, capacity_numbers=10),
            installation.snapshots,
            number=number,
            positions={f"worker-{index}": 9 * number for index in range(3)},
            keeper_position=5 * number,
            keeper_state=[image.SerializeToString()],
            keeper_state_position=5 * number,
            taken_at=hour_ago(),
        )
    snapshot_taker._truncate(installation)
    upto = json.loads((tmp_path / "truncate.json").read_text())
    assert upto == {"worker-0": 4, "worker-1": 9, "worker-2": 0, "keeper": 5}
