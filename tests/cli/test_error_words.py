"""Errors in words on a terminal, and as one line of JSON for programs; against a real server."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support.command_line import Ringfence

from ringfence import Client
from ringfence.cli.error_text import in_words

DAY_S = 86_400


@pytest.fixture
def clean(client: Client, fresh_numbers: Callable[[int], list[int]]) -> Callable[[int], list[int]]:
    def quarantined(count: int) -> list[int]:
        numbers = fresh_numbers(count)
        since = int(time.time()) - 200 * DAY_S
        client.quarantine_numbers(numbers, quarantined_at=since, observed_since=since)
        return numbers

    return quarantined


def told(result: Result) -> dict[str, Any]:
    """The error that was told to a program."""
    assert result.stdout == ""
    return dict(json.loads(result.stderr.splitlines()[-1]))


def test_a_reservation_that_has_ended_says_how(ringfence: Ringfence, client: Client, clean) -> None:
    id = client.reserve_numbers("default", numbers=clean(1)).id
    client.confirm_reservation(id)
    said = ringfence("cancel", id, code=4).stderr
    assert said == f"Error: reservation {id} is CONFIRMED already\n"
    error = told(ringfence("cancel", id, "--json", code=4))
    assert error["reason"] == "WRONG_STATE"
    assert error["error"] == f"reservation {id}: value=CONFIRMED, bound=ACTIVE"
    assert error["violations"] == [
        {"field": f"reservation {id}", "description": "value=CONFIRMED, bound=ACTIVE"}
    ]
    assert error["exit_code"] == 4


def test_too_few_clean_numbers_are_told_with_how_many_there_are(ringfence: Ringfence) -> None:
    said = ringfence("reserve", "default", "--count", "9", "--prefix", "+999", code=1).stderr
    assert said.startswith("Error: too few clean numbers: 9 wanted, 0 clean\n")
    error = told(
        ringfence("reserve", "default", "--count", "9", "--prefix", "+999", "--json", code=1)
    )
    assert (error["reason"], error["metadata"]["clean"]) == ("TOO_FEW_CLEAN", "0")


def test_wrong_usage_and_a_server_that_is_away_are_told_to_programs(ringfence: Ringfence) -> None:
    assert told(ringfence("check", "447700900000", "--json", code=2))["exit_code"] == 2
    away = ("--server", "127.0.0.1:1", "--timeout", "2", "--json")
    assert told(ringfence("status", *away, code=3))["reason"] == "Unreachable"
    said = ringfence("status", *away[:-1], code=3).stderr
    assert said == "Error: cannot reach the server at 127.0.0.1:1: Connection refused\n"
    assert told(ringfence("pools", "show", "absent", "--json", code=4)) == {
        "error": "no such pool: absent",
        "exit_code": 4,
    }


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (
            "+447700900000: value=not handed out, bound=handed out within 400 days",
            "+447700900000 is not handed out, nor was it within 400 days",
        ),
        ("lease: value=0.5 s, bound=1 to 2592000 s", "lease is 0.5 s, allowed: 1 to 2592000 s"),
        (
            "note: value=empty, bound=a reason, as it cannot be taken back",
            "note: empty, and needed: a reason, as it cannot be taken back",
        ),
        ("pools: value=1025, bound=1024", "pools is 1025, allowed: 1024"),
        (
            "pool 'a' was changed meanwhile: revision=1, present=2",
            "pool 'a' was changed meanwhile: revision 1 was meant, 2 is there",
        ),
        (
            "+1, line 2: not an E.164 number: value='x', bound=digits",
            "+1, line 2: not an E.164 number: 'x', allowed: digits",
        ),
        ("a.toml: policy: value=1\nb: value=2, bound=3", "a.toml: policy: 1\nb is 2, allowed: 3"),
        (
            "cannot reach the server at 127.0.0.1:1: failed to connect to all addresses; last"
            " error: UNKNOWN: ipv4:127.0.0.1:1: Failed to"
            " connect to remote host: Connection refused",
            "cannot reach the server at 127.0.0.1:1: Connection refused",
        ),
        ("not clean: numbers=2", "2 numbers are not clean"),
        ("no such pool: 'x'", "no such pool: 'x'"),
    ],
)
def test_what_the_wire_says_is_said_in_words(wire: str, words: str) -> None:
    assert in_words(wire) == words


def test_every_problem_of_a_configuration_is_said_in_words(
    ringfence: Ringfence, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[server]\ncapacity_numbers = 0\nring_entries = 61\n")
    options = ("--data", str(tmp_path / "data"), "--config", str(file))
    said = ringfence("serve", *options, code=2).stderr
    assert f"{file}: server.ring_entries: input should be 12, 28, 60, 124 or 252" in said
    assert "capacity_numbers" in said
    assert "value=" not in said
