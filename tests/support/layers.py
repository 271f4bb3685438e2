"""The order of the folders, which is the way of the data, and the imports of every module.

A module imports from its own folder and from those below, never from those above; files do not
import each other in a circle.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.places import ROOT

ORDER = (
    "cli",
    "demo",
    "adapters",
    "simulation",
    "wording",
    "",  # the client: what people import
    "server.supervisor",
    "server.tools",
    "server.followers",
    "server.recovery",
    "server.keeper",
    "server.keeper.changes",
    "server.keeper.coverage",
    "server.keeper.settings",
    "server.keeper.numbers",
    "server.keeper.reservations",
    "server.keeper.queue",
    "server.keeper.commands",
    "server.worker",
    "server.state",
    "server.link",
    "server.journal",
    "server.folder",
    "server.config",
    "server",  # nothing but its name
    "engine.snapshot",
    "engine.verdict",
    "engine.events",
    "engine.settings",
    "engine.table",
    "engine.memory",
    "engine",  # words, numbers: what all rooms say
    "v1",
)
"""Packages below `ringfence`, the highest first; a folder in one of them belongs to it."""

FOLDERS = {"": "src/ringfence", "engine": "engine", "server": "server", "v1": "proto/ringfence/v1"}
SUFFIXES = (".py", ".pyi", ".pyx", ".pxd")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<base>ringfence[\w.]*)[ \t]+c?import[ \t]+"
    r"(?P<names>\([^)]*\)|[^\n]*)|c?import[ \t]+(?P<module>ringfence[\w.]*))",
    re.MULTILINE,
)
_LAZY = re.compile(r'"(ringfence\.[\w.]+)"')


def sources() -> Iterator[tuple[str, Path]]:
    """Every source file of the package with the name of its module below `ringfence`."""
    for package, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                module = ".".join(filter(None, (package, *parts)))
                yield module.removesuffix("__init__").strip("."), path


def imports() -> dict[str, set[str]]:
    """What each module imports of `ringfence`, wherever in its files it does so."""
    files = list(sources())
    known = {module for module, _ in files}
    found: dict[str, set[str]] = {module: set() for module in known}
    for module, path in files:
        found[module] |= named_in(path.read_text("utf-8"), known) - {module}
    return found


def named_in(text: str, known: set[str]) -> set[str]:
    named = set()
    for match in _IMPORT.finditer(text):
        if match["module"]:
            named.add(match["module"])
            continue
        names = re.sub(r"#[^\n]*", "", match["names"]).strip("() \n")
        for name in filter(None, (each.split(" as ")[0].strip() for each in names.split(","))):
            whole = f"{match['base']}.{name}"
            named.add(whole if _below(whole) in known else match["base"])
    if "import_module" in text:  # names of modules that are imported when they are used
        named |= {name for name in _LAZY.findall(text) if _below(name) in known}
    return {_below(name) for name in named} & known


def _below(module: str) -> str:
    return module.removeprefix("ringfence").removeprefix(".")


def layer(module: str) -> int:
    """How low a module lies: the index in ORDER of the innermost folder there that it is in."""
    folder = module
    while folder not in ORDER:
        folder = folder.rpartition(".")[0]
    return ORDER.index(folder)


def points_up(graph: Mapping[str, set[str]]) -> list[str]:
    """The imports that point up, as `importing -> imported`."""
    return [
        f"{module or 'ringfence'} -> {imported or 'ringfence'}"
        for module in sorted(graph)
        for imported in sorted(graph[module])
        if layer(imported) < layer(module)
    ]


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, in a circle."""
    order: list[str] = []
    seen: set[str] = set()
    for start in graph:
        _finish(graph, start, seen, order)
    reverse: dict[str, set[str]] = {module: set() for module in graph}
    for module, imported in graph.items():
        for each in imported:
            reverse[each].add(module)
    seen, groups = set(), []
    for start in reversed(order):
        group: list[str] = []
        _finish(reverse, start, seen, group)
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


def _finish(graph: Mapping[str, set[str]], start: str, seen: set[str], order: list[str]) -> None:
    """Appends what can be reached from a module and was not seen, each behind what it leads to."""
    if start in seen:
        return
    seen.add(start)
    for each in graph[start]:
        _finish(graph, each, seen, order)
    order.append(start)
