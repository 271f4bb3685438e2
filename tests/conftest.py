"""Fixtures for tests that need a running server."""

import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import hypothesis
import pytest
from support.places import TESTS
from support.server_process import Peer, ServerProcess, peer_of, serving

pytest_plugins = ("support.no_skips",)

os.environ["PYTHONPATH"] = str(TESTS)  # for the processes that tests start from `support`
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a server is started hundreds of times

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # inherited from a shell's background job
    signal.signal(signal.SIGINT, signal.default_int_handler)  # so what tests start has Ctrl-C

hypothesis.settings.register_profile("unhurried", deadline=None)  # how long one takes is no fact
hypothesis.settings.load_profile("unhurried")


def pytest_xdist_auto_num_workers() -> int:
    """Processes that share the tests: more than cores, as a test also waits."""
    cores = len(os.sched_getaffinity(0))
    return 2 * cores


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with two workers that the tests of a module share; none of them may harm it."""
    data = tmp_path_factory.mktemp("shared") / "data"
    with serving(data, "--workers", "2", "--capacity", "10000") as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server with two workers for one test, which may kill what it likes."""
    with serving(tmp_path / "data", "--workers", "2", "--capacity", "10000") as running:
        yield running


@pytest.fixture
def peer(server: ServerProcess) -> Iterator[Peer]:
    """A connection to the shared server."""
    with peer_of(server) as connected:
        yield connected


@pytest.fixture(scope="module")
def fresh_numbers() -> Callable[[int], list[int]]:
    """Gives numbers, from the range for fiction, that no other test of the module uses."""
    unused = count(447700900000)
    return lambda wanted: [next(unused) for _ in range(wanted)]
