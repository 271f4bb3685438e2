"""How an operation of the contract is described: its method, its request, how to read the answer.

The operations themselves are in `number_calls`, `event_calls` and `quarantine_calls`, each once; a
client, blocking or not, only carries out what they describe.
"""

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ringfence.backoff import backoff_s
from ringfence.errors import DeadlineExceeded, Unavailable, Unreachable, translated

ATTEMPTS_MAX = 5
PAUSE_S_MAX = 2.0

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Method:
    """An rpc of the contract.

    `repeatable`: doing it twice does no harm, as it only asks, carries a request_id, or says what
    shall be so. Only such a call is made again when its outcome is open.
    """

    path: str
    response: type[Any]  # a Message
    repeatable: bool


def method(file: FileDescriptor, service: str, name: str, *, repeatable: bool = False) -> Method:
    """The rpc of that name."""
    descriptor = file.services_by_name[service].methods_by_name[name]
    path = f"/{descriptor.containing_service.full_name}/{name}"
    return Method(path, GetMessageClass(descriptor.output_type), repeatable)


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One question: what to send, and what the answer means."""

    method: Method
    request: Message
    read: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Series(Generic[T]):
    """A question too large for one message: several, asked one after the other."""

    asks: Iterator[Ask[T]]
    joined: Callable[[Sequence[T]], T]  # the answers in that order as one


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A question whose answer comes in pages."""

    method: Method
    request: Any  # has page_token; see page()
    items: Callable[[Any], Sequence[T]]

    def page(self, token: str) -> Ask[tuple[Sequence[T], str]]:
        """The question for the page of that token: its items, and the next token (empty = end)."""
        request = type(self.request)()
        request.CopyFrom(self.request)
        request.page_token = token
        return Ask(
            self.method, request, lambda answer: (self.items(answer), answer.next_page_token)
        )


class Attempts:
    """The attempts at one question: how long each may take, and whether there is another."""

    def __init__(self, method: Method, timeout_s: float) -> None:
        self._method = method
        self._ends = time.monotonic() + timeout_s
        self._failures = 0

    def left_s(self) -> float:
        """Seconds until the deadline of the whole question."""
        return max(self._ends - time.monotonic(), 0.0)

    def pause_s(self, failure: grpc.RpcError) -> float:
        """How long to wait before the next attempt; raises the error when there is none."""
        error = translated(failure)
        self._failures += 1
        again = self._method.repeatable and isinstance(
            error, Unavailable | Unreachable | DeadlineExceeded
        )
        pause_s = max(backoff_s(self._failures, PAUSE_S_MAX), error.retry_after_s or 0.0)
        if not again or self._failures == ATTEMPTS_MAX or pause_s >= self.left_s():
            raise error from failure
        return pause_s


def described_by(description: Callable[..., Any]) -> Callable[[F], F]:
    """Gives a client's method the name, the parameters and the words of its description."""

    def decorate(function: F) -> F:
        signature = inspect.signature(description)
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        function.__name__ = description.__name__
        function.__doc__ = description.__doc__
        function.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[own, *signature.parameters.values()],
            return_annotation=inspect.Signature.empty,
        )
        return function

    return decorate
