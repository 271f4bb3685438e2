"""What is answered to a post, to too many, and to clients that mean no good."""

import asyncio
import gzip
import inspect
import json
import logging
import os
import random
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from support.http_adapter import JSON, Inside, inside
from support.run_seed import run_seed
from support.server_process import wait_until
from support.switch_traffic import AT, CALLER

from ringfence import EventStream
from ringfence.adapters.http import listener as listener_module
from ringfence.adapters.http.app import UNANSWERED_MAX
from ringfence.adapters.http.body import BODY_MAX
from ringfence.adapters.http.room import OCTETS_MAX, Room
from ringfence.adapters.ndjson.schema import SCHEMA
from ringfence.errors import Internal

PATIENCE_S = 30.0
TOKEN = "a-token-that-nobody-guesses"


def run(work: Callable[[Inside], Coroutine[Any, Any, None]], **more: Any) -> None:
    """Does something with an adapter in this process."""

    async def beside() -> None:
        async with asyncio.timeout(4 * PATIENCE_S), inside(**more) as it:
            await work(it)

    asyncio.run(beside())


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition)


def line(**values: Any) -> bytes:
    event = {"called": "+447700900123", "caller": CALLER, "occurred_at": AT - 5, "kind": "CALL"}
    return json.dumps({**event, **values}).encode()


def test_a_batch_is_counted_line_by_line() -> None:
    async def work(it: Inside) -> None:
        lines = [line(id="a"), line(id="a"), b"", line(called="7"), line(kind="call"), b"{"]
        lines.append(json.dumps({"heard_from": AT - 60, "heard_to": AT}).encode())
        answer = await it.post(b"\n".join(lines))
        assert answer.status == 200
        refused = answer.content.pop("refused")
        assert answer.content == {
            **{"accepted": 1, "repeats": 1, "called_not_a_number": 1, "heard": 1},
            "refused_total": 2,
        }
        assert [each["line"] for each in refused] == [5, 6]
        assert refused[0]["reason"].startswith("kind: value=call, bound=CALL, SMS")
        assert CALLER not in str(refused)
        assert it.hearing.until == AT
        again = await it.post(gzip.compress(b"\n".join(lines)), Content_Encoding="gzip")
        assert (again.content["accepted"], again.content["repeats"]) == (0, 2)
        as_array = b"[" + b",".join((line(id="b"), line(id="b"), b"7")) + b"]"
        other = await it.post(as_array, type_=JSON)
        assert (other.content["accepted"], other.content["repeats"]) == (1, 1)
        assert [each["line"] for each in other.content["refused"]] == [3]
        assert (await it.post(line(), type_=JSON)).content["accepted"] == 1
        assert len(it.stream.sent) == 3

    run(work)


def test_nobody_is_answered_before_the_events_are_safe() -> None:
    async def work(it: Inside) -> None:
        it.stream.safe.clear()
        posting = asyncio.create_task(it.post(line(id="a")))
        await until(lambda: len(it.stream.sent) == 1)
        again = asyncio.create_task(it.post(line(id="a")))  # a repeat is not safe either
        await until(lambda: it.desk.tally["repeat"] == 1)
        assert not posting.done()
        assert not again.done()
        it.stream.safe.set()
        assert (await posting).content["accepted"] == 1
        assert (await again).content["repeats"] == 1

    run(work)


def test_what_is_not_taken_is_no_redirect_which_some_clients_take_for_a_success() -> None:
    async def work(it: Inside) -> None:
        for path in ("/events/", "//events", "/Events"):
            reader, writer = await it.open()
            head = f"POST {path} HTTP/1.0\r\nContent-Type: application/x-ndjson\r\n"
            writer.write(head.encode() + b"Content-Length: 0\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"404", path
            writer.close()

    run(work)


def test_a_coding_on_top_of_another_is_not_overlooked() -> None:
    async def work(it: Inside) -> None:
        reader, writer = await it.open()
        head = b"POST /events HTTP/1.0\r\nContent-Type: application/x-ndjson\r\n"
        coded = b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"
        writer.write(head + coded + b"Content-Length: 0\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"415"
        writer.close()

    run(work)


def test_a_server_that_is_away_is_503() -> None:
    async def work(it: Inside) -> None:
        it.stream.answering = False
        away = await it.post(line())
        assert (away.status, away.headers["retry-after"]) == (503, "5")
        assert it.stream.sent == []
        it.stream.answering = True
        it.stream.safe.clear()
        slow = await it.post(line(id="a"))
        assert (slow.status, slow.headers["retry-after"]) == (503, "5")
        it.stream.safe.set()
        assert (await it.post(line(id="a"))).content["repeats"] == 1
        assert it.stream.lost == []  # it will come again, and was never said to be heard

    run(work, answer_s=0.05)


def test_a_server_that_refuses_is_no_success() -> None:
    async def work(it: Inside) -> None:
        async def refuse() -> None:
            raise Internal("feed")

        async def reject() -> None:
            it.stream.rejected += 1

        it.stream.flush = refuse  # type: ignore[method-assign]
        assert (await it.post(line())).status == 503
        it.stream.flush = reject  # type: ignore[method-assign]
        assert (await it.post(line())).status == 500

    run(work)


def test_who_comes_when_there_is_no_room_is_told_to_come_again() -> None:
    async def work(it: Inside) -> None:
        it.stream.safe.clear()
        first = asyncio.create_task(it.post(line(id="a")))
        await until(lambda: len(it.stream.sent) == 1)
        full = await it.post(line(id="b"))
        assert (full.status, full.headers["retry-after"]) == (429, "1")
        it.stream.safe.set()
        assert (await first).status == 200
        assert (await it.post(line(id="b"))).content["accepted"] == 1
        assert (await it.post(b"\n" * 9_000 + line())).status == 429
        it.stream.unanswered = UNANSWERED_MAX
        assert (await it.post(line())).status == 429
        assert it.stream.lost == []

    run(work, room=Room(requests_max=1, octets_max=8_192))


def test_what_there_is_room_for_fits_into_the_buffer_of_a_stream() -> None:
    shortest = len(b'{"called":"7","occurred_at":1,"kind":"SMS"}\n')
    buffer = inspect.signature(EventStream).parameters["buffer_events"].default
    assert UNANSWERED_MAX + OCTETS_MAX // shortest < buffer


def test_only_the_token_opens() -> None:
    async def work(it: Inside) -> None:
        for given in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer \xff"):
            answer = await it.post(line(), Authorization=given)
            assert answer.status == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
            assert TOKEN not in str(answer.content)
        assert (await it.post(b"{", type_="text/html")).status == 401
        assert it.stream.lost == []  # of a stranger nothing is believed, no loss either
        assert (await it.post(line(), Authorization=f"bearer {TOKEN}")).status == 200
        assert it.desk.tally["note_http_401"] == 7

    run(work, token=TOKEN)


def test_what_is_refused_as_a_whole_is_lost_time_and_a_problem() -> None:
    async def work(it: Inside) -> None:
        for asked, status in (
            ({"body": b"[", "type_": JSON}, 400),
            ({"body": b"x", "Content_Encoding": "gzip"}, 400),
            ({"body": line(), "type_": "text/csv"}, 415),
            ({"body": line(), "Content_Encoding": "br"}, 415),
            ({"body": bytes(BODY_MAX + 1)}, 413),
            ({"body": gzip.compress(bytes(BODY_MAX + 1)), "Content_Encoding": "gzip"}, 413),
        ):
            it.stream.lost.clear()
            answer = await it.post(**asked)
            assert answer.status == answer.content["status"] == status
            assert set(answer.content) == {"type", "title", "status", "detail"}
            assert "bound=" in answer.content["detail"]
            assert it.stream.lost == [(AT - 60, AT + 1)]
        assert (await it.post(line())).content["accepted"] == 1

    run(work)


async def said_to(it: Inside, *octets: bytes) -> bytes:
    """What is answered to octets until the connection is closed, or a whole answer is there."""
    reader, writer = await it.open()
    with suppress(ConnectionError):  # it need not hear all of it
        for each in octets:
            writer.write(each)
            await writer.drain()
        writer.write_eof()
    said = await rest_of(reader)
    writer.close()
    return said


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What comes on a connection until it is closed, or reset."""
    said = b""
    async with asyncio.timeout(PATIENCE_S):
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                said += piece
    return said


def test_other_requests_are_told_what_there_is() -> None:
    async def work(it: Inside) -> None:
        for request, status in (
            (b"GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b" 405 "),
            (b"GET /%2e%2e/etc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b" 404 "),
            (b"BREW /events HTTP/1.0\r\n\r\n", b" 405 "),
        ):
            said = await said_to(it, request)
            assert status in said.partition(b"\r\n")[0]
            assert b"application/problem+json" in said
        schema = await said_to(it, b"GET /schema HTTP/1.0\r\n\r\n")
        assert json.loads(schema.partition(b"\r\n\r\n")[2]) == SCHEMA

    run(work)


HEAD = b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
HOSTILE = [
    b"",
    b"\0" * 70_000,
    b"GET " + b"/" * 200_000,
    HEAD + b"X: " + b"y" * 200_000,
    HEAD + b"Content-Length: -1\r\n\r\n{}",
    HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
    HEAD + b"Content-Length: 500\r\n\r\n" + b'{"called":',
    HEAD + b"Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    (HEAD + b"Content-Length: 2\r\n\r\n{}") * 300,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(900),
    b"\x16\x03\x01\x02\x00" + bytes(512),
    b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n",
]


@pytest.mark.parametrize("seed", [run_seed()])
def test_a_hostile_client_does_not_stop_it(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    async def work(it: Inside) -> None:
        draw = random.Random(seed)
        made = list(HOSTILE)
        for _ in range(60):
            octets = bytearray(draw.choice(HOSTILE) or HEAD)
            for _ in range(draw.randrange(1, 9)):
                octets[draw.randrange(len(octets))] = draw.randrange(256)
            made.append(bytes(octets[: draw.randrange(1, len(octets) + 1)]))
        for each in made:
            await said_to(it, each)
        assert (await it.post(line())).content["accepted"] == 1
        await until(lambda: not it.listener._server.server_state.connections)

    run(work)
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []


def test_a_silent_connection_is_closed_and_a_full_house_lets_somebody_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def crowd(it: Inside) -> None:
        open_ = [await it.open() for _ in range(5)]
        assert (await it.post(line())).content["accepted"] == 1  # the longest idle one has gone
        assert await rest_of(open_[0][0]) == b""
        for _, writer in open_:
            writer.close()

    async def silent(it: Inside) -> None:
        slow = [await it.open() for _ in range(3)]
        slow[1][1].write(b"POST /ev")
        slow[2][1].write(HEAD + b"Content-Length: 500\r\n\r\n{")
        for reader, writer in slow:
            assert await rest_of(reader) == b""
            writer.close()
        assert (await it.post(line())).content["accepted"] == 1

    monkeypatch.setattr(listener_module, "CONNECTIONS_MAX", 5)
    run(crowd)
    monkeypatch.setattr(listener_module, "SILENCE_S", 0.05)
    run(silent)


def test_a_tls_handshake_that_does_not_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(it: Inside) -> None:
        reader, writer = await it.open()
        assert await rest_of(reader) == b""
        writer.close()

    monkeypatch.setattr(listener_module, "SILENCE_S", 0.05)
    run(work, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_half_bodies_are_as_if_they_had_never_come() -> None:
    async def work(it: Inside) -> None:
        half = b"\n".join([line(id=str(each)) for each in range(50)])
        for cut in (0, 1, len(half) // 2, len(half)):
            _, writer = await it.open()
            length = b"Content-Length: %d\r\n\r\n" % (len(half) + 1)
            writer.write(HEAD + length + half[:cut])
            await writer.drain()
            writer.close()
        await until(lambda: it.desk.tally["note_http_cut"] == 4)
        assert (it.stream.sent, it.stream.lost) == ([], [])
        assert (await it.post(half)).content["accepted"] == 50

    run(work)


def test_many_at_once_are_all_answered() -> None:
    async def work(it: Inside) -> None:
        posts = [it.post(line(id=os.urandom(9).hex())) for _ in range(40)]
        answers = await asyncio.gather(*posts)
        assert {answer.status for answer in answers} == {200}
        assert len(it.stream.sent) == 40

    run(work)
