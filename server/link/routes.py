"""gRPC methods over bytes: every one of a service, and each answers with a status of the contract.

Messages arrive as they came off the wire. So the event path can decode them itself, the worker
can pass them on unread, and one that cannot be read is refused like any other bad field.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message

from ringfence.engine.answers import Unsettled
from ringfence.engine.events.wire import WireError, split_numbers
from ringfence.engine.memory.segment import SegmentError
from ringfence.engine.settings.policy import SettingError
from ringfence.engine.table.header_rows import Numbers
from ringfence.server.journal.journal import JournalError
from ringfence.server.link.drain import Context
from ringfence.server.link.held_calls import HeldCalls
from ringfence.server.link.refusal import Refusal, bad_field, journal_down, keeper_away

_log = logging.getLogger(__name__)

Answer = Callable[[Any, Context], Awaitable[bytes | None]]
"""Takes the request's bytes (of a client's stream: nothing to use; it reads from the context) and
returns the response's (of a server's stream: None; it writes to the context)."""

Request = TypeVar("Request", bound=Message)


def parsing(request_type: type[Request], method: Callable[[Request], Awaitable[Message]]) -> Answer:
    """An answer that reads the request and writes the response as protobuf messages."""

    async def answer(data: bytes, _: Context) -> bytes:
        return (await method(parse(request_type, data))).SerializeToString()

    return answer


def parse(request_type: type[Request], data: bytes) -> Request:
    """The request that the bytes encode; raises a refusal."""
    request = request_type()
    try:
        request.ParseFromString(data)
    except DecodeError:
        raise bad_field("", f"not a {request_type.DESCRIPTOR.name}") from None
    return request


def parse_numbers(request_type: type[Request], data: bytes) -> tuple[Request, Numbers]:
    """The request that the bytes encode, without its field 1, and that: many numbers as they came;
    raises a refusal.
    """
    try:
        numbers, rest = split_numbers(data)
    except WireError:
        raise bad_field("", f"not a {request_type.DESCRIPTOR.name}") from None
    return parse(request_type, rest), numbers


def service(
    descriptor: ServiceDescriptor,
    answers: Mapping[str, Answer],
    initial_metadata: tuple[tuple[str, str], ...] = (),
    calls: HeldCalls | None = None,
) -> grpc.GenericRpcHandler:
    """The service's methods, as far as `answers` has them; their calls are counted in `calls`."""
    return grpc.method_handlers_generic_handler(
        descriptor.full_name,
        {
            method.name: _rpc(method, _guarded(answers[method.name], initial_metadata, calls))
            for method in descriptor.methods
            if method.name in answers
        },
    )


def path(method: MethodDescriptor) -> str:
    """The name of a method as gRPC calls it."""
    return f"/{method.containing_service.full_name}/{method.name}"


def _rpc(method: MethodDescriptor, answer: Answer) -> "grpc.RpcMethodHandler[bytes, bytes]":
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    return make(answer)


def _guarded(
    answer: Answer, initial_metadata: tuple[tuple[str, str], ...], calls: HeldCalls | None
) -> Answer:
    """The answer, with every exception turned into the status that the contract has for it."""

    async def guarded(request: Any, context: Context) -> bytes | None:
        held = None if calls is None else calls.begin(context, request)
        try:
            answered = await _answered(answer, request, context, initial_metadata)
            if held is not None:
                held.hold(answered)
            return answered
        except grpc.aio.InternalError:  # the client has left: there is nobody to tell
            raise asyncio.CancelledError from None

    return guarded


async def _answered(
    answer: Answer,
    request: Any,
    context: Context,
    initial_metadata: tuple[tuple[str, str], ...],
) -> bytes | None:
    """Raises what gRPC raises when a status is sent, or cannot be sent any more."""
    if initial_metadata:
        await context.send_initial_metadata(initial_metadata)
    try:
        return await answer(request, context)
    except (grpc.aio.AbortError, grpc.aio.InternalError, asyncio.CancelledError):
        raise
    except Exception as error:
        refusal = _refusal(error)
    if refusal is None:
        await context.abort(grpc.StatusCode.INTERNAL, "an error in the server; its log says more")
    await refusal.abort(context)


def _refusal(error: Exception) -> Refusal | None:
    match error:
        case Refusal():
            return error
        case SettingError() | WireError():
            return bad_field(error.field, error.text)
        case Unsettled() | SegmentError():
            return keeper_away(str(error))
        case JournalError():
            return journal_down()
    # Without its text, which may quote what a client sent.
    frames = "; ".join(
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    )
    _log.error("unexpected %s at %s", type(error).__name__, frames)
    return None
