"""A server on a unix socket: open to its user alone, claimed for one server, left by none."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from support.server_process import ServerProcess, serving, wait_until

from ringfence import Client
from ringfence.cli import main
from ringfence.server.config.address import check_address, socket_path
from ringfence.server.config.config import load_config
from ringfence.server.config.config_problems import ConfigError
from ringfence.server.folder.data_folder import StartError
from ringfence.server.supervisor.listen_address import hold_address

SMALL = ("--capacity", "10000")


@pytest.fixture
def path() -> Iterator[Path]:
    with TemporaryDirectory(prefix="ringfence-") as folder:  # a path of pytest's may be too long
        yield Path(folder, "socket")


@pytest.mark.slow
def test_a_server_listens_on_a_path_that_only_its_user_may_open(path: Path, tmp_path: Path) -> None:
    address = f"unix:{path}"
    with serving(tmp_path / "data", *SMALL, listen=address) as server:
        assert server.address == address
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        told = CliRunner().invoke(main, ["status"], env={"RINGFENCE_SERVER": address})
        assert told.exit_code == 0, told.output
        server.kill("worker-0")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with Client(address) as client:
            assert client.get_status().workers == 1
    assert not path.exists()


@pytest.mark.slow
def test_a_socket_that_a_killed_server_left_is_taken_and_one_in_use_is_not(
    path: Path, tmp_path: Path
) -> None:
    address = f"unix:{path}"
    killed = ServerProcess(tmp_path / "killed", *SMALL, listen=address)
    assert killed.address == address, killed.log
    worker = killed.pid("worker-0")
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.end()
    wait_until(lambda: not Path(f"/proc/{worker}").exists())
    assert path.exists()
    with serving(tmp_path / "data", *SMALL, listen=address):
        second = ServerProcess(tmp_path / "second", *SMALL, listen=address)
        assert second.ready_line == ""
        assert second.process.wait(30) == 4
        assert f"cannot listen on {address}: another server does" in second.log
        second.end()
        with Client(address) as client:
            assert client.get_status().workers == 1


def test_what_is_no_socket_or_has_another_listener_stays(path: Path) -> None:
    path.write_text("a file")
    with (
        pytest.raises(StartError, match="it is there, and is no socket"),
        hold_address(f"unix:{path}"),
    ):
        pass
    assert path.read_text() == "a file"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(StartError, match="another process does"), hold_address(f"unix:{path}"):
            pass
        assert path.exists()
    with hold_address(f"unix:{path}") as address:  # nobody listens any more
        assert address == f"unix:{path}"
        assert not path.exists()
    with pytest.raises(StartError, match="absent"), hold_address(f"unix:{path.parent}/absent/x"):
        pass


def test_workers_cannot_share_a_socket() -> None:
    with pytest.raises(ConfigError, match=r"server\.workers: value=2, bound=1 on a unix socket"):
        load_config(listen="unix:/run/socket", workers=2)
    assert load_config(listen="unix:/run/socket", workers=0).server.workers == 1
    assert load_config(listen="unix:/run/socket").server.workers == 1


def test_a_path_begins_at_the_root_and_fits_the_kernel() -> None:
    assert socket_path("unix:/run/socket") == "/run/socket"
    assert socket_path("127.0.0.1:50051") is None
    for text in ("unix:", "unix:socket", "unix:/run/", "unix:/" + 107 * "x"):
        with pytest.raises(ValueError, match="bound="):
            check_address(text)
    check_address("unix:/" + 106 * "x")


def test_an_adapter_cannot_listen_on_a_path() -> None:
    arguments = ["adapter", "hep", "--listen", "unix:/run/x", "--feed", "a", "--country", "44"]
    assert CliRunner().invoke(main, arguments).exit_code == 2
