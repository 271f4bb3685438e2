"""What pages tell people to type works in the order in which it stands, and says what they say."""

from pathlib import Path

import pytest
from support.page_blocks import Block, blocks_of
from support.page_shell import PageShell, network_of_its_own
from support.places import ROOT

from docs.make_site import pages

PAGES = list(pages())
FRAGMENTS = (
    *("needs a checkout", "needs a Kamailio", "needs a gateway", "needs files of a switch"),
    "a fragment with names of your own",
)
"""Why a block is not run of a page that lies beside the code it explains: such a page is looked up,
and not read from its beginning."""


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page_runs_from_an_empty_folder(page: Path, tmp_path: Path) -> None:
    blocks = [block for block in blocks_of(ROOT / page) if not block.not_run]
    if not blocks:
        return
    if not network_of_its_own():
        pytest.skip("no network of its own: unshare(1) is not there, or not allowed")
    (tmp_path / "empty").mkdir()
    shell = PageShell(tmp_path / "empty", tmp_path)
    try:
        for block in blocks:
            print(f"--- {page}:{block.line}\n{block.text}\n{shell.run(block)}")
    finally:
        shell.end()


def test_only_what_no_machine_for_tests_has_is_not_run() -> None:
    allowed = ("", "another test runs it", "needs root and systemd", "needs a container engine")
    reasons = {
        f"{page}:{block.line}": block.not_run
        for page in PAGES
        for block in blocks_of(ROOT / page)
        if block.not_run not in (*allowed, *(() if to_be_read(page) else FRAGMENTS))
    }
    assert reasons == {}


def to_be_read(page: Path) -> bool:
    """Whether people read it from its beginning, and type what it says."""
    return page.parts[0] == "docs" or str(page) == "README.md"


@pytest.mark.parametrize(
    ("shows", "output", "missing"),
    [
        (("clean  1",), "noise\nclean 1\nnoise", ""),
        (("since 2026-03-01T00:00:00Z (3 days ago)",), "since 2031-12-31T23:59:59Z (9 h ago)", ""),
        (("a ... c",), "a b c", ""),
        (("one", "two"), "two\none", "two"),
        (("clean 1",), "clean 2", "clean 1"),
        (("a...c",), "a c d", "a...c"),
    ],
)
def test_what_a_page_says_is_looked_for_in_its_order(
    shows: tuple[str, ...], output: str, missing: str
) -> None:
    assert Block("sh", "", 1, shows, "").missing(output) == missing


def test_blocks_are_read_with_what_they_show(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nringfence serve --data d\n```\n<!-- not run: needs root -->\n```sh\nreboot\n```\n"
        "```sh\nringfence check +999000000001   # exit code 1\n```\n```text\nNOISY\n\n...\n```\n"
    )
    serve, reboot, check = blocks_of(page)
    assert (serve.stands, serve.reads, serve.line) == (True, False, 1)
    assert (reboot.not_run, reboot.stands) == ("needs root", False)
    assert (check.reads, check.exit_codes, check.shows) == (True, [1], ("NOISY",))
