"""Imports point one way, down the list of folders, and no files import each other in a circle."""

import re
from collections.abc import Callable

import pytest
from support.layers import ORDER, SUFFIXES, circles, imports, layer, named_by, named_in, points_up
from support.places import ROOT


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return imports()


def below(graph: dict[str, set[str]], folder: str) -> list[str]:
    return [module for module in graph if f"{module}.".startswith(f"{folder}.")]


def test_every_folder_of_the_order_is_there_and_no_other(graph: dict[str, set[str]]) -> None:
    folders = {module.rpartition(".")[0] for module in graph}
    assert set(ORDER) <= folders
    inner = {
        "adapters.cdr",
        "adapters.cdr.follow",
        "adapters.cdr.ts32298",
        "adapters.http",
        "adapters.kamailio",
        "adapters.ndjson",
        "adapters.processes",
        "adapters.smpp",
        "adapters.tap",
        "engine.snapshot",
        "server.followers.history",
        "simulation.traffic",
    }
    known = {*ORDER, *inner, "server.followers.history.migrations"}
    assert {folder for folder in folders if not folder.endswith("versions")} - known == set()


def test_no_import_points_up(graph: dict[str, set[str]]) -> None:
    assert points_up(graph) == []


def test_no_files_import_each_other_in_a_circle(graph: dict[str, set[str]]) -> None:
    assert circles(graph) == []


@pytest.mark.parametrize(
    ("folder", "others"),
    [("server.worker", "server.keeper"), ("server.keeper", "server.worker")],
)
def test_the_planes_know_nothing_of_each_other(
    graph: dict[str, set[str]], folder: str, others: str
) -> None:
    beside = set(below(graph, others))
    assert [module for module in below(graph, folder) if graph[module] & beside] == []


def test_the_client_knows_words_and_numbers_of_the_engine_and_nothing_of_the_server(
    graph: dict[str, set[str]],
) -> None:
    client = [module for module in graph if layer(module) == ORDER.index("")]
    used = set().union(*(graph[module] for module in client))
    ours = {name for name in used if name.startswith(("engine", "server"))}
    assert ours <= {"engine.words", "engine.number"}


def test_adapters_stand_on_the_client_alone(graph: dict[str, set[str]]) -> None:
    used = set().union(*(graph[module] for module in below(graph, "adapters")))
    assert [name for name in used if name.startswith(("engine", "server", "v1"))] == []


def test_the_engine_has_no_sockets_no_protobuf_library_no_loop_and_no_lmdb() -> None:
    names = "socket|grpc|google|asyncio|lmdb|sqlalchemy|pydantic"
    foreign = re.compile(rf"^\s*(?:from|c?import) +({names})\b", re.MULTILINE)
    found = {
        path.name: foreign.findall(path.read_text("utf-8"))
        for path in (ROOT / "engine").rglob("*")
        if path.suffix in SUFFIXES
    }
    assert len(found) > 40
    assert {name: words for name, words in found.items() if words} == {}


def test_the_picture_in_the_readme_has_the_folders_in_this_order() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    _, _, picture = readme.partition("## Where things are")[2].partition("```text\n")
    drawn = re.findall(r"^([a-z0-9/]+)  ", picture.partition("```")[0], re.MULTILINE)
    inside = ("server", "engine")  # drawn by what is in them, and the keeper as one
    expected = [
        name or "client"
        for name in ORDER
        if name not in inside and not name.startswith("server.keeper.")
    ]
    assert [name.replace("/", ".") for name in drawn] == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from ringfence.engine.words import State", {"engine.words"}),
        ("    from ringfence.server.keeper.process import run_keeper", {"server.keeper.process"}),
        ("from ringfence.engine import words as said, number", {"engine.words", "engine.number"}),
        ("from ringfence.engine.table.ring cimport (\n    ring_insert,\n)", {"engine.table.ring"}),
        ("import ringfence.engine.words", {"engine.words"}),
        ("from ringfence.engine import (  # (a note)\n    words,\n)", {"engine.words"}),
        ("import numpy, ringfence.client", {"client"}),
        ("import os; from ringfence.client import Client", {"client"}),
        ("from ringfence.client \\\n    import Client", {"client"}),
    ],
)
@pytest.mark.parametrize("read", [named_in, named_by])
def test_imports_are_found_wherever_they_stand(
    graph: dict[str, set[str]],
    read: Callable[[str, set[str], str], set[str]],
    text: str,
    found: set[str],
) -> None:
    if read is named_in:
        text = text.replace(" cimport ", " import ").replace("    from", "from")
    assert read(text, set(graph), "") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f():\n    from ..keeper import process", {"server.keeper.process"}),
        ("from . import worker", {"server.worker.worker"}),
        ("from ... import client", {"client"}),
        ("if TYPE_CHECKING:\n    import ringfence.client", {"client"}),
        ('import_module("ringfence.client")', {"client"}),
        ("importlib.import_module('ringfence.client')", {"client"}),
        ('__import__("ringfence.client")', {"client"}),
        ('import_module("...client", __package__)', {"client"}),
        ('"ringfence.client"', set()),
        ('"""from ringfence.client import Client"""', set()),
    ],
)
def test_python_has_more_ways_to_import(
    graph: dict[str, set[str]], text: str, found: set[str]
) -> None:
    assert named_in(text, set(graph), "server.worker") == found


def test_an_import_that_points_up_and_a_circle_are_seen() -> None:
    graph = {"engine.words": {"client"}, "client": {"v1.types_pb2"}, "v1.types_pb2": set()}
    assert points_up(graph) == ["engine.words -> client"]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
