"""The published schema and the reader say the same of every line."""

import json
import os
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ringfence.adapters.ndjson.line import BadLine, object_of, read_values
from ringfence.adapters.ndjson.schema import KINDS, SCHEMA, schema_text

EXAMPLES = int(os.environ.get("RINGFENCE_EXAMPLES", "300"))
VALIDATOR = Draft202012Validator(SCHEMA)
NAMES = ("called", "caller", "occurred_at", "kind", "id", "heard_from", "heard_to", "note")
AT_MS = 1_790_000_000 * 1_000
EVENT = {"called": "+447700900123", "occurred_at": 1_790_000_000, "kind": "CALL"}


def both(values: Any) -> bool:
    """Whether the schema takes a value; the reader must do as it does."""
    text = json.dumps(values, allow_nan=False)
    try:
        read_values(object_of(text.encode()))
        reads = True
    except BadLine:
        reads = False
    assert VALIDATOR.is_valid(json.loads(text)) == reads, text
    return reads


moments = st.builds(
    "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.sampled_from([1969, 1970, 1971, 1972, 1992, 1994, 2000, 2026, 2100, 2104, 2105, 2106]),
    st.sampled_from([0, 1, 2, 2, 2, 4, 6, 12, 13]),
    st.sampled_from([0, 1, 28, 29, 29, 30, 31, 32]),
    st.sampled_from("TTTt _"),
    st.sampled_from([0, 7, 23, 24]),
    st.sampled_from([0, 59, 60]),
    st.sampled_from([0, 59, 60, 61]),
    st.sampled_from(["", "", ".5", ".", ".1234567890"]),
    st.sampled_from(["Z", "Z", "z", "+00:00", "-23:59", "+24:00", "", "\n", "Z\n"]),
)
numbers = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, 0.5, 1, 1.0, 1_790_000_000.25, 2**32 - 1, 2**32 - 0.5, 2**32, 1e300]),
)
texts = st.one_of(
    st.text(st.characters(), max_size=8),  # half of a pair of surrogates too
    st.sampled_from(["", "+447700900123", "x" * 256, "x" * 257, "\ud800", "\U0001f4de" * 256]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts, moments, st.sampled_from(KINDS))
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2)
)
near = st.fixed_dictionaries(
    {},
    optional={
        "called": texts | anything,
        "caller": st.none() | texts | anything,
        "occurred_at": moments | numbers | anything,
        "kind": st.sampled_from(KINDS) | anything,
        "id": texts | anything,
        "heard_from": moments | numbers | anything,
        "heard_to": moments | numbers | anything,
        "callled": anything,
    },
)
one_changed = st.builds(
    lambda name, value: {**EVENT, name: value}, st.sampled_from(NAMES), scalars | anything
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.one_of(near, one_changed, anything))
@example({**EVENT, "occurred_at": "2026-03-01T12:00:00Z\n"})
@example({**EVENT, "occurred_at": "2100-02-29T12:00:00Z"})
@example({**EVENT, "occurred_at": True})
@example({**EVENT, "heard_to": 1})
def test_what_the_schema_takes_the_reader_takes_and_nothing_else(values: Any) -> None:
    both(values)


@settings(max_examples=EXAMPLES, deadline=None)
@given(moments)
def test_a_time_is_one_for_both_or_for_neither(moment: str) -> None:
    both({**EVENT, "occurred_at": moment})


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        (EVENT, True),
        ({**EVENT, "caller": None, "id": "c1"}, True),
        ({**EVENT, "caller": ""}, True),
        ({**EVENT, "note": {"deep": [1]}}, True),
        ({**EVENT, "occurred_at": "2026-03-01T12:00:00.250+02:00"}, True),
        ({**EVENT, "occurred_at": "2024-02-29T12:00:00Z"}, True),
        ({**EVENT, "occurred_at": "2016-12-31T23:59:60Z"}, True),
        ({**EVENT, "occurred_at": "2026-03-01T12:00:00"}, False),
        ({**EVENT, "occurred_at": "2026-02-29T12:00:00Z"}, False),
        ({**EVENT, "occurred_at": AT_MS}, False),
        ({**EVENT, "kind": "call"}, False),
        ({**EVENT, "called": 447700900123}, False),
        ({"callled": "+447700900123", "occurred_at": 1, "kind": "CALL"}, False),
        ({"heard_from": 1_790_000_000, "heard_to": 1_790_000_010.5}, True),
        ({"heard_to": 1_790_000_010}, False),
        ({"heard_from": 1, "heard_to": 2, **EVENT}, False),
        ([EVENT], False),
    ],
)
def test_what_is_a_line_and_what_is_none(values: Any, taken: bool) -> None:
    assert both(values) is taken


def test_the_schema_is_one_and_is_printed_as_it_is() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(schema_text()) == SCHEMA
    assert SCHEMA["$defs"]["event"]["properties"]["kind"]["enum"] == list(KINDS)
