"""A real server as a process of its own, and raw gRPC clients for it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from ringfence.server.folder.secret_file import read_secret
from ringfence.v1 import event_service_pb2 as events
from ringfence.v1 import event_service_pb2_grpc as events_grpc
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import number_service_pb2_grpc as numbers_grpc
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc
from ringfence.v1 import types_pb2 as types
from support.nursery import BornProcess, can_bear

DEADLINE_S = 10.0
PATIENCE_S = 30.0
CALLER = 441632960123
CALLERS = range(448081570000, 448081570999)
PROGRAM = ("-m", "ringfence.cli")

_log_numbers = count()  # servers that are started on one folder log to files of their own


class ServerProcess:
    """A server that was started; `stop` or the end of `serving` ends it.

    Its program is Ringfence's own, or another one for Python that changes something of it before.
    """

    def __init__(
        self,
        data: Path,
        *options: str,
        listen: str = "127.0.0.1:0",
        program: Sequence[str] = (),
    ) -> None:
        self.data = data
        self.log_path = data.with_suffix(f".{next(_log_numbers)}.log")
        arguments = ("serve", "--data", str(data), "--listen", listen, *options)
        self.process: BornProcess | subprocess.Popen[str]
        with open(self.log_path, "wb") as log:
            if not program and can_bear():
                self.process = BornProcess(arguments, log)
            else:
                self.process = subprocess.Popen(
                    [sys.executable, *(program or PROGRAM), *arguments],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )

    @cached_property
    def ready_line(self) -> str:
        """What it says when it is ready, which is waited for; "" = it ended before."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    @property
    def address(self) -> str:
        """Where it listens; "" if it did not become ready."""
        return self.ready_line.split()[2] if self.ready_line else ""

    @property
    def log(self) -> str:
        """All that it logged so far."""
        return self.log_path.read_text()

    @property
    def run_folder(self) -> Path:
        """Its folder in shared memory."""
        return Path("/dev/shm", f"ringfence-{read_secret(self.data / 'folder_id').hex()}")

    def pid(self, role: str) -> int:
        """The newest process of a role, `keeper` or `worker-N`."""
        return int(re.findall(rf"started {role}: pid=(\d+)", self.log)[-1])

    def starts(self, role: str) -> int:
        """How many processes of a role became ready."""
        return len(re.findall(rf"role={role} ready", self.log))

    @property
    def deaths(self) -> list[str]:
        """The roles whose processes ended, in that order."""
        return re.findall(r"role=supervisor (keeper|worker-\d+) ended: ", self.log)

    def kill(self, role: str) -> None:
        """Kills the process of a role and waits until another is ready in its place."""
        before = self.starts(role)
        os.kill(self.pid(role), signal.SIGKILL)
        wait_until(lambda: self.starts(role) > before)

    def end(self) -> None:
        """Makes sure that it does not run any more."""
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> int:
        """Asks it to stop and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


class Peer:
    """One connection to a server, and the stubs of its services."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(
            address, options=(("grpc.use_local_subchannel_pool", 1),)
        )
        self.events = events_grpc.EventServiceStub(self.channel)
        self.numbers = numbers_grpc.NumberServiceStub(self.channel)
        self.commands = commands_grpc.QuarantineServiceStub(self.channel)

    def worker(self) -> int:
        """The index of the worker at the other end."""
        call = self.numbers.CheckNumbers.with_call(
            numbers.CheckNumbersRequest(numbers=[447700900000]), timeout=DEADLINE_S
        )[1]
        return int(dict(call.initial_metadata())["ringfence-worker"])

    def quarantine(self, called: list[int], **fields: Any) -> commands.QuarantineNumbersResponse:
        """Quarantines numbers in the pool `default` unless another is given."""
        request = commands.QuarantineNumbersRequest(
            **{"numbers": called, "pool": "default", **fields}
        )
        return self.commands.QuarantineNumbers(iter([request]), timeout=DEADLINE_S)


@contextmanager
def serving(
    data: Path, *options: str, listen: str = "127.0.0.1:0", program: Sequence[str] = ()
) -> Iterator[ServerProcess]:
    """A running server, ended and its log shown at the end whatever happens."""
    server = ServerProcess(data, *options, listen=listen, program=program)
    try:
        assert server.ready_line.startswith("ringfence ready "), server.log
        yield server
    finally:
        server.end()
        print(server.log)


@contextmanager
def peer_of(server: ServerProcess, worker: int | None = None) -> Iterator[Peer]:
    """A connection to a server, or to a certain worker of it."""
    rejected: list[Peer] = []
    try:
        while True:
            peer = Peer(server.address)
            rejected.append(peer)
            if worker is None or peer.worker() == worker:
                break
        yield peer
    finally:
        for peer in rejected:
            peer.channel.close()


def batch(called: list[int], **fields: Any) -> events.StreamEventsRequest:
    """A batch with one call now for each number called, unless said otherwise.

    Each number has a caller of its own: one who called many would be a robot.
    """
    events_wanted = len(called)
    return events.StreamEventsRequest(
        **{
            "feed": "test",
            "sequence": 1,
            "called": called,
            "caller": [CALLERS[number % len(CALLERS)] for number in called],
            "occurred_at": [int(time.time())] * events_wanted,
            "kind": [types.EVENT_KIND_CALL] * events_wanted,
            **fields,
        }
    )


class OpenStream:
    """A stream of events that is fed one batch at a time and stays open meanwhile."""

    def __init__(self, peer: Peer) -> None:
        self.sequence = 0
        self._requests: SimpleQueue[events.StreamEventsRequest | None] = SimpleQueue()
        self._answers = peer.events.StreamEvents(iter(self._requests.get, None))

    def send(self, called: Sequence[int] = ()) -> events.StreamEventsResponse:
        """Sends a batch and returns its answer."""
        self.sequence += 1
        self._requests.put(batch(list(called), sequence=self.sequence))
        answer = next(self._answers)
        assert answer.sequence == self.sequence
        return answer

    def error(self) -> grpc.RpcError:
        """The error with which the server ends the stream."""
        try:
            answer = next(self._answers)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"no error but {answer}")

    def close(self) -> None:
        """Ends the stream."""
        self._requests.put(None)


class Bystanders:
    """A feed on each of two workers, whose streams are open all the while."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._open = ExitStack()
        self._feeds: list[OpenStream] = []

    def __enter__(self) -> "Bystanders":
        for worker in (0, 1):
            feed = OpenStream(self._open.enter_context(peer_of(self._server, worker)))
            self._open.callback(feed.close)
            self._feeds.append(feed)
        self.go_on()
        return self

    def go_on(self) -> None:
        """Fails unless every one of them still gets answers."""
        for feed in self._feeds:
            feed.send()

    def __exit__(self, *_: object) -> None:
        self._open.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for something that must happen soon."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before, or meanwhile
        return False


def reason_of(error: grpc.RpcError) -> str:
    """The reason in an error's ErrorInfo, "" without one."""
    info = _detail(error, ErrorInfo)
    assert info is None or info.domain == "ringfence"
    return "" if info is None else info.reason


def field_of(error: grpc.RpcError) -> str:
    """The field that a BAD_FIELD names."""
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    assert reason_of(error) == "BAD_FIELD"
    return _detail(error, BadRequest).field_violations[0].field


def has_retry_info(error: grpc.RpcError) -> bool:
    """Whether an error says when to try again."""
    return _detail(error, RetryInfo) is not None


def _detail(error: grpc.RpcError, kind: type) -> object | None:
    status = rpc_status.from_call(error)
    for packed in status.details if status is not None else ():
        if packed.Is(kind.DESCRIPTOR):
            detail = kind()
            packed.Unpack(detail)
            return detail
    return None
