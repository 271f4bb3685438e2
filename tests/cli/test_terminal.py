"""On a terminal of 80 columns: no line is wider, no word is broken, and NO_COLOR is heard."""

import re
import time
from collections.abc import Iterator, Sequence

import pytest
from support.server_process import ServerProcess
from support.terminal import on_terminal

from ringfence import Client, Event, EventKind, Feed, Pool
from ringfence.cli.row_layout import RowLayout, folded

DAY_S = 86_400
NUMBER = 447700900000
NOTE = "the former owner, who moved abroad, was called at the old number by a bank until last week"
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def words(text: str) -> set[str]:
    return set(STYLE.sub("", text).split())


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.address) as connected:
        connected.put_feed(Feed("msc-amsterdam-1"))
        connected.put_pool(Pool("nl-mobile-4-5-6", "default", ("msc-amsterdam-1",)))
        since = int(time.time()) - 100 * DAY_S
        connected.quarantine_numbers([NUMBER], quarantined_at=since, observed_since=since)
        called = [Event(NUMBER, 441632960123, since + n * DAY_S, EventKind.CALL) for n in (1, 2)]
        connected.record_events("test", called)
        connected.hold_numbers([NUMBER], note=NOTE)
        connected.unhold_numbers([NUMBER])
        yield connected


@pytest.mark.slow
@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (["pools"], ["nl-mobile-4-5-6", "msc-amsterdam-1", "UNOBSERVED", "covered"]),
        (["policies"], ["application", "messages", "COVERAGE"]),
        (["numbers"], [f"+{NUMBER}", "default", "EVENT"]),
        (["history"], [f"+{NUMBER}", "HoldNumbers", *NOTE.split()]),
        (["explain", f"+{NUMBER}"], ["once", "allowed.", *NOTE.split()]),
        (
            ["simulate", "--numbers", "200", "--days", "200", "--ring-entries", "12"],
            ["APPLICATION", "COLLECTOR", "BACKGROUND", "RESIDUAL", "MINIMUM"],
        ),
    ],
)
def test_no_word_is_broken_and_no_line_too_wide(
    server: ServerProcess, arguments: list[str], seen: Sequence[str]
) -> None:
    code, shown = on_terminal(*arguments, RINGFENCE_SERVER=server.address)
    assert code == 0, shown
    assert [word for word in seen if word not in words(shown)] == []
    if arguments[0] != "simulate":  # whose progress bar is written over
        assert max(map(len, STYLE.sub("", shown).splitlines())) <= 80


@pytest.mark.slow
def test_no_color_is_heard(server: ServerProcess) -> None:
    asked = {"RINGFENCE_SERVER": server.address}
    assert "\x1b[" in on_terminal("pools", **asked)[1]
    assert "\x1b[" not in on_terminal("pools", **asked, NO_COLOR="1")[1]


def test_a_row_that_is_too_wide_goes_on_between_cells() -> None:
    layout = RowLayout([-6, 4, -10, -8], 20)
    assert layout.row(("first", "12", "third", "fourth")) == ("first     12\n    third\n    fourth")
    assert layout.row(("", "", "third", "")) == "    third"
    assert RowLayout([-6, 4, -10, -8], None).row(("first", "12", "third", "fourth")) == (
        "first     12  third       fourth"
    )


def test_a_text_is_folded_at_words_under_its_own_column() -> None:
    assert folded("one two three", 12, 4) == "one two\n    three"
    assert folded("+447700900000", 5, 2) == "+447700900000"
    assert folded("one two three", None, 4) == "one two three"
