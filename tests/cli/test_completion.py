"""The shell completes names that the server knows; `python -m ringfence` is the command."""

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from support.command_line import Ringfence
from support.server_process import ServerProcess

from ringfence import Client, Feed, Pool
from ringfence.cli import main


def completed(server: str, *words: str) -> list[str]:
    """What bash would offer for the last of these words."""
    asked = {
        "_RINGFENCE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["ringfence", *words]),
        "COMP_CWORD": str(len(words)),
        "RINGFENCE_SERVER": server,
    }
    said = CliRunner().invoke(main, [], env=asked, prog_name="ringfence").stdout
    return re.findall(r"^plain,(.*)$", said, re.MULTILINE)


@pytest.mark.parametrize(
    "words",
    [
        *(["numbers", "--pool", "nl"], ["reserve", "nl"], ["pools", "show", "nl"]),
        *(["pools", "delete", "nl"], ["move", "--pool", "nl"], ["quarantine", "--pool", "nl"]),
    ],
)
def test_names_of_pools_complete(server: ServerProcess, words: list[str]) -> None:
    with Client(server.address) as client:
        for name in ("nl-mobile", "nl-fixed", "de-mobile"):
            client.put_pool(Pool(name, "default"))
    assert sorted(completed(server.address, *words)) == ["nl-fixed", "nl-mobile"]


def test_names_of_policies_and_feeds_complete(server: ServerProcess) -> None:
    with Client(server.address) as client:
        client.put_feed(Feed("msc-1"))
    assert completed(server.address, "policies", "show", "d") == ["default"]
    assert completed(server.address, "feeds", "delete", "m") == ["msc-1"]


def test_a_server_that_is_away_completes_nothing(server: ServerProcess) -> None:
    assert completed("127.0.0.1:1", "numbers", "--pool", "nl") == []
    assert "default" in completed(
        "127.0.0.1:1", "numbers", "--server", server.address, "--pool", "d"
    )


@pytest.mark.slow
def test_the_package_is_the_command() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "ringfence", "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("ringfence ")


def test_times_of_the_log_have_their_zone(server: ServerProcess) -> None:
    for line in server.log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ pid=", line), line


@pytest.mark.parametrize(
    "command", [["retire", "--yes"], ["override", "--yes"], ["complain"]], ids=lambda it: it[0]
)
@pytest.mark.parametrize("note", ["", "  "])
def test_an_empty_note_is_refused_where_one_is_needed(
    ringfence: Ringfence, command: list[str], note: str
) -> None:
    result = ringfence(*command, "+447700900000", "--note", note, code=2)
    assert "a reason is needed" in result.stderr
