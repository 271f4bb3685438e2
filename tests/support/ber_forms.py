"""Elements of BER in the other forms that the rules allow: the same values, other octets."""

from __future__ import annotations

from random import Random

CONSTRUCTED = 0x20


def split(octets: bytes) -> tuple[bytes, bytes, bytes]:
    """Tag, content and rest of an element of definite length."""
    at = 1
    if octets[0] & 0x1F == 0x1F:
        while octets[at] & 0x80:
            at += 1
        at += 1
    tag, length = octets[:at], octets[at]
    at += 1
    if length > 0x80:
        count = length & 0x7F
        length = int.from_bytes(octets[at : at + count], "big")
        at += count
    return tag, octets[at : at + length], octets[at + length :]


def definite(tag: bytes, content: bytes, octets_min: int = 0) -> bytes:
    """An element with its length in so many octets at least; 0 = as short as can be."""
    if not octets_min and len(content) < 0x80:
        return tag + bytes((len(content),)) + content
    count = max(octets_min, (len(content).bit_length() + 7) // 8, 1)
    return tag + bytes((0x80 | count,)) + len(content).to_bytes(count, "big") + content


def indefinite(tag: bytes, content: bytes) -> bytes:
    """An element whose end is marked."""
    return tag + b"\x80" + content + b"\0\0"


def rewritten(octets: bytes, random: Random, *, is_record: bool = True) -> bytes:
    """The same element in forms chosen at random: of lengths, of the order in a SET, of strings."""
    tag, content, rest = split(octets)
    assert not rest
    if not tag[0] & CONSTRUCTED:
        if len(content) > 1 and tag[0] & 0x1F and random.random() < 0.1:
            at = random.randrange(1, len(content))
            parts = definite(b"\x04", content[:at]) + definite(b"\x04", content[at:])
            return indefinite(bytes((tag[0] | CONSTRUCTED,)) + tag[1:], parts)
        return definite(tag, content, random.choice((0, 0, 0, 1, 2, 4)))
    inner = []
    while content:
        one, value, content = split(content)
        inner.append(rewritten(definite(one, value), random, is_record=False))
    if is_record and random.random() < 0.3:
        random.shuffle(inner)
    whole = b"".join(inner)
    if random.random() < 0.5:
        return indefinite(tag, whole)
    return definite(tag, whole, random.choice((0, 0, 1, 2, 4, 8)))
