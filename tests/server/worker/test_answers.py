"""How a method's exceptions become the contract's errors, and the bounds of these."""

import asyncio
import logging
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from support.server_process import DEADLINE_S

from ringfence.engine.answers import Unsettled
from ringfence.server.link.paging import page_position, page_token
from ringfence.server.link.refusal import Refusal, bad_field, keeper_away
from ringfence.server.link.routes import service
from ringfence.v1 import quarantine_service_pb2

COMMANDS = quarantine_service_pb2.DESCRIPTOR.services_by_name["QuarantineService"]
SECRET = "441632960123"
STATUS_BYTES_MAX = 4_096  # of the contract: gRPC cuts trailers at 8 KiB
LONGEST = bad_field("\N{SNOWMAN}" * 10_000, "\N{SNOWMAN}" * 10_000)


def _answer_to(failure: Exception) -> grpc.aio.AioRpcError:
    """The error that a client sees when a method raises `failure`."""

    async def fail(*_: object) -> bytes:
        raise failure

    async def ask() -> grpc.aio.AioRpcError:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((service(COMMANDS, {"GetStatus": fail}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                call = channel.unary_unary("/ringfence.v1.QuarantineService/GetStatus")
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(b"", timeout=DEADLINE_S)
                return caught.value
        finally:
            await server.stop(None)

    return asyncio.run(ask())


def _reason_of(error: grpc.aio.AioRpcError) -> str:
    trailing = dict(error.trailing_metadata())
    status = Status.FromString(trailing["grpc-status-details-bin"])
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


def test_unforeseen_error_tells_nobody_its_text(caplog):
    with caplog.at_level(logging.INFO):
        error = _answer_to(ValueError(f"caller {SECRET}"))
    assert error.code() == grpc.StatusCode.INTERNAL
    assert SECRET not in str(error)
    assert SECRET not in caplog.text
    assert "unexpected ValueError at " in caplog.text
    assert Path(__file__).name in caplog.text


def test_unsettled_number_is_unavailable():
    error = _answer_to(Unsettled("the number kept changing"))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert _reason_of(error) == "KEEPER"


def test_longest_refusal_still_fits_a_trailer():
    error = _answer_to(LONGEST)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert _reason_of(error) == "BAD_FIELD"


@pytest.mark.parametrize("refusal", [LONGEST, keeper_away("\N{SNOWMAN}" * 10_000)])
def test_status_keeps_its_bound_and_its_reason(refusal: Refusal):
    status = refusal.status()
    assert status.ByteSize() <= STATUS_BYTES_MAX
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("ringfence", refusal.reason)


def test_token_stands_for_its_position_in_its_question_only():
    token = page_token(("list", "pool-a"), "17")
    assert page_position(("list", "pool-a"), token) == "17"
    for question, bad in ((("list", "pool-b"), token), (("list", "pool-a"), token[:-2])):
        with pytest.raises(Refusal) as caught:
            page_position(question, bad)
        assert caught.value.reason == "BAD_FIELD"
    assert page_position("any", "") == ""
