"""What the calls of each connection hold in this process: when memory is short, it says whose do.

gRPC hands a message over when it has come whole, so what has come in part nobody sees here. The
kernel counts what has come on a connection; what was taken from it is counted here.

Thread safety: a loop counts; another thread may read, and sees each number as it was or is.
"""

from collections import OrderedDict
from typing import Any

import grpc

CALL_BYTES = 24 << 10
"""Of one call that waits, whatever its messages have."""
CARRIER_BYTES = 1 << 10
"""What may come with a message: headers, frames. More of it counts as held."""
PEERS_MAX = 16_384  # remembered; beyond it those without a call are forgotten

_Context = grpc.aio.ServicerContext[bytes, bytes]


class PeerCalls:
    """The calls of one connection."""

    __slots__ = ("calls", "held_bytes", "taken_bytes")

    def __init__(self) -> None:
        self.calls = 0
        self.held_bytes = 0
        """Of requests and answers of calls that are not over."""
        self.taken_bytes = 0
        """Of all messages so far, with what carried them."""


class HeldCalls:
    """The calls of one process, by gRPC's name of the other end."""

    def __init__(self) -> None:
        self._peers: OrderedDict[str, PeerCalls] = OrderedDict()

    def of(self, peer: str) -> PeerCalls:
        """What is known of a connection."""
        return self._peers.get(peer) or PeerCalls()

    def begin(self, context: _Context, request: object) -> "HeldCall":
        """A call has begun, with its request if it has one; it is over when gRPC says so."""
        peer = self._peer(context)
        peer.calls += 1
        held = HeldCall(peer)
        any_context: Any = context  # the type of the callback is one that nobody can make
        any_context.add_done_callback(held.end)
        if isinstance(request, bytes):
            peer.taken_bytes += len(request) + CARRIER_BYTES
            held.hold(request)
        return held

    def took(self, context: _Context, message: bytes) -> None:
        """A message of a client's stream was taken."""
        self._peer(context).taken_bytes += len(message) + CARRIER_BYTES

    def _peer(self, context: _Context) -> PeerCalls:
        name = context.peer()
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = PeerCalls()
            if len(self._peers) > PEERS_MAX:
                self._forget_one(peer)
        return peer

    def _forget_one(self, newest: PeerCalls) -> None:
        for name, peer in self._peers.items():
            if not peer.calls and peer is not newest:
                del self._peers[name]
                return


class HeldCall:
    """One call, as long as it lasts."""

    __slots__ = ("_held_bytes", "_peer")

    def __init__(self, peer: PeerCalls) -> None:
        self._peer = peer
        self._held_bytes = 0

    def hold(self, message: bytes | None) -> None:
        """The call has a message that is kept until its end."""
        size = len(message or b"")
        self._held_bytes += size
        self._peer.held_bytes += size

    def end(self, _: _Context) -> None:
        """The call is over."""
        self._peer.calls -= 1
        self._peer.held_bytes -= self._held_bytes
