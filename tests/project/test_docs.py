"""What the documentation shows works, and what it names is there."""

import ast
import re
from pathlib import Path

import pytest
from support.places import ROOT

import ringfence
from docs.make_site import LINK, pages
from ringfence.engine.memory.segment import RING_ENTRIES, Segment
from ringfence.server.config.config import load_config


@pytest.mark.parametrize("page", pages(), ids=str)
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = LINK.findall((ROOT / page).read_text("utf-8"))
    missing = [target for target in targets if not (ROOT / page.parent / target).exists()]
    assert not missing


def test_the_example_of_the_engine_page_runs() -> None:
    page = (ROOT / "engine/README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "engine/README.md", "exec"), {})  # ends with an assertion


def test_every_file_that_the_engine_page_names_exists() -> None:
    table = (ROOT / "engine/README.md").read_text().partition("## Where things are")[2]
    names = re.findall(
        r"`(?!tests/)([a-z_/]+\.(?:h|pxd|pyx|py))`", table.partition("## What holds")[0]
    )
    assert len(names) > 10
    assert not [name for name in names if not (ROOT / "engine" / name).exists()]


def test_every_module_and_folder_that_the_server_page_names_exists() -> None:
    page = (ROOT / "server/README.md").read_text()
    names = re.findall(r"`([a-z_/]+(?:\.py|/))`", page)
    assert len(names) > 40
    assert not [name for name in names if not (ROOT / "server" / name).exists()]
    folders = {path.parent.name for path in (ROOT / "server").glob("*/__init__.py")}
    assert folders <= {name.rstrip("/") for name in names}


def test_the_client_page_names_every_method_and_every_error() -> None:
    page = (ROOT / "docs/client.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    methods = {
        name
        for kind in (ringfence.Client, ringfence.AsyncClient, ringfence.EventStream)
        for name in vars(kind)
        if name[0] != "_" and name != "close"
    }
    assert methods - named == set()
    errors = {
        name
        for name in ringfence.__all__
        if isinstance(kind := getattr(ringfence, name), type) and issubclass(kind, Exception)
    }
    assert errors - named == set()


def test_the_table_of_sizes_is_what_the_segment_takes() -> None:
    page = (ROOT / "docs/sizing.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\d,]+) \| (\d+\.\d\d.*) \|$", page, re.MULTILINE)
    assert len(rows) == 5
    for capacity, sizes in rows:
        numbers = int(capacity.replace(",", ""))
        callers = load_config(capacity_numbers=numbers).spray_settings.callers
        needed = (Segment.bytes_needed(numbers, k, callers) / 2**30 for k in RING_ENTRIES)
        assert sizes.split(" | ") == [f"{size:.2f}" for size in needed]
    fixed = Segment.bytes_needed(1, min(RING_ENTRIES)) / 2**20
    assert f"| {fixed:.1f} MiB |" in page


def said_by_the_code() -> list[str]:
    """Every text in the code that runs, with a gap where a value is put in."""
    texts = []
    for folder in ("engine", "server", "src/ringfence"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (p.value if isinstance(p, ast.Constant) else "\0" for p in node.values)
                    texts.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return texts + [path.read_text("utf-8") for path in (ROOT / "engine").rglob("*.pyx")]


def test_every_message_of_the_page_by_symptom_is_one_that_is_said() -> None:
    page = (ROOT / "docs/messages.md").read_text("utf-8")
    cells = re.findall(r"^\| (`.*?) \| ", page, re.MULTILINE)
    messages = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    pieces = {piece.strip() for message in messages for piece in message.split("...")} - {""}
    texts = said_by_the_code()
    assert len(pieces) > 50
    assert [piece for piece in pieces if not any(piece in text for text in texts)] == []
