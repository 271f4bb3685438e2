"""What the service manager is told, and that nothing waits or fails when it does not listen."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.server.supervisor.sd_notify import tell


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket on which a service manager listens, named in the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        if request.param == "path":
            listening.bind(str(tmp_path / "notify"))
            monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        else:
            listening.bind("")  # the kernel gives it an abstract name
            name = listening.getsockname()
            monkeypatch.setenv("NOTIFY_SOCKET", "@" + name[1:].decode())
        yield listening


def test_lines_come_as_one_datagram(manager: socket.socket) -> None:
    tell("READY=1", "STATUS=at work")
    assert manager.recv(1024) == b"READY=1\nSTATUS=at work"


def test_manager_that_reads_nothing_holds_nobody_up(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100_000):
        tell("STATUS=at work")
        if caplog.records:
            break
    assert caplog.messages[0].startswith("the service manager was not told: STATUS=at work: ")


def test_manager_that_is_gone_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    tell("READY=1")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_without_a_manager_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell("READY=1")
    assert caplog.records == []
