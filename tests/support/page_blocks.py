"""The blocks of a page that can be run, and what it says that they show.

A block of `sh` or `python` is run; the block of `text` that follows it is what it shows, where
`...` stands for anything, and for any lines. A comment `exit code 1` says that a command ends so. A
block that no test can run has `<!-- not run: WHY -->` on the line above it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->\n$")
_READING = re.compile(
    r"ringfence (check|clock|explain|feeds|history|numbers|pools|reservations|status)\b(?! put)"
)
_STANDING = re.compile(r"ringfence (serve --data|adapter hep --listen)\b")
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d(T[\d:]+Z)?"), "TIME"),
    (re.compile(r"[0-9a-f]{12}-[0-9a-f]{8}"), "ID"),
    (re.compile(r"\([^()]* ago\)"), "AGO"),
    (re.compile(r"(pid|workers)( +|=)\d+"), r"\1 N"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Block:
    """A program of a page."""

    language: str
    text: str
    line: int
    shows: tuple[str, ...]
    """The lines that it says, in this order, perhaps with others between."""
    not_run: str
    """Why no test runs it; empty = one does."""

    @property
    def stands(self) -> bool:
        """Whether it goes on for ever, in a terminal of its own."""
        return self.language == "sh" and bool(_STANDING.match(self.text))

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, and may be asked again until it says what it should."""
        commands = [line for line in self.text.splitlines() if line and line[0] not in "# "]
        return self.language == "sh" and all(_READING.match(command) for command in commands)

    @property
    def exit_codes(self) -> list[int]:
        """With what its commands end that do not end with 0, in their order."""
        return [int(code) for code in re.findall(r"#.*exit code ([1-9]\d*)", self.text)]

    def missing(self, output: str) -> str:
        """The first line of what it should show that is not in the output, in order; "" = none."""
        lines = iter([_alike(line) for line in output.splitlines()])
        for wanted in self.shows:
            form = re.compile(re.escape(_alike(wanted)).replace(re.escape("..."), ".*"))
            if not any(form.fullmatch(line) for line in lines):
                return wanted
        return ""


def blocks_of(page: Path) -> list[Block]:
    """The programs of a page in their order."""
    page_text = page.read_text("utf-8")
    found: list[Block] = []
    end = 0
    for fence in _FENCE.finditer(page_text):
        language, text = fence.groups()
        between = page_text[end : fence.start()]
        end = fence.end()
        if language in ("sh", "python"):
            reason = _NOT_RUN.search(between)
            line = page_text.count("\n", 0, fence.start()) + 1
            found.append(Block(language, text, line, (), reason[1] if reason else ""))
        elif language == "text" and found and not found[-1].shows:
            shown = tuple(line for line in text.splitlines() if line.strip(" .─"))
            found[-1] = Block(**{**vars(found[-1]), "shows": shown})
    return found


def _alike(line: str) -> str:
    """A line with what is another one each day replaced."""
    for form, name in _VARIES:
        line = form.sub(name, line)
    return line.strip()
