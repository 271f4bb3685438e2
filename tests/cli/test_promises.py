"""What the command line promises of numbers that are not clean, and of a time to come."""

import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.command_line import Ringfence, objects
from support.told_server import Servicer, address, ringfence, servicer

from ringfence.v1 import number_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

__all__ = ["address", "ringfence", "servicer"]  # fixtures

CALLED = 447700900000
SINCE, LATER = "2025-06-15T15:06:40Z", "2025-06-15T15:08:20Z"
SECONDS = 1_750_000_000
AHEAD = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 300 * 86_400))
VERDICTS = ["CLEAN", "AGING", "NOISY", "UNOBSERVED"]


@pytest.fixture
def checked(servicer: Servicer) -> None:
    """One number of each verdict: to be clean long ago as far as silence goes, but heard late."""
    servicer.answer = lambda _: v1.CheckNumbersResponse(
        verdicts=[types_v1.Verdict.Value(f"VERDICT_{name}") for name in VERDICTS],
        clean_at=[SECONDS] * 4,
        expected_at=[SECONDS + 100] * 4,
    )


@pytest.mark.usefixtures("checked")
def test_check_promises_what_silence_and_coverage_together_give(ringfence: Ringfence) -> None:
    result = ringfence("check", f"+{CALLED}-+{CALLED + 3}", code=1)
    header, *rows = [line.split() for line in result.stdout.splitlines()]
    assert header == ["NUMBER", "VERDICT", "CLEAN", "AT"]
    assert [row[1:] for row in rows] == [
        [name, SINCE if name == "CLEAN" else LATER] for name in VERDICTS
    ]
    assert result.stderr == ""


@pytest.mark.usefixtures("checked")
def test_check_of_a_time_to_come_is_a_forecast(ringfence: Ringfence) -> None:
    numbers = f"+{CALLED}-+{CALLED + 3}"
    note = "a forecast, no fact: so it will be if they stay silent and are listened to until then\n"
    result = ringfence("check", numbers, "--at", AHEAD, code=1)
    assert result.stdout.split()[:4] == ["NUMBER", "FORECAST", "CLEAN", "AT"]
    assert result.stderr == note
    result = ringfence("check", numbers, "--at", AHEAD, "--json", code=1)
    assert [told["verdict"] for told in objects(result)] == VERDICTS
    assert result.stderr == note
    result = ringfence("check", numbers, "--at", SINCE, code=1)
    assert (result.stdout.split()[1], result.stderr) == ("VERDICT", "")


def test_explain_of_a_time_to_come_is_a_forecast(servicer: Servicer, ringfence: Ringfence) -> None:
    number = v1.Number(
        number=CALLED,
        verdict=types_v1.VERDICT_CLEAN,
        pool="p",
        policy="default",
        quarantined_at=Timestamp(seconds=SECONDS),
        observed_since=Timestamp(seconds=SECONDS),
        clean_at=Timestamp(seconds=SECONDS),
        expected_at=Timestamp(seconds=SECONDS),
    )

    def told(request: object) -> object:
        return number if isinstance(request, v1.GetNumberRequest) else v1.ListHistoryResponse()

    servicer.answer = told
    said = " ".join(ringfence("explain", f"+{CALLED}", "--at", AHEAD).stdout.split())
    assert f"+{CALLED} CLEAN (forecast) No fact but a forecast for {AHEAD}T00:00:00Z," in said
    assert "forecast" not in ringfence("explain", f"+{CALLED}", "--at", LATER).stdout
    assert "forecast" not in ringfence("explain", f"+{CALLED}").stdout


def test_list_promises_what_silence_and_coverage_together_give(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    listed = [
        v1.Number(
            number=CALLED + index,
            verdict=types_v1.Verdict.Value(f"VERDICT_{name}"),
            clean_at=Timestamp(seconds=SECONDS),
            expected_at=Timestamp(seconds=SECONDS + 100),
        )
        for index, name in enumerate(VERDICTS)
    ]
    servicer.answer = lambda _: v1.ListNumbersResponse(numbers=listed)
    _, *rows = ringfence("numbers").stdout.splitlines()
    assert [LATER in row for row in rows] == [False, True, True, True]
    assert [SINCE in row for row in rows] == [True, False, False, False]
