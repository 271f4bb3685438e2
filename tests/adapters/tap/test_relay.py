"""A tshark that dies or hangs costs what it had in hands, says so, and another takes over."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.places import ROOT
from support.server_process import wait_until
from support.started_programs import started

from ringfence.adapters.tap.frames import Frame, frames_of
from ringfence.adapters.tap.packets import Packet
from ringfence.adapters.tap.relay import Lost, Mark, Relay, resident_bytes
from ringfence.adapters.tap.tshark import Tshark

with open(ROOT / "tests/data/core/map_calls.pcap", "rb") as _file:
    FRAMES = list(frames_of(_file))
FIRST, SECOND = FRAMES[:190], FRAMES[190:]


def inside(pid: int) -> int:
    """The process of tshark itself, inside of its sandbox."""
    return started("tshark", pid)


class Runs:
    """Starts tsharks, and remembers them."""

    def __init__(self) -> None:
        self.all: list[Tshark] = []

    def __call__(self) -> Tshark:
        self.all.append(Tshark())
        return self.all[-1]


def read_until(lines: Iterator[Packet | Mark | Lost], mark: int) -> list[Packet | Lost]:
    found: list[Packet | Lost] = []
    for printed in lines:
        if isinstance(printed, Mark):
            if printed.number == mark:
                return found
        else:
            found.append(printed)
    raise AssertionError(f"no mark {mark}")


def numbers(found: list[Packet | Lost]) -> list[int]:
    return [each.number for each in found if isinstance(each, Packet)]


def undisturbed(frames: list[Frame]) -> list[int]:
    """The numbers of the packets in frames that tshark prints."""
    with closing(Relay(Tshark)) as relay:
        for frame in frames:
            relay.give(frame)
        relay.mark(1)
        return numbers(read_until(relay.lines(), 1))


@pytest.mark.parametrize(
    ("signal_", "sandbox"),
    [(signal.SIGKILL, False), (signal.SIGSTOP, False), (signal.SIGKILL, True)],
)
def test_another_takes_over(signal_: signal.Signals, sandbox: bool) -> None:
    runs = Runs()
    with closing(Relay(runs, hangs_s=2.0)) as relay:
        lines = relay.lines()
        for frame in FIRST:
            relay.give(frame)
        relay.mark(1)
        before = read_until(lines, 1)
        pid = runs.all[0].pid
        program = inside(pid)
        os.kill(pid if sandbox else program, signal_)
        if signal_ is signal.SIGKILL:
            wait_until(lambda: not Path(f"/proc/{program}").exists())
        relay.give(SECOND[0])
        relay.mark(2)
        between = read_until(lines, 2)
        (lost,) = (each for each in between if isinstance(each, Lost))
        assert lost.why.startswith("tshark has ended: status=")
        for frame in SECOND[1:]:
            relay.give(frame)
        relay.mark(3)
        behind = read_until(lines, 3)
        assert all(isinstance(each, Packet) for each in behind)
        assert len(runs.all) == relay.replaced + 1 == 2
    expected = undisturbed(FRAMES)
    assert numbers(before) == [number for number in expected if number <= len(FIRST)]
    heard = numbers(between) + numbers(behind)
    rest = [number for number in expected if number > len(FIRST)]
    assert heard in (rest, rest[1:])  # what it had in hands is lost


def test_no_frame_is_lost_that_comes_after_the_loss_was_told() -> None:
    runs = Runs()
    with closing(Relay(runs)) as relay:
        lines = relay.lines()
        for frame in FIRST:
            relay.give(frame)
        relay.mark(1)
        read_until(lines, 1)
        os.kill(inside(runs.all[0].pid), signal.SIGKILL)
        assert isinstance(next(lines), Lost)
        at_once = SECOND[0]._replace(at_ns=FIRST[-1].at_ns)  # no beat of the relay before it
        for frame in (at_once, *SECOND[1:]):
            relay.give(frame)
        relay.mark(2)
        heard = read_until(lines, 2)
    assert numbers(heard) == [number for number in undisturbed(FRAMES) if number > len(FIRST)]
    assert len(numbers(heard)) == len(heard)


def test_nobody_waits_for_one_that_dies_at_a_full_pipe() -> None:
    runs = Runs()
    with closing(Relay(runs, hangs_s=2.0)) as relay:
        os.kill(inside(runs.all[0].pid), signal.SIGSTOP)

        def give() -> None:
            for _ in range(40):
                for frame in FRAMES:
                    relay.give(frame)
            relay.mark(1)

        giving = threading.Thread(target=give)
        giving.start()
        found = read_until(relay.lines(), 1)
        giving.join()
        assert sum(isinstance(each, Lost) for each in found) == 1
        assert numbers(found)


def test_one_that_grows_is_replaced() -> None:
    runs = Runs()
    with closing(Relay(runs, memory_max=1)) as relay:
        given = threading.Thread(target=lambda: _give_often(relay))
        given.start()
        found = read_until(relay.lines(), 1)
        given.join()
        assert relay.replaced >= 1
        assert not [each for each in found if isinstance(each, Lost)]
        assert len(set(numbers(found))) == len(numbers(found))
        assert resident_bytes(runs.all[-1].pid) > 1 << 20


def _give_often(relay: Relay) -> None:
    for _ in range(12):
        for frame in FRAMES:
            relay.give(frame)
    relay.mark(1)


def test_nothing_of_a_relay_is_left_when_it_is_closed() -> None:
    runs = Runs()
    with closing(Relay(runs)) as relay:
        relay.give(FRAMES[0])
        pid = inside(runs.all[0].pid)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    assert resident_bytes(pid) == 0
