"""A client's stream of numbers for quarantine, passed on as one command a message.

So the stream outlives a keeper that is replaced between two messages, and a refusal reaches the
client at once. (A stream of writes to the keeper would do neither, and gRPC's asyncio client may
report INTERNAL in place of a status that arrives while it writes: grpc/grpc issue 36066.)
"""

from google.protobuf.descriptor import MethodDescriptor

from ringfence.server.link.bounds import REJECTIONS_MAX
from ringfence.server.link.drain import Context, Drain
from ringfence.server.link.keeper_link import KeeperLink
from ringfence.v1 import quarantine_service_pb2 as pb


class QuarantineStream:
    """Adds up what the keeper answers to each message."""

    def __init__(self, method: MethodDescriptor, link: KeeperLink, drain: Drain) -> None:
        self._method = method
        self._link = link
        self._drain = drain

    async def answer(self, _: object, context: Context) -> bytes:
        """The totals of a stream."""
        total = pb.QuarantineNumbersResponse()
        while (message := await self._drain.read(context)) is not None:
            answer = await self._link.ask(self._method, message, context)
            part = pb.QuarantineNumbersResponse.FromString(answer)
            total.accepted += part.accepted
            total.already_quarantined += part.already_quarantined
            total.rejected += part.rejected
            total.rejections.extend(part.rejections[: REJECTIONS_MAX - len(total.rejections)])
        return total.SerializeToString()
