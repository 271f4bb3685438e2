"""Bodies are received within bounds, inflated and cut into items, whatever they hold."""

import asyncio
import gzip
import json
import os
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.adapters.http import body as body_module
from ringfence.adapters.http.body import (
    BODY_MAX,
    ITEMS_MAX,
    Form,
    check_length,
    elements,
    form_of,
    items,
    received,
)
from ringfence.adapters.http.problem import Problem
from ringfence.adapters.http.room import Room
from ringfence.adapters.ndjson.schema import LINE_MAX

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "200"))
PIECE = 65_536


def pieces_of(octets: bytes, size: int = PIECE) -> list[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)]


def receive(pieces: Iterable[bytes], *, gzip: bool = False, room: Room | None = None) -> bytes:
    async def coming() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def all_of_it() -> bytes:
        with (room or Room()).enter() as seat:
            return await received(coming(), seat, gzip=gzip)

    return asyncio.run(all_of_it())


def status_of(**asked: Any) -> HTTPStatus:
    with pytest.raises(Problem) as caught:
        receive(**asked)
    return caught.value.status


def test_headers_say_how_a_body_is_written() -> None:
    assert form_of("application/x-ndjson", "") == Form(json=False, gzip=False)
    assert form_of("Application/JSON; charset=utf-8", "GZIP") == Form(json=True, gzip=True)
    for given_type, coding in (("", ""), ("text/html", ""), ("application/json", "br")):
        with pytest.raises(Problem, match="bound=") as caught:
            form_of(given_type, coding)
        assert caught.value.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def test_a_body_comes_as_it_was_sent() -> None:
    octets = os.urandom(300_000)
    packed = gzip.compress(octets[:1_000]) + gzip.compress(octets[1_000:])
    assert receive(pieces_of(octets)) == octets
    assert receive(pieces_of(packed, 7_777), gzip=True) == octets


@pytest.mark.parametrize("size", [1, 333, PIECE])
def test_a_packed_body_is_the_same_however_it_is_cut(size: int) -> None:
    octets = b'{"called": "+447700900123"}\n' * 700
    assert receive(pieces_of(gzip.compress(octets), size), gzip=True) == octets


def test_what_is_damaged_or_cut_off_is_refused() -> None:
    packed = gzip.compress(os.urandom(9_000))
    damaged = packed[:100] + bytes([packed[100] ^ 255]) + packed[101:]
    for octets in (b"", packed[:-1], packed[:5], damaged, b"{}", packed + b"more"):
        assert status_of(pieces=pieces_of(octets), gzip=True) == HTTPStatus.BAD_REQUEST


def test_a_bomb_costs_no_more_than_a_body() -> None:
    tenth = gzip.compress(bytes(100 << 20))
    nested = gzip.compress(tenth * 3)
    empty_members = gzip.compress(b"") * 100_000
    tracemalloc.start()
    try:
        for bomb, status in (
            (tenth, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
            (empty_members, HTTPStatus.BAD_REQUEST),
        ):
            assert status_of(pieces=pieces_of(bomb), gzip=True) == status
        assert receive(pieces_of(nested), gzip=True) == tenth * 3
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * BODY_MAX


def test_what_is_too_large_is_refused_before_it_is_sent_or_as_soon_as_it_is() -> None:
    check_length(str(BODY_MAX))
    for length in (BODY_MAX + 1, 10**30):
        with pytest.raises(Problem, match="octets of a body"):
            check_length(str(length))
    came = []

    def endless() -> Iterable[bytes]:
        while True:
            came.append(1)
            yield bytes(PIECE)

    assert status_of(pieces=endless()) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert len(came) == BODY_MAX // PIECE + 1


def test_what_all_requests_hold_is_bounded_and_given_back() -> None:
    room = Room(requests_max=2, octets_max=100_000)
    with room.enter() as seat, room.enter():
        seat.take(60_000)
        with pytest.raises(Problem, match="requests at once"):
            room.enter()
    assert status_of(pieces=[bytes(100_001)], room=room) == HTTPStatus.TOO_MANY_REQUESTS
    assert receive([bytes(100_000)], room=room) == bytes(100_000)


def test_a_body_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "BODY_S", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def wait() -> None:
        with Room().enter() as seat:
            await received(never(), seat, gzip=False)

    with pytest.raises(Problem, match="seconds until the end") as caught:
        asyncio.run(wait())
    assert caught.value.status == HTTPStatus.REQUEST_TIMEOUT


def test_lines_keep_their_numbers() -> None:
    found = asyncio.run(items(b"\xef\xbb\xbfa\n\n \r\nb\r\nc", json=False))
    assert found == [(1, b"a"), (4, b"b\r"), (5, b"c")]
    for octets, json_ in ((b"\n" * ITEMS_MAX, False), (b"[" + b"1," * ITEMS_MAX + b"1]", True)):
        with pytest.raises(Problem, match="lines of a body"):
            asyncio.run(items(octets, json=json_))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=9,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(values, max_size=9), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_elements_of_an_array_are_those_that_json_finds(
    wanted: list[Any], indent: Any, ascii_: bool
) -> None:
    text = " " + json.dumps(wanted, indent=indent, ensure_ascii=ascii_) + "\n"
    assert list(elements(text.encode())) == list(enumerate(wanted, 1))


def test_an_array_of_many_windows_is_read_to_its_end() -> None:
    wanted = [{"n": "x" * (at * 37 % 5_000)} for at in range(1_000)]
    assert [value for _, value in elements(json.dumps(wanted).encode())] == wanted
    assert list(elements(b' {"called": 1} ')) == [(1, {"called": 1})]


@pytest.mark.parametrize(
    "octets",
    [
        *(b"", b" ", b"[", b"[1", b"[1,", b"[1,]", b"[1 2]", b"[1]]", b"{} {}", b"{}\n{}", b"[,1]"),
        *(b"[NaN]", b"[" * 100_000, b'["' + b"x" * (3 * LINE_MAX) + b'"]', b"\xff\xfe[\x00]\x00"),
        *(b"[" + b"9" * 9_000 + b"]", b'["\x00"]', b"nul"),
    ],
    ids=lambda each: str(each[:12]),
)
def test_what_is_no_array_is_refused_as_a_whole(octets: bytes) -> None:
    with pytest.raises(Problem) as caught:
        asyncio.run(items(octets, json=True))
    assert (caught.value.status, caught.value.hides) == (HTTPStatus.BAD_REQUEST, True)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=300) | st.text(alphabet='[]{},:"1\\ ntrue\u0000', max_size=60))
def test_any_octets_are_cut_or_refused(octets: bytes | str) -> None:
    body = octets if isinstance(octets, bytes) else octets.encode()
    for json_ in (False, True):
        try:
            found = asyncio.run(items(body, json=json_))
        except Problem as problem:
            assert json_ and problem.status == HTTPStatus.BAD_REQUEST
        else:
            assert (found is None) == json_
