"""A real server and robots: what it says of their events, and that no restart changes it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.durable_server import BEGAN, killed, recovered_from, state_of, take_snapshot
from support.server_process import (
    DEADLINE_S,
    Peer,
    ServerProcess,
    batch,
    peer_of,
    serving,
    wait_until,
)

from ringfence.cli import main
from ringfence.v1 import number_service_pb2 as numbers
from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow

CALLED = [447700900000 + i for i in range(1000)]
LOUD = CALLED[0]
ROBOT, CAREFUL = 441632960010, 441632960011
PEOPLE = [442079460001, 442079460002, 442079460003]
BANK = 1 << 63 | 0x51
CALL, A2P_SMS, MMS = types.EVENT_KIND_CALL, types.EVENT_KIND_A2P_SMS, types.EVENT_KIND_MMS
SETTINGS = """
[server]
capacity_numbers = 1000
ring_entries = 28
[[policy]]
name = "default"
minimum_age = "90d"
minimum_coverage = 0.95
rule = [
    { measure = "REPEAT_CALLERS", window = "90d", limit = 0 },
    { measure = "EVENTS", kinds = ["A2P_SMS"], window = "90d", limit = 0 },
    { measure = "EVENTS", window = "30d", limit = 10 },
]
[spray]
"""


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    """Options of a server with rings of 28 entries, rules of its own and the default [spray]."""
    return options_with(tmp_path, "")


def options_with(folder: Path, spray: str) -> tuple[str, ...]:
    path = folder / f"{len(list(folder.glob('*.toml')))}.toml"
    path.write_text(SETTINGS + spray)
    return "--config", str(path), "--workers", "2"


def send(
    peer: Peer, called: list[int], caller: int, first_s: int = 3600, kind: int = CALL
) -> list[int]:
    """Sends an event for each number, a second apart, so long ago; returns their times."""
    times = [int(time.time()) - first_s + i for i in range(len(called))]
    request = batch(
        called, caller=[caller] * len(called), occurred_at=times, kind=[kind] * len(called)
    )
    answer = next(peer.events.StreamEvents(iter([request]), timeout=DEADLINE_S))
    assert answer.accepted == len(called)
    return times


def fill(peer: Peer) -> None:
    """Twelve calls at LOUD, nine of them a robot's, and others elsewhere; all long in quarantine.

    CAREFUL lacks one number to be a robot.
    """
    peer.quarantine(CALLED, quarantined_at=[BEGAN], observed_since=[BEGAN])
    send(peer, [LOUD] * 9, ROBOT, 7200)
    for person in PEOPLE:
        send(peer, [LOUD], person, 5000)
    send(peer, CALLED[1:50], ROBOT)
    send(peer, CALLED[60:67], CAREFUL)


def told(peer: Peer, number: int = LOUD) -> numbers.Number:
    return peer.numbers.GetNumber(numbers.GetNumberRequest(number=number), timeout=DEADLINE_S)


def known(peer: Peer) -> list[Any]:
    """What is said of many numbers, less what passes with time, and how many robots there are."""
    answers = [told(peer, number) for number in CALLED[:100]]
    for answer in answers:
        answer.ClearField("queue_position")
        answer.ClearField("coverage")
        answer.ClearField("expected_at")
        answer.ClearField("events_total")  # counts what was sent again after a loss
    return [*answers, status(peer).spray_callers]


def status(peer: Peer) -> commands.GetStatusResponse:
    return peer.commands.GetStatus(commands.GetStatusRequest(), timeout=DEADLINE_S)


def ringfence(server: ServerProcess, *arguments: str) -> str:
    """What a command prints, in one line."""
    result = CliRunner().invoke(main, [*arguments, "--server", server.address])
    return " ".join(result.output.split())


def assert_fit(server: ServerProcess, peer: Peer) -> None:
    """LOUD is clean, and everybody is told why."""
    answer = told(peer)
    assert answer.verdict == types.VERDICT_CLEAN
    assert [event.spray for event in answer.recent] == [False] * 3 + [True] * 9
    assert [result.value for result in answer.rule_results] == [0, 0, 3]
    said = ringfence(server, "explain", f"+{LOUD}")
    assert "CLEAN" in said
    assert "12 events, 9 of them from robots, which do not count: 12 calls, from 4 callers." in said
    assert "(robot) called 9 times" in said


@pytest.fixture
def server(tmp_path: Path, options: tuple[str, ...]) -> Iterator[ServerProcess]:
    with serving(tmp_path / "data", *options) as running:
        yield running


def test_robots_are_marked_told_and_counted_and_nobody_is_named(server: ServerProcess) -> None:
    with peer_of(server, 0) as peer, peer_of(server, 1) as other:
        fill(peer)
        assert_fit(server, peer)
        assert_fit(server, other)
        one_call = told(peer, CALLED[7])  # the eighth number took no slot
        assert (len(one_call.recent), one_call.events_total) == (0, 1)
        now = status(other)
        assert (now.spray_callers, now.spray_numbers) == (1, 8)
        assert now.spray_window.seconds == 3_600
        assert (now.events_total, now.spray_events) == (68, 43)
        assert str(ROBOT) not in str(now)
    words = "1 known, 43 events; a caller of 8 numbers in 1h is one"
    assert words in ringfence(server, "status")


def test_repeated_calls_of_a_person_are_noise_until_the_person_turns_out_to_be_a_robot(
    server: ServerProcess,
) -> None:
    with peer_of(server) as peer:
        fill(peer)
        send(peer, [CALLED[60]], CAREFUL, 60)
        assert told(peer, CALLED[60]).verdict == types.VERDICT_NOISY
        send(peer, CALLED[67:68], CAREFUL, 50)
        assert told(peer, CALLED[60]).verdict == types.VERDICT_CLEAN
        assert status(peer).spray_callers == 2


def test_scan_drops_robots_that_were_silent_for_longest_once_no_more_may_be_known(
    tmp_path: Path,
) -> None:
    options = options_with(tmp_path, "spray_callers_max = 8\n[scan]\nperiod = '1s'\n")
    with serving(tmp_path / "data", *options) as server, peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN], observed_since=[BEGAN])
        for i in range(8):
            send(peer, CALLED[:8], ROBOT + i, 4000 - 100 * i)
        wait_until(lambda: status(peer).spray_callers == 7)
        answer = told(peer)
        assert [event.spray for event in answer.recent] == [True] * 7 + [False]


@pytest.mark.parametrize(("kind", "verdict"), [(A2P_SMS, "NOISY"), (MMS, "CLEAN")])
def test_bank_that_writes_to_a_thousand_numbers_is_counted_at_every_one(
    server: ServerProcess, kind: int, verdict: str
) -> None:
    with peer_of(server) as peer:
        peer.quarantine(CALLED, quarantined_at=[BEGAN], observed_since=[BEGAN])
        send(peer, CALLED[:20], BANK)  # calls too: a caller that is a robot by them
        send(peer, CALLED, BANK, 3000, kind)
        now = status(peer)
        assert (now.spray_callers, now.spray_events) == (1, 13)
        for number in CALLED[::50]:
            answer = told(peer, number)
            assert (answer.recent[0].kind, answer.recent[0].spray) == (kind, False)
            assert answer.rule_results[2].value == 1
            assert types.Verdict.Name(answer.verdict) == f"VERDICT_{verdict}"
        wanted = [types.Verdict.Value(f"VERDICT_{verdict}")]
        checked = peer.numbers.CheckNumbers(
            numbers.CheckNumbersRequest(numbers=CALLED), timeout=DEADLINE_S
        )
        assert list(checked.verdicts) == wanted * len(CALLED)


@pytest.mark.parametrize("way", ["memory", "snapshot", "journal"])
def test_robots_are_the_same_after_everything_was_killed(
    tmp_path: Path, options: tuple[str, ...], way: str
) -> None:
    data = tmp_path / "data"
    with killed(data, *options, reboot=way != "memory") as server, peer_of(server, 0) as peer:
        fill(peer)
        if way == "snapshot":
            take_snapshot(server)
        send(peer, CALLED[200:240], ROBOT, 600)
        before, state = known(peer), state_of(server)
    with serving(data, *options) as server, peer_of(server, 1) as peer:
        assert recovered_from(server)[0].startswith(way)
        assert state_of(server) == state
        assert known(peer) == before
        assert_fit(server, peer)
        send(peer, [CALLED[60]], CAREFUL, 60)
        send(peer, CALLED[67:68], CAREFUL, 50)  # the eighth number of who had called seven
        assert status(peer).spray_callers == 2


@pytest.mark.parametrize("way", ["memory", "snapshot"])
@pytest.mark.parametrize(
    ("before", "after", "robots"),
    [
        ("", "numbers = 7", 2),
        ("numbers = 2", "", 0),  # no more than two calls of a robot were kept
        ('window = "5s"', "", 1),
        ("", "numbers = 0", 0),
        ("numbers = 0", "", 0),
        ("", "callers = 64", 1),
    ],
)
def test_start_with_other_settings_judges_the_calls_that_are_kept(
    tmp_path: Path, way: str, before: str, after: str, robots: int
) -> None:
    data = tmp_path / "data"
    first, second = options_with(tmp_path, before), options_with(tmp_path, after)
    with killed(data, *first, reboot=way == "snapshot") as server, peer_of(server) as peer:
        fill(peer)
        take_snapshot(server)
        send(peer, [CALLED[200]], ROBOT, 60)  # decided once more, behind the snapshot
        state = state_of(server)
    with serving(data, *second) as server, peer_of(server) as peer:
        same_room = not {"numbers = 0", "callers = 64"} & {before, after}
        expected = "memory" if way == "memory" and same_room else "snapshot"
        assert recovered_from(server)[0].startswith(expected)
        assert state_of(server) == state  # what took a slot and what did not stays as it was
        assert status(peer).spray_callers == robots
        spray = [event.spray for event in told(peer).recent]
        assert any(spray) == (robots > 0)
        words = "not looked for" if after == "numbers = 0" else f"spray callers {robots} known"
        assert words in ringfence(server, "status")
