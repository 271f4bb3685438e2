"""Feeds for benchmarks of the server: batches of events as bytes, and streams that carry them.

Messages are put together with numpy, as protobuf's Python takes longer for a batch than the server.
"""

import threading
import time
from collections.abc import Iterable, Iterator

import grpc
import numpy as np
import numpy.typing as npt

from ringfence.v1 import event_service_pb2 as events

FIRST_NUMBER = 999_000_000_000  # country code 999 belongs to nobody
FIRST_CALLER = 999_500_000_000
CALLERS = 1_000_000
PAST_S = 30 * 86_400
FEED = "benchmark"
STREAM = "/ringfence.v1.EventService/StreamEvents"
CHANNEL_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)

_PACKED = 2  # the wire type of fields with a length


def make_messages(numbers: int, size: int, seed: int) -> Iterator[bytes]:
    """Batches of `size` calls at random numbers in the last 30 days, without end."""
    chance = np.random.default_rng(seed)
    now = int(time.time())
    sequence = 0
    while True:
        called = FIRST_NUMBER + chance.integers(0, numbers, size, np.uint64)
        caller = FIRST_CALLER + chance.integers(0, CALLERS, size, np.uint64)
        occurred_at = (now - chance.integers(0, PAST_S, size)).astype(np.uint32)
        kind = chance.integers(1, 7, size, np.uint8)
        yield message(sequence, called, caller, occurred_at, kind)
        sequence += 1


def message(
    sequence: int,
    called: npt.NDArray[np.uint64],
    caller: npt.NDArray[np.uint64],
    occurred_at: npt.NDArray[np.uint32],
    kind: npt.NDArray[np.uint8],
) -> bytes:
    """A batch with these events."""
    head = events.StreamEventsRequest(feed=FEED, sequence=sequence).SerializeToString()
    columns = (called, caller, occurred_at, kind)  # a kind is a varint of one byte
    return head + b"".join(_packed(field, cells) for field, cells in enumerate(columns, 4))


def _packed(field: int, cells: npt.NDArray[np.generic]) -> bytes:
    content = cells.tobytes()
    return bytes([field << 3 | _PACKED]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def channel_to(address: str, worker: int) -> grpc.Channel:
    """A connection to a certain worker: the kernel deals them out, so ask until it is that one."""
    while True:
        channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        heartbeat = events.StreamEventsRequest(feed=FEED).SerializeToString()
        stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
        call = stream(iter([heartbeat]), wait_for_ready=True)
        list(call)
        if dict(call.initial_metadata())["ringfence-worker"] == str(worker):
            return channel
        channel.close()


def send(channel: grpc.Channel, messages: Iterable[bytes], ahead: int) -> Iterator[bytes]:
    """Streams messages, at most `ahead` of them unanswered; the answers."""
    unanswered = threading.Semaphore(ahead)

    def requests() -> Iterator[bytes]:
        for message in messages:
            unanswered.acquire()
            yield message

    stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
    for answer in stream(requests()):
        unanswered.release()
        yield answer
