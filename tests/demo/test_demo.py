"""The demo as a user runs it: what it shows, and that nothing of it is left."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server_process import is_alive, wait_until

from ringfence.adapters.hep import read_datagram
from ringfence.demo.capture import SLOWER, ending_at, shipped_capture
from ringfence.server.folder.secret_file import read_secret

pytestmark = pytest.mark.slow


def start(folder: Path) -> "subprocess.Popen[str]":
    """The demo, with `folder` for its temporary files."""
    return subprocess.Popen(
        [sys.executable, "-m", "ringfence.cli", "demo"],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children}.union(*(descendants(int(c)) for c in children))


class Demo:
    """A running demo whose server is up, and where the server keeps its shared memory."""

    def __init__(self, folder: Path) -> None:
        self.process = start(folder)
        assert self.process.stdout is not None
        self.output = ""
        while "server" not in self.output:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self.output += line
        self.started = descendants(self.process.pid)
        (folder_id,) = folder.glob("ringfence-demo-*/data/folder_id")
        self.run_folder = Path("/dev/shm", f"ringfence-{read_secret(folder_id).hex()}")
        assert self.run_folder.exists()
        assert len(self.started) >= 4  # the server, its keeper and two workers

    def wait(self) -> str:
        """Waits for its end; returns what it wrote to standard error."""
        output, errors = self.process.communicate(timeout=300)
        self.output += output
        return errors


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A running demo, of which nothing may be left in the end."""
    demo = Demo(tmp_path)
    yield demo
    assert demo.process.poll() is not None
    wait_until(lambda: not [pid for pid in demo.started if is_alive(pid)])
    wait_until(lambda: not demo.run_folder.exists())


def test_demo_shows_what_became_of_the_numbers(demo: Demo, tmp_path: Path) -> None:
    errors = demo.wait()
    assert (demo.process.returncode, errors) == (0, "")
    assert not [pid for pid in demo.started if is_alive(pid)]
    assert not demo.run_folder.exists()
    assert list(tmp_path.iterdir()) == []
    assert "600 calls and messages" in demo.output
    shares = {
        verdict: int(count)
        for verdict, count in re.findall(r"^ +([A-Z]+) +([0-9]+) +█", demo.output, re.MULTILINE)
    }
    assert shares.keys() == {"CLEAN", "AGING", "NOISY"}
    assert sum(shares.values()) == 1_000
    told = [line.split()[-3:] for line in demo.output.splitlines() if line.endswith("feed.toml")]
    assert told == [["feeds", "put", "feed.toml"]]  # to type next
    broken = re.findall(r"^ +(\w.+?) +150 days +\d+ +(\d+) *$", demo.output, re.MULTILINE)
    assert {rule for rule, _ in broken} >= {
        "callers who tried more than once",
        "application messages",
    }
    assert sum(int(count) for _, count in broken) >= shares["NOISY"]
    assert "+447700900123  NOISY" in demo.output
    assert "caller 1 called 5 times" in demo.output
    clean = shares["CLEAN"] - 3
    assert f"+447700900000, +447700900001, +447700900002; {clean} clean" in demo.output
    assert " serve --data ringfence-data" in demo.output
    assert "1632960321" not in demo.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_demo_leaves_nothing(
    demo: Demo, tmp_path: Path, number: signal.Signals
) -> None:
    demo.process.send_signal(number)
    demo.wait()
    assert demo.process.returncode == 128 + signal.SIGINT
    assert not [pid for pid in demo.started if is_alive(pid)]
    assert not demo.run_folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_killed_demo_takes_its_processes_with_it(demo: Demo) -> None:
    demo.process.kill()
    demo.wait()


def test_capture_is_moved_and_stretched_and_changed_nowhere_else() -> None:
    datagrams = shipped_capture()
    now = int(time.time())
    before, after = (
        [read_datagram(datagram) for datagram in group]
        for group in (datagrams, ending_at(datagrams, now))
    )
    assert max(datagram.captured_at for datagram in after) == now
    last = max(datagram.captured_at for datagram in before)
    for old, new in zip(before, after, strict=True):
        assert abs((now - new.captured_at) - (last - old.captured_at) * SLOWER) <= SLOWER
        assert (new.payload, new.correlation) == (old.payload, old.correlation)
