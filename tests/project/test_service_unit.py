"""The unit for systemd: what it allows, and a server that is started as systemd would start it."""

import configparser
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from support.places import ROOT
from support.server_process import DEADLINE_S, PATIENCE_S

from ringfence.v1 import quarantine_service_pb2 as commands
from ringfence.v1 import quarantine_service_pb2_grpc as commands_grpc

pytestmark = pytest.mark.slow

SYSTEMD = ROOT / "packaging/systemd"
UNIT = SYSTEMD / "ringfence.service"
UNITS = sorted(SYSTEMD.glob("*.service"))
PROGRAM, DATA, CONFIG = (
    *("/opt/ringfence/bin/ringfence", "/var/lib/ringfence/data"),
    "/etc/ringfence/ringfence.toml",
)
NOBODY = 65534  # stands in for the unit's user, which is there where it is installed only
# No group, and no capability but one: the checkout, or its Python, may lie where nobody may look.
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"),
    *(f"--{caps}-caps=-all,+dac_read_search" for caps in ("inh", "ambient")),
    "--bounding-set=-all,+dac_read_search",
)
EXPOSURE_MAX = 29  # in tenths, as systemd-analyze has it

# What else of the unit's bounds a process can set itself: MemoryDenyWriteExecute and UMask.
BOUNDED = """
import ctypes, os
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE, since Linux 6.3
os.umask(0o077)
from ringfence.cli import main
main()
"""


@pytest.fixture
def service() -> configparser.SectionProxy:
    """The unit's [Service]; of a key that stands there more than once the last one."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text("utf-8"))
    return unit["Service"]


def tool(name: str) -> str:
    """The path of one of systemd's programs."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: systemd)")
    return path


def run(*command: str | Path) -> str:
    """All that a command says, which must succeed."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_rates_its_exposure_below_three(unit: Path) -> None:
    rating = (tool("systemd-analyze"), "security", "--offline=true", "--no-pager")
    said = run(*rating, f"--threshold={EXPOSURE_MAX}", unit)
    print(said.splitlines()[-1])


def test_systemd_finds_no_fault_in_them(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text("utf-8").replace(PROGRAM, sys.executable)
        (tmp_path / unit.name).write_text(text)
    verified = (tool("systemd-analyze"), "verify")
    assert run(*verified, *(tmp_path / unit.name for unit in UNITS)) == ""


def test_adapter_is_started_with_options_that_it_has() -> None:
    text = (SYSTEMD / "ringfence-hep.service").read_text("utf-8")
    line = next(each for each in text.splitlines() if each.startswith("ExecStart="))
    words = shlex.split(line.removeprefix("ExecStart="))
    assert words[0] == PROGRAM
    values = {
        "${LISTEN}": "127.0.0.1:0",
        "${FEED}": "sip-1",
        "${COUNTRY}": "44",
        "${SERVER}": "127.0.0.1:1",  # nobody listens there: it is waited for
    }
    arguments = [values.get(word, word) for word in words[1:]]
    with subprocess.Popen(
        [sys.executable, "-m", "ringfence.cli", *arguments, "--timeout", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as adapter:
        assert adapter.stdout is not None
        assert adapter.stdout.readline().startswith("ringfence adapter hep ready ")
        adapter.terminate()


def test_its_user_and_folders_are_made(tmp_path: Path, service: configparser.SectionProxy) -> None:
    root = f"--root={tmp_path}"
    (tmp_path / "etc").mkdir()
    run(tool("systemd-sysusers"), root, SYSTEMD / "sysusers.d/ringfence.conf")
    users = [line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    (user,) = [each for each in users if each[0] == service["User"]]
    assert int(user[2]) < 1_000  # of the system: logind leaves what it has in /dev/shm
    if os.geteuid() == 0:  # else folders cannot be given away
        run(tool("systemd-tmpfiles"), root, "--create", SYSTEMD / "tmpfiles.d/ringfence.conf")
        modes = {
            path: (oct((tmp_path / path).stat().st_mode & 0o777), (tmp_path / path).stat().st_uid)
            for path in ("etc/ringfence", "var/lib/ringfence")
        }
        assert modes == {
            "etc/ringfence": ("0o750", 0),
            "var/lib/ringfence": ("0o700", int(user[2])),
        }


class Manager:
    """As much of systemd as starts a service: its socket, and a server with the unit's line."""

    def __init__(self, folder: Path, service: configparser.SectionProxy) -> None:
        words = shlex.split(service["ExecStart"])
        assert words[0] == PROGRAM
        assert {DATA, CONFIG} < set(words)
        self.data = folder / "data"
        config = folder / "ringfence.toml"
        config.write_text('[server]\nlisten = "127.0.0.1:0"\nworkers = 1\ncapacity_numbers = 100\n')
        places = {DATA: str(self.data), CONFIG: str(config)}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.settimeout(PATIENCE_S)
        self.user = NOBODY if os.geteuid() == 0 else os.geteuid()
        for path in (folder, config, folder / "notify"):
            os.chown(path, self.user, -1)
        self.process = subprocess.Popen(
            [
                *(AS_NOBODY if self.user != os.geteuid() else ()),
                *(sys.executable, "-c", BOUNDED),
                *(places.get(word, word) for word in words[1:]),
            ],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": str(folder / "notify")},
            stdin=subprocess.DEVNULL,
        )

    def hear(self) -> list[str]:
        """The lines of the next message, which the unit lets its first process alone send."""
        message, credentials, _, _ = self._socket.recvmsg(4_096, socket.CMSG_SPACE(12))
        assert struct.unpack("iii", credentials[0][2])[0] == self.process.pid
        return message.decode().split("\n")

    def end(self) -> None:
        """Leaves nothing behind, in /dev/shm neither."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self._socket.close()


@pytest.fixture
def manager(service: configparser.SectionProxy) -> Iterator[Manager]:
    """A manager with the server that it started."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ended:
        running = Manager(Path(folder), service)
        ended.callback(running.end)
        yield running


def test_server_tells_what_it_does_from_its_start_to_its_stop(
    manager: Manager, service: configparser.SectionProxy
) -> None:
    assert (service["Type"], service.get("NotifyAccess", "main")) == ("notify", "main")
    assert manager.hear() == ["STATUS=bringing back what was kept"]
    ready, status = manager.hear()
    assert (ready, status[:17]) == ("READY=1", "STATUS=127.0.0.1:")
    with grpc.insecure_channel(status.partition("=")[2].split()[0]) as channel:
        asked = commands_grpc.QuarantineServiceStub(channel)
        answer = asked.GetStatus(commands.GetStatusRequest(), timeout=DEADLINE_S)
        assert answer.capacity_numbers == 100
    kept = [path.stat() for path in manager.data.rglob("*")]
    assert {each.st_uid for each in kept} == {manager.user}
    assert [each for each in kept if each.st_mode & 0o077] == []
    manager.process.send_signal(signal.SIGTERM)
    assert manager.hear()[0] == "STOPPING=1"
    assert manager.process.wait(PATIENCE_S) == 0


def test_stop_is_given_more_time_than_a_server_takes(service: configparser.SectionProxy) -> None:
    assert int(service["TimeoutStopSec"].removesuffix("s")) > 10
    assert service["TimeoutStartSec"] == "infinity"  # long journals take long
