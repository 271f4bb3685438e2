"""The body of a request: received within bounds of size and time, inflated, cut into items.

A body is lines of JSON, or an array or object of JSON. What cannot be cut is refused as a whole
before any of it is taken; an array costs no more memory than its longest element.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from ringfence.adapters.http.problem import Problem
from ringfence.adapters.http.room import Seat
from ringfence.adapters.ndjson.line import DECODER
from ringfence.adapters.ndjson.schema import LINE_MAX

BODY_MAX = 4 << 20
"""Octets of a body, as it is sent and inflated."""
ITEMS_MAX = 65_536
BODY_S = 30.0
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
JSON = "application/json"
_PIECE = 1 << 18
_MEMBERS_MAX = 64
_BLANK = re.compile(r"[ \t\r\n]*")
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Form:
    """How a body is written."""

    json: bool
    gzip: bool


def form_of(content_type: str, content_encoding: str) -> Form:
    """What the headers say; raises Problem, 415."""
    written = content_type.partition(";")[0].strip().lower()
    coding = content_encoding.strip().lower()
    if written not in (*LINES, JSON):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type: value={'another' if written else 'missing'}, bound={LINES[0]}, {JSON}",
            hides=True,
            headers={"Accept": f"{LINES[0]}, {JSON}"},
        )
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Content-Encoding: value=another, bound=gzip, identity",
            hides=True,
            headers={"Accept-Encoding": "gzip"},
        )
    return Form(json=written == JSON, gzip=coding.endswith("gzip"))


def check_length(content_length: str) -> None:
    """Refuses what says itself that it is too large, before it is sent; raises Problem, 413."""
    if content_length.isdecimal() and int(content_length[:20]) > BODY_MAX:
        raise _too_large(f"octets of a body: value=more, bound={BODY_MAX}")


async def received(pieces: AsyncIterator[bytes], seat: Seat, *, gzip: bool) -> bytes:
    """The whole body, inflated; raises Problem, 400, 408, 413 and 429."""
    inflater = _Inflater() if gzip else None
    body, came = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in pieces:
                came += len(piece)
                for plain in inflater.feed(piece) if inflater else (piece,):
                    seat.take(len(plain))
                    body += plain
                    if max(came, len(body)) > BODY_MAX:
                        raise _too_large(f"octets of a body: value=more, bound={BODY_MAX}")
    except TimeoutError:
        detail = f"seconds until the end of the body: value=more, bound={BODY_S:g}"
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail) from None
    if inflater:
        inflater.check_ended()
    return bytes(body)


async def items(body: bytes, *, json: bool) -> list[tuple[int, bytes]] | None:
    """The lines with their numbers, blank ones left out; None = it is an array, see `elements`.

    Raises Problem, 400 and 413, also for what `elements` would meet.
    """
    body = body.removeprefix(_MARK)
    if not json:
        if body.count(b"\n") >= ITEMS_MAX:
            raise _too_many()
        lines = enumerate(body.split(b"\n"), 1)
        return [(number, line) for number, line in lines if line.strip()]
    for number, _ in elements(body):
        if number > ITEMS_MAX:
            raise _too_many()
        if number % 1_000 == 0:
            await asyncio.sleep(0)
    return None


def elements(body: bytes) -> Iterator[tuple[int, object]]:
    """The elements of an array with their numbers, or a single object; raises Problem, 400."""
    text = body.removeprefix(_MARK).decode("utf-8", "surrogateescape")
    window = _Window(text)
    if window.next_sign() != "[":
        yield 1, window.value()
        window.end()
        return
    window.step()
    if window.next_sign() == "]":
        window.step()
        window.end()
        return
    number = 0
    while True:
        number += 1
        yield number, window.value()
        sign = window.next_sign()
        window.step()
        if sign == "]":
            break
        if sign != ",":
            raise _not_json()
    window.end()


class _Window:
    """A place in a text. Values are read from a part of it, so that none is larger than that."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._begin = 0
        self._part = text[: 2 * LINE_MAX]

    def next_sign(self) -> str:
        """The next character that is not blank; "" at the end."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._text[self._at : self._at + 1]

    def step(self) -> None:
        """Goes on behind a character."""
        self._at += 1

    def value(self) -> object:
        """Reads a value, and goes on behind it."""
        self.next_sign()
        if self._at - self._begin >= LINE_MAX:
            self._begin = self._at
            self._part = self._text[self._at : self._at + 2 * LINE_MAX]
        try:
            found, end = DECODER.raw_decode(self._part, self._at - self._begin)
        except (ValueError, RecursionError):
            raise _not_json() from None
        self._at = self._begin + end
        return found

    def end(self) -> None:
        """There must be no more."""
        if self.next_sign():
            raise _not_json()


class _Inflater:
    """gzip, of one member or several, in pieces of a bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._members = 0

    def feed(self, octets: bytes) -> Iterator[bytes]:
        """What these octets inflate to."""
        while octets:
            if self._member.eof or not self._members:
                self._member = zlib.decompressobj(wbits=31)
                self._members += 1
            if self._members > _MEMBERS_MAX:  # each costs work, though nothing is in it
                raise _not_gzip()
            try:
                plain = self._member.decompress(octets, _PIECE)
            except zlib.error:
                raise _not_gzip() from None
            if plain:
                yield plain
            octets = self._member.unused_data or self._member.unconsumed_tail

    def check_ended(self) -> None:
        """The last member must be whole."""
        if not self._member.eof:
            raise _not_gzip()


def _too_many() -> Problem:
    return _too_large(f"lines of a body: value=more, bound={ITEMS_MAX}")


def _too_large(detail: str) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, hides=True)


def _not_json() -> Problem:
    detail = f"body: value=not JSON, bound=an array of objects, each under {LINE_MAX} octets"
    return Problem(HTTPStatus.BAD_REQUEST, detail, hides=True)


def _not_gzip() -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "body: value=damaged or cut off, bound=gzip", hides=True)
