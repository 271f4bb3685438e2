"""`adapter cdr --follow` as a process beside a real server, killed at any step: each call once."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cdr_follower import (
    FEED,
    command,
    events_at,
    following,
    gaps_until,
    times_of,
    wait_for,
)
from support.cdr_writer import CALLERS, NUMBERS, CdrWriter, asterisk, freeswitch_json
from support.programs import free_ports
from support.run_seed import run_seed
from support.server_process import ServerProcess, serving

from ringfence import Client, Feed

pytestmark = pytest.mark.slow

DAY_S = 86_400
SEEDS = [run_seed() + number for number in range(3)]


@pytest.fixture
def address() -> str:
    """Where a server is that may be started again."""
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


@pytest.fixture
def options(tmp_path: Path, address: str) -> Iterator[tuple[str, ...]]:
    config = tmp_path / "ringfence.toml"
    config.write_text("[spray]\nnumbers = 0\n")
    yield ("--workers", "1", "--capacity", "2000", "--config", str(config))


@pytest.fixture
def server(tmp_path: Path, address: str, options: tuple[str, ...]) -> Iterator[ServerProcess]:
    """A server whose numbers are all in quarantine, and that holds no caller for a robot."""
    with serving(tmp_path / "data", *options, listen=address) as running:
        with Client(running.address) as client:
            client.put_feed(Feed(FEED))
            client.quarantine_numbers(NUMBERS, quarantined_at=int(time.time()) - DAY_S)
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


@pytest.fixture
def writer(tmp_path: Path) -> CdrWriter:
    (tmp_path / "cdr").mkdir()
    return CdrWriter(tmp_path / "cdr" / "Master.csv", int(time.time()) - 10_000)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_follower_that_is_killed_at_every_step_loses_no_call_and_counts_none_twice(
    seed: int, writer: CdrWriter, server: ServerProcess, client: Client, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    print(f"seed={seed}")
    said = tmp_path / "said"
    what = writer.path if seed % 2 else writer.path.parent
    steps = ("write", "legs", "tear", "rotate", "pack", "wait")
    for _ in range(8):
        with following(server.address, said, str(what), "--longest-call", "1") as adapter:
            if chance.random() < 0.7:
                adapter.wait_ready()
            for step in chance.choices(steps, (12, 8, 4, 2, 2, 8), k=chance.randrange(25)):
                if step == "write":
                    writer.write(*writer.call())
                elif step == "legs":
                    writer.write(*writer.call(legs=chance.randint(2, 3)))
                elif step == "tear":
                    (record,) = writer.call()
                    writer.tear(record, chance.randrange(len(record)))
                elif step in {"rotate", "pack"} and not writer.is_torn:
                    writer.rotate(packed=step == "pack", keep=99)
                else:
                    time.sleep(chance.random() / 2)
            if chance.random() < 0.2:
                adapter.wait_ready()
                adapter.end(signal.SIGTERM)
            else:
                adapter.end(signal.SIGKILL)
        writer.write(*writer.call(legs=2))
    writer.write(b"")
    with following(server.address, said, str(what), "--longest-call", "1") as adapter:
        wait_for(client, writer.truth)
        adapter.end(signal.SIGTERM)
    called = [called for called, *_ in writer.truth]
    assert events_at(client, called) == times_of(writer.truth)
    assert "441632960" not in said.read_text()


def test_time_is_claimed_over_a_kill_and_a_rotation_when_no_call_may_still_come(
    writer: CdrWriter, server: ServerProcess, client: Client, tmp_path: Path
) -> None:
    said, state = tmp_path / "said", tmp_path / "state"
    arguments = (str(writer.path), "--longest-call", "2", "--state", str(state))
    with following(server.address, said, *arguments) as adapter:
        adapter.wait_ready()
        writer.write(*writer.call())
        wait_for(client, writer.truth)
        began = time.time() + 1
        gaps_until(client, began)
        assert time.time() - began > 1, "not before the longest call is over"
        adapter.end(signal.SIGKILL)
    writer.write(*writer.call())
    writer.rotate()
    writer.write(*writer.call())
    time.sleep(1)
    with following(server.address, said, *arguments) as adapter:
        gaps = gaps_until(client, time.time())
        adapter.end(signal.SIGTERM)
    assert [gap for gap in gaps if gap[0] > began] == [], said.read_text()
    assert events_at(client, NUMBERS[:3]) == times_of(writer.truth)
    writer.path.unlink()
    with following(server.address, said, *arguments) as adapter:
        gaps = gaps_until(client, time.time() + 1)
        adapter.end(signal.SIGTERM)
    assert [gap for gap in gaps if gap[0] > began], "others may have come and gone"
    assert "was written to before" in said.read_text()


def test_a_server_that_is_down_for_a_while_gets_all_of_it(
    writer: CdrWriter,
    server: ServerProcess,
    address: str,
    options: tuple[str, ...],
    tmp_path: Path,
) -> None:
    said = tmp_path / "said"
    with following(address, said, str(writer.path)) as adapter:
        adapter.wait_ready()
        writer.write(*writer.call())
        with Client(address) as client:
            wait_for(client, writer.truth)
        assert server.stop() == 0
        for _ in range(50):
            writer.write(*writer.call())
        writer.rotate(packed=True)
        writer.write(*writer.call())
        time.sleep(2)
        adapter.end(signal.SIGKILL)
        with following(address, said, str(writer.path)) as second:
            second.wait_ready()
            time.sleep(1)
            with serving(tmp_path / "data", *options, listen=address), Client(address) as client:
                wait_for(client, writer.truth)
                second.end(signal.SIGTERM)
                assert events_at(client, NUMBERS) == times_of(writer.truth)
    assert "nobody answers at" in said.read_text()


def test_objects_of_a_directory_are_read_while_they_come(
    server: ServerProcess, client: Client, tmp_path: Path
) -> None:
    folder, said = tmp_path / "json", tmp_path / "said"
    folder.mkdir()
    began_at, truth = int(time.time()) - 1_000, []
    arguments = (str(folder), "--pattern", "*.cdr.json")
    for run in range(3):
        with following(server.address, said, *arguments, format_="freeswitch-json") as adapter:
            for call in range(run * 20, run * 20 + 20):
                called, caller, at = NUMBERS[call], CALLERS[call], began_at + call
                path = folder / f"{call}.cdr.json"
                path.write_bytes(freeswitch_json(called, caller, at, call))
                truth.append((called, caller, at, 1))
            if run != 1:
                wait_for(client, truth)
            adapter.end(signal.SIGKILL if run < 2 else signal.SIGTERM)
    assert events_at(client, NUMBERS[:100]) == times_of(truth)
    assert "event=" in said.read_text()


def test_a_plain_import_that_is_killed_and_run_again_counts_each_call_once(
    server: ServerProcess, client: Client, tmp_path: Path
) -> None:
    """Killed after a random while, in which it may have read nothing, some, or all."""
    seed = run_seed()
    chance = random.Random(seed)
    print(f"seed={seed}")
    began_at = int(time.time()) - 20_000
    lines, truth = [], []
    for call in range(400):
        called, caller, at = NUMBERS[call], CALLERS[call], began_at + 3 * call
        truth.append((called, caller, at, 1))
        lines += [asterisk(called, caller, at + leg, call, leg) for leg in range(2)]
    files = [tmp_path / f"Master.csv.{number}" for number in (1, 2, 3)]
    for number, path in enumerate(files):
        path.write_bytes(b"".join(lines[number * 267 : (number + 1) * 267]))
    arguments = command(server.address, "asterisk", *map(str, files))
    for _ in range(12):
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=0.3 + chance.random())
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    subprocess.run(arguments, check=True, capture_output=True)
    assert events_at(client, NUMBERS) == times_of(truth)
