"""The site of all pages: it builds without a complaint, and loads nothing from elsewhere."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs.make_site import CONFIG, generate, lay_out, pages

pytestmark = pytest.mark.slow

LOADED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all pages and the site that was made of them."""
    folder = tmp_path_factory.mktemp("docs")
    lay_out(folder / "pages")
    done = generate(folder)
    assert done.returncode == 0, done.stdout
    return folder


def named(tree: list[Any]) -> Iterator[str]:
    """The pages that the site's navigation names."""
    for entry in tree:
        for each in entry.values():
            if isinstance(each, str):
                yield each
            else:
                yield from named(each)


def test_every_page_is_on_the_site_and_in_its_tree(folder: Path) -> None:
    names = [str(page) for page in pages()]
    assert sorted(named(tomllib.loads(CONFIG.read_text("utf-8"))["project"]["nav"])) == names
    for name in names:
        html = re.sub(r"(README)?\.md$", lambda end: "index.html" if end[1] else ".html", name)
        assert "<h1" in (folder / "site" / html).read_text("utf-8")


def test_site_loads_nothing_from_another_host(folder: Path) -> None:
    html = [path.read_text("utf-8") for path in (folder / "site").rglob("*.html")]
    assert len(html) > len(pages())  # and the page for what is not there
    assert [each for text in html for each in LOADED.findall(text)] == []


@pytest.mark.parametrize("target", ["engine/NONE.md", "engine/README.md#no-such-heading"])
def test_link_that_leads_nowhere_fails_the_build(tmp_path: Path, target: str) -> None:
    lay_out(tmp_path / "pages")
    page = tmp_path / "pages/SECURITY.md"
    text = page.read_text("utf-8")
    page.unlink()
    page.write_text(f"{text}\n[away]({target})\n")
    assert generate(tmp_path).returncode != 0
