"""Records of each format become the events of the truth files, and nothing else does."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.places import ROOT

from ringfence import EventKind, caller_of_text
from ringfence.adapters.callers import read_caller
from ringfence.adapters.cdr.formats import FORMATS, Forms
from ringfence.adapters.cdr.local_time import LocalTimes
from ringfence.adapters.cdr.reader import CdrReader
from ringfence.adapters.cdr.record import RECORD_MAX
from ringfence.adapters.cdr.unpacked import unpacked
from ringfence.adapters.event_table import Passed
from ringfence.wording.dialled import DialPlan
from ringfence.wording.tables import TableError
from ringfence.wording.times import parse_time

DATA = ROOT / "tests/data/switch/cdr"
BRITISH = DialPlan.of_country(44)
LATEST = 2**32 - 1
NUMBER, CALLER = 447700900123, 441632960321
ROW = (
    f'"","+{CALLER}","+{NUMBER}","in","","PJSIP/a-1","","Hangup","1",'
    '"2026-11-20 07:03:03",,"2026-11-20 07:03:05",2,0,"NO ANSWER","DOCUMENTATION"'
)


class Turned:
    """Takes what was turned away: its lines and reasons."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = []

    def add(self, table: Any, line: int, cells: Any, reason: str) -> None:
        self.rows.append((line, reason))


def read(name: str, octets: bytes, forms: Forms | None = None) -> tuple[list[Any], Turned]:
    """All outcomes of a file of one format, and what was turned away."""
    turned = Turned()
    reader = CdrReader(FORMATS[name](forms or Forms()), BRITISH, latest=LATEST)
    return [outcome for _, outcome in reader(io.BytesIO(octets), turned, 0)], turned


def truth(path: Path) -> list[tuple[int, int, int, int]]:
    """The events that a truth file asks for."""
    wanted = []
    for row in csv.DictReader(path.read_text("utf-8").splitlines()):
        caller = int(row["caller_e164"] or 0)
        kind = EventKind.CALL if row["method"] in ("CALL", "INVITE") else EventKind.SMS
        if not caller and row["caller"] and not row["scenario"].endswith("restricted"):
            known = read_caller(row["caller"], BRITISH)  # an alphanumeric one is somebody
            caller = known.value
            kind = known.message_kind if kind is EventKind.SMS else kind
        at = parse_time(row["time_utc"])
        wanted.append((int(row["called_e164"]), caller, at, int(kind)))
    return wanted


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("asterisk", "asterisk_Master_16col"),
        ("asterisk", "asterisk_Master_18col"),
        ("freeswitch", "freeswitch_Master"),
        ("kamailio", "kamailio_acc"),
    ],
)
def test_a_truth_file_is_met_exactly(name: str, file: str) -> None:
    outcomes, turned = read(name, (DATA / f"{file}.csv").read_bytes())
    wanted = truth(DATA / f"{file}_expected.csv")
    assert outcomes == wanted
    assert len(wanted) >= 40
    assert turned.rows == []


def test_the_truth_of_records_in_ber_is_met_exactly() -> None:
    outcomes, turned = read("ts32298", (DATA / "ts32298_cs_sample.ber").read_bytes())
    wanted = truth(DATA / "ts32298_cs_sample_expected.csv")
    assert outcomes == wanted
    assert len(wanted) == 200
    assert turned.rows == []


def test_the_truth_of_json_files_is_met_exactly() -> None:
    outcomes = []
    for path in sorted((DATA / "freeswitch_json_cdr").iterdir()):
        found, turned = read("freeswitch-json", path.read_bytes())
        assert turned.rows == []
        outcomes += found
    assert Counter(outcomes) == Counter(truth(DATA / "freeswitch_json_cdr_expected.csv"))
    assert len(outcomes) == 30


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_are_read_and_cut_off_ones_say_so(pack: Callable[[bytes], bytes]) -> None:
    plain = (DATA / "asterisk_Master_18col.csv").read_bytes()
    assert read("asterisk", pack(plain))[0] == read("asterisk", plain)[0]
    with pytest.raises(TableError, match="damaged or cut off"):
        read("asterisk", pack(plain)[:-20])


@pytest.mark.parametrize("pack", [bz2.compress, gzip.compress, lzma.compress])
def test_packed_streams_in_a_row_are_all_read_and_a_damaged_one_is_told(
    pack: Callable[[bytes], bytes],
) -> None:
    first, second = (pack((ROW.replace("07:03", at) + "\n").encode()) for at in ("07:03", "08:00"))
    padding = b"\0" * 4 if pack is not bz2.compress else b""
    outcomes, turned = read("asterisk", first + second + first + padding)
    assert len(outcomes) == 3 and turned.rows == []
    damaged = second[:4] + bytes((second[4] ^ 1,)) + second[5:]
    for wrong in (second[:20] + b"\xff" * 8 + second[28:], b"BZh" + second[3:-9], b"x" * 40):
        with pytest.raises(TableError):
            read("asterisk", first + wrong)
    if pack is not gzip.compress:  # which has a time there
        with pytest.raises(TableError):
            read("asterisk", first + damaged + first)


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_a_packed_file_is_read_from_any_place(pack: Callable[[bytes], bytes]) -> None:
    plain = bytes(range(256)) * 4_000
    with unpacked(io.BytesIO(pack(plain[:500_000]) + pack(plain[500_000:]))) as file:
        for at in (0, 700_000, 3, 499_999, len(plain), 500_000):
            assert file.seek(at) == at
            assert file.read(2_000) == plain[at : at + 2_000]
        file.seek(0)
        assert file.read() == plain


def test_asterisk_has_more_columns_as_it_is_configured_to() -> None:
    unique, linked = "1795158023.4100", "1795158001.4000"
    more: list[tuple[str, ...]] = [
        (),
        (unique,),
        ("quarantine",),
        (unique, "user"),
        ("", linked, "7"),
        (unique, "", linked, "7"),
        (unique, "user", "", linked, "7"),
    ]
    for cells in more:
        text = ",".join((ROW, *(f'"{cell}"' for cell in cells)))
        outcomes, turned = read("asterisk", text.encode())
        assert (outcomes, turned.rows) == (
            [(NUMBER, CALLER, parse_time("2026-11-20T07:03:03Z"), int(EventKind.CALL))],
            [],
        )
    outcomes, turned = read("asterisk", (ROW + ',"a"' * 6).encode())
    assert turned.rows == [(1, "record_columns")]


def test_records_of_one_call_are_one_event() -> None:
    text = "\n".join(f'{ROW},"179515802{n}.1","","","1795158020.1","{n}"' for n in range(3))
    outcomes, _ = read("asterisk", text.encode())
    assert [type(outcome) for outcome in outcomes] == [tuple, Passed, Passed]
    outcomes, _ = read("asterisk", f'{ROW},"1795158020.1",""\n{ROW},"1795158021.1",""'.encode())
    assert [type(outcome) for outcome in outcomes] == [tuple, tuple]


def test_a_unique_id_may_hold_any_octets() -> None:
    text = f'{ROW},"Z\xfcrich-1795158023.4100",""'
    outcomes, turned = read("asterisk", text.encode("latin-1") + b"\n" + ROW.encode())
    assert [each[0] for each in outcomes] == [NUMBER, NUMBER]
    assert turned.rows == []


def test_no_name_of_a_caller_makes_a_record_look_like_a_reason_for_refusing_one() -> None:
    cells = ["# line 1: x", f"+{CALLER}", f"+{NUMBER}", "in", "2026-11-20 07:03:03", *[""] * 10]
    header = "name,caller,called,note,occurred_at,kind\n"
    named = header + ",".join([*cells[:5], "CALL"])
    for name, text in (("freeswitch", ",".join(cells)), ("csv", named)):
        outcomes, turned = read(name, text.encode())
        assert [each[0] for each in outcomes] == [NUMBER], name
        assert turned.rows == []
    given_back = f"# line 7: record_columns\n{ROW}\n# line 9: time_unreadable\n{ROW}\n"
    outcomes, turned = read("asterisk", given_back.encode())
    assert len(outcomes) == 2 and turned.rows == []


@pytest.mark.parametrize("torn", [b'"a":"' + b'\\"' * 400_000, b'"a":' + b"\n" * 600_000])
def test_an_object_without_an_end_is_looked_through_once(torn: bytes) -> None:
    # Without that it takes hours, or minutes: the runner's time is up first.
    whole = f'{{"variables":{{"caller_id_number":"{CALLER}","start_epoch":"1795158183"}},'
    whole += f'"callflow":[{{"caller_profile":{{"destination_number":"+{NUMBER}"}}}}]}}\n'
    outcomes, turned = read("freeswitch-json", b'{"variables":{' + torn + b"\n" + whole.encode())
    assert [each and each[0] for each in outcomes] == [None, NUMBER]
    assert turned.rows == [(1, "json_unreadable")]


def test_a_bad_line_costs_itself_alone() -> None:
    text = "\n".join((ROW, ROW[:70], ROW.replace("07:03:03", "7 Uhr"), "", ROW, ROW + '"'))
    outcomes, turned = read("asterisk", text.encode())
    assert [outcome is None for outcome in outcomes] == [False, True, True, False, True]
    assert turned.rows == [(2, "record_columns"), (3, "time_unreadable"), (6, "record_quotes")]
    long = b'"' + b"x" * 200_000 + b"\n" + ROW.encode()
    outcomes, turned = read("asterisk", long)
    assert len(outcomes) == 2 and turned.rows == [(1, "record_too_long")]


def test_a_line_that_is_cut_is_no_record_whatever_it_is_written_in() -> None:
    row = f'"x","+{CALLER}","+{NUMBER}","in","2026-11-20 07:03:03"' + ',"1"' * 9 + ',"'
    room = RECORD_MAX - len(row) - 1
    name = "é" * (room // 2) + "x" * (room % 2)
    outcomes, turned = read("freeswitch", f'{row}{name}"{name}"\n'.encode())
    assert outcomes == [None] and turned.rows == [(1, "record_too_long")]


def test_a_record_over_lines_is_one_and_no_line_is_taken_for_the_rest_of_another() -> None:
    over_lines = ROW.replace('"in",""', '"in","Bank\nof, ""x""\nof\n1"')
    half = ROW.index("Hangup")
    torn, rest = ROW[:half], ROW[half:]
    text = "\n".join((ROW, over_lines, torn, ROW, torn, rest, over_lines[:30], ROW))
    outcomes, turned = read("asterisk", text.encode())
    whole = (*(False, False), *(True, False), False, *(True, False))
    assert [outcome is None for outcome in outcomes] == list(whole)
    assert [line for line, _ in turned.rows] == [6, 10]
    header = "called,caller,occurred_at,kind,note\n"
    row = f"+{NUMBER},{CALLER},2026-11-20T07:03:03Z,CALL,"
    text = f'{header}{row}"a\nb"\n{row}"a\n{row}x\nb"\n{row}"a\n\nb"\n'
    outcomes, turned = read("csv", text.encode())
    # Of the middle one the line that reads alone is a record, so that the rest is torn.
    assert [outcome is None for outcome in outcomes] == [False, True, False, True, True, True]
    assert [line for line, _ in turned.rows] == [4, 6, 7, 9]


def test_freeswitch_quotes_every_cell_or_none() -> None:
    cells = ["x", f"+{CALLER}", f"+{NUMBER}", "public", "2026-11-20 07:03:03", *[""] * 10]
    for text in (",".join(cells), '"' + '","'.join(cells) + '"'):
        outcomes, turned = read("freeswitch", text.encode())
        assert (outcomes, turned.rows) == (
            [(NUMBER, CALLER, parse_time("2026-11-20T07:03:03Z"), int(EventKind.CALL))],
            [],
        )
    mixed = ",".join(cells).replace(f"+{NUMBER}", f'"+{NUMBER}"')
    assert read("freeswitch", mixed.encode())[1].rows == [(1, "record_quotes")]


def test_what_is_no_number_is_no_event_and_costs_nothing() -> None:
    outcomes, turned = read("asterisk", ROW.replace(f"+{NUMBER}", "s").encode())
    assert [outcome.reason for outcome in outcomes] == ["called_not_a_number"]
    assert turned.rows == []


@pytest.mark.parametrize("name", ['Bob "B", Ltd', 'a","b","c', '"', ",", '","'])
def test_no_name_that_a_caller_chooses_moves_the_columns_of_freeswitch(name: str) -> None:
    row = ",".join(
        f'"{cell}"'
        for cell in (
            *(name, f"+{CALLER}", f"+{NUMBER}", "public", "2026-11-20 07:03:03", "", "", "0", "0"),
            *("UNALLOCATED_NUMBER", "8cf8933b", "", "", "PCMA", "PCMA"),
        )
    )
    outcomes, turned = read("freeswitch", row.encode())
    assert [outcome[:2] for outcome in outcomes] == [(NUMBER, CALLER)]
    assert turned.rows == []


def test_freeswitch_has_the_columns_of_its_template() -> None:
    columns = ("uuid", "destination_number", "start_uepoch", "caller_id_name", "caller_id_number")
    row = f'"u1","0{NUMBER % 10**10}","1795159799389052","A","B","01632960321"'
    outcomes, _ = read("freeswitch", row.encode(), Forms(columns=columns))
    assert outcomes == [(NUMBER, CALLER, 1795159799, int(EventKind.CALL))]
    with pytest.raises(ValueError, match="no column destination_number"):
        FORMATS["freeswitch"](Forms(columns=("uuid", "caller_id_number", "start_stamp")))


def test_kamailio_has_other_methods_uris_and_columns_by_other_names() -> None:
    text = (
        "method,callid,time,dst,src_user\n"
        f'INVITE,a@b,"2026-11-20 07:03:03",sip:+{NUMBER}@host,sip:anonymous@anonymous.invalid\n'
        f'BYE,a@b,"2026-11-20 07:03:04",+{NUMBER},x\n'
        f'INVITE,a@b,"2026-11-20 07:03:04",+{NUMBER},x\n'
    )
    forms = Forms(names={"called": "dst", "caller": "src_user"})
    outcomes, turned = read("kamailio", text.encode(), forms)
    at = parse_time("2026-11-20T07:03:03Z")
    assert outcomes == [
        (NUMBER, 0, at, int(EventKind.CALL)),
        Passed("other_method", 0),
        Passed("repeat", at + 1),
    ]
    assert turned.rows == []


@pytest.mark.parametrize(
    ("method", "outcome"),
    [(" INVITE", None), ("invite", None), ("BYE", "other_method"), ("", "record_method")],
)
def test_a_method_that_kamailio_names_in_another_way_hides_no_call(
    method: str, outcome: str | None
) -> None:
    row = f'"{method}",id,1795158183,+{NUMBER},+{CALLER}\n'
    found, turned = read("kamailio", f"method,callid,time_attr,called,caller\n{row}".encode())
    if outcome is None:
        assert [each[0] for each in found] == [NUMBER] and turned.rows == []
    elif outcome == "record_method":
        assert found == [None] and turned.rows == [(2, outcome)]
    else:
        assert [each.reason for each in found] == [outcome] and turned.rows == []


def test_a_number_that_lost_its_digits_is_refused_and_one_in_an_address_is_read() -> None:
    header = "called;caller;occurred_at;kind\n"
    rest = f"+{CALLER};2026-11-20T07:03:03Z;CALL\n"
    for called in (
        f"<sip:+{NUMBER}@x>",
        f'"""Bob <x>"" <tel:+{NUMBER}>;tag=1"',
        f"Bob <+{NUMBER}>",
    ):
        outcomes, turned = read("csv", f"{header}{called};{rest}".encode())
        assert [each[0] for each in outcomes] == [NUMBER], called
        assert turned.rows == []
    rounded = f"{header}4.477009E+11;{rest}+{NUMBER};4.41633E+11;2026-11-20T07:03:03Z;CALL\n"
    outcomes, turned = read("csv", rounded.encode())
    assert outcomes == [None, None]
    assert turned.rows == [(2, "record_number_rounded"), (3, "record_number_rounded")]


def test_any_csv_has_a_kind_a_zone_and_a_form_of_time() -> None:
    text = f"B;A;Zeit;Art\n+{NUMBER};Bank;20.07.2026 10:00;sms\n+{NUMBER};;20.07.2026 11:00;fax\n"
    names = {"called": "B", "caller": "A", "occurred_at": "Zeit", "kind": "Art"}
    forms = Forms("Europe/Berlin", names, date_format="%d.%m.%Y %H:%M")
    outcomes, turned = read("csv", text.encode(), forms)
    at = parse_time("2026-07-20T08:00:00Z")
    assert outcomes == [(NUMBER, caller_of_text("Bank"), at, int(EventKind.SMS)), None]
    assert turned.rows == [(3, "kind_unknown")]


def test_json_is_read_over_many_lines_and_a_torn_object_costs_itself_alone() -> None:
    one = (
        '{"variables":{"uuid":"u1","start_epoch":"1795159799"},"callflow":[{"caller_profile":'
        f'{{"caller_id_number":"%2B{CALLER}","destination_number":"%2B{NUMBER}"}}}}]}}'
    )
    two = one.replace("u1", "u2").replace("9799", "9899")
    text = "\n".join((one.replace(",", ",\n"), two[:90], two))
    outcomes, turned = read("freeswitch-json", text.encode())
    assert [outcome and outcome[:3] for outcome in outcomes] == [
        (NUMBER, CALLER, 1795159799),
        None,
        (NUMBER, CALLER, 1795159899),
    ]
    assert [reason for _, reason in turned.rows] == ["json_unreadable"]


@pytest.mark.parametrize(
    ("variables", "applications", "hidden"),
    [
        ({"sip_Privacy": "id"}, [], True),
        ({"sip_Privacy": "user;critical"}, [], True),
        ({"sip_Privacy": "Privacy%3A%20id"}, [], True),
        ({"sip_Privacy": "none"}, [], False),
        ({"sip_Privacy": "session"}, [], False),
        ({"sip_Remote-Party-ID": f"<sip:{CALLER}@x>;party=calling;privacy=full"}, [], True),
        ({"sip_Remote-Party-ID": f"<sip:{CALLER}@x>;screen=yes;privacy=off"}, [], False),
        ({"sip_from_user": "anonymous"}, [], True),
        ({"sip_from_user": str(CALLER), "sip_from_host": "anonymous.invalid"}, [], True),
        ({"sip_from_user": str(CALLER), "sip_from_host": "pbx.example"}, [], False),
        ({"origination_privacy": "screen+hide_name:hide_number"}, [], True),
        ({}, [("set", "x=full"), ("privacy", "full")], True),
        ({}, [("privacy", "number"), ("privacy", "name")], True),
        ({}, [("privacy", "full"), ("privacy", "off")], False),
        ({}, [("privacy", "name")], False),
        # Not a variable that any FreeSWITCH writes: one that a dialplan happens to call so.
        ({"privacy_hide_number": "true"}, [], False),
    ],
)
def test_freeswitch_says_in_what_it_heard_that_a_number_is_withheld(
    variables: dict[str, str], applications: list[tuple[str, str]], hidden: bool
) -> None:
    values = {
        "variables": {"start_epoch": "1795159799", **variables},
        "app_log": {"applications": [{"app_name": n, "app_data": d} for n, d in applications]},
        "callflow": [
            {
                "caller_profile": {
                    "caller_id_number": f"+{CALLER}",
                    "destination_number": f"+{NUMBER}",
                }
            }
        ],
    }
    outcomes, _ = read("freeswitch-json", json.dumps(values).encode())
    assert [outcome[1] for outcome in outcomes] == [0 if hidden else CALLER]


def test_a_call_that_was_passed_on_is_an_attempt_at_each_number_it_reached() -> None:
    profiles = ",".join(
        f'{{"caller_profile":{{"caller_id_number":"+{CALLER}","destination_number":"{called}"}},'
        '"times":{"created_time":"1795159799000001","profile_created_time":"1795159801000001"}}'
        for called in ("voicemail", f"+{NUMBER + 1}", f"+{NUMBER}")
    )
    outcomes, _ = read("freeswitch-json", f'{{"variables":{{}},"callflow":[{profiles}]}}'.encode())
    assert [outcome[:3] for outcome in outcomes[:2]] == [
        (NUMBER, CALLER, 1795159799),
        (NUMBER + 1, CALLER, 1795159801),
    ]
    assert outcomes[2].reason == "called_not_a_number"


def test_both_hours_of_a_clock_change_are_told_apart_by_the_order_of_records() -> None:
    times = LocalTimes("Europe/London")  # back at 01:00 UTC on 25 October 2026
    day = "2026-10-25"
    walls = ("00:50", "01:10", "01:55", "01:50", "01:05", "01:59", "02:01")
    utc = ("23:50", "00:10", "00:55", "00:50", "01:05", "01:59", "02:01")
    read_ = [times.read(f"{day} {wall}:30") for wall in walls]
    dates = ("2026-10-24", *(day,) * 6)
    wanted = [parse_time(f"{date}T{wall}:30Z") for date, wall in zip(dates, utc, strict=True)]
    assert read_ == wanted


def test_a_time_that_no_clock_showed_is_not_read() -> None:
    outcomes, turned = read(
        "asterisk", ROW.replace("2026-11-20 07", "2026-03-29 01").encode(), Forms("Europe/London")
    )
    assert (outcomes, turned.rows) == ([None], [(1, "time_not_in_zone")])


def test_records_that_were_done_are_read_again_but_not_given_out() -> None:
    octets = (DATA / "kamailio_acc.csv").read_bytes()
    reader = CdrReader(FORMATS["kamailio"](Forms()), BRITISH, latest=LATEST)
    assert [count for count, _ in reader(io.BytesIO(octets), Turned(), 58)] == [59, 60]


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(noise=st.binary(max_size=200), cut=st.integers(0, 2_000), at=st.integers(0, 2_000))
def test_no_octets_stop_a_format(name: str, noise: bytes, cut: int, at: int) -> None:
    files = {
        "asterisk": "asterisk_Master_18col.csv",
        "freeswitch": "freeswitch_Master.csv",
        "kamailio": "kamailio_acc.csv",
    }
    whole = (DATA / files.get(name, "kamailio_acc.csv")).read_bytes()[:2_000]
    if name == "freeswitch-json":
        whole = next(iter(sorted((DATA / "freeswitch_json_cdr").iterdir()))).read_bytes()
    forms = Forms(names={"occurred_at": "time"} if name == "csv" else {}, kind=EventKind.CALL)
    for octets in (noise, whole[:cut], whole[:at] + noise + whole[at:]):
        try:
            outcomes, turned = read(name, octets, forms)
        except TableError:  # a header that is none, or what looks packed and is not
            continue
        assert outcomes.count(None) == len(turned.rows)
