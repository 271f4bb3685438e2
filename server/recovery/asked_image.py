"""The image of the running keeper, read as it comes: for the snapshot process."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import grpc
from google.protobuf.message import Message

from ringfence.server.keeper.keeper_service import KeeperService
from ringfence.server.link.keeper_service_pb2 import ReadImageRequest, ReadImageResponse
from ringfence.server.link.routes import path

Call = grpc.aio.UnaryStreamCall[Message, ReadImageResponse]

SILENT_S = 30.0  # also while a keeper is being replaced


class AskedImage:
    """One image: first its parts are to be read, then its hand-outs. No more of it is held than
    what comes in one message, and what gRPC has read ahead.
    """

    def __init__(self, answers: Iterator[ReadImageResponse]) -> None:
        self._answers = answers
        self._next = next(answers, None)
        self.position = self._next.position if self._next else 0
        """Of the newest command in it."""

    def parts(self) -> Iterator[bytes]:
        """The parts of its KeeperImage."""
        while (answer := next(self._answers, None)) and answer.part:
            yield answer.part
        self._next = answer

    def hand_outs(self) -> Iterator[bytes]:
        """Rows of HAND_OUT, run by run."""
        while self._next is not None:
            yield self._next.hand_outs
            self._next = next(self._answers, None)


@contextmanager
def asked_image(
    address: str, claims_upto: Mapping[str, int], *, silent_s: float = SILENT_S
) -> Iterator[AskedImage]:
    """The image of the running keeper at a socket, if possible with the claims up to positions of
    workers' journals. It may take as long as it takes: reading it raises TimeoutError when
    nothing has come for `silent_s`, and grpc.RpcError when the keeper has gone.
    """
    method = KeeperService.DESCRIPTOR.methods_by_name["ReadImage"]

    async def ask() -> tuple[grpc.aio.Channel, Call]:
        channel = grpc.aio.insecure_channel(address)
        asked = channel.unary_stream(
            path(method),
            request_serializer=ReadImageRequest.SerializeToString,
            response_deserializer=ReadImageResponse.FromString,
        )
        return channel, asked(ReadImageRequest(claims_upto=claims_upto), wait_for_ready=True)

    with asyncio.Runner() as runner:
        # It runs while something is waited for. `Runner.run` would look after signals each time,
        # and for that make text of the message before.
        until_done = runner.get_loop().run_until_complete
        channel, call = until_done(ask())

        def answers() -> Iterator[ReadImageResponse]:
            while (answer := until_done(_next(call, silent_s))) is not None:
                yield answer

        try:
            yield AskedImage(answers())
        finally:
            until_done(channel.close())


async def _next(call: Call, silent_s: float) -> ReadImageResponse | None:
    """The next answer; None = that were all."""
    try:
        answer = await asyncio.wait_for(call.read(), silent_s)
    except TimeoutError:
        raise TimeoutError(f"the keeper has fallen silent: seconds={silent_s:g}") from None
    return answer if isinstance(answer, ReadImageResponse) else None
