"""A small real server for tests of the client: answers what it is told, fails as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status as RpcStatus
from grpc_status import rpc_status

from ringfence import AsyncClient, Client
from ringfence.v1 import event_service_pb2_grpc as event_v1
from ringfence.v1 import number_service_pb2 as number_v1
from ringfence.v1 import number_service_pb2_grpc as number_grpc
from ringfence.v1 import quarantine_service_pb2_grpc as quarantine_v1
from ringfence.v1 import types_pb2 as types_v1
from support.command_line import Ringfence, at

ADD_TO_SERVER: tuple[Callable[[Any, Any], None], ...] = (
    event_v1.add_EventServiceServicer_to_server,
    number_grpc.add_NumberServiceServicer_to_server,
    quarantine_v1.add_QuarantineServiceServicer_to_server,
)
Run = Callable[..., Any]


class Servicer(
    event_v1.EventServiceServicer,
    number_grpc.NumberServiceServicer,
    quarantine_v1.QuarantineServiceServicer,
):
    """Keeps what it is sent; answers, and fails first, as it is told."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: dict[str, Any] = {}
        self.failures: list[Callable[[grpc.ServicerContext], None]] = []
        self.answer: Callable[[Any], Any] = lambda request: number_v1.Number(
            verdict=types_v1.VERDICT_UNTRACKED
        )

    def _take(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        if self.failures:
            self.failures.pop(0)(context)
        return self.answer(request)

    def _take_stream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        return self._take(list(requests), context)

    def _take_watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """What is told of a watch: messages, and what to do in between, such as to fail."""
        context.send_initial_metadata(())
        for told in self._take(request, context):
            if callable(told):
                told(context)
            else:
                yield told

    RecordEvents = CheckNumbers = GetNumber = ListNumbers = _take
    ReserveNumbers = ConfirmReservation = ExtendReservation = CancelReservation = _take
    GetReservation = ListReservations = ListHistory = _take
    HoldNumbers = UnholdNumbers = RestoreNumbers = RetireNumbers = _take
    OverrideNumbers = MoveNumbers = ReportComplaint = _take
    PutPool = ListPools = DeletePool = PutPolicy = ListPolicies = DeletePolicy = _take
    PutFeed = ListFeeds = DeleteFeed = GetStatus = AcceptClock = _take
    QuarantineNumbers = _take_stream
    WatchNumbers = _take_watch


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
def address(servicer: Servicer) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    for add in ADD_TO_SERVER:
        add(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(params=["Client", "AsyncClient"])
def run(request: pytest.FixtureRequest, address: str) -> Run:
    """Runs one operation with a client of either kind; what comes in pages as a list."""

    def blocking(operation: Callable[[Any], Any], **options: Any) -> Any:
        with Client(options.pop("server", address), **options) as client:
            answer = operation(client)
            return list(answer) if isinstance(answer, Iterator) else answer

    async def awaited(operation: Callable[[Any], Any], **options: Any) -> Any:
        async with AsyncClient(options.pop("server", address), **options) as client:
            answer = operation(client)
            if isinstance(answer, AsyncIterator):
                return [item async for item in answer]
            return await answer

    if request.param == "Client":
        return blocking
    return lambda operation, **options: asyncio.run(awaited(operation, **options))


@pytest.fixture
def ringfence(address: str) -> Ringfence:
    """Runs the command with the told server; checks the exit code (0 unless said)."""
    return at(address)


def abort(
    code: grpc.StatusCode, *details: Message, text: str = "refused"
) -> Callable[[grpc.ServicerContext], None]:
    status = RpcStatus(code=code.value[0], message=text)
    for detail in details:
        status.details.add().Pack(detail)
    return lambda context: context.abort_with_status(rpc_status.to_status(status))


def info(reason: str, **metadata: str) -> ErrorInfo:
    return ErrorInfo(domain="ringfence", reason=reason, metadata=metadata)
