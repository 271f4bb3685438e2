"""A tshark that reads other than the adapter must is refused at the start, with what is missing."""

import csv
from functools import partial
from importlib.resources import files

import pytest
from support.places import ROOT

from ringfence import EventKind
from ringfence.adapters.tap import check
from ringfence.adapters.tap.check import check_tshark
from ringfence.adapters.tap.tshark import NoTshark, Tshark

TAP = files("ringfence.adapters.tap")
SCRIPT = (TAP / "core.lua").read_bytes()


def test_the_tshark_that_is_installed_reads_all() -> None:
    check_tshark(Tshark)


def test_a_field_that_it_does_not_know_is_named() -> None:
    script = SCRIPT.replace(b'"gsm_map.ch.msisdn"', b'"gsm_map.ch.msisdn2"')
    with pytest.raises(NoTshark, match=r"does not know what is needed: gsm_map\.ch\.msisdn2$"):
        check_tshark(partial(Tshark, script=script))


def test_a_protocol_that_it_reads_otherwise_is_named() -> None:
    script = SCRIPT.replace(b'"smpp.destination_addr"', b'"smpp.service_type"')
    with pytest.raises(NoTshark, match=r"reads other than version 4\.0 does: SMPP$"):
        check_tshark(partial(Tshark, script=script))


def test_one_that_does_not_run_says_why() -> None:
    with pytest.raises(NoTshark, match="tshark has ended: status="):
        check_tshark(partial(Tshark, script=b"this is no Lua"))


def test_one_that_hangs_is_ended_and_will_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CHECK_S", 1.0)
    with pytest.raises(NoTshark, match="tshark has ended: status="):
        check_tshark(partial(Tshark, script=b"while true do end"))


def test_what_is_wanted_of_it_stands_in_the_truth_files() -> None:
    rows = list(csv.DictReader((TAP / "check.csv").read_text("utf-8").splitlines()))
    truth = set()
    for path in (ROOT / "tests/data/core").glob("*_expected.csv"):
        for row in csv.DictReader(path.read_text("utf-8").splitlines()):
            truth.add((row["called_e164"], row["caller_e164"], row["occurred_at_s"], row["kind"]))
    for row in rows:
        caller = "" if row["kind"] == EventKind.A2P_SMS.name else row["caller"]
        assert (row["called"], caller, row["occurred_at"], row["kind"]) in truth
    assert {row["protocol"] for row in rows} == {
        *("ISUP", "BICC", "MAP", "CAP", "Diameter", "SIP", "SMPP")
    }
