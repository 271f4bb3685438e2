"""An adapter with which not everybody binds says so within a minute, and where to look."""

import asyncio

import pytest
from support import smpp_pdus as made
from support.smpp_peer import NAME, Centre, malformed, run

from ringfence.adapters.base import Tally
from ringfence.adapters.first_hint import say_after_a_while
from ringfence.adapters.smpp import pdu as smpp
from ringfence.adapters.smpp.first_hint import hint_of

ACCOUNTS = {"gateway": "secret", "other": "word"}


def said(adapter: Centre, *, listens: bool = True) -> str:
    return hint_of(adapter.tally, adapter.hearing.missing, listens=listens)


def test_that_nobody_connects_is_told() -> None:
    async def test(adapter: Centre) -> None:
        assert said(adapter).startswith("nobody has bound, nor connected: ")

    run(test)


def test_that_all_are_refused_is_told_without_a_password() -> None:
    async def test(adapter: Centre) -> None:
        await (await adapter.gateway()).bind(NAME, b"s3cret")
        await (await adapter.gateway()).bind(b"nobody", b"s3cret")
        assert "note_bind_refused=2: are system_id and password" in said(adapter)
        assert "s3cret" not in said(adapter)

    run(test)


@pytest.mark.parametrize("octets", [malformed(0x1603_0102), made.octets(made.message())])
def test_that_somebody_connects_who_does_not_bind_is_told(octets: bytes) -> None:
    async def test(adapter: Centre) -> None:
        stranger = await adapter.gateway()
        stranger.writer.write(octets)
        await stranger.next()
        assert "and somebody connects: is it SMPP 3.4" in said(adapter)

    run(test)


def test_who_has_not_bound_is_named_until_all_have() -> None:
    async def test(adapter: Centre) -> None:
        await (await adapter.gateway()).bind()
        assert said(adapter).startswith("not bound: other: no time is claimed")
        await (await adapter.gateway()).bind(b"other", b"word")
        assert said(adapter) == ""

    run(test, accounts=ACCOUNTS)


def test_of_many_who_have_not_bound_some_are_named() -> None:
    missing = [f"gateway{n}" for n in range(1_000)]
    words = hint_of(Tally(note_bound=1), missing, listens=True)
    assert words.startswith("not bound: gateway0, gateway1, gateway2, gateway3, gateway4, ...: ")


def test_messages_that_reach_no_number_are_told() -> None:
    async def test(adapter: Centre) -> None:
        gateway = await adapter.gateway()
        await gateway.bind()
        await gateway.ask(smpp.SUBMIT_SM, made.message(called=(2, 1, "112")))
        assert "called_not_a_number=1: is --country" in said(adapter)
        await gateway.ask(smpp.SUBMIT_SM, made.message())
        assert said(adapter) == ""

    run(test)


def test_a_centre_that_does_not_take_our_bind_is_told() -> None:
    assert hint_of(Tally(), ["gateway"], listens=False).endswith("and does it want TLS?")
    refused = hint_of(Tally(note_bind_refused=3), ["gateway"], listens=False)
    assert refused.startswith("the centre has not taken our bind: note_bind_refused=3")


def test_it_is_said_once_after_a_while_if_something_is_wrong() -> None:
    lines: list[str] = []
    for hint in ("wrong", ""):
        asyncio.run(say_after_a_while(lambda hint=hint: hint, lines.append, wait_s=0.01))
    assert lines == ["after 0.01 s wrong"]
