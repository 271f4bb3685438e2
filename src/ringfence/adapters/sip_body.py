"""What a SIP body is: an offer with a picture, something that somebody wrote, or a signal.

Phones say "is typing" (RFC 3994) and "delivered" or "displayed" (RFC 5438) in MESSAGEs that nobody
wrote, often inside message/cpim (RFC 3862) or a multipart (RFC 2046). The type inside decides; of
a body that cannot be taken apart it is assumed that somebody wrote it, so that nothing is unheard.
"""

from __future__ import annotations

import re

DEPTH_MAX = 4
"""How deep bodies are looked into that hold others."""
PARTS_MAX = 16

END_OF_HEADERS = re.compile(rb"\n\r?\n")
FOLD = re.compile(rb"\r?\n[ \t]+")
_BOUNDARY = re.compile(rb';\s*+boundary\s*+=\s*+(?:"([^"]*+)"|([^;\s]++))', re.IGNORECASE)
_SIGNALS = frozenset(
    (
        *(b"application/im-iscomposing+xml", b"message/imdn+xml"),
        *(b"message/disposition-notification", b"message/delivery-status", b"multipart/report"),
    )
)
_LIVE_VIDEO = re.compile(rb"^m=video[ \t]+0*[1-9]", re.MULTILINE)


def is_signal(content_type: bytes, disposition: bytes, body: bytes, depth: int = 0) -> bool:
    """Whether a body is a signal between programs; `content_type` as written, with parameters."""
    name = _name(content_type)
    # RFC 5438 12.1: `notification` is the disposition of receipts, whatever their type.
    if name in _SIGNALS or _name(disposition) == b"notification":
        return True
    if depth >= DEPTH_MAX:
        return False
    if name == b"message/cpim":
        return is_signal(*_inside_cpim(body), depth + 1)
    if name.startswith(b"multipart/"):
        parts = _parts(content_type, body)
        return bool(parts) and all(is_signal(*_entity(part), depth + 1) for part in parts)
    return False


def offers_video(content_type: bytes, body: bytes) -> bool:
    """Whether an offer has a picture: an `m=video` that is not refused by a port of 0."""
    if b"m=video" not in body:
        return False
    name = _name(content_type)
    if name and b"sdp" not in name and not name.startswith(b"multipart/"):
        return False
    return _LIVE_VIDEO.search(body) is not None or (
        b"a=bundle-only" in body and _has_bundled_video(body)
    )


def _has_bundled_video(sdp: bytes) -> bool:
    """RFC 9143 section 6: a port of 0 with `a=bundle-only` in a BUNDLE group is not refused."""
    group: set[bytes] = set()
    video = bundle_only = False
    mid = b""
    for written in (*sdp.split(b"\n"), b"m="):
        line = written.rstrip()
        if line.startswith((b"m=", b"v=")):
            if video and bundle_only and mid in group:
                return True
            video, bundle_only, mid = line.startswith(b"m=video"), False, b""
            if line.startswith(b"v="):
                group = set()
        elif line.startswith(b"a=group:BUNDLE "):
            group.update(line.split()[1:])
        elif line.startswith(b"a=mid:"):
            mid = line[6:].strip()
        elif line == b"a=bundle-only":
            bundle_only = True
    return False


def _name(value: bytes) -> bytes:
    """A type or disposition without its parameters."""
    return value.partition(b";")[0].strip().lower()


def _inside_cpim(body: bytes) -> tuple[bytes, bytes, bytes]:
    """Type, disposition and content of what a CPIM message carries behind its own headers."""
    head, rest = _cut(body.lstrip(b"\r\n"))
    content_type, disposition = _types(head)
    if content_type:  # it has no headers of its own: these are already those of what it carries
        return content_type, disposition, rest
    return _entity(rest)


def _entity(octets: bytes) -> tuple[bytes, bytes, bytes]:
    """Type, disposition and content of a MIME entity."""
    head, rest = _cut(octets)
    return (*_types(head), rest)


def _cut(octets: bytes) -> tuple[bytes, bytes]:
    """Headers and what is behind the empty line; without one there are headers only."""
    if octets.startswith((b"\n", b"\r\n")):
        return b"", octets
    end = END_OF_HEADERS.search(octets)
    return (octets[: end.start()], octets[end.end() :]) if end else (octets, b"")


def _types(head: bytes) -> tuple[bytes, bytes]:
    """Content-Type and Content-Disposition among headers; empty when they are not there."""
    found: dict[bytes, bytes] = {}
    for line in FOLD.sub(b" ", head).split(b"\n"):
        name, _, value = line.partition(b":")
        found.setdefault(name.strip().lower(), value.strip())
    return found.get(b"content-type", b""), found.get(b"content-disposition", b"")


def _parts(content_type: bytes, body: bytes) -> list[bytes]:
    """The parts of a multipart; none when they cannot be told apart or are too many."""
    named = _BOUNDARY.search(content_type)
    if not named:
        return []
    delimiter = b"--" + (named[1] if named[1] is not None else named[2])
    parts: list[list[bytes]] = []
    for line in body.split(b"\n"):
        bare = line.rstrip()
        if bare == delimiter:
            if len(parts) == PARTS_MAX:
                return []
            parts.append([])
        elif bare == delimiter + b"--":
            break
        elif parts:
            parts[-1].append(line)
    return [b"\n".join(part) for part in parts]
