"""A client that speaks HTTP/2 by hand, so that it can do what no library lets it.

It counts what it may send, so that the server has nothing to object to but the amount.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
CANCEL = 8
FRAME_BYTES = 16_384
READ_BYTES = 1 << 20
HEAD = struct.Struct(">I")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame as it travels."""
    return HEAD.pack(len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header that enters no table."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call_headers(path: str) -> bytes:
    """Of one gRPC call."""
    method_and_scheme = b"\x83\x86"  # POST, http
    return method_and_scheme + b"".join(
        literal(name, value)
        for name, value in (
            (b":path", path.encode()),
            (b":authority", b"test"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        )
    )


@contextmanager
def pumping(connections: "list[RawConnection]", act: Callable[[], None]) -> Iterator[None]:
    """Pumps connections meanwhile, in a thread, and calls `act` before each round."""
    done = threading.Event()

    def pump() -> None:
        while not done.is_set():
            act()
            for each in connections:
                if not each.ended:
                    each.pump()
            done.wait(0.001)

    thread = threading.Thread(target=pump)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        for each in connections:
            each.close()


class RawConnection:
    """One connection; `pump` reads what there is and sends what may be sent."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0))
        self.socket.setblocking(False)
        self.ended = False
        self.resets = 0
        """Calls that the server has ended without a status."""
        self.answered = 0
        self.sent_bytes = 0
        self._next_stream = 1
        self._input = b""
        self._output = bytearray()
        self._window = 65_535
        self._stream_window = 65_535  # that a stream begins with
        self._windows: dict[int, int] = {}
        self._left: dict[int, int] = {}  # bytes that a call has still to send
        self._ends: dict[int, bool] = {}
        self._sendable: set[int] = set()

    def begin_call(self, path: str) -> int:
        """Opens a stream with the headers of a call."""
        stream = self._next_stream
        self._next_stream += 2
        self._output += frame(HEADERS, END_HEADERS, stream, call_headers(path))
        return stream

    def reset(self, stream: int) -> None:
        """Ends a stream."""
        self._output += frame(RST_STREAM, 0, stream, HEAD.pack(CANCEL))

    def send_message(self, stream: int, said_bytes: int, sent_bytes: int, *, end: bool) -> None:
        """Begins a message that is said to be so long, of which so much is sent: zeros."""
        head = struct.pack(">BI", 0, said_bytes)
        self._output += frame(DATA, 0, stream, head)
        self._window -= len(head)
        self._windows[stream] = self._stream_window - len(head)
        self._left[stream] = sent_bytes
        self._ends[stream] = end
        self._sendable.add(stream)

    def pump(self) -> None:
        """Does what can be done without waiting."""
        try:
            self._read()
            self._fill()
            while self._output:
                sent = self.socket.send(self._output)
                del self._output[:sent]
                self._fill()
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    @property
    def waits(self) -> bool:
        """Whether much is still to be sent: more would only wait."""
        return len(self._output) >= READ_BYTES

    def close(self) -> None:
        """Ends it, whatever is under way."""
        self.socket.close()

    def _fill(self) -> None:
        while self._sendable and self._window > 0 and not self.waits:
            stream = self._sendable.pop()
            size = min(FRAME_BYTES, self._window, self._windows[stream], self._left[stream])
            if size <= 0:
                if not self._left[stream]:
                    self._finish(stream)
                continue
            self._window -= size
            self._windows[stream] -= size
            self._left[stream] -= size
            self.sent_bytes += size
            self._output += frame(DATA, 0, stream, bytes(size))
            self._sendable.add(stream)

    def _finish(self, stream: int) -> None:
        if self._ends.pop(stream, False):
            self._output += frame(DATA, END_STREAM, stream)

    def _read(self) -> None:
        while True:
            try:
                data = self.socket.recv(READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                raise ConnectionError("the server has closed it")
            self._take(self._input + data)

    def _take(self, data: bytes) -> None:
        at = 0
        while len(data) - at >= 9:
            size = HEAD.unpack(b"\0" + data[at : at + 3])[0]
            if len(data) - at < 9 + size:
                break
            kind, flags, stream = struct.unpack_from(">BBI", data, at + 3)
            self._act(kind, flags, stream, data[at + 9 : at + 9 + size])
            at += 9 + size
        self._input = data[at:]

    def _act(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._set(payload)
        elif kind == PING and not flags & ACK:
            self._output += frame(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += HEAD.unpack(payload)[0]
        elif kind == WINDOW_UPDATE:
            if stream in self._windows:
                self._windows[stream] += HEAD.unpack(payload)[0]
                self._sendable.add(stream)
        elif kind == RST_STREAM:
            self.resets += 1
            self._forget(stream)
        elif kind == HEADERS and flags & END_STREAM:
            self.answered += 1
            self._forget(stream)
        elif kind == GOAWAY:
            raise ConnectionError("the server wants no more")

    def _set(self, settings: bytes) -> None:
        for key, value in struct.iter_unpack(">HI", settings):
            if key == INITIAL_WINDOW_SIZE:
                grown = value - self._stream_window
                self._stream_window = value
                for each in self._windows:
                    self._windows[each] += grown
                self._sendable |= self._left.keys()
        self._output += frame(SETTINGS, ACK, 0)

    def _forget(self, stream: int) -> None:
        self._sendable.discard(stream)
        for of_streams in (self._windows, self._left, self._ends):
            of_streams.pop(stream, None)
