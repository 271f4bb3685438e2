"""How a row of a table lies on a terminal: no wider than it, and without a broken word."""

import shutil
import sys
import textwrap
from collections.abc import Sequence

import click

from ringfence.wording.words import COLOURS

_GAP = "  "
_INDENT = "    "


def terminal_width() -> int | None:
    """How many columns standard output has; None = it is no terminal, and lines have no end."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def folded(text: str, room: int | None, indent: int) -> str:
    """The text, from column `indent` on, in as many lines as it needs; only words are folded."""
    if room is None or indent + len(text) <= room:
        return text
    lines = textwrap.wrap(
        text, max(room - indent, 1), break_long_words=False, break_on_hyphens=False
    )
    return ("\n" + " " * indent).join(lines)


class RowLayout:
    """Where the cells of a row go: one that is too wide goes on in the next line, between cells."""

    def __init__(self, widths: Sequence[int], room: int | None) -> None:
        """A positive width sets a cell to the right, a negative one to the left."""
        self._widths = widths
        self._room = room
        self._lines: list[list[int]] = [[]]
        used = 0
        for index, width in enumerate(map(abs, widths)):
            line = self._lines[-1]
            if line and room is not None and used + len(_GAP) + width > room:
                self._lines.append([index])
                used = len(_INDENT) + width
            else:
                used += width + (len(_GAP) if line else 0)
                line.append(index)

    def row(self, cells: Sequence[str], *, bold: bool = False) -> str:
        """The lines of a row; one that has nothing to say is left out."""
        lines = []
        for number, indexes in enumerate(self._lines):
            if number and not any(cells[index] for index in indexes):
                continue
            indent = _INDENT if number else ""
            lines.append(indent + self._line(cells, indexes, len(indent), bold=bold))
        if len(lines) > 1 and not lines[0].strip():
            del lines[0]
        return "\n".join(lines)

    def _line(self, cells: Sequence[str], indexes: Sequence[int], used: int, *, bold: bool) -> str:
        texts = []
        for index in indexes:
            cell, width = cells[index], self._widths[index]
            text = cell.rjust(width)
            if index == indexes[-1] and width < 0:
                text = folded(cell, self._room, used)
            elif width < 0:
                text = cell.ljust(-width)
            used += abs(width) + len(_GAP)
            if bold or cell in COLOURS:
                text = click.style(text, fg=COLOURS.get(cell), bold=bold or None)
            texts.append(text)
        return _GAP.join(texts)
