"""What records are attempts, and where in them things stand: `tags.toml`, or an operator's file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ringfence import EventKind
from ringfence.adapters.cdr.ts32298.values import FORMS

Path = tuple[int, ...]
_TAG_MAX = 0x1FFFFF
_DEPTH_MAX = 8
HEADER_MAX = 1_024
_HEADERS = ("file_header", "record_header")
_KINDS = {"call": EventKind.CALL, "message": None}
_TEXTS = ("kind", "hint", "sequence", "teleservice", "method", "report")
_LISTS = ("called", "caller", "time", "names")


@dataclass(frozen=True, slots=True)
class Number:
    """Where a number stands, and how it is written."""

    path: Path
    form: str = "bcd"


@dataclass(frozen=True, slots=True)
class Shape:
    """Where things stand in a record that is an attempt; an empty path is nowhere."""

    kind: EventKind | None
    """None = a message, whose sender decides what kind of one."""
    called: tuple[Number, ...]
    caller: tuple[Number, ...] | None
    """None = such records never tell."""
    time: tuple[Path, ...]
    names: tuple[tuple[Path, ...], ...] = ()
    hint: tuple[Path, ...] = ()
    sequence: Path = ()
    teleservice: Path = ()
    method: Path = ()
    report: Path = ()


@dataclass(frozen=True)
class TagMap:
    """The records by their tags."""

    attempts: Mapping[int, Shape]
    others: frozenset[int]
    file_header: int = 0
    """Octets in front of all records."""
    record_header: int = 0
    """Octets in front of each record."""

    def with_file(self, text: str) -> TagMap:
        """With what an operator's file says of its tags; raises ValueError."""
        own = _parsed(text)
        attempts = {tag: shape for tag, shape in self.attempts.items() if tag not in own.others}
        others = self.others - own.attempts.keys()
        return replace(own, attempts={**attempts, **own.attempts}, others=others | own.others)


@lru_cache(1)
def usual_tags() -> TagMap:
    """What TS 32.298 says."""
    return _parsed(files(__package__).joinpath("tags.toml").read_text("utf-8"))


def _parsed(text: str) -> TagMap:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None
    except RecursionError:
        raise ValueError("not TOML: nested too deep") from None
    _check_keys("the file", values, ("other", "record", *_HEADERS))
    others = frozenset(_tags("other", values.get("other", [])))
    attempts: dict[int, Shape] = {}
    tables = values.get("record", [])
    if not isinstance(tables, list):
        raise ValueError("record: value=no list of tables, bound=[[record]]")
    for place, table in enumerate(tables, 1):
        where = f"record {place}"
        if not isinstance(table, dict):
            raise ValueError(f"{where}: value=no table, bound=[[record]]")
        shape = _shape(where, table)
        for tag in _tags(f"{where}, tag", table.get("tag", [])):
            if tag in attempts or tag in others:
                raise ValueError(f"{where}, tag: value={tag} twice, bound=each once")
            attempts[tag] = shape
    return TagMap(attempts, others, *(_size(name, values.get(name, 0)) for name in _HEADERS))


def _shape(where: str, table: dict[str, Any]) -> Shape:
    _check_keys(where, table, ("tag", *_TEXTS, *_LISTS))
    for name in ("tag", "kind", "called", "time"):
        if not table.get(name) and table.get(name) != 0:
            raise ValueError(f"{where}: no {name}")
    for name in _TEXTS:
        if not isinstance(table.get(name, ""), str):
            raise ValueError(f"{where}, {name}: value={table[name]!r}, bound=a text")
    for name in _LISTS:
        places = table.get(name, [])
        if not isinstance(places, list) or not all(isinstance(each, str) for each in places):
            raise ValueError(f"{where}, {name}: value={places!r}, bound=a list of texts")
    if table["kind"] not in _KINDS:
        raise ValueError(f"{where}, kind: value={table['kind']!r}, bound=call or message")
    called = tuple(_number(where, each) for each in table["called"])
    caller = tuple(_number(where, each) for each in table.get("caller", ()))
    return Shape(
        kind=_KINDS[table["kind"]],
        called=called,
        caller=caller if "caller" in table else None,
        time=tuple(_path(where, each) for each in table["time"]),
        names=tuple(_joined(where, each) for each in table.get("names", ())),
        hint=_joined(where, table.get("hint", "")),
        sequence=_path(where, table.get("sequence", "")),
        teleservice=_path(where, table.get("teleservice", "")),
        method=_path(where, table.get("method", "")),
        report=_path(where, table.get("report", "")),
    )


def _number(where: str, text: str) -> Number:
    path, _, form = text.strip().partition(" ")
    form = form.strip() or "bcd"
    if form not in FORMS:
        raise ValueError(f"{where}: value={text!r}, bound=a place and {', '.join(FORMS)}")
    return Number(_path(where, path), form)


def _joined(where: str, text: str) -> tuple[Path, ...]:
    return tuple(_path(where, each) for each in text.split("+")) if text else ()


def _path(where: str, text: str) -> Path:
    if not text:
        return ()
    tags = text.strip().split(".")
    if len(tags) > _DEPTH_MAX or not all(each.isascii() and each.isdigit() for each in tags):
        raise ValueError(f"{where}: value={text!r}, bound=a tag, or tags as in 2.1")
    return tuple(_tags(where, [int(each[:9]) for each in tags]))


def _size(name: str, value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= HEADER_MAX:
        raise ValueError(f"{name}: value={value!r}, bound=0 to {HEADER_MAX} octets")
    return value


def _tags(where: str, value: Any) -> list[int]:
    tags = value if isinstance(value, list) else [value]
    for tag in tags:
        if not isinstance(tag, int) or isinstance(tag, bool) or not 0 <= tag <= _TAG_MAX:
            raise ValueError(f"{where}: value={tag!r}, bound=tags from 0 to {_TAG_MAX}")
    return tags


def _check_keys(where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in table:
        if name not in known:
            raise ValueError(f"{where}: value={name!r}, bound={', '.join(known)}")
