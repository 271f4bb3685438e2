"""What equipment writes in place of a number that it does not show or does not have.

Two callers without a number must not look like one caller who calls twice: that would be somebody
who still believes in the number. So the words and numbers that stand for nobody are known by name,
here and nowhere else, and an operator can add those of the equipment in use.
"""

from __future__ import annotations

from collections.abc import Iterable

# Case, spaces and what is put around a word make no other word of it; a + alone is no number.
_AROUND = str.maketrans("", "", " \t\u00a0\"'<>()[]+-_.")

_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")

WITHHELD_TEXTS = (
    "",
    # RFC 3323, RFC 3325, 3GPP TS 29.163, and how people and exchanges say it.
    *("anonymous", "unavailable", "restricted", "unknown", "private", "withheld", "hidden"),
    *("blocked", "not available", "out of area", "no number", "no caller id", "n/a"),
    *("anonymous caller", "unknown caller", "private caller", "withheld caller"),
    *("anonymous number", "unknown number", "private number", "withheld number"),
    # What programs print for nothing; "<null>" is Kamailio's.
    *("<null>", "null", "none", "nil", "undefined"),
    # The user of From, or the name, where nobody has configured one.
    *("asterisk", "freeswitch"),
    # As a telephone's keys spell them: the first is 266696687.
    *("anonymous".translate(_KEYS), "unavailable".translate(_KEYS)),
)
"""The words and numbers that stand for no number."""


class Withheld:
    """A list of words and numbers that stand for no number."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        """The usual ones, and `more`."""
        self.more = tuple(more)
        self._plain = frozenset(map(_plain, (*WITHHELD_TEXTS, *self.more)))

    def covers(self, text: str) -> bool:
        """Whether `text`, the user part of a URI or a sender as written, stands for no number."""
        return _plain(text) in self._plain


def _plain(text: str) -> str:
    return text.partition(";")[0].translate(_AROUND).casefold()


USUAL = Withheld()
