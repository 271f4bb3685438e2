"""Callers without a number are withheld, in whatever words, on the wire and in files alike."""

import pytest
from click.testing import CliRunner
from support.switch_traffic import AT, CALLED, hep, hlog, sip

from ringfence import EventKind
from ringfence.adapters.base import Attempt
from ringfence.adapters.callers import NOBODY, read_caller
from ringfence.adapters.event_table import EventForms, event_table, events_of
from ringfence.adapters.hep_reader import HepReader
from ringfence.cli import main
from ringfence.wording.dialled import DialPlan
from ringfence.wording.numbers import WrittenNumbers
from ringfence.wording.tables import Table
from ringfence.wording.times import unix_text
from ringfence.wording.withheld import USUAL, WITHHELD_TEXTS, Withheld

GB = DialPlan.of_country(44)


def made(octets: bytes, withheld: Withheld = USUAL) -> Attempt:
    (attempt,) = HepReader(GB, withheld=withheld).read(octets, AT)
    return attempt


class NoRejects:
    """Fails when a row is turned away."""

    def add(self, table: Table, line: int, cells: object, reason: str) -> None:
        raise AssertionError(f"line {line}: {reason}")


def caller_of_row(cell: str, country: int | None, withheld: Withheld = USUAL) -> int:
    forms = EventForms(AT, WrittenNumbers(country), withheld=withheld)
    rows = ("called\tcaller\toccurred_at\tkind\n", f"{CALLED}\t{cell}\t{unix_text(AT)}\tCALL\n")
    ((_, event),) = events_of(event_table(iter(rows), forms), forms, NoRejects())
    assert event is not None
    return event[1]


@pytest.mark.parametrize("text", [*WITHHELD_TEXTS, "+", "Asterisk", "+266696687", "UNKNOWN CALLER"])
def test_caller_without_a_number_is_withheld_wherever_it_is_read(text: str) -> None:
    assert read_caller(text, GB) == NOBODY
    for country in (None, 44):
        assert caller_of_row(text, country) == 0
    user = text.replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")
    sender = f'"{text}" <sip:{user}@192.0.2.20>;tag=1'
    assert made(hep(sip(sender=sender))).caller == 0
    message = made(hep(sip("MESSAGE", sender=sender, body="hi")))
    assert (message.caller, message.kind) == (0, EventKind.SMS), "a person, no application"
    line = f'{{"ev":"MESSAGE","called":"{CALLED}","caller":"{text}"}}'
    assert made(hlog(line)).kind == EventKind.SMS


def test_words_that_an_operator_adds_are_withheld_too() -> None:
    more = Withheld(("sbc default", "1234567890"))
    for user in ("sbc%20default", "SBC-Default", "+1234567890"):
        assert made(hep(sip(sender=f"<sip:{user}@x>")), more).caller == 0
        assert made(hep(sip(sender=f"<sip:{user}@x>"))).caller != 0
    for country in (None, 44):
        assert caller_of_row("SBC default", country, more) == 0
        assert caller_of_row("SBC default", country) != 0


@pytest.mark.parametrize("command", [["adapter", "hep"], ["import", "events", __file__]])
def test_text_to_add_must_be_a_word_or_a_number(command: list[str]) -> None:
    options = ["--feed", "sip-1", "--country", "44", "--withheld", "+"]
    done = CliRunner().invoke(main, [*command, *options])
    assert done.exit_code == 2
    assert "'--withheld': '+', allowed: a word or a number" in done.output
