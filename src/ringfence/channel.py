"""How the client connects: one connection per channel, keepalive, TLS, and who asks."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.protobuf.message import Message

SERVER = "127.0.0.1:50051"
TIMEOUT_S = 10.0
TIMEOUT_S_MAX = 86_400.0  # gRPC takes a very long one for one that is over
MESSAGE_BYTES_MAX = 4 * 1024 * 1024

OPTIONS: Sequence[tuple[str, int]] = (
    # Channels of a process to one server would otherwise share a connection, and with it a worker.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # A peer that vanished without a word is noticed within 40 s although streams have no deadline.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A worker or server that is replaced is back within a second or few.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

# What grpc.aio raises from a write to a stream that has ended; the status says why it has.
STREAM_ENDED = (grpc.RpcError, grpc.aio.InternalError, asyncio.InvalidStateError)


def checked_timeout(timeout_s: float) -> float:
    """The deadline of a call as it was given; raises ValueError for one that is none."""
    if not 0 < timeout_s <= TIMEOUT_S_MAX:
        raise ValueError(f"timeout_s={timeout_s}, bound=more than 0, at most {TIMEOUT_S_MAX:.0f}")
    return timeout_s


def serialized(message: Message) -> bytes:
    """The bytes of a request, for gRPC."""
    return message.SerializeToString()


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a TLS connection, PEM: none = the system's authorities and no certificate."""

    ca: Path | str | None = None
    certificate: Path | str | None = None
    key: Path | str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("TLS certificate and key go together: one of them is not given")

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files; raises OSError for one that cannot be read."""
        return grpc.ssl_channel_credentials(
            _read(self.ca), _read(self.key), _read(self.certificate)
        )


def _read(path: Path | str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        error.filename = str(path)  # an error of reading, and not of opening, names none
        raise


def open_channel(server: str, tls: Tls | None) -> grpc.Channel:
    """A channel for blocking calls to `server`; it connects at the first call.

    `server` is HOST:PORT, or unix:/path.
    """
    if tls is None:
        return grpc.insecure_channel(server, OPTIONS)
    return grpc.secure_channel(server, tls.credentials(), OPTIONS)


def open_async_channel(server: str, tls: Tls | None) -> grpc.aio.Channel:
    """A channel for asyncio, made inside the running loop; it connects at the first call."""
    if tls is None:
        return grpc.aio.insecure_channel(server, OPTIONS)
    return grpc.aio.secure_channel(server, tls.credentials(), OPTIONS)


def actor_metadata(actor: str | None) -> tuple[tuple[str, str], ...]:
    """The call metadata that names who asks; raises ValueError for what a header cannot carry."""
    if actor is None:
        return ()
    if not (actor.isascii() and actor.isprintable()):
        raise ValueError(f"actor is not printable ASCII: {actor!r}")
    return (("ringfence-actor", actor),)
