"""`ringfence watch` as a process of its own against a told server: lines, cuts, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.command_line import Ringfence
from support.told_server import Servicer, abort, address, info, ringfence, servicer

from ringfence.v1 import number_service_pb2 as v1
from ringfence.v1 import types_pb2 as types_v1

pytestmark = pytest.mark.slow

__all__ = ["address", "ringfence", "servicer"]  # fixtures

CALLED = 447700900000
SECONDS = 1_750_000_000
S = grpc.StatusCode
STARTED = v1.WatchNumbersResponse()  # the server's first message
PATIENCE_S = 30.0


def message(offset: int) -> v1.WatchNumbersResponse:
    change = v1.NumberChange(
        number=CALLED + offset,
        pool="nl-mobile",
        previous=types_v1.VERDICT_CLEAN,
        current=types_v1.VERDICT_NOISY,
        changed_at=Timestamp(seconds=SECONDS),
    )
    return v1.WatchNumbersResponse(changes=[change])


@pytest.fixture
def silence() -> Iterator[Callable[[Any], None]]:
    """Says nothing more until the watch or the test ends."""
    over = threading.Event()

    def wait(context: grpc.ServicerContext) -> None:
        context.add_callback(over.set)
        over.wait(PATIENCE_S)

    yield wait
    over.set()


class Watching:
    """A running `ringfence watch`."""

    def __init__(self, address: str, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ringfence.cli", "watch", *options],
            env=os.environ | {"RINGFENCE_SERVER": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line of its output, which must come without more being printed."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def interrupted(self) -> tuple[int, str]:
        """Its exit code and what it wrote to standard error, after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        errors = self.process.communicate(timeout=PATIENCE_S)[1]
        return self.process.returncode, errors


@pytest.fixture
def watch(address: str) -> Iterator[Callable[..., Watching]]:
    started: list[Watching] = []

    def start(*options: str) -> Watching:
        started.append(Watching(address, *options))
        return started[-1]

    yield start
    for watching in started:
        if watching.process.poll() is None:
            watching.process.kill()
            watching.process.communicate()


def test_each_change_is_a_line_at_once_and_ctrl_c_is_the_end(
    servicer: Servicer, watch: Callable[..., Watching], silence: Any
) -> None:
    servicer.answer = lambda _: [STARTED, message(0), silence]
    watching = watch("--pool", "nl-mobile", "--verdict", "noisy", "--verdict", "CLEAN")
    assert watching.line().split() == [
        *("2025-06-15T15:06:40Z", f"+{CALLED}", "CLEAN", "->", "NOISY", "nl-mobile")
    ]
    assert watching.interrupted() == (0, "")
    assert servicer.requests == [
        v1.WatchNumbersRequest(
            pool="nl-mobile", verdicts=[types_v1.VERDICT_NOISY, types_v1.VERDICT_CLEAN]
        )
    ]


def test_a_change_in_json_has_the_fields_of_the_contract(
    servicer: Servicer, watch: Callable[..., Watching], silence: Any
) -> None:
    servicer.answer = lambda _: [STARTED, message(0), silence]
    watching = watch("--json")
    assert json.loads(watching.line()) == {
        "number": f"+{CALLED}",
        "pool": "nl-mobile",
        "previous": "CLEAN",
        "current": "NOISY",
        "changed_at": "2025-06-15T15:06:40Z",
    }
    watching.interrupted()


@pytest.mark.parametrize(
    "cut",
    [
        abort(S.ABORTED, info("SLOW_WATCHER"), text="too slow"),
        abort(S.UNAVAILABLE, info("DRAINING"), text="too slow"),
        abort(S.UNAVAILABLE, text="too slow"),
    ],
)
def test_a_cut_is_said_and_the_watch_goes_on(
    cut: Any, servicer: Servicer, watch: Callable[..., Watching], silence: Any
) -> None:
    told = [[STARTED, message(0), cut], [cut], [STARTED, message(1), silence]]
    servicer.answer = lambda _: told.pop(0)
    watching = watch()
    assert f"+{CALLED} " in watching.line()
    assert f"+{CALLED + 1} " in watching.line()
    code, errors = watching.interrupted()
    assert code == 0
    lines = errors.splitlines()
    assert lines[0] == "cut off, changes may be missed from here on: too slow"
    assert lines[-1] == "connected again"


def test_what_cannot_be_mended_ends_the_watch(servicer: Servicer, ringfence: Ringfence) -> None:
    servicer.answer = lambda _: [
        STARTED,
        message(0),
        abort(S.NOT_FOUND, info("NO_SUCH_POOL"), text="gone"),
    ]
    result = ringfence("watch", "--pool", "x", code=4)
    assert f"+{CALLED}" in result.stdout
    assert result.stderr == "Error: gone\n"


def test_a_watch_that_never_began_is_not_begun_again(
    servicer: Servicer, ringfence: Ringfence
) -> None:
    servicer.failures = [abort(S.UNIMPLEMENTED, text="WatchNumbers is not in this version")]
    assert "WatchNumbers is not in this version" in ringfence("watch", code=4).stderr
    servicer.answer = lambda _: [abort(S.UNAVAILABLE, info("KEEPER"), text="no keeper")]
    assert "no keeper" in ringfence("watch", code=4).stderr
    assert len(servicer.requests) == 2
    result = ringfence("watch", "--server", "127.0.0.1:1", code=3)
    assert "cannot reach the server at 127.0.0.1:1" in result.stderr
    ringfence("watch", "--verdict", "dirty", code=2)
