"""The shared server from the command line and from a client; see also `support.told_server`."""

import time
from collections.abc import Callable, Iterator

import pytest
from support.command_line import Ringfence, at
from support.server_process import ServerProcess

from ringfence import Client, Feed, Pool


@pytest.fixture
def ringfence(server: ServerProcess) -> Ringfence:
    """Runs the command with the shared server; checks the exit code (0 unless said)."""
    return at(server.address)


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


@pytest.fixture
def feed(client: Client, fresh_numbers) -> str:
    """A feed of its own for a test, and a pool of the same name that requires it."""
    name = f"feed-{fresh_numbers(1)[0]}"
    client.put_feed(Feed(name))
    client.put_pool(Pool(name, "default", (name,)))
    return name


@pytest.fixture
def quarantined(client: Client, feed: str, fresh_numbers) -> Callable[[int], list[int]]:
    """Numbers in quarantine, and observed, since 200 days."""

    since = int(time.time()) - 200 * 86_400

    def numbers(count: int) -> list[int]:
        fresh = fresh_numbers(count)
        client.quarantine_numbers(fresh, pool=feed, quarantined_at=since, observed_since=since)
        return fresh

    return numbers
