"""Builds all pages into a site: `python docs/make_site.py [FOLDER]` writes FOLDER/site.

Pages lie beside the code that they are about, and stay there: links to them, and to the files that
they lead to, are laid out in FOLDER/pages (build/docs, if none is named) in the folders of the
checkout, so that a link in a page leads to the same thing on the site. A link that leads nowhere,
also to a heading that is not there, fails the build.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "docs/zensical.toml"
FOLDERS = ("docs", "engine", "packaging", "proto", "server", "src/ringfence", "tests")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def pages() -> list[Path]:
    """Every page of the checkout, by its path in there."""
    found = [
        *ROOT.glob("*.md"),
        *(page for each in FOLDERS for page in (ROOT / each).rglob("*.md")),
    ]
    return sorted(path.relative_to(ROOT) for path in found)


def linked_files(page: Path) -> Iterator[Path]:
    """The files of the checkout to which a page has links."""
    for target in LINK.findall((ROOT / page).read_text("utf-8")):
        file = (ROOT / page.parent / target).resolve()
        if file.is_file():
            yield file.relative_to(ROOT)


def lay_out(folder: Path) -> None:
    """Makes the tree of pages below `folder`, anew."""
    shutil.rmtree(folder, ignore_errors=True)
    every = pages()
    for path in {*every, *(file for page in every for file in linked_files(page))}:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(ROOT / path)


def generate(folder: Path) -> subprocess.CompletedProcess[str]:
    """Makes `folder`/site of `folder`/pages; how that ended, with what was said."""
    shutil.copy(CONFIG, folder)
    shutil.rmtree(folder / "site", ignore_errors=True)
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/docs"
    lay_out(target / "pages")
    done = generate(target)
    print(done.stdout, end="")
    sys.exit(done.returncode)
