"""The order of the folders, which is the way of the data, and the imports of every module.

A module imports from its own folder and from those below, never from those above; files do not
import each other in a circle.
"""

import ast
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
    "server.keeper.clock",
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
_LOADERS = {"__import__", "import_module", "run_module", "resolve_name"}
_CIMPORT = re.compile(
    r"^(?:from +(?P<base>[\w.]+) +c?import +(?P<names>.*)|c?import +(?P<modules>.*))$"
)


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
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        text = path.read_text("utf-8")
        named = named_in if path.suffix.startswith(".py") and path.suffix != ".pyx" else named_by
        found[module] |= named(text, known, package) - {module}
    return found


def named_in(text: str, known: set[str], package: str = "") -> set[str]:
    """What Python imports: anywhere, relatively, lazily by name, for types alone. A name that is
    given to what loads modules is looked for as a constant; one that is put together fails.
    """
    named = set()
    lazy = False
    for node in ast.walk(tree := ast.parse(text)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node.module or "", node.level, package)
            named |= {_named(base, alias.name, known) for alias in node.names}
        elif isinstance(node, ast.Name | ast.Attribute):
            lazy |= (node.id if isinstance(node, ast.Name) else node.attr) in _LOADERS
    if lazy:
        texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        named |= {_absolute_name(text, package) for text in texts if isinstance(text, str)}
    return _ours(named, known)


def named_by(text: str, known: set[str], package: str = "") -> set[str]:
    """What Cython imports and cimports, line by line as it reads them."""
    named = set()
    for line in _lines(text):
        if not (match := _CIMPORT.match(line)):
            continue
        if match["modules"]:
            named |= {each.split(" as ")[0].strip() for each in match["modules"].split(",")}
            continue
        level = len(match["base"]) - len(match["base"].lstrip("."))
        base = _absolute(match["base"].lstrip("."), level, package)
        names = (each.split(" as ")[0].strip() for each in match["names"].strip("() ").split(","))
        named |= {_named(base, name, known) for name in names if name}
    return _ours(named, known)


def _lines(text: str) -> Iterator[str]:
    """Statements: without strings of many lines and comments, those in brackets on one line."""
    text = re.sub(r'"""(?:.|\n)*?"""', "", text)
    text = re.sub(r"#[^\n]*", "", text).replace("\\\n", " ")
    text = re.sub(r"\([^()]*\)", lambda bracket: bracket[0].replace("\n", " "), text)
    for line in text.split("\n"):
        yield from (statement.strip() for statement in re.split(r"[;:](?=\s)", line))


def _absolute(module: str, level: int, package: str) -> str:
    """A module of a relative import, as it is from anywhere."""
    if not level:
        return module
    parts = ["ringfence", *filter(None, package.split("."))]
    return ".".join([*parts[: len(parts) + 1 - level], *filter(None, [module])])


def _absolute_name(name: str, package: str) -> str:
    module = name.lstrip(".")
    return _absolute(module, len(name) - len(module), package)


def _named(base: str, name: str, known: set[str]) -> str:
    """A module that is imported from a package, or the one that something is imported from."""
    whole = f"{base}.{name}"
    return whole if _below(whole) in known else base


def _ours(named: set[str], known: set[str]) -> set[str]:
    ours = {name for name in named if name == "ringfence" or name.startswith("ringfence.")}
    return {_below(name) for name in ours} & known


def _below(module: str) -> str:
    return module.removeprefix("ringfence").removeprefix(".")


def layer(module: str) -> int:
    """How low a module lies: the index in ORDER of the innermost folder there that it is in."""
    folder = "cli" if module == "__main__" else module  # `python -m ringfence` is the command
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
