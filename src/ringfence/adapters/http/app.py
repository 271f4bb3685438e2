"""What is answered over HTTP: events are taken, and answered when the server has them.

note_http_NNN   requests that were not done, by their status; note_http_cut: the client went away
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringfence import EventStreamStats, RingfenceError
from ringfence.adapters.http.body import check_length, elements, form_of, items, received
from ringfence.adapters.http.problem import Problem, later, problem_response
from ringfence.adapters.http.room import AGAIN_S, Room
from ringfence.adapters.ndjson.desk import Desk
from ringfence.adapters.ndjson.line import BadLine
from ringfence.adapters.ndjson.schema import LINE_MAX, SCHEMA

ANSWER_S = 10.0
"""How long a request waits until the server has its events."""
AWAY_S = 5
UNANSWERED_MAX = 131_072
REFUSED_SHOWN = 100
_WRITTEN = ("content-type", "content-encoding")
TURN = 1_000
"""Lines that are read before others get their turn."""


class Stream(Protocol):
    """What says whether events are safe: `ringfence.EventStream`."""

    @property
    def stats(self) -> EventStreamStats:
        """What it has done so far."""

    @property
    def answering(self) -> bool | None:
        """Whether the server answered last."""

    async def flush(self) -> None:
        """Waits until all taken over so far are answered; raises what stopped the stream."""


@dataclass
class Counts:
    """What became of the lines of one body."""

    outcomes: dict[str, int] = field(default_factory=dict)
    refused: list[dict[str, object]] = field(default_factory=list)
    """The first of them."""
    refused_total: int = 0

    def took(self, outcome: str) -> None:
        """A line was taken."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def refuse(self, number: int, words: str) -> None:
        """A line was not."""
        self.refused_total += 1
        if len(self.refused) < REFUSED_SHOWN:
            self.refused.append({"line": number, "reason": words})

    def answer(self) -> dict[str, object]:
        """As it is told."""
        names = {"accepted": "event", "repeats": "repeat", "heard": "heard"}
        names["called_not_a_number"] = "called_not_a_number"
        told: dict[str, object] = {
            name: self.outcomes.get(outcome, 0) for name, outcome in names.items()
        }
        return told | {"refused_total": self.refused_total, "refused": self.refused}


class Events:
    """Takes what is posted. `token` empty = from everybody."""

    def __init__(
        self,
        desk: Desk,
        stream: Stream,
        *,
        token: str = "",
        room: Room | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._desk = desk
        self._stream = stream
        self._token = token.encode()
        self._room = room or Room()
        self._answer_s = answer_s

    async def post(self, request: Request) -> Response:
        """POST /events."""
        tally = self._desk.tally
        try:
            return JSONResponse((await self._take(request)).answer())
        except Problem as problem:
            tally[f"note_http_{int(problem.status)}"] += 1
            if problem.hides:
                self._desk.miss(BadLine("body_refused", problem.detail))
            return problem_response(problem.status, problem.detail, problem.headers)
        except ClientDisconnect:
            tally["note_http_cut"] += 1
            return Response(status_code=HTTPStatus.BAD_REQUEST)

    async def _take(self, request: Request) -> Counts:
        self._check_token(request)
        headers = request.headers
        form = form_of(*(", ".join(headers.getlist(name)) for name in _WRITTEN))
        check_length(headers.get("content-length", ""))
        if self._stream.answering is False:
            raise _away("the Ringfence server does not answer")
        if self._stream.stats.unanswered >= UNANSWERED_MAX:
            raise later(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"events without an answer: value=more, bound={UNANSWERED_MAX}",
                AGAIN_S,
            )
        with self._room.enter() as seat:
            body = await received(request.stream(), seat, gzip=form.gzip)
            lines = await items(body, json=form.json)
            before = self._lost()
            try:
                counts = await self._hand_in(body, lines)
                async with asyncio.timeout(self._answer_s):
                    await self._stream.flush()
            except TimeoutError:
                raise _away("the Ringfence server has not answered in time") from None
            except RingfenceError:
                raise _away("the Ringfence server refuses this adapter, see its log") from None
        if self._lost() > before:
            raise Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "the Ringfence server refused events of this body, or of another at the same time,"
                " see the log of the adapter: do the clocks agree?",
            )
        return counts

    async def _hand_in(self, body: bytes, lines: list[tuple[int, bytes]] | None) -> Counts:
        counts = Counts()
        for number, each in elements(body) if lines is None else lines:
            try:
                if isinstance(each, bytes):
                    octets = each if len(each) < LINE_MAX else None
                    counts.took(await self._desk.take_line(octets))
                else:
                    counts.took(await self._desk.take(each))
            except BadLine as bad:
                counts.refuse(number, bad.words)
            if number % TURN == 0:
                await asyncio.sleep(0)
        return counts

    def _lost(self) -> int:
        stats = self._stream.stats
        return stats.rejected + stats.refused + stats.dropped

    def _check_token(self, request: Request) -> None:
        if not self._token:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        given_octets = given.strip().encode("utf-8", "surrogateescape")
        same = hmac.compare_digest(given_octets, self._token)
        if scheme.lower() != "bearer" or not same:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "Authorization: value=missing or another, bound=Bearer and the token of this"
                " adapter",
                headers={"WWW-Authenticate": 'Bearer realm="ringfence"'},
            )


def app_of(events: Events) -> Starlette:
    """The application."""

    async def schema(_: Request) -> Response:
        return JSONResponse(SCHEMA, media_type="application/schema+json")

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(
            error.status_code, "bound=POST /events and GET /schema", error.headers
        )

    async def failed(_: Request, error: Exception) -> Response:
        return problem_response(500, f"the adapter failed: {type(error).__name__}")

    app = Starlette(
        routes=[
            Route("/events", events.post, methods=["POST"]),
            Route("/schema", schema, methods=["GET"]),
        ],
        exception_handlers={HTTPException: refused, Exception: failed},
    )
    app.router.redirect_slashes = False  # a client that does not follow takes it for a success
    return app


def _away(detail: str) -> Problem:
    return later(HTTPStatus.SERVICE_UNAVAILABLE, detail, AWAY_S)
