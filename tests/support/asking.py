"""Calls by name, what their errors carry, and pools with clean numbers to ask about."""

from collections.abc import Callable
from itertools import count
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, PreconditionFailure
from grpc_status import rpc_status

from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types
from support.long_ago import DAY_S, LONG_AGO
from support.server_process import DEADLINE_S, Peer, batch

_pool_numbers = count()


def ask(peer: Peer, method: str, *, actor: str = "", **fields: Any) -> Any:
    """The answer to a method with one request of these fields."""
    module, stub = (
        (numbers, peer.numbers) if hasattr(peer.numbers, method) else (commands, peer.commands)
    )
    request = getattr(module, f"{method}Request")(**fields)
    metadata = (("ringfence-actor", actor),) if actor else ()
    return getattr(stub, method)(request, timeout=DEADLINE_S, metadata=metadata)


def refusal(peer: Peer, method: str, **fields: Any) -> grpc.RpcError:
    """The error with which a method answers a request of these fields."""
    with pytest.raises(grpc.RpcError) as caught:
        ask(peer, method, **fields)
    return caught.value


def metadata_of(error: grpc.RpcError) -> dict[str, str]:
    """The metadata of an error's ErrorInfo."""
    return dict(_detail(error, ErrorInfo()).metadata)


def violations_of(error: grpc.RpcError) -> list[tuple[str, str]]:
    """Type and subject of each violated precondition."""
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    failure = _detail(error, PreconditionFailure())
    return [(violation.type, violation.subject) for violation in failure.violations]


def _detail(error: Any, detail: Any) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None
    for packed in status.details:
        if packed.Unpack(detail):
            return detail
    raise AssertionError(f"no {type(detail).__name__} in {error}")


def put_policy(peer: Peer, name: str, **fields: Any) -> None:
    """A policy for which a number that is silent is clean a day after its quarantine began, and one
    call in an hour is too many.
    """
    policy = commands.Policy(**{"name": name, "minimum_age": {"seconds": DAY_S}, **fields})
    if not policy.rules:
        policy.rules.add(measure=types.MEASURE_EVENTS, limit=0).window.seconds = 3_600
    ask(peer, "PutPolicy", policy=policy)


def new_pool(peer: Peer, policy: str = "brisk", **fields: Any) -> str:
    """The name of a pool that no other test uses, with a policy that there is."""
    name = f"pool-{next(_pool_numbers)}"
    ask(peer, "PutPool", pool=commands.Pool(name=name, policy=policy, **fields))
    return name


def stock(peer: Peer, pool: str, called: list[int], since: int = LONG_AGO, step_s: int = 1) -> None:
    """Quarantines numbers long ago, each a little later than the one before it: in this order they
    are handed out.
    """
    times = [since + index * step_s for index in range(len(called))]
    answer = peer.quarantine(called, pool=pool, quarantined_at=times, observed_since=times)
    assert answer.accepted == len(called)


def call_now(peer: Peer, *called: int, caller: int | None = None) -> None:
    """Somebody calls these numbers now, each another person unless said otherwise."""
    by = {} if caller is None else {"caller": [caller] * len(called)}
    request = batch(list(called), **by)
    (answer,) = peer.events.StreamEvents(iter([request]), timeout=DEADLINE_S)
    assert answer.accepted == len(called)


def verdicts(peer: Peer, *asked: int) -> list[str]:
    """The verdicts of numbers, in words."""
    answer = ask(peer, "CheckNumbers", numbers=asked)
    return [types.Verdict.Name(each).removeprefix("VERDICT_") for each in answer.verdicts]


def refused_by(answer: Any) -> dict[int, str]:
    """The numbers that an answer names as refused, and the verdicts, in words."""
    return {
        each.number: types.Verdict.Name(each.verdict).removeprefix("VERDICT_")
        for each in answer.refused
    }


def pages(peer: Peer, method: str, field: str, **fields: Any) -> list[Message]:
    """All entries of a list, page by page."""
    found: list[Message] = []
    token = ""
    while True:
        page = ask(peer, method, page_token=token, **fields)
        entries = getattr(page, field)
        assert len(entries) <= fields.get("page_size", 10_000)
        found += entries
        token = page.next_page_token
        if not token:
            return found


Stocked = Callable[..., tuple[str, list[int]]]


def stocking(peer: Peer, fresh_numbers: Callable[[int], list[int]]) -> Stocked:
    """Makes new pools with so many clean numbers, in the order in which they are handed out."""

    def stocked(wanted: int, **fields: Any) -> tuple[str, list[int]]:
        pool, called = new_pool(peer, **fields), fresh_numbers(wanted)
        stock(peer, pool, called)
        return pool, called

    return stocked
