"""FreeSWITCH's mod_json_cdr: JSON objects, one a file or many, a line each or over many lines.

With `encode-values`, as is usual, the values of `variables` are URL-encoded, those of `callflow`
are not. A call that was passed on has an entry in `callflow` for each number that it reached, the
newest first: it is an attempt at each of them.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from ringfence.adapters.base import Unreadable
from ringfence.adapters.cdr.freeswitch_values import dict_of, is_hidden, text_of
from ringfence.adapters.cdr.local_time import LocalTimes, unix_seconds
from ringfence.adapters.cdr.record import Entry, Format, Record
from ringfence.adapters.cdr.unpacked import unpacked

OBJECT_MAX = 1 << 20
# A string without an end goes on to where the octets end: else each quote in it is tried for one.
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
_DEEPER = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_NAMES = ("uuid", "call_uuid", "bridge_uuid", "originating_leg_uuid")


def json_records(times: LocalTimes) -> Format:
    """Reads files of JSON objects."""

    def records(file: IO[bytes]) -> Iterator[Entry]:
        with unpacked(file) as octets:
            for line, written, whole, _ in _objects(octets):
                text = written.decode("utf-8", "surrogateescape").strip().replace("\n", " ")
                try:
                    found = list(_attempts(whole or _object(written), times))
                except Unreadable as unreadable:
                    yield Entry(line, text, unreadable)
                    continue
                for each in found:
                    yield Entry(line, text, each)

    return records


def objects_end(octets: bytes) -> int:
    """Where the last object ends that more octets behind would not change."""
    end = 0
    for _, written, whole, read in _objects(io.BytesIO(octets)):
        ends = read < len(octets) or octets.endswith(b"\n") or whole or _whole(written)
        if read and ends:
            end = read
    return end


def _objects(file: IO[bytes]) -> Iterator[tuple[int, bytes, dict[str, Any] | None, int]]:
    """Line and octets of each object, itself if it stands on one line, as most do, and how many
    octets were read when it ended, 0 = it did not. One that is torn ends where the next begins a
    line.
    """
    held, began, depth, line, read = bytearray(), 1, 0, 0, 0
    while octets := file.readline(OBJECT_MAX):
        line += 1
        read += len(octets)
        if (not held and not octets.strip()) or octets.startswith(b"# line "):
            continue
        if not held and octets.endswith(b"}\n") and (whole := _whole(octets)):
            yield line, octets, whole, read
            continue
        more = _depth(octets)
        if held and octets.startswith(b"{") and more == 0 and b'"variables"' in octets:
            yield began, bytes(held), None, read - len(octets)  # torn
            held, depth = bytearray(), 0
        if not held:
            began = line
        held += octets
        depth += more
        if depth <= 0 or len(held) > OBJECT_MAX:
            yield began, bytes(held), None, read
            held, depth = bytearray(), 0
    if held:
        yield began, bytes(held), None, 0


def _whole(octets: bytes) -> dict[str, Any] | None:
    try:
        return _object(octets)
    except Unreadable:
        return None


def _depth(octets: bytes) -> int:
    return sum(_DEEPER.get(found, 0) for found in _STRUCTURE.findall(octets))


def _object(octets: bytes) -> dict[str, Any]:
    try:
        values = json.loads(octets.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Unreadable("json_unreadable") from None
    if not isinstance(values, dict):
        raise Unreadable("json_unreadable")
    return values


def _attempts(values: dict[str, Any], times: LocalTimes) -> Iterator[Record]:
    variables = dict_of(values.get("variables"))
    callflow = values.get("callflow")
    entries = [dict_of(entry) for entry in callflow] if isinstance(callflow, list) else []
    names = {text_of(variables, name) for name in _NAMES if name in variables}
    names |= {text_of(dict_of(entry.get("caller_profile")), "uuid") for entry in entries}
    known = tuple(b"u:" + name.encode("utf-8", "replace") for name in sorted(names) if name)
    hidden = is_hidden(variables, dict_of(values.get("app_log")))
    reached = set()
    for first, entry in enumerate(reversed(entries)):
        profile = dict_of(entry.get("caller_profile"))
        called = text_of(profile, "destination_number")
        if not called or called in reached:
            continue
        reached.add(called)
        caller = "" if hidden else text_of(profile, "caller_id_number")
        moment = dict_of(entry.get("times"))
        written = text_of(moment, "profile_created_time" if first else "created_time")
        at = unix_seconds(written[:-6]) if len(written) > 6 else _start(variables, times)
        yield Record(called, caller, at, names=known)
    if not reached:
        called = text_of(variables, "destination_number") or text_of(variables, "sip_req_user")
        if not called:
            raise Unreadable("json_without_called")
        caller = text_of(variables, "caller_id_number") or text_of(variables, "sip_from_user")
        yield Record(called, "" if hidden else caller, _start(variables, times), names=known)


def _start(variables: dict[str, Any], times: LocalTimes) -> int:
    if written := text_of(variables, "start_uepoch"):
        return unix_seconds(written[:-6])
    if written := text_of(variables, "start_epoch"):
        return unix_seconds(written)
    return times.read(text_of(variables, "start_stamp"))
