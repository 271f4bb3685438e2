"""What a message of SMPP 3.4 says, read octet by octet as its tables (4.4 to 4.7) have it.

Slow and plain, and nothing of it from the adapter: what is read there has to be the same.
"""

from typing import NamedTuple

SUBMIT_MULTI, DATA_SM = 0x21, 0x103


class Walked(NamedTuple):
    """Addresses begin with their type of number and numbering plan."""

    source: bytes
    destinations: list[bytes]
    lists: int
    esm_class: int
    text: bytes
    tlvs: dict[int, bytes]


class Cut(Exception):
    """It ends inside something."""


class Walk:
    """A place in a body."""

    def __init__(self, body: bytes) -> None:
        self.left = list(body)

    def octet(self) -> int:
        if not self.left:
            raise Cut
        return self.left.pop(0)

    def octets(self, count: int) -> bytes:
        return bytes(self.octet() for _ in range(count))

    def string(self) -> bytes:
        found = bytearray()
        while octet := self.octet():
            found.append(octet)
        return bytes(found)

    def address(self) -> bytes:
        return self.octets(2) + self.string()

    def number(self) -> int:
        return self.octet() * 256 + self.octet()

    def tlvs(self) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        while len(self.left) >= 4:
            tag, length = self.number(), self.number()
            value = self.octets(length)
            found.setdefault(tag, value)
        if any(self.left):
            raise Cut
        return found


def walked(command: int, body: bytes) -> Walked | None:
    """What a message says; None where it cannot be read."""
    walk = Walk(body)
    try:
        walk.string()  # service_type
        source = walk.address()
        destinations, lists = [], 0
        if command == SUBMIT_MULTI:
            for _ in range(walk.octet()):
                flag = walk.octet()
                if flag == 1:
                    destinations.append(walk.address())
                elif flag == 2:
                    walk.string()
                    lists += 1
                else:
                    return None
        else:
            destinations.append(walk.address())
        esm_class = walk.octet()
        text = b""
        if command == DATA_SM:
            walk.octets(2)  # registered_delivery, data_coding
        else:
            walk.octets(2)  # protocol_id, priority_flag
            walk.string()  # schedule_delivery_time
            walk.string()  # validity_period
            walk.octets(4)
            text = walk.octets(walk.octet())
        tlvs = walk.tlvs()
    except Cut:
        return None
    return Walked(source, destinations, lists, esm_class, text or tlvs.get(0x0424, b""), tlvs)
