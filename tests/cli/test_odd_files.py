"""Whatever a file is, every command that reads it ends with an error in words."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.server_process import ServerProcess

from ringfence import Client, Feed
from ringfence.cli import main

Ringfence = Callable[..., Result]
FEED = "sip-1"
EVENTS = b"called,caller,at,kind\n" + b"".join(
    b"+4477009000%02d,,2026-03-01,CALL\n" % place for place in range(40)
)
NUMBERS = b"number\n" + b"".join(b"+4477009000%02d\n" % place for place in range(40))

COMMANDS: dict[str, tuple[str, ...]] = {
    "import": ("import", "events", "FILE", "--feed", FEED),
    "quarantine": ("quarantine", "--dry-run", "--file", "FILE"),
    "check": ("check", "--file", "FILE"),
    "hold": ("hold", "--file", "FILE"),
    "reserve": ("reserve", "default", "--file", "FILE"),
    "simulate events": ("simulate", "--events", "FILE", "--numbers-file", "GOOD"),
    "simulate numbers": ("simulate", "--events", "GOOD", "--numbers-file", "FILE"),
    "simulate policy": ("simulate", "--policy", "FILE", "--days", "1"),
    "policies put": ("policies", "put", "FILE", "--yes"),
    "pools put": ("pools", "put", "FILE", "--yes"),
    "feeds put": ("feeds", "put", "FILE", "--yes"),
    "serve": ("serve", "--data", "DATA", "--config", "FILE"),
    "export": ("data", "export", "aging-report", "--config", "FILE"),
    "verify": ("data", "verify", "FILE"),
    "backup": ("data", "backup", "FILE", "DATA"),
    "restore": ("data", "restore", "FILE", "DATA"),
    "replay": ("adapter", "hep", "--feed", FEED, "--country", "44", "--replay", "FILE"),
    "tls": ("status", "--tls-ca", "FILE", "--timeout", "2"),
}
TABLES = ("import", "quarantine", "check", "hold", "reserve", "simulate events", "simulate numbers")


def damaged(whole: bytes) -> bytes:
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]


PACKED = gzip.compress(EVENTS)
ODD: dict[str, bytes] = {
    "one byte of gzip": b"\x1f",
    "the beginning of gzip": b"\x1f\x8b",
    "half a gzip header": PACKED[:7],
    "another kind of gzip": b"\x1f\x8b\x63" + PACKED[3:],
    "damaged gzip": damaged(PACKED),
    "gzip with something behind it": PACKED + b"behind it",
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(range(256)) * 20,
    "zeros": bytes(4_096),
    "any bytes": bytes(range(256)) * 1_024,
    "a long line": b"x" * 300_000,
    "an open quote": b'called,caller,at,kind\n"' + b"x" * 300_000,
    "half a character of UTF-16": b"\xff\xfec\x00a",
}


@pytest.fixture(scope="module")
def ringfence(server: ServerProcess) -> Iterator[Ringfence]:
    with Client(server.address) as client:
        client.put_feed(Feed(FEED))

    def run(*arguments: str) -> Result:
        env = {"RINGFENCE_SERVER": server.address}
        return CliRunner().invoke(main, list(arguments), env=env)

    yield run


def told(result: Result) -> str:
    """What went wrong, which must be said, and with an exit code for it."""
    said = result.stderr
    assert result.exit_code in (1, 2, 3, 4), (result.exit_code, result.output, result.exception)
    assert "Error: " in said or "damaged" in said, result.output
    assert "Aborted" not in said
    assert "Traceback" not in said
    return said


def arguments_of(command: str, odd: Path, tmp_path: Path) -> list[str]:
    good = tmp_path / "good.csv"
    good.write_bytes(b"number,quarantined_at\n+447700900000,2026-01-01\n")
    paths = {"FILE": str(odd), "GOOD": str(good), "DATA": str(tmp_path / "data")}
    return [paths.get(word, word) for word in COMMANDS[command]]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_odd_file_is_an_error_in_words(ringfence, tmp_path, command, kind) -> None:
    odd = tmp_path / "odd.csv"
    odd.write_bytes(ODD[kind])
    said = told(ringfence(*arguments_of(command, odd, tmp_path)))
    if "gzip" in kind and command in TABLES and kind != "one byte of gzip":
        assert "odd.csv" in said
        assert "the file is damaged or cut off" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_or_what_is_not_there_is_an_error_in_words(ringfence, tmp_path, command) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        told(ringfence(*arguments_of(command, path, tmp_path)))


@pytest.mark.parametrize("command", COMMANDS)
def test_what_cannot_be_read_is_an_error_in_words(ringfence, tmp_path, command) -> None:
    """No byte of this one can be read, not even by root."""
    said = told(ringfence(*arguments_of(command, Path("/proc/self/mem"), tmp_path)))
    assert "/proc/self/mem" in said or "tls" in command


@pytest.mark.parametrize("command", ["import", "quarantine", "check"])
def test_a_gzip_that_is_cut_anywhere_is_told(ringfence, tmp_path, command) -> None:
    whole = gzip.compress(EVENTS if command == "import" else NUMBERS)
    odd = tmp_path / "cut.csv.gz"
    for length in range(2, len(whole)):
        odd.write_bytes(whole[:length])
        result = ringfence(*arguments_of(command, odd, tmp_path))
        assert result.exit_code == 2, (length, result.output, result.exception)
        assert "cut.csv.gz, the file is damaged or cut off: " in result.stderr, length
    assert sorted(os.listdir(tmp_path)) == ["cut.csv.gz", "good.csv"]
