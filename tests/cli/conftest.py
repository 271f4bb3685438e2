"""The shared server from the command line and from a client; see also `support.told_server`."""

from collections.abc import Iterator

import pytest
from support.command_line import Ringfence, at
from support.server_process import ServerProcess

from ringfence import Client


@pytest.fixture
def ringfence(server: ServerProcess) -> Ringfence:
    """Runs the command with the shared server; checks the exit code (0 unless said)."""
    return at(server.address)


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected
