"""`ringfence adapter hep` says at its start what is wrong with the server or the feed."""

import select
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.hep_adapter import PATIENCE_S, Adapter, adapter, command
from support.server_process import ServerProcess, serving, wait_until

from ringfence import Client, Feed
from ringfence.cli import main

pytestmark = pytest.mark.slow


def said_first(server: str, feed: str) -> str:
    """The first line that an adapter says on standard error, before anybody stops it."""
    arguments = ("--listen", "127.0.0.1:0", "--country", "44", "--timeout", "1")
    with subprocess.Popen(
        command(*arguments, "--server", server, "--feed", feed),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        try:
            heard, _, _ = select.select([running.stderr], [], [], PATIENCE_S)
            return running.stderr.readline() if heard else "nothing"
        finally:
            running.terminate()
            running.communicate(timeout=PATIENCE_S)


def test_nobody_at_the_address_of_the_server_is_said_at_once() -> None:
    said = said_first("127.0.0.1:1", "sip-1")
    assert said.startswith("ringfence adapter hep: nobody answers at 127.0.0.1:1: ")


def test_a_feed_that_is_not_registered_is_said_at_once(server: ServerProcess) -> None:
    said = said_first(server.address, "sip-1")
    assert said.startswith(
        f"ringfence adapter hep: feed sip-1 is not registered at {server.address}: "
    )


def test_nothing_is_said_of_a_registered_feed(server: ServerProcess, tmp_path: Path) -> None:
    with Client(server.address) as client:
        client.put_feed(Feed("sip-2"))
    arguments = ("--country", "44", "--server", server.address, "--feed", "sip-2")
    empty = tmp_path / "empty.bin"
    empty.write_bytes(b"")
    done = subprocess.run(
        command(*arguments, "--replay", str(empty)),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "registered" not in done.stderr
    assert "nobody" not in done.stderr


def test_a_server_that_goes_and_comes_back_is_told_once_each(tmp_path: Path) -> None:
    data, room = tmp_path / "data", ("--workers", "1", "--capacity", "1000")
    with serving(data, *room) as server, adapter(server.address) as running:
        address = server.address
        with Client(address) as client:
            client.put_feed(Feed("sip-1"))
            wait_until(lambda: next(iter(client.list_feeds())).watermark is not None)
        assert running.process.stderr is not None
        server.process.kill()
        server.process.wait()
        said = [line_with("does not answer any more", running)]
        with serving(data, *room, listen=address):
            said.append(line_with("answers again", running))
        _, more = running.stop()
    told = "".join([*said, more])
    assert told.count("does not answer any more") <= 2  # it is stopped while nobody is there
    assert told.count("answers again") == 1


def line_with(words: str, running: Adapter) -> str:
    """All that is said up to a line with these words."""
    assert running.process.stderr is not None
    said = ""
    while line := running.process.stderr.readline():
        said += line
        if words in line:
            return said
    raise AssertionError(said)


def test_the_country_may_come_from_the_environment(server: ServerProcess, tmp_path: Path) -> None:
    empty = tmp_path / "empty.bin"
    empty.write_bytes(b"")
    arguments = ("adapter", "hep", "--feed", "sip-1", "--replay", str(empty))
    env = {"RINGFENCE_SERVER": server.address, "RINGFENCE_COUNTRY": "44"}
    done = CliRunner().invoke(main, arguments, env=env)
    assert done.exit_code == 0, done.output
    wrong = CliRunner().invoke(main, arguments, env=env | {"RINGFENCE_COUNTRY": "999"})
    assert wrong.exit_code == 2
    assert "not a country: 999" in wrong.stderr
