"""What dies, stops or starts twice: the processes of a real server."""

import fcntl
import os
import signal
import threading
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.long_ago import LONG_AGO
from support.server_process import (
    DEADLINE_S,
    OpenStream,
    ServerProcess,
    has_retry_info,
    is_alive,
    peer_of,
    reason_of,
    serving,
    wait_until,
)

from ringfence.server.folder.data_folder import StartError, hold_data_folder
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands

pytestmark = pytest.mark.slow

STOP_S = 10.0
NUMBER = 447700900001


def _roles(server):
    return {role: server.pid(role) for role in ("keeper", "worker-0", "worker-1")}


def _get(peer, number=NUMBER):
    return peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=DEADLINE_S)


def _put_pool(peer, name):
    pool = commands.Pool(name=name, policy="default")
    return peer.commands.PutPool(commands.PutPoolRequest(pool=pool), timeout=DEADLINE_S)


def _pool_names(peer):
    answer = peer.commands.ListPools(commands.ListPoolsRequest(), timeout=DEADLINE_S)
    return [status.pool.name for status in answer.pools]


def test_ready_line_says_where_and_what_was_found(server):
    words = server.ready_line.split()
    assert words[:2] == ["ringfence", "ready"]
    assert server.address.startswith("127.0.0.1:")
    assert "workers=2 capacity=10000" in server.ready_line
    assert server.ready_line.endswith(" ring_entries=60 fresh\n")


def test_killed_worker_is_replaced_and_streams_of_the_other_go_on(own_server):
    with peer_of(own_server, 0) as hit, peer_of(own_server, 1) as spared:
        spared.quarantine([NUMBER], quarantined_at=[LONG_AGO])
        lost, kept = OpenStream(hit), OpenStream(spared)
        for stream in (lost, kept):
            assert stream.send([NUMBER]).accepted == 1
        own_server.kill("worker-0")
        assert lost.error().code() == grpc.StatusCode.UNAVAILABLE
        assert kept.send([NUMBER]).accepted == 1
        kept.close()
    with peer_of(own_server, 0) as again:
        assert again.worker() == 0
        assert _get(again).events_total == 3


LOOKS_AFTER_NOTHING = """
import sys
from pathlib import Path
import ringfence.server.worker.worker as worker

first = Path(sys.argv.pop(1))

async def fails(*_):
    try:
        first.touch(exist_ok=False)
    except FileExistsError:
        return
    raise RuntimeError("no more")

worker.keep_truncating = fails
from ringfence.cli import main
main()
"""


def test_worker_that_looks_after_nothing_any_more_is_replaced(tmp_path):
    program = ("-c", LOOKS_AFTER_NOTHING, str(tmp_path / "failed"))
    with serving(tmp_path / "data", "--workers", "1", "--capacity", "100", program=program) as own:
        wait_until(lambda: own.log.count("ready on") > 1)
        assert "no more" in own.log
        with peer_of(own) as peer:
            assert _pool_names(peer) == ["default"]


def test_killed_keeper_is_replaced_with_its_settings_while_the_rest_goes_on(own_server):
    with peer_of(own_server) as peer:
        _put_pool(peer, "made-before")
        peer.quarantine([NUMBER], pool="made-before")
        stream = OpenStream(peer)
        before = own_server.starts("keeper")
        os.kill(own_server.pid("keeper"), signal.SIGSTOP)  # there, but it does nothing
        assert stream.send([NUMBER]).accepted == 1
        assert _get(peer).pool == "made-before"
        os.kill(own_server.pid("keeper"), signal.SIGKILL)
        assert _put_pool(peer, "made-after").revision == 1  # waits for the next keeper
        assert own_server.starts("keeper") == before + 1
        assert _pool_names(peer) == ["default", "made-after", "made-before"]
        assert peer.quarantine([NUMBER]).already_quarantined == 1
        assert stream.send([NUMBER]).sequence == 2
        stream.close()


def test_keeper_dies_under_a_command_and_the_next_one_does_it(own_server):
    with peer_of(own_server) as peer:
        _put_pool(peer, "early")  # the worker is connected to the keeper
        os.kill(own_server.pid("keeper"), signal.SIGSTOP)
        put = peer.commands.PutPool.future(
            commands.PutPoolRequest(pool=commands.Pool(name="late", policy="default")),
            timeout=DEADLINE_S,
        )
        time.sleep(0.3)  # the command is with the keeper, which does nothing; no harm if it is not
        assert not put.done()
        os.kill(own_server.pid("keeper"), signal.SIGKILL)
        assert put.result().revision == 1


def _two_messages(peer, between):
    """Quarantines two numbers in one stream, waiting for `between` after the first."""

    def requests():
        yield commands.QuarantineNumbersRequest(numbers=[NUMBER], pool="default")
        between.wait(DEADLINE_S)
        yield commands.QuarantineNumbersRequest(numbers=[NUMBER + 1], pool="default")

    answer = peer.commands.QuarantineNumbers.future(requests(), timeout=2 * DEADLINE_S)
    wait_until(lambda: _get(peer).pool == "default")
    return answer


def test_keeper_dies_between_two_messages_of_a_stream_and_it_goes_on(own_server):
    with peer_of(own_server) as peer:
        between = threading.Event()
        answer = _two_messages(peer, between)
        own_server.kill("keeper")
        between.set()
        assert answer.result().accepted == 2


def test_keeper_dies_with_a_message_of_a_stream_and_the_next_one_does_it_once(own_server):
    with peer_of(own_server) as peer:
        between = threading.Event()
        answer = _two_messages(peer, between)
        os.kill(own_server.pid("keeper"), signal.SIGSTOP)
        between.set()
        time.sleep(1.0)  # until the message is with the keeper, which does nothing
        os.kill(own_server.pid("keeper"), signal.SIGKILL)
        total = answer.result()
        assert (total.accepted, total.already_quarantined) == (2, 0)


def test_command_without_a_keeper_is_unavailable_at_last(own_server):
    with peer_of(own_server) as peer:
        keeper = own_server.pid("keeper")
        os.kill(own_server.process.pid, signal.SIGSTOP)  # so that it replaces nobody
        try:
            os.kill(keeper, signal.SIGKILL)
            try:
                _put_pool(peer, "never")
                raise AssertionError("somebody did it")
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE
                assert reason_of(error) == "KEEPER"
                assert has_retry_info(error)
            assert _get(peer).number == NUMBER
        finally:
            os.kill(own_server.process.pid, signal.SIGCONT)
        assert _put_pool(peer, "now").revision == 1


def test_child_that_cannot_start_ends_the_server(own_server):
    (own_server.run_folder / "segment").unlink()
    os.kill(own_server.pid("worker-0"), signal.SIGKILL)
    assert own_server.process.wait(STOP_S) == 4
    assert "worker-0 does not stay: attempts=5" in own_server.log
    assert "No such file or directory" in own_server.log
    assert not own_server.run_folder.exists()


def test_killed_supervisor_takes_all_with_it_and_a_start_follows_at_once(tmp_path):
    data = tmp_path / "data"
    options = ("--workers", "2", "--capacity", "1000")
    with serving(data, *options) as first:
        pids = _roles(first).values()
        run_folder = first.run_folder
        first.process.kill()
        with serving(data, *options) as second:
            assert not any(is_alive(pid) for pid in pids)
            with peer_of(second) as peer:
                assert peer.quarantine([NUMBER]).accepted == 1
            assert second.run_folder == run_folder
    assert not run_folder.exists()


def test_start_waits_until_the_folder_is_free(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with open(data / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        freed = threading.Event()

        def free():
            freed.set()
            fcntl.flock(lock, fcntl.LOCK_UN)

        threading.Timer(1.0, free).start()
        with serving(data, "--workers", "1", "--capacity", "1000"):
            assert freed.is_set()


def test_stop_ends_open_streams_and_leaves_nothing(own_server):
    with peer_of(own_server, 0) as left, peer_of(own_server, 1) as right:
        streams = [OpenStream(left), OpenStream(right)]
        for stream in streams:
            stream.send()
        upload_goes_on = threading.Event()

        def upload():
            yield commands.QuarantineNumbersRequest(numbers=[NUMBER], pool="default")
            upload_goes_on.wait(DEADLINE_S)

        uploading = left.commands.QuarantineNumbers.future(upload(), timeout=DEADLINE_S)
        wait_until(lambda: _get(left).pool == "default")
        pids = _roles(own_server).values()
        run_folder = own_server.run_folder
        began = time.monotonic()
        assert own_server.stop() == 0
        assert time.monotonic() - began < STOP_S
        for error in (*(stream.error() for stream in streams), uploading.exception()):
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            assert reason_of(error) == "DRAINING"
            assert has_retry_info(error)
        upload_goes_on.set()
    assert not any(is_alive(pid) for pid in pids)
    assert not run_folder.exists()


def test_health_says_not_serving_to_its_watchers_while_draining(own_server):
    with peer_of(own_server) as peer:
        watch = health_pb2_grpc.HealthStub(peer.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=2 * DEADLINE_S
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        began = time.monotonic()
        own_server.process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert own_server.process.wait(2 * STOP_S) == 0
        assert time.monotonic() - began < STOP_S


def test_interrupt_from_the_keyboard_drains_too(own_server):
    own_server.process.send_signal(signal.SIGINT)
    assert own_server.process.wait(STOP_S) == 0


def test_hang_up_changes_nothing(own_server):
    own_server.process.send_signal(signal.SIGHUP)
    with peer_of(own_server) as peer:
        assert peer.quarantine([NUMBER]).accepted == 1


def test_stop_kills_what_does_not_stop_and_says_so(own_server):
    os.kill(own_server.pid("worker-1"), signal.SIGSTOP)
    began = time.monotonic()
    assert own_server.stop() != 0
    assert time.monotonic() - began < STOP_S
    assert "killed, as it did not stop in time: worker-1" in own_server.log


def test_second_server_on_the_same_folder_is_refused_by_name(server):
    with (
        pytest.raises(StartError, match=f"held by the server with pid {server.process.pid};"),
        hold_data_folder(server.data, wait_s=0.0),
    ):
        raise AssertionError("two hold one folder")


def test_second_server_on_the_same_port_is_refused(server, tmp_path):
    refusal = _failing(tmp_path / "data", server.address)
    assert f"cannot listen on {server.address}: Address already in use" in refusal


def test_copy_of_a_data_folder_cannot_be_served_beside_it(server, tmp_path):
    copy = tmp_path / "data"
    copy.mkdir()
    (copy / "folder_id").write_bytes((server.data / "folder_id").read_bytes())
    assert "a copy of this data folder is being served" in _failing(copy, "127.0.0.1:0")
    with peer_of(server) as peer:
        assert peer.worker() in (0, 1)


def test_segment_that_does_not_fit_is_refused_with_both_figures(tmp_path):
    refusal = _failing(tmp_path / "data", "127.0.0.1:0", "--capacity", "900000000")
    assert "too little room for the segment: bytes=" in refusal
    assert "free=" in refusal


def test_secrets_of_the_folder_are_for_its_owner_and_kept(tmp_path):
    data = tmp_path / "data"
    with serving(data, "--workers", "1", "--capacity", "1000"):
        kept = {name: (data / name).read_bytes() for name in ("caller_key", "folder_id")}
        assert len(set(kept.values())) == 2
        assert (data / "caller_key").stat().st_mode & 0o777 == 0o600
        assert data.stat().st_mode & 0o777 == 0o700
    with serving(data, "--workers", "1", "--capacity", "1000"):
        assert kept == {name: (data / name).read_bytes() for name in kept}


def test_supervisor_that_forks_has_no_threads_but_those_that_write_lines(server):
    of_log = of_ready_line = 1
    threads = 1 + of_log + of_ready_line
    assert f"Threads:\t{threads}\n" in Path(f"/proc/{server.process.pid}/status").read_text()


def _failing(data, listen, *options):
    """What a server that does not start says."""
    failed = ServerProcess(
        data, "--workers", "1", *(options or ("--capacity", "1000")), listen=listen
    )
    try:
        assert failed.ready_line == ""
        assert failed.process.wait(STOP_S) == 4
        return failed.log
    finally:
        failed.end()
