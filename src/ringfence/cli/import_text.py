"""What an import came to, in words."""

from typing import Any

import click

from ringfence.adapters.event_files import Sent
from ringfence.cli.error_text import in_words
from ringfence.cli.output import print_facts
from ringfence.wording.times import unix_text

Claim = tuple[int, int]
"""[begin, end) in unix seconds."""


def show_sent(sent: Sent) -> None:
    """Prints what became of the rows."""
    facts = {
        "rows": f"{sent.rows:,}",
        "accepted": f"{sent.accepted:,}",
        "untracked": f"{sent.untracked:,}"
        + (
            "  to numbers that are not in quarantine, or were not yet: nothing is kept of them"
            if sent.untracked
            else ""
        ),
        "rejected": f"{sent.rejected:,}",
        "bad lines": f"{sent.bad_rows:,}",
    }
    for reason, count in sorted(sent.turned_away.items()):
        facts[f"  {reason.replace('_', ' ')}"] = f"{count:,}"
    for reason, count in sorted(sent.passed.items()):
        facts[reason.replace("_", " ")] = f"{count:,}"
    if sent.first:
        facts["happened"] = f"{unix_text(sent.first)} to {unix_text(sent.last)}"
    print_facts(facts)
    for reason in sent.rejections[:10]:
        click.echo(f"  {in_words(reason)}")
    if sent.untracked and not sent.accepted:
        click.echo(
            "no event was to a number in quarantine: bring the stock in first, then import again",
            err=True,
        )


def sent_json(sent: Sent, claimed: Claim | None) -> dict[str, Any]:
    """The same for programs."""
    return {
        "rows": sent.rows,
        "accepted": sent.accepted,
        "untracked": sent.untracked,
        "rejected": sent.rejected,
        "bad_lines": sent.bad_rows,
        **({"turned_away": sent.turned_away} if sent.turned_away else {}),
        **({"no_events": sent.passed} if sent.passed else {}),
        "first_at": unix_text(sent.first) if sent.first else None,
        "last_at": unix_text(sent.last) if sent.last else None,
        "claimed_from": unix_text(claimed[0]) if claimed else None,
        "claimed_to": unix_text(claimed[1]) if claimed else None,
    }


def doubt_of(sent: Sent) -> str:
    """Why a claim should not be made unasked though every row was taken; "" = no reason."""
    if not sent.empty_files:
        return ""
    more = len(sent.empty_files) - 1
    return f"{sent.empty_files[0]} has no row" + (f", nor have {more} more files" if more else "")


def say_claim(feed: str, claim: Claim | None, sent: Sent, *, made: bool) -> None:
    """Says on standard error what is claimed, or why nothing is and what that means."""
    if claim is None:
        text = (
            "nothing is claimed: these events count, but silence beside them does not. If the files"
            " hold everything of a time, import them again with --complete-from and --complete-to"
        )
    elif made:
        text = f"claimed: {feed} has sent all that came from {unix_text(claim[0])}" + (
            f" to {unix_text(claim[1])}"
        )
    elif sent.bad_rows or sent.rejected:
        text = (
            "nothing is claimed, as not every line became an event: silence in that time does not"
            " count. Mend the lines that were not used and import them with the same"
            " --complete-from and --complete-to"
        )
    else:
        text = (
            f"nothing is claimed, as {doubt_of(sent)}: an export that failed looks so too. If there"
            " was nothing indeed, the same command with --yes claims that time"
        )
    click.echo(text, err=True)
