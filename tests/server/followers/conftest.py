"""What the tests of the history share."""

from collections.abc import Iterator

import pytest
from support.postgres_cluster import PostgresCluster, postgres_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[PostgresCluster]:
    """A PostgreSQL that runs at the begin of each test, and gives each a database of its own."""
    with postgres_cluster() as running:
        yield running
