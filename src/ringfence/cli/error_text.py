"""What went wrong, in words for people, and as one line of JSON for programs.

On the wire errors say `field: value=..., bound=...`; nobody should have to read that at a counter.
"""

import json
import re

import click

from ringfence.errors import RingfenceError, TooFewClean
from ringfence.wording.times import format_time, unix_text

_WORDS = (
    (  # gRPC's, which names the address that the line names already
        re.compile(
            r"failed to connect to all addresses; last error: (?:\w+: )?\S+: "
            r"(?:Failed to connect to remote host: )?(.+)"
        ),
        r"\1",
    ),
    (
        re.compile(r"\breservation (\S+): value=(\w+), bound=ACTIVE"),
        r"reservation \1 is \2 already",
    ),
    (
        re.compile(r"(\+\d+): value=not handed out, bound=handed out within (\d+ days)"),
        r"\1 is not handed out, nor was it within \2",
    ),
    (
        re.compile(r"\bnumbers: value=(\d+), bound=a number of pool (\S+)"),
        r"+\1 is in another pool than \2",
    ),
    (re.compile(r"\bvalue=empty, bound="), "empty, and needed: "),
    (re.compile(r"(^|: )([^ :]+): value=(.+), bound="), r"\1\2 is \3, allowed: "),
    (re.compile(r"\bvalue=(.+), bound="), r"\1, allowed: "),
    (re.compile(r"\bvalue="), ""),
    (re.compile(r"\bwanted=(\d+), clean=(\d+)"), r"\1 wanted, \2 clean"),
    (re.compile(r"^not clean: numbers=1$"), "1 number is not clean"),
    (re.compile(r"^not clean: numbers=(\d+)"), r"\1 numbers are not clean"),
    (re.compile(r"\brevision=(\d+), present=none"), r"there is no revision \1"),
    (re.compile(r"\brevision=(\d+), present=(\d+)"), r"revision \1 was meant, \2 is there"),
    (re.compile(r"\bnumbers=(\d+), limit=(\d+)"), r"\1 numbers, of at most \2"),
)


_TIMES = re.compile(r"\b(\w+_at|observed_since|watermark|complete_from): value=\d+, bound=.*")
_SECONDS = re.compile(r"(?<![\d:.-])\d{1,10}(?![\d:.-])")


def in_words(text: str) -> str:
    """The text of an error as people say it, line by line; times in RFC 3339."""
    return "\n".join(map(_line_in_words, text.split("\n")))


def _line_in_words(line: str) -> str:
    if _TIMES.search(line):  # the contract has times as unix seconds
        line = _SECONDS.sub(lambda seconds: unix_text(int(seconds[0])), line)
    for pattern, words in _WORDS:
        line = pattern.sub(words, line)
    return line


def error_text(error: RingfenceError) -> str:
    """The error with what it says of single fields or numbers, each on a line of its own."""
    text = str(error)
    violations = [
        f"{violation.field}: {violation.description}"
        for violation in error.violations
        if violation.description not in text
    ]
    return "\n  ".join([text, *violations])


def too_few_text(error: TooFewClean) -> str:
    """How many there are now, and when there will be more."""
    now = [] if error.clean is None else [f"clean now: {error.clean:,}"]
    later = (
        "no other will become clean by silence alone"
        if error.next_clean_at is None
        else f"the next is clean from {format_time(error.next_clean_at)}, if it stays silent and is"
        " listened to"
    )
    return "\n  ".join([str(error), *now, later])


def error_json(error: click.ClickException) -> str:
    """The error as one line: the text as the server said it, its reason, and what it names."""
    cause = getattr(error, "cause", None)
    told = {"error": error.format_message(), "exit_code": error.exit_code}
    if isinstance(cause, RingfenceError):
        told |= {
            "error": str(cause) or type(cause).__name__,
            "reason": cause.reason or type(cause).__name__,
            "violations": [
                {"field": each.field, "description": each.description} for each in cause.violations
            ],
            "metadata": cause.metadata,
        }
    return json.dumps(told, ensure_ascii=False)
