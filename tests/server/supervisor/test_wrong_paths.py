"""A path of another kind than it should be is named, with what is there and what is expected."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.nursery import run_ringfence

from ringfence.server.config.config import load_config
from ringfence.server.config.config_problems import ConfigError

pytestmark = pytest.mark.slow

Make = Callable[[Path], object]
FOLDER: Make = Path.mkdir
FILE: Make = Path.touch
DANGLING: Make = lambda path: path.symlink_to("nowhere")  # noqa: E731
NOT_THERE = "is a symbolic link to nowhere, which is not there"
WANTS_FILE = "is a folder of uid ", ", expected is a file"
WANTS_FOLDER = "is a file of uid ", ", expected is a folder"


@pytest.mark.parametrize(
    ("place", "make", "words"),
    [
        ("data", DANGLING, (NOT_THERE, ", expected is a folder")),
        ("data/lock", FOLDER, WANTS_FILE),
        ("data/folder_id", FOLDER, WANTS_FILE),
        ("data/caller_key", FOLDER, WANTS_FILE),
        ("data/start_id", FOLDER, WANTS_FILE),
        ("data/journals", FOLDER, WANTS_FILE),
        ("data/snapshots", FILE, WANTS_FOLDER),
    ],
)
def test_server_says_what_is_in_its_way(
    tmp_path: Path, place: str, make: Make, words: tuple[str, ...]
) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    make(path)
    serve = ("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0")
    done = run_ringfence(*serve, "--workers", "1", "--capacity", "1000")
    assert done.returncode == 4
    said = done.stderr.strip().splitlines()[-1]
    assert "cannot serve: " in said and "Errno" not in said
    for each in (f"{path}: ", str(path), *words):
        assert each in said


def test_folder_below_a_file_is_said_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_ringfence("serve", "--data", tmp_path / "file" / "data", "--capacity", "1000")
    assert done.returncode == 4
    assert f"{tmp_path}/file is a file of uid " in done.stderr


@pytest.mark.parametrize("command", ["verify", "backup", "restore"])
def test_data_commands_say_what_is_in_their_way(tmp_path: Path, command: str) -> None:
    data = tmp_path / "data"
    (data / "folder_id").mkdir(parents=True)
    (data / "caller_key").touch()
    (data / "journal" / "keeper").mkdir(parents=True)
    (data / "journal" / "keeper" / "data.mdb").touch()
    target = () if command == "verify" else (tmp_path / "target",)
    done = run_ringfence("data", command, data, *target)
    assert done.returncode == 4
    assert "Errno" not in done.stderr and "Traceback" not in done.stderr
    for words in (f"{data}/folder_id: ", *WANTS_FILE):
        assert words in done.stderr
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(("make", "words"), [(FOLDER, "expected is a file"), (DANGLING, NOT_THERE)])
def test_configuration_file_that_is_none_is_said(tmp_path: Path, make: Make, words: str) -> None:
    path = tmp_path / "ringfence.toml"
    make(path)
    with pytest.raises(ConfigError, match=words) as raised:
        load_config(path)
    assert str(raised.value).startswith(f"{path}: cannot be read: ")


def test_export_says_what_is_in_its_way(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "history.db").mkdir(parents=True)
    done = run_ringfence("data", "export", "quarantined", "--data", data)
    assert done.returncode == 4
    assert f"Error: {data}/history.db: Is a directory: " in done.stderr
    assert "expected is a file" in done.stderr
