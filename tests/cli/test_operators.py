"""`ringfence hold` to `move`, `complain`, `delete` and `history` against a told server."""

from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.command_line import Ringfence, facts, objects
from support.terminal import on_terminal
from support.told_server import Servicer, abort, address, info, ringfence, servicer

from ringfence.v1 import number_service_pb2 as number_v1
from ringfence.v1 import quarantine_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "ringfence", "servicer"]  # fixtures

CALLED = 447700900000
NUMBERS = [f"+{CALLED + 1}", f"+{CALLED}-+{CALLED + 1}"]
SECONDS = 1_750_000_000
S = grpc.StatusCode
YES_OR_NO = ["restore", "retire", "override"]
COMMANDS = ["hold", "unhold", *YES_OR_NO, "move"]


def request(command: str, **fields: Any) -> Any:
    return getattr(v1, f"{command.capitalize()}NumbersRequest")(**fields)


@pytest.fixture(autouse=True)
def answer(servicer: Servicer) -> None:
    def changed(request: Any) -> Any:
        response = type(request).__name__.replace("Request", "Response")
        return getattr(v1, response)(changed=request.numbers)

    servicer.answer = changed


def options(command: str) -> list[str]:
    """What a command needs beside its numbers."""
    return (["--pool", "other"] if command == "move" else []) + (
        ["--yes"] if command in YES_OR_NO else []
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_sends_each_number_once_with_the_note(
    command: str, servicer: Servicer, ringfence: Ringfence
) -> None:
    result = ringfence(command, *NUMBERS, "--note", "why", *options(command))
    more = {"pool": "other"} if command == "move" else {}
    assert servicer.requests == [request(command, numbers=[CALLED, CALLED + 1], note="why", **more)]
    (done, refused) = facts(result).items()
    assert (done[1], refused) == ("2", ("refused", "0"))
    (told,) = objects(ringfence(command, *NUMBERS, "--note", "x", "--json", *options(command)))
    assert told == {"changed": [f"+{CALLED}", f"+{CALLED + 1}"], "refused": []}


def test_refused_numbers_are_told_and_make_the_exit_code_1(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.answer = lambda request: v1.HoldNumbersResponse(
        changed=request.numbers[:1],
        refused=[
            types_v1.Refusal(number=number, verdict=types_v1.VERDICT_ASSIGNED)
            for number in request.numbers[1:]
        ],
    )
    result = ringfence("hold", f"+{CALLED}-+{CALLED + 1}", code=1)
    assert result.stdout == f"held     1\nrefused  1\n  +{CALLED + 1}  ASSIGNED\n"
    result = ringfence("hold", f"+{CALLED}-+{CALLED + 150}", code=1)
    assert result.stdout.endswith("  and 50 more (--json has all)\n")
    (told,) = objects(ringfence("hold", f"+{CALLED}-+{CALLED + 150}", "--json", code=1))
    assert len(told["refused"]) == 150
    assert told["refused"][0] == {"number": f"+{CALLED + 1}", "verdict": "ASSIGNED"}


def test_an_error_after_the_first_message_says_what_was_done(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.failures = [lambda _: None, abort(S.RESOURCE_EXHAUSTED, info("QUOTA"), text="no more")]
    result = ringfence("hold", "+999000000000-+999000065536", code=4)
    assert result.stderr == "before the error: held 65,536\nError: no more\n"
    assert [len(each.numbers) for each in servicer.requests] == [65_536, 1]


@pytest.mark.parametrize("command", YES_OR_NO)
def test_nobody_to_ask_is_wrong_usage(
    command: str, servicer: Servicer, ringfence: Ringfence
) -> None:
    result = ringfence(command, *NUMBERS, "--note", "why", code=2, text="y\n")
    assert "give --yes" in result.stderr
    assert servicer.requests == []


@pytest.mark.parametrize(
    ("typed", "code", "sent", "said"),
    [("y\n", 0, 1, "retired"), ("n\n", 1, 0, "nothing has changed"), ("\n", 1, 0, "nothing")],
)
@pytest.mark.slow
def test_a_terminal_is_asked_with_how_many_numbers(
    *, typed: str, code: int, sent: int, said: str, servicer: Servicer, address: str
) -> None:
    ended, shown = on_terminal(
        *("retire", *NUMBERS, "--note", "worn", "--server", address), typed=typed.encode()
    )
    assert ended == code
    assert "Take 2 numbers out of use for good? [y/N]: " in shown
    assert said in shown
    assert len(servicer.requests) == sent


@pytest.mark.parametrize(
    "arguments",
    [
        ["hold"],
        ["hold", "447700900000"],
        ["retire", "+447700900000", "--yes"],
        ["override", "+447700900000", "--yes"],
        ["move", "+447700900000"],
        ["hold", "+447700900000", "--yes"],
        ["complain", "+447700900000"],
        ["complain", "+447700900000-+447700900001", "--note", "x"],
        ["history", "447700900000"],
        ["history", "--limit", "0"],
        ["history", "--limit", str(2**63)],
        ["numbers", "--limit", str(2**63)],
        ["history", "--timeout", "nan"],
        ["history", "--timeout", "inf"],
        ["history", "--timeout", "86401"],
        ["import", "events", __file__, "--feed", "x", "--timeout", "inf"],
        ["pools", "put", __file__, "--revision", str(2**64)],
        ["pools", "delete"],
    ],
)
def test_wrong_usage_sends_nothing(
    arguments: list[str], servicer: Servicer, ringfence: Ringfence
) -> None:
    ringfence(*arguments, code=2)
    assert servicer.requests == []


def test_a_complaint_is_recorded(servicer: Servicer, ringfence: Ringfence) -> None:
    servicer.answer = lambda _: v1.ReportComplaintResponse()
    result = ringfence(
        "complain", f"+{CALLED}", "--note", "a bank", "--received-at", "2025-06-15T15:06:40Z"
    )
    assert result.stdout == f"complaint recorded: +{CALLED}\n"
    assert servicer.requests == [
        v1.ReportComplaintRequest(
            number=CALLED, note="a bank", received_at=Timestamp(seconds=SECONDS)
        )
    ]
    (told,) = objects(ringfence("complain", f"+{CALLED}", "--note", "a bank", "--json"))
    assert told == {"number": f"+{CALLED}", "note": "a bank", "received_at": None}
    servicer.failures = [abort(S.FAILED_PRECONDITION, info("WRONG_STATE"), text="not assigned")]
    assert "not assigned" in ringfence("complain", f"+{CALLED}", "--note", "x", code=4).stderr


@pytest.mark.parametrize(
    ("what", "request_sent", "response"),
    [
        ("pool", v1.DeletePoolRequest(name="x"), v1.DeletePoolResponse()),
        ("policy", v1.DeletePolicyRequest(name="x"), v1.DeletePolicyResponse()),
        ("feed", v1.DeleteFeedRequest(name="x"), v1.DeleteFeedResponse()),
    ],
)
def test_a_setting_is_deleted_unless_it_is_in_use(
    what: str, request_sent: Any, response: Any, servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.answer = lambda _: response
    group = {"pool": "pools", "policy": "policies", "feed": "feeds"}[what]
    assert ringfence(group, "delete", "x").stdout == f"{what} x: deleted\n"
    assert servicer.requests == [request_sent]
    servicer.failures = [abort(S.FAILED_PRECONDITION, info("IN_USE"), text="in use: numbers=3")]
    assert "in use: numbers=3" in ringfence(group, "delete", "x", code=4).stderr


def entry(**fields: Any) -> number_v1.HistoryEntry:
    return number_v1.HistoryEntry(
        changed_at=Timestamp(seconds=SECONDS), number=CALLED, pool="p", **fields
    )


def test_history_is_a_table_of_changes(servicer: Servicer, ringfence: Ringfence) -> None:
    held = entry(
        previous=types_v1.VERDICT_CLEAN,
        current=types_v1.VERDICT_HELD,
        command="HoldNumbers",
        actor="ann",
        note="court order",
        reservation="r-1",
    )
    servicer.answer = lambda _: number_v1.ListHistoryResponse(entries=[held, entry()])
    result = ringfence(
        *("history", f"+{CALLED}", "--pool", "p", "--limit", "2"),
        *("--since", "2025-06-15T15:06:40Z", "--until", "2025-06-15T15:06:41Z"),
    )
    assert servicer.requests == [
        number_v1.ListHistoryRequest(
            number=CALLED,
            pool="p",
            since=Timestamp(seconds=SECONDS),
            until=Timestamp(seconds=SECONDS + 1),
            page_size=2,
        )
    ]
    assert [" ".join(line.split()) for line in result.stdout.splitlines()[1:]] == [
        f"2025-06-15T15:06:40Z +{CALLED} CLEAN HELD p HoldNumbers ann r-1 court order",
        f"2025-06-15T15:06:40Z +{CALLED} - - p - - -",
    ]
    told = objects(ringfence("history", "--json"))
    assert told[0] == {
        "changed_at": "2025-06-15T15:06:40Z",
        "number": f"+{CALLED}",
        "pool": "p",
        "previous": "CLEAN",
        "current": "HELD",
        "command": "HoldNumbers",
        "actor": "ann",
        "note": "court order",
        "reservation": "r-1",
    }
    assert told[1]["previous"] is None
    assert servicer.requests[1] == number_v1.ListHistoryRequest(page_size=1_001)


def test_history_of_a_server_without_it_is_refused(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.failures = [abort(S.UNIMPLEMENTED, text="ListHistory is not in this version")]
    assert "ListHistory is not in this version" in ringfence("history", code=4).stderr
