"""What is wrong with a request, as problem details (RFC 9457) and as an outcome to count."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse


class Problem(Exception):
    """A request that is not done. `hides`: what was in it may be lost, and is not sent again."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        hides: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hides = hides
        self.headers = headers


def problem_response(
    status: int, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer that says so."""
    phrase = HTTPStatus(status).phrase
    content = {"type": "about:blank", "title": phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")


def later(status: HTTPStatus, detail: str, after_s: int) -> Problem:
    """A request that should be repeated as it is."""
    return Problem(status, detail, headers={"Retry-After": str(after_s)})
