"""A real PostgreSQL of the tests' own: a cluster in a temporary folder, on a unix socket there.

PostgreSQL refuses to run as root: then it runs as the user `postgres`, whom its package makes.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
USER = "postgres"
PATIENCE_S = 30.0
NEEDS_POSTGRESQL = pytest.mark.skipif(not PROGRAMS, reason="PostgreSQL is not installed")
DATABASES = ("sqlite", pytest.param("postgresql", marks=(NEEDS_POSTGRESQL, pytest.mark.slow)))
"""Parameters of a fixture that is there on each kind of database."""


class PostgresCluster:
    """A cluster that was made; `start` and `stop` as often as one likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._as = USER if os.geteuid() == 0 else None
        if self._as:
            shutil.chown(folder, self._as)
        self._run(
            "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            USER,
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._process = subprocess.Popen(
            [
                str(PROGRAMS[-1] / "postgres"),
                *("-D", str(self.folder / "data"), "-k", str(self.folder)),
                *("-c", "listen_addresses=", "-c", "fsync=off"),
                *("-c", "synchronous_commit=off", "-c", "log_min_messages=fatal"),
            ],
            user=self._as,
            cwd=self.folder,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                psycopg.connect(self._conninfo(USER)).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL does not start"
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends it at once, and all connections to it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE_S)
            self._process = None

    def new_database(self, options: str = "ENCODING 'UTF8' TEMPLATE template0") -> str:
        """The URL of an empty database."""
        self._databases += 1
        name = f"history_{self._databases}"
        with psycopg.connect(self._conninfo(USER), autocommit=True) as connection:
            statement = f"CREATE DATABASE {name} {options}"
            connection.execute(statement)  # type: ignore[arg-type]  # not a literal
        return f"postgresql+psycopg://{USER}@/{name}?host={self.folder}"

    def _conninfo(self, database: str) -> str:
        return f"host={self.folder} user={USER} dbname={database}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(PROGRAMS[-1] / program), *arguments],
            user=self._as,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )


@contextmanager
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A running cluster, ended and removed at the end whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="rfpg-", dir="/tmp"))  # short: it holds a socket
    try:
        if os.geteuid() == 0:
            pwd.getpwnam(USER)
        cluster = PostgresCluster(folder)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)
