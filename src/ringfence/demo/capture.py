"""The capture that the demo replays: real HEP3 datagrams of a switch, moved to the present."""

import io
import struct
from importlib import resources

from ringfence.adapters.hep import CHUNK, HEADER, read_capture

SLOWER = 10
"""The capture lasts 31 s. A caller's events within one second are one event, so it is stretched."""

_U32 = struct.Struct(">I")
_SECONDS, _MICROSECONDS = 9, 10  # types of the chunks, of vendor 0, that say when
_US = 1_000_000


def shipped_capture() -> list[bytes]:
    """The capture that comes with the package: 600 calls and messages as a Kamailio sent them."""
    octets = resources.files(__package__).joinpath("hep_capture.bin").read_bytes()
    return [datagram for _, datagram in read_capture(io.BytesIO(octets))]


def ending_at(datagrams: list[bytes], end: int) -> list[bytes]:
    """The datagrams with their times stretched and moved: the last one says `end`, unix seconds."""
    places = [_time_places(datagram) for datagram in datagrams]
    times_us = [
        _U32.unpack_from(datagram, seconds)[0] * _US + _U32.unpack_from(datagram, micros)[0]
        for datagram, (seconds, micros) in zip(datagrams, places, strict=True)
    ]
    last_us = max(times_us)
    moved = []
    for datagram, (seconds, micros), time_us in zip(datagrams, places, times_us, strict=True):
        octets = bytearray(datagram)
        whole_s, rest_us = divmod(end * _US - (last_us - time_us) * SLOWER, _US)
        _U32.pack_into(octets, seconds, whole_s)
        _U32.pack_into(octets, micros, rest_us)
        moved.append(bytes(octets))
    return moved


def _time_places(datagram: bytes) -> tuple[int, int]:
    """Where its seconds and microseconds stand; raises KeyError for a datagram without a time."""
    places = {}
    offset = HEADER.size
    while offset + CHUNK.size <= len(datagram):
        vendor, kind, length = CHUNK.unpack_from(datagram, offset)
        if vendor == 0:
            places[kind] = offset + CHUNK.size
        offset += max(length, CHUNK.size)
    return places[_SECONDS], places[_MICROSECONDS]
