"""The published form of a line: a JSON Schema, and the bounds that the reader shares with it.

What the schema takes the reader takes, and what it refuses is refused; a test holds it. The schema
says nothing of two members with one name, which no validator sees and the reader refuses.
"""

from __future__ import annotations

import json
from typing import Any

from ringfence import EventKind

LINE_MAX = 65_536
"""Octets of a line."""
TEXT_MAX = 256
"""Characters of a text."""
SECONDS_LIMIT = 2**32
KINDS = tuple(kind.name for kind in EventKind if kind)
EVENT_MEMBERS = ("called", "caller", "occurred_at", "kind", "id")
HEARD_MEMBERS = ("heard_from", "heard_to")
TIME_FORM = "RFC 3339 with a zone such as 2026-03-01T12:00:00Z, or unix seconds"

# RFC 3339 with a zone and days that the calendar has, from 1971 to 2105, so that it is within unix
# seconds of 32 bits wherever it is. Without \d and a bare $: what these mean differs by language.
_YEAR = "(?:197[1-9]|19[89][0-9]|20[0-9][0-9]|210[0-5])"
_LEAP_YEAR = "(?:19(?:7[26]|8[048]|9[26])|20[02468][048]|20[13579][26]|2104)"
_DAY = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP_YEAR}-02-29)"
)
_FRACTION = r"(?:\.[0-9]{1,9})?"
_OF_DAY = f"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]{_FRACTION}"
_ZONE = "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_LEAP_SECOND = f"{_YEAR}-(?:06-30|12-31)[Tt ]23:59:60{_FRACTION}[Zz]"
TIME_PATTERN = rf"^(?:{_DAY}{_OF_DAY}{_ZONE}|{_LEAP_SECOND})$(?!\n)"


def _text(description: str, least: int = 1) -> dict[str, Any]:
    return {
        "description": description,
        "type": "string",
        "minLength": least,
        "maxLength": TEXT_MAX,
    }


def _time(description: str) -> dict[str, Any]:
    return {"description": description, "$ref": "#/$defs/time"}


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:ringfence:adapter:line:1",
    "title": "A line for `ringfence adapter ndjson` and `ringfence adapter http`",
    "description": "An attempt to reach a number, or until when all attempts were written. Other"
    " members are ignored, and counted.",
    "type": "object",
    "if": {"anyOf": [{"required": [name]} for name in HEARD_MEMBERS]},
    "then": {"$ref": "#/$defs/heard"},
    "else": {"$ref": "#/$defs/event"},
    "$defs": {
        "event": {
            "title": "An attempt to reach a number",
            "required": ["called", "occurred_at", "kind"],
            "properties": {
                "called": _text(
                    "The number that was called, as the switch writes it: +447700900123,"
                    " 00447700900123, 07700900123 with --country 44."
                ),
                "caller": {
                    "description": "Who called: a number or a name; null, empty or left out ="
                    " withheld.",
                    "type": ["string", "null"],
                    "maxLength": TEXT_MAX,
                },
                "occurred_at": _time("When it began."),
                "kind": {"description": "What it was.", "enum": list(KINDS)},
                "id": _text(
                    "A name of this attempt: what comes again with it, at the same number within"
                    " 240 s, is the same attempt."
                ),
            },
        },
        "heard": {
            "title": "All that happened in [heard_from, heard_to) stands above, or came before",
            "required": list(HEARD_MEMBERS),
            "properties": {
                "heard_from": _time("Since when nothing was missed."),
                "heard_to": _time("Until when all attempts were written."),
                "called": False,
            },
        },
        "time": {
            "description": f"{TIME_FORM}, whole or not.",
            "type": ["string", "number"],
            "pattern": TIME_PATTERN,
            "minimum": 1,
            "exclusiveMaximum": SECONDS_LIMIT,
        },
    },
}


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(SCHEMA, indent=2, ensure_ascii=False)
