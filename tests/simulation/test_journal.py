"""A history from the data folder of a real server, running or stopped."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from support.durable_server import end_snapshot, take_snapshot
from support.server_process import (
    DEADLINE_S,
    Peer,
    ServerProcess,
    batch,
    peer_of,
    serving,
    wait_until,
)
from support.small_disk import small_memory
from support.small_history import DAY_S, ROBOTS, Candidate, released_at, rule_policy
from support.wall_clock import SteppingClock

from ringfence.cli import main
from ringfence.engine.settings.policy import Rule
from ringfence.engine.snapshot import SnapshotError, list_snapshots
from ringfence.engine.words import FORMER_LIFE_S, EventKind, Measure
from ringfence.server.folder.data_folder import SECRETS
from ringfence.server.folder.journal_folders import journal_identity
from ringfence.server.folder.secret_file import read_secret
from ringfence.server.folder.snapshot_lock import change_snapshots
from ringfence.server.journal.lmdb_journal import copy_journal, open_for_replay
from ringfence.server.tools.data_copy import WrongFolder
from ringfence.simulation.history import APPLICATION, PERSONAL, HistoryError
from ringfence.simulation.journalled import journalled_history
from ringfence.simulation.outcome import Share
from ringfence.simulation.play import play
from ringfence.simulation.recorded import RecordedHistory
from ringfence.v1 import number_service_pb2 as numbers_v1
from ringfence.v1 import quarantine_service_pb2 as commands_v1
from ringfence.v1 import types_pb2 as types

pytestmark = pytest.mark.slow

FRIENDS, SILENT, BANKS, UNSEEN, GIVEN, RETIRED = range(447700900000, 447700900006)
TODAY = int(time.time()) // DAY_S * DAY_S
BEGAN = TODAY - 50 * DAY_S
"""When all of them came into quarantine: an event on day n is n days later."""
REPEAT = Candidate(
    "repeat", replace(rule_policy(Measure.REPEAT_CALLERS, window_days=20), minimum_coverage=0.95)
)
COMMAND = [sys.executable, "-m", "ringfence.cli", "simulate"]
OPTIONS = ("--workers", "2", "--capacity", "100")


def send(
    peer: Peer,
    number: int,
    *days: float,
    kind: int = types.EVENT_KIND_CALL,
    caller: int = 441632960000,
) -> None:
    occurred_at = [int(BEGAN + day * DAY_S) for day in days]
    count = len(days)
    fields = {"caller": [caller] * count, "kind": [kind] * count}
    request = batch([number] * count, occurred_at=occurred_at, **fields)
    (answer,) = peer.events.StreamEvents(iter([request]), timeout=DEADLINE_S)
    assert answer.accepted == count


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running server: a part is in its snapshot, the rest in its journals."""
    folder = tmp_path_factory.mktemp("journalled") / "data"
    config = folder.with_suffix(".toml")
    config.write_text("[server]\nring_entries = 28\n")
    with serving(folder, *OPTIONS, "--config", str(config)) as server, peer_of(server) as peer:
        begin = {"quarantined_at": [BEGAN], "observed_since": [BEGAN]}
        peer.quarantine([FRIENDS, SILENT, BANKS, GIVEN, RETIRED], **begin)
        never = [types.DISCONNECT_REASON_NEVER_ASSIGNED]
        peer.quarantine([UNSEEN], quarantined_at=[BEGAN], reason=never)  # nobody listened until now
        send(peer, FRIENDS, 5.1, 5.2)
        send(peer, BANKS, 3, kind=types.EVENT_KIND_A2P_SMS)
        let_go_journals(server, folder)
        send(peer, FRIENDS, 5.1, 8)  # the first one is a copy
        send(peer, BANKS, 20, kind=types.EVENT_KIND_A2P_SMS)
        override = commands_v1.OverrideNumbersRequest(numbers=[GIVEN], note="known to be clean")
        peer.commands.OverrideNumbers(override, timeout=DEADLINE_S)
        numbers = peer.numbers
        request = numbers_v1.ReserveNumbersRequest(pool="default", numbers=[GIVEN])
        reserved = numbers.ReserveNumbers(request, timeout=DEADLINE_S)
        numbers.ConfirmReservation(
            numbers_v1.ConfirmReservationRequest(id=reserved.id), timeout=DEADLINE_S
        )
        peer.commands.RetireNumbers(
            commands_v1.RetireNumbersRequest(numbers=[RETIRED], note="out of use"),
            timeout=DEADLINE_S,
        )
        yield folder


def let_go_journals(server: ServerProcess, folder: Path) -> None:
    """Takes two snapshots: the journals are let go up to the first one."""
    take_snapshot(server)
    take_snapshot(server)
    wait_until(lambda: oldest_position(folder) > 1)


def oldest_position(folder: Path) -> int:
    """Of the values that the journals of workers still have, the greatest."""
    folder_id = read_secret(folder / "folder_id")
    oldest = []
    for name in ("worker-0", "worker-1"):
        identity = journal_identity(folder_id, name)
        with TemporaryDirectory() as aside:
            copy_journal(folder / "journal" / name, Path(aside, "copy"), identity=identity)
            with closing(open_for_replay(Path(aside, "copy"), identity=identity)) as journal:
                oldest.append(journal.first)
    return max(oldest)


def load(folder: Path) -> RecordedHistory:
    return journalled_history(folder, lambda: None)


def days_since_began(moment: int) -> float:
    return round((moment - BEGAN) / DAY_S, 1)


def known(peer: Peer, number: int) -> numbers_v1.Number:
    request = numbers_v1.GetNumberRequest(number=number)
    return peer.numbers.GetNumber(request, timeout=DEADLINE_S)


def truth(history: RecordedHistory) -> list[tuple[int, float, int]]:
    """Place, days since BEGAN and true class of each event."""
    return [
        (int(place), days_since_began(int(at)), int(was))
        for day in history.days()
        for place, at, was in zip(*vars(day.truth).values(), strict=True)
    ]


def test_numbers_are_those_in_quarantine_now(data: Path) -> None:
    history = load(data)
    assert history.numbers.number.tolist() == [FRIENDS, SILENT, BANKS, UNSEEN]
    assert set(history.numbers.quarantined_at.tolist()) == {BEGAN}
    observed = history.numbers.observed_since
    assert set(observed[:3].tolist()) == {BEGAN}
    assert observed[3] >= TODAY
    assert history.begins_at == BEGAN
    assert TODAY <= history.ends_at <= time.time() + 60


def test_events_are_those_of_snapshot_and_journals(data: Path) -> None:
    assert truth(load(data)) == [(2, 3, 2), (0, 5.1, 1), (0, 5.2, 1), (0, 8, 1), (2, 20, 2)]


def test_rings_are_no_larger_than_those_that_the_events_come_from(data: Path) -> None:
    def simulated(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["simulate", "--data", str(data), "--json", *options])
        return done.exit_code, done.output

    code, said = simulated()
    assert (code, json.loads(said.splitlines()[0])["ring_entries"]) == (0, 28)
    code, said = simulated("--ring-entries", "12")
    assert (code, json.loads(said.splitlines()[0])["ring_entries"]) == (0, 12)
    code, said = simulated("--ring-entries", "60")
    assert code == 2
    assert "--ring-entries: value=60, bound=28" in said


def test_policy_is_played_on_them(data: Path) -> None:
    (outcome,) = play(load(data), [REPEAT])
    # Ages are reached on day 10. The friend has two calls in 20 days until day 25.2, when only the
    # one of day 8 is left; nobody listened to the last number for most of its 20 days.
    assert outcome.released_per_month == (3, 0)
    assert outcome.median_days == 18  # of 10, 10, 26 and longer
    # Two of them 30 days before the end: the message of day 20 came to one.
    assert outcome.application == Share(1, 2)
    assert outcome.personal == Share(0, 2)
    assert outcome.collector is None
    assert outcome.background_by_minimum_age is None
    never = outcome.never_assigned
    assert (never.numbers, never.by_minimum_age) == (1, Share(0, 1))
    assert never.noisy_at_minimum_age == Share(0, 1)  # it was UNOBSERVED


def test_command_prints_the_same_of_a_running_server(data: Path, tmp_path: Path) -> None:
    policy = tmp_path / "repeat.toml"
    policy.write_text(
        '[[policy]]\nname = "repeat"\nminimum_age = "10d"\nminimum_coverage = 0.0\n'
        '[[policy.rule]]\nmeasure = "REPEAT_CALLERS"\nwindow = "20d"\nlimit = 0\n'
    )
    done = subprocess.run(
        [
            *(*COMMAND, "--data", str(data)),
            *("--policy", str(policy), "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    repeat, calendar = map(json.loads, done.stdout.splitlines())
    assert repeat["released"] == 4  # a policy that asks for no coverage takes the last one too
    assert repeat["application"] == {"count": 1, "of": 3, "share": 1 / 3}
    assert (repeat["collector"], repeat["true_classes"]) == (None, False)
    assert calendar["candidate"] == "calendar 90d"
    assert calendar["released"] == 0


def test_stopped_server_and_damaged_snapshot(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder, *OPTIONS) as server, peer_of(server) as peer:
        peer.quarantine([FRIENDS], quarantined_at=[BEGAN], observed_since=[BEGAN])
        send(peer, FRIENDS, 5.1)
        end_snapshot(server)
        send(peer, FRIENDS, 5.2)
    whole = play(load(folder), [REPEAT])
    assert whole[0].released_per_month == (1, 0)
    assert whole[0].median_days == 26
    for path in (folder / "snapshots").iterdir():
        content = bytearray(path.read_bytes())
        content[content.index(FRIENDS.to_bytes(8, "little"))] ^= 1
        path.write_bytes(content)  # the journals go back to the beginning
    assert play(load(folder), [REPEAT]) == whole


def test_robots_are_those_that_the_server_knows(tmp_path: Path) -> None:
    folder, config = tmp_path / "data", tmp_path / "two.toml"
    config.write_text("[spray]\nnumbers = 2\n")
    in_snapshot, in_journal = (441632960901, 5.1), (441632960902, 9.1)
    with serving(folder, *OPTIONS, "--config", str(config)) as server, peer_of(server) as peer:
        peer.quarantine([FRIENDS, SILENT], quarantined_at=[BEGAN], observed_since=[BEGAN])
        send(peer, FRIENDS, 6.1)

        def call_both(robot: int, day: float) -> None:
            """The first call takes a slot, as nobody knows yet; so do messages of applications."""
            for kind in (types.EVENT_KIND_CALL, types.EVENT_KIND_A2P_SMS):
                send(peer, SILENT, day, kind=kind, caller=robot)
                send(peer, FRIENDS, day + 0.01, kind=kind, caller=robot)

        call_both(*in_snapshot)
        let_go_journals(server, folder)
        call_both(*in_journal)
        was = {types.EVENT_KIND_CALL: PERSONAL, types.EVENT_KIND_A2P_SMS: APPLICATION}
        count = [
            (place, days_since_began(event.occurred_at.seconds), was[event.kind])
            for place, number in enumerate((FRIENDS, SILENT))
            for event in known(peer, number).recent
            if not event.spray
        ]
    people = [(0, 6.1, PERSONAL)]
    banks = [(place, day, APPLICATION) for place in (0, 1) for day in (5.1, 9.1)]
    assert sorted(count) == sorted(people + banks)  # as the server says
    history = load(folder)
    assert sorted(event for event in truth(history) if event[2]) == sorted(count)
    calls = Rule(Measure.EVENTS, 20 * DAY_S, 0, frozenset({EventKind.CALL}))
    (outcome,) = play(history, [replace(REPEAT, policy=replace(REPEAT.policy, rules=(calls,)))])
    assert outcome.median_days == (10 + 27) / 2
    command = ["simulate", "--data", str(folder)]
    shown = CliRunner().invoke(main, command).stdout.splitlines()
    assert shown[1].endswith("; robots are those that the server knew: 2")
    row = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout.splitlines()[0])
    history_fields = {"source": "data", "data": str(folder), "robots": 2}
    assert history_fields.items() <= row["history"].items()
    assert (row["spray_numbers"], row["spray_window"]) == (None, None)


def test_what_a_full_ring_has_displaced_is_no_silence(tmp_path: Path) -> None:
    folder, config = tmp_path / "data", tmp_path / "twelve.toml"
    config.write_text("[server]\nring_entries = 12\n")
    with serving(folder, *OPTIONS, "--config", str(config)) as server, peer_of(server) as peer:
        for number, since in ((FRIENDS, BEGAN), (BANKS, BEGAN + 8 * DAY_S)):
            peer.quarantine([number], quarantined_at=[BEGAN], observed_since=[since])
        send(peer, FRIENDS, 5.1, 5.2)
        for day, stranger in enumerate(ROBOTS[:12], 6):  # they fill the rings
            send(peer, FRIENDS, day, caller=stranger)
            send(peer, BANKS, day, caller=stranger)
        take_snapshot(server)
        whole = load(folder)  # the journals still have all
        let_go_journals(server, folder)
        cut = load(folder)
    assert released_at(whole, REPEAT)[0] == BEGAN + 26 * DAY_S
    assert len([event for event in truth(cut) if event[0] == 0]) == 12  # its pair is gone
    assert whole.numbers.observed_since.tolist() == [BEGAN, BEGAN + 8 * DAY_S]
    assert cut.numbers.observed_since.tolist() == [BEGAN + 6 * DAY_S, BEGAN + 8 * DAY_S]
    # On day 25 the 20 days are observed but for one; the ring is full of them until day 26.
    assert released_at(cut, REPEAT)[0] == BEGAN + 26 * DAY_S
    blind = replace(REPEAT, policy=replace(REPEAT.policy, minimum_coverage=0.0))
    assert released_at(cut, blind)[0] == BEGAN + 10 * DAY_S  # it asks for no coverage
    assert_recommended(folder)


def assert_recommended(folder: Path) -> None:
    """What the command says of all K, and which one it recommends."""
    command = ["simulate", "--data", str(folder)]
    row = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout.splitlines()[0])
    sizes = row["history"]["ring_sizes"]
    assert [size["ring_entries"] for size in sizes] == [12, 28, 60, 124, 252]
    assert [size["not_full"]["count"] for size in sizes][-1] == 2
    best = row["history"]["recommended_ring_entries"]
    shares = {size["ring_entries"]: size["not_full"]["share"] for size in sizes}
    assert shares[best] >= 0.95
    assert all(share < 0.95 for entries, share in shares.items() if entries < best)
    shown = CliRunner().invoke(main, command).stdout
    assert f"Recommended for a new data folder: ring_entries = {best}, the smallest" in shown


def test_history_has_what_counts_of_all_numbers_that_are_not_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config = tmp_path / "data", tmp_path / "no-spray.toml"
    config.write_text("[spray]\nnumbers = 0\n")
    options = (*OPTIONS, "--config", str(config))
    held, reserved, back, *others = range(FRIENDS, FRIENDS + 9)
    clock = SteppingClock(tmp_path / "clock")
    clock.set_offset(-FORMER_LIFE_S)  # so that one number can come back
    with (
        clock.preloaded(monkeypatch),
        serving(folder, *options) as server,
        peer_of(server) as peer,
    ):
        peer.quarantine([held, reserved, back, *others], quarantined_at=[BEGAN])
        for number in (held, reserved, back, *others):
            send(peer, number, 5.1)  # all the same caller, no robot to this server
        peer.commands.HoldNumbers(
            commands_v1.HoldNumbersRequest(numbers=[held], note="asked for"), timeout=DEADLINE_S
        )
        peer.commands.OverrideNumbers(
            commands_v1.OverrideNumbersRequest(numbers=[reserved], note="clean"), timeout=DEADLINE_S
        )
        request = numbers_v1.ReserveNumbersRequest(pool="default", numbers=[reserved])
        peer.numbers.ReserveNumbers(request, timeout=DEADLINE_S)
        peer.commands.RetireNumbers(
            commands_v1.RetireNumbersRequest(numbers=[back], note="for now"), timeout=DEADLINE_S
        )
    with serving(folder, *options) as server, peer_of(server) as peer:
        assert peer.quarantine([back]).accepted == 1
        ahead = int(time.time()) + 100  # clocks differ
        send(peer, held, (ahead + 0.5 - BEGAN) / DAY_S)
    history = load(folder)
    assert history.numbers.number.tolist() == [held, reserved, back, *others]
    at_five = [place for place, day, _ in truth(history) if day == 5.1]
    assert sorted(at_five) == [0, 1, 3, 4, 5, 6, 7, 8]  # that of `back` came in another quarantine
    assert history.ends_at == ahead + 1
    # A robot by the settings of a new server; to that one it was none, so it keeps its numbers.
    policy = tmp_path / "silent.toml"
    policy.write_text(
        '[[policy]]\nname = "silent"\nminimum_age = "10d"\nminimum_coverage = 0.0\n'
        '[[policy.rule]]\nmeasure = "EVENTS"\nwindow = "60d"\nlimit = 0\n'
    )
    command = ["simulate", "--data", str(folder), "--policy", str(policy), "--json"]
    row = json.loads(CliRunner().invoke(main, command).stdout.splitlines()[0])
    assert row["released"] == 0


def test_snapshots_have_to_be_the_folders_own_and_whole(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        with serving(folder, *OPTIONS) as server, peer_of(server) as peer:
            peer.quarantine([FRIENDS], quarantined_at=[BEGAN])
            send(peer, FRIENDS, 5.1)
            send(peer, FRIENDS, 5.2)
            let_go_journals(server, folder)
    (newest, *others) = list_snapshots(ours / "snapshots")
    whole = newest.read_bytes()
    newest.write_bytes(list_snapshots(theirs / "snapshots")[0].read_bytes())
    with pytest.raises(SnapshotError, match=f"{newest}: snapshot of another data folder"):
        load(ours)
    newest.write_bytes(whole)
    assert load(ours).numbers.number.size == 1
    for path in (newest, *others):
        path.unlink()
    with pytest.raises(SnapshotError, match=f"{ours}: no whole snapshot stands for what journals"):
        load(ours)


def test_folder_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    for name in SECRETS:
        (tmp_path / name).mkdir()
    keeper = tmp_path / "journal" / "keeper"
    keeper.mkdir(parents=True)
    (keeper / "data.mdb").touch()
    done = CliRunner().invoke(main, ["simulate", "--data", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr.startswith("Error: ")
    assert "Is a directory" in done.stderr


def test_folder_without_numbers_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(WrongFolder, match="no data folder"):
        load(tmp_path)
    folder = tmp_path / "data"
    with serving(folder, *OPTIONS):
        pass
    with pytest.raises(HistoryError, match=rf"{folder}: no number is in quarantine"):
        load(folder)


@pytest.mark.parametrize("damaged", ["folder_id", "journal/worker-0/data.mdb"])
def test_damaged_folder_is_a_failure_that_names_the_file(tmp_path: Path, damaged: str) -> None:
    folder = tmp_path / "data"
    with serving(folder, "--workers", "1", "--capacity", "100") as server, peer_of(server) as peer:
        peer.quarantine([FRIENDS], quarantined_at=[BEGAN])
        send(peer, FRIENDS, 5.1)
    path = folder / damaged
    content = bytearray(path.read_bytes())
    at = content.find(FRIENDS.to_bytes(8, "little"))
    content[at if at > 0 else 0] ^= 1
    path.write_bytes(content)
    done = CliRunner().invoke(main, ["simulate", "--data", str(folder)])
    assert done.exit_code == 4
    assert Path(damaged).parent.name in done.stderr
    assert f"`ringfence data verify {folder}` says more" in done.stderr
    assert done.stdout == ""


def test_copies_are_removed(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    load(data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 128 + 2)]
)
def test_simulation_that_is_ended_leaves_no_copies(
    data: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with change_snapshots(data, lambda: None):  # its journals are copied when this is over
        simulating = subprocess.Popen(
            [*COMMAND, "--data", str(data)],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert simulating.stderr is not None
        assert simulating.stderr.readline() == "waiting for a snapshot that is being taken\n"
        assert len(list(tmp_path.iterdir())) == 1
        simulating.send_signal(number)
        shown, said = simulating.communicate(timeout=DEADLINE_S)
    assert simulating.returncode == code
    assert (shown, said) == ("", "interrupted\n" if number == signal.SIGINT else "")
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_the_copies_is_said_as_it_is(data: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_memory(disk, 32 << 10):
        done = subprocess.run(
            [*COMMAND, "--data", str(data)],
            env={**os.environ, "TMPDIR": str(disk)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert list(disk.iterdir()) == []
    assert done.returncode == 4
    assert "No space left on device" in done.stderr
    assert done.stderr.endswith(f"; journals are copied to TMPDIR, {disk}\n")
    assert "data verify" not in done.stderr
    assert done.stdout == ""
