"""The scripts of the page, as they are written there, connect a switch over HTTP."""

import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.http_adapter import PATIENCE_S, adapter
from support.places import ROOT
from support.programs import needs
from support.server_process import Peer, ServerProcess, wait_until
from support.told_claims import put_feed, status_of

from ringfence.v1 import number_service_pb2 as numbers

pytestmark = pytest.mark.slow

PAGE = ROOT / "src/ringfence/adapters/http/README.md"
FEED = "web-1"


def script(language: str) -> str:
    pattern = rf"^```{language}\n(.*?)^```$"
    (text,) = re.findall(pattern, PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return text


def quarantined(peer: Peer, fresh_numbers) -> int:
    put_feed(peer, FEED, silence_max={"seconds": 86_400})
    (number,) = fresh_numbers(1)
    peer.quarantine([number], quarantined_at=[int(time.time()) - 10_000])
    return number


def events_total(peer: Peer, number: int) -> int:
    request = numbers.GetNumberRequest(number=number)
    return peer.numbers.GetNumber(request, timeout=10).events_total


@needs("curl")
def test_the_shell_script_posts_what_was_added_to_a_log(
    server: ServerProcess, peer: Peer, fresh_numbers, tmp_path: Path
) -> None:
    number = quarantined(peer, fresh_numbers)
    post, log = tmp_path / "post.sh", tmp_path / "calls.log"
    post.write_text(script("shell"))
    log.write_text("0;;what was there before\n")
    with adapter(server.address) as running:
        url = f"http://127.0.0.1:{running.address[1]}/events"

        def posted(code: int = 0) -> str:
            done = subprocess.run(
                ["sh", post, log, url],
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert (done.returncode == 0) == (code == 0), done.stderr
            return done.stdout

        assert '"heard":1' in posted()
        with log.open("a") as switch:
            for at in range(3):
                switch.write(f"{int(time.time()) - at};+441632960321;+{number}\n")
            switch.write("179000")  # half a line
        assert '"accepted":3' in posted()
        assert '"accepted":0' in posted()
        with log.open("a") as switch:
            switch.write(f"0000;;+{number}\n")
        (tmp_path / "calls.log.posted").write_text("1 1790000000\n")  # as if it had been killed
        assert '"accepted":1,"repeats":3' in posted()
        log.write_text(f"{int(time.time()) - 9};;+{number}\n")
        assert '"accepted":1' in posted()
        assert running.stop()[0] == 0
        log.write_text(f"{int(time.time())};;+{number}\n" * 2)
        post.write_text(script("shell").replace("--retry 9", "--retry 1"))
        assert posted(1) == ""
        assert (tmp_path / "calls.log.posted").read_text().startswith("1 ")
    assert events_total(peer, number) == 4  # one was before its quarantine


def test_the_python_script_posts_the_rows_of_a_database(
    server: ServerProcess, peer: Peer, fresh_numbers, tmp_path: Path
) -> None:
    number = quarantined(peer, fresh_numbers)
    began = int(time.time())
    post, database = tmp_path / "post_cdr.py", tmp_path / "cdr.db"
    # The pause is for a switch; a test need not wait so long.
    post.write_text(script("python").replace("else 5)", "else 0.2)"))
    switch = sqlite3.connect(database)
    switch.execute("CREATE TABLE cdr (called TEXT, caller TEXT, started INTEGER)")

    def add(count: int) -> None:
        rows = [(f"+{number}", "+441632960321", began - 5_000 + at) for at in range(count)]
        with switch:
            switch.executemany("INSERT INTO cdr VALUES (?, ?, ?)", rows)

    add(7)
    with (
        adapter(server.address) as running,
        (tmp_path / "said").open("wb") as said,
        subprocess.Popen(
            [
                *(sys.executable, post, database),
                *(f"http://127.0.0.1:{running.address[1]}/events", "0"),
            ],
            stdout=said,
            stderr=said,
        ) as program,
    ):
        try:
            wait_until(lambda: b'"heard":1' in (tmp_path / "said").read_bytes())
            add(2_500)
            wait_until(lambda: events_total(peer, number) == 2_500)
            # A claim goes with the next events, or at a heartbeat.
            wait_until(lambda: status_of(peer, FEED).watermark.seconds > began)
            assert program.poll() is None
        finally:
            program.kill()
        assert running.stop()[0] == 0
    switch.close()
