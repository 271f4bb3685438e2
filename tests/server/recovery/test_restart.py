"""Everything is killed and started again: what was acknowledged is there, and nothing else."""

import random
import shutil

import grpc
import pytest
from support.durable_server import (
    BEGAN,
    CALLED,
    CAPACITY,
    TWO,
    history,
    killed,
    put_pool,
    refusal_of,
    send,
    state_of,
)
from support.server_process import DEADLINE_S, OpenStream, batch, peer_of, serving

from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow


def test_acknowledged_commands_and_events_survive_the_kill_of_everything(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as one, peer_of(server, 1) as other:
        one.quarantine(CALLED, quarantined_at=[BEGAN])
        assert put_pool(one, "late").revision == 1
        assert put_pool(one, "late").revision == 2
        one.quarantine([CALLED[0] + 500], pool="late")
        send(one, history(1))
        send(other, history(2))
        before = state_of(server)
    with serving(data, *TWO) as server, peer_of(server) as peer:
        assert " recovered=journal values=" in server.ready_line
        assert " events=2400 in " in server.ready_line
        assert state_of(server) == before
        assert put_pool(peer, "late").revision == 3
        answer = peer.quarantine([*CALLED, CALLED[0] + 500])
        assert (answer.accepted, answer.already_quarantined) == (0, 201)
        request = numbers.GetNumberRequest(number=CALLED[0] + 500)
        assert peer.numbers.GetNumber(request, timeout=DEADLINE_S).pool == "late"


@pytest.mark.parametrize("workers", ["1", "3"])
def test_fewer_or_more_workers_after_a_restart_find_everything(tmp_path, workers):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as one, peer_of(server, 1) as other:
        one.quarantine(CALLED, quarantined_at=[BEGAN])
        send(one, history(1))
        send(other, history(2))
        before = state_of(server)
    with killed(data, "--workers", workers, *CAPACITY) as server:
        assert state_of(server) == before
        with peer_of(server, 0) as peer:
            send(peer, history(3))
            later = state_of(server)
    with serving(data, *TWO) as server:
        assert state_of(server) == later != before


def test_order_and_repetition_make_no_difference_to_what_is_found(tmp_path):
    batches = history(4)
    shuffled = batches + batches[::2]
    random.Random(5).shuffle(shuffled)
    straight = tmp_path / "straight"
    with killed(straight, *TWO) as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
    shutil.copytree(straight, tmp_path / "shuffled")
    states = []
    for data, sent in ((straight, batches), (tmp_path / "shuffled", shuffled)):
        with killed(data, *TWO) as server:
            with peer_of(server, 0) as one, peer_of(server, 1) as other:
                send(one, sent[::3])
                send(other, sent[1::3] + sent[2::3])
            states.append(state_of(server))
        with serving(data, *TWO) as server:
            assert state_of(server) == states[-1]
    assert states[0] == states[1]


def test_killed_worker_and_keeper_lose_nothing_that_a_restart_needs(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server:
        with peer_of(server, 0) as peer:
            peer.quarantine(CALLED[:100], quarantined_at=[BEGAN])
            send(peer, history(6)[:20])
        server.kill("worker-0")
        server.kill("keeper")
        with peer_of(server, 0) as peer:
            assert peer.quarantine(CALLED, quarantined_at=[BEGAN]).accepted == 100
            send(peer, history(6)[20:])
        server.kill("keeper")
        before = state_of(server)
    with serving(data, *TWO) as server:
        assert state_of(server) == before


def test_batch_that_changes_nothing_is_not_journalled_and_keeps_its_place(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        untracked = {"called": [447700900999]}
        send(peer, [{"called": CALLED[:1]}, untracked, {"called": []}, {"called": CALLED[:2]}])
    with serving(data, *TWO) as server:
        assert " values=4 events=3 in " in server.ready_line  # two commands, two batches


def test_bad_batch_ends_its_stream_after_the_answers_before_it(own_server):
    with peer_of(own_server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        good = [batch(CALLED[:5], sequence=number) for number in range(1, 11)]
        bad = batch(CALLED[:5], sequence=11, kind=[1])
        told = []
        with pytest.raises(grpc.RpcError) as caught:
            for answer in peer.events.StreamEvents(iter([*good, bad]), timeout=DEADLINE_S):
                told.append(answer.sequence)
        assert told == list(range(1, 11))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_settings_of_the_file_count_at_the_first_start_only(tmp_path):
    data, config = tmp_path / "data", tmp_path / "other.toml"
    config.write_text('[[pool]]\nname = "other"\npolicy = "default"\n')
    with killed(data, *TWO) as server, peer_of(server) as peer:
        put_pool(peer, "second")
    with serving(data, *TWO, "--config", str(config)) as server, peer_of(server) as peer:
        answer = peer.commands.ListPools(commands.ListPoolsRequest(), timeout=DEADLINE_S)
        assert [status.pool.name for status in answer.pools] == ["default", "second"]
        assert "keeper pool other: in the configuration, not in force; `ringfence" in server.log
        assert "pool default" not in server.log


def test_drained_server_has_answered_what_it_read_and_finds_it_again(tmp_path):
    data = tmp_path / "data"
    with serving(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        stream = OpenStream(peer)
        stream.send(CALLED[:7])
        before = state_of(server)
        assert server.stop() == 0
    with serving(data, *TWO) as server:
        assert state_of(server) == before


@pytest.mark.parametrize("name", ["keeper", "worker-0"])
def test_damaged_journal_is_refused_by_name_with_the_command_that_shows_more(tmp_path, name):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        send(peer, history(7))
    path = data / "journal" / name / "data.mdb"
    called = CALLED[3].to_bytes(8, "little")[:5]
    content = path.read_bytes()
    assert called in content
    # Everywhere, since LMDB leaves old pages behind; inside of values only.
    path.write_bytes(content.replace(called, bytes([called[0] ^ 1, *called[1:]])))
    refusal = refusal_of(data)
    assert f"{path.parent}: checksum does not match: position=" in refusal
    assert f"`ringfence data verify {data}`" in refusal


def test_workers_journals_without_the_keepers_are_refused(tmp_path):
    data = tmp_path / "data"
    with killed(data, *TWO) as server, peer_of(server, 0) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN])
        send(peer, history(8))
    shutil.rmtree(data / "journal" / "keeper")
    (data / "journals").unlink()  # as in a folder of an older version
    assert f"{data}/journal/keeper: missing or empty" in refusal_of(data)


def test_rings_too_small_for_a_policy_are_refused_by_its_name(tmp_path):
    data, large, small = tmp_path / "data", tmp_path / "large.toml", tmp_path / "small.toml"
    rule = '[[policy.rule]]\nmeasure = "EVENTS"\nwindow = "1d"\nlimit = 20\n'
    policy = '[[policy]]\nname = "wide"\nminimum_age = "1d"\nminimum_coverage = 0.5\n'
    policy += f'{rule}[[pool]]\nname = "default"\npolicy = "wide"\n'
    large.write_text(f"[server]\nring_entries = 28\n{policy}")
    small.write_text("[server]\nring_entries = 12\n")
    with killed(data, *TWO, "--config", str(large)):
        pass
    assert (
        "policy wide.rules[0].limit: value=20, bound=0 to 11, with server.ring_entries=12: start"
        " with as many as before, and put another policy first"
    ) in refusal_of(data, *TWO, "--config", str(small))
