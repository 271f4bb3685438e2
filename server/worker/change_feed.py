"""Changes of verdicts, told to whoever listens: a bounded queue each; who is too slow is cut.

Whoever tells waits for those that fall behind but go on reading: a reader is not cut by a change,
however large. One that has taken nothing while a queue's length was told is cut at once, and one
that keeps the others waiting is cut when its patience has run out.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from ringfence.server.link.refusal import Refusal, slow_watcher

WAITING_MAX = 256
WAITING_BYTES_MAX = 1 << 20
"""Messages of one listener, and their bytes."""
PATIENCE_S = 5.0
"""For so long a listener may keep others waiting; it has more when it has read for them."""
PACE_BYTES_S = 1 << 20
"""What a listener has to read at least while others wait for it."""
TOLD_AT_ONCE = 8

Question = TypeVar("Question", bound=Hashable)


class ChangeFeed(Generic[Question]):
    """Tells every listener what answers its question, of all that lies behind a position."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._listeners: dict[Listener, tuple[Question, int]] = {}

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def questions(self) -> set[Question]:
        """What is asked, each once."""
        return {question for question, _ in self._listeners.values()}

    async def tell(self, position: int, messages: Mapping[Question, bytes]) -> None:
        """Gives all who listen behind an earlier position the message for their question, if there
        is one, when they have room.
        """
        late = []
        for index, (listener, (question, after)) in enumerate(tuple(self._listeners.items()), 1):
            message = messages.get(question)
            if not message or position <= after or listener not in self._listeners:
                continue
            if listener.is_full(len(message)):
                late.append(self._tell_late(listener, message))
            else:
                listener.put(message)
            if index % TOLD_AT_ONCE == 0:  # not all of them write before anybody else's turn
                await asyncio.sleep(0)
        await asyncio.sleep(0)  # whoever waits takes it before the next one comes
        await asyncio.gather(*late)

    def cut(self, refusal: Refusal) -> None:
        """Ends every listener: changes may be missing."""
        for listener in self._listeners:
            listener.end(refusal)
        self._listeners.clear()

    @contextmanager
    def listen(self, question: Question, after: int) -> Iterator["Listener"]:
        """Listens behind a position, from now on; the iterator raises a refusal when it is cut."""
        listener = Listener(self._patience_s)
        self._listeners[listener] = question, after
        try:
            yield listener
        finally:
            self._listeners.pop(listener, None)
            listener.leave()

    async def _tell_late(self, listener: "Listener", message: bytes) -> None:
        has_room = await listener.has_room(len(message))
        if listener in self._listeners:  # else it has left meanwhile
            if has_room:
                listener.put(message)
            else:
                del self._listeners[listener]
                listener.end(slow_watcher())


class Listener:
    """An iterator over what one listener is told."""

    def __init__(self, patience_s: float) -> None:
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._end: Refusal | None = None
        self._left = False
        self._patience_s = self._patience_s_max = patience_s
        self._put_since_taken = 0
        self._taken_bytes = 0
        self._put = asyncio.Event()
        self._taken = asyncio.Event()

    def is_full(self, size: int) -> bool:
        """Whether a message of this size has to wait for room."""
        if self._left or not self._messages:  # whatever its size, one message may wait
            return False
        return len(self._messages) >= WAITING_MAX or self._bytes + size > WAITING_BYTES_MAX

    async def has_room(self, size: int) -> bool:
        """Whether a message of this size may be put; waits while the listener has patience left."""
        clock = asyncio.get_running_loop().time
        while self.is_full(size):
            if self._put_since_taken >= WAITING_MAX:
                return False
            began, taken_bytes = clock(), self._taken_bytes
            self._taken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s):
                    await self._taken.wait()
            read_s = (self._taken_bytes - taken_bytes) / PACE_BYTES_S
            left_s = self._patience_s - (clock() - began) + read_s
            self._patience_s = min(left_s, self._patience_s_max)
            if self._patience_s <= 0:
                return False
        return True

    def put(self, message: bytes) -> None:
        """Behind all that waits."""
        self._messages.append(message)
        self._bytes += len(message)
        self._put_since_taken += 1
        self._put.set()

    def end(self, refusal: Refusal) -> None:
        """Instead of what waits, the listener gets this."""
        self._end = refusal
        self.leave()

    def leave(self) -> None:
        """The listener takes nothing more: nobody waits for it."""
        self._left = True
        self._messages.clear()
        self._put.set()
        self._taken.set()

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> bytes:
        while not self._messages:
            if self._end is not None:
                raise self._end
            self._put.clear()
            await self._put.wait()
        message = self._messages.popleft()
        self._bytes -= len(message)
        self._taken_bytes += len(message)
        self._put_since_taken = 0
        if not self._messages:
            self._patience_s = self._patience_s_max
        self._taken.set()
        return message
