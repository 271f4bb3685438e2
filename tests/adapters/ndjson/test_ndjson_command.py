"""`ringfence adapter ndjson` as a process: a pipe that stays open, and files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.server_process import Peer, ServerProcess, wait_until
from support.told_claims import gaps_of, put_feed, status_of

from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
FEED = "switch-1"


def command(server: str, *arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ringfence.cli", "adapter", "ndjson", "--server", server),
        *("--feed", FEED, "--country", "44", *arguments),
    ]


@contextmanager
def running(server: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The adapter, ready, with a pipe to write into; gone at the end of the block."""
    with subprocess.Popen(
        command(server, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ringfence adapter ndjson ready input=-")
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def write(process: subprocess.Popen[str], *lines: str) -> None:
    assert process.stdin is not None
    process.stdin.write("".join(f"{line}\n" for line in lines))
    process.stdin.flush()


def event(called: int, **values: object) -> str:
    return json.dumps(
        {"called": f"+{called}", "occurred_at": int(time.time()), "kind": "CALL", **values}
    )


@pytest.fixture
def number(peer: Peer, fresh_numbers) -> int:
    put_feed(peer, FEED, silence_max={"seconds": 86_400})
    (fresh,) = fresh_numbers(1)
    peer.quarantine([fresh], quarantined_at=[int(time.time()) - 1_000])
    return fresh


def events_total(peer: Peer, number: int) -> int:
    request = numbers.GetNumberRequest(number=number)
    return peer.numbers.GetNumber(request, timeout=10).events_total


def test_events_come_as_they_are_written_and_the_end_of_input_is_the_end(
    server: ServerProcess, peer: Peer, number: int
) -> None:
    with running(server.address, "-") as process:
        write(process, event(number, id="a"), event(number, id="a"), "{", event(number, id="b"))
        wait_until(lambda: events_total(peer, number) == 2)
        assert process.stdin is not None
        process.stdin.write(event(number, caller="+441632960321"))  # without an end of line
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    assert events_total(peer, number) == 3
    assert "read event=3 json_unreadable=1 repeat=1" in said
    assert "sent accepted=3 untracked=0 rejected=0" in said
    assert "441632960321" not in said


def test_time_is_claimed_where_a_line_says_that_it_was_heard(
    server: ServerProcess, peer: Peer, number: int
) -> None:
    with running(server.address) as process:
        began = int(time.time())
        write(process, event(number))
        wait_until(lambda: events_total(peer, number) == 1)

        def heard(since: int, until: int) -> None:
            write(process, json.dumps({"heard_from": since, "heard_to": until}))
            write(process, event(number))  # a batch goes now, and not at the next heartbeat

        def claimed(until: int) -> bool:
            return status_of(peer, FEED).watermark.seconds >= until

        assert status_of(peer, FEED).watermark.seconds < began
        wait_until(lambda: time.time() >= began + 4)
        heard(began - 100, began + 4)
        wait_until(lambda: claimed(began + 4))
        write(process, "{")  # whatever that was, it was after that
        wait_until(lambda: time.time() >= began + 8)
        heard(began - 100, began + 8)
        wait_until(lambda: claimed(began + 8))
        assert len(gaps_of(peer, FEED)) >= 1
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said


def test_a_file_on_standard_input_and_no_input_end_by_themselves(
    server: ServerProcess, peer: Peer, number: int, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(f"{event(number, id=str(each))}\n" for each in range(5_000)))
    for given, count in ((path, 5_000), (Path(os.devnull), 0)):
        with given.open("rb") as file:
            done = subprocess.run(
                command(server.address),
                stdin=file,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        assert f"sent accepted={count} " in done.stderr
    assert events_total(peer, number) == 5_000


def test_a_writer_of_garbage_does_not_stop_it_nor_make_it_grow(
    server: ServerProcess, peer: Peer, number: int
) -> None:
    with running(server.address) as process:
        assert process.stdin is not None
        status = Path(f"/proc/{process.pid}/status")

        def resident_kib() -> int:
            (line,) = [each for each in status.read_text().splitlines() if "VmRSS" in each]
            return int(line.split()[1])

        before = resident_kib()
        pipe = process.stdin.buffer
        for _ in range(200):  # a line of 100 MiB
            pipe.write(b"[" * (1 << 19))
        pipe.write(b"\n" + b"\xff\x00" * 100_000 + b"\n" + b"\n" * 100_000)
        write(process, event(number))
        wait_until(lambda: events_total(peer, number) == 1)
        assert resident_kib() - before < 40_960
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    assert "event=1 line_too_long=2" in said


@pytest.mark.parametrize("given", ["0<&-", "0>/dev/null"])
def test_an_input_that_cannot_be_read_is_said(server: ServerProcess, given: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {given}', "sh", *command(server.address)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "standard input is closed, or only open for writing" in done.stderr
    assert "ready" not in done.stdout


def test_what_is_meant_for_files_goes_with_files(server: ServerProcess, tmp_path: Path) -> None:
    for arguments, words in (
        (("--complete-from", "2026-01-01"), "in standard input lines with heard_from"),
        (("-", str(tmp_path)), "goes with no file"),
    ):
        done = subprocess.run(
            command(server.address, *arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, "COLUMNS": "300"},
        )
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
