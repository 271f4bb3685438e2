"""Pages of a list: their size, and tokens that say where the next one begins.

A token is bound to the question it was given for: with another filter it is refused, because its
position would mean something else there.
"""

import base64
import binascii
import hashlib

from ringfence.server.link.refusal import bad_field

PAGE_SIZE = 1_000
PAGE_SIZE_MAX = 10_000
PAGE_BYTES_MAX = 3_000_000  # the contract's 3 MiB, with room for the answer around it
_SEAL_BYTES = 9


def page_size(asked: int) -> int:
    """How many a page may hold; 0 asks for the default."""
    if asked > PAGE_SIZE_MAX:
        raise bad_field("page_size", f"value={asked}, bound={PAGE_SIZE_MAX}")
    return asked or PAGE_SIZE


def page_token(question: object, position: str) -> str:
    """The token for the page of a question that begins at a position."""
    return base64.urlsafe_b64encode(_seal(question) + position.encode()).decode()


def page_position(question: object, token: str) -> str:
    """The position that a token stands for, "" at the beginning."""
    if not token:
        return ""
    try:
        data = base64.b64decode(token, altchars=b"-_", validate=True)
        position = data[_SEAL_BYTES:].decode("ascii")
    except (binascii.Error, ValueError):
        position = ""
        data = b""
    if not position or data[:_SEAL_BYTES] != _seal(question):
        raise bad_field(
            "page_token", "value=not a token of this list, bound=next_page_token, same filter"
        )
    return position


def _seal(question: object) -> bytes:
    return hashlib.sha256(repr(question).encode()).digest()[:_SEAL_BYTES]
