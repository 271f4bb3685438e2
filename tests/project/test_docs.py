"""What the documentation shows works, and what it names is there."""

import re
from pathlib import Path

import pytest
from support.places import ROOT

PAGES = sorted(
    path.relative_to(ROOT)
    for folder in ("", "engine", "server", "src/ringfence", "proto", "benchmarks")
    for path in (ROOT / folder).glob("**/*.md" if folder else "*.md")
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    text = (ROOT / page).read_text()
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
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
